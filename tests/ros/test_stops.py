"""Inputs that stop the commands, as topics of their own: pressed, released, silent."""

from __future__ import annotations

import time

import numpy as np
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from tests.ros.node import first, is_safe
from tests.ros.node_processes import wait, within
from tests.ros.robot import CONTROLLER, ERROR, OK, SAFE, Button, changed, joints, write

PERIOD = 0.01
STOP = {"kind": "value", "stop_when": "nonzero", "stale": 3.0}  # a pause of the test's own button would latch
TOPIC = {"topic": "estop", "type": "std_msgs/msg/Bool", "field": "data"}
VALUES = changed(changed(CONTROLLER, "inputs.estop", STOP), "ros.inputs.estop", TOPIC)


def released(robot):
    return robot.ask(Trigger, "/controller/release", Trigger.Request())


def test_a_stop_is_heard_at_once_and_lasts_until_an_operator_releases_it(tmp_path, start, robot, button):
    process = start("controller_node", controller_file=str(write(tmp_path, VALUES)))
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    robot.status("/controller: guard", level=OK)

    def stopped_after():
        wait(lambda: commands[-1][1] > 0.9)
        begin = button.press()
        stamp = first(commands, begin, is_safe)
        button.press(False)
        answer = wait(lambda: (one := released(robot)).success and one)
        assert answer.message == "commands"
        return (stamp - begin) * 1e-9

    within(2 * PERIOD + 0.02, stopped_after)
    button.press()
    robot.status("/controller: guard", time.monotonic(), level=ERROR, text="safe command: stopped by estop")
    answer = released(robot)
    assert (answer.success, answer.message) == (False, "still the safe command: stopped by estop")
    begin = button.press(False)
    robot.status("/controller: guard", time.monotonic(), text="stopped by estop (until an operator's release)")
    assert {command for stamp, command in commands if stamp > begin + 1e9 * PERIOD} == {SAFE}
    assert released(robot).success
    wait(lambda: commands[-1][1] > 0.9)
    status = robot.status("/controller: guard", time.monotonic(), level=OK)
    history = {pair.key: pair.value for pair in status.values}
    assert history["fault.0"].endswith(" s: stopped by estop")
    wait(lambda: "stopped by estop" in process.text)
    assert process.end() == 0


def test_the_silence_of_a_button_is_a_stop(tmp_path, start, robot, button):
    process = start("controller_node", controller_file=str(write(tmp_path, VALUES)))
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: commands and commands[-1][1] > 0.9)
    button.dies()
    robot.status("/controller: guard", time.monotonic(), level=ERROR, text="stopped by estop")
    told = time.time_ns()
    wait(lambda: commands[-1][0] > told)
    assert {command for stamp, command in list(commands) if stamp > told} == {SAFE}
    assert process.end() == 0


def test_an_enabling_device_that_is_not_latched(tmp_path, start, robot, button):
    values = changed(changed(VALUES, "inputs.estop.stop_when", "zero"), "inputs.estop.latched", False)
    process = start("controller_node", controller_file=str(write(tmp_path, values)))
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    robot.status("/controller: guard", level=ERROR, text="stopped by estop")
    assert {command for _, command in commands} == {SAFE}
    for _ in range(2):
        button.press()
        wait(lambda: commands[-1][1] > 0.9)
        begin = button.press(False)
        first(commands, begin, is_safe)
    assert process.end() == 0


def test_lockstep_does_not_wait_for_a_stop_and_hears_it_in_its_tick(tmp_path, start, robot):
    values = changed(VALUES, "inputs.estop.latched", False)
    process = start("controller_node", controller_file=str(write(tmp_path, values)), mode="lockstep")
    sensor, stop, answers = robot.publisher(), robot.publisher(Bool, "estop"), robot.commands()
    robot.meets("sensor", sensor)
    wait(stop.get_subscription_count)
    for k in range(30):
        if k == 5:
            stop.publish(Bool(data=False))
            time.sleep(0.2)  # another topic may overtake it
        if k == 10:
            stop.publish(Bool(data=True))
            time.sleep(0.2)
        sensor.publish(joints(1.0, 0.0, stamp_ns=(k + 1) * 10_000_000))
        wait(lambda k=k: len(answers) > k, what=f"the command of tick {k}")
    safe = np.array([command for _, command in answers]) == SAFE
    assert safe[:5].all()  # it was not heard yet
    assert not safe[7:10].any()
    assert safe[10:].all()
    assert answers[-1][0] == 300_000_000
    assert process.end() == 0


def test_the_console_says_that_it_waits_for_the_button_and_when_that_falls_silent(tmp_path, start, robot):
    robot.feed(robot.publisher(), 1.0, 0.0)
    process = start("controller_node", controller_file=str(write(tmp_path, VALUES)))
    wait(lambda: "waits for estop: nobody publishes" in process.text)
    pressed = Button(robot.publisher(Bool, "estop"))
    wait(lambda: "commands begin" in process.text or "commands again" in process.text)
    pressed.dies()
    wait(lambda: "stopped by estop (silent)" in process.text)
    assert process.end() == 0
