"""Rows of inputs and encoders."""

from __future__ import annotations

import numpy as np

from ...errors import ProgramError
from ..kernels import encoders
from .array import flag, followed, need, positive, written


def sample(n, slot, data, held, valid, limits, stale, counters):
    need(encoders.SLOT_WORDS, 8, slot)
    need(2, 8, valid)
    need(4, 8, counters)
    written(valid, counters, held)
    if n:
        positive(n)
        need(n, 8, data)
        need(n, 4, held)
        need(4 * n, 4, limits)


def population(dimensions, m, values, out, centres, params):
    positive(dimensions, m)
    need(dimensions, 4, values)
    need(dimensions * m, 4, out, centres)
    written(out)
    need(2 * dimensions, 4, params)


def fields(dimensions, m, values, out, centres, inverse, drive):
    positive(dimensions, m)
    need(dimensions, 4, values, inverse)
    need(m, 4, out)
    need(dimensions * m, 4, centres)
    written(out)
    need(1, 4, drive)


def signed(n, values, out, gain):
    positive(n)
    need(n, 4, values, gain)
    need(2 * n, 4, out)
    written(out)


def changes(n, values, out, sent, threshold, whole):
    positive(n)
    need(n, 4, values, sent, threshold)
    need(2 * n, 4, out)
    written(out, sent)
    flag(whole)


def pool(n, out, slot, x, y, p, width, height, column, line, weights, on_offset, capacity, counters):
    positive(n, width, height, capacity)
    need(n, 4, out)
    need(encoders.SLOT_WORDS, 8, slot)
    need(capacity, 2, x, y)
    need(capacity, 1, p)
    need(width, 4, column)
    need(height, 4, line)
    need(2, 4, weights)
    need(2, 8, counters)
    written(out, counters)
    followed(column, line)
    last = int(column.data.view(np.uint32)[:width].max()) + int(line.data.view(np.uint32)[:height].max())
    if not 0 <= on_offset or last + on_offset >= n:
        raise ProgramError(f"cell {last + on_offset}: only {n} cells")


CHECKS = {
    f.__name__: f
    for f in (
        sample,
        population,
        fields,
        signed,
        changes,
        pool,
    )
}
