"""The base of all perturbations: a wrapper that draws a value for each episode, from the seed of the episode."""

from __future__ import annotations

import zlib
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

__all__ = ["Perturbation"]

MOST_SEED = 1 << 63


class Perturbation(gymnasium.Wrapper, RecordConstructorArgs):
    """Base of the wrappers that perturb an environment. ``name`` is the name of the perturbation.

    The info of `reset` contains the drawn values under the key ``perturbed``: name -> number, or a list of numbers. If
    an episode is reset without a seed, it continues the sequence of random numbers that began with the last seed; this
    sequence does not depend on the lengths of the episodes.

    low, high : range from which `draw` draws a value at each reset
    others : further arguments of the derived class
    rng : random numbers of this episode
    value : drawn value
    """

    name: ClassVar[str]
    whole: ClassVar[bool] = False

    def __init__(self, env: Any, low: float, high: float, **others: Any) -> None:
        RecordConstructorArgs.__init__(self, low=low, high=high, **others)  # for ``gymnasium.make(env.spec)``
        gymnasium.Wrapper.__init__(self, env)
        self.low, self.high = low, high
        self._episodes: np.random.Generator | None = None

    def draw(self) -> Any:
        """Return a random value for an episode, from the range of the perturbation."""
        if self.whole:
            return int(self.rng.integers(int(self.low), int(self.high) + 1))
        return self.low + (self.high - self.low) * float(self.rng.random())

    def begin(self) -> None:
        """Prepare the perturbation for an episode, before the environment is reset."""

    def first(self, observation: Any) -> Any:
        """Return the first observation of an episode as the controller sees it, which may be perturbed."""
        return observation

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._episodes = np.random.default_rng([int(seed), zlib.crc32(self.name.encode())])
        elif self._episodes is None:
            self._episodes = np.random.default_rng()
        self.rng = np.random.default_rng(int(self._episodes.integers(MOST_SEED)))
        self.value = self.draw()
        self.begin()
        observation, info = self.env.reset(seed=seed, options=options)
        return self.first(observation), {**info, "perturbed": {**info.get("perturbed", {}), **self.told}}

    @property
    def told(self) -> dict[str, Any]:
        """The drawn value as JSON data: name of the perturbation -> number or list."""
        return {self.name: self.value.tolist() if isinstance(self.value, np.ndarray) else self.value}
