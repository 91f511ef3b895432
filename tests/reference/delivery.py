"""References of vectors, deliveries and convolutions."""

from __future__ import annotations

import numpy as np

from snn_control.engine.build import projections
from snn_control.network.convolution import Convolution
from snn_control.testing import bounded, clock_of, counter_of, floats, place, ring_of_spikes, settle, spike_list
from tests.reference.scalars import ZERO, f32


def copy_(n, y, x):
    for i in range(n):
        y[i] = x[i]


def add(n, y, x):
    for i in range(n):
        y[i] += x[i]


def clear(n, y):
    for i in range(n):
        y[i] = ZERO


def remember(n, ring, stride, slots, clock, x):
    line = place(ring, stride, slots, clock, 0)[: 4 * n].view(np.float32)
    for i in range(n):
        line[i] = bounded(x[i])


def dense_spikes(n_post, y, weights, ring, stride, slots, clock, delay, multiplicity, counter, fan_out):
    for i, times in spike_list(place(ring, stride, slots, clock, delay), multiplicity):
        for j in range(n_post):
            y[j] += times * weights[i, j]
        counter[0] += n_post if isinstance(fan_out, int) else fan_out[i]


def csr_spikes(n_post, y, synapses, ring, stride, slots, clock, delay, multiplicity, counter, pointers, n_pointers):
    for i, times in spike_list(place(ring, stride, slots, clock, delay), multiplicity):
        for s in range(int(pointers[i]), int(pointers[i + 1])):
            y[synapses[s, 0]] += times * synapses[s, 1:].view(np.float32)[0]
            counter[0] += 1


def dense_spikes_int8(
    n_post, y, weights, ring, stride, slots, clock, delay, multiplicity, counter, scale, sums, fan_out
):
    fired = [i for i, _ in spike_list(place(ring, stride, slots, clock, delay))]
    if fired:
        for j in range(n_post):
            sums[j] = sum(int(weights[i, j]) for i in fired)
            y[j] += scale[0] * f32(sums[j])
    counter[0] += sum(n_post if isinstance(fan_out, int) else int(fan_out[i]) for i in fired)


def csr_spikes_int8(
    n_post, y, synapses, ring, stride, slots, clock, delay, multiplicity, counter, pointers, n_pointers, scale
):
    for i, _ in spike_list(place(ring, stride, slots, clock, delay)):
        for s in range(int(pointers[i]), int(pointers[i + 1])):
            weight = (int(synapses[s]) >> 24) - (256 if synapses[s] >> 31 else 0)
            y[int(synapses[s]) % (1 << 24)] += scale[0] * f32(weight)
            counter[0] += 1


def csr_delayed(
    n_post, line, synapses, ring, stride, slots, clock, delay, multiplicity, counter, pointers, n_pointers, steps
):
    now = int(clock[1]) % steps
    for i, times in spike_list(place(ring, stride, slots, clock, delay), multiplicity):
        for s in range(int(pointers[i]), int(pointers[i + 1])):
            extra, j = divmod(int(synapses[s, 0]), n_post)
            line[(now + extra) % steps * n_post + j] += times * synapses[s, 1:].view(np.float32)[0]
            counter[0] += 1


def release(n, y, line, steps, clock):
    first = n * (int(clock[1]) % steps)
    for i in range(n):
        y[i] += line[first + i]
        line[first + i] = ZERO


def synapse(n, y, isyn, decay):
    for i in range(n):
        y[i] += isyn[i]
        isyn[i] = settle(isyn[i] * decay[0])


def dense_graded(n_post, y, weights, x, n_pre, stride, slots, clock, delay, counter, fan_out):
    source = place(x, stride, slots, clock, delay)[: 4 * n_pre].view(np.float32)
    four = n_pre - n_pre % 4
    for j in range(n_pre):
        together = source[j - j % 4 : j - j % 4 + 4] if j < four else source[j : j + 1]
        if (together != ZERO).any():  # rows are taken four at a time: 0 w is added where a neighbour is not 0
            for i in range(n_post):
                y[i] += source[j] * weights[j, i]
        if source[j] != ZERO:
            counter[0] += n_post if isinstance(fan_out, int) else fan_out[j]


def one_to_one_graded(n, y, w, x, n_pre, stride, slots, clock, delay, counter):
    source = place(x, stride, slots, clock, delay)[: 4 * n].view(np.float32)
    for i in range(n):
        y[i] += w[i] * source[i]
        counter[0] += source[i] != ZERO and w[i] != ZERO


