"""EventPackets over DDS: what a driver sends becomes the events of ticks, and whatever is wrong is counted."""

from __future__ import annotations

import importlib
import sqlite3
import time

import numpy as np
import pytest
from rclpy.duration import Duration
from rclpy.qos import QoSProfile

from snn_control.engine.slots import ARRIVAL, COUNT, DROPPED, FRESH, STAMP
from snn_control.errors import DescriptionError
from snn_control.events.packets import PACKET_TYPES, packet_cdr
from snn_control.realtime.port import FREE, LOCKSTEP, REALTIME
from snn_control.realtime.ports.packet_receiver import PACKET_ARRIVAL, Pacing, PacketReceiver
from snn_control.ros.ports.numeric import EventsPort
from snn_control.ros.ports.packets import PacketInput
from snn_control.ros.ports.topics import drain
from tests.events.test_messages import packet_slowly
from tests.fixtures import fixture
from tests.ros.calling import call
from tests.ros.node_processes import wait
from tests.ros.slots import Slot

QOS = QoSProfile(depth=200)


def words(*events, high=0):
    """EVT3 of (t [us], x, y, p), each in full."""
    found = []
    for t, x, y, p in events:
        found += [0x8000 | (t >> 12), 0x6000 | (t & 0xFFF), y, 0x2000 | p << 11 | x]
    return np.array(found, "<u2").tobytes()


def packet(seq, *events, stamp=None, width=64, height=48, encoding="evt3"):
    stamp = time.time_ns() if stamp is None else stamp
    return packet_cdr(words(*events), encoding, width, height, seq, stamp, frame_id="camera")


class Camera:
    """A packet input with its publisher, matched."""

    def __init__(self, nodes, capacity=100, kind=PACKET_TYPES[0], pacing=None, period_ns=0, **options) -> None:
        io, other = nodes
        package, _, name = kind.split("/")
        cls = getattr(importlib.import_module(f"{package}.msg"), name)
        self.subscription = io.create_subscription(cls, "camera/events", lambda message: None, QOS)
        self.publisher = other.create_publisher(cls, "camera/events", QOS)
        self.slot = s = Slot(capacity)
        columns = tuple(column.ctypes.data for column in (s.t, s.x, s.y, s.p))
        self.receiver = PacketReceiver(s.address, columns, capacity, (64, 48), pacing, period_ns)
        self.port = PacketInput(self.subscription, self.receiver, (64, 48), **options)
        wait(lambda: self.port.matched() == 1 and self.publisher.get_subscription_count() == 1)

    def send(self, *messages):
        """Publish, and wait until all messages are in the reader."""
        for message in messages:
            self.publisher.publish(message)
        assert self.publisher.wait_for_all_acked(Duration(seconds=30))

    def take(self, now=1, mode=REALTIME):
        return call(self.port, now, mode)

    @property
    def events(self):
        n, s = self.slot.header[COUNT], self.slot
        return list(zip(*(column[:n].tolist() for column in (s.t, s.x, s.y, s.p))))


@pytest.mark.parametrize("kind", PACKET_TYPES)
def test_packets_of_both_names_become_events(interfaces, nodes, kind):
    camera = Camera(nodes, kind=kind)
    camera.send(packet(1, (5, 1, 2, 1), stamp=70), packet(2, (5000, 63, 47, 0), (5001, 3, 4, 1), stamp=80))
    assert camera.take(now=time.monotonic_ns()) == 2
    assert camera.events == [(5000, 1, 2, 1), (5_000_000, 63, 47, 0), (5_001_000, 3, 4, 1)]
    assert camera.slot.header[[FRESH, DROPPED, STAMP]].tolist() == [2, 0, 80]
    arrival = int(camera.slot.header[ARRIVAL])
    assert 0 < time.monotonic_ns() - arrival < 5 * 10**9
    assert camera.take(now=10) == 0
    assert camera.slot.header[[FRESH, COUNT, STAMP, ARRIVAL]].tolist() == [0, 0, 80, arrival]
    assert camera.port.topic == "/camera/events"


