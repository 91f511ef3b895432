"""Events in a sensor_msgs/msg/PointCloud2, read by compiled, bounded code.

Fields ``x``, ``y`` UINT16 [pixel], ``p`` UINT8 (not 0: brighter), ``t`` UINT32 [ns after header.stamp], in any order,
at any offset, with any other fields.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import load_u8, load_u16, load_u32, store_i64, store_u8, store_u16
from .cdr import MISSING, TRUNCATED, begin, get_stamp, get_u32, is_big, offset_after, offset_after_text

__all__ = ["BAD_LAYOUT", "EVENT_SCRATCH_WORDS", "parse_events"]

#: returned by `parse_events` if the layout of a cloud is not that of events, in addition to the codes of `cdr`
BAD_LAYOUT = -5
#: scratch memory of `parse_events` in int64 words: the stamp [ns]
EVENT_SCRATCH_WORDS = 1

_UINT8, _UINT16, _UINT32 = 2, 4, 6  # values of sensor_msgs/msg/PointField
_X, _Y, _P, _T = 120, 121, 112, 116  # the letters


@register_jitable
def parse_events(address, length, capacity, x, y, p, t, scratch):
    """Read the events of a serialized PointCloud2; all arguments are int64.

    address, length : the message, encapsulation included [bytes]
    capacity : most events to write; further ones are only counted
    x, y, p, t : addresses of uint16[capacity], uint16[capacity], uint8[capacity], int64[capacity] (t = stamp + t, ns)
    scratch : int64[EVENT_SCRATCH_WORDS]: the stamp [ns]

    Returns the number of events in the message, which may exceed ``capacity``; or ENCAPSULATION, TRUNCATED, MISSING (a
    field) or BAD_LAYOUT, which are negative: then only ``scratch`` is written.
    """
    store_i64(scratch, -1)
    o = begin(address, length)
    if o < 0:
        return o
    big, base, end = is_big(address), address + 4, length - 4
    o = offset_after_text(base, offset_after(o, 4, 8, end), end, big)  # stamp, frame_id
    o = offset_after(o, 4, 12, end)  # height, width, number of fields
    if o < 0:
        return o
    rows, columns = get_u32(base + o - 12, big), get_u32(base + o - 8, big)
    o, at_x, at_y, at_p, at_t, good = _layout(base, o, get_u32(base + o - 4, big), end, big)
    flag = offset_after(o, 1, 1, end)  # is_bigendian
    o = offset_after(flag, 4, 12, end)  # point_step, row_step, bytes of the data
    if o < 0:
        return o
    step, row_step, size = get_u32(base + o - 12, big), get_u32(base + o - 8, big), get_u32(base + o - 4, big)
    if size + 1 > end - o:  # the data and is_dense
        return np.int64(TRUNCATED)
    stamp = get_stamp(base, big)
    if rows > 0 and columns > 0:
        if min(at_x, at_y, at_p, at_t) < 0:
            return np.int64(MISSING)
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
    """The PointFields at the cursor -> the cursor after them, the offsets of x, y, p and t in a point (-1: missing)
    [bytes], and whether they have the types of events."""
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
    """The PointField at the cursor -> the cursor after it, its name if that is one letter (otherwise 0), its offset
    in a point [bytes], and the type of its number (0 if it has several)."""
    name = ((o + 3) & -4) + 4
    behind_name = offset_after_text(base, o, end, big)
    typed = offset_after(behind_name, 4, 5, end)  # offset, datatype
    o = offset_after(typed, 4, 4, end)  # count
    if o < 0:
        return o, np.int64(0), np.int64(0), np.int64(0)
    one_letter = behind_name - name == 2 and load_u8(base + name + 1) == 0
    letter = load_u8(base + name) if one_letter else np.int64(0)
    kind = load_u8(base + typed - 1) if get_u32(base + o - 4, big) == 1 else np.int64(0)
    return o, letter, get_u32(base + typed - 5, big), kind


@register_jitable
def _copy(event, step, n, stamp, at_x, at_y, at_p, at_t, x, y, p, t):
    """Write the ``n`` events from the address ``event`` on, ``step`` bytes apart."""
    for k in range(n):
        store_u16(x + 2 * k, load_u16(event + at_x))
        store_u16(y + 2 * k, load_u16(event + at_y))
        store_u8(p + k, 1 if load_u8(event + at_p) != 0 else 0)
        store_i64(t + 8 * k, stamp + load_u32(event + at_t))
        event += step
