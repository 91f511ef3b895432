"""Conformance test of kernels: a kernel and its reference implementation must compute the same bits for all operands.

`check_kernel` tests the kernels of snn_control and of plug-ins. A reference implementation is a function in plain
NumPy. It gets the same operands as the kernel, and does the same float32 operations in the same order. The other
functions of this module help to write reference implementations, and make random operands.
``docs/tutorials/own_neuron.md`` has an example.
"""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .engine.kernels import HUGE, ONE, TINY, ZERO
from .engine.kernels.functions import HALF
from .engine.kernels.spikes import HEADER
from .engine.registry import kernel
from .engine.rows import WORDS

__all__ = [
    "FLOAT_MAX", "SIZES", "References", "bounded", "bounded_update", "bounds_of", "call_kernel", "canonical",
    "check_kernel", "clock_of", "counter_of", "currents", "disagreement", "exponential", "firing", "floats", "flush",
    "is_on", "learned", "parameters", "place", "ring_of_spikes", "settle", "slow", "spike_list", "switch_of",
    "write_spikes",
]  # fmt: skip

f32 = np.float32
Operands = list[Any]
#: kernel -> (reference, random operands for a generator and a size)
References = Mapping[str, tuple[Callable[..., Any], Callable[[np.random.Generator, int], Operands]]]

FLOAT_MAX = float(np.finfo(np.float32).max)
#: sizes for the tests: around 64, the number of neurons whose flags are tested together, and small ones
SIZES = (1, 63, 64, 65, 130, *range(2, 21))
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 1e-21, -1e-21, 1e-20, 1e-40, -1e-45, 3e38, -3e38, np.inf, -np.inf, np.nan], np.float32
)


def slow(function: Callable) -> Callable:
    """Decorate a slow reference function: NumPy does not warn of overflow and NaN in it, as in compiled code."""
    return np.errstate(all="ignore")(function)


def check_kernel(name: str, references: References, runs: int = 72) -> None:
    """Compare a kernel with its reference implementation on ``runs`` sets of random operands.

    Raises AssertionError if the results differ.

    name : name of the kernel
    references : name of a kernel -> its reference function, and a function that makes random operands
    """
    assert name in references, f"kernel '{name}' has no reference implementation"
    for seed in range(runs):
        assert not (found := disagreement(name, references, seed, SIZES[seed % len(SIZES)])), found


@slow
def disagreement(name: str, references: References, seed: int, size: int) -> str:
    """Run a kernel and its reference implementation on the same random operands.

    Return a text that describes the first difference; "" if there is none.
    """
    plain, case = references[name]
    operands = case(np.random.default_rng(seed), size)
    expected = copy.deepcopy(operands)  # a single call, so that shared arrays stay shared
    call_kernel(kernel(name).address, operands)
    plain(*expected)
    for k, (got, want) in enumerate(zip(operands, expected)):
        if isinstance(got, np.ndarray) and canonical(got) != canonical(want):
            return f"{name}, operand {k + 1}: kernel {got.tolist()}, reference {want.tolist()}"
    return ""


def call_kernel(address: int, operands: Operands) -> None:
    """Run a compiled kernel once with these operands. The kernel changes arrays in place.

    address : address of the compiled kernel
    """
    row = np.zeros(WORDS, np.int64)
    row[0] = address
    for k, operand in enumerate(operands, 1):
        row[k] = operand.ctypes.data if isinstance(operand, np.ndarray) else operand
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(address)(row.ctypes.data)


def canonical(array: np.ndarray) -> bytes:
    """Return the bytes of an array, with equal bits for every NaN. Processors differ in the bits of a NaN."""
    array = array.copy()
    if array.dtype.kind == "f":
        array[np.isnan(array)] = np.nan
    return array.tobytes()


# pieces of references ------------------------------------------------------------------------------------------------
def flush(x: np.float32) -> np.float32:
    """Return ``x``; 0 if its magnitude is at most `TINY` or if it is NaN."""
    return x if abs(x) > TINY else ZERO


def bounded(x: np.float32) -> np.float32:
    """Return ``x``; 0 if its magnitude is at least `HUGE` or if it is NaN."""
    return x if abs(x) < HUGE else ZERO


