"""The pixels of a simulated event camera: their memory, and their random thresholds and leakage."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...coding.camera_model import CameraModel
from .pixels import NEVER, RADIX, STATE

__all__ = ["MAX_SHOTS", "MAX_SIDE_PX", "PixelArray"]

MAX_SIDE_PX = 8192  # largest width and height [pixel]
MAX_SHOTS = 500.0  # noise events per row and step, because exp(-500) still fits float64


class PixelArray:
    """The memory of all pixels, on which the compiled function `pixels.observe` works.

    size : width and height [pixel]
    model : thresholds, speed and noise of the pixels
    state, last, sign, clock, scratch : arrays that are arguments of `pixels.observe`
    """

    def __init__(self, size: tuple[int, int], model: CameraModel) -> None:
        self.size, self.model = (int(size[0]), int(size[1])), model
        width, height = self.size
        candidates = max(1 << 16, 4 * width * height)
        self.state = np.zeros((len(STATE), height, width), np.float32)
        self.last = np.full(width * height, NEVER, np.int64)
        self.sign = np.zeros(width * height, np.uint8)
        self.clock = np.array([0, 0, 0, round(model.refractory * 1e9)], np.int64)
        self._when, self._what = np.zeros((2, candidates), np.int32), np.zeros((2, candidates), np.int32)
        flags = np.zeros(-(-width // 64) * 64, np.uint8)
        self.scratch = self._when, self._what, np.zeros(RADIX, np.int32), flags, np.zeros(width, np.float32)
        self.numbers = np.zeros(4)
        self.key: Any = np.uint64(0)

    def adapt(self, picture: np.ndarray, seed: int) -> None:
        """Reset all pixels to pixels that have adapted to a picture, and draw new thresholds, leakage and noise.

        picture : (height, width) float32, log intensity
        """
        m, shape = self.model, picture.shape
        self.numbers[:] = m.cutoff, m.white, m.shot, m.shot_bright
        rng = np.random.Generator(np.random.Philox(key=seed))
        on, off, leak = (rng.standard_normal(shape) for _ in range(3))
        self.state[0:2] = picture
        self.state[3] = np.maximum(m.threshold_on + m.sigma * on, 0.01)
        self.state[4] = np.maximum(m.threshold_off + m.sigma * off, 0.01)
        self.state[5] = m.leak * np.maximum(1.0 + m.leak_spread * leak, 0.0) * self.state[3]
        # a leaking pixel starts at a random point between two events; without leakage it starts at its reference
        self.state[2] = rng.random(shape) * self.state[3] if m.leak else 0.0
        self.key = np.uint64(rng.integers(0, 2**64, dtype=np.uint64))
        self.rest()

    def rest(self) -> None:
        """Set the camera's clock to 0, and forget the last event of each pixel."""
        self.last[:] = NEVER
        self.sign[:] = 0
        self.clock[:2] = 0
