"""A picture of a landing for people."""

from __future__ import annotations

import math

import numpy as np

from ..sensors.view import with_events

__all__ = ["draw"]

SCALE = 6
SHOWN = 4.5  # m of height beside the camera's picture
SKY, GROUND, BODY, FLOW = (24, 26, 30), (92, 84, 70), (235, 235, 235), (90, 230, 90)


def draw(
    log_intensity: np.ndarray, recent: np.ndarray, sign: np.ndarray, height: float, roll: float, speed: float
) -> np.ndarray:
    """Left the quadrotor above the ground, from behind; right the floor in grey with the recent events over it.

    Parameters
    ----------
    log_intensity, recent, sign : see `with_events`
    height : of the feet [m]
    roll : clockwise, seen from behind [rad]
    speed : upwards [m/s], drawn as a bar at the body

    Returns
    -------
    (6 rows, 9 columns, 3) uint8
    """
    rows, columns = log_intensity.shape
    seen = with_events(log_intensity, recent, sign, 90.0, SCALE)
    side = np.full((rows * SCALE, columns * SCALE // 2, 3), SKY, np.uint8)
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
    bar = -speed * per_metre  # where it will be in a second
    side[(np.abs(x) < 1.5) & (y * bar > 0) & (np.abs(y) < abs(bar)) & (y < (max(height, 0.0) * per_metre))] = FLOW
    return np.concatenate([side, seen], axis=1)
