"""Disturbances: signals during the start, bad clocks, rival publishers, pauses, and the record of a fault."""

from __future__ import annotations

import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from snn_control.record.input_log import InputLog
from snn_control.record.run_folder import read_record
from tests.ros.node_processes import wait
from tests.ros.robot import CONTROLLER, ERROR, IMPATIENT, OK, SAFE, STALE, WARN, changed, joints, write


def blocks_its_ends(pid):
    """Whether SIGQUIT is blocked and SIGUSR2 is not: from the first moments of a node's start on."""
    mask = int(Path(f"/proc/{pid}/status").read_text().partition("SigBlk:")[2].split()[0], 16)
    return [mask >> (number - 1) & 1 for number in (signal.SIGQUIT, signal.SIGUSR2)] == [1, 0]


@pytest.mark.parametrize("after", [0.1, 0.6, "configured", "active"])
def test_a_signal_during_the_start_is_followed_by_nothing_but_the_safe_command(tmp_path, start, robot, after):
    answers = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    early = isinstance(after, float)
    process = start("controller_node", controller_file=str(write(tmp_path)), fresh=early)
    if early:
        wait(lambda: blocks_its_ends(process.process.pid), what="the beginning of the imports")
        time.sleep(after)
    else:
        wait(lambda: answers if after == "active" else robot.node.count_subscribers("/joints"))
    process.send(signal.SIGTERM)
    sent = time.time_ns()
    assert process.wait() == 0
    assert "Traceback" not in process.text
    late = [(stamp - sent, command) for stamp, command in answers if stamp > sent + 20_000_000 and command != SAFE]
    assert not late, "a tick may have been under way, and a busy machine delivers late"


def test_a_message_that_rclpy_cannot_take_does_not_end_the_node(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)), use_sim_time=True)
    clock = robot.publisher(Clock, "/clock")
    wait(lambda: clock.get_subscription_count(), what="the node's clock")
    bad = Clock()
    bad.clock.sec = -1
    wait(lambda: clock.publish(bad) or "a callback failed, the node continues" in process.text)
    robot.feed(robot.publisher(), 1.0, 0.0)
    robot.status("/controller: guard", level=OK)
    assert process.end() == 0


def test_a_second_publisher_is_an_error_on_commands_and_on_required_inputs(tmp_path, ros, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)))
    one = robot.publisher()
    robot.feed(one, 1.0, 0.0)
    robot.status("/controller: input sensor", level=OK)
    assert robot.status("/controller: output drive").message.endswith("nobody subscribes")
    other, rival = robot.publisher(), ros.create_node("rival")
    rival.create_publisher(TwistStamped, "drive", 1)
    text = "2 publishers on one input (or until recently): /robot, /robot"
    robot.status("/controller: input sensor", time.monotonic(), level=ERROR, text=text)
    robot.feed(other, 1.0, 0.0)  # and when both are heard
    robot.status("/controller: input sensor", time.monotonic() + 1.5, level=ERROR, text=text)
    robot.status("/controller: output drive", level=ERROR, text="commanded by /rival too")
    rival.destroy_node()
    wait(lambda: robot.status("/controller: output drive", time.monotonic()).level != ERROR)
    assert process.end() == 0


def test_a_fault_is_told_with_time_and_cause_when_it_is_over(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)), publish_budget=10.0)
    wait(lambda: "waits for sensor: nobody publishes" in process.text)
    feeder = robot.feed(robot.publisher(), 1.0, 0.0)
    robot.status("/controller: guard", level=OK)
    wait(lambda: "commands begin" in process.text)
    feeder.set(np.nan, 0.0)
    robot.status("/controller: guard", time.monotonic(), level=ERROR)
    feeder.set(1.0, 0.0)
    status = robot.status("/controller: guard", time.monotonic(), level=OK)
    values = {pair.key: pair.value for pair in status.values}
    assert re.fullmatch(r"20\d\d-.*T.*\+00:00, [0-9.]+ s: invalid input: sensor", values["fault.0"])
    assert "fault.1" not in values
    wait(lambda: "commands again after " in process.text)
    assert len(re.findall(r"1 fault: .*sensor", process.text)) == 1
    assert process.text.count("commands again after ") == process.text.count("waits for") == 1
    assert process.end() == 0


def test_what_inputs_of_one_topic_have_in_common_is_told_once(tmp_path, start, robot):
    sensor, topic = {**CONTROLLER["inputs"]["sensor"], "stale": 0.5}, CONTROLLER["ros"]["inputs"]["sensor"]
    names = ("sensor", "second", "third")
    values = changed(CONTROLLER, "inputs", dict.fromkeys(names, sensor))
    values = changed(values, "ros.inputs", dict.fromkeys(names, topic))
    process = start("controller_node", controller_file=str(write(tmp_path, values)))
    feeder = robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: "commands begin" in process.text)
    feeder.stop()
    wait(lambda: re.search(r"1 fault: .*\n", process.text))
    (line,) = re.findall(r"1 fault: (.*)", process.text)
    assert "sensor" in line
    assert len(set(line.split("; "))) == len(line.split("; "))
    assert process.end() == 0


