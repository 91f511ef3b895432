"""Rows of vectors, deliveries and convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ProgramError
from .array import Array, clocked, followed, graded, need, once, pointers_of, positive, ring, written


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
    clocked(clock)
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


def release(n, y, line, steps, clock):
    positive(n, steps)
    need(n, 4, y)
    need(n * steps, 4, line)
    written(y, line)
    clocked(clock)


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


CHECKS = {
    f.__name__: f
    for f in (
        copy,
        clear,
        remember,
        dense_spikes,
        csr_spikes,
        csr_delayed,
        dense_spikes_int8,
        csr_spikes_int8,
        release,
        synapse,
        conv_spikes,
        conv_graded,
        dense_graded,
        one_to_one_graded,
        gather_graded,
        tile_graded,
        csr_graded,
    )
} | {"add": copy}
