"""Ports over DDS: what a publisher sends arrives in the slot, what is bad is counted."""

from __future__ import annotations

import ctypes
import resource
import threading
import time

import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu, JointState, PointCloud2
from std_msgs.msg import Float64, Float64MultiArray, String

from snn_control.engine.slots import ARRIVAL, COUNT, DROPPED, FRESH, STAMP
from snn_control.errors import RuntimeFault
from snn_control.realtime.port import FREE, LOCKSTEP
from snn_control.ros.messages.clouds import events_cdr
from snn_control.ros.messages.path_program import compile_path
from snn_control.ros.nodes.diagnostics import describe_mismatch
from snn_control.ros.ports.base import MOST_MESSAGES
from snn_control.ros.ports.numeric import CommandOutput, EventsPort, NumericInput
from tests.ros.calling import call
from tests.ros.node_processes import wait
from tests.ros.slots import QOS, Reader, Slot

BAD = ("malformed", "oversized", "empty", "unstamped", "future", "backwards", "errors", "last_error")


def stamped(message, ns):
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(ns, 10**9)
    return message


class Numbers:
    """A numeric input with its publisher, matched."""

    def __init__(self, nodes, message_class, field, n, topic="sensor", **options) -> None:
        io, other = nodes
        self.subscription = io.create_subscription(message_class, topic, lambda message: None, QOS)
        self.publisher = other.create_publisher(message_class, topic, QOS)
        self.slot = Slot(n)
        program = compile_path(message_class, field)
        self.port = NumericInput(
            self.subscription, program, self.slot.address, self.slot.values.ctypes.data, n, **options
        )
        wait(lambda: self.port.matched() == 1 and self.publisher.get_subscription_count() == 1)

    def take(self, now=1, mode=FREE, until=None):
        """Take at a time that is made up, until ``until`` messages were seen (one call if None)."""
        if until is None:
            return call(self.port, now, mode)
        before = self.port.counters()["taken"]
        wait(lambda: (call(self.port, now, mode), self.port.counters()["taken"] - before >= until)[1])
        return self.port.counters()["taken"] - before


@pytest.fixture
def arrived(nodes):
    """Wait until everything published so far is in the reader of a port with a semaphore."""
    attached = []

    def make(source):
        attached.append(source.port)
        semaphore = (ctypes.c_uint8 * 64)()
        libc = ctypes.CDLL(None)
        libc.sem_init(semaphore, 0, 0)
        source.port.attach_semaphore(ctypes.addressof(semaphore))
        value = ctypes.c_int()

        def enough(n):
            libc.sem_getvalue(semaphore, ctypes.byref(value))
            return value.value >= n

        return lambda n: wait(lambda: enough(n))

    yield make
    for port in attached:
        port.detach()


def test_values_arrive_with_stamp_and_time(nodes):
    imu = Numbers(nodes, Imu, "angular_velocity.z", 1)
    assert imu.take(now=7) == 0
    assert imu.slot.header.tolist() == [0, -1, 0, 0, -1, -1, 0, 0]
    assert np.isnan(imu.slot.values[0])
    message = stamped(Imu(), 3_000_000_005)
    message.angular_velocity.z = 2.5
    imu.publisher.publish(message)
    imu.take(now=99, until=1)
    assert imu.slot.values[0] == 2.5
    assert imu.slot.header[[FRESH, STAMP, ARRIVAL]].tolist() == [1, 3_000_000_005, 99]
    assert imu.take(now=100) == 0
    assert imu.slot.header[[FRESH, STAMP, ARRIVAL]].tolist() == [0, 3_000_000_005, 99]
    assert imu.port.counters() == {"taken": 1} | dict.fromkeys(BAD, 0)
    assert imu.port.topic == "/sensor" == imu.port.name


