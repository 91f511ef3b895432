"""Codecs against their references, recordings and themselves: in pieces as in one go, over addresses as arrays."""

import contextlib
import ctypes
import io
import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control.engine.compile import compile_function
from snn_control.errors import DescriptionError, InputError
from snn_control.events import Decoder, Events
from snn_control.events import packets as packet
from snn_control.events import state as words
from snn_control.events.codecs import ENCODINGS, codec
from tests.events.references import REFERENCES
from tests.fixtures import fixture

#: types of words that a stream is mostly made of, so that random ones do not only break off
KINDS = {
    "evt3": [0, 2, 2, 3, 4, 4, 5, 6, 6, 8, 10], "evt2": [0, 1, 1, 8, 10], "evt21": [0, 1, 1, 8, 10],
    "evt21_legacy": [0, 1, 8, 10], "libcaer_cmp": [0, 1, 2, 3, 3, 4, 5],
    "evt4": [9, 10, 11, 11, 12, 13, 14],
}  # fmt: skip
#: of evt3, what sensors write in a row, and decoders may take at once
GROUPS = (
    [6, 0, 2, 8, 8, 6, 0, 2, 2],
    [0, 3, 4, 4, 5, 4, 4, 5, 2],
    [3, 4, 4, 5, 6, 3, 4, 4, 5],
    [6, 0, 2, 6, 0, 2, 10, 0, 2],
)


