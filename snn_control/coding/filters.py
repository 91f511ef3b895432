"""Filters of an events input, which remove events before the encoder.

Filters run in the order of the list. Each filter receives the events that earlier filters passed, and counts the events
that it removes. Filters are part of the tick, so they give identical results in simulation, in replay and on a robot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ..errors import DescriptionError
from ..network.checks import Checked, Flag, Numbers, OneOf, Size, Whole

__all__ = ["BackgroundActivity", "EventFilter", "HotPixels", "Polarity", "RateLimit", "Refractory", "Region"]

#: a time of a pixel; times are stored modulo 4295 s
Period = Annotated[float, Numbers(least=1e-6, most=1000, unit="s")]
MOST_EVENTS = 1e12  # limit per second, or in a burst


class EventFilter(Checked):
    """Base class of event filters. Subclasses are frozen dataclasses."""

    def check(self, path: str, width: int, height: int) -> None:
        """Raise DescriptionError, which names ``path``, if the filter does not fit a sensor of this size [pixel]."""


@dataclass(frozen=True)
class Region(EventFilter):
    """Passes only the events in a rectangle of the sensor.

    x : first column [pixel]
    y : first row [pixel]
    width, height : size of the rectangle [pixel]
    """

    x: Annotated[int, Whole(0)]
    y: Annotated[int, Whole(0)]
    width: Size
    height: Size

    def check(self, path: str, width: int, height: int) -> None:
        for key, first, size, whole in (("width", self.x, self.width, width), ("height", self.y, self.height, height)):
            if first + size > whole:
                rule = f"must end within the sensor ({width} x {height}): at most {max(0, whole - first)} from {first}"
                raise DescriptionError(f"{path}.{key}", size, rule)


@dataclass(frozen=True, eq=False)
class HotPixels(EventFilter):
    """Removes the events of hot pixels, which fire without a change of light. Set either ``mask`` or ``pixels``.

    mask : array (height, width), not 0 at hot pixels; ``snn_control events hot-pixels`` computes a mask from a
        recording
    pixels : array (n, 2) of the column and row of each hot pixel
    """

    mask: Any = None
    pixels: Any = None

    def __post_init__(self) -> None:
        if (self.mask is None) == (self.pixels is None):
            raise self.wrong("mask", "give a mask or pixels")
        if self.mask is not None:
            mask = np.asarray(self.mask)
            if mask.ndim != 2 or mask.dtype.kind not in "biu":
                wrong = f"shape {mask.shape}, dtype {mask.dtype}"
                raise DescriptionError("mask", wrong, "must be (height, width) bool")
            object.__setattr__(self, "mask", (mask != 0).astype(np.uint8))
        else:
            pixels = np.asarray(self.pixels)
            if pixels.ndim != 2 or pixels.shape[1] != 2 or pixels.dtype.kind not in "iu" or pixels.min(initial=0) < 0:
                raise self.wrong("pixels", "must be a list of [column, row], whole numbers >= 0")

    def check(self, path: str, width: int, height: int) -> None:
        if self.mask is not None and np.shape(self.mask) != (height, width):
            rule = f"must be (height, width) of the sensor, ({height}, {width})"
            raise DescriptionError(f"{path}.mask", f"shape {np.shape(self.mask)}", rule)
        if self.pixels is not None:
            for k, (x, y) in enumerate(np.asarray(self.pixels)):
                if x >= width or y >= height:
                    rule = f"must lie on the sensor ({width} x {height})"
                    raise DescriptionError(f"{path}.pixels[{k}]", [int(x), int(y)], rule)

    def hot(self, width: int, height: int) -> np.ndarray:
        """Return the mask of hot pixels as a (height, width) bool array."""
        if self.mask is not None:
            return np.asarray(self.mask) != 0
        hot = np.zeros((height, width), bool)
        pixels = np.asarray(self.pixels)
        hot[pixels[:, 1], pixels[:, 0]] = True
        return hot


@dataclass(frozen=True)
class Refractory(EventFilter):
    """Removes an event if less than ``period`` has passed since the last event of the same pixel that was not removed.

    Times are in whole microseconds. An event also passes if its time is at least a period before the pixel's last
    event, because the recording may have restarted.

    period : refractory period of each pixel [s]
    each_polarity : whether ON and OFF events of a pixel have separate refractory periods
    """

    period: Period
    each_polarity: Flag = False


@dataclass(frozen=True)
class BackgroundActivity(EventFilter):
    """Removes isolated events, which are probably noise (Delbruck 2008, "Frame-free dynamic digital vision").

    An event passes if at least ``support`` of the 8 neighbouring pixels had their last event within ``window``.
    Neighbours' events count even if the filter removed them.

    window : largest difference of sensor time [s], in whole microseconds
    support : number of active neighbouring pixels that an event needs, 1 to 8
    """

    window: Period
    support: Annotated[int, Whole(1, 8)] = 1


@dataclass(frozen=True)
class Polarity(EventFilter):
    """Passes only the events of one polarity.

    keep : polarity that passes, "on" or "off"
    """

    keep: Annotated[str, OneOf("on", "off")]


@dataclass(frozen=True)
class RateLimit(EventFilter):
    """Passes at most ``rate`` events per second and ``burst`` events per tick. It removes further events evenly.

    Each tick adds rate x period to a budget of at most ``burst`` events, and subtracts the events that pass. If the
    budget allows only m of a tick's n events, every n/m-th event passes on average, without random numbers.

    rate : maximum average number of events per second [1/s]
    burst : maximum number of events in a tick; None means rate x period, at least 1
    """

    rate: Annotated[float, Numbers(least=0, strict=True, most=MOST_EVENTS)]
    burst: Annotated[float, Numbers(least=1, most=MOST_EVENTS)] | None = None
