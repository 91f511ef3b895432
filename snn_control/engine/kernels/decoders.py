"""Spikes -> numbers, beside the filtered rates of `snn_control.engine.kernels.outputs`.

population_vector  m, out float32, y float32[m + 1]: filtered rates times directions, and their sum; last float32[m],
                   least float32[1], hold
window_counts      n, spikes, stride, slots, clock, many, steps, counts int64, x float32; the ring has steps + 1 slots
window_mean        n, line, stride, slots, clock, steps, x float32; the line has `steps` slots at least
first_spike        m, out float32, weights float32 (n, m), n, spikes, stride, slots, clock, steps of a tick, steps of a
                   window, state int64[2]: neuron that decided, or -1; it was in this window
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i64, u16, u32
from . import ZERO, bounded
from .delivery import add_row
from .spikes import HEADER, slot_address, slot_of_step

DECIDED, IN_WINDOW = 0, 1  # words of first_spike's state


def population_vector(row):
    """out += sum of rates times directions / sum of rates; where that sum is below `least`, 0 or what was last."""
    o = i64(row, 7)
    m, out, y, last = o[1], f32(o[2], o[1]), f32(o[3], o[1] + 1), f32(o[4], o[1])
    total, least = y[m], f32(o[5], 1)[0]
    for j in range(m):
        if total >= least:
            last[j] = y[j] / total
        else:
            last[j] = bounded(last[j]) if o[6] != 0 else ZERO
        out[j] += last[j]


@register_jitable(forceinline=True)
def add_counts(o, slot, sign, counts, x):
    """counts += sign times the spikes of one list; x is the same as float32."""
    n = i64(slot, 1)[0]
    spikes, many = u32(slot + HEADER, n), u16(slot + o[6], n)
    for k in range(n):
        i = spikes[k]
        counts[i] += sign * (np.int64(1) if o[6] == 0 else np.int64(many[k]))
        x[i] = np.float32(counts[i])


def window_counts(row):
    """Spikes of each neuron in the last `steps` steps, exactly: the newest list comes in, one goes out."""
    o = i64(row, 10)
    counts, x = i64(o[8], o[1]), f32(o[9], o[1])
    add_counts(o, slot_address(o[2], o[3], o[4], o[5], 0), 1, counts, x)
    add_counts(o, slot_address(o[2], o[3], o[4], o[5], o[7]), -1, counts, x)


def window_mean(row):
    """x = mean of the values of the last `steps` steps, the oldest added first; once a tick, behind its last step."""
    o = i64(row, 8)
    x, now, steps = f32(o[7], o[1]), i64(o[5], 2)[1], np.float32(o[6])
    for i in range(x.size):
        x[i] = ZERO
    for step in range(now - o[6], now):
        v = f32(slot_of_step(o[2], o[3], o[4], step), o[1])
        for i in range(x.size):
            x[i] += v[i]
    for i in range(x.size):
        x[i] /= steps


def first_spike(row):
    """out += the weights of the neuron that fired first in the newest window in which one fired."""
    o = i64(row, 12)
    state, now = i64(o[11], 2), i64(o[8], 2)[1]
    for step in range(now - o[9], now):
        if step % o[10] == 0:
            state[IN_WINDOW] = 0
        slot = slot_of_step(o[5], o[6], o[7], step)
        if (state[IN_WINDOW] == 0) & (i64(slot, 1)[0] > 0):
            state[DECIDED] = u32(slot + HEADER, 1)[0]
            state[IN_WINDOW] = 1
    if (state[DECIDED] >= 0) & (state[DECIDED] < o[4]):
        add_row(f32(o[2], o[1]), f32(o[3] + 4 * o[1] * state[DECIDED], o[1]))
