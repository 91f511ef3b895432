"""Sparse connectivity of a build: the synapses of each presynaptic neuron, written straight into a Program's block.

A synapse is two uint32: the target, and a word that a kernel reads, as a rule the bits of its float32 weight. Synapses
that a caller gives one by one are put in order by a counting sort over the presynaptic neurons and a merge sort of
each row; both are stable, so synapses between the same two neurons keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...errors import BuildError, DescriptionError
from ...network import Connector, Distribution, FromArrays
from ..compile import compile_function
from ..lowering import FLOAT_MAX

__all__ = ["Rows", "rows_of", "weight_words", "without_zeros"]

CHUNK = 1 << 18  # synapses taken at a time: temporaries stay small
NOTHING = 2.0**-150  # up to here a number is 0 in float32
TARGET = np.uint64(0xFFFFFFFF)
WORD = np.uint64(32)  # bits in front of a synapse's word

Words = Callable[[int, int], np.ndarray]  # (first, stop) -> uint32, in the caller's order, asked for once, ascending


@dataclass(frozen=True)
class Rows:
    """The synapses of a projection.

    pointers : (n_pre + 1,) uint32; the synapses of neuron i stand at ``pointers[i] : pointers[i + 1]``
    pre, post : (k,) whole numbers, the synapses in the caller's order; pre is None where that is the order of the rows
    """

    pointers: np.ndarray
    pre: np.ndarray | None
    post: np.ndarray

    @property
    def size(self) -> int:
        return int(self.pointers[-1])

    def sources(self) -> np.ndarray:
        """(k,) the presynaptic neuron of each synapse."""
        if self.pre is not None:
            return self.pre
        return np.repeat(np.arange(self.pointers.size - 1, dtype=np.uint32), np.diff(self.pointers))

    def delayed(self, extra: np.ndarray, n_post: int) -> Rows:
        """These synapses, onto ``post + extra n_post``; ``extra`` (k,) int64 in the caller's order."""
        return Rows(self.pointers, self.sources(), self.post.astype(np.int64) + extra * n_post)

    def kept(self, keep: np.ndarray) -> Rows:
        """Those of the synapses that ``keep`` (k,) bool, in the caller's order, is true for."""
        pre = self.sources()[keep]
        counts = np.bincount(pre.astype(np.int64), minlength=self.pointers.size - 1)
        pointers = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)
        return Rows(pointers, None if self.pre is None else pre, self.post[keep])

    def fill(self, synapses: np.ndarray, words: Words) -> None:
        """Write (k, 2) uint32: targets, ascending within a row, and their words."""
        if self.pre is None:
            synapses[:, 0] = self.post
            for first, stop in chunks(self.size):
                synapses[first:stop, 1] = words(first, stop)
        elif self.size:
            self._sort(self.pre, synapses.reshape(-1).view(np.uint64), words)

    def fill_words(self, synapses: np.ndarray, weights: np.ndarray) -> None:
        """Write (k,) uint32: 24 bits of target, 8 of weight; ``weights`` (k,) int8."""
        pairs = np.empty((self.size, 2), np.uint32)
        self.fill(pairs, lambda first, stop: weights[first:stop].view(np.uint8).astype(np.uint32) << np.uint32(24))
        np.bitwise_or(pairs[:, 0], pairs[:, 1], out=synapses)

    def _sort(self, pre: np.ndarray, packed: np.ndarray, words: Words) -> None:
        placing = compile_function(place, "void(int64[::1], int64[::1], uint32[::1], int64[::1], uint64[::1])")
        sorting = compile_function(sort_rows, "void(int64[::1], uint64[::1], uint64[::1])")
        pointers = self.pointers.astype(np.int64)
        free = pointers[:-1].copy()
        for first, stop in chunks(self.size):
            part = pre[first:stop].astype(np.int64), self.post[first:stop].astype(np.int64)
            placing(*part, words(first, stop), free, packed)
        sorting(pointers, packed, np.empty(np.diff(pointers).max(), np.uint64))


def rows_of(label: str, connector: Connector, n_pre: int, n_post: int, recurrent: bool) -> Rows:
    """The rows of a connector; raises BuildError where it does not fit to the sizes."""
    if isinstance(connector, FromArrays):
        pre, post = connector.arrays()
        return Rows(_pointers(label, pre, post, n_pre, n_post), pre, post)
    try:
        pointers, targets = connector.rows(n_pre, n_post, recurrent)
    except DescriptionError as error:
        path = f"{label}.connection" + (f".{error.path}" if error.path else "")
        raise BuildError(path, error.value, error.rule, error.fix) from None
    return Rows(pointers, None, targets)


