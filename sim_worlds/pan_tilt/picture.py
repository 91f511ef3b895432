"""A picture of a tracking world for people."""

from __future__ import annotations

import numpy as np

from ..sensors.view import with_events

__all__ = ["draw"]

SCALE = 4
MARK, TARGET = (255, 255, 255), (90, 230, 90)


def draw(
    log_intensity: np.ndarray, recent: np.ndarray, sign: np.ndarray, target: tuple[float, float, float], radius: float
) -> np.ndarray:
    """The intensity in grey, recent events over it, a cross in the middle and a ring around the target.

    Parameters
    ----------
    log_intensity, recent, sign : see `with_events`
    target : pixel x and y of its centre, and its depth (behind the camera if <= 0)
    radius : of the ring [pixels]

    Returns
    -------
    (4 rows, 4 columns, 3) uint8
    """
    rows, columns = log_intensity.shape
    image = with_events(log_intensity, recent, sign, 70.0, SCALE)
    x, y, depth = target
    if depth > 0.0:  # a target outside of the picture is marked at its border
        x = min(max((x + 0.5) * SCALE, 0.0), columns * SCALE - 1.0)
        y = min(max((y + 0.5) * SCALE, 0.0), rows * SCALE - 1.0)
        distance = np.hypot(np.arange(columns * SCALE)[None, :] - x, np.arange(rows * SCALE)[:, None] - y)
        image[np.abs(distance - (radius + 2.0) * SCALE) < 1.0] = TARGET
    middle_y, middle_x = rows * SCALE // 2, columns * SCALE // 2
    for low, high in ((-16, -4), (4, 16)):
        image[middle_y + low : middle_y + high, middle_x - 1 : middle_x + 1] = MARK
        image[middle_y - 1 : middle_y + 1, middle_x + low : middle_x + high] = MARK
    return image
