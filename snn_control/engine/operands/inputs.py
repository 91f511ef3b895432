"""Rows of inputs and encoders."""

from __future__ import annotations

from ...errors import ProgramError
from ..kernels import encoders
from .array import Array, flag, need, positive, written
from .filters import listed


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


def finite(n, slot, data, out, rules, limits, last, age, tick, stale, counters):
    positive(n)
    need(encoders.SLOT_WORDS, 8, slot)
    need(n, 8, data, out)
    need(n, 1, rules)
    need(4 * n, 4, limits)
    need(n, 4, last)
    need(n, 8, age)
    need(3, 8, counters)
    written(out, last, age, counters)


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


def _to_cells(slot, kept, capacity, x, y, width, height, p, cells, columns, rows, of_on, weights, counters, n, out):
    if kept:
        listed(slot, kept, capacity, x, y, width, height)
    positive(n, width, height, capacity, columns, rows)
    need(n, 4, out)
    need(encoders.SLOT_WORDS, 8, slot)
    need(capacity, 4, cells)
    need(capacity, 2, x, y)
    need(capacity, 1, p)
    need(2, 4, weights)
    need(2, 8, counters)
    written(out, counters, cells)
    if columns > width or rows > height or not 0 <= of_on <= n - columns * rows:
        raise ProgramError(f"a grid of {columns} x {rows} and {of_on} on {width} x {height}: only {n} cells")


def pool(slot, kept, capacity, x, y, width, height, p, cells, columns, rows, of_on, weights, counters, n, out):
    _to_cells(slot, kept, capacity, x, y, width, height, p, cells, columns, rows, of_on, weights, counters, n, out)


def surface(
    slot, kept, capacity, x, y, width, height, p, cells, columns, rows, of_on, weights, counters, n, out, decay
):
    _to_cells(slot, kept, capacity, x, y, width, height, p, cells, columns, rows, of_on, weights, counters, n, out)
    need(1, 4, decay)


def respond(n, sums, out, numbers, response):
    positive(n)
    need(n, 4, sums, out)
    need(2, 4, numbers)
    written(out)
    if isinstance(response, Array) or not 0 <= response < len(encoders.RESPONSES):
        raise ProgramError(f"response {response!r}: must be a number below {len(encoders.RESPONSES)}")


CHECKS = {
    f.__name__: f
    for f in (
        sample,
        finite,
        population,
        fields,
        signed,
        changes,
        pool,
        surface,
        respond,
    )
}
