"""The task to land softly on the floor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Task
from .robot import FEET, Quadrotor

__all__ = ["SOFT", "Landing"]

SOFT = 0.3  # m/s, the fastest touchdown that counts as a landing
DIVERGENCE = 0.5  # 1/s, divergence of the descent that has the best reward
HIGHEST = 6.0  # m, height above which it has flown away
GUST, GUST_FOR = 3.0, 1.0  # m/s and s, change of the wind in a disturbance, and its duration
WAVES = 4  # number of sines in a component of the wind


class Landing(Task):
    """The task to land softly; see `EventLandingEnv` for reward, info and score.

    heights : lowest and highest height at the start [m]
    gusts : rms of each component of the wind [m/s]
    """

    DISTURBANCES = ("gust",)

    def __init__(self, robot: Quadrotor, heights: tuple[float, float], gusts: float) -> None:
        self.robot, self.heights, self.gusts, self.gust_share = robot, heights, gusts, 1.0

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        frequency, phase = rng.uniform(0.1, 1.0, (WAVES, 3)), rng.uniform(0.0, 2.0 * math.pi, (WAVES, 3))
        waves = np.sin(2.0 * math.pi * frequency * times[:, None, None] + phase).sum(1)
        self._wind = (waves * (self.gusts * self.gust_share * math.sqrt(2.0 / WAVES))).tolist()
        self.robot.place(rng.uniform(*self.heights))
        self._time, self._times = 0.0, times
        self._step = float(times[1])
        self.robot.wind = self._wind[0]

    def gust(self, rng: np.random.Generator) -> None:
        """Disturb the flight: add a wind of speed ``GUST`` in a random direction for the time ``GUST_FOR``."""
        way, k = rng.normal(size=3), round(self._time / self._step)
        change = (way * (GUST / np.linalg.norm(way))).tolist()
        for wind in self._wind[k : k + round(GUST_FOR / self._step)]:
            wind[:] = [a + b for a, b in zip(wind, change)]

    def step(self, k: int) -> None:
        self._time = float(self._times[k])
        self.robot.wind = self._wind[k]

    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        height, speed = self.robot.position[2], self.robot.velocity[2]
        self._down, self._touched = -speed, height <= FEET
        info = {"height": height - FEET, "vertical_speed": speed, "divergence": -speed / height}
        if self._touched:
            return 2.0 - 10.0 * min(max(self._down - 0.15, 0.0), 1.0), True, info
        if height > HIGHEST:
            return -10.0, True, info
        return -self._step * min(abs(info["divergence"] - DIVERGENCE), 2.0), False, info

    def score(self) -> dict[str, float]:
        landed = self._touched and self._down < SOFT
        return {"landed": float(landed), "touchdown_speed": self._down if self._touched else SOFT, "time": self._time}
