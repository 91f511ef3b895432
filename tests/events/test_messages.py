"""EventPacket and EventArray as CDR bytes: against a slow encoder that only aligns fields, and with hostile bytes."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.engine.compile import compile_function
from snn_control.events import open_recording, packets
from snn_control.events.cdr import ENCAPSULATION, TRUNCATED
from snn_control.events.codecs import ENCODINGS
from snn_control.events.packets import (
    ARRAY_TYPES,
    ARRAY_WORDS,
    HEIGHT,
    STAMP,
    WIDTH,
    parse_event_array,
)
from tests.events.recordings import same, some_events, told, write_db3
from tests.guarded import Guarded


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


class Reader:
    """Fields of a message one after the other, as `Cdr` puts them; struct.error where it ends too early."""

    def __init__(self, message):
        self.order, self.body, self.at = ">" if message[1] == 0 else "<", message[4:], 0

    def get(self, kinds):
        found = []
        for kind in kinds:
            self.at += -self.at % struct.calcsize(kind)
            found += struct.unpack_from(self.order + kind, self.body, self.at)
            self.at += struct.calcsize(kind)
        return found

    def bytes(self):
        (length,) = self.get("I")
        found = struct.unpack_from(f"{length}s", self.body, self.at)[0]
        self.at += length
        return found


def read_slowly(message, read):
    """The result of ``read`` on a `Reader` of the message, or the code of the failure."""
    if len(message) < 4 or message[0] != 0 or message[1] > 1:
        return ENCAPSULATION
    try:
        return read(Reader(message))
    except struct.error:
        return TRUNCATED


def array_slowly(reader):
    """Rows t, x, y, p of an event array."""
    reader.get("iI"), reader.bytes()
    _, _, count = reader.get("III")
    rows = []
    for _ in range(count):
        x, y, seconds, ns, on = reader.get("HHiIB")
        rows.append((seconds * 10**9 + ns, x, y, int(on != 0)))
    return rows


def parse(message, room=1000):
    """What the reader returns of a message at the end of its memory, the events that it wrote and the words."""
    t, x, y, p = columns = [np.full(room, -7, np.int64), *(np.zeros(room, d) for d in (np.uint16, np.uint16, np.uint8))]
    words, memory = np.zeros(ARRAY_WORDS, np.int64), Guarded(len(message))
    function = compile_function(parse_event_array, f"int64({','.join(['int64'] * 8)})")
    addresses = (column.ctypes.data for column in (x, y, p, t, words))
    return function(memory.put(message), len(message), room, *addresses), columns, words


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
        found, columns, _ = parse(message[:size])
        assert found == (ENCAPSULATION if size < 4 else TRUNCATED)
        assert (columns[0] == -7).all()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 3), st.data())
def test_hostile_bytes_are_never_read_beyond(noise, n, data):
    message = bytearray(array_cdr(some_events(n, unit="ns")) + noise)
    for _ in range(data.draw(st.integers(0, 6))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.sampled_from([0, 1, 127, 128, 255]))
    slow, (found, columns, _) = read_slowly(bytes(message), array_slowly), parse(bytes(message), 8)
    if isinstance(slow, int):
        assert found == slow
        return
    assert found == len(slow)
    assert list(zip(*(column[: min(found, 8)].tolist() for column in columns), strict=True)) == slow[:8]


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


def read_packet(message):
    """What the reader returns of a message at the end of its memory, and the words."""
    words, memory = np.zeros(packets.PACKET_WORDS, np.int64), Guarded(len(message))
    function = compile_function(packets.parse_packet, "int64(int64,int64,int64)")
    return function(memory.put(message), len(message), words.ctypes.data), words


def words_slowly(reader):
    """The words of a packet but NAME, and the name of its encoding."""
    seconds, ns = reader.get("iI")
    reader.bytes()
    height, width, seq, base = reader.get("IIqq")
    name, (big,) = reader.bytes(), reader.get("B")
    at = reader.at + -reader.at % 4 + 8
    size = len(reader.bytes())
    return [seconds * 10**9 + ns, height, width, seq, base, big, at, size], name


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("frame", ["", "a", "ab", "abc", "abcdefg"])
def test_a_packet_in_every_alignment(big, frame):
    message = packet_slowly(big, frame)
    code, words = read_packet(message)
    assert code == 0
    assert words[packets.STAMP] == -2 * 10**9 + 9
    sides = [words[k] for k in (packets.WIDTH, packets.HEIGHT, packets.SEQ, packets.TIME_BASE)]
    assert sides == [640, 480, 2**40, 2**50]
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
        assert read_packet(message[:size])[0] == (ENCAPSULATION if size < 4 else TRUNCATED)


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
    slow, (code, words) = read_slowly(bytes(message), words_slowly), read_packet(bytes(message))
    if isinstance(slow, int):
        assert code == slow
        return
    assert code == 0
    assert np.delete(words, [packets.ENCODING, packets.NAME]).tolist() == slow[0]
    number = words[packets.ENCODING]
    known = slow[1].rstrip(b"\0").decode("latin-1") if slow[1].endswith(b"\0") and len(slow[1]) <= 16 else ""
    assert number == (ENCODINGS.index(known) if known in ENCODINGS else -1)
    assert words[packets.BEGIN] + words[packets.SIZE] <= len(message)
