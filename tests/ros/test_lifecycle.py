"""The controller node as a process: its lifecycle, release, and learning by a service."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from std_srvs.srv import SetBool, Trigger

from snn_control.controller import Controller
from tests.ros.node import first, is_safe
from tests.ros.node_processes import wait
from tests.ros.robot import CONTROLLER, ERROR, OK, SAFE, WARN, changed, joints, write

# lifecycle -------------------------------------------------------------------------------------------------------


class Lifecycle:
    def __init__(self, robot):
        self.robot = robot

    def go(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.robot.ask(ChangeState, "/controller/change_state", request).success

    @property
    def state(self):
        return self.robot.ask(GetState, "/controller/get_state", GetState.Request()).current_state.id


def test_lifecycle_from_outside(tmp_path, start, robot):
    record = tmp_path / "record.npz"
    process = start("controller_node", controller_file=str(write(tmp_path)), autostart=False, record=str(record))
    life, commands, publisher = Lifecycle(robot), robot.commands(), robot.publisher()
    assert life.state == State.PRIMARY_STATE_UNCONFIGURED
    assert robot.status("/controller: loop", level=WARN).message == "not configured"
    answer = robot.ask(Trigger, "/controller/release", Trigger.Request())
    assert (answer.success, answer.message) == (False, "not active")
    assert life.go(Transition.TRANSITION_CONFIGURE)
    assert life.state == State.PRIMARY_STATE_INACTIVE
    assert robot.status("/controller: loop", level=WARN, text="does not run")
    wait(lambda: publisher.get_subscription_count() and robot.node.count_publishers("drive"))
    feeder = robot.feed(publisher, 1.0, 0.0)
    time.sleep(0.2)
    assert commands == []
    # what came before the activation is of long ago, however new it looks to the loop
    feeder.stop()
    time.sleep(0.3)
    assert life.go(Transition.TRANSITION_ACTIVATE)
    assert life.state == State.PRIMARY_STATE_ACTIVE
    wait(lambda: len(commands) > 20)
    assert {c for _, c in commands} == {SAFE}

    for _ in range(2):
        feeder = robot.feed(publisher, 1.0, 0.0)
        wait(lambda: commands[-1][1] > 0.9)
        assert life.go(Transition.TRANSITION_DEACTIVATE)
        assert life.state == State.PRIMARY_STATE_INACTIVE
        over = time.time_ns()
        wait(lambda: commands[-1][1] == SAFE, what="the final safe command")
        time.sleep(0.1)
        assert commands[-1][0] <= over
        feeder.stop()
        time.sleep(0.1)
        count = len(commands)
        assert life.go(Transition.TRANSITION_ACTIVATE)
        wait(lambda count=count: len(commands) > count + 20)
        assert {c for _, c in commands[count:]} == {SAFE}
    status = robot.status("/controller: loop", time.monotonic(), text="100")  # no rate from before the restart
    assert float({p.key: p.value for p in status.values}["rate_hz"]) == pytest.approx(100, rel=0.1)

    assert life.go(Transition.TRANSITION_DEACTIVATE)
    assert record.is_file()
    assert life.go(Transition.TRANSITION_CLEANUP)
    assert life.state == State.PRIMARY_STATE_UNCONFIGURED
    wait(lambda: robot.node.count_publishers("drive") == 0)
    assert life.go(Transition.TRANSITION_CONFIGURE)
    assert life.go(Transition.TRANSITION_ACTIVATE)
    robot.feed(publisher, 1.0, 0.0)
    wait(lambda: commands[-1][1] > 0.9)
    assert life.go(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert life.state == State.PRIMARY_STATE_FINALIZED
    wait(lambda: commands[-1][1] == SAFE, what="the final safe command")
    assert process.alive
    assert process.end() == 0
    assert "Traceback" not in process.text


def test_an_error_in_configure_is_reported_and_can_be_mended(tmp_path, start, robot):
    file = tmp_path / "later.yaml"
    process = start("controller_node", controller_file=str(file), autostart=False)
    life = Lifecycle(robot)
    assert not life.go(Transition.TRANSITION_CONFIGURE)
    assert life.state == State.PRIMARY_STATE_UNCONFIGURED
    assert f"{file}: cannot be read" in process.text
    write(tmp_path, changed(CONTROLLER, "ros.outputs.drive.field", "twist.linear.q"), "later.yaml")
    assert not life.go(Transition.TRANSITION_CONFIGURE)  # after the subscriptions were made
    assert "ros.outputs.drive" in process.text
    wait(lambda: robot.node.count_subscribers("joints") == 0, what="the end of the subscription")
    write(tmp_path, name="later.yaml")
    assert life.go(Transition.TRANSITION_CONFIGURE)
    assert life.go(Transition.TRANSITION_ACTIVATE)
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: commands and commands[-1][1] > 0.9)
    assert process.end() == 0
    assert "Traceback" not in process.text


def test_release_by_an_operator(tmp_path, start, robot):
    file = write(tmp_path, changed(CONTROLLER, "guard.release", 0))
    process = start("controller_node", controller_file=str(file))
    commands, publisher = robot.commands(), robot.publisher()

    def release():
        return robot.ask(Trigger, "/controller/release", Trigger.Request())

    wait(lambda: commands)
    answer = release()
    assert not answer.success
    assert answer.message == "still the safe command: invalid input: sensor"
    feeder = robot.feed(publisher, 1.0, 0.0)
    robot.status("/controller: guard", level=ERROR, text="waits for an operator's release")
    assert {c for _, c in commands} == {SAFE}
    answer = release()
    assert (answer.success, answer.message) == (True, "commands")
    wait(lambda: commands[-1][1] > 0.9)
    begin = time.time_ns()
    feeder.set(math.nan, 0.0)
    first(commands, begin, is_safe)
    begin = time.time_ns()
    feeder.set(1.0, 0.0)
    time.sleep(0.3)
    assert {c for s, c in commands if s >= begin} == {SAFE}
    assert release().success
    assert process.end() == 0


#: spikes of the sensor learn to hold the command at 1
LEARNS = changed(
    changed(CONTROLLER, "inputs.sensor.encoder", {
        "type": "linear",
        "weights": [[2.0, 1.5, 3.0, 2.5, 4.0, 1.7], [0.0] * 6],
        "neuron": {"type": "lif", "tau_mem": 0.05},
    }),
    "network",
    {
        "populations": {
            "slow": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.1}},
            "wrong": {"size": 1, "neuron": {"type": "relay"}, "bias": -1.0},
        },
        "projections": [
            {"pre": "sensor", "post": "slow", "weights": 0,
             "learning": {"type": "pes", "error": "wrong", "learning_rate": 0.002}},
            {"pre": "slow", "post": "wrong"},
        ],
    },
)  # fmt: skip


def test_learning_is_switched_by_a_service_and_told_in_diagnostics(tmp_path, start, robot):
    """In lockstep, so that the tick of the switch is known: the commands are those of `Controller.step`, to the bit."""
    file = write(tmp_path, LEARNS)
    process = start("controller_node", controller_file=str(file), mode="lockstep")
    publisher, answers = robot.publisher(), robot.commands()
    robot.meets("sensor", publisher)
    reference, found, expected_commands = Controller.load(file), [], []

    def ticks_of(n):
        messages = [joints(1.0, 0.0, stamp_ns=(len(answers) + k + 1) * 10_000_000) for k in range(n)]
        for message in messages:
            k = len(answers)
            publisher.publish(message)
            wait(lambda k=k: len(answers) > k, what=f"the command of tick {k}")
            expected_commands.append(reference.step({"sensor": (1.0, 0.0)})["drive"][0])

    def switch(on):
        answer = robot.ask(SetBool, "/controller/learning", SetBool.Request(data=on))
        reference.learning(on)
        found.append((answer.success, answer.message))

    ticks_of(30)
    switch(False)
    ticks_of(60)
    after = time.monotonic()
    status = robot.status("/controller: learning", after, level=OK, text="off: sensor->slow")
    updates = {pair.key: pair.value for pair in status.values}
    assert updates == {"updates.sensor->slow": str(reference.counters()["learning"]["sensor->slow"]["updates"])}
    switch(True)
    ticks_of(110)
    robot.status("/controller: learning", time.monotonic(), level=OK, text="on: sensor->slow")
    assert found == [(True, "off: sensor->slow"), (True, "on: sensor->slow")]
    commands = np.array([command for _, command in answers])
    np.testing.assert_array_equal(commands, expected_commands)
    assert np.mean(commands[70:90]) < 0.7  # it stays as it was
    assert np.mean(commands[-20:]) == pytest.approx(1.0, abs=0.1)
    assert process.end() == 0


def test_a_controller_that_does_not_learn_says_so_when_asked(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)))
    robot.status("/controller: guard", text="safe command")
    answer = robot.ask(SetBool, "/controller/learning", SetBool.Request(data=True))
    assert not answer.success
    assert answer.message == "learning '': is not a rule of this controller; no projection learns"
    assert not any(s.name == "/controller: learning" for array in robot.diagnostics for s in array.status)
    change = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert robot.ask(ChangeState, "/controller/change_state", change).success
    answer = robot.ask(SetBool, "/controller/learning", SetBool.Request(data=True))
    assert (answer.success, answer.message) == (False, "not active")
    assert process.end() == 0
