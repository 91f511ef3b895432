"""Inputs that stop the commands: emergency stops and enabling devices, latched or not, and their silence."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.analysis.lint import lint
from snn_control.analysis.stimulus import default_stimulus
from snn_control.coding import Guard, MembraneDecoder, Output, ValueInput
from snn_control.controller import Batch, Controller, build_program
from snn_control.controller_file import parse_spec
from snn_control.engine.build import build
from snn_control.engine.kernels.guard import LATCHED, NOW, REASON, STOP_INPUT
from snn_control.engine.program import Program
from snn_control.errors import DescriptionError
from snn_control.network import Network
from snn_control.record.input_recorder import InputLogRecorder
from snn_control.training.environments.vector_env import Interface

PERIOD, STALE = 1e-3, 3  # s, ticks


def stopping(release=1, ramp=False, slew=1e9, **stops):
    """A controller whose command is its input x; ``stops``: name -> (stop_when, latched)."""
    inputs = [ValueInput("x", range=(-1, 1))]
    for name, (when, latched) in stops.items():
        inputs.append(ValueInput(name, stale=STALE * PERIOD, stop_when=when, latched=latched))
    output = Output("u", (MembraneDecoder("x", 1.0),), limits=(-1, 1), slew=slew, ramp=ramp)
    return Controller(build(Network(), inputs, [output], dt=PERIOD, period=PERIOD, guard=Guard(release)))


def step(controller, **values):
    return float(controller.step({"x": 0.5, **values})["u"][0])


MESSAGE = st.sampled_from([None, None, 0.0, 1.0, -2.0, np.nan])


@settings(max_examples=200, deadline=None)
@given(
    ticks=st.lists(st.tuples(MESSAGE, MESSAGE, st.booleans()), min_size=1, max_size=40),
    latched=st.tuples(st.booleans(), st.booleans()),
    release=st.integers(0, 3),
)
def test_a_stop_lasts_as_long_as_a_plain_reader_says(ticks, latched, release):
    controller = stopping(release, estop=("nonzero", latched[0]), enable=("zero", latched[1]))
    age, value, good, held = [None, None], [0.0, 0.0], [False, False], [False, False]
    faulted, streak = False, 0
    for *messages, asks in ticks:
        now = []
        for k, message in enumerate(messages):
            if message is not None:
                age[k], good[k] = 0, bool(np.isfinite(message))
                value[k] = message if good[k] else value[k]
            elif age[k] is not None:
                age[k] += 1
            valid = age[k] is not None and age[k] <= STALE and good[k]
            now.append(not valid or (value[k] == 0) == (k == 1))
            held[k] |= now[k] and latched[k] and age[k] is not None
        if asks:
            controller.release()
            held = [h and n for h, n in zip(held, now, strict=True)]
        reason = any(now) or any(held)
        if reason:
            faulted, streak = True, 0
        elif faulted:
            streak += 1
            faulted = not (asks or (release > 0 and streak >= release))
        command = step(controller, estop=messages[0], enable=messages[1])
        assert command == (0 if faulted else 0.5)
        assert bool(controller.bound.array("guard")[REASON] & STOP_INPUT) == reason
        stops = controller.bound.array("stops")
        assert stops[NOW] >> 1 == now[0] + 2 * now[1]
        assert stops[LATCHED] >> 1 == held[0] + 2 * held[1]


def test_silence_before_the_first_message_stops_and_is_not_latched():
    controller = stopping(estop=("nonzero", True))
    assert [step(controller) for _ in range(5)] == [0] * 5
    assert step(controller, estop=0.0) == 0.5
    assert [step(controller) for _ in range(STALE)] == [0.5] * STALE
    assert step(controller) == 0  # its publisher has died
    assert [step(controller, estop=0.0) for _ in range(5)] == [0] * 5
    controller.release()
    assert step(controller, estop=0.0) == 0.5


def test_an_operator_cannot_release_what_still_stops():
    controller = stopping(estop=("nonzero", True))
    step(controller, estop=1.0)
    controller.release()
    assert step(controller, estop=1.0) == 0
    assert [step(controller, estop=0.0) for _ in range(3)] == [0] * 3  # that request has been answered
    controller.release()
    assert step(controller, estop=0.0) == 0.5


def test_a_stop_ramps_where_the_output_does():
    controller = stopping(ramp=True, slew=100.0, estop=("nonzero", True))
    while step(controller, estop=0.0) < 0.5:
        pass
    assert [step(controller, estop=1.0) for _ in range(6)] == pytest.approx([0.4, 0.3, 0.2, 0.1, 0, 0])


def test_a_restart_of_the_network_keeps_a_latched_stop_and_a_reset_does_not():
    controller = stopping(estop=("nonzero", True))
    step(controller, estop=1.0)
    controller.restart()
    assert step(controller, estop=0.0) == 0
    controller.reset()
    assert step(controller, estop=0.0) == 0.5


def test_a_world_that_has_no_stop_does_not_stop():
    controller = stopping(estop=("nonzero", True), enable=("zero", False))
    assert controller.predict(np.array([0.5]))[0] == 0.5
    assert controller.predict({"x": np.array([0.5])})[0] == 0.5
    assert controller.predict({"x": np.array([0.5]), "estop": np.array([1.0])})[0] == 0


def test_a_recorded_stop_and_its_release_are_replayed():
    controller = stopping(estop=("nonzero", True), enable=("zero", False))
    recorder, rng, commands = InputLogRecorder(controller.bound), np.random.default_rng(0), []
    controller.observers.append(recorder)
    for k in range(200):
        if k % 30 == 20:
            controller.release()
        estop, enable = (float(rng.random() < p) if rng.random() < 0.7 else None for p in (0.1, 0.9))
        commands.append(step(controller, estop=estop, enable=enable))
    assert 20 < commands.count(0) < 180
    replayed = recorder.log().replay(Controller(controller.program))
    assert [command["u"][0] for command in replayed] == commands


def test_check_neither_presses_a_stop_nor_misses_its_reader(tmp_path):
    spec = parse_spec(FILE)
    assert not any("estop" in line for line in map(str, lint(spec)))
    stimulus = default_stimulus(spec, 0.5)
    assert stimulus.values["estop"].tolist() == [[0.0]] * 50
    controller = Controller.from_spec(spec)
    assert any(command["u"][0] for command in stimulus.log.replay(controller))
    assert not controller.safe


def test_a_world_without_the_button_trains():
    spec = parse_spec(FILE)
    space = spaces.Box(-1, 1, (1,))
    interface = Interface(spec, space, space)
    batch = Batch(build_program(spec), 2)
    inputs = interface.observe([np.array([0.5]), np.array([-0.5])])
    assert inputs["estop"].tolist() == [[0.0], [0.0]]
    assert batch.step(inputs)["u"].tolist() == [[0.5], [-0.5]]


def test_a_saved_program_has_its_stops(tmp_path):
    program = stopping(estop=("nonzero", True)).program
    program.save(tmp_path / "p.npz")
    loaded = Program.load(tmp_path / "p.npz")
    assert loaded.digest == program.digest
    assert [one.stop_when for one in loaded.facts.inputs] == ["", "nonzero"]
    assert not loaded.facts.inputs[1].required  # its silence is a stop, not another fault


FILE = {
    "version": 1,
    "period": 0.01,
    "inputs": {
        "x": {"kind": "value", "size": 1, "range": [-1, 1]},
        "estop": {"kind": "value", "size": 1, "stop_when": "nonzero", "stale": 0.5},
    },
    "outputs": {"u": {"size": 1, "limits": [-1, 1], "decoder": {"type": "membrane", "from": "x", "weights": 1}}},
}


def test_the_file_says_it_and_needs_a_time_out():
    spec = parse_spec(FILE)
    assert (spec.inputs[1].stop_when, spec.inputs[1].latched) == ("nonzero", True)
    assert build_program(spec).facts.inputs[1].stop_when == "nonzero"
    estop = {**FILE["inputs"]["estop"]}
    del estop["stale"]
    with pytest.raises(DescriptionError, match=r"inputs.estop.stale = inf: must be finite .* give a time-out"):
        parse_spec({**FILE, "inputs": {**FILE["inputs"], "estop": estop}})
    with pytest.raises(DescriptionError, match=r"inputs.estop.stop_when = 'true': must be 'nonzero' or 'zero'"):
        parse_spec({**FILE, "inputs": {**FILE["inputs"], "estop": {**estop, "stop_when": "true"}}})
