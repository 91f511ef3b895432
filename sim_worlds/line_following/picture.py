"""A picture of a line-following world for people."""

from __future__ import annotations

import math

import numpy as np

from snn_control.events.frames import OFF, ON

from .course import CELL, SIDE

__all__ = ["draw"]

SCALE = 5
REACH = 0.6  # m, from the robot to the border of the floor that is shown
ROBOT, AHEAD = (90, 230, 90), (255, 255, 255)


def grey(log_intensity: np.ndarray) -> np.ndarray:
    """(..., 3) uint8."""
    return np.repeat(np.clip(80.0 * np.exp(log_intensity), 0.0, 255.0).astype(np.uint8)[..., None], 3, axis=-1)


def draw(
    log_intensity: np.ndarray, recent: np.ndarray, sign: np.ndarray, floor: np.ndarray, place: np.ndarray
) -> np.ndarray:
    """Left what the camera sees, with recent events; right the floor from above, with the robot in its middle.

    Parameters
    ----------
    log_intensity : (rows, columns) float32
    recent : (rows, columns) bool, pixels with a recent event
    sign : (rows, columns) uint8, polarity of that event (ON 1)
    floor : (SIDE, SIDE) float32, log intensity
    place : (3,) float64, x, y [m] and heading [rad] of the robot

    Returns
    -------
    (5 rows, 5 columns + 5 rows, 3) uint8
    """
    seen = grey(log_intensity)
    seen[recent & (sign == 1)] = ON
    seen[recent & (sign == 0)] = OFF
    seen = np.repeat(np.repeat(seen, SCALE, axis=0), SCALE, axis=1)
    side = seen.shape[0]
    x, y, heading = place.tolist()
    across = np.linspace(-REACH, REACH, side)
    column = np.floor((x + across) / CELL + 0.5 * SIDE).astype(int) % SIDE
    row = np.floor((y - across) / CELL + 0.5 * SIDE).astype(int) % SIDE  # north is up
    above = grey(floor[row[:, None], column])
    east, north = across[None, :], -across[:, None]
    above[np.hypot(east, north) < 0.06] = ROBOT
    c, s = math.cos(heading), math.sin(heading)
    ahead, left = c * east + s * north, c * north - s * east
    above[(ahead > 0.0) & (ahead < 0.14) & (np.abs(left) < 0.008)] = AHEAD
    return np.hstack([seen, above])
