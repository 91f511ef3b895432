"""What the operands of each kernel must be: checked once, when a Program is bound.

A check has the parameters of its kernel's row, in the order that the kernel's docstring gives, so that a row of
another length cannot pass. It gets plain numbers for numbers and `Array` for places, and calls ``need`` with how many
elements the kernel will touch. What a kernel finds in connectivity (row pointers, targets) is checked here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ProgramError
from .kernels import encoders, neurons, outputs

__all__ = ["CHECKS", "Array"]


@dataclass(frozen=True)
class Array:
    """A place whose bounds are checked already: its bytes."""

    data: np.ndarray

    def need(self, n: int, size: int) -> None:
        """The kernel touches ``n`` elements of ``size`` bytes."""
        if n < 0 or n * size > self.data.nbytes:
            raise ProgramError(f"an operand of {self.data.nbytes} bytes: the kernel touches {n} x {size}")


def need(n: int, size: int, *arrays: Any) -> None:
    for array in arrays:
        if not isinstance(array, Array):
            raise ProgramError(f"operand {array!r}: must be a place")
        array.need(n, size)


def positive(*numbers: Any) -> None:
    for n in numbers:
        if isinstance(n, Array) or not 1 <= n < 1 << 40:
            raise ProgramError(f"operand {n!r}: must be a number >= 1")


def ring(spikes: Any, stride: Any, slots: Any, clock: Any, delay: Any, n: int) -> None:
    """Slots of spike lists of at most ``n`` neurons."""
    positive(stride, slots)
    need(slots * stride, 1, spikes)
    need(2, 8, clock)
    if stride < 64 + 4 * n or stride % 64 or not 0 <= delay <= slots:
        raise ProgramError(f"stride {stride}, delay {delay}: no ring of {slots} slots for {n} neurons")
    for k in range(slots):  # what a saved state says must not lead a kernel out of the list
        count = int(spikes.data[k * stride :][:8].view(np.int64)[0])
        if not 0 <= count <= n:
            raise ProgramError(f"a spike list of {count}: at most {n} neurons")
        if count and int(spikes.data[k * stride + 64 :][: 4 * count].view(np.uint32).max()) >= n:
            raise ProgramError(f"a spike of a neuron beyond {n}")


def graded(x: Any, n: Any, stride: Any, slots: Any, clock: Any, delay: Any) -> None:
    """A vector, or the slots of its delay line."""
    positive(n, slots)
    need(2, 8, clock)
    need(n, 4, x)
    if slots > 1 or delay:
        need(slots * stride, 1, x)
        if stride < 4 * n or not 0 <= delay <= slots:
            raise ProgramError(f"stride {stride}, delay {delay}: no line of {slots} slots for {n} numbers")


def sample(n, slot, data, held, valid, limits, stale, counters):
    need(encoders.SLOT_WORDS, 8, slot)
    need(2, 8, valid)
    need(4, 8, counters)
    if n:
        positive(n)
        need(n, 8, data)
        need(n, 4, held)
        need(4 * n, 4, limits)


def population(dimensions, m, values, out, centres, params):
    positive(dimensions, m)
    need(dimensions, 4, values)
    need(dimensions * m, 4, out, centres)
    need(2 * dimensions, 4, params)


def pool(n, out, slot, x, y, p, width, height, column, line, weights, on_offset, capacity, counters):
    positive(n, width, height, capacity)
    need(n, 4, out)
    need(encoders.SLOT_WORDS, 8, slot)
    need(capacity, 2, x, y)
    need(capacity, 1, p)
    need(width, 4, column)
    need(height, 4, line)
    need(2, 4, weights)
    need(2, 8, counters)
    last = int(column.data.view(np.uint32)[:width].max()) + int(line.data.view(np.uint32)[:height].max())
    if not 0 <= on_offset or last + on_offset >= n:
        raise ProgramError(f"cell {last + on_offset}: only {n} cells")


def copy(n, y, x):
    positive(n)
    need(n, 4, y, x)


def clear(n, y):
    positive(n)
    need(n, 4, y)


def remember(n, line, stride, slots, clock, x):
    positive(n, slots, stride)
    need(slots * stride, 1, line)
    need(n, 4, x)
    need(2, 8, clock)
    if stride < 4 * n or stride % 4:
        raise ProgramError(f"stride {stride}: no line for {n} numbers")


def dense_spikes(n_post, y, weights, spikes, stride, slots, clock, delay, counter):
    positive(n_post)
    need(n_post, 4, y, weights)
    need(1, 8, counter)
    ring(spikes, stride, slots, clock, delay, weights.data.nbytes // (4 * n_post))


def csr_spikes(n_post, y, synapses, spikes, stride, slots, clock, delay, counter, pointers, n_pointers):
    positive(n_post, n_pointers)
    need(n_post, 4, y)
    need(n_pointers, 4, pointers)
    need(0, 8, synapses)
    need(1, 8, counter)
    ring(spikes, stride, slots, clock, delay, n_pointers - 1)
    rows = pointers.data.view(np.uint32)[:n_pointers].astype(np.int64)
    pairs = synapses.data.view(np.uint32).reshape(-1, 2)
    if rows[0] != 0 or (np.diff(rows) < 0).any() or rows[-1] > len(pairs):
        raise ProgramError("row pointers: must ascend from 0 to the number of synapses")
    if len(pairs) and int(pairs[:, 0].max()) >= n_post:
        raise ProgramError(f"a synapse onto neuron {int(pairs[:, 0].max())}: only {n_post}")


def dense_graded(n_post, y, weights, x, n_pre, stride, slots, clock, delay, counter):
    positive(n_post, n_pre)
    need(n_post, 4, y)
    need(n_pre * n_post, 4, weights)
    need(1, 8, counter)
    graded(x, n_pre, stride, slots, clock, delay)


def one_to_one_graded(n_post, y, weights, x, n_pre, stride, slots, clock, delay, counter):
    dense_graded(1, y, weights, x, n_pre, stride, slots, clock, delay, counter)
    positive(n_post)
    need(n_post, 4, y, weights)
    if n_pre < n_post:
        raise ProgramError(f"one to one from {n_pre} to {n_post}")


def _neuron(n, params, current, bias, v):
    positive(n)
    need(neurons.N_PARAMS, 4, params)
    need(n, 4, current, bias, v)


def lif(n, params, current, bias, flags, spikes, stride, slots, clock, counter, refractory, subtract, v, wait):
    _neuron(n, params, current, bias, v)
    need(-(-n // 64) * 64, 1, flags)
    need(1, 8, counter)
    ring(spikes, stride, slots, clock, 0, n)
    if not 0 <= refractory <= 65535:
        raise ProgramError(f"refractory period of {refractory} steps: must be at most 65535")
    need(n if refractory else 1, 2, wait)


def cuba_lif(
    n, params, current, bias, flags, spikes, stride, slots, clock, counter, refractory, subtract, v, isyn, wait
):
    lif(n, params, current, bias, flags, spikes, stride, slots, clock, counter, refractory, subtract, v, wait)
    need(n, 4, isyn)


def li(n, params, current, bias, flags, spikes, stride, slots, clock, counter, refractory, subtract, v):
    _neuron(n, params, current, bias, v)
    need(2, 8, clock)


def trace(m, y, weights, spikes, stride, slots, clock, decay, counter):
    dense_spikes(m, y, weights, spikes, stride, slots, clock, 0, counter)
    need(1, 4, decay)


def argmax(n, x, y):
    positive(n)
    need(n, 4, x)
    need(1, 4, y)


def guard(n_inputs, validity, required, m, raw, command, previous, limits, ramp, words, release):
    positive(m)
    if not 0 <= n_inputs < 1 << 20:
        raise ProgramError(f"{n_inputs} inputs")
    need(2 * n_inputs, 8, validity)
    need(n_inputs, 8, required)
    need(m, 4, raw)
    need(m, 8, command, previous)
    need(4 * m, 8, limits)
    need(m, 1, ramp)
    need(outputs.GUARD_WORDS, 8, words)


CHECKS = {
    f.__name__: f
    for f in (
        sample, population, pool, copy, clear, remember, dense_spikes, csr_spikes, dense_graded, one_to_one_graded,
        lif, cuba_lif, li, trace, argmax, guard,
    )
} | {"add": copy}  # fmt: skip
