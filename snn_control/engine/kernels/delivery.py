"""Projections: what arrives is added to the target's current or synaptic current, ``y += sum w``.

Spikes cost work only for the neurons that fired. Sums run over the presynaptic neurons in ascending order; rows are
taken four at a time where that does not change the order.

Spike rows: n_post, y, weights, then the source: spikes, stride, slots, clock, delay, many, then the counter of synaptic
operations, then
    dense_spikes       fan out uint32[n_pre]: weights that are not 0 of each row; 0 where all are
    csr_spikes         row pointers uint32, how many; weights are pairs {target uint32, weight float32}
    dense_spikes_int8  scale float32[1], sums int32[n_post], fan out; weights int8
    csr_spikes_int8    row pointers, how many, scale; a synapse is a uint32: 24 bits of target, 8 of weight
    csr_delayed        row pointers, how many, steps; y is a line of `steps` vectors, a synapse's target counts in it
                       from the vector of the step in which the spike arrives
Graded rows: n_post, y, weights, x, n_pre, [delay line: stride, slots, clock, delay], counter, [fan out].
release: n, y, line, steps, clock. synapse: n, y, isyn, decay float32[1].
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i8, i32, i64, load_u32, prefetch, prefetch_far, u16, u32, u64
from . import ONE, ZERO, settle
from .spikes import HEADER, slot_address

# words of a row that gets spikes
N, Y, WEIGHTS, SPIKES, STRIDE, SLOTS, CLOCK, DELAY, MANY, COUNTER, OWN = range(1, 12)
TARGET = np.uint64(0xFFFFFFFF)
TARGET24 = np.uint32(0xFFFFFF)
AHEAD, FAR = 2, 10  # spikes: how far ahead a row of synapses is fetched, into the first and the second cache
CACHED = 1 << 24  # bytes of synapses that are taken to stay in some cache


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
def pairs_of(pointers, synapses, i):
    """Addresses of the first and of the last byte of the synapses of neuron ``i``."""
    return synapses + 8 * np.int64(pointers[i]), synapses + 8 * np.int64(pointers[i + 1]) - 1


@register_jitable(forceinline=True)
def add_pairs(y, first, m, near, last_near, far, last_far, fetch_far):
    """y[target] += weight for ``m`` synapses at an address; two lines used, two fetched of each later row."""
    target, weight = u64(first, m), f32(first, 2 * m)
    c = 0
    while c + 16 <= m:
        prefetch(near)
        prefetch(near + 64)
        near += 128
        if fetch_far:
            prefetch_far(far)
            prefetch_far(far + 64)
            far += 128
        for j in range(c, c + 16):
            y[target[j] & TARGET] += weight[2 * j + 1]
        c += 16
    while near <= last_near:
        prefetch(near)
        near += 64
    while fetch_far and far <= last_far:
        prefetch_far(far)
        far += 64
    for j in range(c, m):
        y[target[j] & TARGET] += weight[2 * j + 1]


@register_jitable(forceinline=True)
def add_sparse_rows(y, pointers, synapses, spikes, count, fetch_far):
    """y[target] += weight over the synapses of the neurons that fired; returns how many synapses.

    While a row is added, the row `AHEAD` spikes later comes to the first cache. Where all rows together are more than
    the caches hold (``fetch_far``, a literal), the row `FAR` spikes later comes to the second one: the way from memory
    is too long for one of the two alone.
    """
    used = 0
    for k in range(min(FAR if fetch_far else AHEAD, count)):
        line, last = pairs_of(pointers, synapses, spikes[k])
        while line <= last:
            prefetch(line)
            line += 64
    for k in range(count):
        first, last = pairs_of(pointers, synapses, spikes[k])
        near, last_near = pairs_of(pointers, synapses, spikes[min(k + AHEAD, count - 1)])
        far, last_far = pairs_of(pointers, synapses, spikes[min(k + FAR, count - 1)])
        m = (last - first + 1) // 8
        add_pairs(y, first, m, near, last_near, far, last_far, fetch_far)
        used += m
    return used


@register_jitable(forceinline=True)
def add_multiple_rows(y, weights, spikes, many, count):
    """The same where a neuron can fire several times."""
    for k in range(count):
        add_scaled_row(y, f32(weights + 4 * y.size * np.int64(spikes[k]), y.size), np.float32(many[k]))


@register_jitable(forceinline=True)
def add_multiple_sparse_rows(y, pointers, synapses, spikes, many, count):
    used = 0
    for k in range(count):
        i, a = spikes[k], np.float32(many[k])
        first = np.int64(pointers[i])
        m = np.int64(pointers[i + 1]) - first
        target, weight = u32(synapses + 8 * first, 2 * m), f32(synapses + 8 * first, 2 * m)
        for j in range(m):
            y[target[2 * j]] += a * weight[2 * j + 1]
        used += m
    return used


@register_jitable(forceinline=True)
def source_slot(o):
    """Address of the spike list that arrives now."""
    return slot_address(o[SPIKES], o[STRIDE], o[SLOTS], o[CLOCK], o[DELAY])


@register_jitable(forceinline=True)
def synapses_of(n_post, fan_out, spikes, count):
    """Synapses with a weight, of those that fired; all n_post of each where ``fan_out`` is 0."""
    if fan_out == 0:
        return count * n_post
    used = 0
    for k in range(count):
        used += load_u32(fan_out + 4 * np.int64(spikes[k]))
    return used


def dense_spikes(row):
    """Spikes through a dense (n_pre, n_post) matrix."""
    o = i64(row, OWN + 1)
    slot = source_slot(o)
    count = i64(slot, 1)[0]
    if count > 0:
        y, spikes = f32(o[Y], o[N]), u32(slot + HEADER, count)
        if o[MANY] == 0:
            add_spiking_rows(y, o[WEIGHTS], spikes, count)
        else:
            add_multiple_rows(y, o[WEIGHTS], spikes, u16(slot + o[MANY], count), count)
        i64(o[COUNTER], 1)[0] += synapses_of(o[N], o[OWN], spikes, count)


def csr_spikes(row):
    """Spikes through sparse rows, index and weight side by side."""
    o = i64(row, OWN + 2)
    slot = source_slot(o)
    count = i64(slot, 1)[0]
    if count > 0:
        y, pointers, spikes = f32(o[Y], o[N]), u32(o[OWN], o[OWN + 1]), u32(slot + HEADER, count)
        if o[MANY] != 0:
            used = add_multiple_sparse_rows(y, pointers, o[WEIGHTS], spikes, u16(slot + o[MANY], count), count)
        elif 8 * np.int64(pointers[o[OWN + 1] - 1]) > CACHED:
            used = add_sparse_rows(y, pointers, o[WEIGHTS], spikes, count, True)
        else:
            used = add_sparse_rows(y, pointers, o[WEIGHTS], spikes, count, False)
        i64(o[COUNTER], 1)[0] += used


def dense_spikes_int8(row):
    """Spikes through a dense matrix of whole numbers: summed exactly, scaled once."""
    o = i64(row, OWN + 3)
    slot = source_slot(o)
    count = i64(slot, 1)[0]
    if count > 0:
        n, scale = o[N], f32(o[OWN], 1)[0]
        y, sums, spikes = f32(o[Y], n), i32(o[OWN + 1], n), u32(slot + HEADER, count)
        for j in range(n):
            sums[j] = 0
        for k in range(count):
            w = i8(o[WEIGHTS] + n * np.int64(spikes[k]), n)
            for j in range(n):
                sums[j] += w[j]
        for j in range(n):
            y[j] += scale * np.float32(sums[j])
        i64(o[COUNTER], 1)[0] += synapses_of(n, o[OWN + 2], spikes, count)


def csr_spikes_int8(row):
    """Spikes through sparse rows of one word a synapse."""
    o = i64(row, OWN + 3)
    slot = source_slot(o)
    count = i64(slot, 1)[0]
    if count > 0:
        y, pointers, spikes, scale = (
            f32(o[Y], o[N]),
            u32(o[OWN], o[OWN + 1]),
            u32(slot + HEADER, count),
            f32(o[OWN + 2], 1)[0],
        )
        used = 0
        for k in range(count):
            first = np.int64(pointers[spikes[k]])
            m = np.int64(pointers[spikes[k] + 1]) - first
            target, weight = u32(o[WEIGHTS] + 4 * first, m), i32(o[WEIGHTS] + 4 * first, m)
            for j in range(m):
                y[target[j] & TARGET24] += scale * np.float32(weight[j] >> 24)
            used += m
        i64(o[COUNTER], 1)[0] += used


def csr_delayed(row):
    """Spikes through sparse rows with a delay of each synapse: into a line that `release` reads."""
    o = i64(row, OWN + 3)
    slot = source_slot(o)
    count = i64(slot, 1)[0]
    if count > 0:
        n, steps = o[N], o[OWN + 2]
        size = n * steps
        line, pointers, spikes = f32(o[Y], size), u32(o[OWN], o[OWN + 1]), u32(slot + HEADER, count)
        base, used = n * (i64(o[CLOCK], 2)[1] % steps), 0
        for k in range(count):
            first = np.int64(pointers[spikes[k]])
            m = np.int64(pointers[spikes[k] + 1]) - first
            target, weight = u32(o[WEIGHTS] + 8 * first, 2 * m), f32(o[WEIGHTS] + 8 * first, 2 * m)
            a = ONE if o[MANY] == 0 else np.float32(u16(slot + o[MANY], count)[k])
            for j in range(m):
                at = base + np.int64(target[2 * j])
                line[at - size if at >= size else at] += a * weight[2 * j + 1]
            used += m
        i64(o[COUNTER], 1)[0] += used


def release(row):
    """y += what arrives in this step; its place in the line is empty again."""
    o = i64(row, 6)
    y, line = f32(o[2], o[1]), f32(o[3] + 4 * o[1] * (i64(o[5], 2)[1] % o[4]), o[1])
    for i in range(y.size):
        y[i] += line[i]
        line[i] = ZERO


def synapse(row):
    """A projection's own exponential current: y += isyn, then it decays."""
    o = i64(row, 5)
    y, isyn, decay = f32(o[2], o[1]), f32(o[3], o[1]), f32(o[4], 1)[0]
    for i in range(y.size):
        y[i] += isyn[i]
        isyn[i] = settle(isyn[i] * decay)


def dense_graded(row):
    """A graded vector through a dense (n_pre, n_post) matrix."""
    o = i64(row, 12)
    x = f32(slot_address(o[4], o[6], o[7], o[8], o[9]), o[5])
    used = add_product(f32(o[2], o[1]), o[3], x) * o[1]
    if o[11] != 0:
        fan_out, used = u32(o[11], o[5]), 0
        for j in range(x.size):
            used += np.int64(fan_out[j]) if x[j] != ZERO else 0
    i64(o[10], 1)[0] += used


def one_to_one_graded(row):
    """y_i += w_i x_i."""
    o = i64(row, 11)
    y, w, x = f32(o[2], o[1]), f32(o[3], o[1]), f32(slot_address(o[4], o[6], o[7], o[8], o[9]), o[5])
    used = 0
    for i in range(y.size):
        y[i] += w[i] * x[i]
        used += (x[i] != ZERO) & (w[i] != ZERO)
    i64(o[10], 1)[0] += used