def _pointers(label: str, pre: np.ndarray, post: np.ndarray, n_pre: int, n_post: int) -> np.ndarray:
    """Row pointers of synapses given one by one, whose indices are checked."""
    counting = compile_function(count, "void(int64[::1], int64[::1])")
    counts = np.zeros(n_pre + 1, np.int64)
    for first, stop in chunks(pre.size):
        for key, index, n in (("pre_index", pre, n_pre), ("post_index", post, n_post)):
            part = index[first:stop]
            if part.min() < 0 or part.max() >= n:
                wrong = int(part.min() if part.min() < 0 else part.max())
                raise BuildError(f"{label}.{key}", wrong, f"must lie in [0, {n})")
        counting(pre[first:stop].astype(np.int64), counts[1:])
    return np.cumsum(counts).astype(np.uint32)


def weight_words(path: str, weights: Any, shape: tuple[int, ...]) -> Words:
    """The bits of float32 weights of ``shape``: a number, an array in the caller's order, or a Distribution."""
    if isinstance(weights, Distribution):
        draw = weights.stream()
    else:
        array, draw = np.asarray(weights), None
        if array.dtype.kind not in "fiu":
            raise BuildError(path, weights, "must be finite numbers of float32")
        if array.shape not in ((), shape):
            raise BuildError(path, f"shape {array.shape}", f"must be a number or have shape {shape}")
        array = array.reshape(-1) if array.ndim else np.broadcast_to(array, int(np.prod(shape)))

    def words(first: int, stop: int) -> np.ndarray:
        values = draw(stop - first) if draw else array[first:stop]
        if not (np.abs(values.astype(np.float64)) <= FLOAT_MAX).all():
            raise BuildError(path, weights, "must be finite numbers of float32")
        return values.astype(np.float32).view(np.uint32)

    return words


def without_zeros(rows: Rows, weights: Any, shape: tuple[int, ...]) -> tuple[Rows, Any, tuple[int, ...]]:
    """Rows, weights and their shape without the synapses whose weight is 0 in float32, if there are any.

    They would do nothing, and count as operations. A drawn weight is none.
    """
    array = np.asarray(1.0 if isinstance(weights, Distribution) else weights)
    flat = array.reshape(-1)  # one that stands for all is looked at once
    none = all((np.abs(flat[first:stop]) > NOTHING).all() for first, stop in chunks(flat.size))
    if none or array.shape not in ((), shape):  # which is refused later
        return rows, weights, shape
    flat = np.broadcast_to(array, shape).reshape(-1)
    keep = np.abs(flat) > NOTHING
    return rows.kept(keep), flat[keep], (np.count_nonzero(keep),)


def chunks(k: int) -> Iterator[tuple[int, int]]:
    """(first, stop) of the pieces of ``k`` synapses."""
    for first in range(0, k, CHUNK):
        yield first, min(first + CHUNK, k)


# synapses one by one ---------------------------------------------------------------------------------------------
def count(index, counts):
    """counts[i] += how often i stands in ``index``."""
    for i in index:
        counts[i] += 1


def place(pre, post, words, free, synapses):
    """Each synapse goes to the first free place of its row; ``free`` (n_pre,) moves on."""
    for s in range(pre.size):
        at = free[pre[s]]
        free[pre[s]] = at + 1
        synapses[at] = np.uint64(words[s]) << WORD | np.uint64(post[s])


@register_jitable
def merge(x, low, middle, high, spare):
    """Merge the ascending runs x[low:middle] and x[middle:high]; equal targets stay in order."""
    if x[middle - 1] & TARGET <= x[middle] & TARGET:
        return
    n = middle - low
    for k in range(n):  # an assignment of slices compiles for seconds
        spare[k] = x[low + k]
    left, right, to = 0, middle, low
    while left < n and right < high:
        if x[right] & TARGET < spare[left] & TARGET:
            x[to] = x[right]
            right += 1
        else:
            x[to] = spare[left]
            left += 1
        to += 1
    while left < n:  # what is left of the other run is in its place
        x[to] = spare[left]
        left += 1
        to += 1


def sort_rows(pointers, synapses, spare):
    """Sort each row by target; ``spare`` is as long as the longest row."""
    for i in range(pointers.size - 1):
        first, last = pointers[i], pointers[i + 1]
        width = 1
        while width < last - first:
            for low in range(first, last - width, 2 * width):
                merge(synapses, low, low + width, min(low + 2 * width, last), spare)
            width *= 2
