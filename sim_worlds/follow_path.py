"""The task of the worlds with arms: follow a path of joint angles with an unknown load in the hand."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np

from snn_control.errors import DescriptionError

from .core import Task

__all__ = ["FollowPath"]


class FollowPath(Task):
    """Base class of tasks in which an arm follows a path of joint angles.

    The error at a step is the root of the sum of the joints' squared angle errors [rad]. The score is its rms value.

    robot : an arm with n joints, with the methods ``begin(wanted, load, rng)`` and ``carry(load)``, and the attribute
        ``wanted``, (2 n,), the wanted angles [rad], then speeds [rad/s]
    load : load in the hand [kg]; None: each episode draws a load
    scored_from : time in an episode from which the error counts for the score [s]
    dt : length of a step [s]
    """

    DISTURBANCES = ("new_target", "new_load")

    def __init__(self, robot: Any, load: float | None, scored_from: float, dt: float) -> None:
        if load is not None and not 0 <= load <= 10:
            raise DescriptionError("load", load, "must be from 0 to 10 kg, or None")
        self.robot, self.load, self._first = robot, load, round(scored_from / dt)

    @abstractmethod
    def draw(self, rng: np.random.Generator, times: np.ndarray) -> tuple[float, np.ndarray]:
        """Draw a load and a path for an episode. Return the load [kg] and the path, (steps + 1, 2 n) float64.

        A row of the path has the wanted angles [rad], then the wanted speeds [rad/s], of the n joints at one step.

        times : (steps + 1,) float64, times of the steps [s]
        """

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        drawn, self._path = self.draw(rng, times)
        self._times = times
        self._held = float(drawn if self.load is None else self.load)
        self._squares, self._counted, self._error = 0.0, 0, 0.0
        self.robot.begin(self._path[0], self._held, rng)

    def new_target(self, rng: np.random.Generator) -> None:
        """Disturb the episode: draw another path, which the arm should follow from the next step on."""
        self._path = self.draw(rng, self._times)[1]

    def new_load(self, rng: np.random.Generator) -> None:
        """Disturb the episode: replace the load in the hand by a load with another random mass."""
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
        """Return the score ``rms_error`` [rad] of the episode, or {} if the episode ended before ``scored_from``."""
        return {"rms_error": math.sqrt(self._squares / self._counted)} if self._counted else {}
