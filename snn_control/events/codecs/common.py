"""How a codec writes an event, the events of a mask of pixels, and an external trigger."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import lowest_bit
from .. import state as words
from .lanes import set_bits

__all__ = ["STOP", "put", "put_mask", "put_trigger", "uncounted"]

STOP = -1  # the word is left for the next call

#: for what is called for each word: it takes arrays and returns none, so it counts no references to them, which would
#: take most of its time
uncounted = register_jitable(_nrt=False)


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
