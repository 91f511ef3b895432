"""SpikeRing: the spikes of the newest steps, read from outside of the tick."""

from __future__ import annotations

import numpy as np

from .bound import Bound
from .facts import PopulationFacts
from .kernels.spikes import HEADER

__all__ = ["SpikeRing"]


class SpikeRing:
    """The spike lists that a population of a bound Program keeps, a slot a step (`snn_control.engine.kernels.spikes`).

    counts : (slots,) int64, neurons that fired
    neurons : (slots, n) uint32, which they are, ascending, as many as counts says
    many : (slots, n) uint16, how often each of them fired; None where once is all they can
    """

    def __init__(self, bound: Bound, facts: PopulationFacts) -> None:
        slots, stride, n, many = facts.slots, facts.stride, facts.size, facts.many
        ring = bound.array(f"{facts.name}.spikes").reshape(slots, stride)
        self.counts = ring[:, :8].view(np.int64)[:, 0]
        self.neurons = ring[:, HEADER : HEADER + 4 * n].view(np.uint32)
        self.many = ring[:, many : many + 2 * n].view(np.uint16) if many else None

    def of(self, step: int) -> tuple[np.ndarray, np.ndarray | int]:
        """Which neurons fired in a step that is still in the ring, and how often each."""
        slot = step % len(self.counts)
        count = self.counts[slot]
        return self.neurons[slot, :count], 1 if self.many is None else self.many[slot, :count]
