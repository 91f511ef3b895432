"""The task to swing the pole up and keep it there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from snn_control.errors import DescriptionError

from ..core import Task
from .robot import FORCE, RAIL, CartPole

__all__ = ["SwingUp", "reward"]

STARTS = {"down": math.pi, "up": 0.0}  # rad
STOP = RAIL - 0.01  # m, place beyond which the cart counts as having hit an end


@register_jitable
def reward(place: float, angle: float, turning: float, force: float) -> float:
    """Return the reward of a step: the product of four factors, which `CartPoleSwingUpEnv` describes.

    place : position of the cart [m]
    angle : angle of the pole [rad]
    turning : angular velocity of the pole [rad/s]
    force : force of the motor [N]
    """
    upright = 0.5 + 0.5 * math.cos(angle)
    middle = 0.5 + 0.5 * 0.1 ** (place / RAIL) ** 2
    slow = 0.5 + 0.5 * 0.1 ** (turning / 5.0) ** 2
    little = 1.0 - 0.2 * (force / FORCE) ** 2
    return upright * middle * slow * little


class SwingUp(Task):
    """The task to swing the pole up and keep it there; see `CartPoleSwingUpEnv` for reward, info and score."""

    def __init__(self, robot: CartPole, start: str) -> None:
        if start not in STARTS:
            raise DescriptionError("start", start, f"must be one of {', '.join(STARTS)}")
        self.robot, self._angle = robot, STARTS[start]

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        place, angle = rng.uniform(-0.3, 0.3), self._angle + rng.uniform(-0.1, 0.1)
        self.robot.place((place, angle), rng.uniform(-0.1, 0.1, 2))
        self._return, self._up, self._count = 0.0, 0, 0

    def step(self, k: int) -> None:
        self._count = k

    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        (place, angle), (_, turning) = self.robot.position, self.robot.velocity
        got, up = reward(place, angle, turning, self.robot.force), abs(angle) < 0.2
        if self._count:
            self._return += got
            self._up += up
        return got, abs(place) > STOP, {"upright": up}

    def score(self) -> dict[str, float]:
        """Return ``return``, the sum of the rewards, and ``upright``, the fraction of steps with an upright pole."""
        return {"return": self._return, "upright": self._up / self._count}
