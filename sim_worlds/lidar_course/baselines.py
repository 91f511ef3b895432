"""The classical controller of ``LidarCourse-v0``, which steers towards the best gap between obstacles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core import Baseline
from .robot import ANGLES, FASTEST, RANGE, TURN

__all__ = ["FollowTheGap"]


STOP = 0.15  # m, distance of an obstacle from the middle of the robot at which it stops
STUCK = 0.25  # m, largest free depth at which the robot counts as stuck


@dataclass
class FollowTheGap(Baseline):
    """Turn towards the deepest gap that is wide enough for the robot, and drive as fast as the free distance allows.

    The method is that of Sezer and Gokasan 2012 (doi:10.1016/j.robot.2012.05.021). Obstacles are widened by
    ``clearance`` on both sides. The *free depth* of a direction is the distance of the nearest beam whose widened
    obstacle covers this direction. The score of a direction within ``max_heading`` is its free depth minus
    ``heading_cost`` for each radian from straight ahead. Around the best direction there is a range of directions whose
    scores are within ``tolerance`` of the best score. The robot drives in the middle direction of this range.

    clearance : radius of the robot plus a distance to keep [m]
    min_clearance : smaller clearance [m], used if no direction is free for ``min_depth`` [m], and to decide on stopping
    max_depth : free depth beyond which directions count as equally free [m]
    gain : yaw rate for each radian of the direction [1/s]
    brake : assumed deceleration [m/s2]
    """

    label: ClassVar[str] = "follow the gap"

    clearance: float = 0.2
    min_clearance: float = 0.13
    min_depth: float = 0.4
    max_heading: float = math.radians(90.0)
    heading_cost: float = 0.7
    tolerance: float = 0.3
    max_depth: float = 2.5
    gain: float = 3.0
    brake: float = 1.0

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        scan = np.minimum(observation["scan"].astype(np.float64), RANGE)
        free, tight = self.freedom(scan, self.clearance), self.freedom(scan, self.min_clearance)
        way, depth = self.way(free)
        if depth < self.min_depth:
            way, depth = self.way(tight)
        if depth < STUCK:  # nothing is free: turn on the spot until something is
            return np.array([0.0, TURN], np.float32), None
        ahead, stop = (float(np.interp(0.0, ANGLES, one)) for one in (free, tight))
        speed = min(FASTEST, self.brake * max(ahead, 0.05), 2.0 * self.brake * max(stop - STOP, 0.0))
        turn = min(max(self.gain * way, -TURN), TURN)
        return np.array([speed * max(math.cos(way), 0.0) ** 2, turn], np.float32), None

    def way(self, free: np.ndarray) -> tuple[float, float]:
        """Return the direction in which to drive [rad], and the free depth of the best direction [m].

        free : (55,), free depth of each beam's direction [m], see `freedom`
        """
        good = np.minimum(free, self.max_depth) - self.heading_cost * np.abs(ANGLES)
        good[np.abs(ANGLES) > self.max_heading + 1e-6] = -math.inf
        best = int(np.argmax(good))
        others = np.flatnonzero(good < good[best] - self.tolerance)
        first = max(others[others < best], default=-1) + 1
        last = min(others[others > best], default=len(good)) - 1
        return 0.5 * float(ANGLES[first] + ANGLES[last]), float(free[best])

    def freedom(self, scan: np.ndarray, wide: float) -> np.ndarray:
        """Return how far a robot could drive in each beam's direction without contact, (55,) float64 [m].

        scan : (55,), measured distances [m]
        wide : radius of the robot, including a distance to keep [m]
        """
        half = np.arcsin(np.minimum(wide / np.maximum(scan, wide), 1.0))
        covers = np.abs(ANGLES[:, None] - ANGLES) <= half  # (direction, beam)
        return np.where(covers | np.eye(len(ANGLES), dtype=bool), scan, RANGE).min(1)
