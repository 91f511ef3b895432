"""Messages of one topic of a bag -> events: packets, arrays of events, clouds of events.

What goes wrong in a message is counted, never raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ...engine.compile import compile_function
from .. import packets
from ..clouds import EVENT_SCRATCH_WORDS, parse_events
from ..codecs import ENCODINGS, codec
from ..columns import NANOSECONDS, Events, empty_columns
from ..decoder import Decoder
from ..event_array import ARRAY_TYPES, ARRAY_WORDS, HEIGHT, WIDTH, parse_event_array
from ..packets import PACKET_TYPES, PACKET_WORDS, parse_packet

__all__ = ["CLOUD_TYPE", "EVENT_TYPES", "Jumps", "MessageReader", "encoding_of", "reader_of"]

CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
EVENT_TYPES = (CLOUD_TYPE, *PACKET_TYPES, *ARRAY_TYPES)

Count = Callable[[str, int], None]
Columns = tuple[np.ndarray, ...]


class MessageReader(Protocol):
    """Decodes the messages of a topic, one after the other."""

    encoding: str
    unit: str

    def read(self, log_time: int, message: bytes) -> Columns | None:
        """t, x, y, p of a message's events; None for a message that is malformed, which is counted."""

    def size(self) -> tuple[int | None, int | None]:
        """Width and height that the newest message says [pixel]."""


BYTES = "Array(uint8,1,'C',readonly=True)"
COLUMNS = "int64[::1],uint16[::1],uint16[::1],uint8[::1]"


def _known(side: int) -> int | None:
    return side if 0 < side < 1 << 16 else None


class Jumps:
    """Counts where the sensor's clock and the bag's clock part: steps back, and a second more or less at once."""

    FORWARD, BACK = 1_000_000_000, 1_000_000  # ns

    def __init__(self, count: Count) -> None:
        self.count = count
        self.before: tuple[int, int] | None = None

    def watch(self, log_time: int, first: int, last: int) -> None:
        """``first`` and ``last`` sensor time of a message that was logged at ``log_time`` [ns]."""
        if self.before is not None:
            step = first - self.before[1]
            if step < -self.BACK or abs(step - (log_time - self.before[0])) > self.FORWARD:
                self.count("jumps", 1)
        self.before = (log_time, last)


class PacketReader:
    """EventPackets; a decoder for each encoding, since its state lives from packet to packet.

    Times of an encoding other than the first one are brought to the unit of the first.
    """

    def __init__(self, count: Count, new_decoder: Callable[[str], Decoder]) -> None:
        self.count, self.new_decoder = count, new_decoder
        self.encoding, self.unit = "", "ns"
        self._decoders: dict[str, Decoder] = {}
        self._words = np.zeros(PACKET_WORDS, np.int64)
        self._seq: int | None = None
        self._newest = ""

    def size(self) -> tuple[int | None, int | None]:
        return _known(int(self._words[packets.WIDTH])), _known(int(self._words[packets.HEIGHT]))

    def read(self, log_time: int, message: bytes) -> Columns | None:
        words = self._words
        code = compile_function(parse_packet, f"int64({BYTES},int64[::1])")(np.frombuffer(message, np.uint8), words)
        if code < 0 or words[packets.ENCODING] < 0:
            self.count("malformed", 1)
            return None
        self._number(int(words[packets.SEQ]) & (1 << 64) - 1)
        decoder = self._decoder(ENCODINGS[words[packets.ENCODING]])
        data: bytes | np.ndarray = packets.payload(message, words)
        if words[packets.BIG_ENDIAN]:
            data = _swapped(data, decoder.codec.word)
        events = decoder.decode(data, int(words[packets.TIME_BASE]))
        return self._in_unit(events), events.x, events.y, events.p

    def _number(self, seq: int) -> None:
        """Count packets that are missing before this one, or that it comes after though it was sent earlier."""
        if self._seq is not None and (seq or self._seq):  # always 0: a driver that does not number them
            if seq > self._seq:
                self.count("gaps", seq - self._seq - 1)
            else:
                self.count("reordered", 1)
        self._seq = seq

    def _decoder(self, name: str) -> Decoder:
        if not self.encoding:
            self.encoding, self.unit = name, codec(name).unit
        elif name != self._newest:
            self.count("encoding_changes", 1)
        self._newest = name
        if name not in self._decoders:
            self._decoders[name] = self.new_decoder(name)
            if name not in self.encoding.split("+"):
                self.encoding += f"+{name}"
        return self._decoders[name]

    def _in_unit(self, events: Events) -> np.ndarray:
        if events.unit == self.unit:
            return events.t
        return events.ns // NANOSECONDS[self.unit]


