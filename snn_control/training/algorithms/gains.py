"""A gain for each number that a controller sees, searched by the return of whole episodes.

What imitates a teacher fails where the teacher does. A few numbers that change all of what it does correct more than
many that change a little each: a gain of an input, here a factor of the range over which its receptive fields are
spaced, makes the controller react to it more, or less.
"""

from __future__ import annotations

import numpy as np

from ...coding import ValueInput
from ...errors import DescriptionError
from ..environments.vector import VectorEnv
from ..gradients.parameters import Parameters
from .evolution import FACTOR, Evolution

__all__ = ["MOST_GAINS", "Gains", "gains_of"]

MOST_GAINS = 32  # that a search at the end of training may have: it is short
SPIKES_COUNT = 0.6  # of fewer spikes, where they count, if the return counts 1; in deviations of a generation


def gains_of(parameters: Parameters) -> int:
    """How many gains there are: numbers of inputs with receptive fields."""
    return sum(ends.shape[1] for ends in parameters.ranges.values.values())


class Gains(Evolution):
    """The learner for ``evolve`` with ``gains: true``, and for the end of other ways.

    A gain divides the distances of both ends of a range from 0 or, where the range does not hold 0, from its middle. A
    range does not exceed what is plausible.

    counts_spikes : more spikes count against a candidate, whose number was saved before
    """

    checkpointed = ("origin", "told")
    counts_spikes = False

    def _space(self) -> tuple[int, bool]:
        n = gains_of(self.parameters)
        if self.settings.factors:
            raise DescriptionError("settings.factors", True, "cannot go with gains", "search one after the other")
        if n == 0:
            rule = "needs a value input with receptive fields over its range"
            raise DescriptionError("settings.gains", True, rule, "encoder: {type: population, ...}")
        return n, False

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        inputs = {one.name: one for one in self.parameters.spec.inputs if isinstance(one, ValueInput)}
        ends = self.parameters.ranges.values
        limits = [[np.broadcast_to(side, inputs[name].size) for side in inputs[name].plausible] for name in ends]
        self.origin = {"ends": np.concatenate([*ends.values()], axis=1), "limits": np.concatenate(limits, axis=1)}
        self.origin["seed"] = int(rng.integers(1 << 31))
        self._begin()

    def _costs(self, returns: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        if not self.counts_spikes:
            return super()._costs(returns, spikes)
        deviations = [(x - x.mean()) / (x.std() + 1e-9) for x in (spikes, returns)]
        return SPIKES_COUNT * deviations[0] - deviations[1]

    def _put(self, candidate: np.ndarray) -> None:
        low, high = self.origin["ends"]
        centre = np.where((low <= 0) & (high >= 0), 0.0, (low + high) / 2)
        ends = centre + (self.origin["ends"] - centre) / np.exp(FACTOR * candidate)
        ends = np.clip(ends, *self.origin["limits"])
        ranges = self.parameters.ranges
        parts = np.split(ends, np.cumsum([both.shape[1] for both in ranges.values.values()])[:-1], axis=1)
        ranges.take(dict(zip(ranges.values, parts, strict=True)))
