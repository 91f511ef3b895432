"""dvs_msgs/msg/EventArray and prophesee_event_msgs/msg/EventArray, read by compiled, bounded code.

Fields: header, uint32 height, uint32 width, Event[] events; an Event is uint16 x, uint16 y, builtin_interfaces/Time ts,
bool polarity. In CDR each field is aligned to its own size, counted from byte 4: the times stand 16 bytes apart; x and
y stand 4 bytes before the time in the first event, and 6 bytes before it in all others.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import i64, load_u8, store_i64, store_u8, store_u16
from .cdr import TRUNCATED, begin, behind, behind_text, get_time, get_u16, get_u32, is_big
from .packets import HEIGHT, STAMP, WIDTH

__all__ = ["ARRAY_TYPES", "ARRAY_WORDS", "parse_event_array"]

ARRAY_TYPES = ("dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray")

#: what `parse_event_array` writes beside the events: STAMP, HEIGHT, WIDTH, as of a packet
ARRAY_WORDS = 3


@register_jitable
def parse_event_array(address, length, capacity, x, y, p, t, words):
    """Read the events of a serialized EventArray; all arguments are int64.

    address, length : the message, encapsulation included [bytes]
    capacity : most events to write; those after it are counted only
    x, y, p, t : addresses of uint16[capacity], uint16[capacity], uint8[capacity], int64[capacity] (t in ns)
    words : address of int64[ARRAY_WORDS]

    Returns the number of events in the message, which may exceed ``capacity``; or ENCAPSULATION or TRUNCATED, and then
    nothing was written to the columns.
    """
    o = begin(address, length)
    if o < 0:
        return o
    big, base, end = is_big(address), address + 4, length - 4
    o = behind(behind_text(base, behind(o, 4, 8, end), end, big), 4, 12, end)  # stamp, frame_id; sides, count
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