def test_the_newest_wins_and_lockstep_takes_one(nodes, arrived):
    joints = Numbers(nodes, JointState, "position[:]", 2)
    all_here = arrived(joints)
    for k in range(5):
        joints.publisher.publish(stamped(JointState(name=["a", "b"], position=[float(k), -float(k)]), k))
    all_here(5)
    for k in range(2):
        assert joints.take(now=10 + k, mode=LOCKSTEP) == 1
        assert joints.slot.values.tolist() == [k, -k]
        assert joints.slot.header[[FRESH, STAMP, ARRIVAL]].tolist() == [1, k, 10 + k]
    assert joints.take(now=50) == 3
    assert joints.slot.values.tolist() == [4, -4]
    assert joints.slot.header[[FRESH, STAMP, ARRIVAL]].tolist() == [3, 4, 50]


def test_a_flood_is_taken_in_bounded_pieces(nodes, arrived):
    flood = Numbers(nodes, Float64, "data", 1)
    all_here = arrived(flood)
    for k in range(MOST_MESSAGES + 10):
        flood.publisher.publish(Float64(data=float(k)))
    all_here(MOST_MESSAGES + 10)
    assert flood.take() == MOST_MESSAGES
    assert flood.slot.values[0] == MOST_MESSAGES - 1
    assert flood.take() == 10


def test_bad_messages_are_counted_and_change_nothing(nodes):
    joints = Numbers(nodes, JointState, "position[:]", 2, max_bytes=1000)
    good = stamped(JointState(name=["a", "b"], position=[1.0, 2.0]), 77)
    joints.publisher.publish(good)
    joints.take(now=5, until=1)
    before = joints.slot.state()
    from rclpy.serialization import serialize_message

    raw = serialize_message(good)
    assert joints.port.why_malformed() == ""
    bad = [
        (raw[:30], "ends too early"),
        (raw[:5], "ends too early"),
        (b"\0\1\0", "is not a plain CDR message"),
        (b"\0\7" + raw[2:], "is not a plain CDR message"),
        (b"\xff" * 60, "is not a plain CDR message"),
        (serialize_message(stamped(JointState(position=[1.0]), 78)), "has 1 number in position[:], the input takes 2"),
        (serialize_message(stamped(JointState(position=[1.0] * 3), 78)), "has 3 numbers in position[:], the input"),
        (serialize_message(Float64MultiArray(data=[1.0] * 9)), "ends too early"),
    ]
    for k, (data, why) in enumerate(bad):
        joints.publisher.publish(data)
        joints.take(now=6, until=1)
        assert joints.port.counters()["malformed"] == k + 1
        assert joints.port.why_malformed().startswith(why)
        assert joints.slot.state()[1:] == before[1:]
        assert joints.slot.header[FRESH] == 0
    by_reason = {key: n for key, n in joints.port.counters().items() if key.startswith("malformed.")}
    reasons = {"truncated": 3, "encapsulation": 3, "too_few": 1, "too_many": 1}
    assert by_reason == {f"malformed.{reason}": n for reason, n in reasons.items()}
    joints.publisher.publish(stamped(JointState(name=["x" * 2000], position=[8.0, 9.0]), 79))
    joints.take(now=6, until=1)
    assert joints.port.counters()["oversized"] == 1
    assert joints.slot.state()[1:] == before[1:]

    joints.publisher.publish(stamped(JointState(), 80))  # nothing due
    assert joints.take(now=6, until=1) == 1
    assert joints.port.counters()["empty"] == 1
    assert joints.slot.state()[1:] == before[1:]

    joints.publisher.publish(stamped(JointState(position=[3.0, 4.0]), 81))
    joints.take(now=7, until=1)
    assert joints.slot.values.tolist() == [3, 4]
    assert joints.slot.header[[FRESH, STAMP, ARRIVAL]].tolist() == [1, 81, 7]


