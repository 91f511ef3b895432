"""Checks of a kernel's operands when a Program is bound, and `Array`, the form in which they see an array."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ProgramError

__all__ = [
    "Array", "apart", "clocked", "followed", "graded", "need", "once", "pointers_of", "positive", "ring", "writable",
]  # fmt: skip

LASTING, FOLLOWED, BEGUN = range(3)


@dataclass
class Array:
    """An array in a block of memory, known to be inside the block.

    data : the bytes of the array
    block : kind of the block, and offset of the array in the block [bytes]
    constant : true if all instances share the array, so that no operation may write to it
    from_driver : true if drivers write to the array between two ticks
    lists : for a ring of spike lists: its stride, slots and neurons; for a list of events: size and columns of the
        events input
    indices : true if the array contains counts or indices that kernels use without checks, so that no other operation
        may write to it
    dtype : dtype of the elements
    made : LASTING if the elements come from earlier ticks; FOLLOWED if each tick writes new elements before this
        operation reads them; BEGUN if this operation is the first one that writes them
    """

    data: np.ndarray
    block: tuple[int, int] = (0, 0)
    constant: bool = False
    from_driver: bool = False
    lists: tuple[int, ...] | None = None
    indices: bool = False
    dtype: str = "|u1"
    made: int = LASTING


def need(n: int, size: int, *arrays: Any) -> None:
    """Raise ProgramError if an array is shorter than ``n`` elements of ``size`` bytes, which the kernel accesses."""
    for array in arrays:
        if not isinstance(array, Array):
            raise ProgramError(f"operand {array!r}: must be a place")
        if n < 0 or n * size > array.data.nbytes:
            raise ProgramError(f"an operand of {array.data.nbytes} bytes: the kernel touches {n} x {size}")


def writable(*arrays: Any) -> None:
    """Raise ProgramError if an array to which the kernel writes belongs to the constants, which instances share."""
    for array in arrays:
        if isinstance(array, Array) and array.constant:
            raise ProgramError("a kernel would write into the constants")


def followed(*arrays: Any) -> None:
    for array in arrays:
        if isinstance(array, Array):
            array.indices = True


def positive(*numbers: Any) -> None:
    for n in numbers:
        if isinstance(n, Array) or not 1 <= n < 1 << 40:
            raise ProgramError(f"operand {n!r}: must be a number >= 1")


def once(multiplicity: Any) -> None:
    if multiplicity:
        raise ProgramError(f"multiplicity {multiplicity}: this kernel takes one spike per neuron and step")


def clocked(clock: Any) -> None:
    """Check a kernel's clock, int64 [tick, step], and mark the clock as an array to which no kernel may write."""
    need(2, 8, clock)
    followed(clock)


def ring(spikes: Any, stride: Any, slots: Any, clock: Any, delay: Any, multiplicity: Any, n: int) -> None:
    """Check size and contents of a ring buffer with the spike lists of a population of ``n`` neurons.

    The other arguments are the kernel's operands, see `snn_control.engine.kernels.spikes.Spikes`.
    """
    positive(stride, slots)
    need(slots * stride, 1, spikes)
    clocked(clock)
    if stride < 64 + 4 * n or stride % 64 or not 0 <= delay <= slots:
        raise ProgramError(f"stride {stride}, delay {delay}: no ring of {slots} slots for {n} neurons")
    if multiplicity and not (multiplicity % 2 == 0 and 64 + 4 * n <= multiplicity <= stride - 2 * n):
        raise ProgramError(f"multiplicity {multiplicity}: no place for {n} multiplicities in {stride} bytes")
    spikes.lists, spikes.indices = (stride, slots, n), True
    for k in range(slots):  # the contents of a saved state must not lead a kernel out of the list
        count = int(spikes.data[k * stride :][:8].view(np.int64)[0])
        if not 0 <= count <= n:
            raise ProgramError(f"a spike list of {count}: at most {n} neurons")
        if count and int(spikes.data[k * stride + 64 :][: 4 * count].view(np.uint32).max()) >= n:
            raise ProgramError(f"a spike of a neuron beyond {n}")


def apart(rows: Sequence[Sequence[Any]]) -> None:
    """Raise ProgramError if operations of a Program conflict in the arrays that they share.

    There are three kinds of conflicts:

    - two operations use an array as rings of spike lists, or lists of events, of different form;
    - an operation reads a list of events before the tick has written the list;
    - an operation may write to counts or indices that another operation uses without checks.

    rows : the operands of each operation
    """
    rings: dict[tuple[int, int], tuple[int, ...]] = {}
    arrays = [a for row in rows for a in row if isinstance(a, Array) and not a.constant and a.data.nbytes]
    made = {array.block for array in arrays if array.made != LASTING}
    for array in arrays:
        if array.lists and array.made == FOLLOWED and array.block not in rings:
            raise ProgramError("a list of events is followed before a region begins it")
        if array.lists and rings.setdefault(array.block, array.lists) != array.lists:
            raise ProgramError(f"lists are taken for {array.lists} and {rings[array.block]}")
        if array.indices and array.from_driver and array.block not in made:
            raise ProgramError("indices that a driver writes are followed without checks")
    kept = sorted({(*a.block, a.block[1] + a.data.nbytes) for a in arrays if a.indices})
    for (block, _, end), (other, start, _) in itertools.pairwise(kept):
        if block == other and start < end:
            raise ProgramError(f"places that hold indices overlap at {start}")
    for array in arrays:
        block, start = array.block
        end = start + array.data.nbytes
        k = bisect.bisect_left(kept, (block, end)) - 1  # the last that starts before this one ends
        if not array.indices and k >= 0 and kept[k][0] == block and kept[k][2] > start:
            raise ProgramError(f"a place at {start} overlaps indices that another operation follows")


def graded(x: Any, n: Any, stride: Any, slots: Any, clock: Any, delay: Any) -> None:
    """Check the size of a vector of ``n`` graded signals or, for a delay, the size of its delay line.

    The arguments are the kernel's operands, see `snn_control.engine.kernels.spikes.Signal`.
    """
    positive(n, slots)
    clocked(clock)
    need(n, 4, x)
    if slots > 1 or delay:
        need(slots * stride, 1, x)
        if stride < 4 * n or not 0 <= delay <= slots:
            raise ProgramError(f"stride {stride}, delay {delay}: no line of {slots} slots for {n} numbers")


def pointers_of(pointers: Any, n_pointers: Any, synapses: int) -> int:
    """Check the row pointers of sparse synapses. Return the last row pointer, which is the number of used synapses.

    synapses : number of synapses for which the array of weights has room
    """
    need(n_pointers, 4, pointers)
    followed(pointers)
    rows = pointers.data.view(np.uint32)[:n_pointers]
    if rows[0] != 0 or (rows[1:] < rows[:-1]).any() or rows[-1] > synapses:
        raise ProgramError("row pointers: must ascend from 0 to the number of synapses")
    return int(rows[-1])
