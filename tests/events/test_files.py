"""Recordings in every format: real ones against their table, and odd ones that are made here."""

from __future__ import annotations

import hashlib
import io
import os
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from snn_control.errors import DescriptionError, SnnControlError
from snn_control.events import Events, open_recording
from snn_control.events.codecs import codec
from snn_control.events.files.prophesee import geometry, read_header
from snn_control.events.recording import PIECE, Recording
from tests.events.recordings import MESSAGES, TABLE, same, some_events, told
from tests.fixtures import fixture

# --- recorded files: counts, times and digests of independent decoders -------------------------------


@pytest.mark.parametrize("name", TABLE)
def test_a_recorded_file_gives_what_its_table_says(name):
    pytest.importorskip("mcap")
    pytest.importorskip("aedat")
    recording = open_recording(fixture(f"recordings/{name}"))
    events = recording.read()
    found = (recording.encoding, events.unit, len(events), int(events.t[0]), int(events.t[-1]), events.digest())
    assert (*found, recording.width, recording.height) == TABLE[name]
    assert recording.messages == MESSAGES.get(name)
    assert recording.counters["triggers"] == (4157 if name == "ecpy_test_events_1.db3" else 0)
    assert set(told(recording)) <= {"triggers", "wraps", "unknown_words"}


# --- RAW ---------------------------------------------------------------------------------------------

EVT2 = b"% evt 2.0\n"
SIZE = [(b"% format EVT3;height=480;width=640\n% end\n"), (b"% evt 3.0\n% geometry 640x480\n% end\n")]


def evt2_words(events):
    """A slow encoder of EVT2."""
    words, high = [], None
    for t, x, y, p in zip(*(getattr(events, c).tolist() for c in "txyp")):
        if t >> 6 != high:
            high = t >> 6
            words.append(8 << 28 | high)
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    return struct.pack(f"<{len(words)}I", *words)


HEADERS = {
    "evk4": (
        b"% camera_integrator_name Prophesee\n% date 2023-03-29 16:37:46\n% evt 3.0\n"
        b"% format EVT3;height=720;width=1280\n% generation 4.2\n% geometry 1280x720\n% system_ID 49\n% end\n",
        "EVT3", (1280, 720),
    ),
    "no end marker": (b"% evt 3.0\n% geometry 640x480\n", None, (640, 480)),
    "no geometry": (b"% Date 2020-09-14 09:03:25\n% system_ID 21\n% evt 3.0\n", None, (None, None)),
    "geometry in the format alone": (b"% format EVT3;height=480;width=640\n% end\n", "EVT3", (640, 480)),
    "options in another order": (b"% format EVT3;width=640;height=480\n", "EVT3", (640, 480)),
    "one side alone": (b"% evt 3.0\n% width 640\n", None, (640, None)),
    "line ends of another system": (b"% evt 3.0\r\n% geometry 640x480\r\n% end\r\n", None, (640, 480)),
    "an empty comment": (b"%\n% \n% evt 3.0\n% end\n", None, (None, None)),
    "a size that is none": (b"% evt 3.0\n% geometry axb\n% end\n", None, (None, None)),
    "a size of 0": (b"% evt 3.0\n% geometry 0x0\n% end\n", None, (None, None)),
    "names of people": ("% operator J\u00d6rg \u4f60\n% evt 3.0\n% end\n".encode(), None, (None, None)),
    "an older alphabet": (b"% operator J\xf6rg\n% evt 3.0\n% end\n", None, (None, None)),
    "tight end": (b"% evt 3.0\n%end\n", None, (None, None)),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_headers_in_all_their_forms(tmp_path, name):
    header, form, size = HEADERS[name]
    fields, at = read_header(io.BytesIO(header + b"\x00\x80rest"))
    assert at == len(header)
    assert fields.get("format") == form
    assert geometry(fields) == size
    path = tmp_path / "a.raw"
    events = some_events()
    path.write_bytes(header + codec("evt3").encode(events))
    recording = open_recording(path)
    assert (recording.width, recording.height) == size
    assert same(recording.read(), events)


def test_data_that_begins_like_a_header_is_data():
    """Words can begin with the byte of '%'; the control characters behind it tell."""
    header = b"% evt 3.0\n"
    for data in (b"%\x80\x00\x60\n", b"% \x80\x00\x01\n", b"%\x20\x00\n"):
        assert read_header(io.BytesIO(header + data))[1] == len(header)
    assert read_header(io.BytesIO(header + b"% end\n% evt 2.0\n"))[0]["evt"] == "3.0"


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (b"% evt 2.0\n", "evt2"),
        (b"% evt 2.1\n", "evt21"),
        (b"% evt 3.0\n", "evt3"),
        (b"% format EVT4;height=1;width=1\n", "evt4"),
        (b"% format EVT2;height=1;width=1\n", "evt2"),
        (b"% format EVT21\n", "evt21"),
        (b"% format EVT21;endianness=legacy;height=720;width=1280\n", "evt21_legacy"),
        (b"% endianness legacy\n% evt 2.1\n", "evt21_legacy"),
        (b"% endianness little\n% evt 2.1\n", "evt21"),
        (b"% evt 2.1\n% system_ID 49\n", "evt21_legacy"),
        (b"% evt 2.1\n% system_ID 49\n% integrator_name Somebody\n", "evt21"),
        (b"% evt 2.1\n% system_ID 64\n", "evt21"),
        (b"% plugin_name hal_plugin_gen3_fx3\n% system_ID 21\n", "evt2"),
        (b"% plugin_name hal_plugin_gen41_evk3\n% system_ID 48\n", "evt3"),
    ],
)
def test_the_encoding_of_a_header(tmp_path, header, encoding):
    path = tmp_path / "a.raw"
    path.write_bytes(header + b"% end\n")
    recording = open_recording(path)
    assert (recording.encoding, recording.unit, len(recording.read()), told(recording)) == (encoding, "us", 0, {})


