"""Numbers that are tuned while a controller runs: the bits are those of a file with these numbers."""

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.controller import Batch, Controller
from snn_control.controller_file import load_spec, parse_spec
from snn_control.engine.tick import tick_address
from snn_control.errors import DescriptionError, InputError, ProgramError
from snn_control.realtime.loop import Loop
from snn_control.record.activity_recorder import ActivityRecorder
from snn_control.record.input_log import InputLog
from snn_control.record.input_recorder import InputLogRecorder
from snn_control.record.replay import replay_log
from tests.realtime.rig import until

WEIGHTS = np.linspace(-2.0, 6.0, 24).reshape(2, 12).tolist()
#: name -> values in a file: a plain number, an array (a factor), and one of each kind of place
ENDS = {
    "inputs.x.encoder.gain": (0.5, [0.1, 2.0]),
    "network.populations.hidden.bias": (0.6, [-1.0, 1.0]),
    "network.populations.hidden.neuron.tau_mem": (0.02, [0.005, 0.1]),
    "network.populations.hidden.neuron.v_threshold": (1.0, [0.5, 3.0]),
    "network.projections[0].weights": (WEIGHTS, [0.0, 2.0]),
    "network.projections[1].learning.a_plus": (0.01, [0.0, 0.1]),
    "outputs.u.bias": (0.0, [-1.0, 1.0]),
    "outputs.u.decoder.weights": (0.05, [0.0, 0.2]),
}


def document(values=None, tunable=True):
    """The file; ``values``: path -> number, or factor of an array."""

    def at(path):
        value, ends = ENDS[path]
        now = (values or {}).get(path)
        if now is not None:
            value = (np.array(value) * now).tolist() if isinstance(value, list) else now
        return {"value": value, "tunable": ends} if tunable else value

    neuron = "network.populations.hidden.neuron."
    return {
        "version": 1,
        "period": 0.002,
        "dt": 0.001,
        "inputs": {"x": {"kind": "value", "size": 2, "range": [-2, 2], "encoder": {
            "type": "direct", "gain": at("inputs.x.encoder.gain"), "bias": 0.1}}},
        "network": {
            "populations": {"hidden": {"size": 12, "bias": at("network.populations.hidden.bias"), "neuron": {
                "type": "lif", "tau_mem": at(neuron + "tau_mem"), "v_threshold": at(neuron + "v_threshold")}}},
            "projections": [
                {"pre": "x", "post": "hidden", "weights": at("network.projections[0].weights")},
                {"pre": "hidden", "post": "hidden", "weights": 0.1, "delay": 0.003, "learning": {
                    "type": "stdp", "w_max": 0.3, "a_plus": at("network.projections[1].learning.a_plus")}},
            ],
        },
        "outputs": {"u": {"bias": at("outputs.u.bias"), "limits": [-900, 900], "decoder": {
            "type": "linear", "from": "hidden", "tau": 0.02, "weights": at("outputs.u.decoder.weights")}}},
    }  # fmt: skip


def made(values=None):
    return Controller.from_spec(parse_spec(document(values)))


def steps(one, seed, ticks):
    rng = np.random.default_rng(seed)
    return np.array([one.step({"x": rng.uniform(-2, 2, 2)})["u"][0] for _ in range(ticks)])


def settings_of(path):
    low, high = ENDS[path][1]
    low = 0.01 if low == 0 else low  # in a file of zeros a factor changes nothing, which is refused
    return st.floats(low, high, allow_subnormal=False)


@settings(max_examples=25, deadline=None)
@given(st.fixed_dictionaries({}, optional={path: settings_of(path) for path in ENDS}))
def test_what_follows_has_the_bits_of_a_file_with_these_numbers(values):
    one = made()
    steps(one, 1, 60)
    before = one.bound.state.copy()
    one.tune(values)
    other = made(values)
    assert other.program.names == one.program.names
    tail = other.bound.state.copy()
    other.bound.state[:] = before
    place = one.program.names["controlled"]
    where = slice(place.offset + place.n_bytes - 8 * len(ENDS), place.offset + place.n_bytes)
    other.bound.state[where] = tail[where]
    assert np.array_equal(steps(one, 2, 60), steps(other, 2, 60))
    assert one.tuned == made().tuned | values


def test_every_number_does_something():
    for path, (_, ends) in ENDS.items():
        one, other = made(), made()
        one.tune({path: ends[1]})
        assert not np.array_equal(steps(one, 1, 200), steps(other, 1, 200)), path


def test_it_stays_after_a_reset_and_goes_with_states_and_copies():
    one, values = made(), {"outputs.u.bias": 0.7, "network.projections[0].weights": 0.5}
    one.tune(values)
    one.reset()  # before a tick has taken it
    assert one.tuned == made().tuned | values
    fresh = steps(one, 3, 50)
    one.reset()
    assert np.array_equal(steps(one, 3, 50), fresh)
    state = one.state()
    for again in (copy.copy(one), pickle.loads(pickle.dumps(one)), made()):
        again.restore(state)
        assert again.tuned == one.tuned
        assert np.array_equal(steps(copy.copy(one), 4, 50), steps(again, 4, 50))
    one.tune(made().tuned)
    one.reset()
    assert np.array_equal(steps(one, 3, 50), steps(made(), 3, 50))


