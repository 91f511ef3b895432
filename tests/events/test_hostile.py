"""Recordings that are damaged or announce more than they hold: read to their end, or refused in one line."""

from __future__ import annotations

import io
import sqlite3
import tracemalloc
import zipfile

import numpy as np
import pytest

from snn_control.errors import DescriptionError, InputError
from snn_control.events import open_recording
from snn_control.events.codecs import ENCODINGS
from snn_control.events.columns import FURTHEST
from snn_control.events.decoder import Decoder
from snn_control.events.hot_pixels import learn_hot_pixels
from snn_control.events.packets import packet_cdr
from snn_control.events.writing import write_npz, write_raw
from tests.damage import damaged
from tests.events.recordings import PACKET, packets, same, some_events, told, write_bag, write_db3

WORD = np.array([0, 5 | 6 << 16], "<u4").tobytes()


@pytest.mark.parametrize("base", [2**63 - 1, -(2**63), 2**64])
def test_times_near_the_ends_of_int64_neither_wrap_nor_stop_a_decoder(base):
    for encoding in ENCODINGS:
        decoder = Decoder(encoding, 640, 480)
        t = decoder.decode(WORD, base).ns
        assert not len(t) or (t[0] > 0) == (base > 0) or encoding == "libcaer"
    assert np.ptp([int(Decoder("mono").decode(WORD, k).t[0]) for k in (-(2**63), 2**63 - 1)]) < 2**63


def test_a_clock_that_begins_anew_without_an_end_stays_within_int64():
    """Each word of time 0 after one with the highest time is a wrap of the clock: 10,000 of them are 5,400 years."""
    highs = np.tile(np.array([8 << 28 | 0xFFFFFFF, 8 << 28], "<u4"), 300_000)
    events = Decoder("evt2").decode(np.append(highs, 0x0000_0000).astype("<u4").tobytes())
    assert 0 < int(events.ns[0]) < 1 << 63
    assert int(events.ns[0]) // 1000 == int(events.t[0])


def test_a_packet_at_the_end_of_time_in_a_bag(tmp_path):
    message = packet_cdr(WORD, "mono", 64, 48, 0, 10, 2**63 - 1)
    write_db3(tmp_path / "a.db3", {"/ev": (PACKET, [(10, message)])})
    assert len(open_recording(tmp_path / "a.db3").read()) == 1


# --- npz ---------------------------------------------------------------------------------------------


