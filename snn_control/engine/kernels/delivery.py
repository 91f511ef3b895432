"""Projections: add the weighted signals that arrive in a step to the current or synaptic current of the target neurons.

Spikes cost time only for the neurons that fired. Sums run over the presynaptic neurons in ascending order; four rows of
a weight matrix are added at once if this does not change the result. Sparse synapses are pairs {target uint32, weight
float32} in the order of the presynaptic neurons. Row pointers are the indices of each presynaptic neuron's first
synapse.

These kernels count their synaptic operations. ``fan_out`` is the number of nonzero weights of each presynaptic neuron.
A projection has no ``fan_out`` if no weight is zero, or if weights can change.
"""

import numpy as np
from numba.extending import register_jitable

from ...errors import ProgramError
from ..memory import f32, i8, i32, prefetch, prefetch_far, u32, u64
from ..operand_arrays import followed, need, pointers_of, positive
from ..rows import Word, address, count, counter, in_words, kernel, optional, read, scalar, size_of, written
from . import ONE, ZERO, settle
from .spikes import Signal, Spikes, clock

TARGET = np.uint64(0xFFFFFFFF)
TARGET24, TARGET32 = np.uint32(0xFFFFFF), np.uint32(0xFFFFFFFF)
PREFETCH_L1, PREFETCH_L2 = 2, 10  # distance in spikes at which rows of synapses are prefetched into the two caches
CACHED = 1 << 24  # bytes of synapses that are assumed to stay in some cache


@register_jitable(forceinline=True)
def part(address, n, k):
    """Return row ``k`` of the float32 matrix with ``n`` columns at ``address``, as a view of the row."""
    return f32(address + 4 * n * np.int64(k), n)


@register_jitable(forceinline=True)
def add_row(y, w, a):
    for i in range(y.size):
        y[i] += a * w[i]


@register_jitable(forceinline=True)
def add_rows4(y, w0, w1, w2, w3, a0, a1, a2, a3):
    for i in range(y.size):
        y[i] = (((y[i] + a0 * w0[i]) + a1 * w1[i]) + a2 * w2[i]) + a3 * w3[i]


@register_jitable(forceinline=True)
def add_spiking_rows(y, weights, source, several):
    """Add the rows of a weight matrix that belong to the neurons that fired to the vector ``y``.

    weights : address of the matrix, (n_pre, n_post) float32
    source : the arriving spikes, a `SpikeList`
    several : a literal; if true, a row is multiplied by the number of spikes of its neuron
    """
    n, i, a, count, k = y.size, source.fired, source.times, source.fired.size, 0
    while k + 4 <= count:
        if several:
            a0, a1, a2, a3 = np.float32(a[k]), np.float32(a[k + 1]), np.float32(a[k + 2]), np.float32(a[k + 3])
        else:
            a0 = a1 = a2 = a3 = ONE
        w0, w1 = part(weights, n, i[k]), part(weights, n, i[k + 1])
        w2, w3 = part(weights, n, i[k + 2]), part(weights, n, i[k + 3])
        add_rows4(y, w0, w1, w2, w3, a0, a1, a2, a3)
        k += 4
    while k < count:
        add_row(y, part(weights, n, i[k]), np.float32(a[k]) if several else ONE)
        k += 1


@register_jitable(forceinline=True)
def add_dense_spikes(y, weights, source):
    """Add the rows of a weight matrix that belong to the neurons in a spike list to the vector ``y``.

    weights, source : as in `add_spiking_rows`
    """
    if source.times.size == 0:
        add_spiking_rows(y, weights, source, False)
    else:
        add_spiking_rows(y, weights, source, True)


@register_jitable(forceinline=True)
def add_product(y, weights, x):
    """Add the matrix product x W to y. Zeros of x are skipped. Return the number of nonzero elements of x."""
    n, m, q, used, j = y.size, x.size, 4 * y.size, 0, 0
    while j + 4 <= m:
        a0, a1, a2, a3 = x[j], x[j + 1], x[j + 2], x[j + 3]
        active = np.int64(a0 != ZERO) + np.int64(a1 != ZERO) + np.int64(a2 != ZERO) + np.int64(a3 != ZERO)
        if active > 0:
            w = weights + j * q
            add_rows4(y, f32(w, n), f32(w + q, n), f32(w + 2 * q, n), f32(w + 3 * q, n), a0, a1, a2, a3)
            used += active
        j += 4
    while j < m:
        if x[j] != ZERO:
            add_row(y, part(weights, n, j), x[j])
            used += 1
        j += 1
    return used


