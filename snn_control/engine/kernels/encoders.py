"""Inputs: check what arrived, then turn it into currents or pooled counts, once a tick.

sample      n, slot (io header), data float64 (io; 0 for a stream), held float32, valid int64[2], limits float32
            (4, n): range low, range high, plausible low, plausible high; stale limit [ns]; counters int64[4]
population  dimensions, neurons a dimension, values float32, out float32, centres float32 (dimensions, neurons),
            params float32 (dimensions, 2): 1 / sigma, drive
fields      dimensions, fields, values float32, out float32, centres float32 (fields, dimensions), inverse widths
            float32[dimensions], drive float32[1]
signed      n, values float32, out float32[2 n], gain float32[n]
changes     n, values float32, out float32[2 n], sent float32[n], threshold float32[n], whole: what is sent is the value
pool        n, out float32, slot, x, y, p (io), width, height, column uint32[width], row uint32[height],
            params float32[2]: weight of ON, weight of OFF; channel offset of ON; capacity, counters int64[2]
"""

import numpy as np

from ..memory import f32, f64, i64, u8, u16, u32
from ..slots import AGE, ARRIVAL, COUNT, DROPPED, FRESH, SLOT_WORDS, STAMP  # noqa: F401
from . import ONE, ZERO
from .functions import HALF, exponential

VALID, SAMPLE_GOOD = 0, 1  # words of an input's state: valid in this tick; the newest sample was good
CLAMPED, REJECTED, STALE, CUT = range(4)  # counters of an input


def sample(row):
    """Take a sample that arrived: reject it whole if any value is not finite or implausible, clamp, hold.

    A stream (n = 0) has no values, only an age.
    """
    o = i64(row, 9)
    n, slot, state, counters = o[1], i64(o[2], SLOT_WORDS), i64(o[5], 2), i64(o[8], 4)
    if slot[FRESH] > 0:
        good = 1
        if n > 0:
            x, held, limits = f64(o[3], n), f32(o[4], n), f32(o[6], 4 * n)
            low, high, least, most = limits[:n], limits[n : 2 * n], limits[2 * n : 3 * n], limits[3 * n :]
            rejected = 0
            for i in range(n):  # as float32, as the limits are: a bound itself is inside; a NaN compares False
                value = np.float32(x[i])
                rejected += not ((value >= least[i]) & (value <= most[i]))
            if rejected == 0:
                clamped = 0
                for i in range(n):
                    value = np.float32(x[i])
                    clamped += (value < low[i]) | (value > high[i])
                    value = low[i] if value < low[i] else value
                    held[i] = high[i] if value > high[i] else value
                counters[CLAMPED] += clamped
            else:
                good = 0
                counters[REJECTED] += 1
        state[SAMPLE_GOOD] = good
    counters[CUT] += slot[DROPPED]
    in_time = (slot[AGE] >= 0) & (slot[AGE] <= o[7])
    if not in_time:
        counters[STALE] += 1
    state[VALID] = np.int64(in_time) & state[SAMPLE_GOOD]


def population(row):
    """Gaussian receptive fields: out = drive exp(-((x - centre) / sigma)^2 / 2) (PopSAN, Tang et al. 2020)."""
    o = i64(row, 7)
    dimensions, m = o[1], o[2]
    x, out, centres, p = (
        f32(o[3], dimensions),
        f32(o[4], dimensions * m),
        f32(o[5], dimensions * m),
        f32(o[6], 2 * o[1]),
    )
    for d in range(dimensions):
        for k in range(d * m, d * m + m):
            z = (x[d] - centres[k]) * p[2 * d]
            out[k] = p[2 * d + 1] * exponential(-HALF * (z * z))


def fields(row):
    """Gaussian receptive fields over all dimensions: out = drive exp(-sum of ((x - centre) / sigma)^2 / 2)."""
    o = i64(row, 8)
    dimensions, m = o[1], o[2]
    x, out, centres = f32(o[3], dimensions), f32(o[4], m), f32(o[5], dimensions * m)
    inverse, drive = f32(o[6], dimensions), f32(o[7], 1)[0]
    for k in range(m):
        square = ZERO
        for d in range(dimensions):
            z = (x[d] - centres[k * dimensions + d]) * inverse[d]
            square += z * z
        out[k] = drive * exponential(-HALF * square)


def signed(row):
    """Two channels a value: what is above 0, then what is below, each times the gain."""
    o = i64(row, 5)
    n = o[1]
    x, out, gain = f32(o[2], n), f32(o[3], 2 * n), f32(o[4], n)
    for i in range(n):
        y = gain[i] * x[i]
        out[i] = y if y > ZERO else ZERO
        out[n + i] = -y if y < ZERO else ZERO


def changes(row):
    """A pulse of 1, ON or OFF, where a value is a threshold or more from what was sent; that becomes the value itself,
    or moves by the threshold."""
    o = i64(row, 7)
    n, whole = o[1], o[6] != 0
    x, out, sent, threshold = f32(o[2], n), f32(o[3], 2 * n), f32(o[4], n), f32(o[5], n)
    for i in range(n):
        moved = x[i] - sent[i]
        on, off = moved >= threshold[i], moved <= -threshold[i]
        out[i], out[n + i] = ONE if on else ZERO, ONE if off else ZERO
        if on | off:
            step = threshold[i] if on else -threshold[i]
            sent[i] = x[i] if whole else sent[i] + step


def pool(row):
    """Events of this tick, pooled to a grid: out[cell] += weight of the event's polarity, in order of arrival."""
    o = i64(row, 16)
    n, slot, width, height, p, counters = o[1], i64(o[3], SLOT_WORDS), o[7], o[8], f32(o[11], 2), i64(o[14], 2)
    out, column, line = f32(o[2], n), u32(o[9], width), u32(o[10], height)
    for i in range(n):
        out[i] = ZERO
    if slot[FRESH] > 0:
        count = min(slot[COUNT], o[13])
        x, y, on = u16(o[4], count), u16(o[5], count), u8(o[6], count)
        seen = 0
        for k in range(count):
            if (np.int64(x[k]) < width) & (np.int64(y[k]) < height):
                cell = np.int64(line[y[k]]) + np.int64(column[x[k]])
                if on[k] != 0:
                    out[cell + o[12]] += p[0]
                else:
                    out[cell] += p[1]
                seen += 1
        counters[0] += seen
        counters[1] += count - seen
