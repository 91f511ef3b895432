"""Batch: each row has the bits of a Controller of its own."""

import copy
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snn_control.coding import EventsInput, MembraneDecoder, Output, PoolEncoder, SpikeDecoder, ValueInput
from snn_control.controller import Batch, Controller
from snn_control.engine.bound import Bound
from snn_control.engine.build import build
from snn_control.errors import InputError, ProgramError
from snn_control.network import LI, CubaLIF, Network, Population, Projection
from tests.engine.random_controllers import descriptions, observation


def program(size=2, name="u", seed=0, bias=0.9):
    network = Network(
        (Population("a", 30, CubaLIF(tau_mem=0.01), bias=bias), Population("slow", 2, LI())),
        (
            Projection("x", "a", np.random.default_rng(seed).normal(1, 1, (size, 30))),
            Projection("camera", "a", 0.1),
            Projection("a", "a", 0.2, delay=2e-3),
            Projection("a", "slow", 0.5),
        ),
    )
    inputs = [
        ValueInput("x", size=size, stale=3e-3),
        EventsInput("camera", size=(8, 8), encoder=PoolEncoder((2, 2)), capacity=20, required=False),
    ]
    outputs = [Output(name, (SpikeDecoder("a", 0.01, 0.01),), slew=90.0), Output("v", (MembraneDecoder("slow", 1.0),))]
    return build(network, inputs, outputs, dt=1e-3, period=1e-3)


def events(rng, n=10):
    return np.stack([np.zeros(n), *rng.integers(0, 8, (2, n)), rng.integers(0, 2, n)], 1)


def drive(batch, alone, ticks, seed=0, rows=None):
    """Give both the same random inputs; the commands must be equal."""
    rng, n = np.random.default_rng(seed), batch.n
    for _ in range(ticks):
        x, camera = rng.normal(size=(n, 2)), [events(rng) if rng.random() < 0.8 else None for _ in range(n)]
        got = batch.step({"x": x, "camera": camera})
        for k in range(n):
            want = alone[k].step({"x": x[k], "camera": camera[k]})
            assert {name: c[k].tobytes() for name, c in got.items()} == {m: c.tobytes() for m, c in want.items()}


def same(batch, alone):
    return all(batch.state(k).tobytes() == one.state().tobytes() for k, one in enumerate(alone))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(description=descriptions(), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), repeat=st.integers(1, 2))
def test_a_row_of_a_random_controller_has_the_bits_that_it_has_alone(description, seed, n, repeat):
    network, inputs, outputs, dt, period, guard = description
    one = build(network, inputs, outputs, dt=dt, period=period, guard=guard)
    batch, alone, rng = Batch(one, n, repeat), [Controller(one, repeat) for _ in range(n)], np.random.default_rng(seed)
    for _ in range(6):
        rows = [observation(rng, inputs) for _ in range(n)]
        got = batch.step({i.name: [given[i.name] for given in rows] for i in inputs})
        for k, given_ in enumerate(rows):
            want = alone[k].step(given_)
            assert {name: c[k].tobytes() for name, c in got.items()} == {m: c.tobytes() for m, c in want.items()}
    assert same(batch, alone)
    for k, controller in enumerate(alone):
        for name in one.names:
            if f"{name}" not in ("safe",) and one.names[name].kind != 1:
                assert batch.array(name)[k].tobytes() == controller.bound.array(name).tobytes(), name


def test_rows_with_numbers_of_their_own_have_the_bits_of_their_controllers():
    programs = [program(seed=k, bias=0.5 + 0.2 * k) for k in range(3)]
    batch, alone = Batch(programs[0], 3, own_numbers=True), [Controller(one) for one in programs]
    for k, one in enumerate(programs):
        batch.bound.constants[k], batch.bound.initial[k] = one.constants, one.initial_state
    batch.reset()
    drive(batch, alone, 40)
    assert len({one.state().tobytes() for one in alone}) == 3
    batch.reset([1])
    alone[1].reset()
    drive(batch, alone, 10, seed=1)
    rng, starts = np.random.default_rng(2), np.zeros((20, 3), bool)
    starts[[0, 0, 0, 7], [0, 1, 2, 1]] = True
    x = rng.normal(size=(20, 3, 2))
    found = batch.run({"x": x}, starts)["u"]
    for t in range(20):
        for k in range(3):
            if starts[t, k]:
                alone[k].reset()
            assert found[t, k].tobytes() == alone[k].step({"x": x[t, k]})["u"].tobytes()


@pytest.mark.parametrize("own", [False, True])
def test_a_constant_can_be_recorded(own):
    one = program()
    batch, name = Batch(one, 3, own_numbers=own), "x->a.weights"
    found = batch.run({"x": np.zeros((2, 3, 2))}, keep=[name])[name]
    assert found.tobytes() == np.broadcast_to(one.names[name].view(one.constants), found.shape).tobytes()
    if own:
        batch.array(name)[1] += 1
        found = batch.run({"x": np.zeros((2, 3, 2))}, keep=[name])[name]
        assert np.array_equal(found[:, 1], found[:, 0] + 1)


def test_numbers_of_their_own_need_rows():
    with pytest.raises(ProgramError, match="needs rows"):
        Bound(program(), own_numbers=True)


def test_numbers_of_rows_are_copied_with_them():
    one, other = Bound(program(), 2, own_numbers=True), program(seed=1)
    one.constants[1], one.initial[1] = other.constants, other.initial_state
    again = copy.deepcopy(one)
    assert again.constants is not one.constants
    assert np.array_equal(again.constants, one.constants)
    assert np.array_equal(again.initial, one.initial)
    assert again.array("x->a.weights").shape == (2, *program().names["x->a.weights"].shape)
    assert again.array("x->a.weights").flags.writeable