def test_what_is_wrong_is_counted_and_the_good_goes_on(interfaces, nodes):
    camera = Camera(nodes, max_bytes=2000)
    good = packet(1, (10, 1, 1, 1))
    camera.send(
        good,
        good[:30],  # cut
        b"\0\7" + good[2:],  # no CDR
        good[:-1],
        packet_cdr(bytes(3000), "evt3", 64, 48, 2, 5),
        packet(3, (20, 2, 2, 0)),  # 2 was longer than allowed: a gap
        packet(7, (30, 3, 3, 1)),  # 4 to 6 never came
        packet(8, (40, 4, 4, 1), encoding="evt9"),
        packet(9, (50, 64, 4, 1), (51, 5, 48, 1), (52, 5, 5, 1)),
        packet_cdr(words((60, 6, 6, 1)) + b"\1\xb0\2", "evt3", 64, 48, 10, 5),  # a word of no type, half a word
        packet(11),
        packet(12, (10_000_000, 7, 7, 1)),  # ten seconds ahead
        packet(13, (10_000_010, 8, 8, 1), width=128),
        packet(13, (10_000_020, 9, 9, 1)),  # again
    )
    assert camera.take(now=1) == 14
    at = [1, 2, 3, 5, 6, 7, 8, 9]
    assert [x for _, x, _, _ in camera.events] == at
    counters = camera.port.counters()
    expected = {
        "taken": 14, "malformed": 3, "oversized": 1, "gaps": 4, "unknown_encoding": 1, "out_of_frame": 2,
        "unknown_words": 1, "partial_bytes": 1, "jumps": 1, "geometry": 1, "reordered": 1, "events": len(at),
        "dropped": 0, "errors": 0, "packets": 10,
    }  # fmt: skip
    assert {key: counters[key] for key in expected} == expected
    assert counters["newest_t"] == 10_000_020_000
    assert set(camera.port.problems) <= set(counters)


def test_messages_and_events_in_big_endian_order_and_a_size_that_is_not_said(interfaces, nodes):
    camera = Camera(nodes)
    events = words((10, 1, 1, 1))
    refused = bytearray(packet(2, (20, 2, 2, 1)))
    refused[refused.index(b"evt3\0") + 5] = 1  # is_bigendian
    swapped = packet_slowly(True, "camera", 1, 0, events=events)  # the message is; its events are not
    camera.send(swapped, bytes(refused), packet(3, (30, 3, 3, 1), width=0, height=0))
    assert camera.take() == 3
    assert [x for _, x, _, _ in camera.events] == [1, 3]
    counters = camera.port.counters()
    assert (counters["big_endian"], counters["malformed"], counters["gaps"]) == (1, 0, 0)
    assert counters["geometry"] == 1  # the first said 640x480
    assert camera.port.fault() == ""  # the newest says nothing


def test_a_sensor_of_another_size_is_named_with_the_fix(interfaces, nodes):
    camera = Camera(nodes)
    assert camera.port.fault() == ""
    camera.send(packet(1, (5, 1, 2, 1), width=640, height=480))
    camera.take()
    says = "events come from a sensor of 640x480, the input's size is 64x48: set size: [640, 480]"
    assert camera.port.fault() == says
    camera.send(packet(2, (5, 1, 2, 1)))
    camera.take()
    assert camera.port.fault() == ""


def test_events_beyond_the_capacity_are_counted_to_the_event(interfaces, nodes):
    camera = Camera(nodes, capacity=10)
    camera.send(*(packet(k + 1, *((100 * k + j, j, k, 1) for j in range(7))) for k in range(3)))
    assert camera.take() == 3
    assert camera.slot.header[[FRESH, COUNT, DROPPED]].tolist() == [3, 10, 11]
    assert [event[1] for event in camera.events] == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
    counters = camera.port.counters()
    assert (counters["events"], counters["dropped"]) == (10, 11)
    assert camera.take() == 0
    assert camera.slot.header[[COUNT, DROPPED]].tolist() == [0, 0]


def test_lockstep_takes_one_message_a_tick_and_all_of_its_events(interfaces, nodes):
    camera = Camera(nodes, capacity=30_000, pacing=Pacing("sensor", budget=0.001), period_ns=1000)
    many = [(k, k % 64, k % 48, 1) for k in range(20_000)]  # 20 ms
    camera.send(packet(1, *many, stamp=70), packet(2, stamp=80), packet(3, (30_000, 1, 1, 1), stamp=90))
    for fresh, count, stamp in ((1, 20_000, 70), (1, 0, 80), (1, 1, 90)):
        assert camera.take(now=5, mode=LOCKSTEP) == 1
        assert camera.slot.header[[FRESH, COUNT, STAMP]].tolist() == [fresh, count, stamp]
    assert camera.take(now=6, mode=LOCKSTEP) == 0
    assert camera.port.counters()["budget_exhausted"] == 0