def npz(path, shape, *parts, **more):
    """An .npz whose columns say ``shape`` and hold ``parts``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, dtype, part in zip("txyp", ("<i8", "<u2", "<u2", "|u1"), parts, strict=True):
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(head, {"descr": dtype, "fortran_order": False, "shape": shape})
            archive.writestr(f"{name}.npy", head.getvalue() + part)
        for name, value in more.items():
            head = io.BytesIO()
            np.save(head, value)
            archive.writestr(f"{name}.npy", head.getvalue())


ONE = [np.zeros(1, dtype).tobytes() for dtype in ("<i8", "<u2", "<u2", "u1")]
THREE = [np.zeros(3, dtype).tobytes() for dtype in ("<i8", "<u2", "<u2", "u1")]
PROMISES = {
    "more than is there": ((100,), ONE, {}, "says that it is"),
    "10^15 and nothing": ((10**15,), [b""] * 4, {}, "says that it is"),
    "10^15 and one": ((10**15,), ONE, {}, "says that it is"),
    "unequal columns": ((3,), [THREE[0], THREE[1][:-2], *THREE[2:]], {}, "says that it is"),
    "a number cut": ((3,), [THREE[0][:-3], *THREE[1:]], {}, "says that it is"),
    "a negative length": ((-5,), [b""] * 4, {}, "says that it is"),
    "a width of many numbers": (
        (1,),
        ONE,
        {"width": np.zeros(1 << 26, "u1")},
        r"array of uint8 with shape \(67108864,\)",
    ),
    "a unit of many bytes": (
        (1,),
        ONE,
        {"unit": np.zeros(1, "S67108864")},
        r"unit = .*array of .S67108864.* shape \(1,\)",
    ),
    "a width that is a list": ((1,), ONE, {"width": np.arange(3)}, "width = .*: must be a whole number"),
    "a huge width": ((1,), ONE, {"width": np.array(1 << 40)}, "width = .*: must be a whole number"),
    "a pickle": ((1,), ONE, {"unit": np.array([None, {}], object)}, "holds Python objects"),
}


@pytest.mark.parametrize("name", PROMISES)
def test_an_npz_that_promises_what_it_does_not_hold_is_refused(tmp_path, name):
    shape, parts, more, rule = PROMISES[name]
    npz(tmp_path / "a.npz", shape, *parts, **more)
    write_npz(tmp_path / "good.npz", lambda: [some_events(10)], "us", 640, 480)
    open_recording(tmp_path / "good.npz").read()  # now all modules are imported
    tracemalloc.start()
    with pytest.raises(DescriptionError, match=rule) as error:
        open_recording(tmp_path / "a.npz")
    assert "\n" not in str(error.value)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_numbers_that_no_camera_has_are_left_out_of_an_npz(tmp_path):
    t = np.array([0, 2**63 - 1, 5, -(2**63), 7, 8], np.int64)
    x = np.array([1, 1, 70_000, 1, -1, 2])
    np.savez(tmp_path / "a.npz", t=t, x=x, y=np.ones(6, int), p=np.ones(6, int))
    recording = open_recording(tmp_path / "a.npz")
    events = recording.read()
    assert events.t.tolist() == [0, 8]
    assert told(recording) == {"malformed": 4}
    assert (np.abs(events.ns) <= FURTHEST).all()


def test_damaged_packing_ends_an_npz_and_is_counted(tmp_path):
    events = some_events(5000)
    write_npz(tmp_path / "a.npz", lambda: [events], "us", 640, 480)
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[len(raw) // 3] ^= 0xFF  # within the first column
    (tmp_path / "a.npz").write_bytes(raw)
    recording = open_recording(tmp_path / "a.npz")
    assert len(recording.read()) < len(events)
    assert told(recording) == {"truncated": 1}


# --- bags --------------------------------------------------------------------------------------------

ENDLESS = (
    "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) SELECT k AS id, {} AS topic_id, 1 AS timestamp,"
)
COMPUTED = {
    "rows without end": f"CREATE VIEW messages AS {ENDLESS.format(1)} x'00' AS data FROM n",
    "rows of no topic without end": f"CREATE VIEW messages AS {ENDLESS.format(7)} x'00' AS data FROM n",
    "data that is computed": "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data AS (x'00'))",
}  # fmt: skip


@pytest.mark.parametrize("name", COMPUTED)
def test_a_bag_whose_messages_are_computed_is_refused(tmp_path, name):
    write_db3(tmp_path / "a.db3", {"/ev": (PACKET, packets(some_events(50)))})
    bag = sqlite3.connect(tmp_path / "a.db3")
    bag.execute("DROP TABLE messages")
    bag.execute(COMPUTED[name])
    bag.commit()
    bag.close()
    with pytest.raises(DescriptionError, match=r"not a readable bag: it has no tables topics and messages"):
        open_recording(tmp_path / "a.db3")


def test_a_chunk_that_unpacks_to_a_gigabyte_of_nothing_takes_64_mb_at_most(tmp_path):
    zstandard = pytest.importorskip("zstandard")

    from snn_control.events.files.storage import Storage

    (tmp_path / "bag").touch()
    storage = Storage(tmp_path / "bag")
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    assert len(bomb) < 1 << 15
    tracemalloc.start()
    assert storage._message(bomb) is None
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


# --- sizes -------------------------------------------------------------------------------------------


def test_a_frame_that_no_camera_has_is_not_counted_pixel_by_pixel():
    with pytest.raises(DescriptionError, match=r"width, height = \(65535, 65535\): is more than 16,777,216 pixels"):
        learn_hot_pixels([some_events(10)], 65535, 65535)


def test_a_recording_that_promises_a_frame_that_no_camera_has_is_refused(tmp_path):
    write_raw(tmp_path / "a.raw", lambda: [some_events(10)], 65535, 65535)
    with pytest.raises(DescriptionError, match="says that its frame is 65535x65535, more than 16,777,216 pixels; give"):
        open_recording(tmp_path / "a.raw")
    assert len(open_recording(tmp_path / "a.raw", width=640, height=480).read()) == 10


def test_numbers_beyond_int64_are_refused_by_a_packet_queue():
    from snn_control.realtime.ports.packet_receiver import PacketReceiver
    from tests.realtime.packet_queue import PacketQueue

    slot, columns = np.zeros(8, np.int64), [np.zeros(10, d) for d in (np.int64, np.uint16, np.uint16, np.uint8)]
    queue = PacketQueue(PacketReceiver(slot.ctypes.data, tuple(a.ctypes.data for a in columns), 10))
    for wrong in ({"seq": 2**63}, {"time_base": 2**63}, {"stamp": -(2**63) - 1}):
        with pytest.raises(InputError, match="must be within int64"):
            queue.push(b"abcd", "mono", **wrong)


# --- damage ------------------------------------------------------------------------------------------


def _dat(path):
    events = some_events(300)
    words = np.stack([events.t, events.x.astype(int) | events.y.astype(int) << 14 | events.p.astype(int) << 28], 1)
    path.write_bytes(b"% Data file\n% Version 2\n% Height 480\n% Width 640\n\x0c\x08" + words.astype("<u4").tobytes())


FORMATS = {
    "a.npz": lambda path: write_npz(path, lambda: [some_events(300)], "us", 640, 480),
    "a.raw": lambda path: write_raw(path, lambda: [some_events(300)], 640, 480),
    "evt2.raw": lambda path: write_raw(path, lambda: [some_events(300)], 640, 480, "evt2"),
    "a.dat": _dat,
    "a.db3": lambda path: write_db3(path, {"/ev": (PACKET, packets(some_events(300, unit="ns"), "mono"))}),
    "zstd.mcap": lambda path: write_bag(path, {"/ev": (PACKET, packets(some_events(300)))}),
    "lz4.mcap": lambda path: write_bag(path, {"/ev": (PACKET, packets(some_events(300)))}, "lz4"),
    "plain.mcap": lambda path: write_bag(path, {"/ev": (PACKET, packets(some_events(300)))}, ""),
}


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_copies_are_read_as_far_as_they_go_or_refused_in_a_line(tmp_path, name):
    path = tmp_path / name
    FORMATS[name](path)
    raw, whole, refused, read = path.read_bytes(), open_recording(path).read(), [], 0
    for what, copy in damaged(raw, 120):
        path.write_bytes(copy)
        try:
            recording = open_recording(path)
            events = recording.read()
            again = recording.counters
        except DescriptionError as error:
            refused.append(str(error))
            continue
        read += 1
        assert len({len(getattr(events, column)) for column in "txyp"}) == 1, what
        assert len(events) <= 40 * len(raw), what
        assert again == recording.counters
    assert read
    assert refused
    assert "\n" not in "".join(refused)
    path.write_bytes(raw)
    assert same(open_recording(path).read(), whole)
