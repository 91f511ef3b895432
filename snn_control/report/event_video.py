"""Videos of events: of a recording, and of a controller that sees it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import TracebackType

import numpy as np

from ..errors import InputError
from ..events import Events, Recording
from ..events.frames import Painter, enlarge, fitting, likely_size, mixed, painter
from .video_file import VideoWriter
from .video_panels import INK, MUTED, Box, Pen, Raster, Strips, blank, stretch

__all__ = ["ReplayVideo", "event_moments", "part_of", "speed_for", "style_for", "write_event_video"]

SILENCE = 2.0  # seconds of a video that show nothing; the rest of a longer gap is left out
STRIP = 26  # pixels below the picture: time, rate, speed


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
    """Write a video of events and return how many pictures it has; 0 and no file where there are no events.

    path : .mp4, .gif or .png (contact sheet), see `VideoWriter`
    source : an open recording, or events in their order, at once or in pieces
    fps : pictures a second of the video
    speed : seconds of the recording a second of the video; 0.1 is slow motion
    style : "polarity", "surface" or "grey", see `events.frames`
    start, stop : the part that is shown [s after the first event]
    size : (width, height) of the sensor [pixel]; None: what the source says, else the likely one of what is seen first
    most : (width, height) of the picture at most [pixel]; small sensors are enlarged by a whole number,
        large ones shrunk, for .mp4 to dots of 2 x 2 pixels and more: those of one would lose their colours
    progress : is called with the time that was reached [s after the first event]

    Raises
    ------
    InputError : a style, fps or speed that is none
    DescriptionError, RuntimeFault : as `VideoWriter`
    """
    window = _window(fps, speed)
    pieces = _pieces(source)
    first = next(pieces, None)
    if first is None:
        return 0
    size = size or size_of(first)
    with VideoWriter(path, fps) as writer:
        shrink, times = fitting(*size, (most[0] // writer.dot, most[1] // writer.dot))
        drawn, times = painter(style, *size, shrink), times * writer.dot
        pieces = chain([first], pieces)
        for t, shown, seconds in _slices(pieces, drawn, window, start, stop, round(SILENCE * fps)):
            writer.add(_with_strip(enlarge(drawn.image(t[1]), times), t[0] * 1e-9, seconds, shown, speed))
            if progress is not None:
                progress(t[0] * 1e-9)
    return writer.pictures


def event_moments(
    source: Recording | Events | Iterable[Events],
    times: Sequence[float],
    seconds: float,
    *,
    style: str = "polarity",
    size: tuple[int, int] | None = None,
    most: tuple[int, int] = (400, 300),
) -> list[tuple[float, np.ndarray]]:
    """Pictures of some moments [s after the first event], each of the ``seconds`` before it: (time, picture).

    Other arguments, and what is raised, as in `write_event_video`; no pictures where there are no events.
    """
    pieces = _pieces(source)
    first = next(pieces, None)
    if first is None:
        return []
    size = size or size_of(first)
    painters = [painter(style, *size, fitting(*size, most)[0]) for _ in times]
    origin = int(first.ns[0])
    for t, piece in _steady(chain([first], pieces)):
        for moment, drawn in zip(times, painters):
            begin = moment - max(seconds, drawn.memory)
            low, high = np.searchsorted(t, [begin * 1e9, moment * 1e9])
            if low < high:
                drawn.add(piece[low:high])
    return [(moment, drawn.image(origin + round(moment * 1e9))) for moment, drawn in zip(times, painters)]


def part_of(source: Recording | Events | Iterable[Events], start: float, stop: float) -> Iterator[Events]:
    """The events from ``start`` to before ``stop`` [s after the first event]."""
    for t, piece in _steady(_pieces(source)):
        low, high = np.searchsorted(t, [start * 1e9, stop * 1e9])
        if low < high:
            yield piece[low:high]
        if high < len(t):
            return


def size_of(first: Events) -> tuple[int, int]:
    """(width, height) of the sensor: what the events say, else the likely one."""
    if first.width and first.height:
        return first.width, first.height
    return likely_size(int(first.x.max()) + 1, int(first.y.max()) + 1)


def _steady(pieces: Iterable[Events]) -> Iterator[tuple[np.ndarray, Events]]:
    """Each piece with its times [ns after the first event] on a clock that stands still where it would step back."""
    origin = latest = None
    for piece in pieces:
        t = piece.ns
        if origin is None or latest is None:
            origin = latest = int(t[0])
        t = np.maximum(np.maximum.accumulate(t), latest)
        latest = int(t[-1])
        yield t - origin, piece


def _window(fps: float, speed: float) -> float:
    """ns of the recording that one picture shows."""
    for name, value in (("fps", fps), ("speed", speed)):
        if not 0 < value < np.inf:
            raise InputError(f"{name} = {value!r}: must be positive and finite")
    return speed / fps * 1e9


def _pieces(source: Recording | Events | Iterable[Events]) -> Iterator[Events]:
    if isinstance(source, Events):
        source = [source]
    elif isinstance(source, Recording):
        source = source.chunks()
    return (piece for piece in source if len(piece))


def _slices(
    pieces: Iterable[Events], drawn: Painter, window: float, start: float, stop: float, silence: int
) -> Iterator[tuple[tuple[int, int], int, float]]:
    """Gives the painter the events of a picture, then says its end (ns after the first event, ns of the sensor's
    clock), how many events it has and its seconds."""
    k = shown = quiet = origin = 0

    def edge(k: int) -> int:
        return round(start * 1e9 + (k + 1) * window)

    for t, piece in _steady(pieces):
        if t[0] == 0 and not origin:
            origin = int(piece.ns[0])
        low, high = np.searchsorted(t, [start * 1e9, stop * 1e9])
        while low < high:
            if t[low] >= edge(k):  # this picture is whole
                yield (edge(k), edge(k) + origin), shown, window * 1e-9
                quiet = quiet + 1 if shown == 0 else 0
                k, shown = k + 1, 0
                if quiet >= silence:
                    k, quiet = max(k, int((t[low] - start * 1e9) // window)), 0
                continue
            end = min(high, int(np.searchsorted(t, edge(k))))
            drawn.add(piece[low:end])
            shown, low = shown + end - low, end
        if high < len(t):
            break
    if shown:
        yield (edge(k), edge(k) + origin), shown, window * 1e-9


def _digits(seconds: float) -> int:
    """Of a time in s, so that pictures so far apart have other times."""
    return min(9, max(3, 1 - int(np.floor(np.log10(seconds)))))


def _rate(events_a_second: float) -> str:
    for scale, unit in ((1e6, "M"), (1e3, "k")):
        if events_a_second >= scale:
            return f"{events_a_second / scale:.2f} {unit}events/s"
    return f"{events_a_second:.0f} events/s"


def _time(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def _speed(speed: float) -> str:
    return "real time" if speed == 1 else f"{speed:g} x real time"


def _with_strip(image: np.ndarray, t: float, seconds: float, shown: int, speed: float) -> np.ndarray:
    """The picture, and below it what it shows; as wide as the words need."""
    rows, columns = image.shape[:2]
    canvas = blank(max(columns, 320), rows + STRIP)
    left, middle = (canvas.shape[1] - columns) // 4 * 2, rows + STRIP / 2
    canvas[:rows, left : left + columns] = image
    pen = Pen(canvas, Box(0, rows, canvas.shape[1], STRIP))
    pen.text(8, middle, f"{t:.{_digits(seconds)}f} s", INK, 14, "lm")
    pen.text(canvas.shape[1] / 2, middle, _rate(shown / seconds), INK, 14, "mm")
    pen.text(canvas.shape[1] - 8, middle, _speed(speed), MUTED, 14, "rm")
    pen.done()
    return canvas


# --- a controller that sees -----------------------------------------------------------------------

WIDTH, HEIGHT = 1280, 720
EVENTS, POOLED = Box(12, 66, 792, 392), Box(816, 66, 452, 392)
SPIKES, COMMANDS = Box(12, 490, 716, 210), Box(740, 490, 528, 210)
HEADING = Box(0, 0, WIDTH, EVENTS.y)
SPIKES_SPAN, COMMANDS_SPAN = 0.5, 2.0  # s; in slow motion less, no more than this many seconds of the video:
SPIKES_SHOWN, COMMANDS_SHOWN = 2.5, 10.0
LEAST_SECONDS = 4.0  # of a video whose speed nobody gave
FEW = 1000  # events of a picture


def speed_for(seconds: float) -> float:
    """1, or as much slower (1, 2 or 5 times a power of ten) as makes a video long enough to look at."""
    wanted = seconds / LEAST_SECONDS
    if wanted >= 1.0 or wanted <= 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return float(f"{power * max(step for step in (1, 2, 5) if step * power <= 1.1 * wanted):.3g}")


def style_for(events: int, seconds: float, speed: float, fps: float = 30.0) -> str:
    """``polarity``; in slow motion, where its pictures would be all but empty, ``surface``."""
    of_a_picture = events * speed / fps / max(seconds, 1e-9)
    return "surface" if speed < 1 and of_a_picture < FEW else "polarity"


class ReplayVideo:
    """A video of a controller at work: events, pooled input, spikes and commands, side by side.

    ``add`` every tick, or those that are to be seen; then ``close``. A picture is drawn where one is due, all else is
    kept in memory of bounded size. Used with ``with``, an exception leaves no file.

    Parameters
    ----------
    path : .mp4, .gif or .png (contact sheet), see `VideoWriter`
    size : (width, height) of the sensor [pixel]
    outputs : what each number of the command is called, e.g. ``["pan [rad/s]", "tilt [rad/s]"]``
    populations : name -> neurons, of all whose spikes will be given, inputs whose encoder spikes included
    period : of a tick [s]
    fps : pictures a second of the video
    speed : seconds of the controller a second of the video
    style : of the events' picture: "polarity", "surface" or "grey"
    title : shown above
    limits : low and high of each number of the command, for its scale; where infinite or not given, of what was seen
    colours : of populations, see `video_panels.Raster`

    Raises
    ------
    InputError : a style, fps, speed or period that is none
    DescriptionError, RuntimeFault : as `VideoWriter`
    """

    def __init__(
        self,
        path: str | os.PathLike,
        size: tuple[int, int],
        outputs: Sequence[str],
        populations: Mapping[str, int],
        period: float,
        fps: float = 30.0,
        speed: float = 1.0,
        *,
        style: str = "polarity",
        title: str = "",
        limits: Sequence[tuple[float, float]] = (),
        colours: Mapping[str, int] | None = None,
    ) -> None:
        self._window = _window(fps, speed) * 1e-9  # s
        if not 0 < period < np.inf:
            raise InputError(f"period = {period!r}: must be positive and finite [s]")
        self.size, self.period, self.speed = size, period, speed
        self._painter = painter(style, *size, fitting(*size, EVENTS[2:])[0])
        self._spans = min(SPIKES_SPAN, SPIKES_SHOWN * speed), min(COMMANDS_SPAN, COMMANDS_SHOWN * speed)
        self._raster = Raster(SPIKES, populations, self._spans[0], colours)
        rows = int(np.ceil(self._spans[1] / period))
        self._strips = Strips(COMMANDS, outputs, self._spans[1], rows, limits)
        self._ground = self._draw_ground(title)
        self._pooled: np.ndarray | None = None
        self._brightest = 0.0
        self._first = self._last = -1
        self._drawn = self._count = self._counted_from = 0
        self._silence = round(SILENCE * fps)
        self._writer = VideoWriter(path, fps)

    def _draw_ground(self, title: str) -> np.ndarray:
        canvas = blank(WIDTH, HEIGHT)
        self._raster.ground(canvas)
        self._strips.ground(canvas)
        pen = Pen(canvas)
        self._raster.ground(canvas, pen)
        pen.text(12, 8, title or "replay", INK, 20)
        heads = (
            (SPIKES, f"spikes, last {_time(self._spans[0])}"),
            (COMMANDS, f"commands, last {_time(self._spans[1])}"),
        )
        for box, text in heads:
            pen.text(box.x, box.y - 7, text, MUTED, 17, "ls")
        pen.done()
        return canvas

    @property
    def pictures(self) -> int:
        """How many there are so far."""
        return self._writer.pictures

    def add(
        self,
        tick: int,
        events: Events | None,
        pooled: np.ndarray | None,
        spikes: Mapping[str, np.ndarray],
        command: np.ndarray,
    ) -> None:
        """What happened in one tick.

        tick : its number, larger than the last one's
        events : that the controller was given in it; None: none. Their times are not used, the tick's is
        pooled : (rows, columns), or (2, rows, columns) with ON first: what the network was given for them; None:
            nothing
        spikes : name -> (n,) indices of the neurons that fired in the tick, as often as they did
        command : (number of outputs,)

        Raises
        ------
        InputError : a tick that is not after the last one, a population that was not named, another shape of pooled
        """
        if tick <= self._last:
            raise InputError(f"tick = {tick}: must be after the last one, {self._last}")
        if unknown := set(spikes) - set(self._raster.populations):
            raise InputError(f"spikes = {sorted(unknown)}: must be of {', '.join(self._raster.populations)}")
        self._first = tick if self._first < 0 else self._first
        self._last = tick
        t = (tick - self._first + 1) * self.period  # its end
        if events is not None and len(events):
            self._painter.add(replace(events, t=np.full(len(events), round(t * 1e9)), unit="ns"))
            self._count += len(events)
        if pooled is not None:
            if self._pooled is None:
                self._pooled = np.zeros(np.shape(pooled))
            if np.shape(pooled) != self._pooled.shape:
                raise InputError(f"pooled = {np.shape(pooled)}: must be {self._pooled.shape} as before")
            self._pooled += pooled
        self._raster.add(t, spikes)
        self._strips.add(t, np.asarray(command).reshape(-1))
        due = int((t + 0.5e-9) / self._window) - self._drawn
        if due > 0:
            self._draw(t, due)

    def _draw(self, t: float, due: int) -> None:
        seconds = max(self.period, (self._last + 1 - self._first) * self.period - self._counted_from * self.period)
        image = self._compose(t, self._count / seconds)
        for _ in range(min(due, self._silence)):  # several where a tick is longer than a picture
            self._writer.add(image)
        self._drawn += due
        self._count, self._counted_from = 0, self._last + 1 - self._first
        if self._pooled is not None:
            self._pooled[:] = 0

    def _compose(self, t: float, rate: float) -> np.ndarray:
        canvas = self._ground.copy()
        left = [_paste(canvas, EVENTS, self._painter.image(round(t * 1e9))), POOLED.x]
        if self._pooled is not None:
            left[1] = _paste(canvas, POOLED, self._pooled_picture(self._pooled))
        self._raster.draw(canvas, t)
        pen = Pen(canvas, COMMANDS)
        self._strips.draw(pen, t)
        pen.done()
        pen = Pen(canvas, HEADING)
        seen = f"events, {self.size[0]} x {self.size[1]}, {_rate(rate)}"
        for x, text in zip(left, (seen, "input of the network")):
            pen.text(x, EVENTS.y - 7, text, MUTED, 17, "ls")
        pen.text(WIDTH - 12, 8, f"{t:.{_digits(self._window)}f} s   {_speed(self.speed)}", INK, 20, "ra")
        pen.done()
        return canvas

    def _pooled_picture(self, pooled: np.ndarray) -> np.ndarray:
        """As bright as the strongest twentieth of the fields so far; what is negative in the colour of OFF."""
        on, off = pooled if pooled.ndim == 3 else (np.maximum(pooled, 0), np.maximum(-pooled, 0))
        given = np.abs(pooled[pooled != 0])
        if given.size:
            self._brightest = max(float(np.percentile(given, 95)), self._brightest)
        scale = self._brightest or 1.0
        return mixed(*(np.sqrt(np.minimum(np.abs(n) / scale, 1.0)) for n in (on, off)))

    def close(self) -> None:
        """Draw what is left and write the file."""
        t = (self._last - self._first + 1) * self.period
        if self._first >= 0 and self._counted_from < self._last - self._first + 1:
            self._draw(t, 1)
        self._writer.close()

    def __enter__(self) -> ReplayVideo:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._writer.__exit__(kind)


def _paste(canvas: np.ndarray, box: Box, image: np.ndarray) -> int:
    """The picture as large as fits into the box, in its middle; returns the column at which it begins."""
    rows, columns = image.shape[:2]
    scale = min(box.width / columns, box.height / rows)
    rows, columns = max(1, int(rows * scale)), max(1, int(columns * scale))
    y, x = box.y + (box.height - rows) // 2, box.x + (box.width - columns) // 2
    canvas[y : y + rows, x : x + columns] = stretch(image, rows, columns)
    return x
