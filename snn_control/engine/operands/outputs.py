"""Rows of decoders and of the guard."""

from __future__ import annotations

import numpy as np

from ...errors import ProgramError
from ..kernels import outputs
from .array import flag, graded, need, positive, ring, written
from .delivery import dense_spikes


def trace(m, y, weights, spikes, stride, slots, clock, many, decay, counter, fan_out):
    dense_spikes(m, y, weights, spikes, stride, slots, clock, 0, many, counter, fan_out)
    need(1, 4, decay)


def population_vector(m, out, y, last, least, hold):
    positive(m)
    need(m, 4, out, last)
    written(out, last)
    need(m + 1, 4, y)
    need(1, 4, least)
    flag(hold)


def window_counts(n, spikes, stride, slots, clock, many, steps, counts, x):
    positive(n, steps)
    ring(spikes, stride, slots, clock, steps, many, n)
    need(n, 8, counts)
    need(n, 4, x)
    written(counts, x)
    if slots <= steps:
        raise ProgramError(f"{slots} slots: a window of {steps} steps needs one more")


def window_mean(n, line, stride, slots, clock, steps, x):
    positive(n, steps)
    need(slots * stride, 1, line)
    graded(line, n, stride, slots, clock, steps)
    need(n, 4, x)
    written(x)


def first_spike(m, out, weights, n, spikes, stride, slots, clock, steps, window, state):
    positive(m, n, steps, window)
    need(m, 4, out)
    need(n * m, 4, weights)
    ring(spikes, stride, slots, clock, 0, 0, n)
    need(2, 8, state)
    written(out, state)
    if slots < steps:
        raise ProgramError(f"{slots} slots: a tick has {steps} steps")


def argmax(n, x, y):
    positive(n)
    need(n, 4, x)
    need(1, 4, y)
    written(y)


def guard(n_inputs, validity, required, m, raw, command, previous, limits, ramp, words, release):
    positive(m)
    if not 0 <= n_inputs < 1 << 20:
        raise ProgramError(f"{n_inputs} inputs")
    need(2 * n_inputs, 8, validity)
    need(n_inputs, 8, required)
    need(m, 4, raw)
    need(m, 8, command, previous)
    written(command, previous, words)
    need(4 * m, 8, limits)
    need(m, 1, ramp)
    need(outputs.GUARD_WORDS, 8, words)
    low, high, slew, safe = limits.data[: 32 * m].view(np.float64).reshape(4, m)
    if not ((low <= safe) & (safe <= high) & (slew >= 0) & np.isfinite(safe)).all():
        raise ProgramError("limits: must be low <= safe <= high, and slew >= 0")
    before = previous.data[: 8 * m].view(np.float64)
    if not ((low <= before) & (before <= high) & np.isfinite(before)).all():
        raise ProgramError("the last command: must be within the limits")


CHECKS = {
    f.__name__: f
    for f in (
        trace,
        population_vector,
        window_counts,
        window_mean,
        first_spike,
        argmax,
        guard,
    )
}