@register_jitable(forceinline=True)
def pairs_of(pointers, synapses, i):
    """Return the addresses of the first and the last byte of the sparse synapses of presynaptic neuron ``i``."""
    return synapses + 8 * np.int64(pointers[i]), synapses + 8 * np.int64(pointers[i + 1]) - 1


@register_jitable(forceinline=True)
def add_each(y, first, m):
    """Add the weights of ``m`` sparse synapses at the address ``first`` to their targets: y[target] += weight."""
    target, weight = u64(first, m), f32(first, 2 * m)
    for j in range(m):
        y[target[j] & TARGET] += weight[2 * j + 1]


@register_jitable(forceinline=True)
def add_pairs(y, first, m, near, last_near, far, last_far, fetch_far):
    """Add the weights of ``m`` sparse synapses, as `add_each` does, and prefetch the synapses of later spikes.

    After every two cache lines of synapses, the function prefetches two cache lines of each later row.

    near, last_near : first and last byte of the row to prefetch into the first-level cache
    far, last_far : first and last byte of the row to prefetch into the second-level cache, if ``fetch_far`` is true
    """
    while m >= 16:
        prefetch(near)
        prefetch(near + 64)
        near += 128
        if fetch_far:
            prefetch_far(far)
            prefetch_far(far + 64)
            far += 128
        add_each(y, first, 16)
        first += 128
        m -= 16
    while near <= last_near:
        prefetch(near)
        near += 64
    while fetch_far and far <= last_far:
        prefetch_far(far)
        far += 64
    add_each(y, first, m)


@register_jitable(forceinline=True)
def add_sparse_rows(y, pointers, synapses, spikes, count, fetch_far):
    """Add the sparse synapses of the neurons that fired: y[target] += weight. Return the number of added synapses.

    With each spike, the synapses of the spike `PREFETCH_L1` positions later are prefetched into the first-level cache.
    If the synapses exceed the caches (``fetch_far``, a literal), the synapses of the spike `PREFETCH_L2` positions
    later are also prefetched into the second-level cache.
    """
    used = 0
    for k in range(min(PREFETCH_L2 if fetch_far else PREFETCH_L1, count)):
        line, last = pairs_of(pointers, synapses, spikes[k])
        while line <= last:
            prefetch(line)
            line += 64
    for k in range(count):
        first, last = pairs_of(pointers, synapses, spikes[k])
        near, last_near = pairs_of(pointers, synapses, spikes[min(k + PREFETCH_L1, count - 1)])
        far, last_far = pairs_of(pointers, synapses, spikes[min(k + PREFETCH_L2, count - 1)])
        m = (last - first + 1) // 8
        add_pairs(y, first, m, near, last_near, far, last_far, fetch_far)
        used += m
    return used


@register_jitable(forceinline=True)
def add_sparse_row(y, pointers, synapses, i, a):
    """Add the sparse synapses of neuron ``i``, times ``a``: y[target] += a weight. Return the number of synapses.

    pointers : row pointers of the synapses
    synapses : address of the pairs {target, weight}
    """
    first = np.int64(pointers[i])
    m = np.int64(pointers[i + 1]) - first
    target, weight = u32(synapses + 8 * first, 2 * m), f32(synapses + 8 * first, 2 * m)
    for s in range(m):
        y[target[2 * s]] += a * weight[2 * s + 1]
    return m


@register_jitable(forceinline=True)
def synapses_of(n_post, fan_out, fired):
    """Return the number of synaptic operations of the spikes in a step: nonzero weights of the neurons that fired.

    fan_out : number of nonzero weights of each presynaptic neuron; empty if each neuron has ``n_post``
    fired : indices of the neurons that fired
    """
    if fan_out.size == 0:
        return fired.size * n_post
    used = 0
    for k in range(fired.size):
        used += np.int64(fan_out[fired[k]])
    return used


