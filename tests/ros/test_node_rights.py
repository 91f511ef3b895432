"""The controller node: errors from inside, parameters, priorities and rights."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import rclpy.parameter
from geometry_msgs.msg import TwistStamped
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import QoSProfile

from snn_control.realtime.loop import Loop
from snn_control.ros import STOP_SIGNALS
from snn_control.ros.nodes.controller_node import ControllerNode
from snn_control.ros.nodes.process import Stop, _Dds, dds_threads, given_priority, missing_rights
from snn_control.ros.ports import base as port_base
from tests.realtime import ticks
from tests.ros.node_processes import wait
from tests.ros.robot import ERROR, WARN, fifo_is_granted, stamp_of, write

# what only shows from inside ------------------------------------------------------------------------------------


@pytest.fixture
def inside(ros, tmp_path):
    """An active controller node in this process that is not spun."""
    parameters = {"controller_file": str(write(tmp_path)), "priority": 0}
    given = [rclpy.parameter.Parameter(name, value=value) for name, value in parameters.items()]
    mask, handlers = signal.pthread_sigmask(signal.SIG_BLOCK, ()), {n: signal.getsignal(n) for n in STOP_SIGNALS}
    stop = Stop()
    node = ControllerNode(stop, parameter_overrides=given)
    assert node.loop.running
    yield node
    node.finish()
    node.destroy_node()
    stop.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def reported(node, part):
    return next(s for s in node._reporter.report() if s.name == f"/controller: {part}")


def test_what_rcl_refuses_is_an_error_as_long_as_it_grows(inside):
    assert reported(inside, "output drive").level == WARN  # nobody subscribes
    for port, part in ((inside.outputs[0], "output drive"), (inside.inputs[0], "input sensor")):
        message = int(port._block[port_base.MESSAGE])
        port._block[port_base.MESSAGE] = 0  # rcl: an invalid argument
        wait(lambda port=port: port.counters()["errors"] > 2)
        port._block[port_base.MESSAGE] = message
        time.sleep(0.05)
        found = reported(inside, part)
        assert found.level == ERROR
        assert "errors of rcl, the last with code 11" in found.message
        assert "errors of rcl" not in reported(inside, part).message
    assert reported(inside, "output drive").level == WARN


def test_a_loop_that_does_not_end_keeps_the_node_active(inside):
    own, count = inside.loop, np.zeros(1, np.int64)
    table = np.array([ticks.tick("count"), count.ctypes.data, 0, 1, 5_000_000_000, 0, 0, 0], np.int64)
    assert own.stop()
    assert reported(inside, "guard").level == WARN
    assert reported(inside, "guard").message == "not active"
    options = {"priority": 0, "lock_memory": False, "keep": (table, count)}
    inside.loop = Loop(ticks.tick("stalling"), table.ctypes.data, 10_000_000, **options)
    inside.loop.start()
    wait(lambda: table[2] == 1)  # the tick hangs
    assert inside.trigger_deactivate() == TransitionCallbackReturn.FAILURE
    assert inside._state_machine.current_state[1] == "active"
    assert inside.exit_code == 1
    wait(lambda: not inside.loop.running)
    assert inside.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    inside.loop = own


# parameters and rights -------------------------------------------------------------------------------------------


def test_parameters_are_described_and_fixed(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)))
    names = ["controller_file", "mode", "rate", "phase", "priority", "cpu", "record", "autostart"]
    request = DescribeParameters.Request(names=names)
    described = robot.ask(DescribeParameters, "/controller/describe_parameters", request).descriptors
    assert [d.name for d in described] == names
    assert all(d.description and d.read_only for d in described)
    by_name = {d.name: d for d in described}
    assert by_name["rate"].type == ParameterType.PARAMETER_DOUBLE
    assert by_name["rate"].floating_point_range[0].to_value == 20000.0
    assert by_name["phase"].floating_point_range[0].to_value == 1.0
    assert (by_name["priority"].integer_range[0].from_value, by_name["priority"].integer_range[0].to_value) == (0, 98)
    assert by_name["cpu"].integer_range[0].from_value == -1
    value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=50.0)
    request = SetParameters.Request(parameters=[Parameter(name="rate", value=value)])
    result = robot.ask(SetParameters, "/controller/set_parameters", request).results[0]
    assert not result.successful
    assert "read-only" in result.reason
    assert process.end() == 0


def test_the_priority_in_the_arguments_is_seen_before_there_is_a_node(tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text("/**: {ros__parameters: {priority: 30}}\nother: {ros__parameters: {priority: 5}}")
    for arguments, expected_priority in (
        ([], 80),
        (["--ros-args", "-p", "priority:=0"], 0),
        (["--ros-args", "-p", "priority:=high"], 80),
        (["--ros-args", "--params-file", str(file)], 30),
        (["--ros-args", "-r", "__node:=other", "--params-file", str(file)], 5),
        (["--ros-args", "--params-file", str(file), "-p", "priority:=7", "-p", "rate:=9"], 7),
        (["--ros-args", "-p", "other:priority:=7", "-p", "controller:priority:=8"], 8),
        (["--ros-args", "--params-file", "no.yaml", "-p"], 80),
    ):
        assert given_priority(arguments, "controller", 80) == expected_priority


def test_a_priority_that_dds_did_not_get_is_among_the_missing_rights(monkeypatch):
    assert missing_rights(("memory",)) == ("memory",)
    monkeypatch.setattr(_Dds, "wanted", 200)  # there is none above 99
    monkeypatch.setattr(_Dds, "granted", 200)
    with dds_threads():
        pass
    assert missing_rights(("memory",))[1].text.startswith("priority 200 of the DDS threads")


@pytest.mark.parametrize(
    ("mode", "priority", "of_dds"), [("realtime", 80, 60), ("lockstep", 80, 60), ("realtime", 0, 0), ("realtime", 9, 8)]
)
def test_threads_have_the_priorities_that_were_promised(tmp_path, start, mode, priority, of_dds):
    if not fifo_is_granted():
        pytest.skip("SCHED_FIFO is not granted here")
    process = start("controller_node", controller_file=str(write(tmp_path)), mode=mode, priority=priority)
    wait(lambda: f"Hz, {mode}" in process.text)
    pid, found = process.process.pid, {}
    for task in os.listdir(f"/proc/{pid}/task"):
        policy = os.sched_getscheduler(int(task)) & ~os.SCHED_RESET_ON_FORK
        name = Path(f"/proc/{pid}/task/{task}/comm").read_text().strip()
        found[int(task)] = (name, os.sched_getparam(int(task)).sched_priority if policy == os.SCHED_FIFO else 0)
    assert found[pid][1] == 0  # compiles, answers services, reports
    dds = [priority for name, priority in found.values() if name.startswith("dds.")]
    assert len(dds) >= 4
    assert set(dds) == {of_dds}
    loops = [one for _, one in found.values() if one > of_dds]
    assert loops == ([priority] if mode == "realtime" and priority else [])
    assert process.end() == 0


def test_commands_carry_the_time_in_order(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)))
    wait(lambda: "Hz, realtime" in process.text)
    heard = []
    robot.listen(TwistStamped, "drive", heard.append, QoSProfile(depth=1))
    wait(lambda: len(heard) > 5)
    stamps = [stamp_of(m) for m in heard]
    assert stamps == sorted(stamps)
    assert stamps[0] == pytest.approx(time.time_ns(), abs=2e9)
    assert process.end() == 0
