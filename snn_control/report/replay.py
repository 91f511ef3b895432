"""Pictures of a replay, from its recording and the arrays of its run folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..analysis.event_replay import Fitted, play
from ..coding import EventsInput
from ..controller import Controller
from ..controller_file import ControllerSpec
from ..controller_file.names import output_names
from ..events import Events
from ..events.slicing import LONGEST_GAP, Slicer
from .event_run import survey_arrays
from .event_video import ReplayVideo, speed_for, style_for
from .named import colour_places

__all__ = ["command_ranges", "recording_arrays", "write_replay_video"]

WIDE = 0.25  # of the way between limits: what uses less of it gets a scale of its own
Chunks = Callable[[], Iterable[Events]]


def write_replay_video(
    path: str | os.PathLike,
    fitted: Fitted,
    chunks: Chunks,
    arrays: Mapping[str, np.ndarray],
    longest_gap: float = LONGEST_GAP,
    speed: float | None = None,
    title: str = "",
    progress: Callable[[int], Any] = lambda index: None,
) -> int:
    """Write what a controller saw, spiked and commanded; returns the number of pictures.

    chunks : gives the events that were replayed, again each time
    arrays : ``command``, ``spike_step``, ``spike_population``, ``spike_neuron`` and ``population_names`` of the run;
        what the network was given comes from another copy of the controller
    longest_gap : as the run had it
    speed : seconds of the recording a second of the video; None: 1, and slower where the video would be short

    Raises as `ReplayVideo`.
    """
    spec, camera = fitted.spec, fitted.camera
    controller = Controller.from_spec(spec)
    facts = controller.program.facts
    names = [str(name) for name in arrays["population_names"]]
    sizes = {p.name: p.size for p in facts.populations if p.name in names}
    tick_of = arrays["spike_step"] // controller.program.steps
    slicer = Slicer(fitted.period_ns, camera.capacity, longest_gap)
    outputs = output_names(spec, units=True)
    limits = command_ranges(spec, arrays["command"])
    lasts = len(arrays["command"]) * spec.period
    speed = speed or speed_for(lasts)
    style = style_for(int(np.sum(arrays.get("tick_events", 0))), lasts, speed)
    with ReplayVideo(path, camera.size, outputs, sizes, spec.period, speed=speed, style=style, title=title,
                     limits=limits, colours=colour_places(spec)) as video:  # fmt: skip
        for tick in play(controller, fitted, slicer.ticks(chunks())):
            if tick.index >= len(arrays["command"]):
                break
            low, high = np.searchsorted(tick_of, (tick.index, tick.index + 1))
            which, neuron = arrays["spike_population"][low:high], arrays["spike_neuron"][low:high]
            spikes = {name: neuron[which == k] for k, name in enumerate(names) if (which == k).any()}
            events = Events(tick.t, tick.x, tick.y, tick.p, "ns", *camera.size)
            pooled = _pooled(controller, camera)
            video.add(tick.index, events, pooled, spikes, arrays["command"][tick.index])
            progress(tick.index)
    return video.pictures


def command_ranges(spec: ControllerSpec, command: np.ndarray) -> list[tuple[float, float]]:
    """Low and high of each number of the command: the output's limits; where it has none, what was seen of the whole
    run, and where the run used little of them, that but at least a tenth of each: noise stays flat.

    command : (ticks, outputs)
    """
    low, high = (
        np.concatenate([np.broadcast_to(np.asarray(o.limits[k], np.float64), o.size) for o in spec.outputs])
        for k in range(2)
    )
    seen = command if len(command) else np.zeros((1, len(low)))
    least, most = seen.min(axis=0), seen.max(axis=0)
    little = np.isfinite(high - low) & (np.maximum(most, 0) - np.minimum(least, 0) < WIDE * (high - low))
    low, high = np.where(little, np.minimum(least, low / 10), low), np.where(little, np.maximum(most, high / 10), high)
    low, high = np.where(np.isfinite(low), low, least), np.where(np.isfinite(high), high, most)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def recording_arrays(fitted: Fitted, chunks: Chunks, longest_gap: float = LONGEST_GAP) -> dict[str, np.ndarray]:
    """What the camera saw in the time of the run, for the report (names: `record.run_folder`)."""
    period, camera = fitted.period_ns, fitted.camera
    return survey_arrays(lambda: Slicer(period, camera.capacity, longest_gap).timed(chunks()), camera.size)


def _pooled(controller: Controller, camera: EventsInput) -> np.ndarray | None:
    """What the network is given for the events, as `ReplayVideo` takes it; None where it is no picture."""
    name = f"{camera.name}.pooled"
    grid: Any = getattr(camera.encoder, "grid", None)
    if name not in controller.program.names or np.shape(grid) != (2,):
        return None
    columns, rows = grid
    pooled = controller.bound.array(name).reshape(-1, rows, columns).astype(np.float64)
    return pooled[0] if len(pooled) == 1 else pooled[::-1]  # OFF, ON: ON first