def test_what_cannot_be_is_refused_and_changes_nothing():
    one = made()
    before = one.bound.constants.copy()
    for values, needle in (
        ({"outputs.u.bia": 0.5}, "did you mean 'outputs.u.bias'"),
        ({"outputs.u.bias": 1.5}, r"outputs.u.bias = 1.5: must be in \[-1, 1\]"),
        ({"outputs.u.bias": float("nan")}, "must be in"),
        ({"outputs.u.bias": "much"}, "tune"),
        ({"outputs.u.bias": 10**400}, "tune"),
        ({"outputs.u.bias": 0.5, "network.populations.hidden.bias": 7.0}, "hidden.bias"),
    ):
        with pytest.raises(InputError, match=needle):
            one.tune(values)
    one.step({"x": [0, 0]})
    assert np.array_equal(one.bound.constants, before)
    with pytest.raises(InputError, match="nothing tunable"):
        Controller.from_spec(parse_spec(document(tunable=False))).tune({"outputs.u.bias": 0.5})


def test_a_state_with_values_out_of_their_range_is_refused():
    one = made()
    state = one.state()
    words = one.program.names["controlled"]
    at = 32 + words.offset + words.n_bytes - 8  # behind the mark
    state[at : at + 8] = np.array([7.0]).view(np.uint8)
    with pytest.raises(ProgramError, match="must be in"):
        one.restore(state)


def test_a_saved_program_and_a_batch_have_the_files_numbers(tmp_path):
    one = made()
    one.program.save(tmp_path / "a.npz")
    saved = Controller.load(tmp_path / "a.npz")
    assert np.array_equal(steps(saved, 1, 40), steps(made(), 1, 40))
    with pytest.raises(InputError, match=r"is not tunable; a Program alone cannot be tuned, load the controller file"):
        saved.tune({"outputs.u.bias": 0.5})
    steps(one, 1, 40)
    saved.restore(one.state())
    one.tune({"outputs.u.bias": 0.5})
    one.step({"x": [0, 0]})
    with pytest.raises(ProgramError, match="was tuned"):
        saved.restore(one.state())
    assert Batch(one.program, 2).step({"x": np.zeros((2, 2))})["u"].shape == (2, 1)


@pytest.mark.parametrize(
    ("path", "value", "needle"),
    [
        ("network.projections[1].delay", {"value": 0.003, "tunable": [0.002, 0.01]}, "how the controller is built"),
        ("network.populations.hidden.size", {"value": 12, "tunable": [10, 14]}, "hidden.size"),
        ("network.projections[1].weights", {"value": 0.1, "tunable": [0.0, 0.2]}, "changes nothing while"),
        ("network.populations.hidden.neuron.tau_mem", {"value": 0.02, "tunable": [-1, 0.1]}, "cannot be tuned to -1"),
        ("outputs.u.limits", {"value": 1, "tunable": [0, 2]}, "safety settings do not change at run time"),
        ("period", {"value": 0.002, "tunable": [0.001, 0.004]}, "cannot be tuned"),
        ("outputs.u.bias", {"value": 0.5, "tunable": [1, 2]}, "must hold the value, 0.5"),
        ("outputs.u.bias", {"value": 0.5, "tunable": [1, 1]}, "low < high"),
        ("outputs.u.bias", {"value": 0.5, "tunable": 1}, r"must be \[low, high\]"),
        ("outputs.u.bias", {"value": 0.5, "tunable": [0, 1], "x": 1}, "must be {value"),
        ("outputs.u.decoder.type", {"value": 0.5, "tunable": [0, 1]}, "must be one of"),
    ],
)  # fmt: skip
def test_what_cannot_be_tuned_is_refused_with_its_path(path, value, needle):
    values = document()
    at, (*steps_to, last) = values, path.replace("[", ".[").split(".")
    for step in steps_to:
        at = at[int(step[1:-1]) if step[0] == "[" else step]
    at[last] = value
    with pytest.raises(DescriptionError, match=needle) as caught:
        Controller.from_spec(parse_spec(values))
    assert caught.value.path.startswith(path.rpartition(".")[0])


def test_a_saved_file_has_the_same_marks(tmp_path):
    spec = parse_spec(document())
    again = load_spec(spec.save(tmp_path / "a.yaml"))
    assert again.tunable == spec.tunable
    assert Controller.from_spec(again).program.digest == Controller.from_spec(spec).program.digest


