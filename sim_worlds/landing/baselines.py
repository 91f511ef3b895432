"""Classical controllers of ``EventLanding-v0``.

Both controllers keep the divergence of the optical flow constant. Then height and speed decay exponentially together,
and the touchdown is soft from any height. ``FlowDivergence`` estimates the divergence from the events;
``TrueDivergence`` reads its true value from the info.
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
BORDER = 2  # pixels at each border, for which no gradient is computed


@register_jitable
def slopes(picture, i, j):
    """Return the derivatives of the brightness change at pixel (i, j) with respect to the flow's components D, u and v.

    The flow at a pixel is D r + (u, v), where r is the pixel's position in focal lengths. The derivatives follow from
    the Sobel gradients of the brightness.
    """
    above, below = picture[j - 1], picture[j + 1]
    right = above[i + 1] + 2.0 * picture[j, i + 1] + below[i + 1]
    left = above[i - 1] + 2.0 * picture[j, i - 1] + below[i - 1]
    top = above[i - 1] + 2.0 * above[i] + above[i + 1]
    bottom = below[i - 1] + 2.0 * below[i] + below[i + 1]
    x, y = (left - right) * (FOCAL / 8.0), (top - bottom) * (FOCAL / 8.0)
    return (x * (i - 0.5 * (SIDE - 1)) + y * (j - 0.5 * (SIDE - 1))) / FOCAL, x, y


def measure(events, count, keep, picture, sums):
    """Add the events of a step to the normal equations of the optical flow (D, u, v), and to the picture.

    Where the flow moves a gradient of the picture, the brightness changes by e = slopes . (D, u, v) per second. Events
    measure these changes. So least squares over pixels and time yield D (gradient method, Lucas and Kanade 1981).

    events : (capacity, 4) float32, t, x, y, p; the first ``count`` rows are used
    keep : factor by which the picture decays in each step
    picture : (48, 48) float64, leaky sum of each pixel's events, which count 1 (ON) or -1 (OFF); updated
    sums : (4, 3) float64, normal matrix (its upper triangle) and right side of the equations; updated
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
    for k in range(count):  # only after all events have been compared with the old picture
        picture[np.int64(events[k, 2]), np.int64(events[k, 1])] += 2.0 * events[k, 3] - 1.0


def _command(acceleration: float) -> tuple[np.ndarray, None]:
    return np.array([min(max(acceleration, -STRONGEST), STRONGEST)], np.float32), None


@dataclass
class FlowDivergence(Baseline):
    """Keeps the divergence D of the optical flow constant, which it estimates from the events by least squares.

    The command is the acceleration K (D - wanted). K is ``gain`` at the start and falls in proportion to the height,
    but not below ``min_gain``, so that the loop is equally fast at any height. The ratio of the height to the initial
    height is exp(-integral of D).

    gain : K at the start [m/s]
    min_gain : smallest K [m/s]
    wanted : wanted divergence [1/s]
    tau_picture : time constant of the picture [s]
    tau : time constant with which the sums of the normal equations decay [s]
    ridge : number that is added to the diagonal of the normal matrix, so that few events give a small flow
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
        """Return the estimated divergence of the optical flow after the events of a step [1/s]."""
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
    """Keeps the true divergence of the optical flow constant: a reference and a teacher for event-based controllers.

    The command is the acceleration K (D - wanted), where D is the divergence, and K = ``gain`` + ``gain_slope`` height,
    but at most ``max_gain``. K is small near the ground. There a change of speed has a larger effect on the divergence,
    so a large K would make a controller with delays unstable.

    gain : K at height 0 [m/s]
    max_gain : largest K [m/s]
    gain_slope : increase of K with the height [1/s]
    wanted : wanted divergence [1/s]
    """

    label: ClassVar[str] = "true divergence"

    gain: float = 1.0
    gain_slope: float = 4.0
    max_gain: float = 8.0
    wanted: float = 0.5

    def predict(self, observation: dict[str, np.ndarray], info: Any) -> tuple[np.ndarray, None]:
        gain = min(self.gain + self.gain_slope * info["height"], self.max_gain)
        return _command(gain * (info["divergence"] - self.wanted))