@pytest.mark.parametrize("header", [b"% format HISTO3D;height=1\n", b"% evt 5.0\n", b"% hello\n", b"%"])
def test_headers_of_nothing_known_are_refused_in_one_line(tmp_path, header):
    path = tmp_path / "a.raw"
    path.write_bytes(header)
    with pytest.raises(DescriptionError, match=r"a\.raw: has .*; known are EVT2, EVT2.1, EVT3 and EVT4") as error:
        open_recording(path)
    assert "\n" not in str(error.value)


def test_evt2_and_big_endian_words(tmp_path):
    events = some_events()
    words = evt2_words(events)
    (tmp_path / "a.raw").write_bytes(EVT2 + b"% end\n" + words)
    (tmp_path / "b.raw").write_bytes(
        EVT2 + b"% endianness big\n% end\n" + np.frombuffer(words, "<u4").byteswap().tobytes()
    )
    for name in ("a.raw", "b.raw"):
        assert same(open_recording(tmp_path / name).read(), events)


def test_nothing_is_dropped_when_the_size_is_not_known_and_what_is_outside_is_counted_when_it_is(tmp_path):
    events = some_events()
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 3.0\n% end\n" + codec("evt3").encode(events))
    assert len(open_recording(path).read()) == len(events)
    recording = open_recording(path, width=320, height=480)
    inside = events[events.x < 320]
    assert same(recording.read(), inside)
    assert told(recording) == {"out_of_frame": len(events) - len(inside)}
    assert (recording.width, recording.height) == (320, 480)


@pytest.mark.parametrize("cut", [1, 2, 3, 1001])
def test_a_raw_file_is_read_up_to_the_cut(tmp_path, cut):
    header, words = b"% evt 2.0\n% end\n", evt2_words(some_events())
    path = tmp_path / "a.raw"
    path.write_bytes(header + words[:-cut])
    recording = open_recording(path)
    assert len(recording.read()) >= 1000 - (cut + 3) // 4
    rest = (len(words) - cut) % 4
    assert told(recording) == ({"truncated": 1, "partial_bytes": rest} if rest else {})


def test_reading_goes_on_over_blocks_in_pieces_of_bounded_size(tmp_path):
    n = 2_500_000
    t = np.arange(n) // 20
    events = Events(t, np.arange(n, dtype=np.uint16) % 640, (t % 480).astype(np.uint16), np.zeros(n, np.uint8), "us")
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 3.0\n" + codec("evt3").encode(events))
    recording = open_recording(path)
    sizes = [len(chunk) for chunk in recording.chunks()]
    assert sum(sizes) == n
    assert len(sizes) > 1
    assert max(sizes) <= 2 * PIECE
    assert same(recording.read(), events)  # a second time, from the beginning


def test_a_wrap_of_24_bits_is_corrected(tmp_path):
    events = some_events(4000, step=20000)
    assert events.t[-1] > 2 * 2**24
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 3.0\n" + codec("evt3").encode(events))
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert told(recording) == {"wraps": int(events.t[-1]) >> 24}


# --- DAT ---------------------------------------------------------------------------------------------

DAT = b"% Data file containing CD events\n% Date 2020-09-14 14:18:29\n% Version 2\n% Width 640\n% Height 480\n"


