"""Rows of filters of events."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ProgramError
from ..slots import SLOT_WORDS
from .array import BEGUN, FOLLOWED, Array, flag, followed, need, positive, written

__all__ = ["CHECKS", "listed"]


def listed(slot: Any, kept: Any, capacity: Any, x: Any, y: Any, width: Any, height: Any) -> None:
    """A list of events: all who share it must mean the same columns, of the same frame."""
    positive(capacity, width, height)
    if max(capacity, width, height) >= 1 << 31 or width * height >= 1 << 32:
        raise ProgramError(f"capacity {capacity}, sensor {width} x {height}: too large")
    need(SLOT_WORDS, 8, slot)
    need(capacity + 1, 4, kept)
    need(capacity, 2, x, y)
    written(kept)
    followed(kept, x, y)
    kept.lists = (capacity, width, height, *slot.block, *x.block, *y.block)
    kept.made = x.made = y.made = FOLLOWED


def _filter(slot: Any, kept: Any, capacity: Any, x: Any, y: Any, width: Any, height: Any, removed: Any) -> None:
    listed(slot, kept, capacity, x, y, width, height)
    need(1, 8, removed)
    written(removed)


def _times(capacity: Any, t: Any, last: Any, pixels: int, time: Any) -> None:
    need(capacity, 8, t)
    need(pixels, 4, last)
    written(last)
    if isinstance(time, Array) or not 1 <= time < 1 << 31:
        raise ProgramError(f"a time of {time!r}: must be a number of us from 1")


def region(
    slot, kept, capacity, x, y, width, height, removed, first, left, top, columns, rows, counters
):  # fmt: skip
    _filter(slot, kept, capacity, x, y, width, height, removed)
    flag(first)
    kept.made = BEGUN if first else FOLLOWED
    positive(columns, rows)
    need(2, 8, counters)
    written(counters)
    if min(left, top) < 0 or left + columns > width or top + rows > height:
        raise ProgramError(f"a region of {columns} x {rows} at ({left}, {top}): the sensor has {width} x {height}")


def hot_pixels(slot, kept, capacity, x, y, width, height, removed, mask):
    _filter(slot, kept, capacity, x, y, width, height, removed)
    need((width * height + 7) >> 3, 1, mask)


def refractory(slot, kept, capacity, x, y, width, height, removed, t, p, last, period, apart):
    _filter(slot, kept, capacity, x, y, width, height, removed)
    flag(apart)
    need(capacity, 1, p)
    _times(capacity, t, last, width * height * (apart + 1), period)


def background(slot, kept, capacity, x, y, width, height, removed, t, last, window, support):
    _filter(slot, kept, capacity, x, y, width, height, removed)
    positive(support)
    _times(capacity, t, last, (width + 2) * (height + 2), window)


def one_polarity(slot, kept, capacity, x, y, width, height, removed, p, keep):
    _filter(slot, kept, capacity, x, y, width, height, removed)
    need(capacity, 1, p)
    flag(keep)


def rate_limit(slot, kept, capacity, x, y, width, height, removed, tokens, refill, most):
    _filter(slot, kept, capacity, x, y, width, height, removed)
    need(1, 8, tokens)
    written(tokens)
    for number in (refill, most):
        if isinstance(number, Array) or not 1 <= number < 1 << 61:
            raise ProgramError(f"a budget of {number!r}: must be a number from 1")
    if not 0 <= int(tokens.data[:8].view(np.int64)[0]) <= most:
        raise ProgramError("tokens: must be from 0 to the most")


CHECKS = {f.__name__: f for f in (region, hot_pixels, refractory, background, one_polarity, rate_limit)}
