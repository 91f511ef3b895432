"""PES: nengo's rule, a channel that learns what it represents, and an arm that adapts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snn_control.coding import MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.nef import Connection, Ensemble, network
from snn_control.network import LI, PES, Population, Projection, Relay
from tests.plasticity.common import DT, matrix, pair, step


def test_constant_spikes_and_errors_give_the_closed_form():
    """Activity 1000 Hz (1 - decay^k) in step k; with 4 neurons a decoder loses rate dt / 4 error activity a step."""
    rate, tau, steps = 2e-5, 0.004, 30
    one = pair(PES(error="error", learning_rate=rate, pre_tau=tau), 4, 3)
    error = np.array([0.5, -2.0, 0.0])
    for _ in range(steps):
        step(one, [0, 2], error=error)
    activity = sum(1 / DT * -math.expm1(-k * DT / tau) for k in range(1, steps + 1))
    expected = -rate * DT / 4 * np.outer([activity, 0, activity, 0], error)
    np.testing.assert_allclose(matrix(one, 4, 3) * DT, expected, rtol=1e-5)  # a decoder is weight dt


def channel(function, rate, neurons=200):
    """An ensemble whose decoders begin at zero and learn ``function`` of x, wished at the input."""
    a = Ensemble("a", neurons, seed=3)
    learned = a.projection("y", lambda x: 0.0, learning=PES(error="error", learning_rate=rate))
    populations = [Population("y", 1, LI(tau_mem=0.005)), Population("error", 1, Relay())]
    paths = [learned, Projection("y", "error"), Projection("wish", "error", -1.0)]
    net = network([Connection("x", a, synapse=0)], populations, paths)
    outputs = [Output(name, (MembraneDecoder(name, 1.0),)) for name in ("y", "error")]
    return Controller(build(net, [ValueInput("x"), ValueInput("wish")], outputs, dt=DT, period=DT)), function


def run(channel, steps, plain=None):
    """(steps,) errors."""
    one, function = channel
    errors = []
    for k in range(steps):
        x = 0.9 * math.sin(2 * math.pi * k * DT)
        errors.append(one.step({"x": x, "wish": function(x)})["error"][0])
        if plain is not None:
            plain.step(one.spikes("a"), errors[-1])
    return np.array(errors)


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


class Nengo:
    """nengo's operators in float64: Lowpass on spikes of 1 / dt, then decoders += -rate dt / n error (x) activity."""

    def __init__(self, n, rate, tau=0.005):
        self.decoders, self.activity, self.rate, self.decay = np.zeros(n), np.zeros(n), rate, math.exp(-DT / tau)

    def step(self, fired, error):
        spikes = np.zeros(self.decoders.size)
        spikes[fired] = 1 / DT
        self.activity = self.decay * self.activity + (1 - self.decay) * spikes
        self.decoders += -self.rate * DT / self.decoders.size * error * self.activity


@pytest.mark.parametrize(
    ("function", "seconds", "bound"), [(lambda x: x, 2, 0.07), (lambda x: 1.5 * x**2 - 0.5, 20, 0.07)]
)
def test_a_channel_learns_and_nengo_s_decoders_are_the_same(function, seconds, bound):
    one, plain = channel(function, 3e-4), Nengo(200, 3e-4)
    errors = run(one, round(seconds / DT), plain)
    assert rms(errors[:200]) > 0.3
    assert rms(errors[-500:]) < bound
    decoders = one[0].weights("a", "y")[:, 0] * DT
    np.testing.assert_allclose(decoders, plain.decoders, rtol=0, atol=3e-5 * np.abs(plain.decoders).max())
    one[0].learning(False)
    frozen = one[0].weights("a", "y")
    assert rms(run(one, 500)) < bound  # it knows the function, and does not only follow the error
    np.testing.assert_array_equal(one[0].weights("a", "y"), frozen)


def arm(learning, seconds=6.0):
    """Errors [rad] of a hanging arm of 1 kg and 1 m, whose PD controller knows nothing of its weight."""
    state = Ensemble("state", 400, 2, radius=2.5, seed=5)
    populations = [Population("torque", 1, LI(tau_mem=0.01)), Population("wrong", 1, Relay())]
    gains = [("arm", [[-20.0], [-6.0]]), ("goal", [[20.0], [6.0]])]
    paths = [Projection(pre, "torque", w) for pre, w in gains]
    paths += [Projection(pre, "wrong", -np.array(w)) for pre, w in gains]  # what there is less what the PD wants more
    paths += [state.projection("torque", lambda x: 0.0, learning=learning)]
    net = network([Connection("arm", state, synapse=0)], populations, paths)
    output = Output("u", (MembraneDecoder("torque", 1.0),), limits=(-40, 40))
    one = Controller(build(net, [ValueInput("arm", size=2), ValueInput("goal", size=2)], [output], dt=DT, period=DT))
    q = speed = 0.0
    errors = []
    for k in range(round(seconds / DT)):
        goal, turning = math.sin(math.pi * k * DT), math.pi * math.cos(math.pi * k * DT)
        u = one.step({"arm": [q, speed], "goal": [goal, turning]})["u"][0]
        speed += DT * (u - 9.81 * math.sin(q) + 2.0)  # gravity, and a load that pulls
        q += DT * speed
        errors.append(q - goal)
    return np.array(errors)


def test_an_arm_learns_its_weight_and_load():
    """DeWolf et al. 2016, Proc. R. Soc. B 283:20162134: the error is the PD controller's own torque."""
    alone, adapting = arm(None), arm(PES(error="wrong", learning_rate=2e-4))
    last = slice(-2000, None)  # one turn of the goal
    assert rms(alone[last]) > 0.07
    assert rms(adapting[last]) < 0.25 * rms(alone[last])
