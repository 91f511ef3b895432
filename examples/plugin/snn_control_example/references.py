"""Reference implementations of the kernels in plain Python, with the same float32 operations; and random operands."""

import numpy as np

from snn_control.engine.kernels import ONE, ZERO
from snn_control.testing import (
    bounded,
    bounded_update,
    bounds_of,
    currents,
    firing,
    floats,
    flush,
    is_on,
    learned,
    parameters,
    place,
    ring_of_spikes,
    settle,
    spike_list,
    switch_of,
    write_spikes,
)


def quadratic(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, multiplicity, refractory, v, wait
):  # fmt: skip
    for i in range(n):
        slope, rest, critical, gain, threshold, reset = params[:, i if each > 1 else 0]
        before = bounded(v[i])
        u = (before + slope * ((before - rest) * (before - critical))) + gain * current[i]
        flags[i] = 0
        if refractory and wait[i]:
            wait[i] -= 1
            u = before
        elif u >= threshold:
            flags[i], u = 1, reset
            if refractory:
                wait[i] = refractory
        v[i] = settle(u)
    current[:] = bias
    write_spikes(flags[:n], ring, stride, slots, clock, counter, multiplicity)


def quadratic_case(rng, n):
    rows = [(0, 0.1), (-0.1, 0.2), (0.5, 1), (0, 1), (2, 3), (-1, 1)]  # of each parameter: least, spread
    common, wait = firing(rng, n)
    return [n, *parameters(rng, n, *rows), *currents(rng, n), *common, floats(rng, n), wait]


def weber(n, x, out, background, params):
    for i in range(n):
        gain, floor, rate = params[:, i]
        away = x[i] - background[i]
        y = gain * (away / (abs(background[i]) + floor))
        out[i], out[n + i] = (y if y > ZERO else ZERO), (-y if y < ZERO else ZERO)
        background[i] = settle(background[i] + rate * away)


def weber_case(rng, n):
    params = rng.uniform(0.01, 1, (3, n)).astype(np.float32)
    return [n, floats(rng, n), floats(rng, 2 * n), floats(rng, n, special=False), params]


def oja(n_pre, n_post, weights, ring, stride, slots, clock, delay, multiplicity,
        post_ring, post_stride, post_slots, x, y, p,
        switch):  # fmt: skip
    if not is_on(switch, x, y):
        return
    decay, rate, low, high = p
    for trace in (x, y):
        for i in range(trace.size):
            trace[i] = settle(trace[i] * decay)
    for i, times in spike_list(place(ring, stride, slots, clock, delay), multiplicity):
        x[i] += times
    for j, _ in spike_list(place(post_ring, post_stride, post_slots, clock, 0)):
        y[j] += ONE
    for i in range(n_pre):
        for j in range(n_post):
            w = weights[i, j]
            weights[i, j] = bounded_update(w, rate * (y[j] * (x[i] - y[j] * w)), low, high)
            switch[2] += 1


def oja_case(rng, n):
    n_pre, (low, high) = int(rng.integers(1, 20)), bounds_of(rng)
    p = np.array([rng.random(), rng.choice([1e-3, 0.3]), low, high], np.float32)
    post = ring_of_spikes(rng, n, multiple=False)[:3]
    traces = floats(rng, n_pre), floats(rng, n)
    return [n_pre, n, learned(rng, n_pre, n, low, high), *ring_of_spikes(rng, n_pre), *post, *traces, p, switch_of(rng)]


def lif_again(n, params, each, current, bias, flags, ring, stride, slots, clock, counter, multiplicity, refractory, v):
    decay, gain, leak, threshold, reset, floor = params[:, 0]
    for i in range(n):
        u = (decay * bounded(v[i]) + gain * current[i]) + leak
        u = u if u > floor else floor
        flags[i] = u >= threshold
        v[i] = flush(reset if flags[i] else u)
    current[:] = bias
    write_spikes(flags[:n], ring, stride, slots, clock, counter, multiplicity)


def lif_again_case(rng, n):
    params = np.array([[0.9], [rng.random()], [0.1], [0.8], [-0.1], [rng.choice([-0.5, -3e38])]], np.float32)
    common, _ = firing(rng, n)
    return [n, params, 1, *currents(rng, n), *common, floats(rng, n)]


REFERENCES = {
    "quadratic": (quadratic, quadratic_case),
    "weber": (weber, weber_case),
    "oja": (oja, oja_case),
    "lif_again": (lif_again, lif_again_case),
}
