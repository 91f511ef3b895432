"""Bags of ROS 1, read without an index and up to a cut; their messages in CDR, as rosbags converts them."""

from __future__ import annotations

import bz2
import struct
from dataclasses import replace

import numpy as np
import pytest

from snn_control.engine.compile import compile_function
from snn_control.errors import DescriptionError
from snn_control.events import open_recording
from snn_control.events.files.bags import is_bag, storages_of
from snn_control.events.files.ros1_messages import DYNAMIC, NUMBERS, TRUNCATED, convert, program_of, to_cdr
from snn_control.events.files.ros1_storage import Ros1Storage
from tests.events.other_files import EVENT_ARRAY, bag1, bag1_of_events, record1, ros1_event_array
from tests.events.recordings import same, some_events, told

EVENTS = some_events(3000, unit="ns", step=900_000)


@pytest.mark.parametrize("index", [True, False], ids=["index", "no index"])
@pytest.mark.parametrize("compression", ["none", "bz2"])
def test_events_of_a_bag(tmp_path, compression, index):
    path = tmp_path / "a"
    path.write_bytes(bag1_of_events(EVENTS, compression=compression, index=index))
    assert is_bag(path)
    recording = open_recording(path)
    assert same(recording.read(), EVENTS)
    assert (recording.encoding, recording.unit, recording.topic) == ("dvs_msgs/msg/EventArray", "ns", "/dvs/events")
    assert (recording.width, recording.height, recording.messages) == (640, 480, 30)
    assert told(recording) == {}
    (storage,), _ = storages_of(path)
    assert storage.counts() == {"/dvs/events": 30}


def test_a_bag_of_lz4(tmp_path):
    pytest.importorskip("lz4.frame")
    path = tmp_path / "a.bag"
    path.write_bytes(bag1_of_events(EVENTS, compression="lz4"))
    recording = open_recording(path)
    assert same(recording.read(), EVENTS)
    assert told(recording) == {}


@pytest.mark.parametrize(("compression", "part"), [("none", 0.37), ("none", 0.8), ("bz2", 0.8)])
def test_a_bag_is_read_up_to_the_cut(tmp_path, compression, part):
    path, raw = tmp_path / "a.bag", bag1_of_events(EVENTS, compression=compression)
    path.write_bytes(raw[: int(part * len(raw))])
    recording = open_recording(path)
    read = recording.read()
    assert (part - 0.2) * len(EVENTS) < len(read) < len(EVENTS)
    assert same(read, EVENTS[: len(read)])
    assert told(recording) == {"truncated": 1}


def test_topics_and_types(tmp_path):
    path, rows = tmp_path / "a.bag", [(5, ros1_event_array(EVENTS[:5]))]
    kind = ("dvs_msgs/EventArray", EVENT_ARRAY, rows)
    path.write_bytes(bag1({"/left": kind, "/right": kind, "/odd": ("a/B", "C c\n", rows)}))
    with pytest.raises(DescriptionError, match=r"several topics of events: /left \(dvs_msgs/msg/EventArray, 1 m"):
        open_recording(path)
    assert len(open_recording(path, topic="right").read()) == 5
    with pytest.raises(DescriptionError, match="no such topic"):
        open_recording(path, topic="odd")  # its type is not defined, so it cannot be converted


def test_malformed_messages_are_counted(tmp_path):
    whole = ros1_event_array(EVENTS[:5])
    rows = [(1, whole), (2, whole[:-1]), (3, whole[:9]), (4, whole)]
    path = tmp_path / "a.bag"
    path.write_bytes(bag1({"/dvs/events": ("dvs_msgs/EventArray", EVENT_ARRAY, rows)}))
    recording = open_recording(path)
    assert len(recording.read()) == 10
    assert told(recording)["malformed"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "uint8 a\nB b\n",
        "A a\n",
        "uint8\n",
        "float99 x\n",
        "A[] a\n",
        "\n".join(f"int8 a{k}" for k in range(2000)),
        "float64[1152921504606846977] a\nuint8[] b\n",
        f"uint8[{'9' * 5000}] a\n",
        "time[4294967296] a\n",
    ],
)
def test_definitions_that_cannot_be_understood(text):
    with pytest.raises(ValueError, match=r"not defined|nested too deep|has a field|too many fields|an array of"):
        program_of("a/A", text)


def test_sizes_that_wrap_around_do_not_pass():
    """The size of this array is 2^64 + 8 bytes. The memory before ``out`` stays as it was."""
    memory, message = np.zeros(1 << 16, np.uint8), np.full(64, 65, np.uint8)
    program = np.array([[NUMBERS, 8, (1 << 61) + 1, 0], [NUMBERS, 1, DYNAMIC, 0]], np.int64)
    run = compile_function(convert, "int64(int64[:,::1],Array(uint8,1,'C',readonly=True),uint8[::1])")
    assert run(program, message, memory[1 << 15 :]) == TRUNCATED
    assert not memory.any()