def settle(x: np.float32) -> np.float32:
    """Return ``x``; 0 if its magnitude is at most `TINY` or at least `HUGE`, or if it is NaN."""
    return x if TINY < abs(x) < HUGE else ZERO


def exponential(x: np.float32) -> np.float32:
    """Return exp(x) with the same bits as the kernels.

    With x = k ln 2 + r, the result is 2^k times a Taylor polynomial of r. For a float64, NumPy computes the result.
    """
    if not x > f32(-87):
        return ZERO
    x = min(x, f32(88))
    if isinstance(x, np.float64):
        return np.exp(x)
    k = int(x * f32(1.44269504) + (HALF if x > 0 else -HALF))
    r = (x - f32(k) * f32(0.693359375)) - f32(k) * f32(-2.12194440e-4)
    s = f32(1 / 5040)
    for factorial in (720, 120, 24, 6, 2):
        s = s * r + f32(1 / factorial)
    s = (s * r) * r + r + ONE
    return s * f32(2.0**k)


def place(base: np.ndarray, stride: int, slots: int, clock: np.ndarray, delay: int) -> np.ndarray:
    """Return the slot of a spike ring that was written ``delay`` steps ago, as a uint8 array.

    base : bytes of the ring
    stride : number of bytes of a slot
    slots : number of slots
    clock : the clock, int64 [tick, step]
    """
    first = 0 if slots == 1 else stride * ((int(clock[1]) - delay) % slots)
    return base.reshape(-1).view(np.uint8)[first:]


def spike_list(slot: np.ndarray, multiplicity: int = 0) -> list[tuple[int, np.float32]]:
    """Return the neurons that fired in one step, as a list of (index of the neuron, number of its spikes).

    slot : uint8 array of one slot of a spike ring
    multiplicity : offset of the numbers of spikes in the slot [bytes]; 0 if a neuron fires at most once in a step
    """
    count = int(slot[:8].view(np.int64)[0])
    fired = slot[HEADER : HEADER + 4 * count].view(np.uint32).tolist()
    times = slot[multiplicity : multiplicity + 2 * count].view(np.uint16).tolist() if multiplicity else [1] * count
    return [(i, f32(m)) for i, m in zip(fired, times, strict=True)]


def write_spikes(
    times: Any, ring: np.ndarray, stride: int, slots: int, clock: np.ndarray, counter: np.ndarray, multiplicity: int
) -> None:
    """Write the spikes of the present step into a spike ring, and add their number to a counter.

    times : (n,), number of spikes of each neuron
    ring, stride, slots, clock, multiplicity : operands of the spike ring, as in `ring_of_spikes`
    counter : (1,) int64
    """
    fired = np.flatnonzero(times)
    slot = place(ring, stride, slots, clock, 0)
    slot[:8].view(np.int64)[0] = fired.size
    slot[HEADER : HEADER + 4 * fired.size].view(np.uint32)[:] = fired
    if fired.size < len(times):  # kernels write a 0 after the last index
        slot[HEADER + 4 * fired.size :][:4].view(np.uint32)[:] = 0
    if multiplicity:
        slot[multiplicity : multiplicity + 2 * fired.size].view(np.uint16)[:] = np.asarray(times)[fired]
    counter[0] += int(np.sum(times))


def bounded_update(w: np.float32, delta: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """Return the weight ``w`` after a change by ``delta``, clipped to [low, high]."""
    return min(max(flush(w + bounded(delta)), low), high)


def is_on(switch: np.ndarray, *memory: np.ndarray | int) -> bool:
    """Return whether a learning rule is switched on. In the step in which it is switched on, set its traces to 0.

    switch : the switch of the rule, int64 words as in `switch_of`
    memory : traces of the rule
    """
    if switch[0] and not switch[1]:
        for array in memory:
            if not isinstance(array, int):
                array[...] = 0
    switch[1] = switch[0] != 0
    return bool(switch[1])


# random operands ------------------------------------------------------------------------------------------------
def floats(rng: np.random.Generator, *shape: int, special: bool = True, scale: float = 1.0) -> np.ndarray:
    """Return a random float32 array of this shape.

    If ``special`` is true, half of all calls return an array with NaN, infinite, very large and very small numbers.
    """
    x = (scale * rng.standard_normal(shape)).astype(np.float32)
    if special and rng.random() < 0.5:
        x = np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), x)
    return np.ascontiguousarray(x, np.float32)


