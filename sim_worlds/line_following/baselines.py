"""Classical controllers of ``LineFollowing-v0``."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from snn_control.engine.compile import compile_function

from ..core import Baseline
from ..sensors.pinhole import Pinhole
from .camera import floor_points
from .robot import FASTEST

__all__ = ["EventLine", "TrueLine", "band", "compiled_band"]


def _command(forward: float, turn: float) -> tuple[np.ndarray, None]:
    return np.array([forward, min(max(turn, -FASTEST[1]), FASTEST[1])], np.float32), None


@dataclass
class TrueLine(Baseline):
    """Steers with the true distance and angle to the line, and the line's true curvature as feedforward.

    It is a teacher for controllers that only get events (``snn_control train --teacher TrueLine``). For a small
    distance e [m] and a small angle a [rad], the derivatives are e' = v a and a' = turn - v curvature. The command
    makes e a damped oscillator of frequency ``stiffness``: turn = v curvature - 2 damping stiffness a - stiffness^2 e /
    v.

    stiffness : natural frequency of the oscillator [rad/s]
    damping : damping ratio
    """

    label: ClassVar[str] = "true line"
    note: ClassVar[str] = "It knows where the line is."

    stiffness: float = 5.0
    damping: float = 0.9

    def predict(self, observation: dict[str, np.ndarray], info: Any) -> tuple[np.ndarray, None]:
        speed = float(observation["target_speed"][0])
        w = self.stiffness
        back = 2.0 * self.damping * w * info["heading_error"] + w * w * info["offset"] / speed
        return _command(speed, speed * info["curvature"] - back)


def band(events, count, points, nearest, farthest, gate, share, line):
    """Update the estimated lateral position of the line in a band of the floor ahead, event by event.

    events : (capacity, 4) float32, t, x, y, p; the first ``count`` rows are used
    points : (2, rows, columns) float32, see `camera.floor_points`
    nearest : distance from the axle to the near end of the band [m]
    farthest : distance from the axle to the far end of the band [m]
    gate : distance from the estimated position beyond which events are ignored [m]
    share : fraction of the distance to an event by which the event moves the estimate
    line : (1,) float64, estimated lateral position of the line, positive to the left [m]; updated
    """
    for k in range(count):
        i, j = np.int64(events[k, 1]), np.int64(events[k, 2])
        if nearest <= points[0, j, i] < farthest:
            beside = points[1, j, i] - line[0]
            if abs(beside) < gate:
                line[0] += share * beside


compiled_band = functools.partial(
    compile_function,
    band,
    "void(float32[:,::1], int64, float32[:,:,::1], float64, float64, float64, float64, float64[::1])",
)


@dataclass
class EventLine(Baseline):
    """Pure pursuit of the point at which the line crosses a band of the floor, estimated from events in the band.

    Both edges of the line cause events, of either sign. The mean of their positions is the middle of the line, for a
    bright and for a dark line. Without events the estimated point stays at its position in the image.

    nearest, farthest, gate, share : see `band`
    gain : gain of the yaw rate; with 1 the robot drives on the arc through the point
    """

    label: ClassVar[str] = "pursuit of events"

    nearest: float = 0.14
    farthest: float = 0.20
    gate: float = 0.045
    share: float = 0.01
    gain: float = 1.15

    def __post_init__(self) -> None:
        self._points = floor_points(Pinhole(64, 48))
        self._band = compiled_band()
        self._line = np.zeros(1)

    def reset(self) -> None:
        self._line[0] = 0.0

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        count = int(observation["camera_count"][0])
        limits = self.nearest, self.farthest, self.gate, self.share
        self._band(observation["camera"], count, self._points, *limits, self._line)
        speed, left, ahead = float(observation["target_speed"][0]), self._line[0], 0.5 * (self.nearest + self.farthest)
        return _command(speed, self.gain * speed * 2.0 * left / (left * left + ahead * ahead))
