"""Project directions into the image of a camera without distortion (`Pinhole`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from snn_control.errors import DescriptionError

__all__ = ["Pinhole"]


@dataclass(frozen=True)
class Pinhole:
    """A pinhole camera with square pixels, whose optical axis passes through the middle of the image.

    Pixel (0, 0) is at the top left; x points to the right, y down. A vector in the camera's frame is (forward, left,
    up), as in REP-103.

    width, height : size of the picture [pixels]
    view : horizontal field of view [rad]
    """

    width: int = 128
    height: int = 128
    view: float = math.radians(60.0)

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            side = getattr(self, name)
            if isinstance(side, bool) or not isinstance(side, int) or not 1 <= side <= 8192:
                raise DescriptionError(name, side, "must be a whole number from 1 to 8192")
        if not 0.01 <= self.view <= 3.0:
            raise DescriptionError("view", self.view, "must be from 0.01 to 3 rad")

    @property
    def focal(self) -> float:
        """Focal length [pixels]."""
        return 0.5 * self.width / math.tan(0.5 * self.view)

    @property
    def centre(self) -> tuple[float, float]:
        """Coordinates x, y of the optical axis in the image [pixels]."""
        return 0.5 * (self.width - 1), 0.5 * (self.height - 1)

    @property
    def vertical_view(self) -> float:
        """Vertical field of view [rad]."""
        return 2.0 * math.atan(0.5 * self.height / self.focal)

    def pixel(self, forward: float, left: float, up: float) -> tuple[float, float, float]:
        """Project a vector: return its position x, y in the image [pixels], and its depth.

        The vector is in front of the camera if the depth is > 0.
        """
        scale = self.focal / forward if forward != 0.0 else math.inf
        return self.centre[0] - left * scale, self.centre[1] - up * scale, forward

    def angles(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the angles of all columns, (width,), and rows, (height,), from the optical axis [rad].

        The angles are positive to the left and upwards.
        """
        x, y = (np.arange(side) - middle for side, middle in zip((self.width, self.height), self.centre))
        return -np.arctan(x / self.focal), -np.arctan(y / self.focal)
