"""event_camera_msgs/msg/EventPacket as CDR bytes: the header read by compiled code, whole messages written.

Older bags call the same layout event_array_msgs/msg/EventArray. Fields: header, uint32 height, uint32 width,
uint64 seq, uint64 time_base [ns], string encoding, bool is_bigendian, uint8[] events.
"""

from __future__ import annotations

import struct

import numpy as np
from numba.extending import register_jitable

from .cdr import ENCAPSULATION, TRUNCATED
from .codecs import ENCODINGS

__all__ = ["PACKET_TYPES", "PACKET_WORDS", "packet_cdr", "parse_packet", "payload"]

PACKET_TYPES = ("event_camera_msgs/msg/EventPacket", "event_array_msgs/msg/EventArray")

#: what it writes: stamp [ns], height, width, seq, time_base [ns], number of the encoding in ENCODINGS (-1: unknown),
#: whether the events are big endian, where they begin [byte of the message], how many bytes, where the name of the
#: encoding begins
STAMP, HEIGHT, WIDTH, SEQ, TIME_BASE, ENCODING, BIG_ENDIAN, BEGIN, SIZE, NAME = range(10)
PACKET_WORDS = 10

LONGEST = 16
_NAMES = np.zeros((len(ENCODINGS), LONGEST), np.uint8)
for _k, _name in enumerate(ENCODINGS):
    _NAMES[_k, : len(_name)] = np.frombuffer(_name.encode(), np.uint8)


@register_jitable
def unsigned(message, at, size, big):
    """The unsigned integer of ``size`` bytes at byte ``at``, as int64: of 8 bytes from 2^63 on negative.

    big : big endian, else little endian
    """
    value = np.int64(0)
    for k in range(size):
        value = value << 8 | np.int64(message[at + (k if big else size - 1 - k)])
    return value


@register_jitable
def encoding_number(message, at, size):
    """Place of the string at ``at`` in ENCODINGS, -1 where it is none; ``size`` counts the closing NUL."""
    for k in range(_NAMES.shape[0]):
        same = 0 < size <= LONGEST
        for i in range(min(size, LONGEST)):
            same = same and message[at + i] == _NAMES[k, i]
        if same and (size == LONGEST or _NAMES[k, size] == 0) and message[at + size - 1] == 0:
            return k
    return -1


@register_jitable
def time_at(message, at, big):
    """builtin_interfaces/Time at byte ``at`` in ns; its seconds are signed."""
    seconds = unsigned(message, at, 4, big)
    seconds = seconds - (1 << 32) if seconds >= 1 << 31 else seconds
    return seconds * 1000000000 + unsigned(message, at + 4, 4, big)


@register_jitable
def header_end(message):
    """The first byte of a message behind its std_msgs/Header, at a multiple of 4; or ENCAPSULATION, TRUNCATED."""
    if message.size < 4 or message[0] != 0 or message[1] > 1:
        return ENCAPSULATION
    if message.size < 16:
        return TRUNCATED
    length = unsigned(message, 12, 4, message[1] == 0)  # of frame_id
    return 4 + ((12 + length + 3) & -4) if length <= message.size else TRUNCATED  # offsets count from byte 4


@register_jitable
def parse_packet(message, out):
    """Read all but the events of a serialized packet.

    message : (n,) uint8, encapsulation included
    out : (PACKET_WORDS,) int64

    Returns 0, or ENCAPSULATION or TRUNCATED for what is no such message.
    """
    at, end = header_end(message), message.size
    if at < 0:
        return at
    big = message[1] == 0
    if at + 8 > end:
        return TRUNCATED
    out[STAMP] = time_at(message, 4, big)
    out[HEIGHT], out[WIDTH] = unsigned(message, at, 4, big), unsigned(message, at + 4, 4, big)
    at = 4 + ((at - 4 + 8 + 7) & -8)
    if at + 20 > end:
        return TRUNCATED
    out[SEQ], out[TIME_BASE] = unsigned(message, at, 8, big), unsigned(message, at + 8, 8, big)
    length, at = unsigned(message, at + 16, 4, big), at + 20
    if length > end or at + length + 1 > end:
        return TRUNCATED
    out[ENCODING], out[NAME] = encoding_number(message, at, length), at
    out[BIG_ENDIAN] = message[at + length]
    at = 4 + ((at - 4 + length + 1 + 3) & -4)
    if at + 4 > end:
        return TRUNCATED
    out[BEGIN], out[SIZE] = at + 4, unsigned(message, at, 4, big)
    return 0 if out[BEGIN] + out[SIZE] <= end else TRUNCATED


def payload(message: bytes, out: np.ndarray) -> np.ndarray:
    """The events' bytes of a message that `parse_packet` read into ``out``."""
    return np.frombuffer(message, np.uint8)[out[BEGIN] : out[BEGIN] + out[SIZE]]


def packet_cdr(
    events: bytes,
    encoding: str,
    width: int,
    height: int,
    seq: int,
    stamp_ns: int,
    time_base: int = 0,
    frame_id: str = "",
) -> bytes:
    """A serialized EventPacket around encoded events, to be given to ``publisher.publish`` or written to a bag."""

    def string(text: str) -> bytes:
        raw = text.encode() + b"\0"
        return struct.pack("<I", len(raw)) + raw

    body = struct.pack("<iI", *divmod(stamp_ns, 1_000_000_000)) + string(frame_id)
    body += b"\0" * (-len(body) % 4) + struct.pack("<II", height, width)
    body += b"\0" * (-len(body) % 8) + struct.pack("<QQ", seq, time_base) + string(encoding) + b"\0"
    body += b"\0" * (-len(body) % 4) + struct.pack("<I", len(events)) + events
    return b"\0\1\0\0" + body