def stamp(y, weights, i, a, counter, geometry):
    """y += a times the kernel around presynaptic neuron i."""
    area, width, rows, columns, out_area, group_in, group_out, lines, places, _ = geometry
    channel, line, column = i // area, i % area // width, i % width
    for r in range(rows):
        for out in range(group_out):
            for c in range(columns):
                down, across = lines.reshape(-1, rows)[line, r], places.reshape(-1, columns)[column, c]
                if down >= 0 and across >= 0:
                    to = (channel // group_in * group_out + out) * out_area + down + across
                    y[to] += a * weights[channel, out, r, c]
                    counter[0] += weights[channel, out, r, c] != ZERO


def conv_spikes(n_post, y, weights, ring, stride, slots, clock, delay, multiplicity, counter, *geometry):
    for i, times in spike_list(place(ring, stride, slots, clock, delay), multiplicity):
        stamp(y, weights, i, times, counter, geometry)


def conv_graded(n_post, y, weights, x, n_pre, stride, slots, clock, delay, counter, *geometry):
    source = place(x, stride, slots, clock, delay)[: 4 * n_pre].view(np.float32)
    for i in range(n_pre):
        if source[i] != ZERO:
            stamp(y, weights, i, source[i], counter, geometry)


def gather_graded(n, y, w, x, n_pre, stride, slots, clock, delay, counter, fan_out, start, channels):
    source = place(x, stride, slots, clock, delay)[: 4 * n_pre].view(np.float32)
    for i in range(n):
        y[i] = start[i] + w[i] * source[channels[i]]
        counter[0] += source[channels[i]] != ZERO


def tile_graded(n, y, w, x, n_pre, stride, slots, clock, delay, counter, fan_out, start, tile, size):
    source = place(x, stride, slots, clock, delay)[: 4 * n_pre].view(np.float32)
    for i in range(size):
        tile[i] = w[0] * source[i % n_pre]
    channels = np.arange(n) % n_pre
    gather_graded(n, y, w.repeat(n), x, n_pre, stride, slots, clock, delay, counter, fan_out, start, channels)


def csr_graded(n_post, y, synapses, x, n_pre, stride, slots, clock, delay, counter, pointers):
    source = place(x, stride, slots, clock, delay)[: 4 * n_pre].view(np.float32)
    for j in range(n_pre):
        for s in range(int(pointers[j]), int(pointers[j + 1])) if source[j] != ZERO else ():
            y[synapses[s, 0]] += source[j] * synapses[s, 1:].view(np.float32)[0]
            counter[0] += 1


def remember_case(rng, n):
    stride, slots = -(-4 * n // 64) * 64, int(rng.integers(1, 5))
    return [n, np.zeros(stride * slots, np.uint8), stride, slots, clock_of(rng), floats(rng, n)]


def fan_out_case(rng, weights):
    return np.count_nonzero(weights, axis=1).astype(np.uint32) if rng.random() < 0.5 else 0


def dense_spikes_case(rng, n):
    n_pre = int(rng.integers(1, 70))
    weights = floats(rng, n_pre, n)
    return [n, floats(rng, n), weights, *ring_of_spikes(rng, n_pre), counter_of(), fan_out_case(rng, weights)]


def dense_spikes_int8_case(rng, n):
    n_pre = int(rng.integers(1, 70))
    weights = rng.integers(-127, 128, (n_pre, n)).astype(np.int8)
    own = [floats(rng, 1, special=False), rng.integers(-9, 9, n).astype(np.int32), fan_out_case(rng, weights)]
    return [n, floats(rng, n), weights, *ring_of_spikes(rng, n_pre, multiple=False), counter_of(), *own]


def csr_rows(rng, n_pre, most):
    per_row = rng.integers(0, most, n_pre)
    return np.concatenate([[0], np.cumsum(per_row)]).astype(np.uint32)


def pairs_case(rng, n, n_pre, targets=None):
    pointers = csr_rows(rng, n_pre, 2 * n if n < 30 else 30)
    k = int(pointers[-1])
    synapses = np.stack([rng.integers(0, targets or n, k).astype(np.uint32), floats(rng, k).view(np.uint32)], 1)
    return pointers, np.ascontiguousarray(synapses) if k else np.zeros((1, 2), np.uint32)


def csr_spikes_case(rng, n, targets=None):
    n_pre = int(rng.integers(1, 70))
    pointers, synapses = pairs_case(rng, n, n_pre, targets)
    return [n, floats(rng, n), synapses, *ring_of_spikes(rng, n_pre), counter_of(), pointers, n_pre + 1]


def csr_spikes_int8_case(rng, n):
    n_pre = int(rng.integers(1, 70))
    pointers = csr_rows(rng, n_pre, 2 * n if n < 30 else 30)
    k = max(1, int(pointers[-1]))
    weights = rng.integers(-127, 128, k).astype(np.int8).astype(np.uint8).astype(np.uint32)
    words = rng.integers(0, n, k).astype(np.uint32) | weights << np.uint32(24)
    ring = ring_of_spikes(rng, n_pre, multiple=False)
    return [n, floats(rng, n), words, *ring, counter_of(), pointers, n_pre + 1, floats(rng, 1, special=False)]


def csr_delayed_case(rng, n):
    steps = int(rng.integers(1, 6))
    operands = csr_spikes_case(rng, n, n * steps)
    return [n, floats(rng, n * steps), *operands[2:], steps]


def convolution_case(graded: bool):
    def case(rng, size):
        channels, height, width = int(rng.integers(1, 3)) * 2, int(rng.integers(1, 5)), min(size, 9)
        groups = int(rng.choice([1, 2, channels]))
        stride, padding = ((1, 1), "same") if rng.random() < 0.3 else (rng.integers(1, 3, 2), rng.integers(0, 3, 2))
        convolution = Convolution((channels, height, width), stride, padding, 1, groups)
        kernel = [int(rng.integers(1, side + 1)) for side in (height, width)]
        weights = floats(rng, groups * int(rng.integers(1, 3)), channels // groups, *kernel)
        outs, h, w = convolution.output_shape(weights.shape)
        down, across = convolution.landing(0, kernel[0], h), convolution.landing(1, kernel[1], w)
        geometry = [height * width, width, *kernel, h * w, channels // groups, outs // groups,
                    np.where(down >= 0, down * w, -1).astype(np.int32), across.astype(np.int32)]  # fmt: skip
        weights = floats(rng, channels, outs // groups, *kernel)
        weights[rng.random(weights.shape) < 0.2] = 0
        geometry.append(projections.picture_fan_out(weights, down, across))
        n_post, n_pre = outs * h * w, channels * height * width
        if graded:
            source = graded_case(False)(rng, n_pre)[3:9]
            source[1] = n_pre
            stride = -(-4 * n_pre // 64) * 64
            source[0], source[2] = np.resize(source[0], stride * source[3] // 4), stride
            return [n_post, floats(rng, n_post), weights, *source, counter_of(), *geometry]
        return [n_post, floats(rng, n_post), weights, *ring_of_spikes(rng, n_pre), counter_of(), *geometry]

    return case


def graded_case(one_to_one: bool):
    def case(rng, n):
        n_pre = n if one_to_one else int(rng.integers(1, 20))
        weights = floats(rng, n) if one_to_one else floats(rng, n_pre, n)
        weights[rng.random(weights.shape) < 0.2] = 0
        stride, slots = -(-4 * n_pre // 64) * 64, int(rng.integers(1, 5))
        line = np.where(rng.random(slots * stride // 4) < 0.5, 0, floats(rng, slots * stride // 4)).astype(np.float32)
        delay = int(rng.integers(0, slots + 1))
        own = [] if one_to_one else [fan_out_case(rng, weights)]
        return [n, floats(rng, n), weights, line, n_pre, stride, slots, clock_of(rng), delay, counter_of(), *own]

    return case


def sparse_graded_case(kind: str):
    def case(rng, n):
        n_pre = int(rng.integers(1, 20))
        stride, slots = -(-4 * n_pre // 64) * 64, int(rng.integers(1, 5))
        line = np.where(rng.random(slots * stride // 4) < 0.5, 0, floats(rng, slots * stride // 4)).astype(np.float32)
        y, delay = floats(rng, n), int(rng.integers(0, slots + 1))
        common = [line, n_pre, stride, slots, clock_of(rng), delay, counter_of()]
        if kind == "csr":
            pointers, synapses = pairs_case(rng, n, n_pre)
            return [n, y, synapses, *common, pointers]
        channels = (np.arange(n) % n_pre if kind == "tile" else rng.integers(0, n_pre, n)).astype(np.uint32)
        fan_out = np.bincount(channels, minlength=n_pre).astype(np.uint32)
        start = y if rng.random() < 0.5 else floats(rng, n)
        if kind == "gather":
            return [n, y, floats(rng, n), *common, fan_out, start, channels]
        size = n_pre * int(rng.integers(1, 6))
        return [n, y, floats(rng, 1), *common, fan_out, start, np.zeros(size, np.float32), size]

    return case


def release_case(rng, n):
    steps = int(rng.integers(1, 6))
    return [n, floats(rng, n), floats(rng, n * steps), steps, clock_of(rng)]
