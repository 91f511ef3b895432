"""What an event camera sees, as a picture for people."""

from __future__ import annotations

import numpy as np

from snn_control.events.frames import OFF, ON

__all__ = ["grey", "with_events"]


def grey(log_intensity: np.ndarray, exposure: float) -> np.ndarray:
    """(..., 3) uint8 of a log intensity (...); ``exposure``: what 0 becomes."""
    brightness = np.clip(exposure * np.exp(log_intensity), 0.0, 255.0).astype(np.uint8)
    return np.repeat(brightness[..., None], 3, axis=-1)


def with_events(
    log_intensity: np.ndarray, recent: np.ndarray, sign: np.ndarray, exposure: float, scale: int
) -> np.ndarray:
    """The intensity in grey, and recent events over it.

    Parameters
    ----------
    log_intensity : (rows, columns) float32
    recent : (rows, columns) bool, pixels with a recent event
    sign : (rows, columns) uint8, polarity of that event (ON 1)
    exposure : brightness of log intensity 0
    scale : length of a pixel's side in the picture

    Returns
    -------
    (scale rows, scale columns, 3) uint8
    """
    picture = grey(log_intensity, exposure)
    picture[recent & (sign == 1)] = ON
    picture[recent & (sign == 0)] = OFF
    return np.repeat(np.repeat(picture, scale, axis=0), scale, axis=1)
