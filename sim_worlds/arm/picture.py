"""Draw the two-link arm as an image, for ``render``."""

from __future__ import annotations

import math

import numpy as np

from .dynamics import LENGTHS

__all__ = ["draw"]

SCALE = 200.0  # pixels a metre
SIDE = 336  # pixels; the shoulder is in the middle
BACK, WANTED, LINK, JOINT, LOAD = (250, 250, 250), (150, 210, 150), (60, 90, 140), (40, 40, 40), (210, 120, 40)


def draw(angles: np.ndarray, target: np.ndarray, load: float) -> np.ndarray:
    """Draw the arm with its load, and its wanted pose in green behind it. Return an RGB image, (336, 336, 3) uint8.

    angles : (2,), actual angles of shoulder and elbow [rad]
    target : (2,), wanted angles of shoulder and elbow [rad]
    load : load in the hand [kg]
    """
    image = np.full((SIDE, SIDE, 3), BACK, np.uint8)
    across, down = np.arange(SIDE)[None, :] - SIDE / 2, np.arange(SIDE)[:, None] - SIDE / 2
    for (shoulder, elbow), colour, half in ((target.tolist(), WANTED, 8.0), (angles.tolist(), LINK, 5.0)):
        x, y, angle = 0.0, 0.0, 0.0
        for length, turn in zip(LENGTHS, (shoulder, elbow), strict=True):
            angle += turn
            c, s, reach = math.cos(angle), -math.sin(angle), length * SCALE  # rows count downwards
            along, beside = (across - x) * c + (down - y) * s, (down - y) * c - (across - x) * s
            image[(np.abs(beside) < half) & (along > 0.0) & (along < reach)] = colour
            if colour == LINK:
                image[np.hypot(across - x, down - y) < 9.0] = JOINT
            x, y = x + reach * c, y + reach * s
    image[np.hypot(across - x, down - y) < 8.0 * load ** (1 / 3)] = LOAD
    return image