@st.composite
def packets(draw, name, most=60):
    """Random words: of likely types with small steps of the clock, and now and then of any."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, n = codec(name).word, draw(st.integers(0, draw(st.sampled_from([most, 5 * most]))))
    found = rng.integers(0, 256, (n, size), np.uint8)
    if name in KINDS and n:
        kind = rng.choice([*KINDS[name], draw(st.integers(0, 15))], n)
        for begin in range(0, n - 8, 9) if name == "evt3" and draw(st.booleans()) else ():
            kind[begin : begin + 9] = GROUPS[rng.integers(len(GROUPS))]
        at = {"evt21_legacy": 3}.get(name, size - 1)
        found[:, at] = found[:, at] & 0xF | kind << 4
        clock = kind == {"libcaer_cmp": 0, "evt4": 14}.get(name, 8)
        if draw(st.booleans()):  # a clock that advances slowly
            found[clock, at] &= 0xF0
            found[clock, at - 1] = np.cumsum(rng.integers(0, 3, clock.sum()))
    return found.tobytes() + bytes(draw(st.integers(0, size - 1)))


def a_stream(name, most=60):
    packet = st.tuples(packets(name, most), st.integers(0, 2**40))
    frame = st.sampled_from([(None, None), (640, 480), (1280, 720), (2048, 2048), (1000, 1)])
    return st.tuples(st.lists(packet, max_size=4), frame)


def rows(events):
    return list(zip(*(getattr(events, key).tolist() for key in "txyp")))


def counted(counters):
    return {name: n for name, n in counters.items() if n}


def empty_columns(room):
    return [np.full(room, 0x77, dtype) for dtype in (np.int64, np.uint16, np.uint16, np.uint8)]


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_codec_is_its_reference(name):
    @given(a_stream(name))
    def check(stream):
        packets, frame = stream
        decoder, plain = Decoder(name, *frame), REFERENCES[name](*frame)
        found = []
        for data, time_base in packets:
            found += rows(decoder.decode(data, time_base))
            plain.packet(data, time_base)
        assert found == plain.events
        assert [tuple(row) for row in decoder.triggers.tolist()] == plain.triggers
        assert counted(decoder.counters) == counted(plain.counters)

    check()


def in_pieces(name, packets, frame, rng, by_address):
    """Decode with random cuts, rooms and slices of time; returns the events and the counters."""
    one, decode = codec(name), codec(name).compiled()
    at = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)(one.address())
    state, found, triggers = words.new_state(1, *frame), [], np.empty((0 if by_address else 3, 2), np.int64)
    for data, time_base in packets:
        state[words.TIME_BASE], state[words.FRESH] = time_base, 1
        left = np.frombuffer(data[: len(data) // one.word * one.word], np.uint32 if one.word > 2 else np.uint16).copy()
        left = left.view(np.uint8)
        while len(left):
            until = words.NEVER if rng.random() < 0.3 else int(rng.integers(1 << rng.integers(1, 44)))
            columns = empty_columns(int(rng.integers(32, rng.choice([80, 400]))))
            piece = left[: one.word * int(rng.integers(1, rng.choice([20, 400])))]
            state[words.UNTIL] = until
            if by_address:
                table = np.array([*(c.ctypes.data for c in columns), len(columns[0])], np.int64)
                n = at(state.ctypes.data, piece.ctypes.data, len(piece), table.ctypes.data)
            else:
                n = decode(state, piece.view(one.item), *columns, triggers)
            assert (columns[0][:n] < until).all()
            found += list(zip(*(column[:n].tolist() for column in columns)))
            left = left[state[words.CONSUMED] :]
    return found, {key: int(state[word]) for key, word in words.COUNTERS.items()}


@pytest.mark.parametrize("by_address", [False, True], ids=["arrays", "addresses"])
@pytest.mark.parametrize("name", ENCODINGS)
def test_in_pieces_it_is_the_same_as_in_one_go(name, by_address):
    @given(a_stream(name), st.integers(0, 2**32 - 1))
    def check(stream, seed):
        packets, frame = stream
        plain = REFERENCES[name](*frame)
        for data, time_base in packets:
            plain.packet(data[: len(data) // plain.size * plain.size], time_base)
        found, counters = in_pieces(name, packets, frame, np.random.default_rng(seed), by_address)
        assert found == plain.events
        assert counted(counters) == counted(plain.counters)

    check()


@pytest.mark.parametrize("name", ENCODINGS)
def test_bytes_behind_the_last_word_are_dropped_and_counted(name):
    one, state, columns = codec(name), words.new_state(), empty_columns(64)
    at = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)(one.address())
    table = np.array([*(c.ctypes.data for c in columns), 64], np.int64)
    data = np.zeros(8 * one.word, np.uint8)
    for size in (one.word + 1, 3 * one.word - 1, one.word - 1, 0):
        at(state.ctypes.data, data.ctypes.data, size, table.ctypes.data)
        assert state[words.CONSUMED] == size
    assert state[words.PARTIAL] == 1 + 2 * (one.word - 1)


def test_an_output_in_ns_and_slices_of_it():
    one = codec("evt3")
    state, columns = words.new_state(1000), empty_columns(64)
    data = np.array([0x8000, 0x6005, 0x0001, 0x2002, 0x6006, 0x2003], np.uint16)
    triggers = np.empty((0, 2), np.int64)
    state[words.UNTIL] = 5001
    assert one.compiled()(state, data, *columns, triggers) == 1
    assert (columns[0][0], state[words.CONSUMED]) == (5000, 8)
    state[words.UNTIL] = 6000
    assert one.compiled()(state, data[4:], *columns, triggers) == 0
    assert state[words.CONSUMED] == 0


def test_a_slice_that_ends_between_high_and_low_time_holds_nothing_back():
    """After a new high time, the old low time is valid until the next one: events in between are late, not lost."""
    decode, columns, triggers = codec("evt3").compiled(), empty_columns(64), np.empty((0, 2), np.int64)
    state = words.new_state()
    state[words.UNTIL] = 0x1800
    data = np.array([0x8000, 0x6FFF, 0x8001, 0x6700, 0x2001, 0x8002, 0x2002], np.uint16)
    assert decode(state, data, *columns, triggers) == 1
    assert (columns[0][0], state[words.CONSUMED]) == (0x1700, 12)


@pytest.mark.parametrize("until", [50_999, 51_000, 51_001, 51_999, 52_000])
def test_evt3_stops_at_the_very_time_among_common_words(until):
    decode, columns, triggers = codec("evt3").compiled(), empty_columns(256), np.empty((0, 2), np.int64)
    data = np.array([0x8000, *(word for low in range(100) for word in (0x6000 | low, 0x0001, 0x2002))], np.uint16)
    state = words.new_state(1000)
    state[words.UNTIL] = until
    n = decode(state, data, *columns, triggers)
    assert n == -(-until // 1000)
    assert state[words.CONSUMED] == 2 * (1 + 3 * n)


@pytest.mark.parametrize(("frame", "side"), [((1280, 720), 1280), ((None, None), 2048)])
def test_evt3_masks_at_the_edge(frame, side):
    for base in range(side - 36, side):
        for some in ([0x4FFF, 0x4FFF, 0x50FF], [0x4FFF], [0x50FF], [0x4FFF, 0x4FFF, 0x50FF, 0x50FF]):
            stream = [0x8000, 0x6000, 0x0001, *([0x2005] * 40), 0x3000 | base & 0x7FF, *some, *([0x2006] * 40)]
            data, decoder, plain = np.array(stream, np.uint16), Decoder("evt3", *frame), REFERENCES["evt3"](*frame)
            found = rows(decoder.decode(data))
            plain.packet(data.tobytes())
            assert found == plain.events
            assert counted(decoder.counters) == counted(plain.counters)


def messages(name):
    """(payload, time base, size) of the EventPackets of a recording."""
    parse = compile_function(packet.parse_packet, "int64(int64,int64,int64)")
    path, out = fixture("recordings/" + name), np.zeros(packet.PACKET_WORDS, np.int64)
    if name.endswith(".mcap"):
        reader = pytest.importorskip("mcap.reader").make_reader(io.BytesIO(path.read_bytes()))
        raw = [message.data for _, channel, message in reader.iter_messages() if "event" in channel.topic]
    else:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as bag:
            raw = [row[0] for row in bag.execute("select data from messages order by timestamp")]
    for message in raw:
        data = np.frombuffer(message, np.uint8)
        assert parse(data.ctypes.data, len(data), out.ctypes.data) == 0
        yield (
            packet.payload(message, out),
            int(out[packet.TIME_BASE]),
            tuple(out[[packet.WIDTH, packet.HEIGHT]].tolist()),
        )


RECORDINGS = {
    "ecpy_test_events_1.db3": ("evt3", 343474, 7139845, 9218023, "ed39d7471dfc8ed2", 4157, 0),
    "ecpy_test_events_2_0.mcap": (
        "libcaer_cmp", 571266, 1744227144732712000, 1744227145732708000, "26291a633b87d6a4", 0, 0
    ),
    "libcaer_rollover_0.db3": (
        "libcaer", 334331, 1702309120762236018, 1702309122762222018, "287b8cbd4cbe38bf", 0, 0
    ),
    "mono_cd_0.db3": ("mono", 100, 0, 99000, "4f8d99429b5a1268", 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_recordings_give_what_is_known_of_them(name):
    encoding, n, first, last, digest, triggers, wraps = RECORDINGS[name]
    decoder, parts = None, []
    for payload, time_base, size in messages(name):
        decoder = decoder or Decoder(encoding, *size)
        parts.append(decoder.decode(payload, time_base))
    events = Events.concatenate(parts)
    assert (len(events), events.t[0], events.t[-1], events.digest()) == (n, first, last, digest)
    assert len(decoder.triggers) == triggers
    assert counted(decoder.counters) == counted({"triggers": triggers, "wraps": wraps})


def test_a_raw_recording_of_evt2():
    raw = fixture("recordings/expelliarmus_evt2_sample.raw").read_bytes()
    while raw.startswith(b"%"):
        raw = raw[raw.index(b"\n") + 1 :]
    decoder = Decoder("evt2", 640, 480)
    events = decoder.decode(raw)
    assert (len(events), events.t[0], events.t[-1]) == (539481, 1317888, 1367888)
    assert events.digest() == "191b55337d65deee"


@st.composite
def some_events(draw, longest=1 << 20):
    """Dense stretches of rows and single events, in order; the first within the first turn of the clock."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, dense = draw(st.integers(0, 200)), draw(st.booleans())
    t = np.cumsum(rng.integers(0, draw(st.sampled_from([1, 2, 100, longest])), n) * (rng.random(n) < 0.3))
    t += int(rng.integers(1 << 20)) - t[:1].sum()
    x = np.cumsum(rng.integers(-1, 4, n)) % 2048 if dense else rng.integers(0, 2048, n)
    y = rng.integers(0, 2048, n) if not dense else rng.integers(0, 2, n // 50 + 1)[np.arange(n) // 50]
    p = rng.integers(0, 2, n) if not dense else np.arange(n) // 40 % 2
    return Events(t.astype(np.int64), x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8))


