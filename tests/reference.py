"""Slow twins: every kernel, and a whole controller, in plain NumPy float32 scalars and Python loops.

A twin does the operations of its kernel in the same order and must give the same bits; NaNs count as equal.
`TWINS` maps a kernel's name to its twin and to a generator of random operands: numbers, and arrays which
the kernel gets as addresses. `SlowController` reads the descriptions themselves and knows no Program.
"""

from __future__ import annotations

import copy
import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from snn_control.coding import (
    ArgmaxDecoder,
    EventsInput,
    Guard,
    Input,
    LinearEncoder,
    Output,
    PopulationEncoder,
    SpikeDecoder,
    ValueInput,
)
from snn_control.engine.kernels import WORDS
from snn_control.network import LI, CubaLIF, Network, Population

__all__ = ["TWINS", "SlowController", "call_kernel", "canonical", "exp_negative", "slow"]

f32 = np.float32
TINY, HUGE, ZERO, ONE, HALF = f32(1e-20), f32(1e30), f32(0), f32(1), f32(0.5)
FLOAT_MAX = float(np.finfo(np.float32).max)
HEADER = 64  # bytes in front of a spike list
Operands = list[Any]


def slow(function: Callable) -> Callable:
    """Run with overflow and invalid operations silent, as compiled code is."""

    def quiet(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    quiet.__name__, quiet.__doc__ = function.__name__, function.__doc__
    return quiet


def call_kernel(address: int, operands: Operands) -> None:
    """Run a compiled kernel on a row of its own; arrays are changed in place."""
    row = np.zeros(WORDS, np.int64)
    row[0] = address
    for k, operand in enumerate(operands, 1):
        row[k] = operand.ctypes.data if isinstance(operand, np.ndarray) else operand
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(address)(row.ctypes.data)


def canonical(array: np.ndarray) -> bytes:
    """The bytes of an array with every NaN alike (which NaN an operation gives is the processor's choice)."""
    array = array.copy()
    if array.dtype.kind == "f":
        array[np.isnan(array)] = np.nan
    return array.tobytes()


# scalar pieces -------------------------------------------------------------------------------------------------
def flush(x: np.float32) -> np.float32:
    return x if abs(x) > TINY else ZERO


def bounded(x: np.float32) -> np.float32:
    return x if abs(x) < HUGE else ZERO


def settle(x: np.float32) -> np.float32:
    return x if TINY < abs(x) < HUGE else ZERO


def exp_negative(x: np.float32) -> np.float32:
    """exp(x), x <= 0: x = k ln 2 + r, then a Taylor polynomial of r, then 2^k."""
    if not x > f32(-87):
        return ZERO
    k = int(x * f32(1.44269504) - HALF)
    r = (x - f32(k) * f32(0.693359375)) - f32(k) * f32(-2.12194440e-4)
    s = f32(1 / 5040)
    for factorial in (720, 120, 24, 6, 2):
        s = s * r + f32(1 / factorial)
    s = (s * r) * r + r + ONE
    return s * f32(2.0**k)


def place(base: np.ndarray, stride: int, slots: int, clock: np.ndarray, delay: int) -> np.ndarray:
    """The bytes of the slot of step ``now - delay``."""
    first = 0 if slots == 1 else stride * ((int(clock[1]) - delay) % slots)
    return base.reshape(-1).view(np.uint8)[first:]


def spike_list(slot: np.ndarray) -> list[int]:
    count = int(slot[:8].view(np.int64)[0])
    return slot[HEADER : HEADER + 4 * count].view(np.uint32).tolist()


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
            out[d * m + k] = params[d, 1] * exp_negative(-HALF * (z * z))


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
def dense_spikes(n_post, y, weights, ring, stride, slots, clock, delay, counter):
    for i in spike_list(place(ring, stride, slots, clock, delay)):
        for j in range(n_post):
            y[j] += weights[i, j]
        counter[0] += n_post


def csr_spikes(n_post, y, synapses, ring, stride, slots, clock, delay, counter, pointers, n_pointers):
    for i in spike_list(place(ring, stride, slots, clock, delay)):
        for s in range(int(pointers[i]), int(pointers[i + 1])):
            y[synapses[s, 0]] += synapses[s, 1:].view(np.float32)[0]
            counter[0] += 1


def dense_graded(n_post, y, weights, x, n_pre, stride, slots, clock, delay, counter):
    source = place(x, stride, slots, clock, delay)[: 4 * n_pre].view(np.float32)
    four = n_pre - n_pre % 4
    for j in range(n_pre):
        together = source[j - j % 4 : j - j % 4 + 4] if j < four else source[j : j + 1]
        if (together != ZERO).any():  # rows are taken four at a time: 0 w is added where a neighbour is not 0
            for i in range(n_post):
                y[i] += source[j] * weights[j, i]
        if source[j] != ZERO:
            counter[0] += n_post


def one_to_one_graded(n, y, w, x, n_pre, stride, slots, clock, delay, counter):
    source = place(x, stride, slots, clock, delay)[: 4 * n].view(np.float32)
    for i in range(n):
        y[i] += w[i] * source[i]
        counter[0] += source[i] != ZERO


# twins of the neurons ------------------------------------------------------------------------------------------
def fire(u, p, subtract):
    """(membrane after, fired) for a membrane ``u`` before the threshold."""
    _, _, _, threshold, reset, floor, _ = p
    u = u if u > floor else floor
    fired = bool(u >= threshold)
    if fired:
        u = u - threshold if subtract else reset
    return flush(u), fired


def lif(n, p, current, bias, flags, ring, stride, slots, clock, counter, refractory, subtract, v, wait):
    integrate(n, p, current, bias, flags, ring, stride, slots, clock, counter, refractory, subtract, v, None, wait)


def cuba_lif(n, p, current, bias, flags, ring, stride, slots, clock, counter, refractory, subtract, v, isyn, wait):
    integrate(n, p, current, bias, flags, ring, stride, slots, clock, counter, refractory, subtract, v, isyn, wait)


def integrate(n, p, current, bias, flags, ring, stride, slots, clock, counter, refractory, subtract, v, isyn, wait):
    decay, gain, leak, *_, decay_syn = p
    fired_indices = []
    for i in range(n):
        total = current[i] if isyn is None else isyn[i] + current[i]
        if refractory and wait[i] > 0:
            wait[i] -= 1
            flags[i] = 0
        else:
            v[i], fired = fire((decay * bounded(v[i]) + gain * total) + leak, p, subtract)
            flags[i] = fired
            if fired:
                fired_indices.append(i)
                if refractory:
                    wait[i] = refractory
        if isyn is not None:
            isyn[i] = settle(isyn[i] * decay_syn)
    current[:] = bias
    slot = place(ring, stride, slots, clock, 0)
    slot[:8].view(np.int64)[0] = len(fired_indices)
    slot[HEADER : HEADER + 4 * len(fired_indices)].view(np.uint32)[:] = fired_indices
    counter[0] += len(fired_indices)


def li(n, p, current, bias, _flags, _ring, _stride, _slots, _clock, _counter, _refractory, _subtract, v):
    for i in range(n):
        v[i] = flush((p[0] * bounded(v[i]) + p[1] * current[i]) + p[2])
    current[:] = bias


# twins of the outputs ------------------------------------------------------------------------------------------
def trace(m, y, weights, ring, stride, slots, clock, decay, counter):
    for j in range(m):
        y[j] = settle(y[j] * decay[0])
    dense_spikes(m, y, weights, ring, stride, slots, clock, 0, counter)


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
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 1e-21, -1e-21, 1e-20, 1e-40, -1e-45, 3e38, -3e38, np.inf, -np.inf, np.nan], np.float32
)


