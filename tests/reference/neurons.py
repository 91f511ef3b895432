"""References of the neurons."""

from __future__ import annotations

import numpy as np

from snn_control.testing import (
    FLOAT_MAX,
    bounded,
    currents,
    exponential,
    firing,
    floats,
    flush,
    parameters,
    settle,
    write_spikes,
)
from tests.reference.scalars import ONE, ZERO, f32


def integrate_and_fire(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, multiplicity, refractory,
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
            if multiplicity:
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
    write_spikes(times, ring, stride, slots, clock, counter, multiplicity)


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


def adex(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, multiplicity, refractory, v, w, wait
):
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
    write_spikes(times, ring, stride, slots, clock, counter, multiplicity)


def izhikevich(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, multiplicity, refractory, v, u, wait
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
    write_spikes(times, ring, stride, slots, clock, counter, multiplicity)


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


def integrate_and_fire_case(rng, n):
    floor = (-FLOAT_MAX, 0) if rng.random() < 0.5 else (-0.5, 0.1)
    multiple = rng.random() < 0.25
    reset = (0.7, 0.1) if multiple else (-0.1, 0.3)
    rows = [(0, 1), (0, 1), (0, 0.1), (0, 1), (0, 1), (0.8, 0.3), reset, floor, (0, 0.5), (0, 1)]
    common, wait = firing(rng, n, multiple)
    mode = (
        1
        if multiple
        else int(rng.integers(0, 2))
        if common[-1] or rng.random() < 0.5
        else int(rng.choice([0, 1, 2, 3, 5]))
    )
    isyn, adapt = (floats(rng, n, special=False) if rng.random() < 0.5 else 0 for _ in range(2))
    counts = rng.integers(0, 9, n).astype(np.uint16) if multiple else 0
    v = floats(rng, n, scale=3 if multiple else 1)
    params = parameters(rng, n, *rows)
    return [n, *params, *currents(rng, n), *common, mode, v, isyn, 0 if multiple else adapt, wait, counts]


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
