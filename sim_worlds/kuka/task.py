"""Following a path of joint angles with a load that nobody tells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn_control.errors import DescriptionError

from ..core import Task
from .robot import STEP, Kuka

__all__ = ["MIDDLE", "MOTIONS", "FollowPath", "sines", "waypoints"]

LOADS = (0.0, 3.0)  # kg, range of the load of an episode
MIDDLE = np.array([0.0, 0.9, 0.0, -1.3, 0.0, 0.9, 0.0])  # rad, centre of all paths
WIDTH = 0.5  # rad, that a path is away from its centre at most
FREQUENCIES = (0.1, 0.4)  # Hz, of the sines
BETWEEN = 2.0  # s, from one waypoint to the next


def sines(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """Two sines a joint, of equal amplitude: (len(times), 14), angles and speeds."""
    turn = 2.0 * math.pi * rng.uniform(*FREQUENCIES, (2, 7))
    angle = times[:, None, None] * turn + rng.uniform(0.0, 2.0 * math.pi, (2, 7))
    half = 0.5 * WIDTH
    return np.hstack([MIDDLE + half * np.sin(angle).sum(1), half * (turn * np.cos(angle)).sum(1)])


def waypoints(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """From one random pose to the next one, with least jerk (Flash, Hogan 1985, J. Neurosci. 5:1688): (len(times), 14),
    angles and speeds."""
    places = rng.uniform(-WIDTH, WIDTH, (math.ceil(times[-1] / BETWEEN) + 2, 7))
    k, part = np.divmod(times / BETWEEN, 1.0)
    first, way = places[k.astype(int)], np.diff(places, axis=0)[k.astype(int)]
    s = part[:, None]
    angle = first + way * s**3 * (10.0 - 15.0 * s + 6.0 * s**2)
    return np.hstack([MIDDLE + angle, way * 30.0 * s**2 * (1.0 - s) ** 2 / BETWEEN])


MOTIONS = {"sines": sines, "waypoints": waypoints}


class FollowPath(Task):
    """A path and a load for each episode.

    load : [kg], or None: it is drawn
    scored_from : time [s] from which the score counts
    """

    def __init__(self, robot: Kuka, load: float | None, motion: str, scored_from: float) -> None:
        if load is not None and not 0 <= load <= 10:
            raise DescriptionError("load", load, "must be from 0 to 10 kg, or None")
        if motion not in MOTIONS:
            raise DescriptionError("motion", motion, f"must be one of {', '.join(MOTIONS)}")
        self.robot, self.load, self._draw = robot, load, MOTIONS[motion]
        self._counted_from = round(scored_from / STEP)

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        drawn = float(rng.uniform(*LOADS))
        self._held = drawn if self.load is None else float(self.load)
        self._path = self._draw(rng, times)
        self._squares, self._counted = 0.0, 0
        self.robot.begin(self._path[0], self._held, rng)
        self._error = 0.0

    def step(self, k: int) -> None:
        self.robot.wanted = self._path[k]
        self._error = math.dist(self.robot.position, self.robot.wanted[:7].tolist())
        if k > self._counted_from:
            self._squares += self._error**2
            self._counted += 1

    def judge(self) -> tuple[float, bool, dict[str, Any]]:
        return -self._error, False, {"error": self._error, "target": self.robot.wanted[:7].copy(), "load": self._held}

    def score(self) -> dict[str, float]:
        return {"rms_error": math.sqrt(self._squares / self._counted)} if self._counted else {}
