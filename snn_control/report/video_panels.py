"""Draw the panels of video frames, fast, with NumPy and Pillow: recent spikes, commands and text."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..errors import RuntimeFault, optional
from ..events.frames import BACK
from .kit import thin
from .table import number

__all__ = ["COMMAND", "INK", "LINES", "MUTED", "Box", "Raster", "Strips", "blank", "paste", "with_words", "write"]

INK, MUTED, GROUND, GRID = (232, 236, 240), (160, 169, 178), (34, 39, 46), (48, 56, 66)
#: the colours of `watch.colours.PALETTE`, in its order, lightened for a dark background
LIGHT = ("46a0f0", "f06e2d", "00be8c", "e28cbc", "f2b428", "82d2f5", "ac82d7", "afafaf")
LINES = [tuple(bytes.fromhex(colour)) for colour in LIGHT]
COMMAND = (240, 228, 66)  # not used for populations
MOST_STRIPS = 6  # most numbers of a command that are drawn
HEAD = 22  # pixels for the text of a strip
NAMES, VALUES = 136, 52  # pixels for text beside spikes and commands


def import_pillow() -> Any:
    """Import and return the module PIL.Image. Raises RuntimeFault with installation instructions if it is missing."""
    return optional("PIL.Image", "pictures of events need Pillow", "report", RuntimeFault)


class Box(NamedTuple):
    """A rectangle in an image [pixel]."""

    x: int
    y: int
    width: int
    height: int


def blank(width: int, height: int) -> Any:
    """Return an empty Pillow image with the background colour."""
    return import_pillow().new("RGB", (width, height), GROUND)


@lru_cache(maxsize=8)
def font(size: int) -> Any:
    """Return Pillow's default font in a size [pixel]."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def write(picture: Any, x: float, y: float, text: str, colour: tuple = INK, size: int = 14, anchor: str = "la") -> None:
    """Write text into an image at the point (x, y).

    anchor : two letters. The first is l, m or r: x is the left end, the middle or the right end of the text. The second
        is a, m or s: y is the top, the middle or the base line
    """
    from PIL import ImageDraw

    ImageDraw.Draw(picture).text((x, y), text, fill=colour, font=font(size), anchor=anchor)


def paste(picture: Any, box: Box, image: np.ndarray) -> int:
    """Draw ``image`` into a box of ``picture``, centred and as large as fits. Return its first column [pixel]."""
    rows, columns = image.shape[:2]
    scale = min(box.width / columns, box.height / rows)
    rows, columns = max(1, int(rows * scale)), max(1, int(columns * scale))
    x, y = box.x + (box.width - columns) // 2, box.y + (box.height - rows) // 2
    Image = import_pillow()
    picture.paste(Image.fromarray(image).resize((columns, rows), Image.NEAREST), (x, y))
    return x


