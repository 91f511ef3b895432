"""Outputs that stay where they are, or are silent, when something is wrong: as their topics show it."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from tests.motion_judge import heard_beyond
from tests.ros.node_processes import wait
from tests.ros.robot import CONTROLLER, ERROR, OK, changed, write
from tests.ros.test_stops import VALUES

VALUES = changed(VALUES, "inputs.estop.latched", False)
NAME = next(iter(VALUES["outputs"]))
PERIOD = VALUES["period"]


def values_with(**more):
    values = VALUES
    for key, value in more.items():
        values = changed(values, f"outputs.{NAME}.{key}", value)
    return values


def test_hold_stays_at_the_last_command_and_nothing_is_published_before_the_first(tmp_path, start, robot, button):
    process = start("controller_node", controller_file=str(write(tmp_path, values_with(safe="hold"))))
    commands = robot.commands()
    robot.status("/controller: guard", level=ERROR)
    time.sleep(0.3)
    assert not commands
    robot.feed(robot.publisher(), 0.6, 0.0)
    robot.status("/controller: guard", level=OK)
    wait(lambda: commands and commands[-1][1] > 0.59)
    last = commands[-1][1]
    begin = time.time_ns()
    button.press()
    robot.status("/controller: guard", time.monotonic(), level=ERROR, text="safe command: stopped by estop")

    def held():
        return [command for stamp, command in list(commands) if stamp > begin + 0.1e9]

    wait(lambda: len(held()) > 0.5 / PERIOD, what="commands that hold")
    after = held()
    assert np.ptp(after) == 0
    assert after[-1] == pytest.approx(last, abs=0.05)
    assert process.end() == 0
    assert wait(lambda: commands[-1][1] == after[-1]) is True  # the final command, too


def test_none_is_silent_while_something_is_wrong_and_at_the_end(tmp_path, start, robot, button):
    process = start("controller_node", controller_file=str(write(tmp_path, values_with(safe="none"))))
    commands = robot.commands()
    button.press(False)
    robot.feed(robot.publisher(), 0.6, 0.0)
    robot.status("/controller: guard", level=OK)
    wait(lambda: commands and commands[-1][1] > 0.5)
    button.press()
    robot.status("/controller: guard", time.monotonic(), level=ERROR, text="safe command: stopped by estop")
    stopped = time.time_ns()

    def since():
        return [command for stamp, command in list(commands) if stamp > stopped]

    time.sleep(0.3)
    assert not since()
    button.press(False)
    wait(lambda: len(since()) > 20)
    assert min(since()) > 0.4  # it goes on from where it was
    button.press()
    robot.status("/controller: guard", time.monotonic(), level=ERROR, text="safe command: stopped by estop")
    stopped = time.time_ns()
    assert process.end() == 0
    time.sleep(0.2)
    assert not since()


def test_a_stopped_loop_brakes_within_the_acceleration(tmp_path, start, robot, button):
    more = {"safe": "hold", "slew": 2.0, "acceleration": 10.0, "limits": [-5.0, 5.0]}
    process = start("controller_node", controller_file=str(write(tmp_path, values_with(**more))))
    commands = robot.commands()
    button.press(False)
    robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: commands and commands[-1][1] > 0.2)
    assert process.end() == 0
    wait(
        lambda: abs(commands[-1][1] - commands[-2][1]) < 10.0 * PERIOD**2 * 1.1
    )  # the last command may still be on its way
    path = np.array([command for _, command in commands])
    times = np.array([stamp for stamp, _ in commands]) * 1e-9
    speeds = np.diff(path) / PERIOD
    assert speeds.max() > 0.5
    assert speeds[-1] < 10.0 * PERIOD * 1.1
    assert heard_beyond(times, path, PERIOD, 2.0, 10.0, math.inf, most=math.inf) == 0


def test_outputs_of_a_message_agree(tmp_path, start, robot):
    values = values_with(safe="hold")
    values = changed(values, "outputs.turn", CONTROLLER["outputs"][NAME])
    topic = values["ros"]["outputs"][NAME] | {"field": "twist.angular.z"}
    values = changed(values, "ros.outputs.turn", topic)
    process = start("controller_node", controller_file=str(write(tmp_path, values)))
    assert process.wait() == 2
    said = "outputs.turn.safe = 'a number': must be as that of drive, whose message it shares"
    assert said in process.text