def test_a_packet_is_spread_over_the_ticks_that_it_lasts(interfaces, nodes):
    """Pace ``sensor``: events that are not due stay in the buffer, and the next packet waits in the subscription."""
    camera, before = Camera(nodes, pacing=Pacing("sensor")), time.monotonic_ns()
    camera.send(packet(1, *((10_000 * k, k, 0, 1) for k in range(6))), packet(2, (60_000, 6, 0, 1), (70_000, 7, 0, 1)))
    time.sleep(0.05)
    assert camera.take(now=before) == 1
    assert camera.events == []  # it had not come by then
    arrival, found, taken = int(camera.receiver._block[PACKET_ARRIVAL]), [], []
    assert before < arrival < time.monotonic_ns() - 40_000_000  # not when it was taken
    for k in range(8):
        taken.append(camera.take(now=arrival + 10_000_000 * k))
        found.append([event[1] for event in camera.events])
        assert camera.port.counters()["packets"] == (1 if k < 5 else 2)
    # the second packet is taken when the first is used up; it came with it, so its events are due since then
    assert found == [[0], [1], [2], [3], [4], [5, 6, 7], [], []]
    assert taken == [1, 1, 1, 1, 1, 2, 0, 0]


def test_packets_that_were_held_up_catch_up(interfaces, nodes):
    """The arrival of a packet that waited in the queue is the time of its reception, not when it was taken."""
    camera = Camera(nodes, pacing=Pacing("sensor"))
    camera.send(*(packet(j, *((50_000 * j + 10_000 * k, j, k, 1) for k in range(5))) for j in range(8)))  # 0.4 s
    assert camera.take(now=time.monotonic_ns() + 200_000_000) == 8
    assert [x for _, x, _, _ in camera.events] == [j for j in range(8) for _ in range(5)]
    assert camera.port.counters()["jumps"] == 0


def test_what_is_in_hand_is_forgotten_between_activations(interfaces, nodes):
    camera, before = Camera(nodes, pacing=Pacing("sensor")), time.monotonic_ns()
    unused = camera.receiver.counters()
    for end in ("drained", "not drained"):
        camera.send(packet(7, (0, 1, 1, 1), (90_000, 2, 1, 1), width=128), packet(8, (95_000, 3, 1, 1)))
        camera.take(now=before)
        assert (camera.events, camera.port.counters()["packets"]) == ([], 1)
        assert camera.port.fault() != ""
        if end == "drained":
            drain([camera.port])
            assert camera.port.counters()["packets"] == 2
        camera.port.clear()
        assert camera.port.fault() == ""
        assert camera.receiver.counters() == unused
    assert camera.take(now=time.monotonic_ns()) == 1  # the second was not drained
    assert [x for _, x, _, _ in camera.events] == [3]
    assert camera.port.counters()["gaps"] == 0


def test_a_budget_leaves_whole_what_it_leaves(interfaces, nodes):
    """With very little time per tick, the events are spread over many ticks; none is lost or given twice."""
    camera = Camera(nodes, capacity=60_000, pacing=Pacing(budget=0.01), period_ns=100_000)  # 1 us per tick
    n = 15_000
    t = np.arange(3 * n)
    packets = [packet(j + 1, *((int(k), int(k) % 64, j, 1) for k in t[j * n : (j + 1) * n])) for j in range(3)]
    camera.send(*packets)
    found, ticks = [], 0
    while len(found) < 3 * n:
        assert camera.take(now=ticks) > 0
        found += [event[0] for event in camera.events]
        ticks += 1
    assert found == (1000 * t).tolist()
    assert ticks > 6
    counters = camera.port.counters()
    assert counters["budget_exhausted"] >= ticks - 1
    assert (counters["dropped"], counters["late"], counters["gaps"]) == (0, 0, 0)


def test_latency_is_from_the_stamp_to_the_end_of_decoding(interfaces, nodes):
    camera = Camera(nodes)
    assert "latency_p50_us" not in camera.port.counters()
    camera.send(*(packet(k, (k, 1, 1, 1), stamp=time.time_ns() - 7_000_000) for k in range(5)))
    camera.take()
    counters = camera.port.counters()
    assert 7_000 <= counters["latency_p50_us"] <= counters["latency_p99_us"] < 1_000_000
    camera.port.clear()
    counters = camera.port.counters()
    assert (counters["events"], "latency_p50_us" in counters) == (0, False)
    camera.send(packet(1, (5, 1, 2, 1)))
    camera.take()
    assert camera.port.counters()["gaps"] == 0


