"""Render videos of a controller that runs on events, with events, the network's input, spikes and commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..analysis.event_replay import Fitted, play
from ..analysis.synapses import sizes_of
from ..coding import EventsInput
from ..controller import Controller
from ..controller_file import ControllerSpec
from ..controller_file.names import output_names
from ..errors import InputError
from ..events import Events
from ..events.frames import fitting, mixed, painter
from ..events.slicing import Tick
from ..watch.colours import colour_places
from .event_video import SILENCE, decimals_for, picture_ns, rate_text, speed_for, speed_text, style_for
from .video_file import VideoWriter
from .video_panels import INK, MUTED, Box, Raster, Strips, blank, paste, write

__all__ = ["ReplayVideo", "command_ranges", "write_replay_video"]

WIDTH, HEIGHT = 1280, 720
EVENTS, POOLED = Box(12, 66, 792, 392), Box(816, 66, 452, 392)
SPIKES, COMMANDS = Box(12, 490, 716, 210), Box(740, 490, 528, 210)
SPIKES_SPAN, COMMANDS_SPAN = 0.5, 2.0  # s shown; in slow motion at most this many seconds of the video:
SPIKES_SHOWN, COMMANDS_SHOWN = 2.5, 10.0

WIDE = 0.25  # a number that uses a smaller fraction of its limits gets a scale of its own


def write_replay_video(
    path: str | os.PathLike,
    fitted: Fitted,
    ticks: Iterable[Tick],
    arrays: Mapping[str, np.ndarray],
    speed: float | None = None,
    title: str = "",
    progress: Callable[[int], Any] = lambda index: None,
) -> int:
    """Write a video of a replayed recording: events, spikes and commands of the controller.

    Return the number of frames.

    ticks : the replayed events, divided into ticks as in the run
    arrays : ``command``, ``spike_step``, ``spike_population``, ``spike_neuron`` and ``population_names`` of the run.
        The network's input is not recorded; a second instance of the controller computes this input again
    speed : seconds of the recording per second of the video; None: 1, or slower if the video would be short
    progress : function that is called with the index of each tick

    Raises the errors of `ReplayVideo`.
    """
    spec, camera = fitted.spec, fitted.camera
    controller = Controller.from_spec(spec)
    names = arrays["population_names"].tolist()
    sizes = {name: size for name, size in sizes_of(controller.program).items() if name in names}
    tick_of = arrays["spike_step"] // controller.program.steps
    outputs = output_names(spec, units=True)
    limits = command_ranges(spec, arrays["command"])
    lasts = len(arrays["command"]) * spec.period
    speed = speed or speed_for(lasts)
    style = style_for(int(np.sum(arrays.get("tick_events", 0))), lasts, speed)
    with ReplayVideo(path, camera.size, outputs, sizes, spec.period, speed=speed, style=style, title=title,
                     limits=limits, colours=colour_places(spec)) as video:  # fmt: skip
        for tick in play(controller, fitted, ticks):
            if tick.index >= len(arrays["command"]):
                break
            low, high = np.searchsorted(tick_of, (tick.index, tick.index + 1))
            which, neuron = arrays["spike_population"][low:high], arrays["spike_neuron"][low:high]
            spikes = {name: neuron[which == k] for k, name in enumerate(names) if (which == k).any()}
            video.add(tick.index, tick, _pooled(controller, camera), spikes, arrays["command"][tick.index])
            progress(tick.index)
    return video.pictures


def command_ranges(spec: ControllerSpec, command: np.ndarray) -> list[tuple[float, float]]:
    """Return the lower and the upper end of the scale for drawing each element of the command.

    The ends are the limits of the output. Without limits, they are the element's range in the run. If the run used only
    a small part of the limits, the ends are the element's range in the run, too, but at least a tenth of the limits, so
    that noise looks flat.

    command : (ticks, outputs), commands of the run
    """
    low, high = np.hstack([[np.broadcast_to(side, o.size) for side in o.limits] for o in spec.outputs])
    seen = command if len(command) else np.zeros((1, len(low)))
    least, most = seen.min(axis=0), seen.max(axis=0)
    little = np.isfinite(high - low) & (np.maximum(most, 0) - np.minimum(least, 0) < WIDE * (high - low))
    low, high = np.where(little, np.minimum(least, low / 10), low), np.where(little, np.maximum(most, high / 10), high)
    low, high = np.where(np.isfinite(low), low, least), np.where(np.isfinite(high), high, most)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _pooled(controller: Controller, camera: EventsInput) -> np.ndarray | None:
    """Return the network's present input from a camera in the form of `ReplayVideo`; None if it is not an image."""
    name = f"{camera.name}.pooled"
    grid: Any = getattr(camera.encoder, "grid", None)
    if name not in controller.program.names or np.shape(grid) != (2,):
        return None
    columns, rows = grid
    pooled = controller.bound.array(name).reshape(-1, rows, columns).astype(np.float64)
    return pooled[0] if len(pooled) == 1 else pooled[::-1]  # from (OFF, ON) to (ON, OFF)