@register_jitable(forceinline=True)
def active(fan_out, x):
    """Return the number of synaptic operations of graded signals: nonzero weights of the sources that are not 0.

    fan_out : number of nonzero weights of each presynaptic neuron
    x : (n_pre,) graded signals
    """
    used = 0
    for j in range(x.size):
        used += np.int64(fan_out[j]) if x[j] != ZERO else 0
    return used


def rows_of(columns, size=4):
    """Return a function that computes the number of presynaptic neurons from the size of the weight matrix.

    Declarations of operands use the function ``n_pre(w)`` as the size of an array; ``w`` contains the operands by name.

    columns : name of the operand that is the number of columns of the matrix
    size : bytes of one weight
    """

    def n_pre(w):
        need(getattr(w, columns), size, w.weights)
        return w.weights.data.nbytes // (size * getattr(w, columns))

    return n_pre


n_pre, n_pre_int8 = rows_of("n_post"), rows_of("n_post", size=1)


@kernel()
def dense_spikes(
    n_post: count, y: written("f32", "n_post"), weights: address("f32", "n_post"), source: Spikes(n_pre),
    counter: counter, fan_out: optional(read("u32", n_pre)),
):  # fmt: skip
    """Deliver spikes through a dense weight matrix, (n_pre, n_post): each spike adds the row of its neuron to y."""
    if source.fired.size > 0:
        add_dense_spikes(y, weights, source)
        counter[0] += synapses_of(n_post, fan_out, source.fired)


class Synapses(Word):
    """Row pointers of sparse synapses, uint32. The operands are ``pointers`` and, unless their number follows from
    other operands, ``n_pointers``.

    of : size of a synapse in ``weights`` [uint32]. 2: {target, weight}; 1: 24 bits of target and 8 bits of weight
    targets : number of targets
    pointers : number of row pointers
    """

    def __init__(self, of=2, targets="n_post", pointers="n_pointers"):
        self.of, self.targets, self.pointers = of, targets, pointers

    def names(self, parameter):
        return ("pointers", *["n_pointers"] * (self.pointers == "n_pointers"))

    def code(self, parameter, w):
        return [f"{parameter} = u32({w['pointers']}, {in_words(self.pointers, w)})"]

    def check(self, parameter, w):
        n_pointers = size_of(self.pointers, w)
        positive(n_pointers)
        need(0, 4 * self.of, w.weights)
        followed(w.weights)
        words = w.weights.data.nbytes // (4 * self.of) * self.of
        targets = w.weights.data[: 4 * words].view(np.uint32)[:: self.of]
        pointers_of(w.pointers, n_pointers, len(targets))
        last = int((targets & (TARGET24 if self.of == 1 else TARGET32)).max(initial=0))
        if len(targets) and last >= size_of(self.targets, w):
            raise ProgramError(f"a synapse onto neuron {last}: only {size_of(self.targets, w)}")


@kernel()
def csr_spikes(
    n_post: count, y: written("f32", "n_post"), weights: address("u32", 0), source: Spikes("n_pointers - 1"),
    counter: counter, pointers: Synapses(),
):  # fmt: skip
    """Deliver spikes through sparse synapses, stored as pairs {target uint32, weight float32}."""
    fired, times, n = source.fired, source.times, source.fired.size
    if n > 0:
        used = 0
        if times.size > 0:
            for k in range(n):
                used += add_sparse_row(y, pointers, weights, fired[k], np.float32(times[k]))
        elif 8 * np.int64(pointers[pointers.size - 1]) <= CACHED:
            used = add_sparse_rows(y, pointers, weights, fired, n, False)
        else:
            used = add_sparse_rows(y, pointers, weights, fired, n, True)
        counter[0] += used


@kernel()
def dense_spikes_int8(
    n_post: count, y: written("f32", "n_post"), weights: address("i8", "n_post"),
    source: Spikes(n_pre_int8, once=True), counter: counter, scale: scalar("f32"), sums: written("i32", "n_post"),
    fan_out: optional(read("u32", n_pre_int8)),
):  # fmt: skip
    """Deliver spikes through a dense matrix of int8 weights: sum them as integers, then multiply sums by the scale."""
    fired = source.fired
    if fired.size > 0:
        for j in range(n_post):
            sums[j] = 0
        for k in range(fired.size):
            w = i8(weights + n_post * np.int64(fired[k]), n_post)
            for j in range(n_post):
                sums[j] += w[j]
        for j in range(n_post):
            y[j] += scale * np.float32(sums[j])
        counter[0] += synapses_of(n_post, fan_out, fired)


