"""What the operands of each kernel must be: checked once, when a Program is bound.

A check has the parameters of its kernel's row, in the order that the kernel's docstring gives, so that a row of
another length cannot pass. It gets plain numbers for numbers and `Array` for places, and calls ``need`` with how many
elements the kernel will touch. What a kernel finds in connectivity (row pointers, targets) is checked here too.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ProgramError
from .kernels import encoders, neurons, outputs

__all__ = ["CHECKS", "Array"]


@dataclass
class Array:
    """A place whose bounds are checked already.

    data : its bytes
    block : which of a Program's blocks it lies in, and from which byte on; a check cannot tell blocks apart but for
        ``constant``: one that all states share and nothing may write to
    lists : stride, slots and neurons, where it is a ring of spike lists
    indices : it holds counts or indices that kernels follow without looking: nothing else may write there
    """

    data: np.ndarray
    block: tuple[int, int] = (0, 0)
    constant: bool = False
    lists: tuple[int, int, int] | None = None
    indices: bool = False

    def need(self, n: int, size: int) -> None:
        """The kernel touches ``n`` elements of ``size`` bytes."""
        if n < 0 or n * size > self.data.nbytes:
            raise ProgramError(f"an operand of {self.data.nbytes} bytes: the kernel touches {n} x {size}")


def need(n: int, size: int, *arrays: Any) -> None:
    for array in arrays:
        if not isinstance(array, Array):
            raise ProgramError(f"operand {array!r}: must be a place")
        array.need(n, size)


def written(*arrays: Any) -> None:
    """The kernel writes to these."""
    for array in arrays:
        if isinstance(array, Array) and array.constant:
            raise ProgramError("a kernel would write into the constants")


def followed(*arrays: Any) -> None:
    """The kernel follows what these hold."""
    for array in arrays:
        if isinstance(array, Array):
            array.indices = True


def positive(*numbers: Any) -> None:
    for n in numbers:
        if isinstance(n, Array) or not 1 <= n < 1 << 40:
            raise ProgramError(f"operand {n!r}: must be a number >= 1")


def ring(spikes: Any, stride: Any, slots: Any, clock: Any, delay: Any, many: Any, n: int) -> None:
    """Slots of spike lists of at most ``n`` neurons, and of their multiplicities."""
    positive(stride, slots)
    need(slots * stride, 1, spikes)
    need(2, 8, clock)
    if stride < 64 + 4 * n or stride % 64 or not 0 <= delay <= slots:
        raise ProgramError(f"stride {stride}, delay {delay}: no ring of {slots} slots for {n} neurons")
    if many and not (many % 2 == 0 and 64 + 4 * n <= many <= stride - 2 * n):
        raise ProgramError(f"many {many}: no place for {n} multiplicities in {stride} bytes")
    spikes.lists, spikes.indices = (stride, slots, n), True
    for k in range(slots):  # what a saved state says must not lead a kernel out of the list
        count = int(spikes.data[k * stride :][:8].view(np.int64)[0])
        if not 0 <= count <= n:
            raise ProgramError(f"a spike list of {count}: at most {n} neurons")
        if count and int(spikes.data[k * stride + 64 :][: 4 * count].view(np.uint32).max()) >= n:
            raise ProgramError(f"a spike of a neuron beyond {n}")


def apart(rows: Sequence[Sequence[Any]]) -> None:
    """Whether the rows of a Program agree about what they share.

    rows : operands of each, after their checks; raises ProgramError where a ring is taken for two kinds of ring, or
    where one may write among the counts and indices that another follows
    """
    rings: dict[tuple[int, int], tuple[int, int, int]] = {}
    arrays = [a for row in rows for a in row if isinstance(a, Array) and not a.constant and a.data.nbytes]
    for array in arrays:
        if array.lists and rings.setdefault(array.block, array.lists) != array.lists:
            raise ProgramError(f"spike lists are taken for {array.lists} and {rings[array.block]}")
    kept = sorted({(*a.block, a.block[1] + a.data.nbytes) for a in arrays if a.indices})
    for (block, _, end), (other, start, _) in itertools.pairwise(kept):
        if block == other and start < end:
            raise ProgramError(f"places that hold indices overlap at {start}")
    for array in arrays:
        block, start = array.block
        end = start + array.data.nbytes
        k = bisect.bisect_left(kept, (block, end)) - 1  # the last that begins before this one ends
        if not array.indices and k >= 0 and kept[k][0] == block and kept[k][2] > start:
            raise ProgramError(f"a place at {start} overlaps indices that another operation follows")


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
    written(valid, counters, held)
    if n:
        positive(n)
        need(n, 8, data)
        need(n, 4, held)
        need(4 * n, 4, limits)


def population(dimensions, m, values, out, centres, params):
    positive(dimensions, m)
    need(dimensions, 4, values)
    need(dimensions * m, 4, out, centres)
    written(out)
    need(2 * dimensions, 4, params)


def fields(dimensions, m, values, out, centres, inverse, drive):
    positive(dimensions, m)
    need(dimensions, 4, values, inverse)
    need(m, 4, out)
    need(dimensions * m, 4, centres)
    written(out)
    need(1, 4, drive)


def signed(n, values, out, gain):
    positive(n)
    need(n, 4, values, gain)
    need(2 * n, 4, out)
    written(out)


def changes(n, values, out, sent, threshold, whole):
    positive(n)
    need(n, 4, values, sent, threshold)
    need(2 * n, 4, out)
    written(out, sent)
    flag(whole)


def flag(word: Any) -> None:
    if isinstance(word, Array) or word not in (0, 1):
        raise ProgramError(f"operand {word!r}: must be 0 or 1")


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
    written(out, counters)
    followed(column, line)
    last = int(column.data.view(np.uint32)[:width].max()) + int(line.data.view(np.uint32)[:height].max())
    if not 0 <= on_offset or last + on_offset >= n:
        raise ProgramError(f"cell {last + on_offset}: only {n} cells")


def copy(n, y, x):
    positive(n)
    need(n, 4, y, x)
    written(y)


def clear(n, y):
    positive(n)
    need(n, 4, y)
    written(y)


def remember(n, line, stride, slots, clock, x):
    positive(n, slots, stride)
    need(slots * stride, 1, line)
    need(n, 4, x)
    written(line)
    need(2, 8, clock)
    if stride < 4 * n or stride % 4:
        raise ProgramError(f"stride {stride}: no line for {n} numbers")


def _from_spikes(n_post, y, spikes, stride, slots, clock, delay, many, counter, n_pre):
    positive(n_post, n_pre)
    need(n_post, 4, y)
    need(1, 8, counter)
    written(y, counter)
    ring(spikes, stride, slots, clock, delay, many, n_pre)


def dense_spikes(n_post, y, weights, spikes, stride, slots, clock, delay, many, counter, fan_out):
    positive(n_post)
    need(n_post, 4, weights)
    n_pre = weights.data.nbytes // (4 * n_post)
    _from_spikes(n_post, y, spikes, stride, slots, clock, delay, many, counter, n_pre)
    _fan_out(fan_out, n_pre)


def _fan_out(fan_out: Any, n_pre: int) -> None:
    if isinstance(fan_out, Array):
        need(n_pre, 4, fan_out)
    elif fan_out:
        raise ProgramError(f"fan out {fan_out!r}: must be a place, or 0")


def pointers_of(pointers: Any, n_pointers: Any, synapses: int) -> int:
    """Row pointers; where the last row ends."""
    need(n_pointers, 4, pointers)
    followed(pointers)
    rows = pointers.data.view(np.uint32)[:n_pointers]
    if rows[0] != 0 or (rows[1:] < rows[:-1]).any() or rows[-1] > synapses:
        raise ProgramError("row pointers: must ascend from 0 to the number of synapses")
    return int(rows[-1])


def _csr(n_post, y, synapses, spikes, stride, slots, clock, delay, many, counter, pointers, n_pointers, targets):
    positive(n_post, n_pointers)
    need(0, 8, synapses)
    _from_spikes(n_post, y, spikes, stride, slots, clock, delay, many, counter, n_pointers - 1)
    _pairs(synapses, pointers, n_pointers, targets)


def _pairs(synapses: Array, pointers: Any, n_pointers: int, targets: int) -> None:
    """Rows of {target, weight}."""
    followed(synapses)
    pairs = synapses.data.view(np.uint32).reshape(-1, 2)
    pointers_of(pointers, n_pointers, len(pairs))
    if len(pairs) and int(pairs[:, 0].max()) >= targets:
        raise ProgramError(f"a synapse onto neuron {int(pairs[:, 0].max())}: only {targets}")


def csr_spikes(n_post, y, synapses, spikes, stride, slots, clock, delay, many, counter, pointers, n_pointers):
    _csr(n_post, y, synapses, spikes, stride, slots, clock, delay, many, counter, pointers, n_pointers, n_post)


def csr_delayed(
    n_post, line, synapses, spikes, stride, slots, clock, delay, many, counter, pointers, n_pointers, steps
):
    positive(n_post, steps)
    need(n_post * steps, 4, line)
    _csr(
        n_post, line, synapses, spikes, stride, slots, clock, delay, many, counter, pointers, n_pointers,
        n_post * steps,
    )  # fmt: skip


def dense_spikes_int8(n_post, y, weights, spikes, stride, slots, clock, delay, many, counter, scale, sums, fan_out):
    positive(n_post)
    need(n_post, 1, weights)
    need(1, 4, scale)
    need(n_post, 4, sums)
    written(sums)
    once(many)
    n_pre = weights.data.nbytes // n_post
    _from_spikes(n_post, y, spikes, stride, slots, clock, delay, many, counter, n_pre)
    _fan_out(fan_out, n_pre)


def csr_spikes_int8(
    n_post, y, synapses, spikes, stride, slots, clock, delay, many, counter, pointers, n_pointers, scale
):
    positive(n_post, n_pointers)
    need(0, 4, synapses)
    need(1, 4, scale)
    once(many)
    _from_spikes(n_post, y, spikes, stride, slots, clock, delay, many, counter, n_pointers - 1)
    followed(synapses)
    words = synapses.data.view(np.uint32)
    pointers_of(pointers, n_pointers, words.size)
    if words.size and int((words & 0xFFFFFF).max()) >= n_post:
        raise ProgramError(f"a synapse onto neuron {int((words & 0xFFFFFF).max())}: only {n_post}")


def once(many: Any) -> None:
    if many:
        raise ProgramError(f"many {many}: this kernel takes one spike a neuron and step")


def release(n, y, line, steps, clock):
    positive(n, steps)
    need(n, 4, y)
    need(n * steps, 4, line)
    written(y, line)
    need(2, 8, clock)


def synapse(n, y, isyn, decay):
    positive(n)
    need(n, 4, y, isyn)
    written(y, isyn)
    need(1, 4, decay)


def _geometry(
    n_post, n_pre, weights, area, width, rows, columns, out_area, group_in, group_out, lines, places, fan_out
):
    positive(area, width, rows, columns, out_area, group_in, group_out)
    channels = n_pre // area
    if channels * area != n_pre or area % width or channels % group_in:
        raise ProgramError(f"a picture of {n_pre} neurons, area {area}, width {width}: does not fit together")
    if channels // group_in * group_out * out_area != n_post:
        raise ProgramError(f"{n_post} neurons: no picture of area {out_area}")
    need(channels * group_out * rows * columns, 4, weights)
    need(area // width * rows, 4, lines)
    need(width * columns, 4, places)
    followed(lines, places)
    need(n_pre, 4, fan_out)
    down, across = (a.data.view(np.int32) for a in (lines, places))
    down, across = down[: area // width * rows], across[: width * columns]
    if min(int(down.min()), int(across.min())) < -1 or int(down.max()) + int(across.max()) >= out_area:
        raise ProgramError("a convolution that leaves its picture")


def conv_spikes(n_post, y, weights, spikes, stride, slots, clock, delay, many, counter, *geometry):
    ends = spikes.data.nbytes // stride if isinstance(spikes, Array) and stride > 0 else 0
    if not ends or len(geometry) != 10:
        raise ProgramError(f"{len(geometry)} words of geometry: must be 10")
    n_pre = _pictures(weights, geometry)
    _from_spikes(n_post, y, spikes, stride, slots, clock, delay, many, counter, n_pre)
    _geometry(n_post, n_pre, weights, *geometry)


def _pictures(weights: Any, geometry: tuple) -> int:
    """Neurons of the presynaptic picture: one small matrix a channel."""
    positive(*geometry[:7])
    need(0, 4, weights)
    area, _, rows, columns, _, _, group_out = geometry[:7]
    return weights.data.nbytes // (4 * group_out * rows * columns) * area


def conv_graded(n_post, y, weights, x, n_pre, stride, slots, clock, delay, counter, *geometry):
    if len(geometry) != 10:
        raise ProgramError(f"{len(geometry)} words of geometry: must be 10")
    need(n_post, 4, y)
    need(1, 8, counter)
    graded(x, n_pre, stride, slots, clock, delay)
    written(y, counter)
    _geometry(n_post, n_pre, weights, *geometry)


def dense_graded(n_post, y, weights, x, n_pre, stride, slots, clock, delay, counter, fan_out):
    positive(n_post, n_pre)
    need(n_post, 4, y)
    need(n_pre * n_post, 4, weights)
    need(1, 8, counter)
    written(y, counter)
    graded(x, n_pre, stride, slots, clock, delay)
    _fan_out(fan_out, n_pre)


def one_to_one_graded(n_post, y, weights, x, n_pre, stride, slots, clock, delay, counter):
    dense_graded(1, y, weights, x, n_pre, stride, slots, clock, delay, counter, 0)
    positive(n_post)
    need(n_post, 4, y, weights)
    if n_pre < n_post:
        raise ProgramError(f"one to one from {n_pre} to {n_post}")


def _one_each(n_post, y, x, n_pre, stride, slots, clock, delay, counter, fan_out, start):
    positive(n_post, n_pre)
    need(n_post, 4, y, start)
    need(1, 8, counter)
    written(y, counter)
    need(n_pre, 4, fan_out)
    graded(x, n_pre, stride, slots, clock, delay)


def gather_graded(n_post, y, weights, x, n_pre, stride, slots, clock, delay, counter, fan_out, start, channels):
    _one_each(n_post, y, x, n_pre, stride, slots, clock, delay, counter, fan_out, start)
    need(n_post, 4, weights, channels)
    followed(channels)
    last = int(channels.data.view(np.uint32)[:n_post].max())
    if last >= n_pre:
        raise ProgramError(f"channel {last}: only {n_pre}")


def tile_graded(n_post, y, weight, x, n_pre, stride, slots, clock, delay, counter, fan_out, start, tile, size):
    _one_each(n_post, y, x, n_pre, stride, slots, clock, delay, counter, fan_out, start)
    positive(size)
    need(1, 4, weight)
    need(size, 4, tile)
    written(tile)
    if size % n_pre:
        raise ProgramError(f"a tile of {size}: must be a multiple of {n_pre}")


def csr_graded(n_post, y, synapses, x, n_pre, stride, slots, clock, delay, counter, pointers):
    positive(n_post, n_pre)
    need(n_post, 4, y)
    need(1, 8, counter)
    graded(x, n_pre, stride, slots, clock, delay)
    need(0, 8, synapses)
    written(y, counter)
    _pairs(synapses, pointers, n_pre + 1, n_post)


def _neuron(n, params, each, rows, current, bias, *states):
    positive(n)
    if each not in (1, n):
        raise ProgramError(f"each {each}: must be 1, or {n}")
    need(rows * each, 4, params)
    need(n, 4, current, bias, *states)
    written(*states)
    if current.constant and current.block != bias.block:
        raise ProgramError("a current among the constants: must be the bias itself")


def _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait):
    need(-(-n // 64) * 64, 1, flags)
    need(1, 8, counter)
    ring(spikes, stride, slots, clock, 0, many, n)
    written(flags, counter, spikes, wait)
    if not 0 <= refractory <= 65535:
        raise ProgramError(f"refractory period of {refractory} steps: must be at most 65535")
    if refractory:
        need(n, 2, wait)


def check_spiking(
    n, params, each, rows, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory, wait, *states
):  # fmt: skip
    """The words that all neurons that fire share, ``rows`` of parameters, and their float32 states; for plug-ins."""
    _neuron(n, params, each, rows, current, bias, *states)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait)


def present(*states: Any) -> list[Array]:
    """Those that are not 0."""
    return [s for s in states if isinstance(s, Array) or s != 0]


def integrate_and_fire(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory,
    mode, v, isyn, adapt, wait, counts,
):  # fmt: skip
    _neuron(n, params, each, neurons.N_PARAMS, current, bias, v, *present(isyn, adapt))
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait)
    if not 0 <= mode < 8:
        raise ProgramError(f"mode {mode}: must be from 0 to 7")
    if many:
        need(n, 2, counts)
        written(counts)


def leaky_integrator(n, params, each, current, bias, v, isyn):
    _neuron(n, params, each, neurons.N_GRADED_PARAMS, current, bias, v, *present(isyn))


def adex(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory, v, w, wait
):  # fmt: skip
    _neuron(n, params, each, neurons.N_ADEX, current, bias, v, w)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait)
    once(many)


def izhikevich(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory, v, u, wait
):  # fmt: skip
    _neuron(n, params, each, neurons.N_IZHIKEVICH, current, bias, v, u)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait)
    once(many)


def stochastic(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory,
    seed, number, counts,
):  # fmt: skip
    _neuron(n, params, each, 1, current, bias)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, 0, 0)
    if not (0 <= seed < 1 << 63 and 0 <= number < 1 << 32):
        raise ProgramError(f"seed {seed}, number {number}: must be below 2^63 and 2^32")
    if many:
        need(n, 2, counts)
        written(counts)


def temporal(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory,
    window, subtract, v,
):  # fmt: skip
    positive(window)
    _neuron(n, params, each, window, current, bias, v)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, 0, 0)
    once(many)
    flag(subtract)


def trace(m, y, weights, spikes, stride, slots, clock, many, decay, counter, fan_out):
    dense_spikes(m, y, weights, spikes, stride, slots, clock, 0, many, counter, fan_out)
    need(1, 4, decay)


def population_vector(m, out, y, last, least, hold):
    positive(m)
    need(m, 4, out, last)
    written(out, last)
    need(m + 1, 4, y)
    need(1, 4, least)
    flag(hold)


def window_counts(n, spikes, stride, slots, clock, many, steps, counts, x):
    positive(n, steps)
    ring(spikes, stride, slots, clock, steps, many, n)
    need(n, 8, counts)
    need(n, 4, x)
    written(counts, x)
    if slots <= steps:
        raise ProgramError(f"{slots} slots: a window of {steps} steps needs one more")


def first_spike(m, out, weights, n, spikes, stride, slots, clock, steps, window, state):
    positive(m, n, steps, window)
    need(m, 4, out)
    need(n * m, 4, weights)
    ring(spikes, stride, slots, clock, 0, 0, n)
    need(2, 8, state)
    written(out, state)
    if slots < steps:
        raise ProgramError(f"{slots} slots: a tick has {steps} steps")


def argmax(n, x, y):
    positive(n)
    need(n, 4, x)
    need(1, 4, y)
    written(y)


def guard(n_inputs, validity, required, m, raw, command, previous, limits, ramp, words, release):
    positive(m)
    if not 0 <= n_inputs < 1 << 20:
        raise ProgramError(f"{n_inputs} inputs")
    need(2 * n_inputs, 8, validity)
    need(n_inputs, 8, required)
    need(m, 4, raw)
    need(m, 8, command, previous)
    written(command, previous, words)
    need(4 * m, 8, limits)
    need(m, 1, ramp)
    need(outputs.GUARD_WORDS, 8, words)


CHECKS = {
    f.__name__: f
    for f in (
        sample, population, fields, signed, changes, pool, copy, clear, remember,
        dense_spikes, csr_spikes, dense_spikes_int8, csr_spikes_int8, csr_delayed, release, synapse,
        dense_graded, one_to_one_graded, conv_spikes, conv_graded, gather_graded, tile_graded, csr_graded,
        integrate_and_fire, leaky_integrator, adex, izhikevich, stochastic, temporal,
        trace, population_vector, window_counts, first_spike, argmax, guard,
    )
} | {"add": copy}  # fmt: skip