class ReplayVideo:
    """A video of a running controller that shows events, pooled input, spikes and commands side by side.

    Call ``add`` for every tick, or only for the ticks to be shown; then call ``close``. Frames are drawn when they are
    due, and memory is bounded. If an exception ends a ``with`` block, no file remains.

    Parameters
    ----------
    path : .mp4, .gif or .png (contact sheet), see `VideoWriter`
    size : (width, height) of the sensor [pixel]
    outputs : labels of the elements of the command, e.g. ``["pan [rad/s]", "tilt [rad/s]"]``
    populations : name -> number of neurons, for all populations to show, including inputs whose encoder spikes
    period : period of a tick [s]
    fps : frames per second of the video
    speed : seconds of the run per second of the video
    style : style of the events: "polarity", "surface" or "grey"
    title : text at the top of the video
    limits : lower and upper end of the scale of each element of the command; if infinite or missing, the scale is the
        range of the values so far
    colours : colours of populations, see `video_panels.Raster`

    Raises
    ------
    InputError : if style, fps, speed or period is invalid
    DescriptionError, RuntimeFault : as `VideoWriter` raises them
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
        self._window = picture_ns(fps, speed) * 1e-9  # s
        if not 0 < period < np.inf:
            raise InputError(f"period = {period!r}: must be positive and finite [s]")
        self.size, self.period, self.speed = size, period, speed
        self._painter = painter(style, *size, fitting(*size, EVENTS[2:])[0])
        self._spans = min(SPIKES_SPAN, SPIKES_SHOWN * speed), min(COMMANDS_SPAN, COMMANDS_SHOWN * speed)
        self._raster = Raster(SPIKES, populations, self._spans[0], colours)
        self._strips = Strips(COMMANDS, outputs, self._spans[1], limits)
        self._title = title or "replay"
        self._pooled: np.ndarray | None = None
        self._brightest = 0.0
        self._first = self._last = -1
        self._ticks = self._drawn = self._count = self._counted_from = 0
        self._silence = round(SILENCE * fps)
        self._writer = VideoWriter(path, fps)

    @property
    def pictures(self) -> int:
        """Number of frames that have been drawn."""
        return self._writer.pictures

    def add(
        self,
        tick: int,
        events: Events | None,
        pooled: np.ndarray | None,
        spikes: Mapping[str, np.ndarray],
        command: np.ndarray,
    ) -> None:
        """Add the data of one tick to the video.

        tick : index of the tick, larger than that of the previous tick
        events : the controller's events in the tick; None: no events. The time of the tick replaces the events' times
        pooled : the network's input for ``events``, (rows, columns), or (2, rows, columns) with ON first; None: not
            shown
        spikes : name of a population -> (n,) indices of the neurons that fired in the tick, listed once per spike
        command : (number of outputs,)

        Raises InputError if the tick is not after the previous tick, a population is unknown, or the shape of
        ``pooled`` has changed.
        """
        if tick <= self._last:
            raise InputError(f"tick = {tick}: must be after the last one, {self._last}")
        if unknown := set(spikes) - set(self._raster.populations):
            raise InputError(f"spikes = {sorted(unknown)}: must be of {', '.join(self._raster.populations)}")
        self._first, self._last = tick if self._first < 0 else self._first, tick
        self._ticks = tick - self._first + 1
        t = self._ticks * self.period  # end of the tick
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
            self._draw(due)

    def _draw(self, due: int) -> None:
        seconds = (self._ticks - self._counted_from) * self.period
        image = self._compose(self._ticks * self.period, self._count / seconds)
        for _ in range(min(due, self._silence)):  # several if a tick is longer than a picture
            self._writer.add(image)
        self._drawn += due
        self._count, self._counted_from = 0, self._ticks
        if self._pooled is not None:
            self._pooled[:] = 0

    def _compose(self, t: float, rate: float) -> np.ndarray:
        picture = blank(WIDTH, HEIGHT)
        left = [paste(picture, EVENTS, self._painter.image(round(t * 1e9))), POOLED.x]
        if self._pooled is not None:
            left[1] = paste(picture, POOLED, self._pooled_picture(self._pooled))
        self._raster.draw(picture, t)
        self._strips.draw(picture, t)
        seen = f"events, {self.size[0]} x {self.size[1]}, {rate_text(rate)}"
        for x, text in zip(left, (seen, "input of the network")):
            write(picture, x, EVENTS.y - 7, text, MUTED, 17, "ls")
        for box, what, span in zip((SPIKES, COMMANDS), ("spikes", "commands"), self._spans):
            last = f"{span:g} s" if span >= 0.1 else f"{span * 1e3:.3g} ms"
            write(picture, box.x, box.y - 7, f"{what}, last {last}", MUTED, 17, "ls")
        write(picture, 12, 8, self._title, INK, 20)
        now = f"{t:.{decimals_for(self._window)}f} s   {speed_text(self.speed)}"
        write(picture, WIDTH - 12, 8, now, INK, 20, "ra")
        return np.asarray(picture)

    def _pooled_picture(self, pooled: np.ndarray) -> np.ndarray:
        """Draw the network's pooled input. Negative values have the colour of OFF events.

        Full brightness is the 95th percentile of the cells' values, the largest percentile of all ticks so far.
        """
        on, off = pooled if pooled.ndim == 3 else (np.maximum(pooled, 0), np.maximum(-pooled, 0))
        given = np.abs(pooled[pooled != 0])
        if given.size:
            self._brightest = max(float(np.percentile(given, 95)), self._brightest)
        scale = self._brightest or 1.0
        return mixed(*(np.sqrt(np.minimum(np.abs(n) / scale, 1.0)) for n in (on, off)))

    def close(self) -> None:
        """Draw the remaining frames and write the file."""
        if self._counted_from < self._ticks:
            self._draw(1)
        self._writer.close()

    def __enter__(self) -> ReplayVideo:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close() if kind is None else self._writer.discard()
