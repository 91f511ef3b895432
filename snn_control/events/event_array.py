"""dvs_msgs/msg/EventArray and prophesee_event_msgs/msg/EventArray, read by compiled, bounded code.

Fields: header, uint32 height, uint32 width, Event[] events; an Event is uint16 x, uint16 y, builtin_interfaces/Time ts,
bool polarity. In CDR each field is aligned to its own size, counted from byte 4: the times stand 16 bytes apart; x and
y stand 4 bytes before the time in the first event, and 6 bytes before it in all others.
"""

from __future__ import annotations

from numba.extending import register_jitable

from .cdr import TRUNCATED
from .packets import HEIGHT, STAMP, WIDTH, header_end, time_at, unsigned

__all__ = ["ARRAY_TYPES", "ARRAY_WORDS", "parse_event_array"]

ARRAY_TYPES = ("dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray")

#: what `parse_event_array` writes beside the events: STAMP, HEIGHT, WIDTH, as of a packet
ARRAY_WORDS = 3


@register_jitable
def parse_event_array(message, t, x, y, p, out):
    """Read the events of a serialized EventArray.

    message : (n,) uint8, encapsulation included
    t, x, y, p : int64 [ns], uint16, uint16, uint8, of equal length; events beyond it are counted only
    out : (ARRAY_WORDS,) int64

    Returns the number of events in the message, which may exceed the columns; or ENCAPSULATION or TRUNCATED, and then
    nothing was written to the columns.
    """
    at, end = header_end(message), message.size
    if at < 0:
        return at
    big = message[1] == 0
    if at + 12 > end:
        return TRUNCATED
    out[STAMP] = time_at(message, 4, big)
    out[HEIGHT], out[WIDTH] = unsigned(message, at, 4, big), unsigned(message, at + 4, 4, big)
    count, at = unsigned(message, at + 8, 4, big), at + 12
    if count > end or (count > 0 and at + 16 * count - 3 > end):
        return TRUNCATED
    for k in range(min(count, t.size)):
        here = at + 16 * k
        begin = here - 2 if k > 0 else here  # the first follows a uint32, the others a bool
        x[k], y[k] = unsigned(message, begin, 2, big), unsigned(message, begin + 2, 2, big)
        t[k] = time_at(message, here + 4, big)
        p[k] = 1 if message[here + 12] != 0 else 0
    return count
