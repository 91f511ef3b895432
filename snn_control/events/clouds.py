"""Events in a sensor_msgs/msg/PointCloud2, read by compiled, bounded code.

Fields ``x``, ``y`` UINT16 [pixel], ``p`` UINT8 (not 0: brighter), ``t`` UINT32 [ns after header.stamp], in any order,
at any offset, among others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import load_u8, load_u16, load_u32, store_i64, store_u8, store_u16
from .cdr import ENCAPSULATION, MISSING, TRUNCATED, get_stamp, get_u32

__all__ = ["BAD_LAYOUT", "EVENT_SCRATCH_WORDS", "parse_events", "parse_events_message"]

#: `parse_events` returns this for a cloud whose layout is not that of events, beside the codes of `cdr`
BAD_LAYOUT = -5
#: scratch memory of `parse_events` in int64 words: the stamp [ns]
EVENT_SCRATCH_WORDS = 1

_UINT8, _UINT16, _UINT32 = 2, 4, 6  # sensor_msgs/msg/PointField
_X, _Y, _P, _T = 120, 121, 112, 116  # the letters


@register_jitable
def parse_events(address, length, capacity, x, y, p, t, scratch):
    """Read the events of a serialized PointCloud2; all arguments are int64.

    Parameters
    ----------
    address, length : the message, encapsulation included [bytes]
    capacity : most events to write; those after it are counted only
    x, y, p, t : addresses of uint16[capacity], uint16[capacity], uint8[capacity], int64[capacity] (t = stamp + t, ns)
    scratch : int64[EVENT_SCRATCH_WORDS]: the stamp [ns]

    Returns
    -------
    The number of events in the message, which may exceed ``capacity``; or negative: ENCAPSULATION, TRUNCATED,
    MISSING (a field), BAD_LAYOUT. Nothing is written then but ``scratch``.
    """
    store_i64(scratch, -1)
    if length < 4 or load_u8(address) != 0 or load_u8(address + 1) > 1:
        return ENCAPSULATION
    big = load_u8(address + 1) == 0
    base = address + 4
    end = length - 4
    if end < 12:
        return TRUNCATED
    stamp = get_stamp(base, big)
    n = get_u32(base + 8, big)  # frame_id
    o = 12
    if n > end - o:
        return TRUNCATED
    o = (o + n + 3) & -4
    if o + 12 > end:
        return TRUNCATED
    rows = get_u32(base + o, big)
    columns = get_u32(base + o + 4, big)
    fields = get_u32(base + o + 8, big)
    o += 12
    if fields * 13 > end - o:
        return TRUNCATED

    at_x = at_y = at_p = at_t = np.int64(-1)
    reach = np.int64(0)  # bytes of a point that the four fields need
    good: Any = True
    for _ in range(fields):
        o = (o + 3) & -4
        if o + 4 > end:
            return TRUNCATED
        n = get_u32(base + o, big)
        o += 4
        if n > end - o:
            return TRUNCATED
        letter = np.int64(0)
        if n == 2 and load_u8(base + o + 1) == 0:
            letter = load_u8(base + o)
        o = (o + n + 3) & -4
        if o + 5 > end:
            return TRUNCATED
        offset = get_u32(base + o, big)
        datatype = load_u8(base + o + 4)
        o = (o + 5 + 3) & -4
        if o + 4 > end:
            return TRUNCATED
        count = get_u32(base + o, big)
        o += 4
        if letter == _X:
            good = good and at_x < 0 and datatype == _UINT16 and count == 1
            at_x = offset
            reach = max(reach, offset + 2)
        elif letter == _Y:
            good = good and at_y < 0 and datatype == _UINT16 and count == 1
            at_y = offset
            reach = max(reach, offset + 2)
        elif letter == _P:
            good = good and at_p < 0 and datatype == _UINT8 and count == 1
            at_p = offset
            reach = max(reach, offset + 1)
        elif letter == _T:
            good = good and at_t < 0 and datatype == _UINT32 and count == 1
            at_t = offset
            reach = max(reach, offset + 4)

    if o + 1 > end:
        return TRUNCATED
    big_data = load_u8(base + o)
    o = (o + 1 + 3) & -4
    if o + 12 > end:
        return TRUNCATED
    step = get_u32(base + o, big)
    row_step = get_u32(base + o + 4, big)
    n = get_u32(base + o + 8, big)
    o += 12
    if n + 1 > end - o:  # the data and is_dense
        return TRUNCATED
    if rows == 0 or columns == 0:
        store_i64(scratch, stamp)
        return np.int64(0)
    if at_x < 0 or at_y < 0 or at_p < 0 or at_t < 0:
        return MISSING
    if not good or big_data != 0 or step < reach or step > n or columns > n or row_step > n:
        return BAD_LAYOUT
    if columns * step > row_step or rows > n // row_step:  # so the last point of the last row ends within the data
        return BAD_LAYOUT

    store_i64(scratch, stamp)
    found = np.int64(0)
    for row in range(rows):
        point = base + o + row * row_step
        for column in range(columns):
            if found >= capacity:
                break
            event = point + column * step
            store_u16(x + 2 * found, load_u16(event + at_x))
            store_u16(y + 2 * found, load_u16(event + at_y))
            store_u8(p + found, 1 if load_u8(event + at_p) != 0 else 0)
            store_i64(t + 8 * found, stamp + load_u32(event + at_t))
            found += 1
        if found >= capacity:
            break
    return rows * columns


def parse_events_message(address, length, capacity, x, y, p, t, scratch):
    """`parse_events` as a function of its own, for ``compile_function`` with eight int64 arguments."""
    return parse_events(address, length, capacity, x, y, p, t, scratch)
