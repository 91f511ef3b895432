"""Play episodes in a Gymnasium environment, and compute statistics over several of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...controller import Controller

__all__ = ["Spread", "episode", "play", "random_actions"]

#: 97.5 % quantile of Student's t for 1, 2, ... degrees of freedom
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def play(
    env: Any, choose: Callable[[Any, Mapping[str, Any]], Any], seed: int, horizon: int | None = None
) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Play one episode. Return the reward of each step, and the ``info`` of the last step.

    choose : function (observation, info) -> action, called once before each step
    horizon : maximum number of steps
    """
    observation, info = env.reset(seed=seed)
    rewards: list[float] = []
    while horizon is None or len(rewards) < horizon:
        observation, reward, terminated, truncated, info = env.step(choose(observation, info))
        rewards.append(float(reward))
        if terminated or truncated:
            break
    return np.array(rewards), info


def random_actions(env: Any, seed: int) -> Callable[[Any, Mapping[str, Any]], Any]:
    """Return a function for `play` that draws random actions, seeded for the episode with this seed."""
    env.action_space.seed(seed + 1_000_003)  # with the same seed it would repeat the environment's own draws
    return lambda observation, info: env.action_space.sample()


def episode(
    env: Any, controller: Controller, seed: int, horizon: int | None = None
) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Play one episode with a controller, from the controller's initial state. The result is that of `play`."""
    controller.reset()
    return play(env, lambda observation, info: controller.act(observation, env.action_space), seed, horizon)


@dataclass(frozen=True)
class Spread:
    """Mean and spread of ``n`` measurements. If ``n`` is 1, ``std``, ``low`` and ``high`` are None.

    std : sample standard deviation (divisor n - 1)
    low : lower end of the 95 % confidence interval of the mean, by Student's t
    high : upper end of this confidence interval
    """

    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Compute the mean and spread of one or more numbers."""
        given = np.asarray(values, np.float64)
        n, mean = given.size, float(given.mean())
        if n == 1:
            return cls(1, mean, None, None, None, mean, mean)
        std = float(given.std(ddof=1))
        half = _t_975(n - 1) * std / math.sqrt(n)
        return cls(n, mean, std, mean - half, mean + half, float(given.min()), float(given.max()))


def _t_975(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t for ``freedom`` degrees of freedom, with an error of at most 0.003.

    Beyond the table, formula 26.7.5 of Abramowitz and Stegun is used.
    """
    if freedom <= len(T_975):
        return T_975[freedom - 1]
    return 1.959964 + 2.372272 / freedom + 2.822566 / freedom**2
