"""Filters of an events input: what an encoder does not get to see, in the order in which they are given.

Each looks at the events that those before it left, counts what it removes, and runs in the tick: the same in a
simulation, in a replay and on a robot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DescriptionError
from ..network.graph import check_size

__all__ = ["BackgroundActivity", "EventFilter", "HotPixels", "Polarity", "RateLimit", "Refractory", "Region"]

LONGEST = 1000.0  # s, of a period or a window: times of pixels are kept modulo 4295 s
MOST_EVENTS = 1e12  # a second, or in a burst


class EventFilter:
    """Base of all descriptions of filters; subclasses are frozen dataclasses."""

    def check(self, path: str, width: int, height: int) -> None:
        """Raise DescriptionError where it does not fit a sensor of that size; ``path`` is where it stands."""


@dataclass(frozen=True)
class Region(EventFilter):
    """Keeps a rectangle of the sensor.

    x, y : its first column and row [pixel]
    width, height : [pixel]
    """

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        for key in ("x", "y"):
            value = getattr(self, key)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
                raise DescriptionError(key, value, "must be a whole number >= 0")
        check_size("width", self.width)
        check_size("height", self.height)

    def check(self, path: str, width: int, height: int) -> None:
        for key, first, size, whole in (("width", self.x, self.width, width), ("height", self.y, self.height, height)):
            if first + size > whole:
                rule = f"must end within the sensor ({width} x {height}): at most {max(0, whole - first)} from {first}"
                raise DescriptionError(f"{path}.{key}", size, rule)


@dataclass(frozen=True, eq=False)
class HotPixels(EventFilter):
    """Removes the events of pixels that fire without light: a mask, or the pixels one by one.

    mask : (height, width), not 0 where a pixel is hot; ``snn_control events hot-pixels`` learns one
    pixels : (n, 2), column and row of each
    """

    mask: Any = None
    pixels: Any = None

    def __post_init__(self) -> None:
        if (self.mask is None) == (self.pixels is None):
            raise DescriptionError("mask", self.mask, "give a mask or pixels")
        if self.mask is not None:
            mask = np.asarray(self.mask)
            if mask.ndim != 2 or mask.dtype.kind not in "biu":
                raise DescriptionError(
                    "mask", f"shape {mask.shape}, dtype {mask.dtype}", "must be (height, width) bool"
                )
            object.__setattr__(self, "mask", (mask != 0).astype(np.uint8))
        else:
            pixels = np.asarray(self.pixels)
            if pixels.ndim != 2 or pixels.shape[1] != 2 or pixels.dtype.kind not in "iu" or pixels.min(initial=0) < 0:
                raise DescriptionError("pixels", self.pixels, "must be a list of [column, row], whole numbers >= 0")

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
        """(height, width) bool."""
        if self.mask is not None:
            return np.asarray(self.mask) != 0
        hot = np.zeros((height, width), bool)
        pixels = np.asarray(self.pixels)
        hot[pixels[:, 1], pixels[:, 0]] = True
        return hot


def _check_time(path: str, value: Any) -> None:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 1e-6 <= value <= LONGEST:
        raise DescriptionError(path, value, f"must be from 1e-06 s to {LONGEST:g} s")


@dataclass(frozen=True)
class Refractory(EventFilter):
    """Removes an event less than ``period`` after the last one that it left of the same pixel.

    Times count in whole microseconds. An event that is older than the pixel's last by the period or more (a recording
    that begins again) counts as a new one.

    period : [s]
    each_polarity : ON and OFF events of a pixel wait apart, not together
    """

    period: float
    each_polarity: bool = False

    def __post_init__(self) -> None:
        _check_time("period", self.period)


@dataclass(frozen=True)
class BackgroundActivity(EventFilter):
    """Removes events that nothing happened around: keeps one if at least ``support`` of its pixel's 8 neighbours had an
    event, kept or not, within ``window`` (Delbruck 2008, "Frame-free dynamic digital vision").

    window : [s], of sensor time, in whole microseconds
    support : 1 to 8
    """

    window: float
    support: int = 1

    def __post_init__(self) -> None:
        _check_time("window", self.window)
        if not isinstance(self.support, int) or isinstance(self.support, bool) or not 1 <= self.support <= 8:
            raise DescriptionError("support", self.support, "must be a whole number from 1 to 8")


@dataclass(frozen=True)
class Polarity(EventFilter):
    """Keeps the events of one polarity.

    keep : "on" or "off"
    """

    keep: str

    def __post_init__(self) -> None:
        if self.keep not in ("on", "off"):
            raise DescriptionError("keep", self.keep, "must be 'on' or 'off'")


@dataclass(frozen=True)
class RateLimit(EventFilter):
    """Lets through ``rate`` events a second and at most ``burst`` in a tick; what is too much is thinned evenly.

    A tick adds rate x period to a budget that holds at most ``burst``, and uses it up. Of n events of which the budget
    has m, every n/m-th is kept, by an accumulator, without random numbers.

    rate : [1/s]
    burst : most events in a tick; None: rate x period, at least 1
    """

    rate: float
    burst: float | None = None

    def __post_init__(self) -> None:
        for key, least in (("rate", 0.0), ("burst", 1.0)):
            value = getattr(self, key)
            if value is None and key == "burst":
                continue
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not least <= value <= MOST_EVENTS or value == 0:
                rule = f"must be {'> 0' if least == 0 else '>= 1'} and at most {MOST_EVENTS:g}"
                raise DescriptionError(key, value, rule)
