"""Convert pixel values to log intensity."""

from __future__ import annotations

import numpy as np

from snn_control.engine.camera.frames import FLOOR, LUMA, grey_logarithms
from snn_control.errors import InputError

__all__ = ["FLOOR", "log_intensity"]


def log_intensity(image: np.ndarray, gamma: float = 1.0) -> np.ndarray:
    """Return the log intensity of an 8-bit image, float32, from -3.93 (black) to 0 (white).

    The log intensity is ``ln((I + FLOOR) / (1 + FLOOR))``. Here ``I``, from 0 to 1, is the linear luminance ``(value /
    255) ** gamma``; for a colour image, it is a weighted sum over the three colours.

    image : (rows, columns) grey or (rows, columns, 3) red, green, blue, uint8
    gamma : exponent that makes pixel values linear in luminance: 1 for pictures of a renderer, 2.2 for photographs and
        videos
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise InputError(f"image: must be (rows, columns) or (rows, columns, 3) uint8, is {image.shape} {image.dtype}")
    if image.ndim == 2:
        return grey_logarithms(256, gamma)[image]
    linear = ((np.arange(256) / 255.0) ** gamma).astype(np.float32)
    mixed = sum(np.float32(weight) * linear[image[:, :, k]] for k, weight in enumerate(LUMA))
    return np.log((mixed + np.float32(FLOOR)) * np.float32(1.0 / (1.0 + FLOOR)))