def test_joints_by_name_among_others_of_the_topic(nodes):
    joints = Numbers(nodes, JointState, "position[name=tilt,pan]", 2)
    for names, position in [(["pan", "gripper", "tilt"], [1.0, 9.0, 2.0]), (["tilt", "pan"], [2.0, 1.0])]:
        joints.publisher.publish(JointState(name=names, position=position))
        joints.take(until=1)
        assert joints.slot.values.tolist() == [2, 1]
    joints.publisher.publish(JointState(name=["gripper"], position=[9.0]))
    joints.take(until=1)
    assert joints.slot.values.tolist() == [2, 1]
    assert joints.port.counters()["malformed.no_name"] == 1
    assert joints.port.why_malformed() == "'tilt' is not in name"


class Camera(Numbers):
    """An events input with its publisher, matched."""

    def __init__(self, nodes, capacity, **options) -> None:
        io, other = nodes
        self.subscription = io.create_subscription(PointCloud2, "events", lambda message: None, QOS)
        self.publisher = other.create_publisher(PointCloud2, "events", QOS)
        self.slot = s = Slot(capacity)
        columns = [column.ctypes.data for column in (s.t, s.x, s.y, s.p)]
        self.port = EventsPort(self.subscription, s.address, columns, capacity, **options)
        wait(lambda: self.port.matched() == 1 and self.publisher.get_subscription_count() == 1)


def test_events_are_appended_and_the_overflow_is_counted(nodes, arrived):
    camera = Camera(nodes, 5)
    all_here = arrived(camera)
    camera.publisher.publish(events_cdr([100, 103], [1, 2], [3, 4], [1, 0], 100))
    camera.publisher.publish(b"\0\1\0\0" + bytes(7))
    camera.publisher.publish(events_cdr([], [], [], [], 150))
    camera.publisher.publish(events_cdr([200, 202, 203], [5, 7, 8], [0, 0, 0], [1, 1, 1], 200))
    camera.publisher.publish(events_cdr([300, 301], [9, 10], [0, 0], [1, 1], 300))
    all_here(5)
    assert camera.take(now=9) == 5
    assert camera.slot.header[[FRESH, COUNT, DROPPED, STAMP, ARRIVAL]].tolist() == [4, 5, 2, 300, 9]
    assert camera.slot.x.tolist() == [1, 2, 5, 7, 8]
    assert camera.slot.y.tolist() == [3, 4, 0, 0, 0]
    assert camera.slot.p.tolist() == [1, 0, 1, 1, 1]
    assert camera.slot.t.tolist() == [100, 103, 200, 202, 203]
    counters = camera.port.counters()
    assert {name: counters[name] for name in ("malformed", "empty", "dropped")} == {
        "malformed": 1,
        "empty": 1,
        "dropped": 2,
    }
    assert camera.take(now=10) == 0
    assert camera.slot.header[[FRESH, COUNT, DROPPED, STAMP, ARRIVAL]].tolist() == [0, 0, 0, 300, 9]


def test_a_message_without_events_is_fresh(nodes):
    camera = Camera(nodes, 4)
    camera.publisher.publish(events_cdr([], [], [], [], 150))
    camera.take(now=9, until=1)
    assert camera.slot.header[[FRESH, STAMP, ARRIVAL]].tolist() == [1, 150, 9]