def test_the_first_commands_after_activation_wait_for_valid_ticks(tmp_path, start, robot):
    values = changed(CONTROLLER, "guard.release", 20)
    values = changed(values, "outputs.drive.slew", 1000.0)
    answers = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    process = start("controller_node", controller_file=str(write(tmp_path, values)))
    wait(lambda: any(command != SAFE for _, command in answers))
    first = next(k for k, (_, command) in enumerate(answers) if command != SAFE)
    assert first >= 10  # of 20: some may have gone out before we were matched
    assert process.end() == 0


def test_no_record_replaces_another(tmp_path, start, robot):
    record = tmp_path / "a.npz"
    process = start("controller_node", controller_file=str(write(tmp_path)), record=str(record))
    heard, feeder = robot.commands(), robot.feed(robot.publisher(), 1.0, 0.0)
    robot.status("/controller: guard", level=OK)

    def change(which: int) -> None:
        request = ChangeState.Request(transition=Transition(id=which))
        assert robot.ask(ChangeState, "/controller/change_state", request).success

    change(Transition.TRANSITION_DEACTIVATE)
    first = record.read_bytes()
    assert len(read_record(record)[0]["command"]) >= 4  # three valid ticks and a command
    change(Transition.TRANSITION_CLEANUP)
    change(Transition.TRANSITION_CONFIGURE)
    change(Transition.TRANSITION_ACTIVATE)
    robot.status("/controller: guard", time.monotonic(), level=OK)
    before = len(heard)
    wait(lambda: len(heard) > before + 10)
    feeder.set(1.0, 0.0)
    assert process.end() == 0
    assert record.read_bytes() == first
    assert sorted(p.name for p in tmp_path.glob("*.npz")) == ["a.npz", "a_2.npz", "a_2_shown.npz", "a_shown.npz"]
    assert len(read_record(tmp_path / "a_2.npz")[0]["command"]) > 5
    assert InputLog.load(tmp_path / "a_2_shown.npz").ticks > 5


def test_what_waited_while_the_node_was_paused_is_not_commanded_from(tmp_path, start, robot):
    """The sensor falls silent while the node is stopped: what is in its queues is old when it continues."""
    answers = robot.commands()
    process = start("controller_node", controller_file=str(write(tmp_path, IMPATIENT)))
    publisher = robot.publisher(JointState, "joints", 5)
    feeder = robot.feed(publisher, 1.0, 0.0)
    wait(lambda: any(command != SAFE for _, command in answers))
    process.send(signal.SIGSTOP)
    time.sleep(0.1)  # messages wait by now
    feeder.stop()
    last = time.time_ns()
    publisher.publish(joints(1.0, 0.0))
    time.sleep(0.3)
    before = len(answers)
    process.send(signal.SIGCONT)
    wait(lambda: len(answers) > before + 20)
    unsafe = [(stamp - last) / 1e6 for stamp, command in answers[before:] if command != SAFE]
    assert not [ms for ms in unsafe if ms > 1e3 * STALE + 10], "data older than its limit and a tick"
    assert process.end() == 0


def test_an_input_says_how_much_of_it_failed_and_what_was_empty(tmp_path, start, robot):
    """Most beams NaN: a warning, and commands continue; all: the safe command; nothing hit: no report."""
    scan = {"kind": "value", "size": 2, "range": [-2, 2], "not_finite": "high"}
    values = changed(CONTROLLER, "inputs.sensor", scan)
    values = changed(values, "inputs.sensor.stale", 0.5)
    values = changed(values, "ros.inputs.sensor.reduce", "min")
    process = start("controller_node", controller_file=str(write(tmp_path, values)))
    feeder = robot.feed(robot.publisher(), *[np.inf] * 6)

    def says(level, text=""):
        status = robot.status("/controller: input sensor", time.monotonic(), level=level, text=text)
        return status.message, {pair.key: pair.value for pair in status.values}

    assert says(OK)[0] == "valid"
    feeder.set(1.0, np.nan, 1.0, np.nan, np.nan, np.nan)
    message, counted = says(WARN, "numbers were not finite and replaced")
    failed, numbers = map(int, re.findall(r"\d+", message))
    assert numbers / 2 < failed <= numbers * 4 / 6
    assert 0 < int(counted["failed"]) < int(counted["replaced"]) < int(counted["numbers"])
    robot.status("/controller: guard", time.monotonic(), level=OK, message="commands")
    feeder.set(*[np.nan] * 6)
    assert says(ERROR, "not finite")[0] == "the newest sample is not finite or not plausible"
    feeder.set(1.0, np.nan)
    says(OK)  # half
    feeder.set()
    assert re.search(r"stale: .*; \d+ empty messages", says(ERROR, "stale: ")[0])
    assert process.end() == 0


def test_a_budget_of_latency_is_watched(tmp_path, start, robot):
    values = changed(CONTROLLER, "guard.latency", 0.02)
    start("controller_node", controller_file=str(write(tmp_path, values)))
    publisher, over = robot.publisher(), threading.Event()

    def feed():
        while not over.wait(0.01):
            publisher.publish(joints(1.0, 0.0, stamp_ns=time.time_ns() - delay[0]))

    delay = [0]
    feeding = threading.Thread(target=feed)
    feeding.start()
    robot.status("/controller: loop", level=OK)
    delay[0] = 30_000_000
    status = robot.status("/controller: loop", level=WARN, text="commands later than 20 ms after their data")
    assert "missed" in status.message
    over.set()
    feeding.join()
