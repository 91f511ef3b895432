"""Draw a line-following world as an image, for ``render``."""

from __future__ import annotations

import math

import numpy as np

from ..sensors.event_sensor import grey
from .course import CELL, SIDE

__all__ = ["EXPOSURE", "draw"]

EXPOSURE = 80.0
REACH = 0.6  # m, distance from the robot to the border of the picture
ROBOT, AHEAD = (90, 230, 90), (255, 255, 255)


def draw(seen: np.ndarray, floor: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Draw two images side by side: left the camera's view, right the floor from above around the robot.

    Return an RGB image, (rows, columns + rows, 3) uint8.

    seen : (rows, columns, 3) uint8, the camera's view
    floor : (SIDE, SIDE) float32, log intensity
    pose : (3,) float64, x, y [m] and heading [rad] of the robot
    """
    x, y, heading = pose.tolist()
    across = np.linspace(-REACH, REACH, len(seen))
    column = np.floor((x + across) / CELL + 0.5 * SIDE).astype(int) % SIDE
    row = np.floor((y - across) / CELL + 0.5 * SIDE).astype(int) % SIDE  # north is up
    above = grey(floor[row[:, None], column], EXPOSURE)
    east, north = across[None, :], -across[:, None]
    above[np.hypot(east, north) < 0.06] = ROBOT
    c, s = math.cos(heading), math.sin(heading)
    ahead, left = c * east + s * north, c * north - s * east
    above[(ahead > 0.0) & (ahead < 0.14) & (np.abs(left) < 0.008)] = AHEAD
    return np.hstack([seen, above])
