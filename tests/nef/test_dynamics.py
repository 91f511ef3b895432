"""Ensembles that run, at 1 ms: what they represent, compute, keep and generate."""

import numpy as np
import pytest

from benchmarks.nef import CASES, DT, controller, drift, errors, our_run, run
from snn_control.coding import MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.nef import Connection, Ensemble, network
from snn_control.network import LI, LIF, Population, Projection

#: root mean square errors of nengo 4.1.0 for the same encoders, rates, intercepts and LIF (benchmarks/nef.py)
NENGO = {
    "x, 1-D, 100 neurons": 0.01500,
    "x, 2-D, 200 neurons": 0.01577,
    "x^2, 100 neurons": 0.01793,
    "x y, 200 neurons": 0.01665,
}
NENGO_DRIFT = 0.0478


@pytest.mark.parametrize("name", CASES)
def test_errors_are_those_of_nengo(name):
    assert 0.005 < errors(our_run, name) < 1.15 * NENGO[name]


def test_an_integrator_drifts_no_more_than_nengos():
    assert drift(our_run) < 1.15 * NENGO_DRIFT


def test_the_error_of_a_representation_falls_with_more_neurons():
    x = 0.8 * np.sin(np.linspace(0, 12, 2000))[:, None]
    error = []
    for n in (50, 800):
        a = Ensemble("a", n, seed=2)
        error.append(np.std(run(controller([Connection("x", a, synapse=0)], 1, a), x)[500:] - x[490:-10]))
    assert error[1] < error[0] / 3  # 1 / sqrt(16) and what the lag of 10 ms leaves


@pytest.mark.parametrize("neuron", [LIF(refractory=0.002), LIF(refractory=0.0, tau_mem=0.05)])
def test_decoders_fit_the_rates_of_the_grid_with_other_neurons_too(neuron):
    """By the continuous equation the first would read 11 % low (docs/explanation/nef.md)."""
    a = Ensemble("a", 300, radius=3.0, neuron=neuron, max_rates=(150, 300), seed=6)
    x = np.repeat(np.linspace(-2.7, 2.7, 19), 300)[:, None]
    u = run(controller([Connection("x", a, synapse=0)], 1, a), x)
    settled = u.reshape(19, 300)[:, 100:].mean(axis=1)
    np.testing.assert_allclose(settled, np.linspace(-2.7, 2.7, 19), atol=0.02 * 3)


def test_a_channel_passes_a_value_through_a_function_and_a_transform():
    a, b = Ensemble("a", 300, seed=1), Ensemble("b", 300, 2, seed=2)
    swap = [[0.0, 1.0], [-1.0, 0.0]]
    c = controller([Connection("x", a), Connection(a, b, lambda x: [x[0], x[0] ** 2], swap)], 1, b)
    for value in (-0.8, 0.3, 0.6):
        u = run(c, np.full((400, 1), value))[200:].mean(axis=0)
        np.testing.assert_allclose(u, [value**2, -value], atol=0.03)


def test_an_integrator_follows_a_ramp_and_holds():
    found = []
    for seed in range(3):
        a = Ensemble("a", 500, seed=seed)
        c = controller([Connection("x", a, transform=0.1, synapse=0.1), Connection(a, a, synapse=0.1)], 1, a)
        rising, held = run(c, np.full((1000, 1), 0.6))[:, 0], run(c, np.zeros((5000, 1)))[:, 0]
        np.testing.assert_allclose(rising[100::100], 0.6 * np.arange(0.1, 1, 0.1), atol=0.07)
        found.append(held[-500:].mean())
    assert np.mean(found) == pytest.approx(0.6, abs=0.06)
    assert max(abs(np.array(found) - 0.6)) < 0.12


