"""Bags: files and folders, lost packets, topics, encodings, what was cut."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.events import Events, open_recording
from snn_control.events.codecs import codec
from snn_control.events.packets import PACKET_TYPES, packet_cdr
from snn_control.ros.messages.clouds import events_cdr
from tests.events.recordings import (
    PACKET,
    WRITERS,
    packets,
    same,
    some_events,
    told,
    write_bag,
    write_db3,
)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_and_its_folder_without_metadata(tmp_path, suffix):
    events = some_events(2000)
    folder = tmp_path / "bag"
    folder.mkdir()
    rows = packets(events)
    for k in range(11):  # bag_10 comes behind bag_9
        WRITERS[suffix](folder / f"bag_{k}{suffix}", {"/events": (PACKET, rows[2 * k : 2 * k + 2])})
    before = sorted(folder.iterdir())
    recording = open_recording(folder)
    assert same(recording.read(), events)
    assert (recording.messages, recording.topic, told(recording)) == (20, "/events", {})
    assert len(open_recording(folder / f"bag_0{suffix}").read()) == 200
    assert sorted(folder.iterdir()) == before  # no journal beside it


@pytest.mark.parametrize("suffix", WRITERS)
def test_lost_packets_and_those_out_of_order_are_counted(tmp_path, suffix):
    rows = packets(some_events(1000))
    order = [0, 1, 4, 4, 2, 9]  # 2 missing, a repeat, a step back, 6 missing
    path = tmp_path / f"a{suffix}"
    WRITERS[suffix](path, {"/events": (PACKET, [(10**9 * 7 + k, rows[i][1]) for k, i in enumerate(order)])})
    recording = open_recording(path)
    assert len(recording.read()) == 600
    counters = recording.counters
    assert (counters["gaps"], counters["reordered"], counters["jumps"]) == (2 + 6, 2, 2)


def test_packets_that_are_never_numbered_are_none_out_of_order(tmp_path):
    events = some_events(300)
    rows = [(k, packet_cdr(codec("evt3").encode(events[k : k + 1]), "evt3", 640, 480, 0, k)) for k in range(300)]
    write_db3(tmp_path / "a.db3", {"/events": (PACKET, rows)})
    recording = open_recording(tmp_path / "a.db3")
    assert same(recording.read(), events)
    assert told(recording) == {}


def test_jumps_of_the_clock_are_counted_against_the_bag(tmp_path):
    """A camera that sees nothing for ten seconds has not jumped; one whose clock advances by ten seconds has."""
    events = some_events(300)
    for pause, jumps in ((10_000_000, 0), (0, 1)):
        shifted = Events(events.t + 10_000_000, events.x, events.y, events.p, "us")
        rows = packets(events, "evt3") + [
            (log - (10_000_000 - pause) * 1000, data) for log, data in packets(shifted, "evt3", first=3)
        ]
        path = tmp_path / f"{pause}.db3"
        write_db3(path, {"/events": (PACKET, rows)})
        recording = open_recording(path)
        recording.read()
        assert told(recording) == ({"jumps": jumps} if jumps else {})


def test_topics_are_listed_where_one_must_be_chosen(tmp_path):
    events = some_events(200)
    cloud = [(1, events_cdr(events.ns, events.x, events.y, events.p, 0))]
    topics = {
        "/left": (PACKET, packets(events)),
        "/right": (PACKET, packets(events)[:1]),
        "/imu": ("sensor_msgs/msg/Imu", [(1, b"\0\1\0\0")]),
        "/cloud": ("sensor_msgs/msg/PointCloud2", cloud),
    }
    for suffix, write in WRITERS.items():
        path = tmp_path / f"a{suffix}"
        write(path, topics)
        with pytest.raises(DescriptionError, match="several topics of events") as error:
            open_recording(path)
        assert f"/left ({PACKET}, 2 messages), /right ({PACKET}, 1 message)" in str(error.value)
        assert "--topic" in str(error.value)
        assert len(open_recording(path, topic="/right").read()) == 100
        with pytest.raises(DescriptionError, match=r"no such topic; it has .*/imu \(sensor_msgs/msg/Imu, 1 message\)"):
            open_recording(path, topic="/middle")
        with pytest.raises(DescriptionError, match="which holds no events"):
            open_recording(path, topic="/imu")
        write(tmp_path / f"b{suffix}", {"/imu": topics["/imu"]})
        with pytest.raises(DescriptionError, match="is a bag without events; it has /imu"):
            open_recording(tmp_path / f"b{suffix}")
        write(tmp_path / f"c{suffix}", {"/cloud": topics["/cloud"], "/left": topics["/left"]})
        assert open_recording(tmp_path / f"c{suffix}").topic == "/left"
        assert open_recording(tmp_path / f"c{suffix}", topic="/cloud").unit == "ns"


def test_an_encoding_that_changes_within_a_topic(tmp_path):
    events = some_events(300)
    rows = packets(events[:100]) + packets(events[100:200], "mono", first=1) + packets(events[200:], first=2)
    write_db3(tmp_path / "a.db3", {"/events": (PACKET, rows)})
    recording = open_recording(tmp_path / "a.db3")
    assert same(recording.read(), events)
    assert (recording.encoding, recording.unit, told(recording)) == ("evt3+mono", "us", {"encoding_changes": 2})


def test_an_unknown_encoding_and_messages_that_are_none(tmp_path):
    events = some_events(300)
    strange = packet_cdr(b"abcd", "zip9", 640, 480, 0, 0)
    write_db3(tmp_path / "a.db3", {"/events": (PACKET, [(0, strange)])})
    with pytest.raises(DescriptionError, match="packets of the encoding 'zip9'"):
        open_recording(tmp_path / "a.db3")
    rows = packets(events)
    rows[1:1] = [(5, strange), (6, b""), (7, b"\0\1\0\0abc"), (8, rows[0][1][:60])]
    write_db3(tmp_path / "b.db3", {"/events": (PACKET, rows)})
    recording = open_recording(tmp_path / "b.db3")
    assert same(recording.read(), events)
    assert told(recording) == {"malformed": 4}


def test_a_bag_without_messages_is_an_empty_recording(tmp_path):
    for suffix, write in WRITERS.items():
        write(tmp_path / f"a{suffix}", {"/events": (PACKET, [])})
        recording = open_recording(tmp_path / f"a{suffix}")
        assert (len(recording.read()), recording.encoding, recording.messages, told(recording)) == (0, "", 0, {})


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.99])
def test_a_db3_is_read_up_to_the_cut(tmp_path, part):
    events = some_events(100_000)
    path = tmp_path / "a.db3"
    write_db3(path, {"/events": (PACKET, packets(events))})
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    recording = open_recording(path)
    read = recording.read()
    assert same(read, events[: len(read)])
    assert len(read) > (part - 0.1) * len(events)
    assert told(recording) == ({"truncated": 1} if len(read) < len(events) else {})


@pytest.mark.parametrize("compression", ["zstd", "lz4", ""])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_an_mcap_is_read_up_to_the_cut_within_its_last_chunk(tmp_path, compression, part):
    events = some_events(100_000)
    path = tmp_path / "a.mcap"
    write_bag(path, {"/events": (PACKET, packets(events))}, compression)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    recording = open_recording(path)
    read = recording.read()
    assert same(read, events[: len(read)])
    assert (part - 0.25) * len(events) < len(read) < len(events)
    assert told(recording) == {"truncated": 1}


@pytest.mark.parametrize("more", [{}, {"use_chunking": False}, {"use_statistics": False}, {"repeat_channels": False}])
def test_mcap_files_of_all_kinds(tmp_path, more):
    events = some_events(20_000)
    path = tmp_path / "a.mcap"
    write_bag(path, {"/events": (PACKET, packets(events))}, chunk=4096, **more)
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert told(recording) == {}


def test_a_damaged_chunk_is_passed_over(tmp_path):
    path = tmp_path / "a.mcap"
    write_bag(path, {"/events": (PACKET, packets(some_events(20_000)))}, chunk=8192)
    data = bytearray(path.read_bytes())
    at = data.find(b"\x28\xb5\x2f\xfd", len(data) // 2)
    data[at + 2 : at + 40] = bytes(38)
    path.write_bytes(data)
    recording = open_recording(path)
    assert 10_000 < len(recording.read()) < 20_000
    assert recording.counters["malformed"] == 1
    assert recording.counters["gaps"] > 0


def test_big_endian_messages_and_packed_ones(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    events = some_events(300)
    rows = [(log, zstandard.ZstdCompressor().compress(data)) for log, data in packets(events)]
    write_db3(tmp_path / "a.db3", {"/events": (PACKET, [*rows, (9, b"\x28\xb5\x2f\xfdrest")])})
    recording = open_recording(tmp_path / "a.db3")
    assert same(recording.read(), events)
    assert told(recording) == {"malformed": 1}
    words = np.frombuffer(codec("evt3").encode(events), "<u2").byteswap().tobytes()
    message = bytearray(packet_cdr(words, "evt3", 640, 480, 0, 0))
    message[message.index(b"evt3\0") + 5] = 1  # is_bigendian
    write_db3(tmp_path / "b.db3", {"/events": (PACKET, [(0, bytes(message))])})
    assert same(open_recording(tmp_path / "b.db3").read(), events)


@pytest.mark.parametrize("encoding", ["evt2", "evt3", "mono"])
def test_packets_of_every_encoding_that_is_written(tmp_path, encoding):
    events = some_events(1000)
    write_db3(tmp_path / "a.db3", {"/events": (PACKET_TYPES[1], packets(events, encoding))})
    recording = open_recording(tmp_path / "a.db3")
    assert np.array_equal(recording.read().ns, events.ns)
    assert (recording.encoding, told(recording)) == (encoding, {})


def test_a_bag_of_triggers(tmp_path):
    words = [(k * 1000) | (k % 2) << 63 | (3 << 48) for k in range(50)]
    rows = [(b, packet_cdr(struct.pack("<50Q", *words), "trigger", 0, 0, b, b, b * 1_000_000)) for b in range(2)]
    write_db3(tmp_path / "a.db3", {"/events": (PACKET, rows)})
    recording = open_recording(tmp_path / "a.db3")
    assert (len(recording.read()), recording.unit) == (0, "ns")
    assert (recording.width, recording.height) == (None, None)
    assert recording.triggers.tolist() == [[b * 1_000_000 + k * 1000, 3, k % 2] for b in range(2) for k in range(50)]
    assert told(recording) == {"triggers": 100}


def test_clouds_of_events(tmp_path):
    events = some_events(300, unit="ns")
    rows = [
        (k, events_cdr(e.t, e.x, e.y, e.p, int(e.t[0]))) for k in range(3) for e in [events[100 * k : 100 * k + 100]]
    ]
    write_db3(tmp_path / "a.db3", {"/cloud": ("sensor_msgs/msg/PointCloud2", [*rows, (3, b"\0\1\0\0")])})
    recording = open_recording(tmp_path / "a.db3")
    assert same(recording.read(), events)
    assert (recording.unit, recording.width, told(recording)) == ("ns", None, {"malformed": 1})


def test_folders_that_are_no_bags(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    with pytest.raises(DescriptionError, match=r"f: is a folder without \.db3 or \.mcap files"):
        open_recording(folder)
    (folder / "f_0.db3").touch()
    with pytest.raises(DescriptionError, match="has only empty bag files"):
        open_recording(folder)
    events = some_events(100)
    write_db3(folder / "f_1.db3", {"/events": (PACKET, packets(events))})
    recording = open_recording(folder)
    assert same(recording.read(), events)
    assert told(recording) == {"truncated": 1}
    (folder / "f_0.mcap").touch()
    with pytest.raises(DescriptionError, match=r"has \.db3 and \.mcap files; name one of the files"):
        open_recording(folder)
