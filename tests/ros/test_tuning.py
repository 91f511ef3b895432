"""Tuning a running node by its parameters, and what it learned: kept, read, forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParametersAtomically
from std_srvs.srv import SetBool, Trigger

from snn_control.controller import Controller
from tests.ros.node_processes import run_to_end, wait
from tests.ros.robot import CONTROLLER, changed, write
from tests.ros.test_replay import LEARNING, VALUES, replayed

BIAS, WEIGHTS = "outputs.drive.bias", "outputs.drive.decoder.weights"
TUNABLE = changed(
    changed(CONTROLLER, BIAS, {"value": 0.0, "tunable": [-0.4, 0.4]}), WEIGHTS,
    {"value": [[1.0]], "tunable": [0.5, 1.5]},
)  # fmt: skip


def number(name, value):
    return Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value))


def tune(robot, **values):
    request = SetParametersAtomically.Request(parameters=[number(name, value) for name, value in values.items()])
    return robot.ask(SetParametersAtomically, "/controller/set_parameters_atomically", request).result


def more_of(commands, n):
    """Wait for n more commands."""
    last = len(commands) + n
    wait(lambda: len(commands) > last)


def test_parameters_are_used_from_the_next_tick_on(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path, TUNABLE)), **{BIAS: 0.1})
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: commands and abs(commands[-1][1] - 1.1) < 1e-3, what="the value given at the start")
    assert tune(robot, **{BIAS: -0.2, WEIGHTS: 0.5}).successful
    wait(lambda: abs(commands[-1][1] - 0.3) < 1e-3, what="the tuned value")
    before = len(commands)
    for values, needle in (({BIAS: 0.5}, "range"), ({WEIGHTS: 0.6, BIAS: 9.0}, "range")):
        refused = tune(robot, **values)
        assert not refused.successful
        assert needle in refused.reason
    wait(lambda: len(commands) > before + 20)
    assert abs(commands[-1][1] - 0.3) < 1e-3
    names = [BIAS, WEIGHTS]
    asked = DescribeParameters.Request(names=names)
    found = robot.ask(DescribeParameters, "/controller/describe_parameters", asked).descriptors
    ranges = [(one.floating_point_range[0].from_value, one.floating_point_range[0].to_value) for one in found]
    assert ranges == [(-0.4, 0.4), (0.5, 1.5)]
    got = robot.ask(GetParameters, "/controller/get_parameters", GetParameters.Request(names=names)).values
    assert [one.double_value for one in got] == [-0.2, 0.5]
    assert process.end() == 0
    assert f"tuned: {BIAS} = -0.2, {WEIGHTS} = 0.5" in process.text
    assert "not known" not in process.text


@pytest.mark.parametrize(("given", "needle"), [({BIAS: 0.7}, "must be a number in [-0.4, 0.4]"), ({BIAS: "x"}, BIAS)])
def test_a_wrong_value_at_the_start_is_named(tmp_path, given, needle):
    code, lines = run_to_end(tmp_path, "controller_node", controller_file=str(write(tmp_path, TUNABLE)), **given)
    assert code == 2
    assert any(BIAS in line and needle in line for line in lines), lines


def test_a_tuned_run_is_replayed_to_the_bit(tmp_path, start, robot):
    file = write(tmp_path, changed(changed(VALUES, "guard.release", 3), BIAS, {"value": 0.0, "tunable": [-0.4, 0.4]}))
    record = tmp_path / "run.npz"
    process = start("controller_node", controller_file=str(file), record=str(record), **{BIAS: 0.05})
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.5)
    for value in (0.2, -0.3):
        more_of(commands, 50)
        assert tune(robot, **{BIAS: value}).successful
    more_of(commands, 20)
    assert process.end() == 0
    code, found = replayed(record)
    assert (code, found["identical"]) == (0, True)
    assert found["ticks"] > 120


def weights(file, spec):
    controller = Controller.load(spec)
    controller.load_state(file)
    return controller.weights("fires", "fires")


def test_what_was_learned_is_kept_read_and_forgotten(tmp_path, start, robot):
    file, state = write(tmp_path, LEARNING), tmp_path / "kept" / "state.npz"
    initial = Controller.load(file).weights("fires", "fires")
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.5)

    def ask(name):
        return robot.ask(Trigger, f"/controller/{name}", Trigger.Request())

    def begin(**given):
        process = start("controller_node", controller_file=str(file), state=str(state), **given)
        more_of(commands, 60)
        return process

    process = begin()
    assert "deactivate" in ask("load_state").message
    assert ask("save_state").success
    saved = weights(state, file)
    assert not np.array_equal(saved, initial)
    assert process.end() == 0
    learned = weights(state, file)
    assert not np.array_equal(learned, saved)

    process = begin(autostart=True)
    assert ask("save_state").success
    more = weights(state, file)
    assert np.abs(more - learned).mean() < np.abs(more - initial).mean()  # it went on from there
    assert robot.ask(SetBool, "/controller/learning", SetBool.Request(data=False)).success
    assert ask("reset").success
    more_of(commands, 2)
    assert ask("save_state").success
    anew = weights(state, file)
    assert np.abs(anew - initial).mean() < np.abs(anew - more).mean()
    assert process.end() == 0

    other = write(tmp_path, changed(LEARNING, "period", 0.02), "other.yaml")
    code, lines = run_to_end(tmp_path, "controller_node", controller_file=str(other), state=str(state))
    assert code == 2
    assert any("is a state of another Program" in line for line in lines), lines
    code, lines = run_to_end(tmp_path, "controller_node", controller_file=str(write(tmp_path)), state=str(state))
    assert code == 2
    assert any("learns" in line for line in lines), lines
