"""Draw the marks in the image of the tracking world, for ``render``."""

from __future__ import annotations

import numpy as np

__all__ = ["SCALE", "draw"]

SCALE = 4
MARK, TARGET = (255, 255, 255), (90, 230, 90)


def draw(image: np.ndarray, target: tuple[float, float, float], radius: float) -> np.ndarray:
    """Draw a cross in the middle of the camera's view, and a ring around the target. Return ``image``.

    image : (SCALE rows, SCALE columns, 3) uint8, the camera's view; updated
    target : pixel x and y of the target's centre, and its depth (behind the camera if <= 0)
    radius : radius of the ring [pixels]
    """
    rows, columns = image.shape[:2]
    x, y, depth = target
    if depth > 0.0:  # a target outside of the picture is marked at its border
        x = min(max((x + 0.5) * SCALE, 0.0), columns - 1.0)
        y = min(max((y + 0.5) * SCALE, 0.0), rows - 1.0)
        distance = np.hypot(np.arange(columns)[None, :] - x, np.arange(rows)[:, None] - y)
        image[np.abs(distance - (radius + 2.0) * SCALE) < 1.0] = TARGET
    middle_y, middle_x = rows // 2, columns // 2
    for low, high in ((-16, -4), (4, 16)):
        image[middle_y + low : middle_y + high, middle_x - 1 : middle_x + 1] = MARK
        image[middle_y - 1 : middle_y + 1, middle_x + low : middle_x + high] = MARK
    return image
