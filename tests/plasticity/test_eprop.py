"""e-prop: its sum is the gradient where it is exact, and patterns are learned."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snn_control.coding import MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.network import ALIF, IF, LI, LIF, CubaLIF, EProp, Network, Population, Projection, Relay
from tests.plasticity.common import DT, given_spikes

N_IN, N, N_OUT, STEPS, TAU_OUT = 6, 9, 2, 120, 0.015
GAMMA, RATE = 0.3, 1e-3


def layer(neuron, seed=0, **more):
    """Given spikes -> neurons that a fixed current makes fire -> leaky readouts; plastic weights begin at zero.

    Such a small rate and weights of zero do not influence the activity of the network, and sums keep all digits.
    """
    rng = np.random.default_rng(seed)
    out = rng.normal(size=(N, N_OUT)) * 0.5
    kappa = math.exp(-DT / TAU_OUT)
    rule = EProp(error="error", feedback=(1 - kappa) * out, learning_rate=RATE, gamma=GAMMA, tau_out=TAU_OUT)
    network = Network(
        (
            Population("hidden", N, neuron),
            Population("out", N_OUT, LI(tau_mem=TAU_OUT)),
            Population("error", N_OUT, Relay()),
        ),
        (
            Projection("x", "hidden", 0.0, learning=rule, **more),
            Projection("drive", "hidden", np.eye(N), receptor="current"),
            Projection("hidden", "out", out),
            Projection("out", "error", np.eye(N_OUT)),
            Projection("target", "error", -np.eye(N_OUT)),
        ),
    )
    inputs = [given_spikes("x", N_IN), ValueInput("drive", size=N), ValueInput("target", size=N_OUT)]
    outputs = [Output("y", (MembraneDecoder("out", np.eye(N_OUT)),), N_OUT)]
    return Controller(build(network, inputs, outputs, dt=DT, period=DT)), out, kappa


def course(one, neuron, seed=1):
    """Random spikes, currents and targets of a run, and what fired."""
    rng = np.random.default_rng(seed)
    x = (rng.random((STEPS, N_IN)) < 0.15).astype(float)
    scale = 60.0 if type(neuron) is IF else 1.0
    drive = scale * rng.uniform(0.4, 1.8, (STEPS // 10, N)).repeat(10, axis=0)
    target = rng.normal(size=(STEPS, N_OUT))
    spikes, outputs = np.zeros((STEPS, N)), []
    for k in range(STEPS):
        outputs.append(one.step({"x": x[k], "drive": drive[k], "target": target[k]})["y"])
        spikes[k, one.spikes("hidden")] = 1
    return x, drive, target, spikes, np.array(outputs)


def gradient(neuron, out, kappa, x, drive, target, z, tau_syn=None, delay=0):
    """dE/dW by backpropagation through time in float64, E = sum of squared errors / 2 over all steps and readouts.

    The spikes are those of the run; their derivative is the pseudo-derivative, and that of the reset is left out.
    """
    r, threshold = neuron.r, neuron.v_threshold
    decay = 1.0 if type(neuron) is IF else math.exp(-DT / neuron.tau_mem)
    gain = r * DT if type(neuron) is IF else r * (1 - decay)
    beta, rho = getattr(neuron, "beta", 0.0), math.exp(-DT / getattr(neuron, "tau_adapt", 1.0))
    gain_x, keep = gain, 0.0
    if tau_syn is not None:
        keep = math.exp(-DT / tau_syn)
    elif isinstance(neuron, CubaLIF):
        keep, tm, ts = math.exp(-DT / neuron.tau_syn), neuron.tau_mem, neuron.tau_syn
        gain_x = r * ts / (ts - tm) * (math.exp(-DT / ts) - math.exp(-DT / tm))
    u, a, y, before = np.zeros(N), np.zeros(N), np.zeros(N_OUT), np.zeros(N)
    psi, errors = np.zeros((STEPS, N)), np.zeros((STEPS, N_OUT))
    for k in range(STEPS):
        reset = threshold * before * (1.0 if neuron.reset_delay else decay)
        u = decay * u - reset + gain * drive[k]
        distance = np.abs(u - (threshold + beta * a)) / threshold
        psi[k] = GAMMA / threshold * np.maximum(0, 1 - distance)
        a, before = rho * a + z[k], z[k]
        y = kappa * y + (1 - kappa) * z[k] @ out
        errors[k] = y - target[k]
    d_y, d_u, d_a, d_s, total = np.zeros(N_OUT), np.zeros(N), np.zeros(N), np.zeros(N), np.zeros((N_IN, N))
    for k in reversed(range(STEPS)):
        d_y = errors[k] + kappa * d_y
        d_z = (1 - kappa) * out @ d_y + d_a  # a spike adds 1 to the adaptation of the next step
        d_u = psi[k] * d_z + decay * d_u
        d_a = rho * d_a - beta * psi[k] * d_z
        d_s = gain_x * d_u + keep * d_s
        if k >= delay:
            total += np.outer(x[k - delay], d_s)
    return total, y


CASES = {
    "if": (IF(reset="subtract"), {}),
    "lif": (LIF(reset="subtract", tau_mem=0.02), {}),
    "lif, reset in the next step": (LIF(reset="subtract", reset_delay=True, tau_mem=0.02), {}),
    "lif, delay": (LIF(reset="subtract", tau_mem=0.02), {"delay": 3 * DT}),
    "lif, tau_syn": (LIF(reset="subtract", tau_mem=0.02), {"tau_syn": 0.007}),
    "cuba_lif": (CubaLIF(reset="subtract", tau_mem=0.02, tau_syn=0.006), {}),
    "alif": (ALIF(reset="subtract", tau_mem=0.02, tau_adapt=0.05, beta=0.4, v_threshold=0.6), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_without_recurrence_the_sum_is_the_gradient_of_backpropagation(case):
    neuron, more = CASES[case]
    one, out, kappa = layer(neuron, **more)
    x, drive, target, z, outputs = course(one, neuron)
    assert 0.02 < z.mean() < 0.5
    delay = round(more.get("delay", 0) / DT)
    expected, y = gradient(neuron, out, kappa, x, drive, target, z, more.get("tau_syn"), delay)
    np.testing.assert_allclose(outputs[-1], y, rtol=1e-4)
    found = -one.weights("x", "hidden").astype(np.float64) / (RATE * DT)
    assert np.abs(found).max() * RATE * DT < 1e-3  # the weights were as good as zero all the time
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4 * np.abs(expected).max())


def learner(neuron, rate, n=60, seed=2):
    """A recurrent network that shall draw a curve, driven by a fixed pattern of spikes."""
    rng, n_in, tau_out = np.random.default_rng(seed), 20, 0.02
    kappa = math.exp(-DT / tau_out)
    out = rng.normal(size=(n, 1)) / math.sqrt(n)
    rule = EProp(error="error", feedback=(1 - kappa) * out, learning_rate=rate, tau_out=tau_out)
    network = Network(
        (Population("hidden", n, neuron), Population("out", 1, LI(tau_mem=tau_out)), Population("error", 1, Relay())),
        (
            Projection("x", "hidden", rng.normal(size=(n_in, n)) * 6 / math.sqrt(n_in), learning=rule),
            Projection("hidden", "hidden", rng.normal(size=(n, n)) * 3 / math.sqrt(n), delay=DT, learning=rule),
            Projection("hidden", "out", out * 10),
            Projection("out", "error"),
            Projection("target", "error", -1.0),
        ),
    )
    inputs = [given_spikes("x", n_in), ValueInput("target")]
    outputs = [Output("error", (MembraneDecoder("error", 1.0),))]
    return Controller(build(network, inputs, outputs, dt=DT, period=DT)), n_in


@pytest.mark.parametrize(
    ("neuron", "rate", "part"),
    [
        (LIF(reset="subtract", tau_mem=0.02), 3e3, 0.6),
        (ALIF(reset="subtract", tau_mem=0.02, tau_adapt=0.2, beta=0.2), 1e4, 0.4),
    ],
    ids=["lif", "alif"],
)
def test_a_recurrent_network_learns_a_curve(neuron, rate, part):
    """60 times 0.2 s of one pattern; the root mean square error falls to a part of what it was."""
    one, n_in = learner(neuron, rate)
    x = (np.random.default_rng(0).random((200, n_in)) < 0.15).astype(float)
    t = np.arange(200) / 200
    target = 0.5 * np.sin(2 * np.pi * t) + 0.3 * np.sin(6 * np.pi * t + 1)
    course = []
    for _ in range(60):
        errors = [one.step({"x": x[k], "target": target[k]})["error"] for k in range(200)]
        course.append(np.sqrt(np.mean(np.square(errors))))
    assert np.mean(course[-5:]) < part * course[0]
    one.learning(False)
    errors = [one.step({"x": x[k], "target": target[k]})["error"] for k in range(200)]
    assert np.sqrt(np.mean(np.square(errors))) < part * course[0]
