"""EventPacket and EventArray as CDR bytes: against a slow encoder that knows only how fields are aligned; hostile."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.engine.compile import compile_function
from snn_control.events import open_recording, packets
from snn_control.events.cdr import ENCAPSULATION, TRUNCATED
from snn_control.events.event_array import (
    ARRAY_TYPES,
    ARRAY_WORDS,
    HEIGHT,
    STAMP,
    WIDTH,
    parse_event_array,
)
from tests.events.recordings import same, some_events, told, write_db3


class Cdr:
    """Fields one after the other, each aligned to its own size, counted from behind the encapsulation."""

    def __init__(self, big):
        self.big, self.body = big, b""

    def put(self, kind, *values):
        for value in values:
            size = struct.calcsize(kind)
            self.body += bytes(-len(self.body) % size) + struct.pack((">" if self.big else "<") + kind, value)
        return self

    def string(self, text):
        self.put("I", len(text) + 1)
        self.body += text.encode() + b"\0"
        return self

    def message(self):
        return bytes([0, 0 if self.big else 1, 0, 0]) + self.body


def array_cdr(events, frame="camera", big=False, stamp=(7, 8)):
    out = Cdr(big).put("i", stamp[0]).put("I", stamp[1]).string(frame).put("I", 480, 640, len(events))
    for t, x, y, p in zip(*(getattr(events, c).tolist() for c in "txyp")):
        out.put("H", x, y).put("i", t // 10**9).put("I", t % 10**9).put("?", bool(p))
    return out.message()


def parse(message, room=1000, compiled=True):
    """What the reader returns, the events that it wrote and the words."""
    columns = (
        np.full(room, -7, np.int64),
        np.zeros(room, np.uint16),
        np.zeros(room, np.uint16),
        np.zeros(room, np.uint8),
    )
    words, raw = np.zeros(ARRAY_WORDS, np.int64), np.frombuffer(message, np.uint8)
    if compiled:
        signature = "int64(Array(uint8,1,'C',readonly=True),int64[::1],uint16[::1],uint16[::1],uint8[::1],int64[::1])"
        return compile_function(parse_event_array, signature)(raw, *columns, words), columns, words
    return parse_event_array(raw, *columns, words), columns, words


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("frame", ["", "a", "ab", "abc", "camera_optical_frame"])
@pytest.mark.parametrize("n", [0, 1, 2, 300])
def test_an_event_array_in_every_alignment(big, frame, n):
    events = some_events(n, unit="ns", step=10**9)
    found, columns, words = parse(array_cdr(events, frame, big, (-1, 5)))
    assert found == n
    for column, name in zip(columns, "txyp"):
        assert np.array_equal(column[:n], getattr(events, name)), name
    assert columns[0][n:].tolist() == [-7] * (1000 - n)
    assert (words[STAMP], words[HEIGHT], words[WIDTH]) == (-(10**9) + 5, 480, 640)


def test_events_beyond_the_room_are_counted_only():
    events = some_events(300, unit="ns")
    found, columns, _ = parse(array_cdr(events), room=40)
    assert found == 300
    assert np.array_equal(columns[0], events.t[:40])


def test_an_event_array_that_ends_anywhere_is_truncated():
    message = array_cdr(some_events(3, unit="ns"))
    for size in range(len(message)):
        expected = ENCAPSULATION if size < 4 else TRUNCATED
        for compiled in (True, False):  # the plain function raises where it would read beyond the end
            found, columns, _ = parse(message[:size], compiled=compiled)
            assert found == expected
            assert (columns[0] == -7).all()
    assert parse(message, compiled=False)[0] == 3


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 3), st.data())
def test_hostile_bytes_are_never_read_beyond(noise, n, data):
    message = bytearray(array_cdr(some_events(n, unit="ns")) + noise)
    for _ in range(data.draw(st.integers(0, 6))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.sampled_from([0, 1, 127, 128, 255]))
    slow, fast = parse(bytes(message), 8, compiled=False), parse(bytes(message), 8)
    assert slow[0] == fast[0] <= len(message)
    for a, b in zip(slow[1], fast[1]):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("kind", ARRAY_TYPES)
def test_a_bag_of_event_arrays(tmp_path, kind):
    events = some_events(300, unit="ns")
    rows = [(k, array_cdr(events[100 * k : 100 * k + 100], big=k == 1)) for k in range(3)]
    write_db3(tmp_path / "a.db3", {"/events": (kind, [*rows, (4, b"\0\1\0\0")])})
    recording = open_recording(tmp_path / "a.db3")
    assert same(recording.read(), events)
    assert (recording.unit, recording.encoding, recording.width, recording.height) == ("ns", kind, 640, 480)
    assert told(recording) == {"malformed": 1}


# --- EventPacket -------------------------------------------------------------------------------------


def packet_slowly(big, frame, seq=2**40, base=2**50, name="evt3", events=b"abcde"):
    out = Cdr(big).put("i", -2).put("I", 9).string(frame).put("I", 480, 640).put("Q", seq, base)
    out.string(name).put("?", False).put("I", len(events))
    out.body += events
    return out.message()


def read_packet(message, compiled=True):
    words, raw = np.zeros(packets.PACKET_WORDS, np.int64), np.frombuffer(message, np.uint8)
    if not compiled:
        return packets.parse_packet(raw, words), words
    signature = "int64(Array(uint8,1,'C',readonly=True),int64[::1])"
    return compile_function(packets.parse_packet, signature)(raw, words), words


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("frame", ["", "a", "ab", "abc", "abcdefg"])
def test_a_packet_in_every_alignment(big, frame):
    message = packet_slowly(big, frame)
    for compiled in (True, False):
        code, words = read_packet(message, compiled)
        assert code == 0
        assert words[packets.STAMP] == -2 * 10**9 + 9
        assert [words[k] for k in (packets.WIDTH, packets.HEIGHT, packets.SEQ, packets.TIME_BASE)] == [
            640,
            480,
            2**40,
            2**50,
        ]
        assert words[packets.ENCODING] == 0
        assert bytes(packets.payload(message, words)) == b"abcde"
        assert message[words[packets.NAME] :].startswith(b"evt3\0")


def test_a_packet_written_is_the_packet_read():
    for frame in ("", "a", "ab", "abc"):
        written = packets.packet_cdr(b"abcde", "evt3", 640, 480, 7, 3 * 10**9 + 5, 11, frame)
        slowly = Cdr(False).put("i", 3).put("I", 5).string(frame).put("I", 480, 640).put("Q", 7, 11)
        slowly.string("evt3").put("?", False).put("I", 5)
        assert written == slowly.message() + b"abcde"


def test_a_packet_that_ends_anywhere_is_truncated():
    message = packet_slowly(False, "camera")
    for size in range(len(message)):
        for compiled in (True, False):
            assert read_packet(message[:size], compiled)[0] == (ENCAPSULATION if size < 4 else TRUNCATED)


@pytest.mark.parametrize("name", ["evt", "evt33", "", "EVT3", "evt3 ", "a" * 40])
def test_an_encoding_that_is_not_known(name):
    code, words = read_packet(packet_slowly(False, "", name=name))
    assert (code, words[packets.ENCODING]) == (0, -1)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.data())
def test_hostile_packets_are_never_read_beyond(noise, data):
    message = bytearray(packet_slowly(data.draw(st.booleans()), "ab") + noise)
    for _ in range(data.draw(st.integers(0, 6))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.sampled_from([0, 1, 127, 128, 255]))
    with np.errstate(over="ignore"):
        slow, fast = read_packet(bytes(message), False), read_packet(bytes(message))
    assert slow[0] == fast[0]
    assert np.array_equal(slow[1], fast[1])
    if slow[0] == 0:
        assert 0 <= slow[1][packets.BEGIN] <= slow[1][packets.BEGIN] + slow[1][packets.SIZE] <= len(message)