def dat_records(events):
    words = events.x.astype(np.uint32) | events.y.astype(np.uint32) << 14 | events.p.astype(np.uint32) << 28
    return np.stack([events.t.astype(np.uint32), words], axis=1).astype("<u4").tobytes()


@pytest.mark.parametrize("kind", [0, 12])
def test_a_dat_file(tmp_path, kind):
    events = some_events()
    path = tmp_path / "a.dat"
    path.write_bytes(DAT + bytes([kind, 8]) + dat_records(events))
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert (recording.encoding, recording.unit, recording.width, recording.height) == ("dat", "us", 640, 480)
    assert told(recording) == {}
    path.rename(tmp_path / "b.bin")  # the header says what it is
    assert len(open_recording(tmp_path / "b.bin").read()) == len(events)


def test_a_dat_header_without_size_and_a_suffix_that_decides(tmp_path):
    events = some_events()
    path = tmp_path / "a.dat"
    path.write_bytes(b"% Version 2\n" + b"\x0c\x08" + dat_records(events))
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert recording.width is None


def test_the_clock_of_dat_wraps_and_glitches(tmp_path):
    one = 2**32
    times = [one - 20, one - 5, one + 3, one - 1, one + 4, one + 2, one + 9, 2 * one - 9_000_000, 2 * one + 1]
    path = tmp_path / "a.dat"
    zeros = np.zeros(len(times), np.uint16)
    events = Events(np.array(times), zeros, zeros, zeros.astype(np.uint8))
    path.write_bytes(DAT + b"\x0c\x08" + dat_records(events))
    recording = open_recording(path)
    assert recording.read().t.tolist() == times
    assert told(recording) == {"wraps": 3, "glitches": 1}


def test_a_dat_file_of_triggers_one_that_was_cut_and_those_refused(tmp_path):
    path = tmp_path / "a.dat"
    rows = np.array([[5, 1], [9, 3 << 8]], "<u4")
    path.write_bytes(DAT + b"\x0e\x08" + rows.tobytes())
    recording = open_recording(path)
    assert len(recording.read()) == 0
    assert recording.triggers.tolist() == [[5, 0, 1], [9, 3, 0]]
    path.write_bytes(DAT + b"\x0c\x08" + dat_records(some_events(10))[:-3])
    recording = open_recording(path)
    assert len(recording.read()) == 9
    assert told(recording) == {"truncated": 1, "partial_bytes": 5}
    path.write_bytes(DAT)
    recording = open_recording(path)
    assert (len(recording.read()), told(recording)) == (0, {"truncated": 1})
    for data in (DAT + b"\x0c\x10", DAT + b"\x07\x08", DAT.replace(b"Version 2", b"Version 1") + b"\x0c\x08"):
        path.write_bytes(data)
        with pytest.raises(DescriptionError, match="DAT"):
            open_recording(path)


# --- AEDAT4 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3000, 50_000, 500_001])
def test_an_aedat4_file_is_read_up_to_the_cut(tmp_path, size):
    pytest.importorskip("aedat")
    whole = fixture("recordings/tonic_sample.aedat4")
    path = tmp_path / "a.aedat4"
    path.write_bytes(whole.read_bytes()[:size])
    recording = open_recording(path)
    events = recording.read()
    assert same(events, open_recording(whole).read()[: len(events)])
    assert len(events) == {3000: 0, 50_000: 5258, 500_001: 59065}[size]
    assert told(recording) == {"truncated": 1}


def test_damaged_aedat4_and_its_streams(tmp_path):
    pytest.importorskip("aedat")
    whole = fixture("recordings/tonic_sample.aedat4").read_bytes()
    path = tmp_path / "a.aedat4"
    path.write_bytes(whole[:400_000] + bytes(100) + whole[400_100:])
    recording = open_recording(path)
    assert 0 < len(recording.read()) < 111954
    assert told(recording) == {"truncated": 1, "malformed": 1}
    assert open_recording(path, topic="0").topic == "0"
    with pytest.raises(DescriptionError, match=r"no such stream of events; it has 0 \(320x240\)"):
        open_recording(path, topic="2")
    for damaged in (whole[:100], whole[:16], whole[:18] + b"\xff" * 4 + whole[22:], whole[:90] + b"\xd6" + whole[91:]):
        path.write_bytes(damaged)
        with pytest.raises(DescriptionError, match="has no whole AEDAT4 header"):
            open_recording(path)


# --- npz, and what is no recording -------------------------------------------------------------------


