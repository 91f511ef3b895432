"""Parts of a video's picture: spikes and commands of the last moments, drawn with numpy and Pillow, many a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..events.frames import BACK
from .kit import thin
from .table import number
from .video_file import import_pillow

__all__ = ["COMMAND", "INK", "LINES", "MUTED", "Box", "Pen", "Raster", "Strips", "blank", "with_words"]

INK, MUTED, GROUND, GRID = (232, 236, 240), (160, 169, 178), (34, 39, 46), (48, 56, 66)
#: the colours of `canvas.PALETTE`, in its order, light enough for a dark ground
LINES = [
    (70, 160, 240),
    (240, 110, 45),
    (0, 190, 140),
    (226, 140, 188),
    (242, 180, 40),
    (130, 210, 245),
    (172, 130, 215),
    (175, 175, 175),
]
COMMAND = (240, 228, 66)  # no population has it
MOST_STRIPS = 6  # numbers of a command that are drawn
HEAD = 22  # pixels for the words of a strip
NAMES = 136  # pixels for the names of populations, left of their spikes


class Box(NamedTuple):
    """A rectangle of the picture [pixel]."""

    x: int
    y: int
    width: int
    height: int


@lru_cache(maxsize=8)
def font(size: int) -> Any:
    """The typeface that Pillow brings."""
    import_pillow()
    from PIL import ImageFont

    return ImageFont.load_default(size)


class Pen:
    """Text and lines on a part of a picture: the part is copied, and written back by `done`. In pixels of the picture.

    canvas : (rows, columns, 3) uint8
    """

    def __init__(self, canvas: np.ndarray, box: Box | None = None) -> None:
        from PIL import ImageDraw

        box = box or Box(0, 0, canvas.shape[1], canvas.shape[0])
        self._part = canvas[box.y : box.y + box.height, box.x : box.x + box.width]
        self._corner = np.array([box.x, box.y])
        self._image = import_pillow().Image.fromarray(self._part)
        self._draw = ImageDraw.Draw(self._image)

    def text(self, x: float, y: float, text: str, colour: tuple = INK, size: int = 14, anchor: str = "la") -> None:
        """``anchor``: l, m or r of the text at x, and a (its top), m or s (its base line) at y."""
        text = text.replace("\u202f", " ")  # not in this typeface
        place = (x - self._corner[0], y - self._corner[1])
        self._draw.text(place, text, fill=colour, font=font(size), anchor=anchor)

    def line(self, points: np.ndarray, colour: tuple, width: int = 1) -> None:
        """Through (n, 2) points x, y."""
        self._draw.line((points - self._corner).reshape(-1).tolist(), fill=colour, width=width)

    def fill(self, box: Box, colour: tuple) -> None:
        x, y = (int(side) for side in (box.x, box.y) - self._corner)
        self._draw.rectangle((x, y, x + box.width - 1, y + box.height - 1), fill=colour)

    def done(self) -> None:
        self._part[:] = np.asarray(self._image)


class Raster:
    """Spikes of the last ``span`` seconds, a band a population, as high as the root of its size.

    populations : name -> neurons
    colours : name -> place in `LINES`; else in the order of the populations
    """

    def __init__(
        self, box: Box, populations: Mapping[str, int], span: float, colours: Mapping[str, int] | None = None
    ) -> None:
        self.box, self.span, self.populations = box, span, dict(populations)
        self.inner = Box(box.x + NAMES, box.y, box.width - NAMES, box.height)
        sizes = np.maximum(np.array(list(self.populations.values()) or [1]), 1)
        gap = 3
        shares = np.maximum(np.sqrt(sizes), 0.1 * np.sqrt(sizes).sum())
        self._heights = np.maximum(1, np.floor((box.height - gap * len(sizes)) * shares / shares.sum())).astype(int)
        self._tops = box.y + np.concatenate([[0], np.cumsum(self._heights + gap)[:-1]])
        self._scale = self._heights / sizes
        places = [(colours or {}).get(name, k) % len(LINES) for k, name in enumerate(self.populations)]
        self._colours = np.array([LINES[k] for k in places] or LINES[:1], np.uint8)
        self._places = {name: k for k, name in enumerate(self.populations)}
        self._spikes: deque[tuple[float, int, np.ndarray]] = deque()  # time, colour, rows

    def add(self, t: float, spikes: Mapping[str, np.ndarray]) -> None:
        """The spikes at the time t [s]: name -> (n,) indices."""
        while self._spikes and self._spikes[0][0] <= t - self.span:
            self._spikes.popleft()
        for name, neurons in spikes.items():
            if len(neurons):
                k = self._places[name]
                rows = self._tops[k] + (np.asarray(neurons) * self._scale[k]).astype(np.int32)
                self._spikes.append((t, k, rows))

    def ground(self, pen: Pen) -> None:
        """What does not change: bands and names."""
        for k, (name, size) in enumerate(self.populations.items()):
            x, y, height = self.inner.x, int(self._tops[k]), int(self._heights[k])
            pen.fill(Box(x, y, self.inner.width, height), BACK)
            text, small = (name if len(name) <= 14 else name[:13] + "…"), height < 36
            pen.text(x - 8, y + height / 2 - (0 if small else 9), text, tuple(self._colours[k].tolist()), 16, "rm")
            if not small:
                pen.text(x - 8, y + height / 2 + 9, number(size), MUTED, 14, "rm")

    def draw(self, canvas: np.ndarray, t: float) -> None:
        """The dots, up to the time t [s] at the right."""
        if not self._spikes:
            return
        lengths = [len(rows) for _, _, rows in self._spikes]
        rows = np.concatenate([rows for _, _, rows in self._spikes])
        ages = np.repeat([t - when for when, _, _ in self._spikes], lengths)
        colours = self._colours[np.repeat([k for _, k, _ in self._spikes], lengths)]
        columns = self.inner.width - 2 - (ages / self.span * self.inner.width).astype(np.int64)
        seen = columns >= 0
        rows, columns, colours = rows[seen], columns[seen] + self.inner.x, colours[seen]
        side = 1 if len(rows) >= 4000 else 2 if len(rows) >= 800 else 3  # fewer spikes, larger dots
        bottom, right = self.box.y + self.box.height - 1, self.box.x + self.box.width - 1
        for y, x in np.ndindex(side, side):
            canvas[np.minimum(rows + y, bottom), np.minimum(columns + x, right)] = colours


class Strips:
    """Numbers over the last ``span`` seconds, each in a strip with a scale of its own.

    labels : what the numbers are called
    limits : low and high of each number; where infinite, and beyond them, what was seen so far. A scale never shrinks.
    """

    def __init__(
        self, box: Box, labels: Sequence[str], span: float, limits: Sequence[tuple[float, float]] = ()
    ) -> None:
        self.box, self.labels, self.span = box, list(labels[:MOST_STRIPS]), span
        self.inner = Box(box.x + 52, box.y, box.width - 52, box.height)
        self._left_out = len(labels) - len(self.labels)
        self._given: deque[tuple[float, np.ndarray]] = deque()  # time, numbers
        self._low, self._high = (np.zeros(len(self.labels)) for _ in range(2))
        for k, (low, high) in enumerate(limits[: len(self.labels)]):
            self._low[k] = min(0.0, low) if np.isfinite(low) else 0.0
            self._high[k] = max(0.0, high) if np.isfinite(high) else 0.0

    def add(self, t: float, values: np.ndarray) -> None:
        """The numbers from the time t [s] on."""
        while self._given and self._given[0][0] <= t - self.span:
            self._given.popleft()
        self._given.append((t, values[: len(self.labels)].copy()))
        np.minimum(self._low, self._given[-1][1], out=self._low)
        np.maximum(self._high, self._given[-1][1], out=self._high)

    def _strip(self, k: int) -> Box:
        height = self.box.height // len(self.labels)
        return Box(self.inner.x, self.box.y + k * height, self.inner.width, height - 4)

    def ground(self, pen: Pen) -> None:
        """What does not change."""
        for k in range(len(self.labels)):
            pen.fill(self._strip(k), BACK)

    def draw(self, pen: Pen, t: float) -> None:
        """Lines, names and the values of now, up to the time t [s] at the right."""
        times, values = np.array([when for when, _ in self._given]), np.array([row for _, row in self._given])
        x = self.inner.x + self.inner.width - 2 - (t - times) / self.span * self.inner.width
        for k in range(len(self.labels)):
            self._draw_strip(pen, k, x, values[:, k])
        if self._left_out:
            pen.text(self.box.x + self.box.width, self.box.y - 4, f"{self._left_out} more", MUTED, 14, "rs")

    def _draw_strip(self, pen: Pen, k: int, x: np.ndarray, values: np.ndarray) -> None:
        box, low, high = self._strip(k), float(self._low[k]), float(self._high[k])
        pen.text(box.x + 6, box.y + 2, self.labels[k], COMMAND, 16)
        if box.height >= 2 * HEAD:  # the words have a place of their own
            box = Box(box.x, box.y + HEAD, box.width, box.height - HEAD)
        room = 0.08 * (high - low) or 1.0
        y = np.interp(np.append(values, 0.0), [low - room, high + room], [box.y + box.height - 1, box.y])
        pen.line(np.array([[box.x, y[-1]], [box.x + box.width - 1, y[-1]]]), GRID)
        if len(x) > 1:
            pen.line(np.stack([x, y[:-1]], axis=1)[thin(len(x), self.inner.width)], COMMAND, 2)
        pen.text(box.x - 6, y[-1], "0", MUTED, 14, "rm")
        if box.height >= 50:
            for value, at in ((high, box.y + 7), (low, box.y + box.height - 7)):
                if abs(at - y[-1]) > 14:
                    pen.text(box.x - 6, at, number(value), MUTED, 14, "rm")
        pen.text(box.x + box.width - 6, self._strip(k).y + 2, f"{values[-1]:+.3g}", COMMAND, 16, "ra")


def with_words(
    image: np.ndarray, height: int, size: int, words: Sequence[tuple[str, tuple, str]], width: int = 0
) -> np.ndarray:
    """The picture, and below it a strip of so many pixels with words in it.

    words : (text, colour, anchor); "lm" stands at the left, "mm" in the middle, "rm" at the right
    width : of the whole at least [pixel]; the picture then stands in its middle
    """
    rows, columns = image.shape[:2]
    canvas = blank(max(columns, width), rows + height)
    width = canvas.shape[1]
    left = (width - columns) // 4 * 2
    canvas[:rows, left : left + columns] = image
    pen, places = Pen(canvas, Box(0, rows, width, height)), {"lm": 8, "mm": width / 2, "rm": width - 8}
    for text, colour, anchor in words:
        pen.text(places[anchor], rows + height / 2, text, colour, size, anchor)
    pen.done()
    return canvas


def blank(width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 of the ground between the panels."""
    return np.full((height, width, 3), GROUND, np.uint8)
