"""References of inputs, encoders, stochastic neurons, decoders and the guard."""

from __future__ import annotations

import math

import numpy as np

from snn_control.testing import (
    bounded,
    clock_of,
    counter_of,
    currents,
    exponential,
    firing,
    floats,
    parameters,
    place,
    ring_of_spikes,
    settle,
    spike_list,
    write_spikes,
)
from tests.reference.delivery import dense_spikes, fan_out_case
from tests.reference.scalars import HALF, ONE, ZERO, cut, f32, poisson_count, uniforms


def population(dimensions, m, x, out, centres, params, cutoff):
    for d in range(dimensions):
        for k in range(m):
            z = (x[d] - centres[d, k]) * params[d, 0]
            response = exponential(-HALF * (z * z))
            out[d * m + k] = ZERO if response < cutoff[0] or np.isnan(response) else params[d, 1] * response


def fields(dimensions, m, x, out, centres, inverse, numbers):
    for k in range(m):
        square = ZERO
        for d in range(dimensions):
            z = (x[d] - centres[k, d]) * inverse[d]
            square = square + z * z
        response = exponential(-HALF * square)
        out[k] = ZERO if response < numbers[1] or np.isnan(response) else numbers[0] * response


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


def stochastic(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, multiplicity,
    refractory, seed, number, counts
):  # fmt: skip
    times = [0] * n
    for i, u in enumerate(uniforms(seed, number, int(clock[1]), n)):
        mean = params[0, i if each > 1 else 0] * current[i]
        if multiplicity:
            times[i] = counts[i] = poisson_count(u, cut(mean, f32(64)))
        else:
            times[i] = int(u < cut(mean, ONE))
        flags[i] = times[i] > 0
    current[:] = bias
    write_spikes(times, ring, stride, slots, clock, counter, multiplicity)