def ring_of_spikes(rng: np.random.Generator, n: int, multiple: bool | None = None) -> list[Any]:
    """Return the operands of a spike ring with random spikes: [ring, stride, slots, clock, delay, multiplicity].

    The neurons in each spike list are in ascending order.
    """
    slots = int(rng.integers(1, 5))
    multiple = rng.random() < 0.3 if multiple is None else multiple
    multiplicity = HEADER + 4 * n if multiple else 0
    stride = -(-(HEADER + (6 if multiple else 4) * n) // 64) * 64
    ring = np.zeros(slots * stride, np.uint8)
    for slot in ring.reshape(slots, stride):
        fired = np.flatnonzero(rng.random(n) < rng.choice([0.0, 0.1, 0.5, 1.0])).astype(np.uint32)
        slot[:8].view(np.int64)[0] = fired.size
        slot[HEADER : HEADER + 4 * fired.size] = fired.view(np.uint8)
        if multiple:
            times = rng.integers(1, 9, fired.size).astype(np.uint16)
            slot[multiplicity : multiplicity + 2 * fired.size] = times.view(np.uint8)
    return [ring, stride, slots, clock_of(rng), int(rng.integers(0, slots + 1)), multiplicity]


def clock_of(rng: np.random.Generator) -> np.ndarray:
    """Return a random clock: an int64 array [tick, step]."""
    return np.array([rng.integers(0, 9), rng.integers(0, 1000)], np.int64)


def counter_of() -> np.ndarray:
    """Return a counter: an int64 array of length 1 that contains 0."""
    return np.zeros(1, np.int64)


def currents(rng: np.random.Generator, n: int) -> Operands:
    """Return a random current and a random bias, (n,) float32 each; in some calls both are one array."""
    bias = floats(rng, n)
    return [bias if rng.random() < 0.3 else floats(rng, n), bias]


def parameters(rng: np.random.Generator, n: int, *rows: tuple[float, float]) -> Operands:
    """Return two operands: random parameters, (rows, 1) or (rows, n) float32, and the length of a row, 1 or n.

    n : number of neurons
    rows : lowest value of each parameter, and the width of the range from which its values are drawn
    """
    each = n if rng.random() < 0.4 else 1
    p = np.stack([mean + spread * rng.random(each) for mean, spread in rows]).astype(np.float32)
    return [np.ascontiguousarray(p), each]


def firing(rng: np.random.Generator, n: int, multiple: bool = False) -> tuple[Operands, Any]:
    """Return two values: random operands of neurons that fire, and the remaining refractory steps of each neuron.

    The operands are [flags, ring, stride, slots, clock, counter, multiplicity, refractory period]. The remaining steps
    are an (n,) uint16 array, or 0 without a refractory period.

    multiple : whether a neuron may fire several times in a step
    """
    ring, stride, slots, clock, _, multiplicity = ring_of_spikes(rng, n, multiple)
    refractory = 0 if multiple else int(rng.choice([0, 1, 2, 3, 5]))
    flags = np.zeros(-(-n // 64) * 64, np.uint8)
    flags[:n] = rng.integers(0, 2, n)
    wait = rng.integers(0, 3, n).astype(np.uint16) if refractory else 0
    return [flags, ring, stride, slots, clock, counter_of(), multiplicity, refractory], wait


def switch_of(rng: np.random.Generator) -> np.ndarray:
    """Return a learning rule's switch with random values, int64: [on, on in the last step, visited weights]."""
    return np.array([rng.random() < 0.8, rng.random() < 0.8, 5], np.int64)


def bounds_of(rng: np.random.Generator) -> tuple[float, float]:
    """Return a lower and an upper bound of weights, drawn from three pairs."""
    return [(0.0, 1.0), (-1.0, 0.5), (-FLOAT_MAX, FLOAT_MAX)][rng.integers(0, 3)]


def learned(rng: np.random.Generator, n_pre: int, n_post: int, low: float, high: float) -> np.ndarray:
    """Return random weights within [low, high] as an (n_pre, n_post) float32 array."""
    return np.clip(floats(rng, n_pre, n_post, special=False), low, high).astype(np.float32)
