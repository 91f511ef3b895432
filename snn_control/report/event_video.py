"""Render recorded events as videos and images."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from ..errors import InputError
from ..events import Events, Recording
from ..events.frames import Painter, enlarge, fitting, likely_size, painter
from ..events.slicing import part
from .kit import rate_prefix
from .table import number
from .video_file import VideoWriter
from .video_panels import INK, MUTED, with_words

__all__ = ["event_moments", "part_of", "speed_for", "style_for", "write_event_video"]

SILENCE = 2.0  # maximum seconds of a video without events; the rest of a longer gap is left out
STRIP, NARROWEST = 26, 320  # pixels of the strip below the picture: its height, and the smallest width for its text
MOMENT = (400, 300)  # largest width and height of a single picture [pixel]
LEAST_SECONDS = 4.0  # shortest video at the default speed
FEW = 1000  # few events for a picture


def write_event_video(
    path: str | os.PathLike,
    source: Recording | Events | Iterable[Events],
    *,
    fps: float = 30.0,
    speed: float = 1.0,
    style: str = "polarity",
    start: float = 0.0,
    stop: float = float("inf"),
    size: tuple[int, int] | None = None,
    most: tuple[int, int] = (1280, 960),
    progress: Callable[[float], object] | None = None,
) -> int:
    """Write a video of events. Return the number of frames; without events, return 0 and write no file.

    path : .mp4, .gif or .png (contact sheet), see `VideoWriter`
    source : an open recording, or events in order, as one array of events or in chunks
    fps : frames per second of the video
    speed : seconds of the recording per second of the video; 0.1 is slow motion
    style : "polarity", "surface" or "grey", see `events.frames`
    start, stop : time interval to show [s after the first event]
    size : (width, height) of the sensor [pixel]; None uses the size that the source states or, if it states none, a
        likely size for the first events
    most : maximum (width, height) of a frame [pixel]. Frames of small sensors are enlarged by a whole number; frames of
        large sensors are reduced. In .mp4, a dot has at least 2 x 2 pixels, because smaller dots would lose their
        colour
    progress : function that is called with the present time [s after the first event]

    Raises
    ------
    InputError : if style, fps or speed is invalid
    DescriptionError, RuntimeFault : as `VideoWriter` raises them
    """
    window = picture_ns(fps, speed)
    if (opened := _opened(source, size)) is None:
        return 0
    pieces, size, origin = opened
    with VideoWriter(path, fps) as writer:
        shrink, times = fitting(*size, (most[0] // writer.dot, most[1] // writer.dot))
        drawn, times = painter(style, *size, shrink), times * writer.dot
        seen = part_of(pieces, start, stop)
        for t, shown in _slices(seen, origin, drawn, window, start, round(SILENCE * fps)):
            words = [
                (f"{t * 1e-9:.{decimals_for(window * 1e-9)}f} s", INK, "lm"),
                (rate_text(shown / (window * 1e-9)), INK, "mm"),
                (speed_text(speed), MUTED, "rm"),
            ]
            image = enlarge(drawn.image(origin + t), times)
            writer.add(with_words(image, STRIP, 14, words, NARROWEST))
            if progress is not None:
                progress(t * 1e-9)
    return writer.pictures


def event_moments(
    source: Recording | Events | Iterable[Events],
    times: Sequence[float],
    seconds: float,
    *,
    style: str = "polarity",
    size: tuple[int, int] | None = None,
) -> list[tuple[float, np.ndarray]]:
    """Return images of the events before several times: a list of (time, image (rows, columns, 3) uint8).

    times : times of the images [s after the first event]
    seconds : duration, before its time, whose events an image shows [s]

    Without events, the list is empty. Other arguments and exceptions are the same as for `write_event_video`.
    """
    if (opened := _opened(source, size)) is None:
        return []
    pieces, size, origin = opened
    painters = [painter(style, *size, fitting(*size, MOMENT)[0]) for _ in times]
    for piece in pieces:
        t = (piece.ns - origin) * 1e-9
        for moment, drawn in zip(times, painters):
            drawn.add(piece[(t >= moment - max(seconds, drawn.memory)) & (t < moment)])
    return [(moment, drawn.image(origin + round(moment * 1e9))) for moment, drawn in zip(times, painters)]


def part_of(source: Recording | Events | Iterable[Events], start: float, stop: float) -> Iterator[Events]:
    """Yield the events from ``start`` to before ``stop`` [s after the first event], in chunks that are not empty."""
    if isinstance(source, Recording):
        source = source.chunks()
    pieces = [source] if isinstance(source, Events) else source
    return part(pieces, start or None, stop if math.isfinite(stop) else None)


def _opened(
    source: Recording | Events | Iterable[Events], size: tuple[int, int] | None
) -> tuple[Iterator[Events], tuple[int, int], int] | None:
    """Return a source's chunks, its sensor's (width, height) and its first event's time [ns]; None without events."""
    pieces = part_of(source, 0.0, math.inf)
    first = next(pieces, None)
    if first is None:
        return None
    if size is None and first.width and first.height:
        size = first.width, first.height
    size = size or likely_size(int(first.x.max()) + 1, int(first.y.max()) + 1)
    return chain([first], pieces), size, int(first.ns[0])


