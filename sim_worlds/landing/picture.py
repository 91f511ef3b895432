"""Draw a landing as an image, for ``render``."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["draw"]

SHOWN = 4.5  # m, height range of the left picture
SKY, GROUND, BODY, FLOW = (24, 26, 30), (92, 84, 70), (235, 235, 235), (90, 230, 90)


def draw(seen: np.ndarray, height: float, roll: float, speed: float) -> np.ndarray:
    """Draw two images side by side: left the quadrotor from behind, above the ground; right the camera's view.

    Return an RGB image, (rows, 1.5 columns, 3) uint8.

    seen : (rows, columns, 3) uint8, the camera's view
    height : height of the feet [m]
    roll : roll, clockwise, seen from behind [rad]
    speed : upward speed [m/s], drawn as a bar at the body
    """
    side = np.full((seen.shape[0], seen.shape[1] // 2, 3), SKY, np.uint8)
    high, wide = side.shape[:2]
    ground = high - 12
    side[ground:] = GROUND
    per_metre = (ground - 12) / SHOWN
    y, x = np.mgrid[:high, :wide].astype(np.float64)
    x, y = x - wide / 2, y - (ground - max(height, 0.0) * per_metre)  # from between the feet
    c, s = math.cos(roll), math.sin(roll)
    right, up = c * x + s * y, s * x - c * y
    arms = (np.abs(up - 7) < 1.5) & (np.abs(right) < 24)
    legs = (np.abs(np.abs(right) - 8) < 1) & (up >= 0) & (up < 7)
    rotors = (np.abs(up - 11) < 1) & (np.abs(np.abs(right) - 22) < 11)
    side[arms | legs | rotors] = BODY
    bar = -speed * per_metre  # distance that it will move in a second
    side[(np.abs(x) < 1.5) & (y * bar > 0) & (np.abs(y) < abs(bar)) & (y < (max(height, 0.0) * per_metre))] = FLOW
    return np.concatenate([side, seen], axis=1)
