"""Moving patterns whose events can be counted by hand: for tests and first experiments with a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Bar", "Grating"]


@dataclass(frozen=True)
class Grating:
    """``L = mean + amplitude * sin(2 pi (u / wavelength - frequency t))``, u along ``direction``.

    size : width and height [pixels]
    amplitude : of the log intensity
    wavelength : [pixels]
    frequency : periods that pass a pixel in a second [Hz]
    direction : of the motion, 0 to the right, pi / 2 down [rad]
    """

    size: tuple[int, int]
    amplitude: float = 0.5
    wavelength: float = 32.0
    frequency: float = 5.0
    direction: float = 0.0
    mean: float = 0.0

    def phase(self) -> np.ndarray:
        """(height, width) float64, phase of a pixel at t = 0 [rad]."""
        x, y = np.meshgrid(np.arange(self.size[0]), np.arange(self.size[1]))
        return 2.0 * math.pi * (x * math.cos(self.direction) + y * math.sin(self.direction)) / self.wavelength

    def picture(self, t: float) -> np.ndarray:
        """(height, width) float32, log intensity at ``t`` [s]."""
        wave = np.sin(self.phase() - 2.0 * math.pi * self.frequency * t)
        return (self.mean + self.amplitude * wave).astype(np.float32)


@dataclass(frozen=True)
class Bar:
    """A vertical bar that moves to the right over a background of log intensity 0, and returns on the left.

    size : width and height [pixels]
    contrast : log intensity of the bar
    width : of the bar [pixels]
    speed : [pixels/s]
    edge : width of its edges [pixels]
    """

    size: tuple[int, int]
    contrast: float = 1.0
    width: float = 8.0
    speed: float = 100.0
    edge: float = 2.0

    def picture(self, t: float) -> np.ndarray:
        """(height, width) float32, log intensity at ``t`` [s]."""
        columns = self.size[0]
        away = (np.arange(columns) - self.speed * t + 0.5 * columns) % columns - 0.5 * columns
        cover = np.clip((0.5 * self.width - np.abs(away)) / self.edge + 0.5, 0.0, 1.0)
        return np.ascontiguousarray(np.broadcast_to(self.contrast * cover, self.size[::-1]), np.float32)