def test_an_npz_of_events(tmp_path):
    events = some_events(300, unit="ns")
    path = tmp_path / "a.npz"
    columns = {c: getattr(events, c) for c in "txyp"}
    np.savez(path, **columns, width=640, height=480, unit="ns")
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert (recording.unit, recording.width, recording.height) == ("ns", 640, 480)
    np.savez_compressed(path, **columns)
    recording = open_recording(path)
    assert same(recording.read(), events)
    assert (recording.unit, recording.width) == ("us", None)
    for wrong, match in (
        ({"t": events.t}, "has no arrays p, x, y"),
        (columns | {"t": events.t[1:]}, "columns of different lengths"),
        (columns | {"unit": "ms"}, "must be us or ns"),
        (columns | {"x": events.x.astype(complex)}, "must be numbers"),
    ):
        np.savez(path, **wrong)
        with pytest.raises(DescriptionError, match=match):
            open_recording(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DescriptionError, match="cannot be read"):
        open_recording(path)


OTHERS = {
    "empty.raw": (b"", "is empty"),
    "text.raw": (b"hello world", "is a text without a line of four numbers"),
    "words.raw": (b"\0\x80\1\x60" * 9, "is no recording; known are RAW"),
    "bag.bag": (b"#ROSBAG V1.2\n", "a bag of ROS 1 before version 2.0"),
    "old.aedat": (b"#!AER-DAT1.0\r\n", "AEDAT of another version than 2, 3.1 and 4"),
    "a.h5": (b"\x89HDF\r\n\x1a\n", "is a damaged HDF5 file"),
    "a.db3.zstd": (b"\x28\xb5\x2f\xfd....", "unpack it first: zstd -d"),
    "a.zip": (b"PK\x03\x04....", "a ZIP archive"),
    "a.db3": (b"SQLite format 3\0" + bytes(84), "is an SQLite file, but not a readable bag"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_recording_is_said_in_one_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(OTHERS[name][0])
    with pytest.raises(SnnControlError) as error:
        open_recording(path)
    assert str(error.value).startswith(f"{path}: ")
    assert OTHERS[name][1] in str(error.value)
    assert "\n" not in str(error.value)


def test_paths_that_lead_nowhere_and_topics_of_files_without(tmp_path):
    with pytest.raises(DescriptionError, match="does not exist"):
        open_recording(tmp_path / "none.raw")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DescriptionError, match="is neither a file nor a folder"):
        open_recording(tmp_path / "pipe")
    if os.path.exists("/proc/self/mem"):  # a file that opens, and fails when it is read
        with pytest.raises(DescriptionError, match="mem: cannot be read: Input/output error"):
            open_recording("/proc/self/mem")
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 3.0\n")
    with pytest.raises(DescriptionError, match="has no topics; leave it out"):
        open_recording(path, topic="/events")


def test_an_mcap_of_nothing_but_its_first_bytes(tmp_path):
    pytest.importorskip("mcap")
    path = tmp_path / "a.mcap"
    path.write_bytes(b"\x89MCAP0\r\n")
    with pytest.raises(DescriptionError, match="is a bag without events; it has none"):
        open_recording(path)


@pytest.mark.parametrize("name", ["ecpy_test_events_1.db3", "ecpy_test_events_2_0.mcap", "tonic_sample.aedat4"])
def test_damaged_files_raise_nothing_but_errors_of_ours(tmp_path, name):
    pytest.importorskip("mcap")
    pytest.importorskip("aedat")
    whole = fixture(f"recordings/{name}").read_bytes()[:300_000]
    rng = np.random.default_rng(hashlib.sha256(name.encode()).digest()[0])
    path = tmp_path / name
    for _ in range(15):
        data = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(16, len(data) if rng.random() < 0.5 else 3000, 20)
        data[places] ^= (1 << rng.integers(0, 8, 20)).astype(np.uint8)
        path.write_bytes(data[: rng.integers(20, len(data))])
        with suppress(SnnControlError):
            recording = open_recording(path)
            recording.read()
            assert not any(n < 0 for n in recording.counters.values())


def test_many_small_pieces_are_gathered_in_linear_time():
    asked = 0

    class Asked(Events):
        def __len__(self):
            nonlocal asked
            asked += 1
            return len(self.t)

    class Crumbs(Recording):
        def _pieces(self):
            one = np.ones(1, np.int64)
            return (Asked(one * k, one, one, one) for k in range(1000))

    (whole,) = Crumbs(Path("crumbs"), None, None).chunks()
    assert (whole.t == np.arange(1000)).all()
    assert asked <= 5 * 1000
