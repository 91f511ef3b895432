"""The task of the Kuka arm: follow a path of joint angles with an unmeasured load."""

from __future__ import annotations

import math

import numpy as np

from snn_control.errors import DescriptionError

from ..follow_path import FollowPath
from .robot import STEP, Kuka

__all__ = ["MIDDLE", "MOTIONS", "FollowMotion", "sines", "waypoints"]

LOADS = (0.0, 3.0)  # kg, range of the load of an episode
MIDDLE = np.array([0.0, 0.9, 0.0, -1.3, 0.0, 0.9, 0.0])  # rad, centre of all paths
WIDTH = 0.5  # rad, largest distance of a path from its centre
FREQUENCIES = (0.1, 0.4)  # Hz, range of the sines
BETWEEN = 2.0  # s, time from one waypoint to the next


def sines(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """Return a random path in which each joint's angle is the sum of two sines of equal amplitude.

    The path is (len(times), 14) float64. A row has the angles [rad], then the speeds [rad/s], of the seven joints.
    """
    turn = 2.0 * math.pi * rng.uniform(*FREQUENCIES, (2, 7))
    angle = times[:, None, None] * turn + rng.uniform(0.0, 2.0 * math.pi, (2, 7))
    half = 0.5 * WIDTH
    return np.hstack([MIDDLE + half * np.sin(angle).sum(1), half * (turn * np.cos(angle)).sum(1)])


def waypoints(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """Return a path of minimum-jerk motions between random poses (Flash and Hogan 1985, J. Neurosci. 5:1688).

    The path is (len(times), 14) float64. A row has the angles [rad], then the speeds [rad/s], of the seven joints.
    """
    places = rng.uniform(-WIDTH, WIDTH, (math.ceil(times[-1] / BETWEEN) + 2, 7))
    k, part = np.divmod(times / BETWEEN, 1.0)
    first, way = places[k.astype(int)], np.diff(places, axis=0)[k.astype(int)]
    s = part[:, None]
    angle = first + way * s**3 * (10.0 - 15.0 * s + 6.0 * s**2)
    return np.hstack([MIDDLE + angle, way * 30.0 * s**2 * (1.0 - s) ** 2 / BETWEEN])


MOTIONS = {"sines": sines, "waypoints": waypoints}


class FollowMotion(FollowPath):
    """The task of `KukaPayloadEnv`. Each episode draws a load and a path.

    load, motion, scored_from : as in `KukaPayloadEnv`
    """

    def __init__(self, robot: Kuka, load: float | None, motion: str, scored_from: float) -> None:
        super().__init__(robot, load, scored_from, STEP)
        if motion not in MOTIONS:
            raise DescriptionError("motion", motion, f"must be one of {', '.join(MOTIONS)}")
        self._motion = MOTIONS[motion]

    def draw(self, rng: np.random.Generator, times: np.ndarray) -> tuple[float, np.ndarray]:
        return rng.uniform(*LOADS), self._motion(rng, times)