def test_endless_loops_of_nothing_end():
    rule = "=" * 80
    program = program_of("a/A", f"B[] b\n{rule}\nMSG: a/B\nuint8[0] c\n")
    assert to_cdr(program, struct.pack("<I", 0xFFFFFFFF)) is None
    program = program_of("a/A", "string[1000000000] names\n")
    assert to_cdr(program, bytes(40)) is None


def test_constants_fixed_arrays_and_alignment():
    program = program_of(
        "a/A", "int32 X=1\nstring S=a # b\nuint8 a # c\nfloat64 b\nuint8[3] c\nint16[] d\ntime[] t\nstring e\n"
    )
    message = struct.pack("<BdBBB", 1, 2.5, 3, 4, 5) + struct.pack("<Ihh", 2, 6, 7)
    message += struct.pack("<III", 1, 8, 9) + struct.pack("<I", 2) + b"hi"
    body = struct.pack("<B7xdBBBx", 1, 2.5, 3, 4, 5) + struct.pack("<Ihh", 2, 6, 7)
    body += struct.pack("<III", 1, 8, 9) + struct.pack("<I", 3) + b"hi\0"
    assert to_cdr(program, message) == b"\0\1\0\0" + body


# --- rosbags -----------------------------------------------------------------------------------------


def test_bags_and_messages_of_rosbags(tmp_path):
    """Events, pictures and inertial data, as rosbags writes and converts them."""
    rosbag1 = pytest.importorskip("rosbags.rosbag1", reason="needs rosbags: pip install '.[decoders]'")
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    one, two = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_HUMBLE)
    event = "uint16 x\nuint16 y\ntime ts\nbool polarity\n"
    for store in (one, two):
        store.register(get_types_from_msg(event, "dvs_msgs/msg/Event"))
        array = "std_msgs/Header header\nuint32 height\nuint32 width\ndvs_msgs/Event[] events\n"
        store.register(get_types_from_msg(array, "dvs_msgs/msg/EventArray"))
    kinds = {name: one.types[f"{package}/msg/{name}"] for package, name in (
        ("dvs_msgs", "Event"), ("dvs_msgs", "EventArray"), ("std_msgs", "Header"), ("builtin_interfaces", "Time"),
        ("sensor_msgs", "Image"), ("sensor_msgs", "Imu"), ("geometry_msgs", "Quaternion"), ("geometry_msgs", "Vector3"),
    )}  # fmt: skip
    events = replace(some_events(500), width=640, height=480)
    path = tmp_path / "a.bag"
    nine, vector = np.arange(9.0), kinds["Vector3"](1.0, 2.0, 3.0)
    with rosbag1.Writer(path) as bag:
        topics = {name: bag.add_connection(f"/{name}", f"{package}/msg/{name}", typestore=one) for package, name in (
            ("dvs_msgs", "EventArray"), ("sensor_msgs", "Image"), ("sensor_msgs", "Imu"))}  # fmt: skip
        for k in range(5):
            part = events[100 * k : 100 * k + 100]
            header = kinds["Header"](k, kinds["Time"](k, 5), "camera"[k:])
            rows = [
                kinds["Event"](int(x), int(y), kinds["Time"](int(t) // 10**6, int(t) % 10**6 * 1000), bool(p))
                for t, x, y, p in zip(part.t, part.x, part.y, part.p)
            ]
            messages = {
                "EventArray": kinds["EventArray"](header, 480, 640, rows),
                "Image": kinds["Image"](header, 2, 3 + k, "mono8", 0, 3 + k, np.arange(6 + 2 * k, dtype=np.uint8)),
                "Imu": kinds["Imu"](header, kinds["Quaternion"](0.0, 0.0, 0.0, 1.0), nine, vector, nine, vector, nine),
            }
            for name, message in messages.items():
                bag.write(topics[name], k, one.serialize_ros1(message, topics[name].msgtype))
    recording = open_recording(path)
    assert np.array_equal(recording.read().ns, events.ns)
    assert same(replace(recording.read(), t=events.t), events)
    (storage,), _ = storages_of(path)
    with rosbag1.Reader(path) as bag:
        for connection in bag.connections:
            theirs = [bytes(two.ros1_to_cdr(raw, c.msgtype)) for c, _, raw in bag.messages([connection])]
            assert [data for _, data in storage.messages(connection.topic)] == theirs
            assert len(theirs) == 5


def test_all_chunks_together_unpack_to_a_multiple_of_the_file(tmp_path, monkeypatch):
    """A chunk of 79 bytes may unpack to 64 MB, but not each of 60 of them."""
    sizes, unpack = [], Ros1Storage._unpack

    def spied(self, *chunk):
        data = unpack(self, *chunk)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(Ros1Storage, "_unpack", spied)
    inner = record1(bytes(1 << 25), op=b"\x02", conn=bytes(4), time=bytes(8))
    bomb = record1(bz2.compress(inner), op=b"\x05", compression=b"bz2")
    path = tmp_path / "a.bag"
    path.write_bytes(bag1_of_events(EVENTS, compression="bz2", index=False) + 60 * bomb)
    recording = open_recording(path)
    assert same(recording.read(), EVENTS)
    assert sum(sizes) < 10 * (1 << 25)  # of several passes
