"""Read the spikes of a population's newest steps between ticks, for recorders and for ROS topics with spikes.

Compiled code uses `spikes_of_step`. Python code uses `SpikeRing`.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from .bound import Bound
from .compile import compile_function
from .facts import PopulationFacts
from .kernels.spikes import HEADER, SpikeList, slot_of_step
from .memory import i64, u16, u32

__all__ = ["RING_WORDS", "SpikeRing", "ring_words", "spikes_in_ring", "spikes_of_step", "times_fired"]

RING_WORDS = 4  # address of the ring, bytes of a slot, slots, offset of the multiplicities in a slot (0: all are 1)


def ring_words(bound: Bound, facts: PopulationFacts) -> tuple[int, int, int, int]:
    """Return the description of a population's spike ring that `spikes_of_step` needs: four numbers.

    They are the address of the ring, bytes of a slot, number of slots, and offset of the multiplicities in a slot.
    """
    return bound.address(f"{facts.name}.spikes"), facts.stride, facts.slots, facts.multiplicity


@register_jitable
def spikes_of_step(words, step):
    """Return the spikes of one step as a `SpikeList`. The step must be one of the newest, which are in the spike ring.

    words : address of the four int64 that `ring_words` returns
    """
    ring = i64(words, RING_WORDS)
    return spikes_in_ring(ring[0], ring[1], ring[2], ring[3], step)


@register_jitable
def spikes_in_ring(ring, stride, slots, multiplicity, step):
    """Return the spikes of one step as a `SpikeList`. The first four arguments are the result of `ring_words`."""
    slot = slot_of_step(ring, stride, slots, step)
    count = i64(slot, 1)[0]
    return SpikeList(u32(slot + HEADER, count), u16(slot + multiplicity, count if multiplicity != 0 else 0), step)


@register_jitable
def times_fired(spikes, k):
    """Return the number of spikes of the k-th neuron in a `SpikeList`."""
    return np.int64(spikes.times[k]) if spikes.times.size > 0 else 1


def copy_spikes(words, first, end, rows):
    """Write the spikes of the steps from ``first`` to ``end`` (exclusive) as rows of three int64 to an address.

    A row is (step, neuron, number of the neuron's spikes in this step). Return the number of rows.

    words : address of the four int64 that `ring_words` returns
    rows : address of the result
    """
    total = 0
    for step in range(first, end):
        spikes = spikes_of_step(words, step)
        for k in range(spikes.fired.size):
            row = i64(rows + 24 * total, 3)
            row[0], row[1], row[2] = step, spikes.fired[k], times_fired(spikes, k)
            total += 1
    return total


class SpikeRing:
    """Reader of the spikes that a population of a bound Program fired in the newest steps."""

    def __init__(self, bound: Bound, facts: PopulationFacts) -> None:
        self._bound, self._size = bound, facts.size  # keeps the ring alive
        self._words = np.array(ring_words(bound, facts), np.int64)
        self._copy = compile_function(copy_spikes, "int64(int64,int64,int64,int64)")

    def read(self, first: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the spikes of the steps from ``first`` to ``end`` (exclusive), which must still be in the ring.

        Return three arrays (step, neuron, times), each (k,) int64, in ascending order of step and then of neuron.
        ``times`` is the number of spikes of the neuron in the step.
        """
        rows = np.empty((max(0, end - first) * self._size, 3), np.int64)
        total = self._copy(self._words.ctypes.data, first, end, rows.ctypes.data)
        step, neuron, times = rows[:total].T.copy()
        return step, neuron, times
