"""The task to follow a wanted attitude, with or without gusts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn_control.errors import DescriptionError

from ..core import Task
from .robot import HOVER, Quadrotor

__all__ = ["SCORE_FROM", "FollowAttitude"]

SCORE_FROM = 1.0  # s: the time before is for adapting to the strength of each motor, and is not scored
OVERTURNED = math.cos(math.radians(80.0))
WIDTH = np.array([math.radians(25.0), math.radians(25.0), 1.0, 0.1 * HOVER])  # roll, pitch, yaw rate and thrust
REFERENCES = ("smooth", "steps")


def waves(rng: np.random.Generator, times: np.ndarray, low: float, high: float, columns: int) -> np.ndarray:
    """Return random smooth signals at n times, (n, columns). A signal is a sum of eight sines, with an rms value of 1.

    times : (n,), the times [s]
    low, high : range from which the frequencies are drawn log-uniformly [Hz]
    columns : number of signals
    """
    turn = 2.0 * math.pi * low * (high / low) ** rng.random((8, columns))
    phase = rng.uniform(0.0, 2.0 * math.pi, (8, columns))
    return 0.5 * np.sin(times[:, None, None] * turn + phase).sum(axis=1)


def stairs(rng: np.random.Generator, times: np.ndarray, columns: int) -> np.ndarray:
    """Return random step signals from -1 to 1 at n times, (n, columns). Each level is held for 1 to 2 s.

    times : (n,), the times [s]
    columns : number of signals
    """
    n = int(times[-1]) + 2
    starts, levels = np.cumsum(rng.uniform(1.0, 2.0, (n, columns)), axis=0), rng.uniform(-1.0, 1.0, (n, columns))
    return np.column_stack([levels[np.searchsorted(starts[:, k], times), k] for k in range(columns)])


class FollowAttitude(Task):
    """The task to follow roll, pitch and yaw rate; see `QuadrotorAttitudeEnv` for reward, info and score.

    reference, gusts : as in `QuadrotorAttitudeEnv`
    path : wanted values at each step, in the form of `Quadrotor.wanted`
    k : index of the present step
    """

    DISTURBANCES = ("new_target",)

    def __init__(self, robot: Quadrotor, reference: str, gusts: float) -> None:
        if reference not in REFERENCES:
            raise DescriptionError("reference", reference, f"must be one of {', '.join(REFERENCES)}")
        if not 0 <= gusts <= 1e-3:
            raise DescriptionError("gusts", gusts, "must be from 0 to 0.001 N m; the motors have 0.0074")
        self.robot, self.reference, self.gusts = robot, reference, gusts

    def _draw_path(self, rng: np.random.Generator, times: np.ndarray) -> list[list[float]]:
        smooth = waves(rng, times, 0.1, 0.6, 4)
        path = smooth / np.maximum(1.0, np.abs(smooth).max(axis=0)) * rng.uniform(0.6, 1.0, 4)
        if self.reference == "steps":
            path[:, :3] = stairs(rng, times, 3)
        return (path * WIDTH + [0.0, 0.0, 0.0, HOVER]).tolist()

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        self.path = self._draw_path(rng, times)
        self._gusts = (self.gusts * waves(rng, times, 0.2, 5.0, 3) * [1.0, 1.0, 0.2]).tolist()
        self._times, self._squares, self._counted = times, [0.0, 0.0], 0
        self.robot.start(rng, len(times) - 1)
        self.step(0)

    def new_target(self, rng: np.random.Generator) -> None:
        """Disturb the episode: draw another path of wanted values, which applies from the next step on."""
        self.path = self._draw_path(rng, self._times)

    def step(self, k: int) -> None:
        self.k, self.robot.wanted, self.robot.gust = k, self.path[k], self._gusts[k]
        self._counts = self._times[k] >= SCORE_FROM

    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        (roll, pitch), (wanted_roll, wanted_pitch, wanted_rate, _) = self.robot.attitude, self.robot.wanted
        error, turning = math.hypot(roll - wanted_roll, pitch - wanted_pitch), self.robot.rates[2] - wanted_rate
        if self._counts:
            self._squares[0] += error * error
            self._squares[1] += turning * turning
            self._counted += 1
        info = {"error": error, "target": np.array([wanted_roll, wanted_pitch]), "yaw_rate_error": turning}
        return 1.0 - error - 0.1 * abs(turning), self.robot.upright < OVERTURNED, info

    def score(self) -> dict[str, float]:
        """Return ``rms_error`` [rad], ``rms_yaw_rate_error`` [rad/s] and ``crashed`` (0 or 1).

        If the episode ended before the part that counts for the score, return only ``crashed``.
        """
        crashed = {"crashed": float(self.robot.upright < OVERTURNED)}
        if not self._counted:
            return crashed
        tilt, turning = (math.sqrt(square / self._counted) for square in self._squares)
        return {"rms_error": tilt, "rms_yaw_rate_error": turning, **crashed}
