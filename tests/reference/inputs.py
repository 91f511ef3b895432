"""Slow references of what checks the samples of value inputs, and cases for them."""

import numpy as np

from snn_control.coding.inputs import NOT_FINITE
from snn_control.testing import floats

f32 = np.float32
FLOAT_MAX = np.finfo(np.float32).max


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


def finite(n, slot, data, out, rules, limits, last, age, tick, stale, counters):
    age += tick
    if slot[0] <= 0:
        return
    replaced, failed, told = 0, 0, False
    for i in range(n):
        value, rule = f32(data[i]), ("reject", "high", "low", "hold")[rules[i]]
        out[i] = data[i]
        if np.isfinite(value):
            told = True
            if limits[2, i] <= value <= limits[3, i]:
                last[i], age[i] = value, slot[1]
        elif rule == "hold":
            good = np.isfinite(last[i]) and age[i] <= stale
            out[i] = last[i] if good else np.nan
            told |= good and stale < 1 << 62
            replaced, failed = replaced + good, failed + 1
        elif rule in ("high", "low"):
            side = {np.inf: "high", -np.inf: "low"}.get(float(value), rule)
            out[i] = limits[1 if side == "high" else 0, i]
            told |= not np.isnan(value)
            replaced, failed = replaced + 1, failed + np.isnan(value)
        else:
            told = True  # it rejects the sample by itself
    counters[2] += n
    if told:
        counters[:2] += replaced, failed
    else:
        out[:] = np.nan


def finite_case(rng, n):
    data = floats(rng, n).astype(np.float64)
    data[rng.random(n) < 0.3] = rng.choice([np.nan, np.inf, -np.inf, 1e39])
    limits = np.array([[-1.0], [1.0], [-2.5], [2.5]], np.float32).repeat(n, 1)
    last = floats(rng, n, special=False)
    last[rng.random(n) < 0.3] = np.nan
    slot = np.array([rng.integers(0, 3), 0, 0, 0, -1, -1, 0, 0], np.int64)
    slot[1] = rng.integers(0, 9)
    age, stale = rng.integers(0, 20, n), int(rng.choice([10, 1 << 62]))
    rules, counters = rng.integers(0, 4, n).astype(np.uint8), rng.integers(0, 9, 3)
    return [n, slot, data, np.zeros(n), rules, limits, last, age, 3, stale, counters]


def credible(n, slot, data, out, motion, limits, accepted, seen, since, tick, frozen, control, counters):
    elapsed = min(int(control[1]), 1_000_000) if control[1] > 0 else 1000
    for k in range(2):
        if since[k] >= 0:
            since[k] += int(float(tick) * (elapsed / 1000))
    if slot[0] <= 0:
        return
    values, first, before = data.astype(np.float32), since[1] < 0, since[0] >= 0
    rates, jumps = motion.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        moved = np.abs(values.astype(np.float64) - accepted) > rates * (float(since[0] + tick) * 1e-9)
        jumped = np.abs(values.astype(np.float64) - seen) > jumps
        plausible = ((values >= limits[2]) & (values <= limits[3])).all()
    far = bool(before and moved.any()) or bool(not first and jumped.any())
    changed = first or not np.array_equal(values, seen)
    if changed and np.isfinite(values).all():
        seen[:], since[1] = values, 0
    stands = not changed and since[1] > frozen
    counters += far, stands
    out[:] = np.nan if far or stands else data
    if plausible and not far and not stands:
        accepted[:], since[0] = values, 0


def credible_case(rng, n):
    accepted, seen = floats(rng, n, special=False), floats(rng, n, special=False)
    data = rng.choice([0.0, 0.1, 1.0, 3.0], n) + (seen if rng.random() < 0.8 else floats(rng, n)).astype(np.float64)
    if rng.random() < 0.3:
        data = seen.astype(np.float64)
    motion = rng.choice([0.2, 5.0, 1e9, FLOAT_MAX], (2, n)).astype(np.float32)
    slot = np.array([rng.integers(0, 3), 0, 0, 0, -1, -1, 0, 0], np.int64)
    since = np.array([rng.choice([-1, 0, 10**8, 10**9]), rng.choice([-1, 0, 10**8, 10**9])])
    frozen, control = int(rng.choice([10**8, 1 << 62])), np.zeros(4, np.int64)
    control[1] = rng.choice([0, 1, 500, 1000, 3500, 1 << 40])
    limits = np.array([[-1.0], [1.0], rng.choice([[-2.5], [-FLOAT_MAX]]), [FLOAT_MAX]], np.float32).repeat(n, 1)
    state = [accepted, seen, since]
    return [n, slot, data, np.zeros(n), motion, limits, *state, 10**7, frozen, control, rng.integers(0, 9, 2)]


def believed(spec, slot, data, limits, memory, period_ns, stale, control):
    """The data of a ValueInput that `sample` is given; ``memory``: what its checks remember."""
    n = spec.size
    if set(spec.rules()) != {"reject"}:
        last = memory.setdefault("last", np.full(n, np.nan, np.float32))
        ages, counters = (
            memory.setdefault("ages", np.zeros(n, np.int64)),
            memory.setdefault("replaced", np.zeros(3, int)),
        )
        rules, given, data = [NOT_FINITE.index(rule) for rule in spec.rules()], data, np.zeros(n)
        finite(n, slot, given, data, rules, limits, last, ages, period_ns, stale, counters)
    if spec.moves:
        sides = [np.broadcast_to(np.asarray(side, np.float64), (n,)) for side in (spec.rate, spec.jump)]
        motion = np.stack([np.clip(side, -FLOAT_MAX, FLOAT_MAX).astype(np.float32) for side in sides])
        frozen = 1 << 62 if np.isinf(spec.frozen) else round(spec.frozen * 1e9)
        accepted, seen = (memory.setdefault(key, np.zeros(n, np.float32)) for key in ("accepted", "seen"))
        since, counters = memory.setdefault("since", np.array([-1, -1])), memory.setdefault("motion", np.zeros(2, int))
        given, data = np.zeros(n) if data is None else data, np.zeros(n)
        credible(n, slot, given, data, motion, limits, accepted, seen, since, period_ns, frozen, control, counters)
    return data
