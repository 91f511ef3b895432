"""Perturbations of observations: noise, offsets, losses, freezes and delays."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from .numbers import Numbers, changed, copy_of
from .wrapper import Perturbation

__all__ = ["Bias", "Dropout", "Freeze", "ObservationDelay", "ObservationNoise"]

FREEZES = 0.01  # probability that a freeze begins in a step


class _Seen(Perturbation):
    """Base of the wrappers that change each observation, in the method `see`."""

    def see(self, observation: Any) -> Any:
        raise NotImplementedError

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self.see(observation), reward, terminated, truncated, info


class ObservationNoise(_Seen):
    """Adds white Gaussian noise to each number of the observation.

    numbers : the arrays of numbers in the observations, see `numbers_in`
    """

    name = "observation_noise"

    def __init__(self, env: Any, low: float, high: float, numbers: list[Numbers]) -> None:
        super().__init__(env, low, high, numbers=numbers)
        self._numbers = numbers

    def see(self, observation: Any) -> Any:
        def noisy(k: int, x: Any) -> Any:
            return x + self.value * self._numbers[k].width * self.rng.standard_normal(np.shape(x))

        return changed(observation, self._numbers, noisy)

    first = see


class Bias(_Seen):
    """Adds an offset to each number of the observation. Each episode draws the sign of each number's offset.

    numbers : the arrays of numbers in the observations, see `numbers_in`
    """

    name = "bias"

    def __init__(self, env: Any, low: float, high: float, numbers: list[Numbers]) -> None:
        super().__init__(env, low, high, numbers=numbers)
        self._numbers = numbers

    def begin(self) -> None:
        signs = [self.rng.choice((-1.0, 1.0), one.width.shape) for one in self._numbers]
        self._offsets = [self.value * sign * one.width for sign, one in zip(signs, self._numbers, strict=True)]

    def see(self, observation: Any) -> Any:
        return changed(observation, self._numbers, lambda k, x: x + self._offsets[k])

    first = see


class _Held(_Seen):
    """Base of the wrappers that repeat the last observation in each step in which `arrives` returns false."""

    def arrives(self) -> bool:
        raise NotImplementedError

    def first(self, observation: Any) -> Any:
        self._held = copy_of(observation)
        return observation

    def see(self, observation: Any) -> Any:
        return self.first(observation) if self.arrives() else copy_of(self._held)


class Dropout(_Held):
    """Loses single observations at random and repeats the one before. The first of an episode always arrives."""

    name = "dropout"

    def arrives(self) -> bool:
        return bool(self.rng.random() >= self.value)


class Freeze(_Held):
    """Repeats one observation for some steps, at random times. The mean time between two freezes is 100 steps."""

    name, whole = "freeze", True

    def begin(self) -> None:
        self._left = 0

    def arrives(self) -> bool:
        if self._left == 0 and self.value and self.rng.random() < FREEZES:
            self._left = self.value
        frozen = self._left > 0
        self._left -= frozen
        return not frozen


class ObservationDelay(_Seen):
    """Delays each observation by some steps. The first one is repeated until the second one arrives."""

    name, whole = "observation_delay", True

    def first(self, observation: Any) -> Any:
        self._line = deque([copy_of(observation) for _ in range(self.value + 1)], self.value + 1)
        return self._line[0]

    def see(self, observation: Any) -> Any:
        self._line.append(copy_of(observation))
        return self._line[0]