@pytest.mark.parametrize(("name", "longest"), [("evt3", 1 << 26), ("evt2", 1 << 33), ("mono", 1 << 4)])
def test_what_is_encoded_comes_back(name, longest):
    @given(some_events(longest))
    def check(events):
        back = Decoder(name).decode(codec(name).encode(events))
        assert [row[1:] for row in rows(back)] == [row[1:] for row in rows(events)]
        assert back.ns.tolist() == events.ns.tolist()

    check()


def test_dense_rows_are_encoded_as_masks():
    x = np.arange(64, dtype=np.uint16)
    row = Events(np.full(64, 5), x, np.full(64, 7, np.uint16), np.ones(64, np.uint8))
    found = np.frombuffer(codec("evt3").encode(row), np.uint16)
    assert [hex(word) for word in found] == [
        "0x8000", "0x6005", "0x7", "0x3800", "0x4fff", "0x4fff", "0x50ff", "0x4fff", "0x4fff", "0x50ff"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("evt3", {"x": [0, 2048]}, r"events.x\[1\] = 2048: evt3 carries columns under 2048"),
        ("evt2", {"y": [3000, 0]}, r"events.y\[0\] = 3000: evt2 carries rows under 2048"),
        ("evt3", {"t": [5, 4]}, r"events.t\[1\] = 4: evt3 needs times in order"),
        ("evt3", {"t": [-5, 4]}, r"events.t\[0\] = -5: must not be negative"),
        ("evt3", {"t": [0, 1 << 43]}, r"more than 4398046511104 us after the first"),
        ("evt2", {"t": [0, 1 << 33]}, r"2\^33 us or more after the previous time"),
        ("evt3", {"t": [1500, 2000], "unit": "ns"}, r"events.t\[0\] = 1500: evt3 carries whole us; round the times"),
        ("evt3", {"p": [0, 2]}, r"events.p\[1\] = 2: must be 0 \(OFF\) or 1 \(ON\)"),
        ("evt3", {"p": [0]}, "equally long"),
        ("mono", {"t": [0, 1 << 33]}, r"mono covers 2\^32 ns from time_base = 0 on"),
        ("mono", {"y": [0, 1 << 15]}, "rows under 32768"),
    ],
)
def test_what_an_encoding_cannot_carry_is_refused(name, change, rule):
    good = {"t": [0, 1], "x": [0, 1], "y": [0, 1], "p": [0, 1]}
    columns = {key: np.asarray(value) if key != "unit" else value for key, value in (good | change).items()}
    with pytest.raises(InputError, match=rule):
        codec(name).encode(Events(**columns))


def test_an_unknown_encoding_is_refused():
    with pytest.raises(DescriptionError, match="must be one of evt3, evt2"):
        Decoder("evt5")


def test_a_packet_with_more_events_than_words_and_more_triggers_than_rows():
    """The columns grow, and no trigger is lost."""
    data = np.array([0x8000, 0x6000, 0x3000] + [0x4FFF, 0x3000, 0xA101] * 100_000, np.uint16)
    decoder = Decoder("evt3")
    events = decoder.decode(data)
    assert len(events) == 1_200_000
    assert np.array_equal(events.x, np.tile(np.arange(12), 100_000))
    assert decoder.triggers.tolist() == [[0, 1, 1]] * 100_000
