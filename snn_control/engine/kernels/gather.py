"""Graded signals through sparse connections: ``y_i = start_i + sum w x``.

``start`` is the initial value of the sum. If ``start`` is y itself, the sum is added to y. If ``start`` is the bias of
the neurons, the kernel overwrites y, and the neurons need no extra pass that resets y to the bias.
"""

import numpy as np

from ...errors import ProgramError
from ..memory import f32
from ..operand_arrays import need
from ..rows import address, count, counter, kernel, read, scalar, written
from . import ONE, ZERO
from .delivery import Synapses, active, add_row, add_sparse_row
from .spikes import Signal


def _channels(w):
    need(w.n_post, 4, w.channels)
    last = int(w.channels.data.view(np.uint32)[: w.n_post].max())
    if last >= w.n_pre:
        raise ProgramError(f"channel {last}: only {w.n_pre}")


@kernel(must=_channels)
def gather_graded(
    n_post: count, y: written("f32", "n_post"), weights: read("f32", "n_post"), x: Signal(), counter: counter,
    fan_out: read("u32", "n_pre"), start: read("f32", "n_post"), channels: read("u32", "n_post", followed=True),
):  # fmt: skip
    """Deliver graded signals to neurons with exactly one synapse each: y_i = start_i + w_i x[channels_i]."""
    for i in range(n_post):
        y[i] = start[i] + weights[i] * x[channels[i]]
    counter[0] += active(fan_out, x)


def _tiles(w):
    if w.size % w.n_pre:
        raise ProgramError(f"a tile of {w.size}: must be a multiple of {w.n_pre}")


@kernel(must=_tiles)
def tile_graded(
    n_post: count, y: address("f32", "n_post", written=True), weight: scalar("f32"), x: Signal(), counter: counter,
    fan_out: read("u32", "n_pre"), start: address("f32", "n_post"), tile: written("f32", "size"), size: count,
):  # fmt: skip
    """Deliver graded signals with one weight for all synapses: y_i = start_i + w x[i % n_pre].

    The kernel writes the products w x, repeated, into a short array (``tile``), which stays in the first-level cache.
    Then it adds this array to one block of the targets after the other.
    """
    for j in range(x.size):
        tile[j] = weight * x[j]
    filled = x.size
    while filled < size:  # twice as many each time
        more = min(filled, size - filled)
        copied, into = tile[:more], tile[filled : filled + more]
        for j in range(more):
            into[j] = copied[j]
        filled += more
    first = 0
    while first < n_post:  # a range whose step is a variable can raise
        m = min(size, n_post - first)
        part = f32(y + 4 * first, m)
        if start == y:
            add_row(part, tile[:m], ONE)
        else:
            before = f32(start + 4 * first, m)
            for i in range(m):
                part[i] = before[i] + tile[i]
        first += size
    counter[0] += active(fan_out, x)


@kernel()
def csr_graded(
    n_post: count, y: written("f32", "n_post"), weights: address("u32", 0), x: Signal(), counter: counter,
    pointers: Synapses(pointers="n_pre + 1"),
):  # fmt: skip
    """Deliver graded signals through sparse synapses {target, weight}: y[target] += w x. Signals of 0 are skipped."""
    used = 0
    for j in range(x.size):
        if x[j] != ZERO:
            used += add_sparse_row(y, pointers, weights, j, x[j])
    counter[0] += used