def test_from_a_thread_and_in_flat_memory(nodes):
    """10,000 round trips through both ports in a thread that holds the handles; then they can be destroyed."""
    io = nodes[0]
    source = Numbers(nodes, JointState, "position[:]", 2)
    reader = Reader(nodes, Float64MultiArray)
    sink = CommandOutput(reader.publisher, Float64MultiArray, [("data[:]", source.slot.values.ctypes.data, 2)])
    semaphore = (ctypes.c_uint8 * 64)()
    libc = ctypes.CDLL(None)
    libc.sem_init(semaphore, 0, 0)
    source.port.attach_semaphore(ctypes.addressof(semaphore))
    stop, peak = threading.Event(), []

    def loop():
        with source.port, sink:
            while not stop.is_set():
                libc.sem_wait(semaphore)
                if call(source.port, 1, FREE) > 0:
                    call(sink, 0, 0)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    message = JointState(name=["a", "b"], position=[1.0, 2.0])
    for k in range(10_000):
        source.publisher.publish(message)
        if k % 100 == 0:
            wait(lambda k=k: source.port.counters()["taken"] > k)
        if k in (3_000, 9_999):
            peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    wait(lambda: source.port.counters()["taken"] == 10_000)
    message.position = [3.0, 4.0]
    source.publisher.publish(message)
    wait(lambda: source.port.counters()["taken"] == 10_001)
    while reader.got == [] or reader.got[-1].data[0] != 3.0:
        reader.next()
    io.destroy_subscription(source.subscription)  # put off: the thread still holds the handles
    io.destroy_publisher(reader.publisher)
    libc.sem_post(semaphore)
    time.sleep(0.05)
    assert thread.is_alive()
    assert sink.counters()["errors"] == source.port.counters()["errors"] == 0
    stop.set()
    libc.sem_post(semaphore)
    thread.join(5)
    source.port.detach()  # only now the subscription goes
    assert not thread.is_alive()
    assert peak[1] - peak[0] < 2_000  # kB


def test_holding_again_keeps_the_wake_up(nodes, arrived):
    source = Numbers(nodes, Float64, "data", 1)
    all_here = arrived(source)
    for k in range(1, 3):
        with source.port, source.port:
            source.publisher.publish(Float64(data=float(k)))
            all_here(k)
    assert source.take() == 2
    source.port.detach()
    source.port.detach()
    nodes[0].destroy_subscription(source.subscription)
    source.port.detach()
    with pytest.raises(RuntimeFault, match="was destroyed"):
        source.port.attach_semaphore(1)


def test_an_error_of_rcl_is_counted(nodes):
    """Publishing after the context was shut down fails, and is counted."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("short_lived", context=context, enable_rosout=False, start_parameter_services=False)
    publisher = node.create_publisher(Float64, "command", QOS)
    value = np.ones(1)
    port = CommandOutput(publisher, Float64, [("data", value.ctypes.data, 1)])
    with port:
        assert call(port, 0, 0) == 0
        context.shutdown()
        code = call(port, 0, 0)
    assert code != 0
    assert port.counters() == {"published": 1, "errors": 1, "last_error": code}
    node.destroy_node()


def test_mismatches_name_both_sides(nodes):
    io, other = nodes
    strict = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
    loose = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    assert "/imu: /controller_io expects sensor_msgs/msg/Imu, nobody publishes" == describe_mismatch(
        io, "imu", "sensor_msgs/msg/Imu", strict
    )
    publisher = other.create_publisher(Imu, "imu", loose)
    wait(lambda: io.count_publishers("imu") == 1)
    assert describe_mismatch(io, "imu", "sensor_msgs/msg/Imu", loose) is None
    text = describe_mismatch(io, "imu", "sensor_msgs/msg/Imu", strict)
    assert "/robot is incompatible" in text
    assert "reliab" in text.lower()
    other.destroy_publisher(publisher)

    other.create_publisher(String, "text", strict)
    other.create_subscription(String, "text", lambda message: None, strict)
    wait(lambda: io.count_publishers("text") == 1 and io.count_subscribers("text") == 1)
    expected = "/text: /controller_io expects sensor_msgs/msg/Imu, but /robot publishes std_msgs/msg/String"
    assert describe_mismatch(io, "text", "sensor_msgs/msg/Imu", strict) == expected
    assert describe_mismatch(io, "text", "std_msgs/msg/String", strict) is None
    text = describe_mismatch(io, "text", "sensor_msgs/msg/Imu", strict, publishing=True)
    assert text == "/text: /controller_io publishes sensor_msgs/msg/Imu, but /robot expects std_msgs/msg/String"