def test_values_come_as_an_array_and_nothing_comes_as_none():
    one = program()
    batch, alone = Batch(one, 3), [Controller(one) for _ in range(3)]
    drive(batch, alone, 30)
    for given_ in ({}, {"x": None}, {"camera": None}, {"x": [None, [1, 2], None]}):
        batch.step(given_)
        for k, controller in enumerate(alone):
            controller.step({"x": given_["x"][k] if given_.get("x") else None})
    assert same(batch, alone)
    assert batch.array("spike_counts")[:, 0].min() > 0


@pytest.mark.parametrize("rows", [1, [0, 3], slice(1, 3), np.array([True, False, False, True]), None])
def test_rows_are_reset_alone(rows):
    one = program()
    batch, alone = Batch(one, 4), [Controller(one) for _ in range(4)]
    drive(batch, alone, 20)
    batch.reset(rows)
    for controller in np.atleast_1d(np.array(alone, object)[slice(None) if rows is None else rows]):
        controller.reset()
    assert same(batch, alone)
    for k in range(4):
        assert batch.bound.io[k].tobytes() == alone[k].bound.io.tobytes() or alone[k].counters()["ticks"] > 0
    drive(batch, alone, 20, seed=1)
    assert same(batch, alone)


def test_states_are_those_of_controllers_and_go_both_ways():
    one = program()
    batch, alone = Batch(one, 3), [Controller(one) for _ in range(3)]
    drive(batch, alone, 20)
    saved, third = batch.state(), batch.state(2)
    assert saved.shape == (3, alone[0].state().size)
    assert third.tobytes() == alone[2].state().tobytes() == saved[2].tobytes()
    drive(batch, alone, 5, seed=2)
    other = Controller(one)
    other.restore(third)
    batch.restore(third, 0)
    batch.restore(saved[[1, 0]], [1, 2])
    expected = [third, saved[1], saved[0]]
    for controller, state in zip(alone, expected):
        controller.restore(state)
    assert same(batch, alone)
    drive(batch, alone, 10, seed=3)
    batch.restore(third)
    assert all(row.tobytes() == third.tobytes() for row in batch.state())
    assert other.state().tobytes() == third.tobytes()


def test_another_programs_state_is_refused_and_changes_nothing():
    batch, other = Batch(program(), 2), Batch(program(name="other"), 2)
    before = batch.state()
    for state in (other.state(), other.state(0), batch.state()[:, :-8], batch.state().view(np.int8), np.zeros(3, "u1")):
        with pytest.raises(ProgramError, match="is not a state of this Program"):
            batch.restore(state)
    assert batch.state().tobytes() == before.tobytes()


def test_wrong_observations_name_the_way():
    batch = Batch(program(), 3)
    for given_, text in (
        ({"y": 1}, r"observation\['y'\]: is not an input; known: camera, x|observation\['y'\]: is not an input"),
        ({"x": np.zeros((2, 3))}, r"observation\['x'\]: shape \(2, 3\): must be \(3, 2\)"),
        ({"x": np.zeros((3, 3))}, r"observation\['x'\]: shape \(3, 3\): must be 6 numbers"),
        ({"x": 1.0}, r"observation\['x'\]: shape \(\): must be \(3, 2\)"),
        ({"x": [[1, 2]]}, r"observation\['x'\]: 1 entries: must be 3, one for each row"),
        ({"x": [[1, 2], [1, 2, 3], None]}, r"observation\['x'\]\[1\]: shape \(3,\): must be 2 numbers"),
        (
            {"camera": np.zeros((3, 4))},
            r"observation\['camera'\]: ndarray: must be a list of 3, the events",
        ),
        ({"camera": [None, np.zeros((1, 5)), None]}, r"observation\['camera'\]\[1\]: shape \(1, 5\)"),
    ):
        with pytest.raises(InputError, match=text):
            batch.step(given_)
    batch.step({"x": np.zeros((3, 2))})


def test_rows_and_arrays_lie_where_kernels_want_them():
    batch = Batch(program(), 5)
    v, weights = batch.array("a.v"), batch.array("a->a.weights")
    assert v.shape == (5, 30)
    assert v.ctypes.data % 64 == 0
    assert v.strides[0] % 64 == 0
    assert v.base is not None
    assert weights.shape == (30, 30)
    assert np.shares_memory(weights, batch.program.constants)
    with pytest.raises(ValueError, match="read-only"):
        weights[:] = 0
    v[3] = 0.5
    assert Batch.array(batch, "a.v")[3].tolist() == [0.5] * 30


def test_no_row_is_no_batch():
    with pytest.raises(ProgramError, match="n = 0: must be at least one row"):
        Batch(program(), 0)


def test_others_run_while_it_steps():
    """The interpreter lock is free during a step: another thread continues to count."""
    n = 400
    network = Network((Population("a", n, CubaLIF(), bias=30.0),), (Projection("a", "a", 0.0, delay=1e-3),))
    one = build(network, [], [Output("u", (SpikeDecoder("a", 0.0, 0.01),))], dt=1e-3, period=1e-1)
    batch, counted, ready, done = Batch(one, 20), [0, 0], threading.Event(), threading.Event()

    def count():
        ready.set()
        while not done.is_set():
            for _ in range(2000):
                counted[0] += 1
            time.sleep(0)  # it gives the lock back by itself

    def during():
        """What is counted in a step."""
        before = counted[0]
        batch._tick()
        return counted[0] - before

    thread = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60.0)  # nobody takes the lock away
    try:
        thread.start()
        ready.wait()
        assert any(during() > 1000 for _ in range(50))  # a busy machine may have no core for both
    finally:
        sys.setswitchinterval(interval)
        done.set()
        thread.join()
