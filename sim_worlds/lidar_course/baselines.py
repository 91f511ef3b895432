"""The controller that an engineer would write for ``LidarCourse-v0``: follow the gap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core import Baseline
from .robot import ANGLES, FASTEST, RANGE, TURN

__all__ = ["FollowTheGap"]


STOP = 0.15  # m, from the middle of the robot to what it stops for
STUCK = 0.25  # m, free at most where the robot is stuck


@dataclass
class FollowTheGap(Baseline):
    """Turn towards the gap that is deepest for a robot of this width; drive as fast as the way ahead allows.

    After Sezer and Gokasan 2012 (doi:10.1016/j.robot.2012.05.021): each obstacle is as wide as it is, plus ``wide`` on
    both sides. So a direction is as free as the nearest beam whose widened obstacle covers it. Of the directions within
    ``field``, those are good whose freedom, less ``bend`` for each radian from ahead, is within ``near`` of the best;
    the way goes through the middle of the good ones around the best.

    wide : radius of the robot plus a distance to keep [m]
    tight : the same where nothing is free for ``short`` [m] otherwise, and of what the robot stops for
    """

    label: ClassVar[str] = "follow the gap"

    wide: float = 0.2
    tight: float = 0.13
    short: float = 0.4
    field: float = math.radians(90.0)
    bend: float = 0.7
    near: float = 0.3
    far: float = 2.5
    gain: float = 3.0
    brake: float = 1.0

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        scan = np.minimum(observation["scan"].astype(np.float64), RANGE)
        free, tight = self.freedom(scan, self.wide), self.freedom(scan, self.tight)
        way, depth = self.way(free)
        if depth < self.short:
            way, depth = self.way(tight)
        if depth < STUCK:  # nothing is free: turn on the spot until something is
            return np.array([0.0, TURN], np.float32), None
        ahead, stop = (float(np.interp(0.0, ANGLES, one)) for one in (free, tight))
        speed = min(FASTEST, self.brake * max(ahead, 0.05), 2.0 * self.brake * max(stop - STOP, 0.0))
        turn = min(max(self.gain * way, -TURN), TURN)
        return np.array([speed * max(math.cos(way), 0.0) ** 2, turn], np.float32), None

    def way(self, free: np.ndarray) -> tuple[float, float]:
        """The direction to take [rad], and how far the best one is free [m]."""
        good = np.minimum(free, self.far) - self.bend * np.abs(ANGLES)
        good[np.abs(ANGLES) > self.field + 1e-6] = -math.inf
        best = int(np.argmax(good))
        within = good >= good[best] - self.near
        first = last = best
        while first > 0 and within[first - 1]:
            first -= 1
        while last < len(within) - 1 and within[last + 1]:
            last += 1
        return 0.5 * float(ANGLES[first] + ANGLES[last]), float(free[best])

    def freedom(self, scan: np.ndarray, wide: float) -> np.ndarray:
        """How far a robot of this radius could go in the direction of each beam, (55,) float64 [m]."""
        half = np.arcsin(np.minimum(wide / np.maximum(scan, wide), 1.0))
        covers = np.abs(ANGLES[:, None] - ANGLES) <= half  # (direction, beam)
        return np.where(covers | np.eye(len(ANGLES), dtype=bool), scan, RANGE).min(1)