@kernel()
def csr_spikes_int8(
    n_post: count, y: written("f32", "n_post"), weights: address("u32", 0),
    source: Spikes("n_pointers - 1", once=True), counter: counter, pointers: Synapses(of=1), scale: scalar("f32"),
):  # fmt: skip
    """Deliver spikes through sparse synapses with int8 weights.

    Each synapse is stored as one uint32: 24 bits of target and 8 bits of weight.
    """
    fired, used = source.fired, 0
    if fired.size > 0:
        for k in range(fired.size):
            first = np.int64(pointers[fired[k]])
            m = np.int64(pointers[fired[k] + 1]) - first
            target, weight = u32(weights + 4 * first, m), i32(weights + 4 * first, m)
            for j in range(m):
                y[target[j] & TARGET24] += scale * np.float32(weight[j] >> 24)
            used += m
        counter[0] += used


@kernel()
def csr_delayed(
    n_post: count, line: written("f32", "n_post * steps"), weights: address("u32", 0),
    source: Spikes("n_pointers - 1"), counter: counter, pointers: Synapses(targets="n_post * steps"), steps: count,
):  # fmt: skip
    """Deliver spikes through sparse synapses that have individual delays, into a delay line of ``steps`` vectors.

    In each later step, the kernel `release` adds the vector of this step to the target population. The target of a
    synapse is an index into the delay line, counted from the vector of the step in which the spike arrives.
    """
    fired, times = source.fired, source.times
    if fired.size > 0:
        size, base, used = n_post * steps, n_post * (source.now % steps), 0
        for k in range(fired.size):
            first = np.int64(pointers[fired[k]])
            m = np.int64(pointers[fired[k] + 1]) - first
            target, weight = u32(weights + 8 * first, 2 * m), f32(weights + 8 * first, 2 * m)
            a = ONE if times.size == 0 else np.float32(times[k])
            for j in range(m):
                at = base + np.int64(target[2 * j])
                line[at - size if at >= size else at] += a * weight[2 * j + 1]
            used += m
        counter[0] += used


@kernel()
def release(
    n: count, y: written("f32", "n"), line: address("f32", "n * steps", written=True), steps: count, clock: clock
):
    """Add the delay line's vector of this step to y, then clear the vector for later spikes."""
    arrived = f32(line + 4 * n * (clock[1] % steps), n)
    for i in range(n):
        y[i] += arrived[i]
        arrived[i] = ZERO


@kernel()
def synapse(n: count, y: written("f32", "n"), isyn: written("f32", "n"), decay: scalar("f32")):
    """Add an exponential synaptic current to the neurons' current: y += isyn, then isyn <- decay isyn."""
    for i in range(n):
        y[i] += isyn[i]
        isyn[i] = settle(isyn[i] * decay)


@kernel()
def dense_graded(
    n_post: count, y: written("f32", "n_post"), weights: address("f32", "n_pre * n_post"), x: Signal(),
    counter: counter, fan_out: optional(read("u32", "n_pre")),
):  # fmt: skip
    """Deliver graded signals through a dense weight matrix W, (n_pre, n_post): y += x W."""
    used = add_product(y, weights, x) * n_post
    counter[0] += used if fan_out.size == 0 else active(fan_out, x)


def _one_each(w):
    if w.n_pre < w.n_post:
        raise ProgramError(f"one to one from {w.n_pre} to {w.n_post}")


@kernel(must=_one_each)
def one_to_one_graded(
    n_post: count, y: written("f32", "n_post"), weights: read("f32", "n_post"), x: Signal(), counter: counter
):  # fmt: skip
    """Deliver graded signals through one-to-one connections: y_i += w_i x_i."""
    used = 0
    for i in range(n_post):
        y[i] += weights[i] * x[i]
        used += (x[i] != ZERO) & (weights[i] != ZERO)
    counter[0] += used
