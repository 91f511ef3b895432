"""Read the serialized messages of event cameras in compiled code, and write event packets.

These message types are read:

event_camera_msgs/msg/EventPacket, which older bags call event_array_msgs/msg/EventArray: header, uint32 height, uint32
width, uint64 seq, uint64 time_base [ns], string encoding, bool is_bigendian, uint8[] events.

dvs_msgs/msg/EventArray and prophesee_event_msgs/msg/EventArray: header, uint32 height, uint32 width, Event[] events;
an Event is uint16 x, uint16 y, builtin_interfaces/Time ts, bool polarity.

sensor_msgs/msg/PointCloud2 with fields ``x``, ``y`` UINT16 [pixel], ``p`` UINT8 (not 0: brighter), ``t`` UINT32 [ns
after header.stamp], in any order, at any offset, with any other fields.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import i64, load_u8, load_u16, load_u32, store_i64, store_u8, store_u16
from . import cdr
from .codecs import ENCODINGS

__all__ = [
    "ARRAY_TYPES", "ARRAY_WORDS", "BAD_LAYOUT", "EVENT_SCRATCH_WORDS", "PACKET_TYPES", "PACKET_WORDS", "packet_cdr",
    "parse_event_array", "parse_events", "parse_packet", "payload",
]  # fmt: skip

ARRAY_TYPES = ("dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray")
PACKET_TYPES = ("event_camera_msgs/msg/EventPacket", "event_array_msgs/msg/EventArray")

#: written by `parse_packet`: stamp [ns], height, width, seq, time_base [ns], number of the encoding in ENCODINGS (-1:
#: unknown), whether the events are big endian, offset of the events in the message, their bytes, offset of the name
#: of the encoding
STAMP, HEIGHT, WIDTH, SEQ, TIME_BASE, ENCODING, BIG_ENDIAN, BEGIN, SIZE, NAME = range(10)
PACKET_WORDS = 10
#: written by `parse_event_array` in addition to the events: the first three of these words
ARRAY_WORDS = 3
#: returned by `parse_events`, in addition to the codes of `cdr`, if the layout of a cloud is not that of events
BAD_LAYOUT = -5
#: scratch memory of `parse_events` in int64 words: the stamp [ns]
EVENT_SCRATCH_WORDS = 1

_UINT8, _UINT16, _UINT32 = 2, 4, 6  # values of sensor_msgs/msg/PointField
_X, _Y, _P, _T = 120, 121, 112, 116  # the letters
_NAMES = np.zeros((len(ENCODINGS), 16), np.uint8)  # each closed by a NUL
for _k, _name in enumerate(ENCODINGS):
    _NAMES[_k, : len(_name)] = np.frombuffer(_name.encode(), np.uint8)


@register_jitable
def encoding_number(address, size):
    """Return the index in ENCODINGS of an encoding's name in a message; -1 if the encoding is unknown.

    address : address of the name
    size : number of bytes of the name, with the closing NUL
    """
    return cdr.word_number(_NAMES, address, size)


@register_jitable
def parse_packet(address, length, words):
    """Read all fields except the events of a serialized EventPacket. All arguments are int64.

    address : address of the message
    length : number of bytes of the message, including the encapsulation
    words : address of int64[PACKET_WORDS], to which the fields are written

    Return 0 or, if the message is malformed, ENCAPSULATION or TRUNCATED.
    """
    o = cdr.begin(address, length)
    if o < 0:
        return o
    big, base, end = cdr.is_big(address), address + 4, length - 4
    header = cdr.offset_after_text(base, cdr.offset_after(o, 4, 8, end), end, big)  # stamp, frame_id
    sides = cdr.offset_after(header, 4, 8, end)
    clock = cdr.offset_after(sides, 8, 16, end)  # seq, time_base
    name = cdr.offset_after(clock, 4, 4, end)
    flag = cdr.offset_after(cdr.offset_after_text(base, clock, end, big), 1, 1, end)
    data = cdr.offset_after(flag, 4, 4, end)
    if data < 0:
        return data
    out = i64(words, PACKET_WORDS)
    out[STAMP] = cdr.get_time(base, big)
    out[HEIGHT], out[WIDTH] = cdr.get_u32(base + sides - 8, big), cdr.get_u32(base + sides - 4, big)
    out[SEQ], out[TIME_BASE] = cdr.get_i64(base + clock - 16, big), cdr.get_i64(base + clock - 8, big)
    out[ENCODING], out[NAME] = encoding_number(base + name, cdr.get_u32(base + name - 4, big)), name + 4
    out[BIG_ENDIAN] = load_u8(base + flag - 1)
    out[BEGIN], out[SIZE] = data + 4, cdr.get_u32(base + data - 4, big)
    return min(cdr.offset_after(data, 1, out[SIZE], end), 0)


@register_jitable
def parse_event_array(address, length, capacity, x, y, p, t, words):
    """Read the events of a serialized EventArray. All arguments are int64.

    In CDR the times of the events are 16 bytes apart. In the first event, x and y are 4 bytes before the time; in all
    other events, they are 6 bytes before it.

    address : address of the message
    length : number of bytes of the message, including the encapsulation
    capacity : maximum number of events to write; further events are only counted
    x, y, p, t : addresses of uint16[capacity], uint16[capacity], uint8[capacity], int64[capacity] (t in ns)
    words : address of int64[ARRAY_WORDS], to which the other fields are written

    Return the number of events in the message, which may exceed ``capacity``. If the message is malformed, write
    nothing to the columns, and return ENCAPSULATION or TRUNCATED.
    """
    o = cdr.begin(address, length)
    if o < 0:
        return o
    big, base, end = cdr.is_big(address), address + 4, length - 4
    header = cdr.offset_after_text(base, cdr.offset_after(o, 4, 8, end), end, big)  # stamp, frame_id
    o = cdr.offset_after(header, 4, 12, end)  # sides, count
    if o < 0:
        return o
    count = cdr.get_u32(base + o - 4, big)
    if count > 0 and 16 * count - 3 > end - o:
        return np.int64(cdr.TRUNCATED)
    out = i64(words, ARRAY_WORDS)
    out[STAMP] = cdr.get_time(base, big)
    out[HEIGHT], out[WIDTH] = cdr.get_u32(base + o - 12, big), cdr.get_u32(base + o - 8, big)
    for k in range(min(count, capacity)):
        time = base + o + 16 * k + 4
        begins = time - 6 if k > 0 else time - 4  # the first follows a uint32, the others a bool
        store_u16(x + 2 * k, cdr.get_u16(begins, big))
        store_u16(y + 2 * k, cdr.get_u16(begins + 2, big))
        store_u8(p + k, 1 if load_u8(time + 8) != 0 else 0)
        store_i64(t + 8 * k, cdr.get_time(time, big))
    return count


def payload(message: bytes, words: np.ndarray) -> np.ndarray:
    """Return the encoded events of a serialized EventPacket, (n,) uint8.

    words : the words that `parse_packet` wrote for this packet
    """
    return np.frombuffer(message, np.uint8)[words[BEGIN] : words[BEGIN] + words[SIZE]]


def packet_cdr(
    events: bytes, encoding: str, width: int, height: int, seq: int, stamp_ns: int, time_base: int = 0,
    frame_id: str = "",
) -> bytes:  # fmt: skip
    """Return a serialized EventPacket, to pass to ``publisher.publish`` or to write to a bag.

    events : the encoded events
    encoding : name of the encoding
    width, height : size of the sensor [pixel]
    seq : sequence number of the packet
    stamp_ns : stamp of the header [ns]
    time_base : time base of the events [ns]
    """

    def string(text: str) -> bytes:
        raw = text.encode() + b"\0"
        return struct.pack("<I", len(raw)) + raw

    body = struct.pack("<iI", *divmod(stamp_ns, 1_000_000_000)) + string(frame_id)
    body += b"\0" * (-len(body) % 4) + struct.pack("<II", height, width)
    body += b"\0" * (-len(body) % 8) + struct.pack("<QQ", seq, time_base) + string(encoding) + b"\0"
    body += b"\0" * (-len(body) % 4) + struct.pack("<I", len(events)) + events
    return b"\0\1\0\0" + body


@register_jitable
def parse_events(address, length, capacity, x, y, p, t, scratch):
    """Read the events of a serialized PointCloud2. All arguments are int64.

    address : address of the message
    length : number of bytes of the message, including the encapsulation
    capacity : maximum number of events to write; further events are only counted
    x, y, p, t : addresses of uint16[capacity], uint16[capacity], uint8[capacity], int64[capacity] (t = stamp + t, ns)
    scratch : address of int64[EVENT_SCRATCH_WORDS], to which the stamp [ns] is written

    Return the number of events in the message, which may exceed ``capacity``. If the message is malformed, write only
    to ``scratch``, and return a negative code: ENCAPSULATION, TRUNCATED, MISSING (a field is missing) or BAD_LAYOUT.
    """
    store_i64(scratch, -1)
    o = cdr.begin(address, length)
    if o < 0:
        return o
    big, base, end = cdr.is_big(address), address + 4, length - 4
    o = cdr.offset_after_text(base, cdr.offset_after(o, 4, 8, end), end, big)  # stamp, frame_id
    o = cdr.offset_after(o, 4, 12, end)  # height, width, number of fields
    if o < 0:
        return o
    rows, columns = cdr.get_u32(base + o - 12, big), cdr.get_u32(base + o - 8, big)
    o, at_x, at_y, at_p, at_t, good = _layout(base, o, cdr.get_u32(base + o - 4, big), end, big)
    flag = cdr.offset_after(o, 1, 1, end)  # is_bigendian
    o = cdr.offset_after(flag, 4, 12, end)  # point_step, row_step, bytes of the data
    if o < 0:
        return o
    step, row_step = cdr.get_u32(base + o - 12, big), cdr.get_u32(base + o - 8, big)
    size = cdr.get_u32(base + o - 4, big)
    if size + 1 > end - o:  # the data and is_dense
        return np.int64(cdr.TRUNCATED)
    stamp = cdr.get_stamp(base, big)
    if rows > 0 and columns > 0:
        if min(at_x, at_y, at_p, at_t) < 0:
            return np.int64(cdr.MISSING)
        good = good and load_u8(base + flag - 1) == 0 and max(at_x + 2, at_y + 2, at_p + 1, at_t + 4) <= step
        # the last point of the last row is within the data
        if not good or columns * step > row_step or row_step > size or rows > size // row_step:
            return np.int64(BAD_LAYOUT)
        first, left = base + o, min(rows * columns, capacity)
        for row in range(rows):
            n = min(columns, left)
            _copy(first + row * row_step, step, n, stamp, at_x, at_y, at_p, at_t, x, y, p, t)
            x, y, p, t, left = x + 2 * n, y + 2 * n, p + n, t + 8 * n, left - n
            if left == 0:
                break
    store_i64(scratch, stamp)
    return rows * columns


@register_jitable
def _layout(base, o, fields, end, big):
    """Read the list of PointFields at the cursor ``o``.

    Return six values: the cursor after the list, four offsets, and whether x, y, p and t have the types that events
    need. The offsets are those of x, y, p and t in a point [bytes]; -1: the field is missing.
    """
    x = y = p = t = np.int64(-1)
    good: Any = True
    for _ in range(fields):
        o, letter, offset, kind = _field(base, o, end, big)
        if o < 0:
            break
        if letter == _X:
            good, x = good and x < 0 and kind == _UINT16, offset
        elif letter == _Y:
            good, y = good and y < 0 and kind == _UINT16, offset
        elif letter == _P:
            good, p = good and p < 0 and kind == _UINT8, offset
        elif letter == _T:
            good, t = good and t < 0 and kind == _UINT32, offset
    return o, x, y, p, t, good


@register_jitable
def _field(base, o, end, big):
    """Read one PointField at the cursor ``o``.

    Return four values:

    - cursor after the field
    - name of the field as a character code; 0 if the name is longer than one letter
    - offset of the field in a point [bytes]
    - type of the field's number; 0 if the field has several numbers
    """
    name = ((o + 3) & -4) + 4
    behind_name = cdr.offset_after_text(base, o, end, big)
    typed = cdr.offset_after(behind_name, 4, 5, end)  # offset, datatype
    o = cdr.offset_after(typed, 4, 4, end)  # count
    if o < 0:
        return o, np.int64(0), np.int64(0), np.int64(0)
    one_letter = behind_name - name == 2 and load_u8(base + name + 1) == 0
    letter = load_u8(base + name) if one_letter else np.int64(0)
    kind = load_u8(base + typed - 1) if cdr.get_u32(base + o - 4, big) == 1 else np.int64(0)
    return o, letter, cdr.get_u32(base + typed - 5, big), kind


@register_jitable
def _copy(event, step, n, stamp, at_x, at_y, at_p, at_t, x, y, p, t):
    """Copy ``n`` events from a message to the columns t, x, y, p.

    event : address of the first event
    step : number of bytes from one event to the next
    stamp : time that is added to the time of each event [ns]
    at_x, at_y, at_p, at_t : byte offsets of the fields in an event
    x, y, p, t : addresses of the columns
    """
    for k in range(n):
        store_u16(x + 2 * k, load_u16(event + at_x))
        store_u16(y + 2 * k, load_u16(event + at_y))
        store_u8(p + k, 1 if load_u8(event + at_p) != 0 else 0)
        store_i64(t + 8 * k, stamp + load_u32(event + at_t))
        event += step
