"""Inputs: check what arrived, then turn it into currents or pooled counts, once a tick.

sample      n, slot (io header), data float64 (io; 0 for a stream), held float32, valid int64[2], limits float32
            (4, n): range low, range high, plausible low, plausible high; stale limit [ns]; counters int64[4]
finite      n, slot, data float64 (io), out float64, rules uint8[n], limits as of sample, last float32[n],
            age int64[n] [ns] of last, a tick [ns], stale limit [ns], counters int64[3]
population  dimensions, neurons a dimension, values float32, out float32, centres float32 (dimensions, neurons),
            params float32 (dimensions, 2): 1 / sigma, drive
fields      dimensions, fields, values float32, out float32, centres float32 (fields, dimensions), inverse widths
            float32[dimensions], drive float32[1]
signed      n, values float32, out float32[2 n], gain float32[n]
changes     n, values float32, out float32[2 n], sent float32[n], threshold float32[n], whole: what is sent is the value
pool        slot, kept (0: all events of the slot; else the list of `filters`), capacity, x, y, width, height, p (io),
            cells uint32[capacity] (io, scratch), columns and rows of the grid, how far the cells of ON stand behind
            those of OFF, weights float32[2]: of OFF, of ON; counters int64[2]: events in the frame, out of it; n,
            out float32[n]
surface     the same and decay float32[1]
respond     n, sums float32, out float32, decay and ceiling float32[2], response
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, f64, i64, u8, u16, u32
from ..slots import AGE, ARRIVAL, COUNT, DROPPED, FRESH, SLOT_WORDS, STAMP  # noqa: F401
from . import ONE, ZERO, settle
from .functions import HALF, exponential

VALID, SAMPLE_GOOD = 0, 1  # words of an input's state: valid in this tick; the newest sample was good
CLAMPED, REJECTED, STALE, CUT = range(4)  # counters of an input
REJECT, HIGH, LOW, HOLD = range(4)  # as `coding.inputs.NOT_FINITE` names them
REPLACED, FAILED, NUMBERS = range(3)  # counters of `finite`: replaced; of these, no measurement; looked at in all
NO_LIMIT = 1 << 62  # ns: never stale
RESPONSES = ("sum", "binary", "saturate")
SUM, BINARY, SATURATE = range(3)
SET, ADD, COUNT_IT = range(3)  # what an event does to its cell
WHOLE = 1 << 24  # below it a float32 counts exactly
U64_1, U64_32 = np.uint64(1), np.uint64(32)  # an index with a sign is looked at once more, for the end of an array


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


def finite(row):
    """Replace what is not finite in a sample that arrived, each number by its rule, before `sample` looks at it.

    REP 117: an infinity says on which side of the range the value lies; what a NaN means, the rule says. What is held
    ages, by the ticks that pass, and is not held beyond the limit of the input. A sample in which nothing was measured
    says nothing, whatever the rules make of it: it is rejected.
    """
    o = i64(row, 12)
    n, slot, age, tick, stale = o[1], i64(o[2], SLOT_WORDS), i64(o[8], o[1]), o[9], o[10]
    for i in range(n):
        age[i] += tick
    if slot[FRESH] > 0:
        x, out, rules, limits, last = f64(o[3], n), f64(o[4], n), u8(o[5], n), f32(o[6], 4 * n), f32(o[7], n)
        low, high, least, most = limits[:n], limits[n : 2 * n], limits[2 * n : 3 * n], limits[3 * n :]
        replaced, failed, held = 0, 0, 0
        for i in range(n):
            value, rule = np.float32(x[i]), rules[i]
            out[i] = x[i]
            if np.isfinite(value):
                if (value >= least[i]) & (value <= most[i]):
                    last[i], age[i] = value, slot[AGE]
            elif rule == HOLD:
                failed += 1
                good = np.isfinite(last[i]) & (age[i] <= stale)
                out[i] = np.float64(last[i] if good else np.float32(np.nan))
                replaced += good
                held += good & (stale < NO_LIMIT)
            elif rule != REJECT:
                failed += value != value
                up = value > ZERO if value == value else rule == HIGH
                out[i] = np.float64(high[i] if up else low[i])
                replaced += 1
        counters = i64(o[11], 3)
        counters[NUMBERS] += n
        if (failed == n) & (held == 0):
            out[:] = np.nan
        else:
            counters[REPLACED] += replaced
            counters[FAILED] += failed


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


@register_jitable(forceinline=True)
def to_cell(out, cell, weight, how):
    if how == COUNT_IT:
        out[cell] += np.uint32(1)
    elif how == ADD:
        out[cell] += weight
    else:
        out[cell] = weight


@register_jitable(forceinline=True)
def to_cells(o, out, how):
    """Each event of this tick, in order, adds its weight to its cell, or sets it, or is counted.

    First the cells of all events, by vector code: with m = ceil(2^32 columns / width), m x / 2^32 is columns x / width,
    both rounded down, for all 16 bits of x, since m x is too large by less than 2^32 / width.
    """
    slot, kept, width, height = i64(o[1], SLOT_WORDS), o[2], np.uint64(o[6]), np.uint64(o[7])
    x, y, p, cells = u16(o[4], o[3]), u16(o[5], o[3]), u8(o[8], o[3]), u32(o[9], o[3])
    columns, of_on, weights, counters = np.uint32(o[10]), np.uint32(o[12]), f32(o[13], 2), i64(o[14], 2)
    across = ((np.uint64(o[10]) << U64_32) + width - U64_1) // width
    down = ((np.uint64(o[11]) << U64_32) + height - U64_1) // height
    count = np.uint64(max(min(slot[COUNT], o[3]), 0)) if slot[FRESH] > 0 else np.uint64(0)
    for k in range(count):
        column, line = np.uint64(x[k]) * across >> U64_32, np.uint64(y[k]) * down >> U64_32
        cells[k] = np.uint32(line) * columns + np.uint32(column) + np.uint32(p[k] != 0) * of_on
    if kept != 0:  # the first filter has looked at the frame and counted
        places = u32(kept, o[3] + 1)
        for j in range(U64_1, np.uint64(places[0]) + U64_1):
            k = places[j]
            to_cell(out, np.uint64(cells[k]), weights[np.uint64(p[k] != 0)], how)
    else:
        seen = 0
        for k in range(count):
            if (np.uint64(x[k]) < width) & (np.uint64(y[k]) < height):
                to_cell(out, np.uint64(cells[k]), weights[np.uint64(p[k] != 0)], how)
                seen += 1
        counters[0] += seen
        counters[1] += np.int64(count) - seen


def pool(row):
    """Events of this tick, pooled to a grid: out[cell] += weight of the event's polarity, in order of arrival."""
    o = i64(row, 17)
    out, weights = f32(o[16], o[15]), f32(o[13], 2)
    for i in range(out.size):
        out[i] = ZERO
    if (weights[0] == ONE) & (weights[1] == ONE) & (o[3] < WHOLE):
        counts = u32(o[16], o[15])
        to_cells(o, counts, COUNT_IT)  # as whole numbers in the same place, which is faster and gives the same sums
        for i in range(out.size):
            out[i] = np.float32(counts[i])
    else:
        to_cells(o, out, ADD)


def surface(row):
    """Surface of active events: a cell is what the last event in it was, and decays from then on, tick by tick."""
    o = i64(row, 18)
    out, decay = f32(o[16], o[15]), f32(o[17], 1)[0]
    for i in range(out.size):
        out[i] = settle(out[i] * decay)
    to_cells(o, out, SET)


def respond(row):
    """What a cell makes of the sum of this tick, s: the sum, its sign (binary), or the sum up to a ceiling on both
    sides (saturate); on top of what is left of the ticks before: out = decay out + response(s)."""
    o = i64(row, 6)
    n, response = o[1], o[5]
    sums, out, numbers = f32(o[2], n), f32(o[3], n), f32(o[4], 2)
    decay, ceiling = numbers[0], numbers[1]
    for i in range(n):
        s = sums[i]
        if response == BINARY:
            s = (ONE if s > ZERO else ZERO) - (ONE if s < ZERO else ZERO)
        elif response == SATURATE:
            s = min(max(s, -ceiling), ceiling)
        out[i] = settle(out[i] * decay) + s
