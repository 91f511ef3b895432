"""Slow twins: every kernel, and a whole controller, in plain NumPy float32 scalars and Python loops.

A twin does the operations of its kernel in the same order and must give the same bits; NaNs count as equal.
`TWINS` maps a kernel's name to its twin and to a generator of random operands; `snn_control.testing` compares them and
has the pieces that the twins of other packages need too. `SlowController` reads the descriptions themselves and knows
no Program.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from snn_control.coding import (
    ArgmaxDecoder,
    DeltaEncoder,
    DirectEncoder,
    EventsInput,
    FieldsEncoder,
    FirstSpikeDecoder,
    Guard,
    Input,
    LinearEncoder,
    Output,
    PoolEncoder,
    PopulationEncoder,
    PopulationVectorDecoder,
    SignedEncoder,
    SpikeCountDecoder,
    SpikeDecoder,
    StepForwardEncoder,
    ValueInput,
)
from snn_control.engine import build_projections
from snn_control.network import (
    ALIF,
    IF,
    PES,
    STDP,
    AdEx,
    Bernoulli,
    EProp,
    Integrator,
    Izhikevich,
    Latency,
    Network,
    Phase,
    Poisson,
    Population,
    Projection,
    RewardSTDP,
)
from snn_control.network.convolution import Convolution
from snn_control.testing import (
    FLOAT_MAX,
    bounded,
    bounds_of,
    changed,
    clock_of,
    counter_of,
    currents,
    exponential,
    firing,
    floats,
    flush,
    is_on,
    learned,
    parameters,
    place,
    ring_of_spikes,
    settle,
    slow,
    spike_list,
    switch_of,
    write_spikes,
)

__all__ = ["TWINS", "SlowController", "exponential", "philox", "slow", "uniforms"]

f32 = np.float32
TINY, HUGE, ZERO, ONE, HALF = f32(1e-20), f32(1e30), f32(0), f32(1), f32(0.5)
HEADER = 64  # bytes in front of a spike list
PULSES = (PoolEncoder, DeltaEncoder, StepForwardEncoder)  # encoders that act in a tick's first step
Operands = list[Any]


# scalar pieces -------------------------------------------------------------------------------------------------
def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """Philox4x32-10 in Python's integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b % 2**32, a >> 32 ^ c[3] ^ k[1], a % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def uniforms(seed: int, number: int, step: int, n: int) -> list[np.float32]:
    """n random numbers in [0, 1) of one operation and step."""
    key = seed % 2**32, seed >> 32
    words = [w for k in range(-(-n // 4)) for w in philox([k, step % 2**32, step >> 32, number], key)]
    return [f32((w >> 8) / 2**24) for w in words[:n]]


def cut(x: np.float32, most: np.float32) -> np.float32:
    return ZERO if not x > ZERO else min(x, most)


def poisson_count(u: np.float32, mean: np.float32) -> int:
    """The least k with u < P(0) + .. + P(k), or where that sum does not grow any more."""
    k, p = 0, exponential(-mean)
    total = p
    while u >= total:
        k += 1
        p = p * (mean / f32(k))
        if total + p == total:
            break
        total = total + p
    return k


# twins of the inputs -------------------------------------------------------------------------------------------
def sample(n, slot, data, held, state, limits, stale, counters):
    fresh, age, dropped = int(slot[0]), int(slot[1]), int(slot[3])
    if fresh > 0:
        good = 1
        for i in range(n):
            value = f32(data[i])
            if not (limits[2, i] <= value <= limits[3, i]):
                good = 0
        if good:
            for i in range(n):
                held[i] = f32(data[i])
                if held[i] < limits[0, i]:
                    held[i] = limits[0, i]
                    counters[0] += 1
                elif held[i] > limits[1, i]:
                    held[i] = limits[1, i]
                    counters[0] += 1
        else:
            counters[1] += 1
        state[1] = good
    counters[3] += dropped
    in_time = 0 <= age <= stale
    counters[2] += not in_time
    state[0] = int(in_time) & state[1]


def population(dimensions, m, x, out, centres, params):
    for d in range(dimensions):
        for k in range(m):
            z = (x[d] - centres[d, k]) * params[d, 0]
            out[d * m + k] = params[d, 1] * exponential(-HALF * (z * z))


def fields(dimensions, m, x, out, centres, inverse, drive):
    for k in range(m):
        square = ZERO
        for d in range(dimensions):
            z = (x[d] - centres[k, d]) * inverse[d]
            square = square + z * z
        out[k] = drive[0] * exponential(-HALF * square)


def signed(n, x, out, gain):
    for i in range(n):
        y = gain[i] * x[i]
        out[i], out[n + i] = (y if y > ZERO else ZERO), (-y if y < ZERO else ZERO)


def changes(n, x, out, sent, threshold, whole):
    out[:] = ZERO
    for i in range(n):
        moved = x[i] - sent[i]
        if abs(moved) >= threshold[i]:
            on = moved > 0
            out[i if on else n + i] = ONE
            sent[i] = x[i] if whole else sent[i] + (threshold[i] if on else -threshold[i])


def pool(n, out, slot, x, y, p, width, height, column, row, weights, split, capacity, counters):
    out[:] = ZERO
    if slot[0] <= 0:
        return
    for k in range(min(int(slot[2]), capacity)):
        if x[k] < width and y[k] < height:
            cell = int(row[y[k]]) + int(column[x[k]])
            if p[k]:
                out[cell + split] += weights[0]
            else:
                out[cell] += weights[1]
            counters[0] += 1
        else:
            counters[1] += 1


# twins of vectors ----------------------------------------------------------------------------------------------
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


# twins of the deliveries ---------------------------------------------------------------------------------------
def dense_spikes(n_post, y, weights, ring, stride, slots, clock, delay, many, counter, fan_out):
    for i, times in spike_list(place(ring, stride, slots, clock, delay), many):
        for j in range(n_post):
            y[j] += times * weights[i, j]
        counter[0] += n_post if isinstance(fan_out, int) else fan_out[i]


def csr_spikes(n_post, y, synapses, ring, stride, slots, clock, delay, many, counter, pointers, n_pointers):
    for i, times in spike_list(place(ring, stride, slots, clock, delay), many):
        for s in range(int(pointers[i]), int(pointers[i + 1])):
            y[synapses[s, 0]] += times * synapses[s, 1:].view(np.float32)[0]
            counter[0] += 1


def dense_spikes_int8(n_post, y, weights, ring, stride, slots, clock, delay, many, counter, scale, sums, fan_out):
    fired = [i for i, _ in spike_list(place(ring, stride, slots, clock, delay))]
    if fired:
        for j in range(n_post):
            sums[j] = sum(int(weights[i, j]) for i in fired)
            y[j] += scale[0] * f32(sums[j])
    counter[0] += sum(n_post if isinstance(fan_out, int) else int(fan_out[i]) for i in fired)


def csr_spikes_int8(n_post, y, synapses, ring, stride, slots, clock, delay, many, counter, pointers, n_pointers, scale):
    for i, _ in spike_list(place(ring, stride, slots, clock, delay)):
        for s in range(int(pointers[i]), int(pointers[i + 1])):
            weight = (int(synapses[s]) >> 24) - (256 if synapses[s] >> 31 else 0)
            y[int(synapses[s]) % (1 << 24)] += scale[0] * f32(weight)
            counter[0] += 1


def csr_delayed(n_post, line, synapses, ring, stride, slots, clock, delay, many, counter, pointers, n_pointers, steps):
    now = int(clock[1]) % steps
    for i, times in spike_list(place(ring, stride, slots, clock, delay), many):
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


def conv_spikes(n_post, y, weights, ring, stride, slots, clock, delay, many, counter, *geometry):
    for i, times in spike_list(place(ring, stride, slots, clock, delay), many):
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


# twins of the neurons ------------------------------------------------------------------------------------------
def integrate_and_fire(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, many, refractory,
    mode, v, isyn, adapt, wait, counts,
):  # fmt: skip
    subtract, delayed, twice = mode & 1, mode & 2, mode & 4
    times = [0] * n
    for i in range(n):
        p = params[:, i if each > 1 else 0]
        decay, gain, leak, gain_syn, decay_syn, threshold, reset, floor, beta, decay_adapt = p
        q, before, fired_before = ZERO, bounded(v[i]), flags[i]
        if not isinstance(isyn, int):
            q = isyn[i]
            isyn[i] = settle(q * decay_syn)
        if not isinstance(adapt, int):
            threshold = threshold + beta * adapt[i]
            adapt[i] = flush(adapt[i] * decay_adapt)
        flags[i] = 0
        if refractory and wait[i]:
            wait[i] -= 1
            continue
        if delayed and fired_before and not subtract:
            before = reset
        u = ((decay * before + gain * current[i]) + gain_syn * q) + leak
        if delayed and fired_before and subtract:
            u = u - reset
        u = u if u > floor else floor
        if (u - reset if twice and before >= threshold else u) >= threshold:
            flags[i], times[i] = 1, 1
            if many:
                share = u / reset
                times[i] = int(share) if share < 65535 else 65535
                counts[i] = times[i]
                u = u - f32(times[i]) * reset
            elif not delayed:
                u = u - reset if subtract else reset
            if not isinstance(adapt, int):
                adapt[i] += ONE
            if refractory:
                wait[i] = refractory
        v[i] = flush(u)
    current[:] = bias
    write_spikes(times, ring, stride, slots, clock, counter, many)


def leaky_integrator(n, params, each, current, bias, v, isyn):
    for i in range(n):
        decay, gain, leak, gain_syn, decay_syn, loss, floor = params[:, i if each > 1 else 0]
        q = ZERO
        if not isinstance(isyn, int):
            q = isyn[i]
            isyn[i] = settle(q * decay_syn)
        before = bounded(v[i])
        before = before if before > floor else floor
        v[i] = flush(decay * before + ((gain * current[i] + gain_syn * q) + (leak - loss * before)))
    current[:] = bias


def adex(n, params, each, current, bias, flags, ring, stride, slots, clock, counter, many, refractory, v, w, wait):
    times = [0] * n
    for i in range(n):
        p = params[:, i if each > 1 else 0]
        decay, gain, leak, threshold, reset, slope, rheobase, steep, decay_w, coupling, jump, rest = p
        before = bounded(v[i])
        z = steep * (before - rheobase)
        rise = slope * exponential(z if z < f32(30) else f32(30))
        u = ((decay * before + gain * (current[i] - w[i])) + rise) + leak
        w[i], u, times[i] = after_spike(
            decay_w * w[i] + coupling * (before - rest), u, before, threshold, reset, jump, refractory, wait, i
        )
        v[i], flags[i] = flush(u), times[i]
    current[:] = bias
    write_spikes(times, ring, stride, slots, clock, counter, many)


def izhikevich(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, many, refractory, v, u, wait
):  # fmt: skip
    times = [0] * n
    for i in range(n):
        half, gain, threshold, reset, rate, b, jump = params[:, i if each > 1 else 0]
        before, drive = bounded(v[i]), gain * current[i]
        x = before
        for _ in range(2):
            x = x + half * ((((f32(0.04) * x + f32(5)) * x + f32(140)) - u[i]) + drive)
        u[i], x, times[i] = after_spike(
            u[i] + rate * (b * x - u[i]), x, before, threshold, reset, jump, refractory, wait, i
        )
        v[i], flags[i] = settle(x), times[i]
    current[:] = bias
    write_spikes(times, ring, stride, slots, clock, counter, many)


def after_spike(second, u, before, threshold, reset, jump, refractory, wait, i):
    """The second variable, the membrane and whether it fired, after the threshold."""
    fired = 0
    if refractory and wait[i]:
        wait[i] -= 1
        u = before
    elif u >= threshold:
        fired, u, second = 1, reset, second + jump
        if refractory:
            wait[i] = refractory
    return settle(second), u, fired


# twins of the learning rules -----------------------------------------------------------------------------------
def pairs(n_pre, n_post, target, source, post_ring, x, y, p, sparse, synapses, low, high):
    """STDP of this step on target: (n_pre, n_post), or one number a synapse; returns how many were visited."""
    ring, stride, slots, clock, delay = source
    for trace_, decay in ((x, p[0]), (y, p[1])):
        for i in range(trace_.size):
            trace_[i] = settle(trace_[i] * decay)
    arrived = [i for i, _ in spike_list(place(ring, stride, slots, clock, delay))]
    fired = [i for i, _ in spike_list(place(*post_ring, clock, 0))]
    for i in arrived:
        x[i] += ONE
    if isinstance(sparse[0], int):
        used = len(arrived) * n_post + len(fired) * sum(v != 0 for v in x)
        for i in arrived:
            for j in range(n_post):
                target[i, j] = changed(target[i, j], -(p[3] * y[j]), low, high)
        for j in fired:
            for i in range(n_pre):
                if x[i] != 0:
                    target[i, j] = changed(target[i, j], p[2] * x[i], low, high)
    else:
        ends = sparse[0]
        known = [(i, s) for i in range(n_pre) for s in range(int(ends[i]), int(ends[i + 1]))]
        used = sum(i in arrived for i, _ in known) + sum(synapses[s, 0] in fired for _, s in known)
        for i, s in known:
            if i in arrived:
                target[s] = changed(target[s], -(p[3] * y[synapses[s, 0]]), low, high)
        for i, s in known:
            if synapses[s, 0] in fired:
                target[s] = changed(target[s], p[2] * x[i], low, high)
    for j in fired:
        y[j] += ONE
    return used


def stdp(n_pre, n_post, weights, ring, stride, slots, clock, delay, many, post_ring, post_stride, post_slots, x, y, p,
         switch, *sparse):  # fmt: skip
    if is_on(switch, x, y):
        target = weights if isinstance(sparse[0], int) else weights[:, 1].view(np.float32)
        switch[2] += pairs(n_pre, n_post, target, (ring, stride, slots, clock, delay),
                           (post_ring, post_stride, post_slots), x, y, p, sparse, weights, p[4], p[5])  # fmt: skip


def reward_stdp(n_pre, n_post, weights, ring, stride, slots, clock, delay, many, post_ring, post_stride, post_slots, x,
                y, p, switch, pointers, to_post, incoming, e, reward):  # fmt: skip
    sparse = (pointers, to_post, incoming)
    if not is_on(switch, x, y, e):
        return
    pairs(n_pre, n_post, e, (ring, stride, slots, clock, delay), (post_ring, post_stride, post_slots), x, y, p, sparse,
          weights, -HUGE, HUGE)  # fmt: skip
    w = weights if isinstance(pointers, int) else weights[:, 1].view(np.float32)
    rate = bounded(p[7] * reward[0])
    k = e.size if isinstance(pointers, int) else int(pointers[n_pre])
    w, e = w.reshape(-1), e.reshape(-1)  # views
    for s in range(k):
        if rate != 0:
            w[s] = changed(w[s], rate * e[s], p[4], p[5])
        e[s] = settle(e[s] * p[6])
    switch[2] += k if rate != 0 else 0


def pes(n_pre, n_post, weights, ring, stride, slots, clock, delay, many, activity, error, p, switch):
    if not is_on(switch, activity):
        return
    for i in range(n_pre):
        activity[i] = settle(activity[i] * p[0])
    for i, times in spike_list(place(ring, stride, slots, clock, delay), many):
        activity[i] += p[1] * times
    if (error != 0).any():
        for i in range(n_pre):
            if activity[i] != 0:
                for j in range(n_post):
                    weights[i, j] = changed(weights[i, j], -((p[2] * activity[i]) * error[j]), p[3], p[4])
                    switch[2] += 1


def eprop(n_pre, n_post, weights, ring, stride, slots, clock, delay, many, v, flags, adapt, wait, filters, post, each,
          e, slow, feedback, error, n_error, p, switch):  # fmt: skip
    decay_syn, decay, gain, kappa, rate, low, high = p
    if is_on(switch, filters, e, slow):
        for i in range(n_pre):
            filters[0, i] = settle(filters[0, i] * decay_syn)
        for i, times in spike_list(place(ring, stride, slots, clock, delay), many):
            filters[0, i] += times
        for i in range(n_pre):
            filters[1, i] = settle(decay * filters[1, i] + gain * filters[0, i])
        for j in range(n_post):
            threshold, inverse, height, subtracted, beta, rho = each[:, j]
            u = v[j] + (subtracted if flags[j] else ZERO)
            h = ONE - abs(u - (threshold + beta * post[2, j])) * inverse
            post[0, j] = height * h if h > 0 and post[3, j] == 0 else ZERO
            post[1, j] = ZERO
            for k in range(n_error):
                post[1, j] += error[k] * feedback[k, j]
            post[1, j] = rate * post[1, j]
            for i in range(n_pre):
                psi, x = post[0, j], filters[1, i]
                if isinstance(slow, int):
                    e[i, j] = settle(kappa * e[i, j] + psi * x)
                else:
                    e[i, j] = settle(kappa * e[i, j] + psi * (x - beta * slow[i, j]))
                    slow[i, j] = settle(psi * x + (rho - psi * beta) * slow[i, j])
                weights[i, j] = changed(weights[i, j], -(post[1, j] * e[i, j]), low, high)
        switch[2] += n_pre * n_post
    if not isinstance(adapt, int):
        post[2] = adapt
    if not isinstance(wait, int):
        post[3] = wait != 0


def stochastic(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, many, refractory, seed, number, counts
):  # fmt: skip
    times = [0] * n
    for i, u in enumerate(uniforms(seed, number, int(clock[1]), n)):
        mean = params[0, i if each > 1 else 0] * current[i]
        if many:
            times[i] = counts[i] = poisson_count(u, cut(mean, f32(64)))
        else:
            times[i] = int(u < cut(mean, ONE))
        flags[i] = times[i] > 0
    current[:] = bias
    write_spikes(times, ring, stride, slots, clock, counter, many)


def temporal(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, many, refractory, window, subtract, v
):  # fmt: skip
    at = int(clock[1]) % window
    for i in range(n):
        if at == 0:
            v[i] = cut(current[i], ONE)
        level = params[at, i if each > 1 else 0]
        flags[i] = v[i] >= level
        if flags[i]:
            v[i] = v[i] - level if subtract else ZERO
    current[:] = bias
    write_spikes(flags[:n], ring, stride, slots, clock, counter, many)


# twins of the outputs ------------------------------------------------------------------------------------------
def trace(m, y, weights, ring, stride, slots, clock, many, decay, counter, fan_out):
    for j in range(m):
        y[j] = settle(y[j] * decay[0])
    dense_spikes(m, y, weights, ring, stride, slots, clock, 0, many, counter, fan_out)


def population_vector(m, out, y, last, least, hold):
    for j in range(m):
        if y[m] >= least[0]:
            last[j] = y[j] / y[m]
        else:
            last[j] = bounded(last[j]) if hold else ZERO
        out[j] += last[j]


def window_counts(n, ring, stride, slots, clock, many, steps, counts, x):
    for delay, sign in ((0, 1), (steps, -1)):
        for i, times in spike_list(place(ring, stride, slots, clock, delay), many):
            counts[i] += sign * int(times)
            x[i] = f32(counts[i])


def first_spike(m, out, weights, n, ring, stride, slots, clock, steps, window, state):
    for delay in range(steps, 0, -1):
        if (int(clock[1]) - delay) % window == 0:
            state[1] = 0
        fired = spike_list(place(ring, stride, slots, clock, delay))
        if fired and not state[1]:
            state[:] = fired[0][0], 1
    if state[0] >= 0:
        for j in range(m):
            out[j] += weights[state[0], j]


def argmax(n, x, y):
    best = 0
    for i in range(n):
        best = i if x[i] > x[best] else best
    y[0] = f32(best) if np.isfinite(x).all() else f32(np.nan)


def guard(n_inputs, valid, required, m, raw, command, previous, limits, ramp, words, release):
    reason = 4 if words[8] else 0
    if any(required[k] and not valid[k, 0] for k in range(n_inputs)):
        reason |= 1
    if not np.isfinite(raw).all():
        reason |= 2
    faulted, streak, operator = bool(words[0]), int(words[1]), bool(words[7])
    if reason:
        words[6] += not faulted
        faulted, streak = True, 0
    elif faulted:
        streak += 1
        faulted = not (operator or (release > 0 and streak >= release))
    words[0], words[1], words[2], words[7] = faulted, streak, reason, 0
    words[3] += faulted
    for j in range(m):
        low, high, slew, safe = (float(limits[k, j]) for k in range(4))
        y = safe if faulted else float(raw[j])
        if not faulted and not low <= y <= high:
            y = low if y < low else high
            words[4] += 1
        before = float(previous[j])
        if (not faulted or ramp[j]) and not before - slew <= y <= before + slew:
            y = before + slew if y > before else before - slew
            words[5] += 1
        previous[j] = command[j] = y


# random operands -----------------------------------------------------------------------------------------------
def sample_case(rng, n):
    n = 0 if rng.random() < 0.1 else n
    data = floats(rng, n).astype(np.float64)
    data[rng.random(n) < 0.05] = 1e39  # finite, but not as float32
    limits = np.array([[-1.0], [1.0], [-2.5], [2.5]], np.float32).repeat(n, 1)
    if rng.random() < 0.3:
        limits[2:] = [[-FLOAT_MAX], [FLOAT_MAX]]
    elif rng.random() < 0.3:
        limits[2:] = [[f32(-0.7)], [f32(0.7)]]
        data[:] = rng.choice([0.7, -0.7, 0.1], n)  # not numbers of float32
    slot = np.array([rng.integers(0, 3), rng.integers(-1, 20), 0, rng.integers(0, 5), -1, -1, 0, 0], np.int64)
    state, counters = rng.integers(0, 2, 2), rng.integers(0, 9, 4)
    return [n, slot, data, floats(rng, n, special=False), state, limits, int(rng.integers(1, 20)), counters]


def population_case(rng, n):
    d = int(rng.integers(1, 4))
    params = np.stack([rng.uniform(0.1, 30, d), rng.standard_normal(d)], 1).astype(np.float32)
    return [d, n, floats(rng, d, special=False, scale=3), floats(rng, d * n), floats(rng, d, n, special=False), params]


def fields_case(rng, n):
    d = int(rng.integers(1, 4))
    inverse, drive = rng.uniform(0.1, 30, d).astype(np.float32), floats(rng, 1, special=False)
    return [d, n, floats(rng, d, special=False), floats(rng, n), floats(rng, n, d, special=False), inverse, drive]


def signed_case(rng, n):
    return [n, floats(rng, n), floats(rng, 2 * n), floats(rng, n)]


def changes_case(rng, n):
    threshold = rng.uniform(0.01, 2, n).astype(np.float32)
    sent = floats(rng, n, special=False)
    x = floats(rng, n, special=False)
    x[: n // 3] = sent[: n // 3] + threshold[: n // 3]
    return [n, x, floats(rng, 2 * n), sent, threshold, int(rng.integers(0, 2))]


def pool_case(rng, n):
    width, height = n, int(rng.integers(1, 20))
    columns, rows = int(rng.integers(1, width + 1)), int(rng.integers(1, height + 1))
    column = (np.arange(width) * columns // width).astype(np.uint32)
    row = (np.arange(height) * rows // height * columns).astype(np.uint32)
    cells, capacity = columns * rows, int(rng.integers(1, 40))
    split = cells if rng.random() < 0.5 else 0
    slot = np.array([rng.integers(0, 2), 0, rng.integers(0, 50), 0, 0, 0, 0, 0], np.int64)
    x, y = (
        rng.integers(0, width + 2, capacity).astype(np.uint16),
        rng.integers(0, height + 2, capacity).astype(np.uint16),
    )
    p, out = rng.integers(0, 3, capacity).astype(np.uint8), floats(rng, cells + split)
    weights, counters = floats(rng, 2, special=False), np.zeros(2, np.int64)
    return [cells + split, out, slot, x, y, p, width, height, column, row, weights, split, capacity, counters]


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
    return [n, floats(rng, n), weights, *ring_of_spikes(rng, n_pre, several=False), counter_of(), *own]


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
    ring = ring_of_spikes(rng, n_pre, several=False)
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
        down, across = (
            build_projections._landing(convolution.shape[1 + k], kernel[k], (h, w)[k], convolution, k) for k in (0, 1)
        )
        geometry = [height * width, width, *kernel, h * w, channels // groups, outs // groups,
                    np.where(down >= 0, down * w, -1).astype(np.int32), across]  # fmt: skip
        weights = floats(rng, channels, outs // groups, *kernel)
        weights[rng.random(weights.shape) < 0.2] = 0
        geometry.append(build_projections.picture_fan_out(weights, down, across))
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


def integrate_and_fire_case(rng, n):
    floor = (-FLOAT_MAX, 0) if rng.random() < 0.5 else (-0.5, 0.1)
    several = rng.random() < 0.25
    reset = (0.7, 0.1) if several else (-0.1, 0.3)
    rows = [(0, 1), (0, 1), (0, 0.1), (0, 1), (0, 1), (0.8, 0.3), reset, floor, (0, 0.5), (0, 1)]
    common, wait = firing(rng, n, several)
    mode = (
        1
        if several
        else int(rng.integers(0, 2))
        if common[-1] or rng.random() < 0.5
        else int(rng.choice([0, 1, 2, 3, 5]))
    )
    isyn, adapt = (floats(rng, n, special=False) if rng.random() < 0.5 else 0 for _ in range(2))
    counts = rng.integers(0, 9, n).astype(np.uint16) if several else 0
    v = floats(rng, n, scale=3 if several else 1)
    params = parameters(rng, n, *rows)
    return [n, *params, *currents(rng, n), *common, mode, v, isyn, 0 if several else adapt, wait, counts]


def leaky_integrator_case(rng, n):
    floor = (-FLOAT_MAX, 0) if rng.random() < 0.5 else (-0.5, 0.1)
    params = parameters(rng, n, (0, 1), (0, 1), (0, 0.1), (0, 1), (0, 1), (0, 0.5), floor)
    return [n, *params, *currents(rng, n), floats(rng, n), floats(rng, n) if rng.random() < 0.5 else 0]


def adex_case(rng, n):
    rows = [(0.8, 0.2), (0, 1), (-0.1, 0.2), (1, 0.5), (-0.5, 0.2), (0, 0.1), (0.3, 0.3), (1, 9), (0.8, 0.2), (0, 0.1),
            (0, 0.1), (0, 0.1)]  # fmt: skip
    common, wait = firing(rng, n)
    return [n, *parameters(rng, n, *rows), *currents(rng, n), *common, floats(rng, n), floats(rng, n), wait]


def izhikevich_case(rng, n):
    rows = [(0, 0.5), (0, 9), (30, 0), (-65, 15), (0.02, 0.08), (0.2, 0.05), (2, 6)]
    common, wait = firing(rng, n)
    v = floats(rng, n, scale=40) if rng.random() < 0.5 else (rng.uniform(-80, 30, n)).astype(np.float32)
    return [n, *parameters(rng, n, *rows), *currents(rng, n), *common, v, floats(rng, n, scale=10), wait]


def stochastic_case(rng, n):
    several = bool(rng.integers(0, 2))
    common, _ = firing(rng, n, several)
    common[-1] = 0
    common[4][1] = rng.integers(0, 1 << rng.choice([4, 33, 60]))
    seed, number = int(rng.integers(0, 1 << rng.choice([1, 32, 62]))), int(rng.integers(0, 1 << 32))
    counts = rng.integers(0, 9, n).astype(np.uint16) if several else 0
    params = parameters(rng, n, (0, rng.choice([0.1, 1, 30]) if several else 1))
    return [n, *params, *currents(rng, n), *common, seed, number, counts]


def temporal_case(rng, n):
    common, _ = firing(rng, n)
    common[-1] = 0
    window, subtract = int(rng.integers(1, 9)), int(rng.integers(0, 2))
    levels = parameters(rng, n, *[(2.0**-k, 0 if subtract else 0.2) for k in range(window)])
    return [n, *levels, *currents(rng, n), *common, window, subtract, floats(rng, n, special=False)]


def trace_case(rng, m):
    n_pre = int(rng.integers(1, 70))
    ring, stride, slots, clock, _, many = ring_of_spikes(rng, n_pre)
    decay, weights = rng.random(1).astype(np.float32), floats(rng, n_pre, m)
    own = [decay, counter_of(), fan_out_case(rng, weights)]
    return [m, floats(rng, m), weights, ring, stride, slots, clock, many, *own]


def release_case(rng, n):
    steps = int(rng.integers(1, 6))
    return [n, floats(rng, n), floats(rng, n * steps), steps, clock_of(rng)]


def population_vector_case(rng, m):
    y, last = floats(rng, m + 1), floats(rng, m)
    least = np.abs(floats(rng, 1, special=False))
    return [m, floats(rng, m), y, last, least, int(rng.integers(0, 2))]


def window_counts_case(rng, n):
    ring, stride, slots, clock, _, many = ring_of_spikes(rng, n)
    if slots == 1:
        ring, slots = np.concatenate([ring, ring]), 2
    counts = rng.integers(0, 1 << 30, n)
    x = counts.astype(np.float32)
    return [n, ring, stride, slots, clock, many, int(rng.integers(1, slots)), counts, x]


def first_spike_case(rng, m):
    n = int(rng.integers(1, 70))
    ring, stride, slots, clock, _, _ = ring_of_spikes(rng, n)
    clock[1] += slots
    steps, window = int(rng.integers(1, slots + 1)), int(rng.integers(1, 6))
    state = np.array([rng.integers(-1, n), rng.integers(0, 2)])
    return [m, floats(rng, m), floats(rng, n, m), n, ring, stride, slots, clock, steps, window, state]


def argmax_case(rng, n):
    x = floats(rng, n)
    return [n, np.round(x, 1) if rng.random() < 0.5 else x, np.zeros(1, np.float32)]


def guard_case(rng, m):
    inputs = int(rng.integers(0, 4))
    valid = (rng.random((max(1, inputs), 2)) < 0.8).astype(np.int64)
    required = rng.integers(0, 2, max(1, inputs))
    low, high = -rng.random(m), rng.random(m)
    slew = np.where(rng.random(m) < 0.5, np.inf, rng.random(m) * 0.3)
    limits = np.stack([low, high, slew, rng.uniform(low, high)])
    if rng.random() < 0.2:
        limits[:2] = [[-np.inf], [np.inf]]
    raw, previous = floats(rng, m, special=rng.random() < 0.5), rng.uniform(low, high)
    words = rng.integers(0, 4, 9)
    words[0], words[7], words[8] = *rng.integers(0, 2, 2), rng.random() < 0.1
    ramp = (np.isfinite(slew) & (rng.random(m) < 0.5)).astype(np.uint8)
    return [inputs, valid, required, m, raw, np.zeros(m), previous, limits, ramp, words, int(rng.integers(0, 4))]


def stdp_case(reward: bool):
    def case(rng, n):
        n_pre, (low, high), sparse = int(rng.integers(1, 40)), bounds_of(rng), [0, 0, 0]
        weights = learned(rng, n_pre, n, low, high)
        source = ring_of_spikes(rng, n_pre, several=False)
        post = ring_of_spikes(rng, n, several=False)
        e = floats(rng, n_pre, n)
        if rng.random() < 0.5:
            ends = csr_rows(rng, n_pre, 12)
            k = int(ends[-1])
            target = rng.integers(0, n, max(1, k)).astype(np.uint32)
            weights = np.stack([target, learned(rng, 1, max(1, k), low, high)[0].view(np.uint32)], 1)
            order, pre = np.argsort(target[:k], kind="stable"), np.repeat(np.arange(n_pre), np.diff(ends.astype(int)))
            incoming = np.zeros((max(1, k), 2), np.uint32)
            incoming[:k, 0], incoming[:k, 1] = order, pre[order]
            to_post = np.concatenate([[0], np.cumsum(np.bincount(target[:k], minlength=n))]).astype(np.uint32)
            weights, sparse, e = np.ascontiguousarray(weights), [ends, to_post, incoming], floats(rng, max(1, k))
        amplitudes = rng.choice([0.01, 0.3, -0.1], 2)
        p = np.array([*rng.random(2), *amplitudes, low, high, rng.random(), rng.choice([0.1, 3.0])], np.float32)
        x, y = (np.where(rng.random(m) < 0.5, 0, floats(rng, m)).astype(np.float32) for m in (n_pre, n))
        own = [e, rng.choice([floats(rng, 1), np.zeros(1, np.float32)])] if reward else []
        return [n_pre, n, weights, *source, *post[:3], x, y, p, switch_of(rng), *sparse, *own]

    return case


def pes_case(rng, n):
    n_pre, (low, high) = int(rng.integers(1, 40)), bounds_of(rng)
    p = np.array([rng.random(), 100.0, rng.choice([1e-4, 0.1]), low, high], np.float32)
    activity = np.where(rng.random(n_pre) < 0.5, 0, floats(rng, n_pre, scale=100)).astype(np.float32)
    error = np.zeros(n, np.float32) if rng.random() < 0.2 else floats(rng, n)
    weights = learned(rng, n_pre, n, low, high)
    return [n_pre, n, weights, *ring_of_spikes(rng, n_pre), activity, error, p, switch_of(rng)]


def eprop_case(rng, n):
    n_pre, n_error, (low, high) = int(rng.integers(1, 20)), int(rng.integers(1, 4)), bounds_of(rng)
    rows = [(0.6, 0.4), (1.0, 1.0), (0.3, 0.0), (0.0, 1.0), (0.0, 1.0), (0.8, 0.2)]
    each = np.stack([mean + spread * rng.random(n) for mean, spread in rows]).astype(np.float32)
    adapt, slow = (floats(rng, n, special=False), floats(rng, n_pre, n)) if rng.random() < 0.5 else (0, 0)
    wait = rng.integers(0, 3, n).astype(np.uint16) if rng.random() < 0.5 else 0
    post = floats(rng, 4, n)
    post[3] = rng.random(n) < 0.3
    p = np.array([*rng.random(4), rng.choice([0.01, 1.0]), low, high], np.float32)
    flags = np.zeros(-(-n // 64) * 64, np.uint8)
    flags[:n] = rng.integers(0, 2, n)
    return [
        n_pre, n, learned(rng, n_pre, n, low, high), *ring_of_spikes(rng, n_pre), floats(rng, n), flags, adapt, wait,
        floats(rng, 2, n_pre), post, each, floats(rng, n_pre, n), slow, floats(rng, n_error, n, special=False),
        floats(rng, n_error), n_error, p, switch_of(rng),
    ]  # fmt: skip


#: kernel -> (twin, random operands for a generator and a size)
TWINS: dict[str, tuple[Callable, Callable[[np.random.Generator, int], Operands]]] = {
    "sample": (sample, sample_case),
    "population": (population, population_case),
    "fields": (fields, fields_case),
    "signed": (signed, signed_case),
    "changes": (changes, changes_case),
    "pool": (pool, pool_case),
    "copy": (copy_, lambda rng, n: [n, floats(rng, n), floats(rng, n)]),
    "add": (add, lambda rng, n: [n, floats(rng, n), floats(rng, n)]),
    "clear": (clear, lambda rng, n: [n, floats(rng, n)]),
    "remember": (remember, remember_case),
    "dense_spikes": (dense_spikes, dense_spikes_case),
    "csr_spikes": (csr_spikes, csr_spikes_case),
    "dense_graded": (dense_graded, graded_case(one_to_one=False)),
    "one_to_one_graded": (one_to_one_graded, graded_case(one_to_one=True)),
    "dense_spikes_int8": (dense_spikes_int8, dense_spikes_int8_case),
    "csr_spikes_int8": (csr_spikes_int8, csr_spikes_int8_case),
    "csr_delayed": (csr_delayed, csr_delayed_case),
    "release": (release, release_case),
    "synapse": (synapse, lambda rng, n: [n, floats(rng, n), floats(rng, n), rng.random(1).astype(np.float32)]),
    "conv_spikes": (conv_spikes, convolution_case(graded=False)),
    "conv_graded": (conv_graded, convolution_case(graded=True)),
    "gather_graded": (gather_graded, sparse_graded_case("gather")),
    "tile_graded": (tile_graded, sparse_graded_case("tile")),
    "csr_graded": (csr_graded, sparse_graded_case("csr")),
    "integrate_and_fire": (integrate_and_fire, integrate_and_fire_case),
    "leaky_integrator": (leaky_integrator, leaky_integrator_case),
    "adex": (adex, adex_case),
    "izhikevich": (izhikevich, izhikevich_case),
    "stdp": (stdp, stdp_case(reward=False)),
    "reward_stdp": (reward_stdp, stdp_case(reward=True)),
    "pes": (pes, pes_case),
    "eprop": (eprop, eprop_case),
    "stochastic": (stochastic, stochastic_case),
    "temporal": (temporal, temporal_case),
    "trace": (trace, trace_case),
    "population_vector": (population_vector, population_vector_case),
    "window_counts": (window_counts, window_counts_case),
    "first_spike": (first_spike, first_spike_case),
    "argmax": (argmax, argmax_case),
    "guard": (guard, guard_case),
}


# the whole controller ------------------------------------------------------------------------------------------
class SlowRule:
    """A projection that learns: its weights in the shape of the description, and a list of its synapses."""

    def __init__(self, p: Projection, n_pre: int, post: SlowPopulation, n_error: int, dt: float) -> None:
        self.rule, self.post, self.dt, rule = p.learning, post, dt, p.learning
        shape = {"dense": (n_pre, post.size), "one_to_one": (post.size,), "sparse": np.shape(p.pre_index)}[p.connection]
        self.w = np.array(np.broadcast_to(np.asarray(p.weights), shape), np.float32)
        self.synapses = {
            "dense": [(i, j) for i in range(n_pre) for j in range(post.size)],
            "one_to_one": [(i, i) for i in range(n_pre)],
            "sparse": list(zip(np.ravel(p.pre_index).tolist(), np.ravel(p.post_index).tolist(), strict=True)),
        }[p.connection]
        self.switch = np.array([rule.enabled, 0, 0], np.int64)
        self.x, self.y, self.e = (np.zeros(n, np.float32) for n in (n_pre, post.size, self.w.size))
        self.low, self.high = (f32(np.clip(b, -FLOAT_MAX, FLOAT_MAX)) for b in (rule.w_min, rule.w_max))
        if isinstance(rule, EProp):
            self.prepare(p, n_pre, n_error)

    def step(self, arrived: list[tuple[int, np.float32]], fired: list[tuple[int, np.float32]], signal: Any) -> None:
        if isinstance(self.rule, STDP):
            self.pairs({i for i, _ in arrived}, {j for j, _ in fired}, signal)
            return
        n_pre, n_post = self.w.shape
        ring = np.zeros(HEADER + 6 * n_pre + 64, np.uint8)
        times = np.zeros(n_pre, np.uint16)
        for i, m in arrived:
            times[i] = m
        clock = np.zeros(2, np.int64)
        write_spikes(times, ring, 0, 1, clock, counter_of(), HEADER + 4 * n_pre)
        source = (ring, 0, 1, clock, 0, HEADER + 4 * n_pre)
        if isinstance(self.rule, PES):
            decay, rate = math.exp(-self.dt / self.rule.pre_tau), self.rule.learning_rate / n_pre
            p = np.array([decay, (1 - decay) / self.dt, rate, self.low, self.high], np.float32)
            pes(n_pre, n_post, self.w, *source, self.x, signal, p, self.switch)
            return
        post = self.post
        adapt, slow = (post.second, self.slow) if isinstance(post.model, ALIF) else (0, 0)
        eprop(n_pre, n_post, self.w, *source, post.v, post.flags, adapt, post.wait, self.filters, self.rows, self.each,
              self.e.reshape(n_pre, n_post), slow, self.feedback, signal, signal.size, self.p, self.switch)  # fmt: skip

    def pairs(self, arrived: set[int], fired: set[int], reward: Any) -> None:
        rule, w = self.rule, self.w.reshape(-1)
        eligible = isinstance(rule, RewardSTDP)
        if not is_on(self.switch, self.x, self.y, self.e):
            return
        target, (low, high) = (self.e, (-HUGE, HUGE)) if eligible else (w, (self.low, self.high))
        for trace_, tau, spikes in ((self.x, rule.tau_plus, arrived), (self.y, rule.tau_minus, set())):
            for i in range(trace_.size):
                trace_[i] = settle(trace_[i] * f32(math.exp(-self.dt / tau))) + (ONE if i in spikes else ZERO)
        for s, (i, j) in enumerate(self.synapses):
            if i in arrived:
                target[s] = changed(target[s], -(f32(rule.a_minus) * self.y[j]), low, high)
            if j in fired:
                target[s] = changed(target[s], f32(rule.a_plus) * self.x[i], low, high)
        for j in fired:
            self.y[j] += ONE
        if eligible:
            rate = bounded(f32(rule.learning_rate * self.dt) * reward[0])
            for s in range(w.size):
                w[s] = changed(w[s], rate * self.e[s], self.low, self.high) if rate else w[s]
                self.e[s] = settle(self.e[s] * f32(math.exp(-self.dt / rule.tau_e)))

    def prepare(self, p: Projection, n_pre: int, n_error: int) -> None:
        post, rule, dt = self.post, self.rule, self.dt
        decay, gain, _, gain_syn, decay_syn, _, _, _, beta, rho = post.params.astype(np.float64)
        if p.tau_syn is not None:
            first = (math.exp(-dt / p.tau_syn), decay[0], gain[0])
        elif post.synaptic and p.receptor != "current":
            first = (decay_syn[0], decay[0], gain_syn[0])
        else:
            first = (0.0, decay[0], gain[0])
        self.p = np.array([*first, math.exp(-dt / rule.tau_out), rule.learning_rate * dt, self.low, self.high], f32)
        threshold = np.broadcast_to(np.asarray(post.model.v_threshold, np.float64), post.size)
        subtracted = threshold * (not post.model.reset_delay)
        self.each = np.array([threshold, 1 / threshold, rule.gamma / threshold, subtracted, beta, rho], f32)
        self.feedback = np.broadcast_to(np.asarray(rule.feedback), (post.size, n_error)).astype(f32).T
        self.filters, self.rows, self.slow = (np.zeros(s, f32) for s in ((2, n_pre), (4, post.size), self.w.shape))


class SlowPopulation:
    """Neurons of one model, one scalar after another, from their description."""

    def __init__(self, pop: Population, dt: float, seed: int = 0) -> None:
        self.model, self.size, self.draws = pop.neuron, pop.size, (seed, zlib.crc32(pop.name.encode()))
        m, n = pop.neuron, pop.size
        self.graded, self.synaptic = m.graded, hasattr(m, "tau_syn")
        self.bias = np.broadcast_to(np.asarray(pop.bias, np.float64), (n,)).astype(np.float32)
        resting = m.v_reset if isinstance(m, Izhikevich) else getattr(m, "v_leak", 0.0)
        v = np.broadcast_to(np.asarray(resting if pop.v_init is None else pop.v_init, np.float64), (n,))
        self.v, self.current = v.astype(np.float32), self.bias.copy()
        self.isyn = np.zeros(n, np.float32) if self.synaptic else 0
        self.params = np.array([[self.each(x, i) for i in range(n)] for x in self.coefficients(m, dt)], np.float32)
        self.flags, self.counter = np.zeros(n, np.uint8), np.zeros(1, np.int64)
        self.refractory = max(0, round(getattr(m, "refractory", 0) / dt) - 1)
        self.wait = np.zeros(n, np.uint16)
        self.second = {AdEx: np.zeros(n), Izhikevich: getattr(m, "b", 0) * v}.get(type(m), np.zeros(n))
        self.second = self.second.astype(np.float32)
        self.several = getattr(m, "several", isinstance(m, Poisson))
        self.many = HEADER + 4 * n if self.several else 0
        self.ring = np.zeros(HEADER + 6 * n + 64, np.uint8)

    @staticmethod
    def each(x: Any, i: int) -> float:
        return float(np.clip(x if np.ndim(x) == 0 else x[i], -FLOAT_MAX, FLOAT_MAX))

    @staticmethod
    def coefficients(m: Any, dt: float) -> list[Any]:
        euler = getattr(m, "integration", "exact") == "euler"

        def decay(tau: Any) -> Any:
            return 1 - dt / np.asarray(tau) if euler else np.exp(-dt / np.asarray(tau))

        if isinstance(m, AdEx):
            a, rest, w = 1 - decay(m.tau_mem), np.asarray(m.v_leak), 1 - decay(m.tau_w)
            return [1 - a, m.r * a, rest * a, m.v_threshold, m.v_reset, m.delta_t * a, m.v_rheobase,
                    1 / np.asarray(m.delta_t), 1 - w, m.a * w, m.b, m.v_leak]  # fmt: skip
        if isinstance(m, Izhikevich):
            return [dt * 500, m.r, m.v_threshold, m.v_reset, m.a * dt * 1e3, m.b, m.d]
        if isinstance(m, Bernoulli | Poisson):
            return [np.asarray(m.rate) * dt]
        if isinstance(m, Phase):
            return [0.5**k for k in range(1, m.phases + 1)]
        if isinstance(m, Latency):
            return SlowPopulation.latencies(m, dt)
        linear = [0.0, 1.0, 0.0, 0.0, 0.0]
        if isinstance(m, IF | Integrator):
            linear = [1.0, m.r * dt, 0.0, 0.0, 0.0]
        if hasattr(m, "tau_mem"):
            d = decay(m.tau_mem)
            gain_syn, decay_syn = 0.0, 0.0
            if hasattr(m, "tau_syn"):
                decay_syn, gain_syn = decay(m.tau_syn), m.r * (1 - d)
                if m.integration == "exact":
                    tm, ts = np.asarray(m.tau_mem, float), np.asarray(m.tau_syn, float)
                    same = tm == ts
                    closed = ts / np.where(same, 1, ts - tm) * (np.exp(-dt / ts) - np.exp(-dt / tm))
                    gain_syn = m.r * np.where(same, dt / tm * np.exp(-dt / tm), closed)
            linear = [d, m.r * (1 - d), m.v_leak * (1 - d), gain_syn, decay_syn]
        if m.graded:
            floor = getattr(m, "v_min", -FLOAT_MAX)
            return [1.0, *linear[1:], 1 - linear[0], floor] if euler else [*linear, 0.0, floor]
        adapt = [m.beta, decay(m.tau_adapt)] if isinstance(m, ALIF) else [0.0, 0.0]
        threshold, subtracts = m.v_threshold, getattr(m, "reset", "value") != "value"
        if getattr(m, "strict", False):
            threshold = np.nextafter(np.asarray(threshold, np.float32), f32(np.inf))
        reset = m.v_threshold if subtracts else getattr(m, "v_reset", 0.0)
        return [*linear, threshold, reset, getattr(m, "v_min", -FLOAT_MAX), *adapt]

    @staticmethod
    def latencies(m: Latency, dt: float) -> list[Any]:
        """The x that fires half a step after step k: the closed form, solved for x."""
        steps, theta = round(m.window / dt), np.asarray(m.threshold, np.float64)
        full = steps - 1 if steps > 1 else 0.5
        filling = full if m.linear else full / np.log((theta + 1e-7) / 1e-7)
        tau = filling if m.tau is None else m.tau / np.float64(dt)
        if m.linear:
            return [np.maximum(theta, 1 - (k + 0.5) / tau) for k in range(steps)]
        levels = [theta / -np.expm1(-(k + 0.5) / tau) for k in range(steps)]
        return [np.where(level <= theta + 1e-7, theta, level) for level in levels]

    def update(self, step: int) -> Any:
        """One step; (neuron, how many times) of those that fired, or the graded vector."""
        m, n = self.model, self.size
        head = (n, self.params, n if n > 1 else 1, self.current, self.bias)
        if self.graded:
            leaky_integrator(*head, self.v, self.isyn)
            return self.v.copy()
        clock = np.array([0, step])
        firing = (self.flags, self.ring, 0, 1, clock, self.counter, self.many, self.refractory)
        if isinstance(m, AdEx):
            adex(*head, *firing, self.v, self.second, self.wait)
        elif isinstance(m, Izhikevich):
            izhikevich(*head, *firing, self.v, self.second, self.wait)
        elif isinstance(m, Bernoulli | Poisson):
            stochastic(*head, *firing, *self.draws, np.zeros(n, np.uint16))
        elif isinstance(m, Latency | Phase):
            temporal(*head, *firing, len(self.params), int(isinstance(m, Phase)), self.v)
        else:
            mode = {"subtract": 1, "subtract_snntorch": 5}.get(getattr(m, "reset", ""), 0)
            mode += 2 * getattr(m, "reset_delay", False)
            adapt = self.second if isinstance(m, ALIF) else 0
            counts = np.zeros(n, np.uint16)
            integrate_and_fire(*head, *firing, mode, self.v, self.isyn, adapt, self.wait, counts)
        return spike_list(self.ring, self.many)


class SlowController:
    """A controller's description, stepped as `snn_control.engine.build` says a tick goes.

    ``step(observation)`` takes values and (n, 4) event rows by input name; None did not arrive.
    """

    def __init__(
        self,
        network: Network,
        inputs: Sequence[Input],
        outputs: Sequence[Output],
        dt: float,
        period: float,
        guard: Guard,
        seed: int = 0,
    ) -> None:
        self.network, self.inputs, self.outputs, self.dt, self.period = network, inputs, outputs, dt, period
        self.steps, self.step_count, self.seed = round(period / dt), 0, seed
        self.populations = {p.name: SlowPopulation(p, dt, seed) for p in network.populations}
        self.delays = [round(np.min(p.delay) / dt) if np.size(p.delay) else 1 for p in network.projections]
        self.rules: dict[int, SlowRule] = {}  # of the projections that learn
        self.history: dict[str, list[Any]] = {}  # per source: spike lists or vectors, one a step
        self.held = {i.name: np.zeros(getattr(i, "size", 0), np.float32) for i in inputs if isinstance(i, ValueInput)}
        self.state = np.zeros((max(1, len(inputs)), 2), np.int64)
        self.age = {i.name: -1 for i in inputs}
        self.counters = {i.name: np.zeros(4, np.int64) for i in inputs}
        self.graded_inputs = [i.name for i in inputs if i.encoder is None or i.encoder.neuron is None]
        self.own: dict[tuple[str, float], np.ndarray] = {}  # synaptic currents of projections
        self.traces: dict[tuple[str, int], np.ndarray] = {}
        self.sent: dict[str, np.ndarray] = {}  # of encoders that send changes
        self.held_vectors: dict[tuple[str, int], np.ndarray] = {}
        self.words, self.release = np.zeros(9, np.int64), guard.release
        columns = [[np.broadcast_to(np.asarray(v, np.float64), (o.size,)) for v in self.bounds(o)] for o in outputs]
        self.limits = np.concatenate([np.stack(c) for c in columns], axis=1)
        self.previous = self.limits[3].copy()
        self.ramp = np.concatenate([np.full(o.size, o.ramp) for o in outputs])

    def bounds(self, output: Output) -> tuple[Any, Any, Any, Any]:
        low, high = output.limits
        if isinstance(output.decoder, ArgmaxDecoder):
            low, high = 0, output.decoder.actions - 1
        return low, high, np.asarray(output.slew, np.float64) * self.dt * self.steps, output.safe

    # inputs
    def take(self, k: int, spec: Input, value: Any) -> np.ndarray:
        """Check what arrived and encode it: the drive of this tick."""
        period_ns = round(self.period * 1e9)
        self.age[spec.name] = (
            0 if value is not None else self.age[spec.name] + (period_ns if self.age[spec.name] >= 0 else 0)
        )
        slot = np.array([value is not None, self.age[spec.name], 0, 0], np.int64)
        stale = 1 << 62 if math.isinf(spec.stale) else round(spec.stale * 1e9)
        if isinstance(spec, EventsInput):
            rows = np.zeros((0, 4)) if value is None else np.asarray(value)
            slot[3] = max(0, len(rows) - spec.capacity)
            sample(0, slot, None, None, self.state[k], None, stale, self.counters[spec.name])
            return self.pooled(spec, rows[: spec.capacity])
        n, held = spec.size, self.held[spec.name]
        sides = [np.broadcast_to(np.asarray(s, np.float64), (n,)) for s in (*spec.range, *spec.plausible)]
        limits = np.stack([np.clip(s, -FLOAT_MAX, FLOAT_MAX).astype(np.float32) for s in sides])
        data = None if value is None else np.asarray(value, np.float64).reshape(n)
        sample(n, slot, data, held, self.state[k], limits, stale, self.counters[spec.name])
        return held.copy() if spec.encoder is None else self.encoded(spec, held)

    def encoded(self, spec: ValueInput, held: np.ndarray) -> np.ndarray:
        e, n = spec.encoder, spec.size
        if isinstance(e, DirectEncoder):
            gain, bias = (np.broadcast_to(np.asarray(v), n).astype(np.float32) for v in (e.gain, e.bias))
            return bias + gain * held
        if isinstance(e, SignedEncoder):
            y = np.broadcast_to(np.asarray(e.gain), n).astype(np.float32) * held
            return np.concatenate([np.where(y > 0, y, ZERO), np.where(y < 0, -y, ZERO)])
        if isinstance(e, DeltaEncoder | StepForwardEncoder):
            sent, pulses = self.sent.setdefault(spec.name, np.zeros(n, np.float32)), np.zeros(2 * n, np.float32)
            threshold = np.broadcast_to(np.asarray(e.threshold), n).astype(np.float32)
            changes(n, held, pulses, sent, threshold, isinstance(e, DeltaEncoder))
            return pulses
        if isinstance(e, FieldsEncoder):
            return self.joint_fields(spec, e, held)
        if isinstance(e, LinearEncoder):
            w = np.asarray(e.weights, np.float32)
            drive = np.array(np.broadcast_to(np.asarray(e.bias), w.shape[1]), np.float32)
            for j in range(n):
                if held[j] != ZERO:
                    for i in range(w.shape[1]):
                        drive[i] += held[j] * w[j, i]
            return drive
        assert isinstance(e, PopulationEncoder)
        drive = []
        for d in range(n):
            low, high, sigma = (
                np.broadcast_to(np.asarray(s, np.float64), (n,))[d] if s is not None else None
                for s in (
                    spec.range[0] if e.low is None else e.low,
                    spec.range[1] if e.high is None else e.high,
                    e.sigma,
                )
            )
            inverse = f32(1 / (sigma if sigma is not None else (high - low) / (e.neurons - 1)))
            for centre in np.linspace(low, high, e.neurons).astype(np.float32):
                z = (held[d] - centre) * inverse
                drive.append(f32(e.drive) * exponential(-HALF * (z * z)))
        return np.array(drive, np.float32)

    @staticmethod
    def joint_fields(spec: ValueInput, e: FieldsEncoder, held: np.ndarray) -> np.ndarray:
        n, sigma, centres = spec.size, e.sigma, e.centres
        low, high = (
            np.broadcast_to(np.asarray(own if own is not None else side, np.float64), n)
            for own, side in zip((e.low, e.high), spec.range)
        )
        if centres is None:
            axes = [np.linspace(low[d], high[d], e.grid[d]) for d in range(n)]
            centres = list(itertools.product(*axes))
            sigma = sigma if sigma is not None else [(high[d] - low[d]) / (e.grid[d] - 1) for d in range(n)]
        inverse = (1 / np.broadcast_to(np.asarray(sigma, np.float64), n)).astype(np.float32)
        out = np.zeros(len(centres), np.float32)
        fields(n, out.size, held, out, np.array(centres, np.float32), inverse, np.array([e.drive], np.float32))
        return out

    @staticmethod
    def pooled(spec: EventsInput, rows: np.ndarray) -> np.ndarray:
        (width, height), (columns, lines), e = spec.size, spec.encoder.grid, spec.encoder
        out = np.zeros(columns * lines * (2 if e.polarity == "split" else 1), np.float32)
        for _, x, y, p in rows:
            if not (0 <= x < width and 0 <= y < height):
                continue
            cell = int(y) * lines // height * columns + int(x) * columns // width
            on = p > 0
            if e.polarity == "signed":
                out[cell] += f32(e.on_weight) if on else f32(-e.off_weight)
            else:
                out[cell + (columns * lines if on and e.polarity == "split" else 0)] += ONE
        return out

    # steps
    def deliver(self, k: int) -> None:
        p = self.network.projections[k]
        post = self.populations[p.post]
        y = post.isyn if post.synaptic and p.receptor != "current" else post.current
        if p.tau_syn is not None:
            y = self.own.setdefault((p.post, p.tau_syn), np.zeros(post.size, np.float32))
        now = self.step_count
        steps = np.asarray(np.rint(np.asarray(p.delay) / self.dt), int)
        delays = np.unique(steps)
        into = y if delays.size <= 1 else np.zeros_like(y)  # synapses with delays of their own are summed apart
        for past in sorted({now - int(d) for d in delays}):  # what arrives now was sent in these steps
            if 0 <= past < len(self.history.get(p.pre, [])):
                self.arrive(k, into, self.history[p.pre][past], now - past, steps)
        if delays.size > 1:
            y += into
        if p.bias is not None:
            y += np.broadcast_to(np.asarray(p.bias), y.shape).astype(np.float32)

    def arrive(self, k: int, y: np.ndarray, signal: Any, delay: int, steps: np.ndarray) -> None:
        p = self.network.projections[k]
        n_pre, graded = self.sizes[p.pre], isinstance(signal, np.ndarray)
        shape = {"dense": (n_pre, y.size), "one_to_one": (y.size,), "sparse": np.shape(p.pre_index)}[p.connection]
        w = self.rules[k].w if k in self.rules else np.broadcast_to(np.asarray(p.weights), shape).astype(np.float32)
        if p.precision == "int8":
            scale = p.scale or float(np.abs(w).max(initial=0)) / 127 or 1.0
            w = f32(scale) * np.rint(w / scale).astype(np.float32)
        delays = np.broadcast_to(steps, shape)
        active = [(i, signal[i]) for i in range(n_pre) if signal[i] != ZERO] if graded else signal
        exact = np.zeros(y.size)  # whole numbers are summed before they are scaled
        for i, x in active:
            if p.connection == "dense":
                targets = [(j, w[i, j], delays[i, j]) for j in range(y.size)]
            elif p.connection == "one_to_one":
                targets = [(i, w[i], delays[i])]
            else:
                synapses = [s for s in range(w.size) if p.pre_index[s] == i]
                ordered = sorted(synapses, key=lambda s: p.post_index[s])
                targets = [(p.post_index[s], w[s], delays[s]) for s in ordered]
            for j, weight, d in targets:
                if d == delay and p.precision == "int8" and p.connection == "dense":
                    exact[j] += float(np.rint(weight / f32(scale)))
                elif d == delay:
                    y[j] += x * weight
        if p.precision == "int8" and p.connection == "dense":
            y += f32(scale) * exact.astype(np.float32) if active else ZERO

    def begin(self) -> None:
        for k, p in enumerate(self.network.projections):
            if p.learning is not None:
                n_error = self.sizes.get(getattr(p.learning, "error", ""), 0)
                self.rules[k] = SlowRule(p, self.sizes[p.pre], self.populations[p.post], n_error, self.dt)

    def learn(self) -> None:
        """All rules, at the end of a step."""
        for k, one in self.rules.items():
            p, then = self.network.projections[k], self.step_count - self.delays[k]
            arrived = self.history[p.pre][then] if then >= 0 else []
            name = getattr(p.learning, "error", getattr(p.learning, "reward", None))
            fired = [] if self.populations[p.post].graded else self.history[p.post][-1]
            one.step(arrived, fired, self.history[name][-1] if name else None)

    def in_order(self) -> list[str]:
        """Every population after the sources of its projections of delay 0."""
        done: list[str] = []

        def visit(name: str) -> None:
            if name not in done and name in self.populations:
                for p, d in zip(self.network.projections, self.delays, strict=True):
                    if p.post == name and d == 0:
                        visit(p.pre)
                done.append(name)

        for name in self.populations:
            visit(name)
        return done

    @slow
    def step(self, observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
        drives = {i.name: self.take(k, i, observation.get(i.name)) for k, i in enumerate(self.inputs)}
        for spec in self.inputs:  # an encoder with neurons is a population of the input's name
            if spec.name not in self.graded_inputs and spec.name not in self.populations:
                pop = Population(spec.name, drives[spec.name].size, spec.encoder.neuron)
                self.populations = {**self.populations, spec.name: SlowPopulation(pop, self.dt, self.seed)}
        self.sizes = {name: p.v.size for name, p in self.populations.items()} | {
            n: drives[n].size for n in self.graded_inputs
        }
        order = self.in_order()
        if not self.rules:
            self.begin()
        for s in range(self.steps):
            for k, delay in enumerate(self.delays):
                if delay >= 1:
                    self.deliver(k)
            for spec in self.inputs:
                if s > 0 and isinstance(spec.encoder, PULSES):
                    drives[spec.name] = np.zeros_like(drives[spec.name])
            for name in self.graded_inputs:
                self.history.setdefault(name, []).append(drives[name])
            for name in order:
                if name in drives:
                    self.populations[name].current += drives[name]
                for k, delay in enumerate(self.delays):
                    if delay == 0 and self.network.projections[k].post == name:
                        self.deliver(k)
                for (post, tau), isyn in self.own.items():
                    if post == name:
                        synapse(isyn.size, self.populations[name].current, isyn, [f32(math.exp(-self.dt / tau))])
                self.history.setdefault(name, []).append(self.populations[name].update(self.step_count))
            self.learn()
            self.filter()
            self.step_count += 1
        return self.decide(drives)

    # outputs
    @staticmethod
    def terms(output: Output) -> tuple[Any, ...]:
        return output.decoder.terms if isinstance(output.decoder, ArgmaxDecoder) else output.decoder

    @staticmethod
    def width(output: Output) -> int:
        return output.decoder.actions if isinstance(output.decoder, ArgmaxDecoder) else output.size

    def weights(self, term: Any, m: int) -> np.ndarray:
        n = self.sizes[term.source]
        w = getattr(term, "weights", None)
        if isinstance(term, PopulationVectorDecoder):
            w = term.directions
        elif w is None:
            w = np.arange(n) if m == 1 else np.eye(n)
        w = np.asarray(w)
        return np.broadcast_to(w.reshape(n, m) if w.shape == (n,) and m == 1 else w, (n, m)).astype(np.float32)

    def filter(self) -> None:
        for output in self.outputs:
            for k, term in enumerate(self.terms(output)):
                if isinstance(term, SpikeDecoder | PopulationVectorDecoder):
                    w = self.scaled(term, self.width(output))
                    y = self.traces.setdefault((output.name, k), np.zeros(w.shape[1], np.float32))
                    for j in range(y.size):
                        y[j] = settle(y[j] * f32(math.exp(-self.dt / term.tau)))
                    for i, times in self.history[term.source][-1]:
                        for j in range(y.size):
                            y[j] += times * w[i, j]

    def scaled(self, term: Any, m: int) -> np.ndarray:
        """What a spike adds to the filtered sums: weights, or directions and a last column of ones, over time."""
        w = self.weights(term, m).astype(np.float64)
        if isinstance(term, PopulationVectorDecoder):
            w = np.hstack([w, np.ones((len(w), 1))])
        return (w * ((1 - math.exp(-self.dt / term.tau)) / self.dt)).astype(np.float32)

    def counted(self, term: SpikeCountDecoder) -> np.ndarray:
        """(n,) float32: spikes of each neuron in the window that ends now."""
        counts = np.zeros(self.sizes[term.source], np.int64)
        for step in self.history[term.source][-round(term.window / self.dt) :]:
            for i, times in step:
                counts[i] += int(times)
        return counts.astype(np.float32)

    def first(self, term: FirstSpikeDecoder) -> int | None:
        """The neuron that fired first in the newest window in which one did."""
        history, window = self.history[term.source], round(term.window / self.dt)
        for start in range((len(history) - 1) // window * window, -1, -window):
            for fired in history[start : start + window]:
                if fired:
                    return fired[0][0]
        return None

    def term(self, output: Output, k: int, term: Any, x: np.ndarray) -> None:
        """x += the term."""
        m = x.size
        if isinstance(term, SpikeDecoder):
            x += self.traces[output.name, k]
        elif isinstance(term, PopulationVectorDecoder):
            last = self.held_vectors.setdefault((output.name, k), np.zeros(m, np.float32))
            least = np.array([math.exp(-5) * ((1 - math.exp(-self.dt / term.tau)) / self.dt)], np.float32)
            population_vector(m, x, self.traces[output.name, k], last, least, term.hold)
        elif isinstance(term, FirstSpikeDecoder):
            first = self.first(term)
            if first is not None:
                x += self.weights(term, m)[first]
        else:
            signal = self.counted(term) if isinstance(term, SpikeCountDecoder) else self.history[term.source][-1]
            w = self.weights(term, m)
            for i in range(signal.size):
                if signal[i] != ZERO:
                    for j in range(m):
                        x[j] += signal[i] * w[i, j]

    def decide(self, drives: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        raw = []
        for output in self.outputs:
            m, is_index = self.width(output), isinstance(output.decoder, ArgmaxDecoder)
            x = np.array(np.broadcast_to(0.0 if is_index else np.asarray(output.bias, np.float64), (m,)), np.float32)
            for k, term in enumerate(self.terms(output)):
                self.term(output, k, term, x)
            raw.append(np.array([np.argmax(x)], np.float32) if is_index else x)
        raw, command = np.concatenate(raw), np.zeros(self.previous.size)
        required = np.array([i.required for i in self.inputs] or [0])
        guard(len(self.inputs), self.state, required, raw.size, raw, command, self.previous, self.limits, self.ramp,
              self.words, self.release)  # fmt: skip
        cuts = np.cumsum([o.size for o in self.outputs])[:-1]
        return {o.name: c for o, c in zip(self.outputs, np.split(command, cuts), strict=True)}
