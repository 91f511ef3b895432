"""Graded signals through sparse connections: ``y_i = start_i + sum w x``.

`start` is where the sum starts: at y itself, to which it adds, or at another vector (the bias), which sets y: that
saves the pass in which the neurons would have done so.

Rows: n_post, y, weights, x, n_pre, [delay line: stride, slots, clock, delay], counter of synaptic operations, then
    gather_graded  each target has one synapse: fan out uint32[n_pre], start, channels uint32[n_post]
    tile_graded    the same where target i has channel i % n_pre, and all one weight: fan out, start, tile float32
                   (room for the kernel), its size, a multiple of n_pre
    csr_graded     any: row pointers uint32[n_pre + 1]; weights are pairs {target uint32, weight float32}
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i64, u32
from . import ZERO
from .spikes import slot_address

# words of a row that gets a graded signal
N, Y, WEIGHTS, X, N_PRE, STRIDE, SLOTS, CLOCK, DELAY, COUNTER, FAN_OUT, START, CHANNELS = range(1, 14)
POINTERS, TILE, TILE_SIZE = FAN_OUT, CHANNELS, CHANNELS + 1


@register_jitable(forceinline=True)
def source(o):
    """The signal that arrives now."""
    return f32(slot_address(o[X], o[STRIDE], o[SLOTS], o[CLOCK], o[DELAY]), o[N_PRE])


@register_jitable(forceinline=True)
def count_active(o, x):
    """Count the synapses whose source is not 0."""
    fan_out, used = u32(o[FAN_OUT], o[N_PRE]), 0
    for j in range(x.size):
        used += np.int64(fan_out[j]) if x[j] != ZERO else 0
    i64(o[COUNTER], 1)[0] += used


@register_jitable(forceinline=True)
def set_sum(y, start, x):
    for i in range(y.size):
        y[i] = start[i] + x[i]


@register_jitable(forceinline=True)
def add_vector(y, x):
    for i in range(y.size):
        y[i] += x[i]


@register_jitable(forceinline=True)
def copy_vector(y, x):
    for i in range(y.size):
        y[i] = x[i]


def gather_graded(row):
    """Any channel and weight for each target."""
    o = i64(row, CHANNELS + 1)
    x, y, w, channels = source(o), f32(o[Y], o[N]), f32(o[WEIGHTS], o[N]), u32(o[CHANNELS], o[N])
    start = f32(o[START], o[N])
    for i in range(y.size):
        y[i] = start[i] + w[i] * x[channels[i]]
    count_active(o, x)


def tile_graded(row):
    """The channels again and again: a short tile of them stays in the first cache and is added block by block."""
    o = i64(row, TILE_SIZE + 1)
    x, n, w, size = source(o), o[N], f32(o[WEIGHTS], 1)[0], o[TILE_SIZE]
    tile = f32(o[TILE], size)
    for j in range(x.size):
        tile[j] = w * x[j]
    filled = x.size
    while filled < size:  # twice as many each time
        more = min(filled, size - filled)
        copy_vector(f32(o[TILE] + 4 * filled, more), f32(o[TILE], more))
        filled += more
    for first in range(0, n, size):
        m = min(size, n - first)
        y, part = f32(o[Y] + 4 * first, m), f32(o[TILE], m)
        if o[START] == o[Y]:
            add_vector(y, part)
        else:
            set_sum(y, f32(o[START] + 4 * first, m), part)
    count_active(o, x)


def csr_graded(row):
    """Rows of synapses of the channels that are not 0."""
    o = i64(row, POINTERS + 1)
    x, y, pointers, used = source(o), f32(o[Y], o[N]), u32(o[POINTERS], o[N_PRE] + 1), 0
    for j in range(x.size):
        if x[j] != ZERO:
            first = np.int64(pointers[j])
            m = np.int64(pointers[j + 1]) - first
            target, weight = u32(o[WEIGHTS] + 8 * first, 2 * m), f32(o[WEIGHTS] + 8 * first, 2 * m)
            for s in range(m):
                y[target[2 * s]] += x[j] * weight[2 * s + 1]
            used += m
    i64(o[COUNTER], 1)[0] += used