def test_other_types_are_refused(interfaces, nodes):
    from sensor_msgs.msg import PointCloud2

    io, _ = nodes
    camera = Camera(nodes)
    clouds = io.create_subscription(PointCloud2, "clouds", lambda message: None, QOS)
    with pytest.raises(DescriptionError, match="needs event_camera_msgs/msg/EventPacket or event_array_msgs"):
        PacketInput(clouds, camera.receiver)


def test_a_real_recording_over_dds_gives_its_events(interfaces, nodes):
    """The messages of a 640x480 sensor as they were recorded, one per tick; digest of an independent decoder."""
    from event_camera_msgs.msg import EventPacket

    from snn_control.events import Events

    database = sqlite3.connect(fixture("recordings/ecpy_test_events_1.db3"))
    messages = [bytes(row[0]) for row in database.execute("select data from messages order by timestamp, id")]
    database.close()
    io, other = nodes
    subscription = io.create_subscription(EventPacket, "camera/events", lambda message: None, QOS)
    publisher = other.create_publisher(EventPacket, "camera/events", QOS)
    slot = Slot(100_000)
    columns = tuple(c.ctypes.data for c in (slot.t, slot.x, slot.y, slot.p))
    receiver = PacketReceiver(slot.address, columns, 100_000, (640, 480))
    port = PacketInput(subscription, receiver, (640, 480))
    wait(lambda: port.matched() == 1 and publisher.get_subscription_count() == 1)
    parts = []
    for k, message in enumerate(messages):
        publisher.publish(message)
        wait(lambda k=k: call(port, k, LOCKSTEP) == 1)
        n = slot.header[COUNT]
        parts.append(Events(*(column[:n].copy() for column in (slot.t, slot.x, slot.y, slot.p)), unit="ns"))
    found = Events.concatenate(parts)
    in_us = Events(found.t // 1000, found.x, found.y, found.p)
    assert (len(found), in_us.t[0], in_us.t[-1]) == (343474, 7139845, 9218023)
    assert in_us.digest() == "ed39d7471dfc8ed2"
    counters = port.counters()
    assert counters["packets"] == len(messages) == 517
    assert (counters["gaps"], counters["triggers"], counters["malformed"], port.fault()) == (0, 4157, 0, "")


@pytest.mark.parametrize("package", ["dvs_msgs", "prophesee_event_msgs"])
def test_event_arrays_become_events(interfaces, nodes, package):
    messages = importlib.import_module(f"{package}.msg")
    io, other = nodes
    subscription = io.create_subscription(messages.EventArray, "events", lambda message: None, QOS)
    publisher = other.create_publisher(messages.EventArray, "events", QOS)
    slot = Slot(5)
    columns = [getattr(slot, key).ctypes.data for key in "txyp"]
    port = EventsPort(subscription, slot.address, columns, capacity=5, size=(64, 48))
    wait(lambda: port.matched() == 1 and publisher.get_subscription_count() == 1)

    def array(stamp, *events, width=64):
        message = messages.EventArray(height=48, width=width)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        for t, x, y, p in events:
            one = messages.Event(x=x, y=y, polarity=bool(p))
            one.ts.sec, one.ts.nanosec = divmod(t, 10**9)
            message.events.append(one)
        return message

    first = [(3_000_000_001, 1, 2, 1), (3_000_000_005, 63, 47, 0), (3_000_000_007, 5, 6, 1)]
    second = [(4_000_000_000 + k, k, 0, 1) for k in range(4)]
    for message in (array(77, *first), array(78), b"\0\1\0\0" + bytes(10), array(79, *second)):
        publisher.publish(message)
    assert publisher.wait_for_all_acked(Duration(seconds=30))
    assert call(port, 9, FREE) == 4
    found = list(zip(*(column.tolist() for column in (slot.t, slot.x, slot.y, slot.p))))
    assert found == first + second[:2]
    assert slot.header[[FRESH, COUNT, DROPPED, STAMP, ARRIVAL]].tolist() == [3, 5, 2, 79, 9]
    counters = port.counters()
    assert (counters["malformed"], counters["empty"], counters["dropped"]) == (1, 1, 2)
    assert port.fault() == ""
    publisher.publish(array(80, width=128))
    wait(lambda: call(port, 10, FREE) == 1)
    assert "sensor of 128x48, the input's size is 64x48: set size: [128, 48]" in port.fault()
