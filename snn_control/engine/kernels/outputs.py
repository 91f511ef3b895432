"""From spikes to the command.

trace   m outputs, y float32, weights float32 (n_pre, m), spikes, stride, slots, clock, many, decay float32[1], counter,
        fan out uint32[n_pre]: weights that are not 0 of each neuron; 0 where all are
argmax  n, x float32, y float32[1]
guard   inputs, validity int64 (inputs, 2), required int64[inputs], m, raw float32, command float64 (io),
        previous float64, limits float64 (4, m): low, high, slew a tick, safe; ramp uint8[m], words int64[10],
        ticks of release (0: only an operator). In float64, as a limit or a small slew rounded to float32 is another.
"""

import numpy as np

from ..memory import f32, f64, i64, u8, u16, u32
from . import NAN, settle
from .delivery import add_multiple_rows, add_spiking_rows, synapses_of
from .spikes import HEADER, slot_address

# words of the guard's state
FAULTED, STREAK, REASON, SAFE_TICKS, CLAMPS, SLEWED, FAULTS, OPERATOR, DRIVER, ELAPSED, GUARD_WORDS = range(11)
INPUT_INVALID, OUTPUT_NOT_FINITE, STOPPED, LATE = 1, 2, 4, 8  # bits of REASON; a driver sets the last two
MOST_ELAPSED = 10  # periods that a slew makes up for at once: after a long pause it begins gently


def trace(row):
    """Exponentially filtered, decoded spikes: y <- decay y + sum of the rows of those that fired."""
    o = i64(row, 12)
    y, decay = f32(o[2], o[1]), f32(o[9], 1)[0]
    for i in range(y.size):
        y[i] = settle(y[i] * decay)
    slot = slot_address(o[4], o[5], o[6], o[7], 0)
    count = i64(slot, 1)[0]
    if count > 0:
        spikes = u32(slot + HEADER, count)
        if o[8] == 0:
            add_spiking_rows(y, o[3], spikes, count)
        else:
            add_multiple_rows(y, o[3], spikes, u16(slot + o[8], count), count)
        i64(o[10], 1)[0] += synapses_of(o[1], o[11], spikes, count)


def argmax(row):
    """Index of the first largest value; NaN, which the guard sees, where a value is not finite."""
    o = i64(row, 4)
    x, best, finite = f32(o[2], o[1]), 0, True
    for i in range(x.size):
        finite &= np.isfinite(x[i])
        if x[i] > x[best]:
            best = i
    f32(o[3], 1)[0] = np.float32(best) if finite else NAN


def guard(row):
    """The last operation of every tick: a finite command within limits and slew, or the safe one.

    A required input that is invalid, an output that is not finite, or what a driver reports (it is about to stop, its
    last tick took too long) is a fault; while it lasts, and until `release` valid ticks in a row (or an
    operator) end it, the command is the safe value: at once, or along the slew limit where `ramp` says so.
    The slew is a second's: a driver that missed periods says in ELAPSED how many have passed since its last tick.
    """
    o = i64(row, 12)
    m, words, release = o[4], i64(o[10], GUARD_WORDS), o[11]
    raw, command, previous, ramp = f32(o[5], m), f64(o[6], m), f64(o[7], m), u8(o[9], m)
    limits = f64(o[8], 4 * m)
    valid, required = i64(o[2], 2 * o[1]), i64(o[3], o[1])
    reason = words[DRIVER]
    elapsed = min(max(words[ELAPSED], 1), MOST_ELAPSED)
    for k in range(o[1]):
        if (required[k] != 0) & (valid[2 * k] == 0):
            reason |= INPUT_INVALID
    for j in range(m):
        if not np.isfinite(raw[j]):
            reason |= OUTPUT_NOT_FINITE
    if reason != 0:
        words[FAULTS] += 1 - words[FAULTED]
        words[FAULTED] = 1
        words[STREAK] = 0
    elif words[FAULTED] != 0:
        words[STREAK] += 1
        if ((release > 0) & (words[STREAK] >= release)) | (words[OPERATOR] != 0):
            words[FAULTED] = 0
    words[OPERATOR] = 0
    words[REASON] = reason
    words[SAFE_TICKS] += words[FAULTED]
    for j in range(m):
        low, high, slew, safe = limits[j], limits[m + j], limits[2 * m + j] * elapsed, limits[3 * m + j]
        if words[FAULTED] != 0:
            y = safe
        else:
            y = np.float64(raw[j])
            if y < low:
                y = low
                words[CLAMPS] += 1
            elif y > high:
                y = high
                words[CLAMPS] += 1
        if (words[FAULTED] == 0) | (ramp[j] != 0):
            if y > previous[j] + slew:
                y = previous[j] + slew
                words[SLEWED] += 1
            elif y < previous[j] - slew:
                y = previous[j] - slew
                words[SLEWED] += 1
        if y < low:  # last of all, whatever the last command was
            y = low
        elif y > high:
            y = high
        previous[j] = y
        command[j] = y
