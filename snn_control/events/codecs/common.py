"""Common functions of codecs: writing an event, the events of a mask of pixels and an external trigger; and, for
encoders, checking that the encoding can carry the events."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import lowest_bit
from ...errors import InputError
from .. import state as words
from ..columns import NANOSECONDS, Events
from .lanes import set_bits

__all__ = ["STOP", "checked", "put", "put_mask", "put_trigger", "refuse", "uncounted"]

STOP = -1  # the word is left for the next call

#: for functions that are called for each word: the arrays that they take need no reference counts, which would
#: take most of its time
uncounted = register_jitable(_nrt=False)


@register_jitable
def put(state, now, column, row, polarity, n, t, x, y, p):
    """Write one event to index ``n``: 1, 0 if it is out of the frame, STOP if it is not due or there is no room."""
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
    """Write one external trigger: 0, or STOP. If ``triggers`` has no rows, it is only counted."""
    written = state[words.TRIGGERS_WRITTEN]
    if now >= state[words.UNTIL] or written == triggers.shape[0] > 0:
        return STOP
    state[words.TRIGGERS] += 1
    if triggers.shape[0] > 0:
        triggers[written, 0], triggers[written, 1] = now, number << 1 | edge
        state[words.TRIGGERS_WRITTEN] = written + 1
    return 0


def refuse(wrong: np.ndarray, name: str, values: np.ndarray, rule: str) -> None:
    """Raise InputError for the first wrong value."""
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"events.{name}[{at}] = {values[at]}: {rule}")


def checked(
    events: Events, encoding: str, unit: str, columns: int, rows: int, ordered: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """t [``unit``] as int64, x, y as int64, p as int64 (0 or 1), contiguous and checked.

    Raises InputError for columns of unequal length, x or y that are not below ``columns`` or ``rows``, and times that
    are negative, not a whole number of ``unit``, or (``ordered``) earlier than the one before.
    """
    t, x, y, p = (np.ascontiguousarray(getattr(events, name), np.int64) for name in "txyp")
    if not len(t) == len(x) == len(y) == len(p):
        raise InputError(
            f"events: columns of {len(t)}, {len(x)}, {len(y)}, {len(p)} numbers; they must be equally long"
        )
    refuse((x < 0) | (x >= columns), "x", x, f"{encoding} carries columns under {columns}")
    refuse((y < 0) | (y >= rows), "y", y, f"{encoding} carries rows under {rows}")
    refuse((p < 0) | (p > 1), "p", p, "must be 0 (OFF) or 1 (ON)")
    refuse(t < 0, "t", t, "must not be negative")
    if ordered:
        refuse(np.diff(t, prepend=t[:1]) < 0, "t", t, f"{encoding} needs times in order; sort the events first")
    many, one = NANOSECONDS[events.unit], NANOSECONDS[unit]
    refuse(t * many % one != 0, "t", t, f"{encoding} carries whole {unit}; round the times, that are in {events.unit}")
    return t * many // one, x, y, p
