"""The task to follow a path of joint angles with an unknown load in the hand, for the worlds with arms."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np

from snn_control.errors import DescriptionError

from .core import Task

__all__ = ["FollowPath"]


class FollowPath(Task):
    """Follow a path of joint angles. The error is the root of the sum of the joints' squared errors [rad].

    The score is the rms of this error.

    robot : an arm with n joints, with the methods ``begin(wanted, load, rng)`` and ``carry(load)``, and the attribute
        ``wanted``, (2 n,), the wanted angles and speeds
    load : load in the hand [kg]; None: a load is drawn for each episode
    scored_from : time after which the score counts [s]
    dt : length of a step [s]
    """

    DISTURBANCES = ("new_target", "new_load")

    def __init__(self, robot: Any, load: float | None, scored_from: float, dt: float) -> None:
        if load is not None and not 0 <= load <= 10:
            raise DescriptionError("load", load, "must be from 0 to 10 kg, or None")
        self.robot, self.load, self._first = robot, load, round(scored_from / dt)

    @abstractmethod
    def draw(self, rng: np.random.Generator, times: np.ndarray) -> tuple[float, np.ndarray]:
        """Draw an episode. Return the load [kg], and the path, (steps + 1, 2 n) float64.

        The path has the wanted angles [rad] and speeds [rad/s] of the n joints at each step.

        times : (steps + 1,), times of the steps [s]
        """

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        drawn, self._path = self.draw(rng, times)
        self._times = times
        self._held = float(drawn if self.load is None else self.load)
        self._squares, self._counted, self._error = 0.0, 0, 0.0
        self.robot.begin(self._path[0], self._held, rng)

    def new_target(self, rng: np.random.Generator) -> None:
        """Draw another path, which the task follows from the next step on."""
        self._path = self.draw(rng, self._times)[1]

    def new_load(self, rng: np.random.Generator) -> None:
        """Replace the load in the hand by another load, which is drawn."""
        self._held = float(self.draw(rng, self._times[:2])[0])
        self.robot.carry(self._held)

    def step(self, k: int) -> None:
        self.robot.wanted = wanted = self._path[k]
        self._error = math.dist(self.robot.position, wanted[: len(wanted) // 2].tolist())
        if k > self._first:
            self._squares += self._error**2
            self._counted += 1

    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        wanted = self.robot.wanted
        return -self._error, False, {
            "error": self._error, "target": wanted[: len(wanted) // 2].copy(), "load": self._held,
        }  # fmt: skip

    def score(self) -> dict[str, float]:
        """Return the score ``rms_error`` [rad] of an episode; empty if the episode ended before ``scored_from``."""
        return {"rms_error": math.sqrt(self._squares / self._counted)} if self._counted else {}
