"""Sparse connectivity in a build: the synapses of a projection, written directly into the Program's block of constants.

A synapse is two uint32: the index of its target neuron, and a *word*, usually the bits of its float32 weight. The
synapses of one presynaptic neuron form a row. If the user lists the synapses one by one, they are sorted by row, then
by target. Synapses between the same two neurons keep the user's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import BuildError, DescriptionError
from ...network import Connector, Distribution, FromArrays
from ...network.connectors import pointers_of
from ..lowering import FLOAT_MAX

__all__ = ["Rows", "rows_of", "weight_words", "without_zeros"]

CHUNK = 1 << 18  # synapses processed at a time, so that temporaries stay small
NOTHING = 2.0**-150  # numbers up to this become 0 in float32

Words = Callable[[int, int], np.ndarray]  # (first, stop) -> uint32, in the caller's order; called once, ascending


@dataclass(frozen=True)
class Rows:
    """The synapses of a projection as compressed sparse rows: one row for each presynaptic neuron.

    pointers : (n_pre + 1,) uint32; neuron i has the synapses ``pointers[i] : pointers[i + 1]``
    pre, post : (k,) integers, the presynaptic and the postsynaptic neuron of each synapse, in the user's order.
        ``pre`` is None if the user's order is already the order of the rows
    """

    pointers: np.ndarray
    pre: np.ndarray | None
    post: np.ndarray

    @property
    def size(self) -> int:
        return int(self.pointers[-1])

    def sources(self) -> np.ndarray:
        """Return the index of each synapse's presynaptic neuron, (k,) integers."""
        if self.pre is not None:
            return self.pre
        return np.repeat(np.arange(self.pointers.size - 1, dtype=np.uint32), np.diff(self.pointers))

    def delayed(self, extra: np.ndarray, n_post: int) -> Rows:
        """Return the synapses with targets in a delay line: target ``post`` becomes ``post + extra * n_post``.

        extra : (k,) int64, extra delay of each synapse [steps], in the user's order
        """
        return Rows(self.pointers, self.sources(), self.post.astype(np.int64) + extra * n_post)

    def kept(self, keep: np.ndarray) -> Rows:
        """Return only the synapses for which the mask ``keep``, (k,) bool in the user's order, is true."""
        pre = self.sources()[keep]
        counts = np.bincount(pre.astype(np.int64), minlength=self.pointers.size - 1)
        return Rows(pointers_of(counts), None if self.pre is None else pre, self.post[keep])

    def fill(self, synapses: np.ndarray, words: Words) -> None:
        """Write the synapses into an array as pairs (target, word). In each row, targets are in ascending order.

        synapses : (k, 2) uint32, the array to fill
        words : function (first, stop) that returns the words of these synapses, counted in the user's order
        """
        if self.pre is None:
            synapses[:, 0] = self.post
            for first, stop in chunks(self.size):
                synapses[first:stop, 1] = words(first, stop)
            return
        keys, bits = synapses.reshape(-1).view(np.uint64), np.empty(self.size, np.uint32)
        place, targets = self._sort(self.pre, keys)
        for first, stop in chunks(self.size):
            bits[first:stop] = words(first, stop)
        for first, stop in chunks(self.size):
            key = keys[first:stop]
            synapses[first:stop, 0], synapses[first:stop, 1] = key >> place & targets, bits[key & (1 << place) - 1]

    def _sort(self, pre: np.ndarray, keys: np.ndarray) -> tuple[int, int]:
        """Write a sorted key for each synapse: the bits of its row, its target and its position in the user's order.

        If a key needs more than 64 bits, groups of rows are sorted one after the other.

        keys : (k,) uint64, the array to fill

        Return the number of bits of the position, and the bit mask of the target.
        """
        place, target = self.size.bit_length(), int(self.post.max(initial=0)).bit_length()
        at_once = 1 << min(64 - place - target, 32)
        for low in range(0, self.pointers.size - 1, at_once):
            begin = end = int(self.pointers[low])
            for first, stop in chunks(self.size):
                row, post = (index[first:stop].astype(np.uint64) for index in (pre, self.post))
                row -= low
                key = (row << target | post) << place | np.arange(first, stop, dtype=np.uint64)
                key = key[row < at_once]
                keys[end : end + key.size] = key
                end += key.size
            keys[begin:end].sort()
        return place, (1 << target) - 1

    def fill_words(self, synapses: np.ndarray, weights: np.ndarray) -> None:
        """Write the synapses into an array, each as one uint32: 24 bits of target and 8 bits of weight.

        synapses : (k,) uint32, the array to fill
        weights : (k,) int8
        """
        pairs = np.empty((self.size, 2), np.uint32)
        self.fill(pairs, lambda first, stop: weights[first:stop].view(np.uint8).astype(np.uint32) << np.uint32(24))
        np.bitwise_or(pairs[:, 0], pairs[:, 1], out=synapses)


def rows_of(label: str, connector: Connector, n_pre: int, n_post: int, recurrent: bool) -> Rows:
    """Return the synapses that a connector makes between ``n_pre`` and ``n_post`` neurons.

    label : path of the projection in the controller file, for the error
    recurrent : true if source and target are the same population

    Raise BuildError if the connector does not fit the numbers of neurons.
    """
    try:
        if isinstance(connector, FromArrays):
            return Rows(connector.pointers(n_pre, n_post), connector.pre_index, connector.post_index)
        pointers, targets = connector.rows(n_pre, n_post, recurrent)
    except DescriptionError as error:
        path = label if isinstance(connector, FromArrays) else f"{label}.connection"
        raise BuildError(f"{path}.{error.path}".rstrip("."), error.value, error.rule, error.fix) from None
    return Rows(pointers, None, targets)


def weight_words(path: str, weights: Any, shape: tuple[int, ...]) -> Words:
    """Return a function (first, stop) -> the bits of these synapses' float32 weights, as uint32, for `Rows.fill`.

    weights : one number for all synapses, an array in the user's order, or a `Distribution`
    """
    draw = weights.stream() if isinstance(weights, Distribution) else None
    if draw is None:
        array = np.asarray(weights)
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
    """Remove the synapses whose float32 weight is 0, to save time. Return the new rows, weights and shape."""
    array = np.asarray(1.0 if isinstance(weights, Distribution) else weights)
    flat = array.reshape(-1)  # one weight for all is checked once
    none = all((np.abs(flat[first:stop]) > NOTHING).all() for first, stop in chunks(flat.size))
    if none or array.shape not in ((), shape):  # a wrong shape is refused later
        return rows, weights, shape
    flat = np.broadcast_to(array, shape).reshape(-1)
    keep = np.abs(flat) > NOTHING
    return rows.kept(keep), flat[keep], (int(np.count_nonzero(keep)),)


def chunks(k: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive ranges (first, stop) that cover ``k`` synapses, so that temporary arrays stay small."""
    for first in range(0, k, CHUNK):
        yield first, min(first + CHUNK, k)