def temporal(
    n, params, each, current, bias, flags, ring, stride, slots, clock, counter, multiplicity,
    refractory, window, subtract, v
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
    write_spikes(flags[:n], ring, stride, slots, clock, counter, multiplicity)


def trace(m, y, weights, ring, stride, slots, clock, multiplicity, decay, counter, fan_out):
    for j in range(m):
        y[j] = settle(y[j] * decay[0])
    dense_spikes(m, y, weights, ring, stride, slots, clock, 0, multiplicity, counter, fan_out)


def population_vector(m, out, y, last, least, hold):
    for j in range(m):
        if y[m] >= least[0]:
            last[j] = y[j] / y[m]
        else:
            last[j] = bounded(last[j]) if hold else ZERO
        out[j] += last[j]


def window_counts(n, ring, stride, slots, clock, multiplicity, steps, counts, x):
    for delay, sign in ((0, 1), (steps, -1)):
        for i, times in spike_list(place(ring, stride, slots, clock, delay), multiplicity):
            counts[i] += sign * int(times)
            x[i] = f32(counts[i])


def window_mean(n, line, stride, slots, clock, steps, x):
    for i in range(n):
        x[i] = ZERO
        for delay in range(steps, 0, -1):
            x[i] += floats_of(line, stride, slots, clock, delay, n)[i]
        x[i] /= f32(steps)


def floats_of(line, stride, slots, clock, delay, n):
    first = stride * ((int(clock[1]) - delay) % slots)
    return line[first : first + 4 * n].view(np.float32)


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


def squash(n, x, y, centre, half):
    for i in range(n):
        t = ONE - f32(2) / (exponential(f32(2) * abs(x[i])) + ONE)
        y[i] = centre[i] + half[i] * (t if x[i] > ZERO else -t) if np.isfinite(x[i]) else f32(np.nan)


def stop(n, slot, held, valid, zero, latched, bit, stops):
    hit = [x == 0 if zero else x != 0 for x in held[:n].tolist()]
    pressed = not valid[0] or any(hit)
    now, kept = int(stops[0]), int(stops[1])
    stops[0] = now | 1 << bit if pressed else now & ~(1 << bit)
    if pressed and latched and slot[1] >= 0:
        stops[1] = kept | 1 << bit


def guard(
    n_inputs, valid, required, m, raw, command, limits, way, each, motion, words, control, release, stops, start
):  # fmt: skip
    previous, step, ring = motion[:m], motion[m : 2 * m] if each > 1 else 0, motion[2 * m :]
    longest = max(each - 2, 0)
    held = int(control[2]) & 1 << 62
    released = int(control[2]) ^ held
    reason, elapsed = int(control[0]) | (64 if held else 0), min(int(control[1]) if control[1] > 0 else 1000, 10_000)
    if np.ndim(stops):  # 0: no input stops the commands
        if words[7] != released:
            stops[1] &= stops[0]
        reason |= 16 if stops.any() else 0
    if any(required[k] and not valid[k, 0] for k in range(n_inputs)):
        reason |= 1
    if not np.isfinite(raw).all():
        reason |= 2
    faulted, streak, operator = bool(words[0]), int(words[1]), words[7] != released
    if reason:
        words[6] += not faulted
        faulted, streak = True, 0
    elif faulted:
        streak += 1
        faulted = not (operator or (release > 0 and streak >= release))
    words[0], words[1], words[2], words[7] = faulted, streak, reason, released
    words[3] += faulted
    first = not words[8]
    words[8] |= not faulted
    for j in range(m):
        low, high, safe, slew, most, jerk = (float(limits[k, j]) for k in range(6))
        size = max(math.ceil(2 * most / jerk - 1e-9), 1) if np.isfinite(most) else 1
        if first and way[j] == 2 and np.ndim(start) and np.isfinite(start[j]):
            previous[j] = min(max(float(start[j]), low), high)
            if np.ndim(step):
                step[j] = 0.0
            if longest:
                ring.reshape(m, longest)[j] = previous[j]
        before, fixed = float(previous[j]), None  # fixed: where the command is at once
        wanted = float(raw[j])
        if not faulted and not low <= wanted <= high:
            wanted = low if wanted < low else high
            words[4] += 1
        if faulted:
            wanted = before if way[j] == 2 else safe
            if way[j] == 0:
                fixed = safe
        if fixed is not None:
            path = [fixed]
        elif not np.isfinite(most):
            path = [min(max(wanted, before - slew * (elapsed / 1000)), before + slew * (elapsed / 1000))]
        else:
            path = []
            for _ in range(max((elapsed + 500) // 1000, 1)):
                step[j] = next_step(wanted - before, float(step[j]), slew, most, faulted and way[j] == 2)
                before = (
                    wanted
                    if abs(wanted - before - step[j]) <= 1e-6 * min(most, slew)
                    else min(max(before + step[j], low), high)
                )
                path.append(before)
        words[5] += path[-1] != wanted
        path = [min(max(y, low), high) for y in path]
        previous[j] = command[j] = path[-1]
        if fixed is not None and np.ndim(step):
            step[j] = 0.0
        if longest and (fixed is not None or np.isfinite(most)):
            rows = ring.reshape(m, longest)
            for y in path:
                rows[j, :size] = [y, *rows[j, : size - 1]]
            if fixed is not None:
                rows[j] = fixed
            total = 0.0
            for y in rows[j, 1:size][::-1]:
                total += y - path[-1]
            command[j] = min(max(path[-1] + total / size, low), high)


def next_step(distance, step, slew, most, brakes):
    """The next step of a command: the largest of those after which it can still stop at ``distance``."""
    wanted = 0.0
    if not brakes:
        k = max(math.ceil((math.sqrt(1 + 8 * abs(distance) / most) - 1) / 2), 1)
        wanted = math.copysign(min(slew, abs(distance) / k + most * (k - 1) / 2), distance)
    return min(max(wanted, step - most), step + most)


def cutoff_case(rng):
    return np.array([rng.choice([0.0, 0.01, 0.5])], np.float32)


def population_case(rng, n):
    d = int(rng.integers(1, 4))
    params = np.stack([rng.uniform(0.1, 30, d), rng.standard_normal(d)], 1).astype(np.float32)
    values, centres = floats(rng, d, special=False, scale=3), floats(rng, d, n, special=False)
    return [d, n, values, floats(rng, d * n), centres, params, cutoff_case(rng)]


def fields_case(rng, n):
    d = int(rng.integers(1, 4))
    inverse, drive = rng.uniform(0.1, 30, d).astype(np.float32), floats(rng, 1, special=False)
    numbers = np.concatenate([drive, cutoff_case(rng)])
    return [d, n, floats(rng, d, special=False), floats(rng, n), floats(rng, n, d, special=False), inverse, numbers]


def signed_case(rng, n):
    return [n, floats(rng, n), floats(rng, 2 * n), floats(rng, n)]


def changes_case(rng, n):
    threshold = rng.uniform(0.01, 2, n).astype(np.float32)
    sent = floats(rng, n, special=False)
    x = floats(rng, n, special=False)
    x[: n // 3] = sent[: n // 3] + threshold[: n // 3]
    return [n, x, floats(rng, 2 * n), sent, threshold, int(rng.integers(0, 2))]


def stochastic_case(rng, n):
    multiple = bool(rng.integers(0, 2))
    common, _ = firing(rng, n, multiple)
    common[-1] = 0
    common[4][1] = rng.integers(0, 1 << rng.choice([4, 33, 60]))
    seed, number = int(rng.integers(0, 1 << rng.choice([1, 32, 62]))), int(rng.integers(0, 1 << 32))
    counts = rng.integers(0, 9, n).astype(np.uint16) if multiple else 0
    params = parameters(rng, n, (0, rng.choice([0.1, 1, 30]) if multiple else 1))
    return [n, *params, *currents(rng, n), *common, seed, number, counts]


def temporal_case(rng, n):
    common, _ = firing(rng, n)
    common[-1] = 0
    window, subtract = int(rng.integers(1, 9)), int(rng.integers(0, 2))
    levels = parameters(rng, n, *[(2.0**-k, 0 if subtract else 0.2) for k in range(window)])
    return [n, *levels, *currents(rng, n), *common, window, subtract, floats(rng, n, special=False)]


def trace_case(rng, m):
    n_pre = int(rng.integers(1, 70))
    ring, stride, slots, clock, _, multiplicity = ring_of_spikes(rng, n_pre)
    decay, weights = rng.random(1).astype(np.float32), floats(rng, n_pre, m)
    own = [decay, counter_of(), fan_out_case(rng, weights)]
    return [m, floats(rng, m), weights, ring, stride, slots, clock, multiplicity, *own]


def population_vector_case(rng, m):
    y, last = floats(rng, m + 1), floats(rng, m)
    least = np.abs(floats(rng, 1, special=False))
    return [m, floats(rng, m), y, last, least, int(rng.integers(0, 2))]


def window_counts_case(rng, n):
    ring, stride, slots, clock, _, multiplicity = ring_of_spikes(rng, n)
    if slots == 1:
        ring, slots = np.concatenate([ring, ring]), 2
    counts = rng.integers(0, 1 << 30, n)
    x = counts.astype(np.float32)
    return [n, ring, stride, slots, clock, multiplicity, int(rng.integers(1, slots)), counts, x]


def window_mean_case(rng, n):
    stride, slots = -(-4 * n // 64) * 64, int(rng.integers(1, 6))
    line = floats(rng, stride // 4 * slots).view(np.uint8)
    return [n, line, stride, slots, clock_of(rng), int(rng.integers(1, slots + 1)), floats(rng, n)]


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


def squash_case(rng, n):
    x = floats(rng, n, scale=float(rng.choice([0.1, 3.0, 30.0])))
    return [n, x, np.zeros(n, np.float32), floats(rng, n, special=False), floats(rng, n, special=False)]


def stop_case(rng, n):
    slot = np.array([rng.integers(0, 2), rng.integers(-1, 2), 0, 0, -1, -1, 0, 0], np.int64)
    valid, held = (rng.random(2) < 0.8).astype(np.int64), rng.choice([0.0, -0.0, 1.0, 1e-45], n, p=[0.6, 0.2, 0.1, 0.1])
    flags = rng.integers(0, 2, 2).tolist()
    return [n, slot, held.astype(np.float32), valid, *flags, int(rng.integers(0, 62)), rng.integers(0, 1 << 62, 2)]


def guard_case(rng, m):
    inputs = int(rng.integers(0, 4))
    valid = (rng.random((max(1, inputs), 2)) < 0.8).astype(np.int64)
    required = rng.integers(0, 2, max(1, inputs))
    low, high = -rng.random(m), rng.random(m)
    slew, acceleration = np.where(rng.random((2, m)) < 0.5, np.inf, rng.random((2, m)) * 0.3)
    longest, jerk = int(rng.integers(-1, 6)), np.full(m, np.inf)
    if longest < 0:
        acceleration[:] = np.inf
    elif longest > 0:
        jerk = 2 * acceleration / rng.integers(1, longest + 1, m) * (1 + 1e-12)
    limits = np.stack([low, high, rng.uniform(low, high), slew, acceleration, jerk])
    if rng.random() < 0.2:
        limits[:2] = [[-np.inf], [np.inf]]
    raw, previous = floats(rng, m, special=rng.random() < 0.5), rng.uniform(low, high)
    words = rng.integers(0, 4, 9)
    words[0], words[8], released = rng.integers(0, 2), rng.integers(0, 2), words[7] + rng.integers(0, 2)
    elapsed = rng.choice([-1, 0, 1, 499, 500, 1000, 1499, 1500, 2000, 9000, 10_000, 11_000, 1 << 40])
    held = rng.choice([0] * 4 + [1 << 62])  # by an operator
    control = np.array([rng.choice([0] * 9 + [4, 8]), elapsed, released | held, 0])
    way = rng.integers(0, 3, m).astype(np.uint8)
    each, ring = 2 + longest, rng.uniform(np.repeat(low, max(longest, 0)), np.repeat(high, max(longest, 0)))
    motion = np.concatenate([previous, rng.uniform(-0.3, 0.3, m), ring])[: m * each]
    start = rng.choice([np.nan, 0.1, -2.0], m).astype(np.float32) if rng.random() < 0.5 else 0
    return [
        inputs, valid, required, m, raw, np.zeros(m), limits, way, each, motion, words, control,
        int(rng.integers(0, 4)), rng.integers(0, 3, 2) if rng.random() < 0.5 else 0, start,
    ]  # fmt: skip
