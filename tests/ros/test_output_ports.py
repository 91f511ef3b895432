"""Output ports: messages that commands are written into."""

from __future__ import annotations

import time

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Imu, JointState, PointCloud2
from std_msgs.msg import Float64MultiArray, Int16, UInt64MultiArray
from trajectory_msgs.msg import JointTrajectory

from snn_control.errors import DescriptionError
from snn_control.ros.messages.path_program import compile_path
from snn_control.ros.messages.template import make_message
from snn_control.ros.ports.numeric import CommandOutput, EventsPort, NumericInput
from tests.ros.calling import call
from tests.ros.slots import QOS, Reader


def test_two_outputs_in_one_message(nodes):
    reader = Reader(nodes, Float64MultiArray)
    pan, tilt = np.array([1.5]), np.array([-2.5])
    fields = [("data[0]", pan.ctypes.data, 1), ("data[1]", tilt.ctypes.data, 1)]
    port = CommandOutput(reader.publisher, Float64MultiArray, fields)
    assert port.matched() == 1
    for k in range(3):
        pan[0] = k
        assert call(port, 0, 0) == 0
        assert reader.next().data.tolist() == [k, -2.5]
    assert port.counters() == {"published": 3, "errors": 0, "last_error": 0}


def test_stamps_are_carried_or_the_time(nodes):
    reader = Reader(nodes, TwistStamped)
    command = np.array([0.25, 3.0])
    fields = [("twist.linear.x", command.ctypes.data, 1), ("twist.angular.z", command.ctypes.data + 8, 1)]
    port = CommandOutput(reader.publisher, TwistStamped, fields, values={"header.frame_id": "base_link"})
    assert call(port, 12_000_000_034, 0) == 0
    message = reader.next()
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
    assert (message.twist.linear.x, message.twist.angular.z) == (0.25, 3.0)
    assert message.header.frame_id == "base_link"
    for unstamped in (0, -1):
        assert call(port, unstamped, 0) == 0
        stamp = reader.next().header.stamp
        assert abs(stamp.sec + stamp.nanosec * 1e-9 - time.time()) < 5


def test_a_time_in_microseconds_is_a_bare_integer(nodes):
    reader, value = Reader(nodes, UInt64MultiArray), np.array([7.0])
    fields = [("data[1]", value.ctypes.data, 1)]
    port = CommandOutput(reader.publisher, UInt64MultiArray, fields, stamp_field="data[0]")
    assert call(port, 1_764_000_000_123_456_789, 0) == 0
    assert reader.next().data.tolist() == [1_764_000_000_123_456, 7]
    assert call(port, 0, 0) == 0
    assert abs(reader.next().data[0] * 1e-6 - time.time()) < 5
    assert port.safe_message(0)["micros"] == 20
    for field, rule in (
        ("data[1]", "is commanded by"),
        ("data[:]", "must be one number"),
        ("layout.data_offset", "int64 or uint64"),
    ):
        with pytest.raises(DescriptionError, match=rule):
            CommandOutput(reader.publisher, UInt64MultiArray, fields, stamp_field=field)


def test_integers_sequences_of_structures_and_names(nodes):
    reader = Reader(nodes, Int16)
    value = np.array([40000.0])
    port = CommandOutput(reader.publisher, Int16, [("data", value.ctypes.data, 1)])
    for wanted, number in [(32767, 4e4), (-32768, -1e9), (3, 2.6), (2, 2.5)]:
        value[0] = number
        assert call(port, 0, 0) == 0
        assert reader.next().data == wanted

    reader, command = Reader(nodes, JointState, "joints"), np.array([1.5, 2.5])
    fields = [("position[name=pan]", command.ctypes.data, 1), ("position[name=tilt]", command.ctypes.data + 8, 1)]
    port = CommandOutput(reader.publisher, JointState, fields, values={"name": ["tilt", "pan"]})
    assert call(port, 5, 0) == 0
    assert (reader.next().name, reader.got[-1].position.tolist()) == (["tilt", "pan"], [2.5, 1.5])

    reader = Reader(nodes, JointTrajectory, "trajectory")
    command = np.arange(3.0)
    fields = [("points[0].positions[:]", command.ctypes.data, 3)]
    port = CommandOutput(reader.publisher, JointTrajectory, fields, values={"joint_names": ["a", "b", "c"]})
    assert call(port, 5, 0) == 0
    message = reader.next()
    assert message.points[0].positions.tolist() == [0, 1, 2]
    assert message.joint_names == ["a", "b", "c"]


def test_templates_that_cannot_be(nodes):
    io, _ = nodes
    publisher = io.create_publisher(Float64MultiArray, "command", QOS)
    cell = np.zeros(4).ctypes.data

    def make(*fields, **options):
        CommandOutput(publisher, Float64MultiArray, list(fields), **options)

    for fields, options, says in [
        ([("data[0]", cell, 1), ("data[:]", cell, 2)], {}, "commanded twice: by data\\[0\\]"),
        ([("data[0]", cell, 2)], {}, "names 1 numbers, the output has 2"),
        ([("dat[0]", cell, 1)], {}, "did you mean 'data'"),
        ([], {}, "at least one field"),
        ([("data[0]", cell, 1)], {"values": {"name": ["a"]}}, "no field 'name'"),
        ([("data[0]", cell, 1)], {"values": {"layout.data_offset": "a"}}, "does not fit"),
        ([("data[0]", cell, 1), ("data[:]", cell, 3)], {}, "commanded twice"),
        ([("data[:]", cell, 3)], {"values": {"data": [0.0] * 4}}, "names 4 numbers, the output has 3"),
    ]:
        with pytest.raises(DescriptionError, match=says):
            make(*fields, **options)
    with pytest.raises(DescriptionError, match="needs std_msgs/msg/Int16"):
        CommandOutput(publisher, Int16, [("data", cell, 1)])
    stamped_publisher = io.create_publisher(TwistStamped, "twist", QOS)
    with pytest.raises(DescriptionError, match="must not command the stamp"):
        CommandOutput(stamped_publisher, TwistStamped, [("header.stamp.sec", cell, 1)])
    subscription = io.create_subscription(Imu, "imu", lambda message: None, QOS)
    with pytest.raises(DescriptionError, match="names 1 number, the input takes 2"):
        NumericInput(subscription, compile_path(Imu, "angular_velocity.z"), cell, cell, 2)
    with pytest.raises(DescriptionError, match="needs sensor_msgs/msg/JointState"):
        NumericInput(subscription, compile_path(JointState, "position[0]"), cell, cell, 1)
    clouds = io.create_subscription(PointCloud2, "clouds", lambda message: None, QOS)
    with pytest.raises(DescriptionError, match="capacity"):
        EventsPort(clouds, cell, (cell,) * 4, 0)


def test_messages_are_lengthened_as_paths_need():
    message = make_message(JointTrajectory, [("points[2].velocities[1]", 1), ("points[1].positions[1:3]", 2)])
    assert [list(point.velocities) for point in message.points] == [[], [], [0, 0]]
    assert [list(point.positions) for point in message.points] == [[], [0, 0, 0], []]
    message = make_message(JointTrajectory, [("points[:].positions[0]", 3)])
    assert [list(point.positions) for point in message.points] == [[0], [0], [0]]
    with pytest.raises(DescriptionError, match="two open lengths"):
        make_message(JointTrajectory, [("points[:].positions[:]", 4)])
