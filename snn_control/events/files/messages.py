"""Read the events in the messages of a bag's topic: EventPacket, EventArray or PointCloud2.

A problem in a message increases a counter, and raises no error.
"""

from __future__ import annotations

from collections.abc import MutableMapping

import numpy as np

from ...engine.compile import compile_function
from .. import packets
from ..codecs import ENCODINGS
from ..columns import NANOSECONDS, empty_columns
from ..decoder import Decoder
from ..packets import ARRAY_TYPES, HEIGHT, PACKET_TYPES, PACKET_WORDS, WIDTH

__all__ = ["CLOUD_TYPE", "EVENT_TYPES", "MessageReader", "reader_of"]

CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
EVENT_TYPES = (CLOUD_TYPE, *PACKET_TYPES, *ARRAY_TYPES)

Counts = MutableMapping[str, int]
Columns = tuple[np.ndarray, ...]


class MessageReader:
    """Reads the events of a topic's messages, in order.

    counts : counters of problems, which the reader increases: name of a problem -> count
    width, height : size of the sensor [pixel]; None or 0: use the size in the messages

    The attribute ``size`` is (width, height) of the sensor, from these arguments or from the newest message. It is None
    if the size is not known.
    """

    encoding, unit = "", "ns"

    def __init__(self, counts: Counts, width: int | None = None, height: int | None = None) -> None:
        self.counts, self._given = counts, (width, height)
        self.decoders: dict[str, Decoder] = {}  # for packets, by encoding
        self._words = np.zeros(PACKET_WORDS, np.int64)
        self._address = self._words.ctypes.data  # computing it takes as long as reading a header

    @property
    def size(self) -> tuple[int | None, int | None]:
        said = (int(self._words[WIDTH]), int(self._words[HEIGHT]))
        width, height = (own or (side if 0 < side < 1 << 16 else None) for own, side in zip(self._given, said))
        return width, height

    def read(self, message: bytes) -> Columns | None:
        """Return the events of a message as columns t, x, y, p; for a malformed message, count it and return None."""
        columns = self._columns(message, np.frombuffer(message, np.uint8))
        if columns is None:
            self._count("malformed", 1)
        return columns

    def _count(self, name: str, n: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + n

    def _columns(self, message: bytes, raw: np.ndarray) -> Columns | None:
        raise NotImplementedError


class PacketReader(MessageReader):
    """Reads EventPackets, with one decoder for each encoding; the decoder's state continues from packet to packet.

    If the encoding changes, times are converted to the unit of the first encoding. Packets with an unknown encoding
    count as malformed, and the attribute ``unknown`` is the name of the first unknown encoding.
    """

    _seq: int | None = None
    _newest = unknown = ""

    def _columns(self, message: bytes, raw: np.ndarray) -> Columns | None:
        words = self._words
        parse = compile_function(packets.parse_packet, "int64(int64,int64,int64)")
        if parse(raw.ctypes.data, len(raw), self._address) < 0:
            return None
        if words[packets.ENCODING] < 0:
            name = message[words[packets.NAME] :].partition(b"\0")[0]
            self.unknown = self.unknown or name[:80].decode("latin-1")
            return None
        self._number(int(words[packets.SEQ]) & (1 << 64) - 1)
        decoder = self._decoder(ENCODINGS[words[packets.ENCODING]])
        data, big = packets.payload(message, words), bool(words[packets.BIG_ENDIAN])
        events = decoder.decode(data, int(words[packets.TIME_BASE]), big)
        t = events.t if events.unit == self.unit else events.ns // NANOSECONDS[self.unit]
        return t, events.x, events.y, events.p

    def _number(self, seq: int) -> None:
        """Count the packets that are missing before this packet. Count a packet with a lower number as reordered.

        seq : sequence number of this packet
        """
        if self._seq is not None and (seq or self._seq):  # always 0 if a driver does not number them
            if seq > self._seq:
                self._count("gaps", seq - self._seq - 1)
            else:
                self._count("reordered", 1)
        self._seq = seq

    def _decoder(self, name: str) -> Decoder:
        if self.encoding and name != self._newest:
            self._count("encoding_changes", 1)
        self._newest = name
        if name not in self.decoders:
            self.decoders[name] = Decoder(name, *self.size)
            self.encoding = "+".join(self.decoders)
            self.unit = next(iter(self.decoders.values())).codec.unit
        return self.decoders[name]


class EventsReader(MessageReader):
    """Reads EventArrays of dvs_msgs and prophesee_event_msgs, and PointCloud2.

    PointCloud2 messages do not contain the size of the sensor.
    """

    def _columns(self, message: bytes, raw: np.ndarray) -> Columns | None:
        n = self._parse(raw, empty_columns(0))
        columns = empty_columns(max(n, 0))
        return columns if self._parse(raw, columns) >= 0 else None

    def _parse(self, raw: np.ndarray, columns: Columns) -> int:
        """Write the events of a message to the columns, as many as fit.

        Return the number of events in the message, or a negative error code.
        """
        parse = packets.parse_events if self.encoding == CLOUD_TYPE else packets.parse_event_array
        t, x, y, p = (column.ctypes.data for column in columns)
        arguments = (raw.ctypes.data, len(raw), len(columns[0]), x, y, p, t, self._address)
        return compile_function(parse, f"int64({','.join(['int64'] * 8)})")(*arguments)


def reader_of(kind: str, counts: Counts, width: int | None = None, height: int | None = None) -> MessageReader:
    """Return the reader for messages of the type ``kind``, one of `EVENT_TYPES`.

    `MessageReader` describes the other arguments.
    """
    if kind in PACKET_TYPES:
        return PacketReader(counts, width, height)
    reader = EventsReader(counts, width, height)
    reader.encoding = kind
    return reader