def test_a_run_with_tuning_is_replayed_to_the_bit(tmp_path):
    one, rng = made(), np.random.default_rng(5)
    log, activity = InputLogRecorder(one.bound), ActivityRecorder(one.bound)
    one.tune({"outputs.u.bias": 0.1})
    one.reset()
    for recorder in (log, activity):
        recorder.clear()
    one.observers += [log, activity]
    for k in range(300):
        if k % 70 == 30:
            one.tune({path: rng.uniform(*ends) for path, (_, ends) in ENDS.items()})
        one.step({"x": rng.uniform(-2, 2, 2)})
    log.save(tmp_path / "log.npz")
    found = InputLog.load(tmp_path / "log.npz")
    assert len(found.settings(one.bound)) == 4
    assert replay_log(made(), found, activity.arrays()).identical
    commands = [c["u"][0] for c in found.replay(made())]
    assert np.array_equal(commands, activity.arrays()["command"][:, 0])
    assert found.settings(Controller.from_spec(parse_spec(document(tunable=False))).bound) == {}
    fewer = document()
    fewer["outputs"]["u"]["bias"] = 0.0  # another one, whose numbers are found by their names
    others = Controller.from_spec(parse_spec(fewer))
    place = sorted(ENDS).index("outputs.u.bias")
    for tick, values in found.settings(one.bound).items():
        assert np.array_equal(found.settings(others.bound)[tick], np.delete(values, place))


def test_a_running_loop_takes_all_of_a_setting_or_nothing():
    one = made()
    record = InputLogRecorder(one.bound, ticks=200_000)
    activity = ActivityRecorder(one.bound, 200_000)
    loop = Loop(tick_address(), one.bound.table, 100_000, observers=[record, activity], priority=0, keep=one)
    over, turned = threading.Event(), []

    def turn():
        rng = np.random.default_rng(1)
        while not over.is_set():
            one.tune({path: rng.uniform(*ends) for path, (_, ends) in ENDS.items()})
            turned.append(loop.ticks)

    turning = threading.Thread(target=turn)
    loop.start()
    turning.start()
    until(lambda: loop.ticks > 3000 and len(set(turned)) > 50)
    assert loop.stop()
    over.set()
    turning.join()
    log = record.log()
    assert len(log.settings(made().bound)) > 20
    assert replay_log(made(), log, activity.arrays()).identical


def test_after_a_reset_or_a_restart_all_is_as_in_the_other_file():
    values = {"network.populations.hidden.bias": -0.4, "outputs.u.bias": 0.3}
    one, other = made(), made(values)
    steps(one, 1, 30)
    one.tune(values)
    one.reset()
    assert np.array_equal(steps(one, 2, 60), steps(other, 2, 60))
    for c in (one, other):
        c.restart()
    assert np.array_equal(steps(one, 3, 60), steps(other, 3, 60))


def test_what_no_tick_has_taken_goes_with_copies_and_states():
    one, values = made(), {"outputs.u.bias": 0.7}
    steps(one, 1, 10)
    one.tune(values)
    for again in (copy.copy(one), pickle.loads(pickle.dumps(one))):
        assert again.tuned["outputs.u.bias"] == 0.7
        assert np.array_equal(steps(copy.copy(one), 4, 50), steps(again, 4, 50))
    state = one.state()
    one.tune(made().tuned)
    one.restore(state)
    assert one.tuned["outputs.u.bias"] == 0.7


@pytest.mark.parametrize("more", [{}, {"precision": "int8"}, {"connection": "sparse"}])
def test_weights_may_be_tuned_through_zero(more):
    def document(value):
        index = [[k // 4, k % 4] for k in range(16)]
        given = (
            {"pre_index": [a for a, _ in index], "post_index": [b for _, b in index]} if "connection" in more else {}
        )
        shape = (16,) if given else (4, 4)
        weights = (np.full(shape, 0.5) * value).tolist()
        return {
            "version": 1, "period": 0.001,
            "inputs": {"x": {"kind": "value", "size": 4, "encoder": {
                "type": "direct", "gain": 2.0, "neuron": {"type": "lif"}}}},
            "network": {"populations": {"h": {"size": 4, "neuron": {"type": "li"}}}, "projections": [
                {"pre": "x", "post": "h", "weights": {"value": weights, "tunable": [-1, 1]}} | more | given]},
            "outputs": {"u": {"decoder": {"type": "membrane", "from": "h", "weights": 1.0}}},
        }  # fmt: skip

    one = Controller.from_spec(parse_spec(document(1.0)))
    for value in (-0.75, 0.0, 0.3, -1.0, 1.0):
        one.tune({"network.projections[0].weights": value})
        one.reset()
        found = [one.step({"x": np.full(4, 1.0)})["u"][0] for _ in range(60)]
        if value:
            other = Controller.from_spec(parse_spec(document(value)))
            assert np.array_equal(found, [other.step({"x": np.full(4, 1.0)})["u"][0] for _ in range(60)])
        assert any(found) == bool(value)