def picture_ns(fps: float, speed: float) -> float:
    """Return the duration of the recording that one frame shows [ns]."""
    for name, value in (("fps", fps), ("speed", speed)):
        if not 0 < value < np.inf:
            raise InputError(f"{name} = {value!r}: must be positive and finite")
    return speed / fps * 1e9


def _slices(
    pieces: Iterable[Events], origin: int, drawn: Painter, window: float, start: float, silence: int
) -> Iterator[tuple[int, int]]:
    """Pass the events of each frame to the painter ``drawn``. Yield the end time and number of events of each frame.

    The end time is in ns after ``origin``. If the sensor's clock steps back, the time stays constant.

    window : duration of a frame [ns]
    silence : number of frames without events after which the rest of a gap is skipped
    """
    k = shown = quiet = latest = 0

    def edge(k: int) -> int:
        return round(start * 1e9 + (k + 1) * window)

    for piece in pieces:
        t = np.maximum(np.maximum.accumulate(piece.ns - origin), latest)
        low, latest = 0, int(t[-1])
        while low < len(t):
            if t[low] >= edge(k):  # this picture is complete
                yield edge(k), shown
                quiet = quiet + 1 if shown == 0 else 0
                k, shown = k + 1, 0
                if quiet >= silence:
                    k, quiet = max(k, int((t[low] - start * 1e9) // window)), 0
                continue
            end = int(np.searchsorted(t, edge(k)))
            drawn.add(piece[low:end])
            shown, low = shown + end - low, end
    if shown:
        yield edge(k), shown


def decimals_for(seconds: float) -> int:
    """Return the number of decimals with which times [s] that are ``seconds`` apart have different texts."""
    return min(9, max(3, 1 - int(np.floor(np.log10(seconds)))))


def rate_text(events_a_second: float) -> str:
    scale, prefix = rate_prefix(events_a_second)
    return f"{number(events_a_second / scale)} {prefix}events/s"


def speed_text(speed: float) -> str:
    return "real time" if speed == 1 else f"{speed:g} x real time"


def speed_for(seconds: float) -> float:
    """Return the speed of a video: 1, or a slower one (1, 2 or 5 times a power of ten) for a short recording."""
    wanted = seconds / LEAST_SECONDS
    if wanted >= 1.0 or wanted <= 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return float(f"{power * max(step for step in (1, 2, 5) if step * power <= 1.1 * wanted):.3g}")


def style_for(events: int, seconds: float, speed: float, fps: float = 30.0) -> str:
    """Return the style for a video: ``polarity``, or ``surface`` for slow motion.

    In slow motion, frames of the style ``polarity`` would be almost empty.
    """
    of_a_picture = events * speed / fps / max(seconds, 1e-9)
    return "surface" if speed < 1 and of_a_picture < FEW else "polarity"
