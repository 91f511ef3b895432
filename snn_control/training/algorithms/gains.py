"""Search gains for the numbers that a controller observes, to increase the return of whole episodes.

A controller that imitates a teacher fails where the teacher fails. A few values that each change the whole behaviour
correct this better than many values that each change little. So each number of an input has a gain, which scales the
range over which its receptive fields are spaced. With a larger gain, the controller reacts more to the number.
"""

from __future__ import annotations

import numpy as np

from ...coding import ValueInput
from ...errors import DescriptionError
from ..environments.vector_env import VectorEnv
from ..gradients.parameters import Parameters
from .evolution import FACTOR, Evolution

__all__ = ["MOST_GAINS", "Gains", "gains_of"]

MOST_GAINS = 32  # largest number of gains in the short search at the end of training
SPIKES_COUNT = 0.6  # weight of fewer spikes, if they count; the return has 1; both in deviations of a generation


def gains_of(parameters: Parameters) -> int:
    """Return the number of gains that are searched: one for each number of the inputs with receptive fields."""
    return sum(ends.shape[1] for ends in parameters.ranges.values.values())


class Gains(Evolution):
    """The learner for ``evolve`` with ``gains: true``, and for the gain search after other learners.

    A gain divides both ends of an input's range. If the range does not contain 0, the gain divides the distances of
    both ends from the middle of the range. A range stays within the plausible values of its input.

    counts_spikes : whether a candidate with more spikes has a higher cost, because an earlier stage reduced the spikes
    """

    checkpointed = ("origin", "told")
    counts_spikes = False

    def _space(self) -> tuple[int, bool]:
        n = gains_of(self.parameters)
        if self.settings.factors:
            raise DescriptionError("settings.factors", True, "cannot be combined with gains", "search one by one")
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