def test_a_controlled_integrator_leaks_as_its_gate_says():
    """dx / dt = (gate - 1) x / tau."""
    a, tau = Ensemble("a", 600, 2, radius=1.5, seed=3), 0.1
    keep = Connection(a, a, lambda x: x[0] * x[1], [[1], [0]], synapse=tau)
    given = Connection("x", a, None, [[tau, 0], [0, 1]], synapse=tau)
    c = controller([given, keep], 2, a)
    run(c, np.tile([1.0, 1.0], (800, 1)))
    before = run(c, np.tile([0.0, 1.0], (400, 1)))[-50:, 0].mean()
    assert before == pytest.approx(0.8, abs=0.1)
    after = run(c, np.tile([0.0, 0.5], (600, 1)))[:, 0]
    k = 300  # the gate has come through its synapse
    assert np.log(after[k : k + 50].mean() / after[k + 200 : k + 250].mean()) == pytest.approx(0.2 * 0.5 / tau, rel=0.2)


@pytest.mark.parametrize("hertz", [0.5, 1.0, 3.0])
def test_an_oscillator_has_its_frequency(hertz):
    a, turn = Ensemble("a", 500, 2, seed=4), 2 * np.pi * hertz * 0.1
    c = controller([Connection("x", a), Connection(a, a, transform=[[1, -turn], [turn, 1]], synapse=0.1)], 2, a)
    run(c, np.tile([1.0, 0.0], (100, 1)))
    u = run(c, np.zeros((6000, 2)))[1000:]
    phase = np.unwrap(np.arctan2(u[:, 1], u[:, 0]))
    assert (phase[-1] - phase[0]) / (2 * np.pi * 4.999) == pytest.approx(hertz, rel=0.05)
    assert 0.6 < np.hypot(*u.T).min() < np.hypot(*u.T).max() < 1.3


def test_two_ensembles_in_a_loop_oscillate_too():
    """dx / dt = -w y, dy / dt = w x, with x and y in ensembles of their own: the later connection is the late one."""
    x, y, tau, w = Ensemble("x_", 400, seed=1), Ensemble("y_", 400, seed=2), 0.1, 2 * np.pi
    keep = [Connection(e, e, transform=1.05, synapse=tau) for e in (x, y)]
    loop = [Connection(x, y, transform=w * tau, synapse=tau), Connection(y, x, transform=-w * tau, synapse=tau)]
    c = controller([Connection("x", x), *keep, *loop], 1, x)
    run(c, np.full((200, 1), 1.0))
    u = run(c, np.zeros((5000, 1)))[1000:, 0]
    rising = np.flatnonzero((u[:-1] < 0) & (u[1:] >= 0))
    crossings = rising[np.diff(rising, prepend=-1000) > 300]  # noise crosses more than once
    assert np.diff(crossings).mean() * DT == pytest.approx(1.0, rel=0.1)


def arm(gravity):
    """Angle of a hanging arm of 1 kg and 1 m after 3 s of a PD controller that wants 1 rad, and decodes ``gravity``."""
    context = Ensemble("context", 300, 2, radius=3.0, seed=5)
    torque = Population("torque", 1, LI(tau_mem=0.01))
    pd = [Projection("state", "torque", [[-20.0], [-6.0]]), Projection("goal", "torque", 20.0)]
    net = network([Connection("state", context, synapse=0)], [torque], [*pd, context.projection("torque", gravity)])
    inputs = [ValueInput("state", size=2), ValueInput("goal")]
    output = Output("u", (MembraneDecoder("torque", 1.0),), limits=(-30, 30))
    c, q, speed = Controller(build(net, inputs, [output], dt=DT, period=DT)), 0.0, 0.0
    for _ in range(3000):
        u = c.step({"state": [q, speed], "goal": 1.0})["u"][0]
        speed += DT * (u - 9.81 * np.sin(q))
        q += DT * speed
    return q


def test_an_arm_holds_its_goal_with_the_torque_that_an_ensemble_decodes():
    """The decoders' projection starts at zero where a rule learns it, and could learn this."""
    alone, helped = arm(lambda x: 0.0), arm(lambda x: 9.81 * np.sin(x[0]))
    assert 20 * (1 - alone) == pytest.approx(9.81 * np.sin(alone), rel=0.02)  # sags until the PD carries it
    assert alone < 0.72
    assert helped == pytest.approx(1.0, abs=0.04)
