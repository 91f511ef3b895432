"""``mode:=event``: the controller node answers messages, and does not wait for ever."""

from __future__ import annotations

import time

import pytest

from tests.ros.node import first, is_safe
from tests.ros.node_processes import wait
from tests.ros.robot import CONTROLLER, IMPATIENT, STALE, changed, joints, write

PERIOD = CONTROLLER["period"]


def test_messages_are_answered_and_silence_is_safe(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path, IMPATIENT)), mode="event")
    commands, sensor = robot.commands(), robot.publisher()
    wait(lambda: "100 Hz, event" in process.text)
    end = time.monotonic() + 30
    while not (commands and commands[-1][1] > 0.9):
        assert time.monotonic() < end
        sensor.publish(joints(1.0, 0.0))
        time.sleep(0.012)
    waits = []
    for _ in range(40):
        time.sleep(0.012)
        begin = time.time_ns()
        sensor.publish(joints(1.0, 0.0))
        waits.append((first(commands, begin, lambda _: True) - begin) * 1e-9)
    waits.sort()
    assert waits[20] < PERIOD / 2  # by the clock it would be half a period on average
    begin = time.time_ns()
    stale = first(commands, begin, is_safe)
    assert (stale - begin) * 1e-9 < STALE + 1.5 * PERIOD + 0.05
    status = robot.status("/controller: loop", time.monotonic())
    assert int({one.key: one.value for one in status.values}["timeouts"]) > 0
    assert process.end() == 0


@pytest.mark.parametrize(
    ("more", "changes", "said"),
    [
        ({"mode": "event", "trigger": "sensr"}, {}, "trigger = 'sensr': must be an input"),
        ({"trigger": "sensor"}, {}, "trigger = 'sensor': is for mode event; leave it out, or add mode:=event"),
        ({"mode": "event"}, {"outputs.drive.acceleration": 9.0}, "acceleration: needs ticks of one length"),
    ],
)  # fmt: skip
def test_what_event_mode_cannot_do_is_refused(tmp_path, start, robot, more, changes, said):
    values = CONTROLLER
    for path, value in changes.items():
        values = changed(values, path, value)
    process = start("controller_node", controller_file=str(write(tmp_path, values)), **more)
    assert process.wait() == 2
    assert said in process.text
