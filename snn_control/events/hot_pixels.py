"""Find hot pixels in a recording: pixels of an event camera that fire without a cause.

A pixel is hot if it has more events than a threshold, and more than ``rate`` events per second. The threshold is the
median number of events of the active pixels, plus ``deviations`` times the robust deviation. Active pixels are those
with at least one event. The robust deviation is 1.4826 times the median absolute deviation, which estimates the
standard deviation of a normal distribution. It is at least the square root of the median, the standard deviation of a
Poisson count.

Record a still scene, or cover the lens, because a pixel under a moving edge can fire as often as a hot pixel.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import DescriptionError
from ..files import replace_file
from .columns import MOST_PIXELS, Events

__all__ = ["DEVIATIONS", "RATE", "HotPixelMask", "learn_hot_pixels", "save_mask"]

DEVIATIONS, RATE = 10.0, 10.0
SHORT, MANY = 1.0, 0.1  # shortest recording [s] and largest share of hot pixels without a warning
PAUSE = 1_000_000_000  # ns; a longer time between two events is a jump of the clock, and counts as this time


@dataclass(frozen=True, eq=False)
class HotPixelMask:
    """The result of `learn_hot_pixels`.

    mask : (height, width) bool, true if the pixel is hot
    counts : (height, width) int64, number of events of each pixel
    duration : length of the recording [s]
    threshold : number of events above which a pixel is hot
    """

    mask: np.ndarray
    counts: np.ndarray
    duration: float
    threshold: float

    @property
    def pixels(self) -> np.ndarray:
        """Column and row of each hot pixel, (n, 2) int64, sorted by the number of events, most events first."""
        rows, columns = np.nonzero(self.mask)
        order = np.argsort(-self.counts[rows, columns], kind="stable")
        return np.stack([columns, rows], axis=1)[order]

    @property
    def warnings(self) -> list[str]:
        """Reasons why the mask may be wrong, one line each: a short recording, or very many hot pixels."""
        lines = []
        if self.duration < SHORT:
            lines.append(f"{self.duration:.3g} s is short: pixels busy for a moment look hot; record some seconds")
        hot, active = int(self.mask.sum()), int(np.count_nonzero(self.counts))
        if hot > MANY * active:
            much = f"{hot:,} of {active:,} active pixels are masked: something may have moved"
            lines.append(f"{much}; cover the lens, or raise the limits")
        return lines


def learn_hot_pixels(
    chunks: Iterable[Events], width: int, height: int, deviations: float = DEVIATIONS, rate: float = RATE
) -> HotPixelMask:
    """Count the events of each pixel, and find the hot pixels, which have far more events than the others.

    chunks : events in the order of their arrival; events outside the frame are ignored
    width, height : size of the sensor [pixel]
    deviations : distance of the threshold from the median, in robust deviations (see the module)
    rate : minimum rate of a hot pixel [1/s]

    Raise DescriptionError if there are no events, or if the sensor has more pixels than a camera can have.
    """
    if width * height > MOST_PIXELS:
        rule = f"is more than {MOST_PIXELS:,} pixels, which no camera has"
        raise DescriptionError("width, height", (width, height), rule, "give width and height")
    counts, duration, last = np.zeros(width * height, np.int64), 0, None
    for events in chunks:
        if not len(events):
            continue
        inside = (events.x < width) & (events.y < height)
        pixel = events.y[inside].astype(np.int64) * width + events.x[inside]
        counts += np.bincount(pixel, minlength=counts.size)
        before = events.ns[0] if last is None else last
        duration += int(np.clip(np.diff(events.ns, prepend=before), 0, PAUSE).sum())
        last = events.ns[-1]
    if not counts.any():
        raise DescriptionError("events", 0, "there is nothing to learn from")
    active = counts[counts > 0]
    median = float(np.median(active))
    deviation = max(1.4826 * float(np.median(np.abs(active - median))), median**0.5)
    threshold = max(median + deviations * deviation, rate * duration / 1e9)
    picture = counts.reshape(height, width)
    return HotPixelMask(picture > threshold, picture, duration / 1e9, threshold)


def save_mask(path: str | os.PathLike, found: HotPixelMask) -> None:
    """Write the mask and its statistics to an .npz file, for a filter ``{type: hot_pixels, mask: file.npz#mask}``."""
    numbers = {"duration": np.array(found.duration), "threshold": np.array(found.threshold)}
    arrays = {"mask": found.mask, "counts": found.counts, **numbers}
    replace_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]
