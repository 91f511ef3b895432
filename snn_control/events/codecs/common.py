"""What the codecs share: how an event and a trigger are written, and the way in over addresses."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import i64, lowest_bit, u8, u16
from .. import state as words
from .lanes import set_bits

__all__ = ["STOP", "bound_time_base", "count_rest", "outputs", "put", "put_mask", "put_trigger", "without_triggers"]

STOP = -1  # the word is left for the next call


@register_jitable
def bound_time_base(state):
    """Keep the time base where no time that is counted from it leaves int64, or reaches NEVER."""
    state[words.TIME_BASE] = min(max(state[words.TIME_BASE], -(1 << 61)), 1 << 62)


@register_jitable
def put(state, now, column, row, polarity, n, t, x, y, p):
    """Write one event to place ``n``: 1, 0 if it is out of the frame, STOP if its time has not come or nothing fits."""
    if now >= state[words.UNTIL] or n == t.size:
        return STOP
    if 0 < state[words.WIDTH] <= column or 0 < state[words.HEIGHT] <= row:
        state[words.OUT_OF_FRAME] += 1
        return 0
    t[n], x[n], y[n], p[n] = now, column, row, polarity
    return 1


@register_jitable
def put_mask(state, now, mask, column, row, upright, polarity, n, t, x, y, p):
    """Write an event for each bit of ``mask``, in a row or (``upright``) a column of pixels; all of them or STOP."""
    if now >= state[words.UNTIL] or n + set_bits(mask) > t.size:
        return STOP
    written, left = 0, np.uint64(mask)
    while left:
        place = lowest_bit(left)
        left &= left - np.uint64(1)
        dx, dy = (0, place) if upright else (place, 0)
        written += put(state, now, column + dx, row + dy, polarity, n + written, t, x, y, p)
    return written


@register_jitable
def put_trigger(state, now, number, edge, triggers):
    """Write one external trigger: 0, or STOP. Where there are no rows at all for triggers, they are only counted."""
    written = state[words.TRIGGERS_WRITTEN]
    if now >= state[words.UNTIL] or written == triggers.shape[0] > 0:
        return STOP
    state[words.TRIGGERS] += 1
    if triggers.shape[0] > 0:
        triggers[written, 0], triggers[written, 1] = now, number << 1 | edge
        state[words.TRIGGERS_WRITTEN] = written + 1
    return 0


@register_jitable
def outputs(columns):
    """The columns t, x, y, p that int64 [t, x, y, p, room] at an address says."""
    c = i64(columns, 5)
    return i64(c[0], c[4]), u16(c[1], c[4]), u16(c[2], c[4]), u8(c[3], c[4])


@register_jitable
def without_triggers():
    return i64(0, 0).reshape((0, 2))


@register_jitable
def count_rest(state, size, word):
    """Bytes behind the last whole word of a packet: dropped and counted once all before them was used."""
    rest = size % word
    if state[words.CONSUMED] == size - rest:
        state[words.PARTIAL] += rest
        state[words.CONSUMED] = size