def with_words(
    image: np.ndarray, height: int, size: int, words: Sequence[tuple[str, tuple, str]], width: int = 0
) -> np.ndarray:
    """Return an image with a strip of text below it, ``height`` pixels high.

    words : list of (text, colour, anchor); the anchor is "lm" for left, "mm" for centred or "rm" for right
    width : minimum width of the result [pixel]; a narrower image is centred
    """
    rows, columns = image.shape[:2]
    picture = blank(max(columns, width), rows + height)
    picture.paste(import_pillow().fromarray(image), ((picture.width - columns) // 4 * 2, 0))
    places = {"lm": 8, "mm": picture.width / 2, "rm": picture.width - 8}
    for text, colour, anchor in words:
        write(picture, places[anchor], rows + height / 2, text, colour, size, anchor)
    return np.asarray(picture)


class Recent(deque):
    """A queue of pairs (time [s], data), from which pairs older than ``span`` seconds are removed."""

    def __init__(self, span: float) -> None:
        super().__init__()
        self.span = span

    def add(self, t: float, what: Any) -> None:
        while self and self[0][0] <= t - self.span:
            self.popleft()
        self.append((t, what))


class Raster:
    """Draws the spikes of the last ``span`` seconds, in one band for each population.

    The height of a band grows with the square root of the population's size.

    populations : name -> number of neurons
    colours : name -> index in `LINES`; by default in the order of the populations
    """

    def __init__(
        self, box: Box, populations: Mapping[str, int], span: float, colours: Mapping[str, int] | None = None
    ) -> None:
        self.box, self.populations = box, dict(populations)
        sizes = np.maximum(np.array(list(self.populations.values()) or [1]), 1)
        gap = 3
        shares = np.maximum(np.sqrt(sizes), 0.1 * np.sqrt(sizes).sum())
        self._heights = np.maximum(1, np.floor((box.height - gap * len(sizes)) * shares / shares.sum())).astype(int)
        self._tops = np.concatenate([[0], np.cumsum(self._heights + gap)[:-1]])
        self._scale = self._heights / sizes
        self._colours = [LINES[(colours or {}).get(name, k) % len(LINES)] for k, name in enumerate(self.populations)]
        self._spikes = Recent(span)  # rows and colours

    def add(self, t: float, spikes: Mapping[str, np.ndarray]) -> None:
        """Add the spikes at the time t [s]: name of a population -> (n,) indices of neurons."""
        for k, name in enumerate(self.populations):
            if len(neurons := spikes.get(name, ())):
                rows = self._tops[k] + (np.asarray(neurons) * self._scale[k]).astype(np.int32)
                self._spikes.add(t, (rows, np.full((len(rows), 3), self._colours[k], np.uint8)))

    def draw(self, picture: Any, t: float) -> None:
        """Draw the bands with their names. The right end of the bands is the time t [s]."""
        dots = np.full((self.box.height, self.box.width - NAMES, 3), GROUND, np.uint8)
        for name, top, height, colour in zip(self.populations, self._tops, self._heights, self._colours):
            dots[top : top + height] = BACK
            x, y = self.box.x + NAMES - 8, self.box.y + top + height / 2
            text, small = (name if len(name) <= 14 else name[:13] + "…"), height < 36
            write(picture, x, y - (0 if small else 9), text, colour, 16, "rm")
            if not small:
                write(picture, x, y + 9, number(self.populations[name]), MUTED, 14, "rm")
        if self._spikes:
            self._draw_dots(dots, t)
        picture.paste(import_pillow().fromarray(dots), (self.box.x + NAMES, self.box.y))

    def _draw_dots(self, dots: np.ndarray, t: float) -> None:
        rows, colours = (np.concatenate(parts) for parts in zip(*(what for _, what in self._spikes)))
        ages = np.repeat([t - when for when, _ in self._spikes], [len(what[0]) for _, what in self._spikes])
        height, width = dots.shape[:2]
        columns = width - 2 - (ages / self._spikes.span * width).astype(np.int64)
        seen = columns >= 0
        rows, columns, colours = rows[seen], columns[seen], colours[seen]
        side = 1 if len(rows) >= 4000 else 2 if len(rows) >= 800 else 3  # fewer spikes, larger dots
        for y, x in np.ndindex(side, side):
            dots[np.minimum(rows + y, height - 1), np.minimum(columns + x, width - 1)] = colours


class Strips:
    """Plots the last ``span`` seconds of several signals, each in a strip with a separate scale.

    labels : names of the signals
    limits : lower and upper end of the scale of each signal. If a limit is infinite or exceeded, the scale is the range
        of the values so far. A scale never shrinks
    """

    def __init__(
        self, box: Box, labels: Sequence[str], span: float, limits: Sequence[tuple[float, float]] = ()
    ) -> None:
        self.box, self.labels = box, list(labels[:MOST_STRIPS])
        self._left_out = len(labels) - len(self.labels)
        self._given = Recent(span)  # numbers
        ends, given = np.zeros((len(self.labels), 2)), np.array(limits[: len(self.labels)]).reshape(-1, 2)
        ends[: len(given)] = np.where(np.isfinite(given), given, 0.0)
        self._low, self._high = np.minimum(ends[:, 0], 0.0), np.maximum(ends[:, 1], 0.0)

    def add(self, t: float, values: np.ndarray) -> None:
        """Add the values of all signals from the time t [s] on, until the next call."""
        values = values[: len(self.labels)].copy()
        self._given.add(t, values)
        np.minimum(self._low, values, out=self._low)
        np.maximum(self._high, values, out=self._high)

    def draw(self, picture: Any, t: float) -> None:
        """Draw lines, names and present values. The right end of the strips is the time t [s]."""
        times, values = np.array([when for when, _ in self._given]), np.array([row for _, row in self._given])
        ages = (t - times) / self._given.span
        for k in range(len(self.labels)):
            height = self.box.height // len(self.labels)
            strip = Box(self.box.x + VALUES, self.box.y + k * height, self.box.width - VALUES, height - 4)
            self._draw_strip(picture, strip, k, ages, values[:, k])
        if self._left_out:
            write(picture, self.box.x + self.box.width, self.box.y - 4, f"{self._left_out} more", MUTED, 14, "rs")

    def _draw_strip(self, picture: Any, box: Box, k: int, ages: np.ndarray, values: np.ndarray) -> None:
        from PIL import ImageDraw

        draw, low, high, right = ImageDraw.Draw(picture), float(self._low[k]), float(self._high[k]), box.x + box.width
        draw.rectangle((box.x, box.y, right - 1, box.y + box.height - 1), fill=BACK)
        write(picture, box.x + 6, box.y + 2, self.labels[k], COMMAND, 16)
        write(picture, right - 6, box.y + 2, f"{values[-1]:+.3g}", COMMAND, 16, "ra")
        if box.height >= 2 * HEAD:  # the text has a place of its own
            box = Box(box.x, box.y + HEAD, box.width, box.height - HEAD)
        room = 0.08 * (high - low) or 1.0
        y = np.interp(np.append(values, 0.0), [low - room, high + room], [box.y + box.height - 1, box.y])
        draw.line((box.x, y[-1], right - 1, y[-1]), fill=GRID)
        if len(ages) > 1:
            line = np.stack([right - 2 - ages * box.width, y[:-1]], axis=1)[thin(len(ages), box.width)]
            draw.line(line.reshape(-1).tolist(), fill=COMMAND, width=2)
        write(picture, box.x - 6, y[-1], "0", MUTED, 14, "rm")
        if box.height >= 50:
            for value, at in ((high, box.y + 7), (low, box.y + box.height - 7)):
                if abs(at - y[-1]) > 14:
                    write(picture, box.x - 6, at, number(value), MUTED, 14, "rm")
