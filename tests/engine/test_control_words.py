"""Control words: learning, release and restart are inputs of a tick, taken at its beginning."""

import dataclasses

import numpy as np
import pytest

from snn_control.coding import LinearEncoder, MembraneDecoder, Output, SpikeDecoder, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.control_words import LEARNING, RELEASE
from snn_control.errors import ProgramError
from snn_control.network import ALIF, LI, LIF, STDP, CubaLIF, Network, Population, Projection
from tests.engine import zoo

DT = 1e-3


def memory(slew=float("inf"), guard=None):
    """A controller with all kinds of memory: membranes, currents, adaptation, delays, traces, weights."""
    rng = np.random.default_rng(1)
    network = Network(
        (
            Population("a", 20, CubaLIF(tau_mem=0.02, tau_syn=0.01)),
            Population("b", 10, ALIF(tau_mem=0.03)),
            Population("v", 1, LI(tau_mem=0.05)),
        ),
        (
            Projection("x", "a", rng.uniform(0, 3, (8, 20)), delay=3e-3),
            Projection("a", "b", rng.uniform(0, 1, (20, 10)), delay=2e-3, learning=STDP(a_plus=0.05, w_max=2.0)),
            Projection("b", "b", rng.normal(0, 0.2, (10, 10)), delay=5e-3),
            Projection("b", "v", rng.normal(0, 1, (10, 1)), tau_syn=0.02),
        ),
    )
    inputs = [
        ValueInput("x", size=8, plausible=(-1.0, 1.0), encoder=LinearEncoder(np.eye(8) * 4, neuron=LIF(tau_mem=0.02)))
    ]
    outputs = [
        Output("u", (SpikeDecoder("b", rng.normal(0, 1, (10, 1)), 0.03),), limits=(-2.0, 2.0), slew=slew),
        Output("w", (MembraneDecoder("v", 1.0),)),
    ]
    return Controller(build(network, inputs, outputs, dt=DT, period=2 * DT, guard=guard))


def run(one, seed, ticks):
    rng = np.random.default_rng(seed)
    return np.array([np.concatenate(list(one.step({"x": rng.uniform(0, 1, 8)}).values())) for _ in range(ticks)])


def test_after_a_restart_the_network_is_that_of_the_start():
    one, other = memory(), memory()
    for c in (one, other):
        c.learning(False)
    fresh = run(other, 5, 200)
    assert np.abs(fresh).max() > 0.1
    run(one, 4, 150)
    one.restart()
    assert np.array_equal(run(one, 5, 200), fresh)
    assert one.counters()["ticks"] == 350


def test_what_was_learned_the_guard_and_the_counts_stay():
    one = memory(slew=0.5)
    first = one.weights("a", "b")
    run(one, 4, 200)
    learned, before = one.weights("a", "b"), one.counters()
    last = one.bound.array("command").copy()
    assert not np.array_equal(first, learned)
    assert abs(last[0]) > 0.01
    one.restart()
    command = one.step({"x": np.zeros(8)})
    assert np.array_equal(one.weights("a", "b"), learned)
    assert abs(command["u"][0] - last[0]) == pytest.approx(0.5 * 2 * DT)  # along the slew, from where it was
    assert command["w"][0] == 0.0
    after = one.counters()
    assert after["ticks"] == before["ticks"] + 1
    assert after["spikes"] == before["spikes"]
    assert after["guard"]["slew_limited"] == before["guard"]["slew_limited"] + 1


def test_a_request_is_taken_by_the_next_tick_and_once():
    one = memory()
    run(one, 4, 50)
    one.restart()
    one.learning(False)
    taken = one.bound.array("controlled")
    assert taken[LEARNING] == 1  # not yet
    assert not one.counters()["learning"]["a->b"]["on"]  # as it was asked for
    weights = one.weights("a", "b")
    commands = run(one, 5, 100)
    assert taken[LEARNING] == 0
    assert np.array_equal(one.weights("a", "b"), weights)
    assert np.abs(commands[-20:]).max() > 0.1  # it restarted once, not in each tick


def test_a_state_brings_no_request_with_it():
    one = memory()
    run(one, 4, 60)
    one.restart()
    one.release()
    one.learning(False)
    run(one, 5, 60)
    kept = one.state()
    fresh = memory()
    fresh.restore(kept)
    assert fresh.bound.array("control").tolist() == one.bound.array("control").tolist()
    assert fresh.bound.array("control")[RELEASE] == 1
    assert np.array_equal(run(one, 6, 60), run(fresh, 6, 60))
    assert np.array_equal(one.bound.state, fresh.bound.state)
    one.reset()
    assert one.bound.array("control").tolist() == [0, 0, 0, 0, 1]


def with_restarts(program, parts):
    place, constants = program.names["restarts"], program.constants.copy()
    place.view(constants)[: len(parts)] = np.array(parts, np.int64).reshape(-1, 2)
    return dataclasses.replace(program, constants=constants)


def test_a_file_cannot_have_the_guard_or_half_a_list_restarted():
    program = zoo.program()
    guard, ring = program.names["guard"], program.names[next(n for n in program.names if n.endswith(".spikes"))]
    size = program.initial_state.size
    Controller(with_restarts(program, []))
    for parts, rule in (
        ([[guard.offset, 8]], "must not reset the state at"), ([[ring.offset, 8]], "must not cut an array of indices"),
        ([[size, 8]], "within the state"), ([[-8, 16]], "within the state"), ([[0, 1 << 62]], "within the state"),
    ):  # fmt: skip
        with pytest.raises(ProgramError, match=rule):
            Controller(with_restarts(program, parts))


def test_a_restart_that_forgets_is_a_start():
    one, other = memory(), memory()
    fresh = run(other, 5, 200)
    run(one, 4, 150)
    learned = one.weights("a", "b")
    assert not np.array_equal(learned, memory().weights("a", "b"))
    one.restart(forget=True)
    assert np.array_equal(run(one, 5, 200), fresh)
    one.restart()
    kept = one.weights("a", "b")
    run(one, 6, 1)
    assert np.abs(one.weights("a", "b") - kept).max() < 0.06  # one tick's learning
