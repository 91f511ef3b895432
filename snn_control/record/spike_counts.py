"""Count the spikes of each neuron of a population while a loop runs."""

from __future__ import annotations

import numpy as np

from ..engine.bound import Bound
from ..engine.facts import PopulationFacts
from ..engine.memory import i64
from ..engine.spike_ring import RING_WORDS, ring_words, spikes_of_step, times_fired
from ..realtime.port import CompiledPort

__all__ = ["SpikeCounts"]

CLOCK, STEPS, COUNTS, N, RING = range(5)


def count_spikes(context, stamp_ns, now_ns):
    """Count the spikes of the tick that has just run. The loop calls this function as an observer."""
    c = i64(context, RING + RING_WORDS)
    counts, end = i64(c[COUNTS], c[N]), i64(c[CLOCK], 2)[1]
    for step in range(end - c[STEPS], end):
        spikes = spikes_of_step(context + 8 * RING, step)
        for k in range(spikes.fired.size):
            counts[spikes.fired[k]] += times_fired(spikes, k)
    return 0


class SpikeCounts(CompiledPort):
    """An observer of a loop that counts the spikes of each neuron of a population.

    counts : (neurons,) int64, number of spikes of each neuron since this object was made
    """

    def __init__(self, bound: Bound, population: PopulationFacts) -> None:
        self.counts = np.zeros(population.size, np.int64)
        super().__init__(population.name, count_spikes, (
            bound.address("clock"), bound.program.steps, self.counts.ctypes.data, population.size,
            *ring_words(bound, population),
        ))  # fmt: skip
