"""Perturbations of actions: delays, gains, noise, and a slower control loop."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from .numbers import copy_of, rest_of
from .wrapper import Perturbation

__all__ = ["ActionDelay", "ActionGain", "ActionNoise", "Rate"]

ALMOST = 1e-9  # so that rounding does not delay a sample by a step


class _Done(Perturbation):
    """Base of the wrappers that change each action, in the method `do`."""

    def do(self, action: Any) -> Any:
        raise NotImplementedError

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        return self.env.step(self.do(action))

    def within(self, action: np.ndarray) -> np.ndarray:
        """Return an action clipped to the action space, with its dtype; for integer spaces, numbers are rounded."""
        space: Any = self.action_space
        clipped = np.minimum(np.maximum(action, space.low), space.high)
        return (np.rint(clipped) if space.dtype.kind in "iu" else clipped).astype(space.dtype)


class ActionDelay(_Done):
    """Delays each action by some steps. Until the first action arrives, the action of `rest_of` is applied."""

    name, whole = "action_delay", True

    def begin(self) -> None:
        self._line = deque([rest_of(self.action_space)] * (self.value + 1), self.value + 1)

    def do(self, action: Any) -> Any:
        self._line.append(copy_of(action))
        return self._line[0]


class ActionGain(_Done):
    """Multiplies each number of the action by a factor, and clips the result to the action space.

    gains : factors in the shape of the action; by default, each episode draws a factor for each number
    """

    name = "action_gain"

    def __init__(self, env: Any, low: float, high: float, gains: np.ndarray | None = None) -> None:
        super().__init__(env, low, high, gains=gains)
        self._gains = gains

    def draw(self) -> np.ndarray:
        drawn = self.rng.uniform(self.low, self.high, self.action_space.shape)
        return np.asarray(drawn if self._gains is None else self._gains)

    def do(self, action: Any) -> Any:
        return self.within(self.value * action)


class ActionNoise(_Done):
    """Adds white Gaussian noise to each number of the action, and clips the result to the action space."""

    name = "action_noise"

    def begin(self) -> None:
        space: Any = self.action_space
        self._deviation = self.value * (space.high.astype(np.float64) - space.low)

    def do(self, action: Any) -> Any:
        return self.within(action + self._deviation * self.rng.standard_normal(self.action_space.shape))


class Rate(Perturbation):
    """Lets the controller see and act in only a fraction of the steps, which are spread as evenly as possible.

    In the other steps, the controller sees the last observation again. Its action is ignored, and the environment gets
    the last action again.
    """

    name = "rate"

    def first(self, observation: Any) -> Any:
        self._phase, self._fresh, self._held = 0.0, True, copy_of(observation)
        return observation

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if self._fresh:
            self._action = copy_of(action)
        observation, *rest = self.env.step(self._action)
        self._phase += self.value
        self._fresh = self._phase >= 1 - ALMOST
        if self._fresh:
            self._phase -= 1
            self._held = copy_of(observation)
        return (observation if self._fresh else copy_of(self._held)), *rest  # type: ignore[return-value]
