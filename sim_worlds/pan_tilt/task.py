"""The task to keep the optical axis on a moving target."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn_control.errors import DescriptionError

from ..core import Task
from .motion import MOTIONS, target_path
from .robot import JOINT_LIMITS, PanTilt

__all__ = ["LOST", "TrackTarget"]

LOST = math.radians(25.0)
SCORE_FROM = 1.0  # s: the time before is for finding the target, and is not scored
DISC_RADIUS = 0.11  # m
DISC_TEXTURE = 0.3  # amplitude of the log intensity
MAX_INITIAL_OFFSET = math.radians(10.0)  # largest angle between axis and target at the start


def angle_between(pan: float, tilt: float, azimuth: float, elevation: float) -> float:
    """Return the great-circle angle between two directions [rad]. The haversine form is accurate for small angles."""
    a = math.sin(0.5 * (elevation - tilt))
    b = math.sin(0.5 * (azimuth - pan))
    return 2.0 * math.asin(math.sqrt(min(1.0, a * a + math.cos(tilt) * math.cos(elevation) * b * b)))


class TrackTarget(Task):
    """The task to follow a disc; see `PanTiltTrackingEnv` for reward, info and score.

    robot : the pan-tilt head
    motion, frequency, contrast : as in `PanTiltTrackingEnv`

    path : (steps + 1, 2) float64, azimuth and elevation of the target at each step of the present episode [rad]
    target : present azimuth and elevation of the target [rad]
    disc : the disc's radius [rad], its log contrast, the amplitude and the two phases [rad] of its texture, as in
        ``scene.VIEW_NAMES``
    """

    DISTURBANCES = ("new_target",)

    def __init__(self, robot: PanTilt, motion: str, frequency: float, contrast: float) -> None:
        if motion not in MOTIONS:
            raise DescriptionError("motion", motion, f"must be one of {', '.join(MOTIONS)}")
        if not (math.isfinite(frequency) and frequency > 0):
            raise DescriptionError("frequency", frequency, "must be positive and finite")
        if not -10 <= contrast <= 10:
            raise DescriptionError("contrast", contrast, "must be from -10 to 10")
        self.robot = robot
        self.motion, self.frequency, self.contrast = motion, frequency, contrast
        self.target, self.disc = [0.0, 0.0], (0.0, contrast, DISC_TEXTURE, 0.0, 0.0)

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        self._times, self.path = times, target_path(self.motion, self.frequency, times, rng)
        distance = rng.uniform(1.5, 3.0)
        direction, offset = rng.uniform(0.0, 2.0 * math.pi), MAX_INITIAL_OFFSET * math.sqrt(rng.random())
        phases = rng.uniform(0.0, 2.0 * math.pi, 2)
        self.disc = (math.atan(DISC_RADIUS / distance), self.contrast, DISC_TEXTURE, *phases)
        head = self.path[0] + offset * np.array([math.cos(direction), math.sin(direction)])
        self.robot.reset(np.clip(head, -JOINT_LIMITS, JOINT_LIMITS))
        self._squares, self._lost_steps, self._counted = 0.0, 0, 0
        self.step(0)

    def new_target(self, rng: np.random.Generator) -> None:
        """Disturb the episode: let the target jump to another random path of the same ``motion``."""
        self.path = target_path(self.motion, self.frequency, self._times, rng)

    def step(self, k: int) -> None:
        self.target = self.path[k].tolist()
        self._counts = self._times[k] >= SCORE_FROM

    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        error = angle_between(*self.robot.position, *self.target)
        lost = error > LOST
        if self._counts:
            self._squares += error * error
            self._lost_steps += lost
            self._counted += 1
        info = {"error": error, "target": np.array(self.target), "lost": lost}
        return -error, False, info  # never terminates: a lost target can be found again

    def score(self) -> dict[str, float]:
        """Return ``rms_error`` [rad] and ``lost``, the fraction of steps with a lost target.

        The dict is empty if the episode ended before the part that counts for the score.
        """
        if not self._counted:
            return {}
        return {
            "rms_error": math.sqrt(self._squares / self._counted),
            "lost": self._lost_steps / self._counted,
        }
