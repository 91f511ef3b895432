"""Classical controllers of ``EventLanding-v0``.

Both keep the divergence of the flow constant: then height and speed fall exponentially together, and the touchdown is
soft whatever the height was. ``FlowDivergence`` measures it in the events; ``TrueDivergence`` knows it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba.extending import register_jitable

from snn_control.engine.compile import compile_function

from ..core import Baseline
from .robot import STRONGEST

__all__ = ["FlowDivergence", "TrueDivergence", "measure"]

STEP = 5e-3  # s
SIDE = 48  # pixels of the camera
FOCAL = 24.0  # pixels
BORDER = 2  # pixels that have no gradient


@register_jitable
def slopes(picture, i, j):
    """How the brightness of a pixel's place changes with each component of the flow, of D r + (u, v) with r in focal
    lengths: minus its gradients (of Sobel) times (r, 1, 1)."""
    above, below = picture[j - 1], picture[j + 1]
    right = above[i + 1] + 2.0 * picture[j, i + 1] + below[i + 1]
    left = above[i - 1] + 2.0 * picture[j, i - 1] + below[i - 1]
    top = above[i - 1] + 2.0 * above[i] + above[i + 1]
    bottom = below[i - 1] + 2.0 * below[i] + below[i + 1]
    x, y = (left - right) * (FOCAL / 8.0), (top - bottom) * (FOCAL / 8.0)
    return (x * (i - 0.5 * (SIDE - 1)) + y * (j - 0.5 * (SIDE - 1))) / FOCAL, x, y


def measure(events, count, keep, picture, sums):
    """Add a step's events to the normal equations of the flow, and to the picture.

    Where the flow moves a slope of the picture, the brightness changes: e = slopes . (D, u, v) a second. The events are
    these changes, so least squares over pixels and time give D (the method of gradients: Lucas and Kanade 1981).

    events : (capacity, 4) float32, t, x, y, p; the first ``count`` are used
    keep : share of the picture that a step leaves
    picture : (48, 48) float64, leaky sum of the events of each pixel, ON 1, OFF -1; written
    sums : (4, 3) float64, normal matrix (its upper triangle) and right side; added to
    """
    for j in range(SIDE):
        for i in range(SIDE):
            picture[j, i] *= keep
    for j in range(BORDER, SIDE - BORDER):
        for i in range(BORDER, SIDE - BORDER):
            slope = slopes(picture, i, j)
            for p in range(3):
                for q in range(p, 3):
                    sums[p, q] += slope[p] * slope[q] * STEP
    for k in range(count):
        x, y = np.int64(events[k, 1]), np.int64(events[k, 2])
        if BORDER <= x < SIDE - BORDER and BORDER <= y < SIDE - BORDER:
            slope = slopes(picture, x, y)
            for p in range(3):
                sums[3, p] += (2.0 * events[k, 3] - 1.0) * slope[p]
    for k in range(count):  # when all have been compared with what was there before
        picture[np.int64(events[k, 2]), np.int64(events[k, 1])] += 2.0 * events[k, 3] - 1.0


def _command(acceleration: float) -> tuple[np.ndarray, None]:
    return np.array([min(max(acceleration, -STRONGEST), STRONGEST)], np.float32), None


@dataclass
class FlowDivergence(Baseline):
    """Constant divergence, measured in the events by least squares.

    acceleration = K (D - wanted), with K = ``gain`` at first. It falls with the height, of which the share
    exp(-integral of D) is left, so that the loop is as quick at any height, but not below ``min_gain``.

    gain, min_gain : [m/s]; wanted : [1/s]
    tau_picture : time constant of the picture [s]
    tau : time constant of the sums over time [s]
    ridge : added to the diagonal of the normal matrix, so that few events mean little flow
    """

    label: ClassVar[str] = "divergence of the flow"

    gain: float = 8.0
    min_gain: float = 3.0
    wanted: float = 0.5
    tau_picture: float = 0.3
    tau: float = 0.05
    ridge: float = 10.0

    def __post_init__(self) -> None:
        self._measure = compile_function(
            measure, "void(float32[:,::1], int64, float64, float64[:,::1], float64[:,::1])"
        )
        self._keep, self._forget = math.exp(-STEP / self.tau_picture), math.exp(-STEP / self.tau)
        self.reset()

    def reset(self) -> None:
        self._picture, self._sums, self._left = np.zeros((SIDE, SIDE)), np.zeros((4, 3)), 1.0

    def divergence(self, observation: dict[str, np.ndarray]) -> float:
        """The divergence after the events of a step [1/s]."""
        self._sums *= self._forget
        self._measure(observation["camera"], int(observation["camera_count"][0]), self._keep, self._picture, self._sums)
        upper = self._sums[:3]
        matrix = upper + np.triu(upper, 1).T + self.ridge * np.eye(3)
        return float(np.linalg.solve(matrix, self._sums[3])[0])

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        divergence = self.divergence(observation)
        self._left *= math.exp(-divergence * STEP)
        return _command(max(self.gain * self._left, self.min_gain) * (divergence - self.wanted))


@dataclass
class TrueDivergence(Baseline):
    """Constant divergence, as with perfect vision: a reference, and a teacher for controllers that get events.

    acceleration = K (D - wanted), K = ``gain`` + ``gain_slope`` height, but at most ``max_gain``: the same change of
    the speed changes the divergence more from low down, and more so than a controller with delays could bear.

    gain, max_gain : [m/s]; gain_slope : [1/s]; wanted : [1/s]
    """

    label: ClassVar[str] = "true divergence"

    gain: float = 1.0
    gain_slope: float = 4.0
    max_gain: float = 8.0
    wanted: float = 0.5

    def predict(self, observation: dict[str, np.ndarray], info: Any) -> tuple[np.ndarray, None]:
        gain = min(self.gain + self.gain_slope * info["height"], self.max_gain)
        return _command(gain * (info["divergence"] - self.wanted))