def floats(rng: np.random.Generator, *shape: int, special: bool = True, scale: float = 1.0) -> np.ndarray:
    x = (scale * rng.standard_normal(shape)).astype(np.float32)
    if special and rng.random() < 0.5:
        x = np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), x)
    return np.ascontiguousarray(x, np.float32)


def ring_of_spikes(rng: np.random.Generator, n: int) -> tuple[np.ndarray, int, int, np.ndarray, int]:
    """ring, stride, slots, clock, delay, with a random ascending list in every slot."""
    slots = int(rng.integers(1, 5))
    stride = -(-(HEADER + 4 * n) // 64) * 64
    ring = np.zeros(slots * stride, np.uint8)
    for slot in ring.reshape(slots, stride):
        fired = np.flatnonzero(rng.random(n) < rng.choice([0.0, 0.1, 0.5, 1.0])).astype(np.uint32)
        slot[:8].view(np.int64)[0] = fired.size
        slot[HEADER : HEADER + 4 * fired.size] = fired.view(np.uint8)
    return ring, stride, slots, clock_of(rng), int(rng.integers(0, slots + 1))


def clock_of(rng: np.random.Generator) -> np.ndarray:
    return np.array([rng.integers(0, 9), rng.integers(0, 1000)], np.int64)


def counter_of() -> np.ndarray:
    return np.zeros(1, np.int64)


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


def dense_spikes_case(rng, n):
    n_pre = int(rng.integers(1, 70))
    return [n, floats(rng, n), floats(rng, n_pre, n), *ring_of_spikes(rng, n_pre), counter_of()]


def csr_spikes_case(rng, n):
    n_pre = int(rng.integers(1, 70))
    per_row = rng.integers(0, 2 * n if n < 30 else 30, n_pre)
    pointers = np.concatenate([[0], np.cumsum(per_row)]).astype(np.uint32)
    k = int(pointers[-1])
    synapses = np.stack([rng.integers(0, n, k).astype(np.uint32), floats(rng, k).view(np.uint32)], 1)
    synapses = np.ascontiguousarray(synapses) if k else np.zeros((1, 2), np.uint32)
    return [n, floats(rng, n), synapses, *ring_of_spikes(rng, n_pre), counter_of(), pointers, n_pre + 1]


def graded_case(one_to_one: bool):
    def case(rng, n):
        n_pre = n if one_to_one else int(rng.integers(1, 20))
        weights = floats(rng, n) if one_to_one else floats(rng, n_pre, n)
        stride, slots = -(-4 * n_pre // 64) * 64, int(rng.integers(1, 5))
        line = np.where(rng.random(slots * stride // 4) < 0.5, 0, floats(rng, slots * stride // 4)).astype(np.float32)
        delay = int(rng.integers(0, slots + 1))
        return [n, floats(rng, n), weights, line, n_pre, stride, slots, clock_of(rng), delay, counter_of()]

    return case


def neuron_case(synaptic: bool | None):
    """True: CubaLIF, False: LIF, None: LI."""

    def case(rng, n):
        floor = -FLOAT_MAX if rng.random() < 0.5 else -0.5
        p = np.array(
            [rng.random(), rng.random(), 0.1 * rng.standard_normal(), 0.8, -0.1, floor, rng.random()], np.float32
        )
        bias = floats(rng, n)
        current = bias if rng.random() < 0.3 else floats(rng, n)
        v = floats(rng, n)
        if synaptic is None:
            return [n, p, current, bias, 0, 0, 0, 1, clock_of(rng), 0, 0, 0, v]
        ring, stride, slots, clock, _ = ring_of_spikes(rng, n)
        refractory, padded = int(rng.integers(0, 4)), -(-n // 64) * 64
        wait = rng.integers(0, 3, n if refractory else 1).astype(np.uint16)
        state = [v, floats(rng, n), wait] if synaptic else [v, wait]
        subtract = int(rng.integers(0, 2))
        flags = np.zeros(padded, np.uint8)
        return [n, p, current, bias, flags, ring, stride, slots, clock, counter_of(), refractory, subtract, *state]

    return case


def trace_case(rng, m):
    n_pre = int(rng.integers(1, 70))
    ring, stride, slots, clock, _ = ring_of_spikes(rng, n_pre)
    decay = rng.random(1).astype(np.float32)
    return [m, floats(rng, m), floats(rng, n_pre, m), ring, stride, slots, clock, decay, counter_of()]


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


#: kernel -> (twin, random operands for a generator and a size)
TWINS: dict[str, tuple[Callable, Callable[[np.random.Generator, int], Operands]]] = {
    "sample": (sample, sample_case),
    "population": (population, population_case),
    "pool": (pool, pool_case),
    "copy": (copy_, lambda rng, n: [n, floats(rng, n), floats(rng, n)]),
    "add": (add, lambda rng, n: [n, floats(rng, n), floats(rng, n)]),
    "clear": (clear, lambda rng, n: [n, floats(rng, n)]),
    "remember": (remember, remember_case),
    "dense_spikes": (dense_spikes, dense_spikes_case),
    "csr_spikes": (csr_spikes, csr_spikes_case),
    "dense_graded": (dense_graded, graded_case(one_to_one=False)),
    "one_to_one_graded": (one_to_one_graded, graded_case(one_to_one=True)),
    "lif": (lif, neuron_case(synaptic=False)),
    "cuba_lif": (cuba_lif, neuron_case(synaptic=True)),
    "li": (li, neuron_case(synaptic=None)),
    "trace": (trace, trace_case),
    "argmax": (argmax, argmax_case),
    "guard": (guard, guard_case),
}


@slow
def disagreement(name: str, address: int, seed: int, size: int) -> str:
    """Run kernel and twin on the same random operands; what differs, or an empty text."""
    twin, case = TWINS[name]
    operands = case(np.random.default_rng(seed), size)
    expected = copy.deepcopy(operands)  # one memo: arrays that are shared stay shared
    call_kernel(address, operands)
    twin(*expected)
    for k, (got, want) in enumerate(zip(operands, expected)):
        if isinstance(got, np.ndarray) and canonical(got) != canonical(want):
            return f"{name}, operand {k + 1}: kernel {got.tolist()}, twin {want.tolist()}"
    return ""


# the whole controller ------------------------------------------------------------------------------------------
class SlowPopulation:
    """Neurons of one model, one scalar after another, from their description."""

    def __init__(self, pop: Population, dt: float) -> None:
        self.model, n = pop.neuron, pop.size
        decay = math.exp(-dt / self.model.tau_mem)
        self.decay, self.gain = f32(decay), f32(self.model.r * (1 - decay))
        self.leak = f32(self.model.v_leak * (1 - decay))
        self.graded, self.synaptic = isinstance(self.model, LI), isinstance(self.model, CubaLIF)
        self.bias = np.broadcast_to(np.asarray(pop.bias, np.float64), (n,)).astype(np.float32)
        self.v = np.array(np.broadcast_to(np.asarray(pop.v_init, np.float64), (n,)), np.float32)
        self.current, self.isyn = self.bias.copy(), np.zeros(n, np.float32)
        self.wait = [0] * n
        if self.synaptic:
            self.decay_syn = f32(math.exp(-dt / self.model.tau_syn))
        if not self.graded:
            self.period = round(self.model.refractory / dt)
            self.threshold, self.reset = f32(self.model.v_threshold), f32(self.model.v_reset)
            self.floor = f32(max(self.model.v_min, -FLOAT_MAX))

    def update(self) -> Any:
        """One step; the list of those that fired, or the graded vector."""
        fired = []
        for i in range(self.v.size):
            total = self.isyn[i] + self.current[i] if self.synaptic else self.current[i]
            u = (self.decay * bounded(self.v[i]) + self.gain * total) + self.leak
            if self.graded:
                self.v[i] = flush(u)
                continue
            if self.synaptic:
                self.isyn[i] = settle(self.isyn[i] * self.decay_syn)
            if self.wait[i]:
                self.wait[i] -= 1
                continue
            u = u if u > self.floor else self.floor
            if u >= self.threshold:
                fired.append(i)
                self.wait[i] = self.period
                u = u - self.threshold if self.model.reset == "subtract" else self.reset
            self.v[i] = flush(u)
        self.current[:] = self.bias
        return self.v.copy() if self.graded else fired


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
    ) -> None:
        self.network, self.inputs, self.outputs, self.dt, self.period = network, inputs, outputs, dt, period
        self.steps, self.step_count = round(period / dt), 0
        self.populations = {p.name: SlowPopulation(p, dt) for p in network.populations}
        self.delays = [round(p.delay / dt) for p in network.projections]
        self.history: dict[str, list[Any]] = {}  # per source: spike lists or vectors, one a step
        self.held = {i.name: np.zeros(getattr(i, "size", 0), np.float32) for i in inputs if isinstance(i, ValueInput)}
        self.state = np.zeros((max(1, len(inputs)), 2), np.int64)
        self.age = {i.name: -1 for i in inputs}
        self.counters = {i.name: np.zeros(4, np.int64) for i in inputs}
        self.graded_inputs = [i.name for i in inputs if i.encoder is None or i.encoder.neuron is None]
        self.traces: dict[tuple[str, int], np.ndarray] = {}
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

    @staticmethod
    def encoded(spec: ValueInput, held: np.ndarray) -> np.ndarray:
        e, n = spec.encoder, spec.size
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
                drive.append(f32(e.drive) * exp_negative(-HALF * (z * z)))
        return np.array(drive, np.float32)

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
        p, then = self.network.projections[k], self.step_count - self.delays[k]
        post = self.populations[p.post]
        y = post.isyn if post.synaptic and p.receptor != "current" else post.current
        if p.bias is not None:
            y += np.broadcast_to(np.asarray(p.bias), y.shape).astype(np.float32)
        past = self.history.get(p.pre, [])
        if not 0 <= then < len(past):
            return
        signal = past[then]
        n_pre = self.sizes[p.pre]
        shape = {"dense": (n_pre, y.size), "one_to_one": (y.size,), "sparse": np.shape(p.pre_index)}[p.connection]
        w = np.broadcast_to(np.asarray(p.weights), shape).astype(np.float32)
        graded = isinstance(signal, np.ndarray)
        active = [(i, signal[i]) for i in range(n_pre) if signal[i] != ZERO] if graded else [(i, None) for i in signal]
        for i, x in active:
            if p.connection == "dense":
                targets = [(j, w[i, j]) for j in range(y.size)]
            elif p.connection == "one_to_one":
                targets = [(i, w[i])]
            else:
                synapses = [s for s in range(w.size) if p.pre_index[s] == i]
                targets = [(p.post_index[s], w[s]) for s in sorted(synapses, key=lambda s: p.post_index[s])]
            for j, weight in targets:
                y[j] += weight if x is None else x * weight

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
                self.populations = {**self.populations, spec.name: SlowPopulation(pop, self.dt)}
        self.sizes = {name: p.v.size for name, p in self.populations.items()} | {
            n: drives[n].size for n in self.graded_inputs
        }
        order = self.in_order()
        for s in range(self.steps):
            for k, delay in enumerate(self.delays):
                if delay >= 1:
                    self.deliver(k)
            for spec in self.inputs:
                if s > 0 and isinstance(spec, EventsInput):
                    drives[spec.name] = np.zeros_like(drives[spec.name])
            for name in self.graded_inputs:
                self.history.setdefault(name, []).append(drives[name])
            for name in order:
                if name in drives:
                    self.populations[name].current += drives[name]
                for k, delay in enumerate(self.delays):
                    if delay == 0 and self.network.projections[k].post == name:
                        self.deliver(k)
                self.history.setdefault(name, []).append(self.populations[name].update())
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
        w, n = np.asarray(term.weights), self.sizes[term.source]
        return np.broadcast_to(w.reshape(n, m) if w.shape == (n,) and m == 1 else w, (n, m)).astype(np.float32)

    def filter(self) -> None:
        for output in self.outputs:
            m = self.width(output)
            for k, term in enumerate(self.terms(output)):
                if isinstance(term, SpikeDecoder):
                    decay = math.exp(-self.dt / term.tau)
                    scaled = (self.weights(term, m).astype(np.float64) * ((1 - decay) / self.dt)).astype(np.float32)
                    y = self.traces.setdefault((output.name, k), np.zeros(m, np.float32))
                    for j in range(m):
                        y[j] = settle(y[j] * f32(decay))
                    for i in self.history[term.source][-1]:
                        for j in range(m):
                            y[j] += scaled[i, j]

    def decide(self, drives: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        raw = []
        for output in self.outputs:
            m, is_index = self.width(output), isinstance(output.decoder, ArgmaxDecoder)
            x = np.array(np.broadcast_to(0.0 if is_index else np.asarray(output.bias, np.float64), (m,)), np.float32)
            for k, term in enumerate(self.terms(output)):
                if isinstance(term, SpikeDecoder):
                    x += self.traces[output.name, k]
                    continue
                signal = self.history[term.source][-1]
                w = self.weights(term, m)
                for i in range(signal.size):
                    if signal[i] != ZERO:
                        for j in range(m):
                            x[j] += signal[i] * w[i, j]
            raw.append(np.array([np.argmax(x)], np.float32) if is_index else x)
        raw, command = np.concatenate(raw), np.zeros(self.previous.size)
        required = np.array([i.required for i in self.inputs] or [0])
        guard(len(self.inputs), self.state, required, raw.size, raw, command, self.previous, self.limits, self.ramp,
              self.words, self.release)  # fmt: skip
        cuts = np.cumsum([o.size for o in self.outputs])[:-1]
        return {o.name: c for o, c in zip(self.outputs, np.split(command, cuts), strict=True)}
