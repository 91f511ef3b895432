"""A gain for each number that a controller sees, searched by the return of whole episodes.

What imitates a teacher fails where the teacher does. A few numbers that change all of what it does correct more than
many that change a little each: a gain of an input, here a factor of the range over which its receptive fields are
spaced, makes the controller react to it more, or less.
"""

from __future__ import annotations

import numpy as np

from ..errors import DescriptionError
from .environments import Environments
from .evolution import FACTOR, Evolution
from .parameters import Parameters

__all__ = ["MOST", "Gains", "gains_of"]

MOST = 32  # gains that a search at the end may have: it is short
SHARE = 0.6  # what fewer spikes count, where they do, if the return counts 1; both in deviations of a generation


def gains_of(parameters: Parameters) -> int:
    """How many gains there are: numbers of inputs with receptive fields."""
    return sum(ends.shape[1] for ends in parameters.ranges.values.values())


class Gains(Evolution):
    """The learner for ``evolve`` with ``gains: true``, and for the end of other ways.

    keeps_few : more spikes count against a candidate, whose number was saved before
    """

    keeps_few = False

    def _space(self) -> tuple[int, bool]:
        n = gains_of(self.parameters)
        if n == 0:
            rule = "needs a value input with receptive fields over its range"
            raise DescriptionError("settings.gains", True, rule, "encoder: {type: population, ...}")
        return n, False

    def begin(self, envs: Environments, rng: np.random.Generator) -> None:
        ends = np.concatenate(list(self.parameters.ranges.values.values()), axis=1)
        self.origin, self.ways = {"values": ends, "seed": int(rng.integers(1 << 31))}, np.ones(0)
        self._begin()

    def _costs(self, returns: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        if not self.keeps_few:
            return super()._costs(returns, spikes)
        return SHARE * _standard(spikes) - _standard(returns)

    def _put(self, candidate: np.ndarray) -> None:
        ranges, first = self.origin["values"] / np.exp(FACTOR * candidate), 0
        found = {}
        for name, ends in self.parameters.ranges.values.items():
            found[name] = ranges[:, first : first + ends.shape[1]]
            first += ends.shape[1]
        self.parameters.ranges.take(found)


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / (x.std() + 1e-9)
