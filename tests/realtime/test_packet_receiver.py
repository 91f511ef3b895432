"""Packets through the receiver: against its reference implementation, and each rule of its own."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.engine.compile import compile_function
from snn_control.errors import DescriptionError
from snn_control.events import Decoder, Events
from snn_control.events.codecs import ENCODINGS
from snn_control.events.packets import PACKET_WORDS, SEQ, STAMP, TIME_BASE, parse_packet, payload
from snn_control.realtime.port import FREE, LOCKSTEP
from snn_control.realtime.ports.packet_receiver import Pacing, PacketReceiver
from tests.fixtures import fixture
from tests.realtime.packet_queue import take_packets
from tests.realtime.packets import MS, Reference, Rig, evt3_words


def stream(n: int, seed: int = 0, step: int = 50, width: int = 640, height: int = 480):
    """Columns of n events, ascending in t [us]."""
    r = np.random.default_rng(seed)
    t = 5_000_000 + np.cumsum(r.integers(0, step, n))
    return t, r.integers(0, width, n), r.integers(0, height, n), r.integers(0, 2, n)


def rows_of(t, x, y, p) -> np.ndarray:
    return np.stack([t * 1000, x, y, p], axis=1)


# ---------------------------------------------------------------- against the reference


@st.composite
def cuts(draw):
    """A stream whose clock sometimes steps back a little, cut into packets with times of arrival; ticks; a capacity."""
    steps = draw(
        st.lists(st.sampled_from([0, 0, 0, 1, 7, 300, 5000, 90_000, 250_000, -200, -9000]), min_size=1, max_size=150)
    )
    t = 5_000_000 + np.cumsum(steps)
    n = len(t)
    words = evt3_words(t, np.arange(n) % 700, np.arange(n) // 7 % 500, np.arange(n) % 2)
    places = sorted(draw(st.lists(st.integers(0, len(words)), max_size=8)))
    packets = [words[a:b] for a, b in zip([0, *places], [*places, len(words)], strict=True)]
    gaps = draw(st.lists(st.integers(0, 30), min_size=len(packets), max_size=len(packets)))
    return packets, 10_000 * MS + np.cumsum(gaps) * MS, draw(st.integers(1, 130))


@settings(max_examples=150, deadline=None)
@given(cuts(), st.sampled_from(["arrival", "sensor"]), st.sampled_from([0.0, 0.0005, 0.2]))
def test_any_cut_gives_what_the_reference_gives(cut, pace, late):
    packets, arrivals, capacity = cut
    pacing = Pacing(pace, late)
    rig, plain = Rig(capacity, pacing, (640, 480)), Reference(capacity, pacing, (640, 480))
    waiting, out, dropped = list(zip(packets, arrivals.tolist(), strict=True)), [], 0
    now = 10_000 * MS
    for _ in range(3000):
        while waiting and waiting[0][1] <= now:
            words, arrival = waiting.pop(0)
            assert rig.queue.push(words, "evt3", arrival=arrival)
            plain.push(words, arrival)
        _, fresh, cut_here, rows = rig.take(now)
        expected = plain.take(now)
        assert (fresh, cut_here) == expected[:2]
        assert rows.tolist() == [list(row) for row in expected[2]]
        out.append(rows)
        dropped += cut_here
        now += MS
        if not waiting and not plain.waiting and not plain.hand:
            break
    else:
        pytest.fail("events wait for ever")
    rig.take(now)
    counters = rig.counters
    assert counters["waiting"] == 0
    assert (counters["late"], counters["jumps"]) == (plain.late, plain.jumps)
    whole = sum(len(rows) for rows in out)
    assert (counters["events"], counters["dropped"]) == (whole, dropped)
    assert counters["out_of_frame"] == plain.decoder.counters["out_of_frame"]


# ---------------------------------------------------------------- capacity


@pytest.mark.parametrize("capacity", [1, 63, 64, 500, 4096, 100_000])
def test_the_first_of_a_tick_are_kept_and_the_rest_counted(capacity):
    columns = stream(30_000)
    rig = Rig(capacity)
    words = evt3_words(*columns)
    for part in np.array_split(words, 3):
        assert rig.queue.push(part, "evt3")
    taken, fresh, dropped, rows = rig.take(0)
    assert (taken, fresh, dropped) == (3, 3, max(30_000 - capacity, 0))
    np.testing.assert_array_equal(rows, rows_of(*columns)[:capacity])
    assert rig.counters["dropped"] == dropped
    assert rig.counters["newest_t"] == columns[0][-1] * 1000


def test_vectors_are_cut_within_a_word():
    words = np.array([0x8001, 0x6005, 7] + [0x3000, 0x4FFF] * 20, np.uint16)  # 12 events per vector
    rig = Rig(100)
    rig.queue.push(words, "evt3")
    _, _, dropped, rows = rig.take(0)
    assert (len(rows), dropped) == (100, 140)
    np.testing.assert_array_equal(rows[:, 1], np.arange(100) % 12)


@pytest.mark.parametrize("capacity", [100, 99])
def test_a_capacity_that_is_just_reached_drops_nothing_yet(capacity):
    rig, t = Rig(capacity), 1000 + np.arange(100)
    rig.queue.push(evt3_words(t, t % 50, t * 0, t * 0), "evt3")
    rig.queue.push(b"", "evt3")
    taken, fresh, dropped, rows = rig.take(0)
    assert (taken, fresh, dropped, len(rows)) == (2, 2, 100 - capacity, capacity)
    rig.queue.push(evt3_words(t, t % 50, t * 0, t * 0), "evt3")
    rig.queue.push(evt3_words(t, t % 50, t * 0, t * 0), "evt3")  # finds no room at all
    assert rig.take(0)[1:3] == (2, 200 - capacity)
    assert rig.take(0)[1:3] == (0, 0)
    assert rig.counters["events"] + rig.counters["dropped"] == 300


# ---------------------------------------------------------------- budget


def test_a_spent_budget_leaves_the_rest_for_the_next_ticks():
    columns = stream(40_000)
    rig = Rig(100_000, Pacing(budget=1e-6), period_ns=MS)  # 1 ns: a chunk a tick
    for part in np.array_split(evt3_words(*columns), 2):
        rig.queue.push(part, "evt3")
    out = []
    while rig.counters["waiting"]:
        taken, fresh, _, rows = rig.take(time.monotonic_ns())
        assert 0 < len(rows) <= 4096
        assert taken == fresh >= 1
        out.append(rows)
    assert len(out) > 8
    np.testing.assert_array_equal(np.concatenate(out), rows_of(*columns))
    assert rig.counters["budget_exhausted"] == len(out)


def test_lockstep_and_free_know_no_budget():
    columns = stream(40_000)
    for mode in LOCKSTEP, FREE:
        rig = Rig(100_000, Pacing(budget=1e-6), period_ns=MS)
        rig.queue.push(evt3_words(*columns), "evt3")
        assert len(rig.take(0, mode)[3]) == 40_000
        assert rig.counters["budget_exhausted"] == 0


# ---------------------------------------------------------------- what is counted


def test_lost_and_reordered_packets_are_counted_step_by_step():
    rig = Rig(64)
    for seq in (7, 8, 11, 10, 12, 0, 1):
        rig.queue.push(b"", "evt3", seq=seq)
    taken, fresh, _, rows = rig.take(0)
    assert (taken, fresh, len(rows)) == (7, 7, 0)  # a scene at rest
    counters = rig.counters
    assert (counters["packets"], counters["gaps"], counters["reordered"]) == (7, 2 + 1, 2)


def test_another_encoding_begins_anew_and_keeps_what_was_counted():
    rig, t = Rig(4096, size=(64, 48)), np.array([1000, 1001])
    mono = np.array([5, 63 | 47 << 16, 6, 64], np.uint32)  # the second lies out of the frame
    for packet, encoding, base in ((evt3_words(t, [1, 64], [2, 2], [1, 1]), "evt3", 0), (mono, "mono", 10**9)):
        assert rig.queue.push(packet, encoding, time_base=base)
    rows = rig.take(0)[3]
    assert rows.tolist() == [[1_000_000, 1, 2, 1], [10**9 + 5, 63, 47, 0]]
    rig.queue.push(np.array([0x2003], np.uint16), "evt3")  # of the time before the change nothing is known any more
    assert len(rig.take(0)[3]) == 0
    counters = rig.counters
    assert (counters["encoding_changes"], counters["out_of_frame"], counters["before_time"]) == (2, 2, 1)


def test_late_events_are_counted_and_given():
    t = np.array([100_000, 100_010, 95_000, 100_020, 79_000, 100_030])
    rig = Rig(64, Pacing(late=0.005))
    rig.queue.push(evt3_words(t, np.arange(6), t * 0, t * 0), "evt3")
    assert len(rig.take(0)[3]) == 6
    assert rig.counters["late"] == 2


def test_out_of_frame_and_odd_bytes_are_counted():
    t, x, y, p = stream(5000)
    rig = Rig(8192, size=(320, 240))
    rig.queue.push(evt3_words(t, x, y, p).tobytes() + b"\0", "evt3")
    inside = (x < 320) & (y < 240)
    np.testing.assert_array_equal(rig.take(0)[3], rows_of(t, x, y, p)[inside])
    assert rig.counters["out_of_frame"] == (~inside).sum()
    assert rig.counters["partial_bytes"] == 1
    assert rig.counters["waiting"] == 0


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_random_bytes_come_out_in_order_whatever_their_clock_does(encoding):
    """Jumps, glitches, wraps: each wait is at most 0.1 s, and the events are those of the decoder."""
    r, decoder = np.random.default_rng(3), Decoder(encoding, 640, 480)
    factor = 1000 if decoder.codec.unit == "us" else 1
    rig, out, expected, now = Rig(1 << 16, Pacing("sensor"), (640, 480), packets=64), [], [], 1000 * MS
    for _ in range(30):
        packet = r.integers(0, 256, r.integers(0, 10_001), np.uint8)
        assert rig.queue.push(packet, encoding, arrival=now)
        events = decoder.decode(packet)
        expected.append(np.stack([events.t * factor, events.x, events.y, events.p], axis=1))
        for _ in range(3):
            out.append(rig.take(now)[3])
            now += 10 * MS
    for _ in range(100_000):
        if not rig.queue.waiting:
            break
        out.append(rig.take(now)[3])
        now += 100 * MS
    np.testing.assert_array_equal(np.concatenate(out), np.concatenate(expected))
    counters = rig.counters
    assert counters["waiting"] == counters["dropped"] == 0
    assert {key: counters[key] for key in decoder.counters} == decoder.counters


def test_latency_is_measured_against_the_stamp_in_clock_realtime():
    rig = Rig(64)
    rig.queue.push(b"", "evt3", stamp=time.time_ns() - 5 * MS)
    rig.queue.push(b"", "evt3", stamp=3)
    rig.queue.push(b"", "evt3")
    rig.take(0)
    assert rig.receiver.latency[0] == 1
    assert 5 * MS <= rig.receiver.latency[1] < 2000 * MS
    assert rig.counters["stamps_unrelated"] == 1


def test_clear_forgets_everything():
    columns = stream(500)
    rig = Rig(64, Pacing("sensor"), (320, 240))
    fresh = Rig(64, Pacing("sensor"), (320, 240))
    rig.queue.push(evt3_words(*columns), "evt3", seq=9, stamp=0)
    rig.take(0)
    rig.queue.clear()
    assert rig.counters == fresh.counters
    words = evt3_words(*columns)[1:]  # without a time: nothing may be known of it any more
    rig.queue.push(words[words >> 12 != 8], "evt3")
    assert len(rig.take(0)[3]) == 0


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_random_bytes_give_what_the_decoder_gives(encoding):
    r, decoder = np.random.default_rng(8), Decoder(encoding, 640, 480)
    rig = Rig(1 << 20, size=(640, 480))
    factor = 1000 if decoder.codec.unit == "us" else 1
    for _ in range(12):
        packet = r.integers(0, 256, r.integers(0, 50_001), np.uint8)
        rig.queue.push(packet, encoding, time_base=10**18)
        events = decoder.decode(packet, 10**18)
        expected = np.stack([events.t * factor, events.x, events.y, events.p], axis=1)
        np.testing.assert_array_equal(rig.take(0)[3], expected)
    counters = rig.counters
    assert {key: counters[key] for key in decoder.counters} == decoder.counters


@pytest.mark.parametrize("pace", ["arrival", "sensor"])
def test_a_recording_comes_out_whole(pace):
    """The events of a real camera's packets, digest as in the recording's ground truth."""
    with closing(sqlite3.connect(f"file:{fixture('recordings/ecpy_test_events_1.db3')}?mode=ro", uri=True)) as database:
        messages = [bytes(row[0]) for row in database.execute("SELECT data FROM messages ORDER BY id")]
    assert len(messages) == 517
    rig, out, words = Rig(1 << 16, Pacing(pace), (640, 480)), [], np.zeros(PACKET_WORDS, np.int64)
    parse = compile_function(parse_packet, "int64(int64,int64,int64)")
    start = now = None
    for message in messages:
        data = np.frombuffer(message, np.uint8)
        assert parse(data.ctypes.data, len(data), words.ctypes.data) == 0
        stamp = int(words[STAMP])
        start = stamp if start is None else start
        arrival = stamp - start + 10**10
        now = arrival if now is None else now
        while now < arrival:
            now += MS
            out.append(rig.take(now)[3])
        assert rig.queue.push(payload(message, words), "evt3", int(words[SEQ]), int(words[TIME_BASE]), stamp, arrival)
    while rig.queue.waiting:
        now += MS
        out.append(rig.take(now)[3])
    t, x, y, p = np.concatenate(out).T
    events = Events(t // 1000, x, y, p)
    assert (len(events), events.digest()) == (343_474, "ed39d7471dfc8ed2")
    counters = rig.counters
    assert (counters["triggers"], counters["jumps"], counters["late"], counters["geometry"]) == (4157, 0, 0, 0)
    busy = np.mean([len(rows) > 0 for rows in out])  # of the ticks; two packets come each 8 ms
    assert busy > 0.4 if pace == "sensor" else busy < 0.3


def test_a_take_allocates_nothing():
    compiled = numba.cfunc("int64(int64,int64,int64)", nopython=True, error_model="numpy")(take_packets)
    code = compiled.inspect_llvm()
    assert "begin_tick" in code
    assert re.findall(r"call[^\n]*@(\w*(?:[aA]lloc)\w*)", code) == []


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"pace": "fast"}, "pace"),
        ({"late": -1.0}, "late"),
        ({"budget": 1.5}, "budget"),
        ({"late": float("nan")}, "late"),
    ],
)
def test_wrong_pacing_is_refused(options, path):
    with pytest.raises(DescriptionError, match=f"^{path} = "):
        Pacing(**options)


def test_no_capacity_is_refused():
    with pytest.raises(DescriptionError, match="capacity"):
        PacketReceiver(8, (8, 8, 8, 8), 0)


def test_every_encoding_has_its_row():
    rig = Rig(64)
    assert len(rig.receiver._codecs) == len(ENCODINGS)
