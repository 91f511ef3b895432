"""Projections: what arrives is added to the target's current or synaptic current, ``y += sum w``.

Spikes cost work only for the neurons that fired. Sums run over the presynaptic neurons in ascending order;
rows are taken four at a time where that does not change the order.

Spike rows: n_post, y, weights (csr: int64 view of {target uint32, weight float32}), spikes, stride, slots, clock,
delay, counter of synaptic operations, [csr: row pointers uint32]. Graded rows: n_post, y, weights, x, n_pre,
[delay line: stride, slots, clock, delay], counter.
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i64, prefetch, u32, u64
from . import ZERO
from .spikes import HEADER, slot_address

TARGET = np.uint64(0xFFFFFFFF)
AHEAD = 2  # spikes: how far ahead a row of synapses is fetched


@register_jitable(forceinline=True)
def add_row(y, w):
    for i in range(y.size):
        y[i] += w[i]


@register_jitable(forceinline=True)
def add_rows4(y, w0, w1, w2, w3):
    for i in range(y.size):
        y[i] = (((y[i] + w0[i]) + w1[i]) + w2[i]) + w3[i]


@register_jitable(forceinline=True)
def add_scaled_row(y, w, a):
    for i in range(y.size):
        y[i] += a * w[i]


@register_jitable(forceinline=True)
def add_scaled_rows4(y, w0, w1, w2, w3, a0, a1, a2, a3):
    for i in range(y.size):
        y[i] = (((y[i] + a0 * w0[i]) + a1 * w1[i]) + a2 * w2[i]) + a3 * w3[i]


@register_jitable(forceinline=True)
def add_spiking_rows(y, weights, spikes, count):
    """y += the weight rows (address, (n_pre, n_post) float32) of the neurons that fired."""
    n, q, k = y.size, 4 * y.size, 0
    while k + 4 <= count:
        add_rows4(
            y,
            f32(weights + q * np.int64(spikes[k]), n),
            f32(weights + q * np.int64(spikes[k + 1]), n),
            f32(weights + q * np.int64(spikes[k + 2]), n),
            f32(weights + q * np.int64(spikes[k + 3]), n),
        )
        k += 4
    while k < count:
        add_row(y, f32(weights + q * np.int64(spikes[k]), n))
        k += 1


@register_jitable(forceinline=True)
def add_product(y, weights, x):
    """y += x W, skipping zeros of x; returns how many rows were not zero."""
    n, m, q, used, j = y.size, x.size, 4 * y.size, 0, 0
    while j + 4 <= m:
        a0, a1, a2, a3 = x[j], x[j + 1], x[j + 2], x[j + 3]
        active = np.int64(a0 != ZERO) + np.int64(a1 != ZERO) + np.int64(a2 != ZERO) + np.int64(a3 != ZERO)
        if active > 0:
            w = weights + j * q
            add_scaled_rows4(y, f32(w, n), f32(w + q, n), f32(w + 2 * q, n), f32(w + 3 * q, n), a0, a1, a2, a3)
            used += active
        j += 4
    while j < m:
        if x[j] != ZERO:
            add_scaled_row(y, f32(weights + j * q, n), x[j])
            used += 1
        j += 1
    return used


@register_jitable(forceinline=True)
def add_sparse_rows(y, pointers, synapses, spikes, count):
    """y[target] += weight over the synapses of the neurons that fired; returns how many synapses.

    One cache line of a later row is fetched for each line that is used.
    """
    used = 0
    for k in range(min(AHEAD, count)):
        i = spikes[k]
        for line in range(synapses + 8 * np.int64(pointers[i]), synapses + 8 * np.int64(pointers[i + 1]), 64):
            prefetch(line)
    for k in range(count):
        i = spikes[k]
        first = np.int64(pointers[i])
        m = np.int64(pointers[i + 1]) - first
        used += m
        later = spikes[min(k + AHEAD, count - 1)]
        line = synapses + 8 * np.int64(pointers[later])
        last = synapses + 8 * np.int64(pointers[later + 1]) - 1
        target, weight = u64(synapses + 8 * first, m), f32(synapses + 8 * first, 2 * m)
        c = 0
        while c + 8 <= m:
            prefetch(line)
            line += 64
            for j in range(c, c + 8):
                y[target[j] & TARGET] += weight[2 * j + 1]
            c += 8
        while line <= last:
            prefetch(line)
            line += 64
        for j in range(c, m):
            y[target[j] & TARGET] += weight[2 * j + 1]
    return used


def dense_spikes(row):
    """Spikes through a dense (n_pre, n_post) matrix."""
    o = i64(row, 10)
    slot = slot_address(o[4], o[5], o[6], o[7], o[8])
    count = i64(slot, 1)[0]
    if count > 0:
        add_spiking_rows(f32(o[2], o[1]), o[3], u32(slot + HEADER, count), count)
        i64(o[9], 1)[0] += count * o[1]


def csr_spikes(row):
    """Spikes through sparse rows, index and weight side by side."""
    o = i64(row, 12)
    slot = slot_address(o[4], o[5], o[6], o[7], o[8])
    count = i64(slot, 1)[0]
    if count > 0:
        pointers = u32(o[10], o[11])
        i64(o[9], 1)[0] += add_sparse_rows(f32(o[2], o[1]), pointers, o[3], u32(slot + HEADER, count), count)


def dense_graded(row):
    """A graded vector through a dense (n_pre, n_post) matrix."""
    o = i64(row, 11)
    x = f32(slot_address(o[4], o[6], o[7], o[8], o[9]), o[5])
    i64(o[10], 1)[0] += add_product(f32(o[2], o[1]), o[3], x) * o[1]


def one_to_one_graded(row):
    """y_i += w_i x_i."""
    o = i64(row, 11)
    y, w, x = f32(o[2], o[1]), f32(o[3], o[1]), f32(slot_address(o[4], o[6], o[7], o[8], o[9]), o[5])
    used = 0
    for i in range(y.size):
        y[i] += w[i] * x[i]
        used += x[i] != ZERO
    i64(o[10], 1)[0] += used
