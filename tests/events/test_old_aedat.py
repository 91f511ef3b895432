"""AEDAT 2 (jAER) and AEDAT 3.1 (cAER)."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.events import Events, open_recording
from snn_control.events.files import aedat2 as module
from tests.events.other_files import aedat2, aedat3
from tests.events.recordings import same, some_events, told

CHIPS = {
    "ch.unizh.ini.jaer.chip.retina.DVS128": (128, 128),
    "eu.seebetter.ini.chips.davis.DAVIS240C": (240, 180),
    "eu.seebetter.ini.chips.davis.Davis346blue": (346, 260),
    "eu.seebetter.ini.chips.davis.Davis640": (640, 480),
}


def events_of(size, n=3000, step=50):
    events = some_events(n, step=step)
    x, y = (column % side for column, side in zip((events.x, events.y), size))
    return replace(events, x=x.astype(np.uint16), y=y.astype(np.uint16), width=size[0], height=size[1])


@pytest.mark.parametrize("chip", CHIPS)
def test_aedat2_of_each_camera(tmp_path, monkeypatch, chip):
    monkeypatch.setattr(module, "BLOCK", 8 * 100)
    size = CHIPS[chip]
    events, path = events_of(size), tmp_path / "a.bin"
    path.write_bytes(aedat2(events, chip))
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert (recording.encoding, recording.unit, recording.width, recording.height) == ("aedat2", "us", *size)
    assert ("DVS128" in recording.layout) == ("DVS128" in chip)
    assert told(recording) == {}


def test_the_origin_of_aedat2_is_at_the_lower_right(tmp_path):
    header, path = b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n", tmp_path / "a.aedat"
    path.write_bytes(header + struct.pack(">4I", 3 << 1 | 5 << 8, 1000, 1, 2000))
    events = open_recording(path).read()
    assert list(zip(events.t, events.x, events.y, events.p)) == [(1000, 124, 122, 1), (2000, 127, 127, 0)]
    path.write_bytes(b"#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n" + struct.pack(">2I", 3 << 12 | 5 << 22 | 1 << 11, 7))
    events = open_recording(path).read()
    assert list(zip(events.t, events.x, events.y, events.p)) == [(7, 236, 174, 1)]


def test_pictures_others_and_wraps_in_aedat2(tmp_path):
    events, path = events_of((240, 180), 5), tmp_path / "a.aedat"
    events = replace(events, t=np.array([1 << 31, (1 << 32) - 5, (1 << 32) + 5, (1 << 32) + 9, (1 << 32) + 99]))
    path.write_bytes(aedat2(events, "DAVIS240C", [(1 << 31 | 7, 1 << 31), (1 << 10, (1 << 31) + 1)]))
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert told(recording) == {"wraps": 1, "triggers": 1}
    assert recording.triggers.tolist() == [[(1 << 31) + 1, 0, 1]]


def test_aedat2_without_a_camera(tmp_path):
    events, path = events_of((128, 128), 50), tmp_path / "a.aedat"
    path.write_bytes(aedat2(events, "DVS128").replace(b"# AEChip: DVS128\r\n", b""))
    assert same(open_recording(path).read(), events)  # its addresses have 16 bits
    events = events_of((200, 150), 50)
    path.write_bytes(aedat2(events, "DAVIS of tomorrow"))
    with pytest.raises(DescriptionError, match=r"does not name a camera whose size is known .*; give --width and"):
        open_recording(path)
    assert same(open_recording(path, width=200, height=150).read(), events)


def test_a_cut_of_aedat2_and_events_outside(tmp_path):
    events, path = events_of((346, 260), 50), tmp_path / "a.aedat"
    path.write_bytes(aedat2(events, "DAVIS346")[:-3])
    recording = open_recording(path)
    assert same(recording.read(), events[:49])
    assert told(recording) == {"truncated": 1, "partial_bytes": 5}
    path.write_bytes(aedat2(events, "DAVIS346").replace(b"DAVIS346", b"DAVIS240"))
    recording = open_recording(path)
    inside = (345 - events.x.astype(int) < 240) & (259 - events.y.astype(int) < 180)
    assert len(recording.read()) == np.count_nonzero(inside)
    assert told(recording) == {"out_of_frame": np.count_nonzero(~inside)}


# --- AEDAT 3.1 ---------------------------------------------------------------------------------------


def special(t, kind, source=1):
    return struct.pack("<hhiiiiiiIi", 0, source, 8, 4, 0, 1, 1, 1, kind << 1 | 1, t)


def test_aedat3_with_overflows_triggers_and_other_packets(tmp_path):
    events, path = events_of((240, 180), step=2_000_000), tmp_path / "a.bin"
    frame = struct.pack("<hhiiiiii", 2, 1, 16, 4, 0, 2, 2, 2) + bytes(32)
    other = struct.pack("<hhiiiiiiIi", 1, 2, 8, 4, 0, 1, 1, 1, 1, 77)  # of another source
    invalid = struct.pack("<hhiiiiiiIi", 1, 1, 8, 4, 0, 1, 1, 0, 0, 77)
    path.write_bytes(aedat3(events, extra=frame + other + special(5, 2) + special(6, 3) + special(7, 0) + invalid))
    recording = open_recording(path)
    assert events.t[-1] > 1 << 31
    assert same(recording.read(), events)
    assert (recording.encoding, recording.unit, recording.width, recording.height) == ("aedat3", "us", 240, 180)
    assert recording.triggers.tolist() == [[5, 0, 1], [6, 0, 0]]
    assert told(recording) == {"triggers": 2}
    assert recording.messages > 30


def test_sources_of_aedat3(tmp_path):
    events, path = events_of((346, 260), 50), tmp_path / "a.aedat"
    path.write_bytes(aedat3(events, source=2, name="DAVIS346").replace(b"#Source 2", b"#Source 1: DVS128\r\n#Source 2"))
    with pytest.raises(DescriptionError, match=r"sources: 1 \(DVS128\), 2 \(DAVIS346\); choose one with --stream"):
        open_recording(path)
    assert same(open_recording(path, topic="2").read(), events)
    with pytest.raises(DescriptionError, match="has no such source; it has 1, 2"):
        open_recording(path, topic="3")


@pytest.mark.parametrize("cut", [3, 8, 100 * 8 - 4, 100 * 8 + 5])
def test_cuts_of_aedat3(tmp_path, cut):
    events, path = events_of((240, 180), 300), tmp_path / "a.aedat"
    whole = aedat3(events)
    path.write_bytes(whole[:-cut])
    recording = open_recording(path)
    read = recording.read()
    assert same(read, events[: 300 - -(-min(cut, 800) // 8)])
    assert recording.counters["truncated"] == 1
    assert not recording.counters["malformed"]


def test_damaged_packets_and_headers_of_aedat3(tmp_path):
    events, path = events_of((240, 180), 300), tmp_path / "a.aedat"
    whole = aedat3(events)
    at = whole.index(b"END-HEADER\r\n") + 12
    for place, value in ((4, -1), (4, 9), (16, -5), (20, 101), (12, -1)):
        data = bytearray(whole)
        data[at + place : at + place + 4] = struct.pack("<i", value)
        path.write_bytes(data)
        recording = open_recording(path)
        assert len(recording.read()) == 0
        assert told(recording) == {"truncated": 1, "malformed": 1}
    for old, new, rule in (
        (b"DAT3.1", b"DAT3.0", "is AEDAT of version '3.0'"),
        (b"RAW", b"Serial-TS", "in the format 'Serial-TS'; RAW is read"),
        (b"#!END-HEADER\r\n", b"", "has an AEDAT 3.1 header without end, up to byte"),
    ):
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(DescriptionError, match=rule):
            open_recording(path)


def test_files_without_events(tmp_path):
    none, path = Events(width=128, height=128), tmp_path / "a.aedat"
    for data in (aedat2(none, "DVS128"), aedat3(none)):
        path.write_bytes(data)
        recording = open_recording(path)
        assert (len(recording.read()), told(recording)) == (0, {})
