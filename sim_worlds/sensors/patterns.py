"""A moving pattern whose events can be counted by hand, for first experiments with the event camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Bar"]


@dataclass(frozen=True)
class Bar:
    """A vertical bar that moves to the right over a background of log intensity 0, and reappears on the left.

    size : width and height of the picture [pixels]
    contrast : log intensity of the bar
    width : width of the bar [pixels]
    speed : speed of the bar [pixels/s]
    edge : width of the bar's edges [pixels]
    """

    size: tuple[int, int]
    contrast: float = 1.0
    width: float = 8.0
    speed: float = 100.0
    edge: float = 2.0

    def picture(self, t: float) -> np.ndarray:
        """Return the log intensity at time ``t`` [s] as a (height, width) float32 array."""
        columns = self.size[0]
        away = (np.arange(columns) - self.speed * t + 0.5 * columns) % columns - 0.5 * columns
        cover = np.clip((0.5 * self.width - np.abs(away)) / self.edge + 0.5, 0.0, 1.0)
        return np.ascontiguousarray(np.broadcast_to(self.contrast * cover, self.size[::-1]), np.float32)