def _swapped(data: bytes | np.ndarray, word: int) -> np.ndarray:
    """Big-endian words of ``word`` bytes as little-endian ones; bytes behind the last whole word stay."""
    raw = np.frombuffer(data, np.uint8)
    whole = len(raw) // word * word
    return np.concatenate([raw[:whole].view(f"<u{word}").byteswap().view(np.uint8), raw[whole:]])


class ArrayReader:
    """EventArrays of dvs_msgs and of prophesee_event_msgs."""

    unit = "ns"

    def __init__(self, count: Count, kind: str) -> None:
        self.count, self.encoding = count, kind
        self._words = np.zeros(ARRAY_WORDS, np.int64)

    def size(self) -> tuple[int | None, int | None]:
        return _known(int(self._words[WIDTH])), _known(int(self._words[HEIGHT]))

    def read(self, log_time: int, message: bytes) -> Columns | None:
        columns = empty_columns(len(message) // 16 + 1)
        parse = compile_function(parse_event_array, f"int64({BYTES},{COLUMNS},int64[::1])")
        n = parse(np.frombuffer(message, np.uint8), *columns, self._words)
        if n < 0:
            self.count("malformed", 1)
            return None
        t, x, y, p = columns
        return t[:n], x[:n], y[:n], p[:n]


class CloudReader:
    """PointCloud2 with x, y, p and t; it does not say how large the sensor is."""

    unit = "ns"
    encoding = CLOUD_TYPE

    def __init__(self, count: Count) -> None:
        self.count = count
        self._scratch = np.zeros(EVENT_SCRATCH_WORDS, np.int64)

    def size(self) -> tuple[int | None, int | None]:
        return None, None

    def read(self, log_time: int, message: bytes) -> Columns | None:
        n = self._parse(message, 0, empty_columns(0))
        if n < 0:
            self.count("malformed", 1)
            return None
        columns = empty_columns(n)
        self._parse(message, n, columns)
        return columns

    def _parse(self, message: bytes, room: int, columns: Columns) -> int:
        parse = compile_function(parse_events, f"int64({','.join(['int64'] * 8)})")
        t, x, y, p = (column.ctypes.data for column in columns)
        raw = np.frombuffer(message, np.uint8)
        return parse(raw.ctypes.data, len(raw), room, x, y, p, t, self._scratch.ctypes.data)


def reader_of(kind: str, count: Count, new_decoder: Callable[[str], Decoder]) -> MessageReader:
    """The reader of a message type of `EVENT_TYPES`."""
    if kind in PACKET_TYPES:
        return PacketReader(count, new_decoder)
    return CloudReader(count) if kind == CLOUD_TYPE else ArrayReader(count, kind)


def encoding_of(message: bytes) -> str:
    """Name of a packet's encoding as it stands there, known or not; empty where the message is malformed."""
    words = np.zeros(PACKET_WORDS, np.int64)
    raw = np.frombuffer(message, np.uint8)
    if compile_function(parse_packet, f"int64({BYTES},int64[::1])")(raw, words) < 0:
        return ""
    return message[words[packets.NAME] :].partition(b"\0")[0][:80].decode("latin-1")
