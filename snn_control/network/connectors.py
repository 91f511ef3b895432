"""Connectors, which select the connected neuron pairs of a projection, defined as in PyNN (Davison et al. 2009).

Random connectors have a seed. The method ``rows(n_pre, n_post, recurrent)`` returns all k synapses as two uint32
arrays, pointers (n_pre + 1,) and targets (k,). The targets of presynaptic neuron i are ``targets[pointers[i] :
pointers[i + 1]]`` in ascending order. A pair with two synapses is listed twice. ``recurrent`` is true if the
presynaptic and the postsynaptic population are the same; ``allow_self`` has an effect only then.

The builder recognises `AllToAll`, `OneToOne` and `FromArrays` by their class and has faster paths for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ..errors import DescriptionError
from .checks import Flag, Numbers, Seed, Size
from .distributions import Seeded

__all__ = ["AllToAll", "Connector", "FixedIndegree", "FixedOutdegree", "FixedProbability", "FromArrays", "OneToOne"]

MOST_SYNAPSES = (1 << 32) - 1  # in a projection, because pointers are uint32
CHUNK = 1 << 18  # synapses that are drawn at a time, so that temporaries stay small

Rows = tuple[np.ndarray, np.ndarray]
Probability = Annotated[float, Numbers(least=0, most=1)]


def check_count(k: float) -> None:
    if k > MOST_SYNAPSES:
        raise DescriptionError("", f"{k:,.0f} synapses", f"must be at most {MOST_SYNAPSES:,}", "split the projection")


def pointers_of(counts: np.ndarray) -> np.ndarray:
    """Return the row pointers, (n + 1,) uint32, for n neurons with ``counts``, (n,), synapses each."""
    pointers = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=pointers[1:])
    check_count(pointers[-1])
    return pointers.astype(np.uint32)


def sorted_rows(keys: np.ndarray, n_pre: int) -> Rows:
    """Sort synapses into rows. Return their pointers, (n_pre + 1,), and targets, (k,), both uint32.

    keys : (k,) uint64, ``pre << 32 | post`` of each synapse; the function sorts the array in place
    """
    keys.sort()
    pointers = np.searchsorted(keys, np.arange(n_pre + 1, dtype=np.uint64) << np.uint64(32))
    return pointers.astype(np.uint32), keys.astype(np.uint32)  # the lower half


def scattered(rng: np.random.Generator, p: float, total: int) -> Iterator[np.ndarray]:
    """Yield a random subset of the integers 0 to total - 1, ascending, in chunks of int64.

    Each integer is in the subset with probability p. The gaps are drawn from a geometric distribution, so integers
    outside the subset cost no time.
    """
    last = -1 if p > 0 else total
    while last < total - 1:
        n = min(CHUNK, 16 + int(1.1 * p * (total - last)))
        numbers = last + np.cumsum(np.minimum(rng.geometric(p, n), total + 1))
        last = int(numbers[-1])
        yield numbers[: np.searchsorted(numbers, total)]


class Connector:
    """Base class of connectors. Subclasses are frozen dataclasses.

    allow_self : whether a neuron may connect to itself in a recurrent projection
    """

    def rows(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        """Return all k synapses as two uint32 arrays, pointers (n_pre + 1,) and targets (k,); see the module docstring.

        Raises DescriptionError.
        """
        raise NotImplementedError

    def pairs(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        """Return the sources and targets of all k synapses, (k,) int64 each, in the order of a projection's weights."""
        pointers, targets = self.rows(n_pre, n_post, recurrent)
        return np.repeat(np.arange(n_pre), np.diff(pointers.astype(np.int64))), targets.astype(np.int64)


