"""Learning is switched, saved, restored and read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from snn_control.coding import Output, SpikeDecoder
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.program import Program
from snn_control.errors import InputError, ProgramError
from snn_control.network import LIF, STDP, Network, Population, Projection
from tests.plasticity.common import CASES, DT, NEURON, drive, given_spikes, made, matrix, pair, step


# on and off ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_off_nothing_changes_and_the_network_runs_as_without_a_rule(name, kind):
    off, plain, on = made(name, kind, enabled=False), made(name, kind, rule=False), made(name, kind)
    before = matrix(off, 6, 4)
    found = drive(off, 100)
    np.testing.assert_array_equal(matrix(off, 6, 4), before)
    assert found.tobytes() == drive(plain, 100).tobytes()
    assert found.tobytes() != drive(on, 100).tobytes()
    assert not np.array_equal(matrix(on, 6, 4), before)
    assert off.counters()["learning"] == {"pre->post": {"name": "pre->post", "on": False, "updates": 0}}
    assert on.counters()["learning"]["pre->post"]["on"]
    assert on.counters()["learning"]["pre->post"]["updates"] > 100
    assert plain.counters()["learning"] == {}


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_switched_at_run_time_it_keeps_the_weights_and_forgets_its_traces(name, kind):
    def after(switched):
        """How much the weights change if post fires, with a reward and an error, but no spike arrives."""
        one = made(name, kind)
        drive(one, 50)
        learned = matrix(one, 6, 4)
        one.learning(not switched)
        for _ in range(3):  # what is on its way arrives
            step(one)
        if switched:
            np.testing.assert_array_equal(matrix(one, 6, 4), learned)
        learned = matrix(one, 6, 4)
        one.learning(True)
        for _ in range(5):
            step(one, [], range(4), 1.0, 1.0)
        change = np.abs(matrix(one, 6, 4) - learned).max()
        drive(one, 30, seed=2)
        assert np.abs(matrix(one, 6, 4) - learned).max() > 1e-3
        return change

    assert after(switched=True) == 0
    assert after(switched=False) > 1e-4


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[0] != "stdp"])
def test_a_learning_rate_of_0_is_the_control(name, kind):
    """With a learning rate of 0 a rule changes no weight, and the network acts as without the rule."""
    one, plain = made(name, kind, learning_rate=0.0), made(name, kind, rule=False)
    before = matrix(one, 6, 4)
    assert np.array_equal(drive(one, 100), drive(plain, 100))
    assert np.array_equal(matrix(one, 6, 4), before)


def test_rules_are_switched_by_their_names():
    network = Network(
        (Population("a", 2, LIF()), Population("b", 2, LIF())),
        (
            Projection("x", "a", learning=STDP(name="first")),
            Projection("a", "b", learning=STDP()),
            Projection("a", "b", learning=STDP(name="first")),
        ),
    )
    output = Output("u", (SpikeDecoder("b", 1.0, 0.01),))
    one = Controller(build(network, [given_spikes("x", 2)], [output], dt=DT, period=DT))

    def on():
        return {title: found["on"] for title, found in one.counters()["learning"].items()}

    assert on() == {"x->a": True, "a->b": True, "a->b#2": True}
    one.learning(False, "first")
    assert on() == {"x->a": False, "a->b": True, "a->b#2": False}
    one.learning(False)
    one.learning(True, "a->b")
    assert on() == {"x->a": False, "a->b": True, "a->b#2": False}
    with pytest.raises(InputError, match=r"learning 'frist': is not a rule of this controller; did you mean 'first'\?"):
        one.learning(True, "frist")
    assert one.weights("a", "b", "first").shape == (2, 2)
    with pytest.raises(InputError, match=r"weights 'a' -> 'b': 2 projections learn; all that do: x->a \(first\), a->b"):
        one.weights("a", "b")


def test_a_controller_without_rules_says_so():
    one = made("stdp", rule=False)
    for call in (lambda: one.learning(True), lambda: one.learning(False, "pre->post")):
        with pytest.raises(InputError, match="no projection learns"):
            call()
    with pytest.raises(InputError, match="weights 'pre' -> 'post': 0 projections learn; all that do: none"):
        one.weights("pre", "post")


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_silence_keeps_the_weights(name, kind):
    one = made(name, kind)
    before = one.weights("pre", "post")
    rng = np.random.default_rng(0)
    for _ in range(100):
        step(one, reward=rng.normal(), error=rng.normal(size=4))
    for got, want in zip(one.weights("pre", "post"), before, strict=True):
        assert got.tobytes() == want.tobytes()


# state ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_restored_state_goes_on_with_the_same_bits(name, kind, tmp_path):
    whole, part, other = (made(name, kind) for _ in range(3))
    for one in (whole, part):
        drive(one, 60)
        one.learning(False)
        drive(one, 5, seed=4)
        one.learning(True)
        drive(one, 20, seed=5)
    part.save_state(tmp_path / "learned.npz")
    saved = part.state()
    expected = drive(whole, 50, seed=1)
    drive(part, 9, seed=2)  # go astray, then come back
    part.restore(saved)
    other.load_state(tmp_path / "learned.npz")
    for one in (part, other):
        assert drive(one, 50, seed=1).tobytes() == expected.tobytes()
        assert one.state().tobytes() == whole.state().tobytes()
        assert one.counters() == whole.counters()
    whole.reset()
    assert whole.state().tobytes() == made(name, kind).state().tobytes()


def test_a_saved_program_learns_the_same(tmp_path):
    one = made("reward_stdp", "sparse")
    one.program.save(tmp_path / "p.npz")
    again = Controller(Program.load(tmp_path / "p.npz"))
    assert drive(again, 60).tobytes() == drive(one, 60).tobytes()
    assert again.weights("pre", "post")[2].tobytes() == one.weights("pre", "post")[2].tobytes()


def test_a_state_of_another_program_a_damaged_and_a_wrong_one_are_refused(tmp_path):
    one, path = made("stdp", "sparse"), tmp_path / "s.npz"
    drive(one, 20)
    for other in (made("stdp", "sparse"), made("stdp", "dense")):
        weights = other.bound.array("pre->post.weights")
        weights.reshape(-1).view(np.float32)[-1] = np.nan  # the last one, a float32 in both forms
        other.save_state(path)
        with pytest.raises(ProgramError, match=r"s\.npz: its learned weights are not finite; learn without this file"):
            other.load_learned(path)
    one.save_state(path)
    now = one.state()
    with pytest.raises(ProgramError, match=r"s\.npz: is a state of another Program; build the controller as it was"):
        made("stdp", "dense").load_state(path)
    with np.load(path) as file:
        arrays = dict(file)
    wrong = arrays["state"].copy()
    place = one.program.names["pre->post.weights"]
    place.view(wrong[one._mark.size :])[0, 0] = 4  # a synapse onto a neuron that there is not
    for state, message in ((wrong, "a synapse onto neuron 4"), (wrong[:-8], "is not a state of this Program")):
        np.savez(path, **arrays | {"state": state})
        with pytest.raises(ProgramError, match=message):
            one.load_state(path)
        assert one.state().tobytes() == now.tobytes()
    data = path.read_bytes()
    for content in (data[: len(data) // 2], b"", b"no archive"):
        path.write_bytes(content)
        with pytest.raises(ProgramError, match=r"s\.npz: not a saved state"):
            one.load_state(path)
    with pytest.raises(ProgramError, match=r"none\.npz: not a saved state"):
        one.load_state(tmp_path / "none.npz")
    assert one.state().tobytes() == now.tobytes()


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_learned_weights_can_be_written_into_a_description(kind):
    one = made("stdp", kind)
    drive(one, 80)
    found = one.weights("pre", "post")
    if kind == "dense":
        again = pair(None, 6, 4, found, NEURON, delay=2 * DT)
    else:
        pre, post, weights = found
        assert sorted(zip(pre, post, strict=True)) == list(zip(pre, post, strict=True))
        index = {"connection": "sparse", "pre_index": pre, "post_index": post}
        again = pair(None, 6, 4, weights, NEURON, delay=2 * DT, **index)
    one.learning(False)
    for _ in range(1200):  # until nothing is left of what was
        step(one)
    assert drive(one, 60, seed=3).tobytes() == drive(again, 60, seed=3).tobytes()
    assert not np.array_equal(matrix(one, 6, 4), matrix(made("stdp", kind), 6, 4))


def test_a_one_to_one_connection_learns_as_a_sparse_one():
    one = pair(STDP(w_min=-1.0), 3, 3, 0.5, connection="one_to_one")
    step(one, [0, 1])
    step(one, [], [1, 2])
    pre, post, weights = one.weights("pre", "post")
    assert pre.tolist() == post.tolist() == [0, 1, 2]
    np.testing.assert_allclose(weights, [0.5, 0.5 + 0.01 * math.exp(-1 / 20), 0.5], rtol=1e-6)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_tick_that_learns_allocates_nothing(name, kind):
    one = made(name, kind)
    drive(one, 5)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats()
    for _ in range(1000):
        one.bound.tick()
    assert rtsys.get_allocation_stats() == before
    _nrt_python.memsys_disable_stats()
