"""Convolutions: each active neuron adds its kernel to the places that see it.

Spike row: as in `snn_control.engine.kernels.delivery`, then the geometry. Graded row: n_post, y, weights, x, n_pre,
stride, slots, clock, delay, counter, then the geometry: area and width of the presynaptic picture, rows and columns of
the kernel, area of the postsynaptic picture, channels in and out of a group, lines int32 (rows of the picture, rows of
the kernel) and columns int32: where a place of the picture lands under a place of the kernel (lines in neurons), or -1;
fan out uint32[n_pre]: weights that are not 0 of each presynaptic neuron.
Weights float32: (channels in, channels out of a group, rows, columns).
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i32, i64, u16, u32
from . import ONE, ZERO
from .delivery import COUNTER, MANY, OWN, WEIGHTS, N, Y, source_slot, synapses_of
from .spikes import HEADER, slot_address

AREA, WIDTH, ROWS, COLUMNS, OUT_AREA, GROUP_IN, GROUP_OUT, LINE_TABLE, COLUMN_TABLE, FAN_OUT, GEOMETRY = range(11)


@register_jitable(forceinline=True)
def stamp(y, weights, o, g, i, a):
    """y += a times the kernel around presynaptic neuron i; geometry from word ``g`` on."""
    rows, columns, outs = o[g + ROWS], o[g + COLUMNS], o[g + GROUP_OUT]
    channel, place = i // o[g + AREA], i % o[g + AREA]
    line, column = place // o[g + WIDTH], place % o[g + WIDTH]
    lines = i32(o[g + LINE_TABLE] + 4 * rows * line, rows)
    places = i32(o[g + COLUMN_TABLE] + 4 * columns * column, columns)
    first_out = channel // o[g + GROUP_IN] * outs
    w = f32(weights + 4 * channel * outs * rows * columns, outs * rows * columns)
    for r in range(rows):
        if lines[r] < 0:
            continue
        for out in range(outs):
            start = (first_out + out) * o[g + OUT_AREA] + np.int64(lines[r])
            first = (out * rows + r) * columns
            for c in range(columns):
                if places[c] >= 0:
                    y[start + np.int64(places[c])] += a * w[first + c]


def conv_spikes(row):
    """Spikes through a convolution."""
    o = i64(row, OWN + GEOMETRY)
    slot = source_slot(o)
    count = i64(slot, 1)[0]
    if count > 0:
        y, spikes = f32(o[Y], o[N]), u32(slot + HEADER, count)
        for k in range(count):
            a = ONE if o[MANY] == 0 else np.float32(u16(slot + o[MANY], count)[k])
            stamp(y, o[WEIGHTS], o, OWN, np.int64(spikes[k]), a)
        i64(o[COUNTER], 1)[0] += synapses_of(o[N], o[OWN + FAN_OUT], spikes, count)


def conv_graded(row):
    """A graded picture through a convolution; zeros cost nothing."""
    o = i64(row, OWN + GEOMETRY)
    y, x, used = f32(o[Y], o[N]), f32(slot_address(o[4], o[6], o[7], o[8], o[9]), o[5]), 0
    fan_out = u32(o[OWN + FAN_OUT], o[5])
    for i in range(x.size):
        if x[i] != ZERO:
            stamp(y, o[WEIGHTS], o, OWN, i, x[i])
            used += np.int64(fan_out[i])
    i64(o[COUNTER], 1)[0] += used