@dataclass(frozen=True)
class AllToAll(Connector):
    """Connect every presynaptic neuron to every postsynaptic neuron, including itself."""

    def rows(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        check_count(n_pre * n_post)
        pointers = np.arange(n_pre + 1, dtype=np.uint32) * np.uint32(n_post)
        return pointers, np.tile(np.arange(n_post, dtype=np.uint32), n_pre)


@dataclass(frozen=True)
class OneToOne(Connector):
    """Connect presynaptic neuron i to postsynaptic neuron i."""

    def rows(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        if n_pre != n_post:
            raise DescriptionError("", "one_to_one", f"sizes must agree: {n_pre} and {n_post}")
        return np.arange(n_pre + 1, dtype=np.uint32), np.arange(n_pre, dtype=np.uint32)


@dataclass(frozen=True, eq=False)
class FromArrays(Connector):
    """Explicit list of synapses: synapse s goes from neuron ``pre_index[s]`` to neuron ``post_index[s]``.

    pre_index, post_index : (k,) whole numbers, in any order. The projection's weights and delays are in the order of
        the synapses here. Several synapses between the same two neurons act in this order, too
    """

    pre_index: Any
    post_index: Any

    def __post_init__(self) -> None:
        pre, post = np.asarray(self.pre_index), np.asarray(self.post_index)
        for key, index in (("pre_index", pre), ("post_index", post)):
            object.__setattr__(self, key, index)
            if index.ndim != 1 or index.shape != pre.shape or (index.dtype.kind not in "iu" and index.size):
                wrong = f"shape {index.shape}, dtype {index.dtype}"
                raise DescriptionError(key, wrong, f"must be whole numbers, one for each synapse ({pre.size})")
        check_count(pre.size)

    def pairs(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        return self.pre_index.astype(np.int64), self.post_index.astype(np.int64)

    def pointers(self, n_pre: int, n_post: int) -> np.ndarray:
        """Return the row pointers, (n_pre + 1,) uint32. Raises DescriptionError if a neuron's index is too large."""
        for key, index, n in (("pre_index", self.pre_index, n_pre), ("post_index", self.post_index, n_post)):
            low, high = (int(index.min()), int(index.max())) if index.size else (0, 0)
            if index.size and (low < 0 or high >= n):
                raise DescriptionError(key, low if low < 0 else high, f"must lie in [0, {n})")
        return pointers_of(np.bincount(self.pre_index.astype(np.int64, copy=False), minlength=n_pre))

    def rows(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        order = np.lexsort((self.post_index, self.pre_index))  # index of the given synapse for each place in the rows
        return self.pointers(n_pre, n_post), self.post_index[order].astype(np.uint32)


@dataclass(frozen=True)
class FixedProbability(Seeded, Connector):
    """Connect each pair of a presynaptic and a postsynaptic neuron with probability p, independently of other pairs.

    p : connection probability, in [0, 1]
    """

    p: Probability
    seed: Seed
    allow_self: Flag = True

    def rows(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        check_count(self.p * n_pre * n_post)
        counts = np.zeros(n_pre, np.int64)
        parts: list[np.ndarray] = [np.zeros(0, np.uint32)]
        for places in scattered(self.generator(), self.p, n_pre * n_post):
            pre, post = np.divmod(places, n_post)
            if recurrent and not self.allow_self:
                pre, post = pre[pre != post], post[pre != post]
            if pre.size:
                added = np.bincount(pre - pre[0])
                counts[pre[0] : pre[0] + added.size] += added
            parts.append(post.astype(np.uint32))
        return pointers_of(counts), np.concatenate(parts)


@dataclass(frozen=True)
class _FixedNumber(Seeded, Connector):
    """Base class of the connectors with the same number of synapses for each presynaptic or each postsynaptic neuron.

    n : number of synapses of each neuron
    with_replacement : whether a neuron may have several synapses with the same partner
    """

    n: Size
    seed: Seed
    allow_self: Flag = True
    with_replacement: Flag = False

    def _choices(self, n_rows: int, among: int, recurrent: bool) -> np.ndarray:
        """Draw ``n`` of ``among`` neurons for each of ``n_rows`` neurons. Return ascending indices, (n_rows, n) uint32.

        Raises DescriptionError if ``among`` is too small.
        """
        check_count(n_rows * self.n)
        without_self = recurrent and not self.allow_self
        available = among - without_self
        if self.n > available and not (self.with_replacement and available):
            rule = f"must be at most {available}, the neurons to choose from"
            raise self.wrong("n", rule, "or draw with_replacement" if available else "")
        rng, step = self.generator(), max(1, CHUNK // self.n)
        choices = np.empty((n_rows, self.n), np.uint32)
        for first in range(0, n_rows, step):
            rows = choices[first : first + step]
            if self.with_replacement:
                rows[:] = rng.integers(0, available, rows.shape, np.uint32)
                rows.sort(axis=1)
            else:
                rows[:] = distinct(rng, len(rows), self.n, available)
            if without_self:
                rows += rows >= np.arange(first, first + len(rows), dtype=np.uint32)[:, None]
        return choices


def distinct(rng: np.random.Generator, m: int, n: int, among: int) -> np.ndarray:
    """Draw ``n`` different integers below ``among``, uniformly and without replacement, for each of ``m`` rows.

    Return an (m, n) uint32 array, ascending within each row. A row has the first ``n`` different integers of a
    sequence of independent draws.
    """
    if 2 * n > among:  # it is faster to choose those to leave out
        chosen = np.ones((m, among), bool)
        np.put_along_axis(chosen, distinct(rng, m, among - n, among).astype(np.int64), False, axis=1)
        return np.nonzero(chosen)[1].reshape(m, n).astype(np.uint32)
    numbers = rng.integers(0, among, (m, n), np.uint32)
    numbers.sort(axis=1)
    left: np.ndarray = np.arange(m)
    while left.size:
        part = numbers[left]
        again = np.zeros(part.shape, bool)
        again[:, 1:] = part[:, 1:] == part[:, :-1]
        some = again.any(axis=1)
        left, part, again = left[some], part[some], again[some]
        part[again] = rng.integers(0, among, np.count_nonzero(again), np.uint32)
        part.sort(axis=1)
        numbers[left] = part
    return numbers


@dataclass(frozen=True)
class FixedIndegree(_FixedNumber):
    """Connect each postsynaptic neuron with ``n`` randomly chosen presynaptic neurons."""

    def rows(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        keys = self._choices(n_post, n_pre, recurrent).astype(np.uint64)
        keys <<= np.uint64(32)
        keys |= np.arange(n_post, dtype=np.uint64)[:, None]
        return sorted_rows(keys.reshape(-1), n_pre)


@dataclass(frozen=True)
class FixedOutdegree(_FixedNumber):
    """Connect each presynaptic neuron with ``n`` randomly chosen postsynaptic neurons."""

    def rows(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        return pointers_of(np.full(n_pre, self.n, np.int64)), self._choices(n_pre, n_post, recurrent).reshape(-1)
