"""Draw cart, pole and rail as an image, for ``render``."""

from __future__ import annotations

import math

import numpy as np

from .robot import FORCE, HALF, RAIL

__all__ = ["draw"]

SCALE = 120.0  # pixels a metre
WIDTH, HEIGHT = 480, 288
RAIL_ROW = HEIGHT // 2
BACK, RAIL_COLOUR, CART, POLE, PUSH = (250, 250, 250), (120, 120, 120), (60, 90, 140), (210, 120, 40), (60, 160, 80)


def draw(place: float, angle: float, force: float) -> np.ndarray:
    """Draw the rail with its ends, cart, pole, and a bar for the force. Return an RGB image, (288, 480, 3) uint8.

    place : position of the cart [m]
    angle : angle of the pole [rad]
    force : force of the motor [N]
    """
    image = np.full((HEIGHT, WIDTH, 3), BACK, np.uint8)
    middle = WIDTH // 2
    end = round(RAIL * SCALE)
    image[RAIL_ROW - 1 : RAIL_ROW + 1, middle - end : middle + end] = RAIL_COLOUR
    for side in (middle - end - 16, middle + end + 12):  # place of the cart's edge at an end
        image[RAIL_ROW - 14 : RAIL_ROW + 14, side : side + 4] = RAIL_COLOUR
    x = middle + place * SCALE
    left = min(max(round(x) - 14, 0), WIDTH - 28)
    image[RAIL_ROW - 8 : RAIL_ROW + 8, left : left + 28] = CART
    push = sorted((round(x), round(x + 60.0 * force / FORCE)))
    image[RAIL_ROW + 11 : RAIL_ROW + 15, max(push[0], 0) : max(push[1], 0)] = PUSH
    across, down = np.arange(WIDTH)[None, :] - x, np.arange(HEIGHT)[:, None] - RAIL_ROW
    along = across * math.sin(angle) - down * math.cos(angle)  # pixels from the hinge
    beside = across * math.cos(angle) + down * math.sin(angle)
    image[(np.abs(beside) < 3.0) & (along > -3.0) & (along < 2.0 * HALF * SCALE)] = POLE
    return image
