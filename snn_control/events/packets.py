"""Messages of event cameras as CDR bytes, read by compiled, bounded code; packets are written too.

event_camera_msgs/msg/EventPacket, in older bags event_array_msgs/msg/EventArray: header, uint32 height, uint32 width,
uint64 seq, uint64 time_base [ns], string encoding, bool is_bigendian, uint8[] events.

dvs_msgs/msg/EventArray and prophesee_event_msgs/msg/EventArray: header, uint32 height, uint32 width, Event[] events;
an Event is uint16 x, uint16 y, builtin_interfaces/Time ts, bool polarity.
"""

from __future__ import annotations

import struct

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import i64, load_u8, store_i64, store_u8, store_u16
from .cdr import (
    TRUNCATED,
    begin,
    get_i64,
    get_time,
    get_u16,
    get_u32,
    is_big,
    offset_after,
    offset_after_text,
    word_number,
)
from .codecs import ENCODINGS

__all__ = [
    "ARRAY_TYPES", "ARRAY_WORDS", "PACKET_TYPES", "PACKET_WORDS", "packet_cdr", "parse_event_array", "parse_packet",
    "payload",
]  # fmt: skip

ARRAY_TYPES = ("dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray")
PACKET_TYPES = ("event_camera_msgs/msg/EventPacket", "event_array_msgs/msg/EventArray")

#: written by `parse_packet`: stamp [ns], height, width, seq, time_base [ns], number of the encoding in ENCODINGS (-1:
#: unknown), whether the events are big endian, offset of the events in the message, their bytes, offset of the name
#: of the encoding
STAMP, HEIGHT, WIDTH, SEQ, TIME_BASE, ENCODING, BIG_ENDIAN, BEGIN, SIZE, NAME = range(10)
PACKET_WORDS = 10
#: written by `parse_event_array` in addition to the events: the first three of them
ARRAY_WORDS = 3

_NAMES = np.zeros((len(ENCODINGS), 16), np.uint8)  # each closed by a NUL
for _k, _name in enumerate(ENCODINGS):
    _NAMES[_k, : len(_name)] = np.frombuffer(_name.encode(), np.uint8)


@register_jitable
def encoding_number(address, size):
    """Index of a string in ENCODINGS, -1 if it is not in it; ``size`` counts the closing NUL."""
    return word_number(_NAMES, address, size)


@register_jitable
def parse_packet(address, length, words):
    """Read all but the events of a serialized packet; all arguments are int64.

    address, length : the message, encapsulation included [bytes]
    words : address of int64[PACKET_WORDS]

    Returns 0, or ENCAPSULATION or TRUNCATED for any other message.
    """
    o = begin(address, length)
    if o < 0:
        return o
    big, base, end = is_big(address), address + 4, length - 4
    header = offset_after_text(base, offset_after(o, 4, 8, end), end, big)  # stamp, frame_id
    sides = offset_after(header, 4, 8, end)
    clock = offset_after(sides, 8, 16, end)  # seq, time_base
    name = offset_after(clock, 4, 4, end)
    flag = offset_after(offset_after_text(base, clock, end, big), 1, 1, end)
    data = offset_after(flag, 4, 4, end)
    if data < 0:
        return data
    out = i64(words, PACKET_WORDS)
    out[STAMP] = get_time(base, big)
    out[HEIGHT], out[WIDTH] = get_u32(base + sides - 8, big), get_u32(base + sides - 4, big)
    out[SEQ], out[TIME_BASE] = get_i64(base + clock - 16, big), get_i64(base + clock - 8, big)
    out[ENCODING], out[NAME] = encoding_number(base + name, get_u32(base + name - 4, big)), name + 4
    out[BIG_ENDIAN] = load_u8(base + flag - 1)
    out[BEGIN], out[SIZE] = data + 4, get_u32(base + data - 4, big)
    return min(offset_after(data, 1, out[SIZE], end), 0)


@register_jitable
def parse_event_array(address, length, capacity, x, y, p, t, words):
    """Read the events of a serialized EventArray; all arguments are int64.

    In CDR its events' times are 16 bytes apart; x and y are 4 bytes before the time in the first event, and 6 bytes
    before it in all others.

    address, length : the message, encapsulation included [bytes]
    capacity : most events to write; further ones are only counted
    x, y, p, t : addresses of uint16[capacity], uint16[capacity], uint8[capacity], int64[capacity] (t in ns)
    words : address of int64[ARRAY_WORDS]

    Returns the number of events in the message, which may exceed ``capacity``; or ENCAPSULATION or TRUNCATED, and then
    nothing was written to the columns.
    """
    o = begin(address, length)
    if o < 0:
        return o
    big, base, end = is_big(address), address + 4, length - 4
    header = offset_after_text(base, offset_after(o, 4, 8, end), end, big)  # stamp, frame_id
    o = offset_after(header, 4, 12, end)  # sides, count
    if o < 0:
        return o
    count = get_u32(base + o - 4, big)
    if count > 0 and 16 * count - 3 > end - o:
        return np.int64(TRUNCATED)
    out = i64(words, ARRAY_WORDS)
    out[STAMP] = get_time(base, big)
    out[HEIGHT], out[WIDTH] = get_u32(base + o - 12, big), get_u32(base + o - 8, big)
    for k in range(min(count, capacity)):
        time = base + o + 16 * k + 4
        begins = time - 6 if k > 0 else time - 4  # the first follows a uint32, the others a bool
        store_u16(x + 2 * k, get_u16(begins, big))
        store_u16(y + 2 * k, get_u16(begins + 2, big))
        store_u8(p + k, 1 if load_u8(time + 8) != 0 else 0)
        store_i64(t + 8 * k, get_time(time, big))
    return count


def payload(message: bytes, words: np.ndarray) -> np.ndarray:
    """The bytes of the events in a message that `parse_packet` has read into ``words``."""
    return np.frombuffer(message, np.uint8)[words[BEGIN] : words[BEGIN] + words[SIZE]]


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
    """A serialized EventPacket with encoded events, for ``publisher.publish`` or a bag."""

    def string(text: str) -> bytes:
        raw = text.encode() + b"\0"
        return struct.pack("<I", len(raw)) + raw

    body = struct.pack("<iI", *divmod(stamp_ns, 1_000_000_000)) + string(frame_id)
    body += b"\0" * (-len(body) % 4) + struct.pack("<II", height, width)
    body += b"\0" * (-len(body) % 8) + struct.pack("<QQ", seq, time_base) + string(encoding) + b"\0"
    body += b"\0" * (-len(body) % 4) + struct.pack("<I", len(events)) + events
    return b"\0\1\0\0" + body
