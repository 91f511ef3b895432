"""A stimulus from the recording of an event camera: its events for the one camera, 0 for every other input."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from ..coding import EventsInput, ValueInput
from ..controller_file import ControllerSpec
from ..errors import DescriptionError
from ..events import Events, open_recording
from ..events.slicing import MOST_TICKS, Slicer, part
from ..record.input_log import InputLog
from .stimulus import Stimulus

__all__ = ["recorded_events"]

MOST_EVENTS = 30_000_000  # held in memory


def recorded_events(path: str | os.PathLike, spec: ControllerSpec, seconds: float | None = None) -> Stimulus:
    """The events of a recording, cut into ticks as ``snn_control events replay`` does; see `open_recording`.

    Events out of the controller's frame are left out, and the stimulus' text says how many.

    Raises DescriptionError for a controller that has not one input of events, and for a recording that is none, is
    empty or too long.
    """
    cameras = [one for one in spec.inputs if isinstance(one, EventsInput)]
    if len(cameras) != 1:
        rule = "is a recording of events, and the controller must have one input of events"
        raise DescriptionError("--input", str(path), rule, f"it has {len(cameras)}")
    (width, height), pieces, kept, outside = cameras[0].size, [], 0, 0
    for events in _timed(path, spec.period, seconds):
        inside = (events.x < width) & (events.y < height)
        pieces.append(events[inside])
        kept, outside = kept + len(pieces[-1]), outside + len(events) - len(pieces[-1])
        if kept > MOST_EVENTS:
            raise DescriptionError("--input", str(path), f"has more than {MOST_EVENTS:,} events", "give --seconds")
    events = Events.concatenate(pieces)
    if not len(events):
        rule = f"holds no events within the {width}x{height} pixels of input '{cameras[0].name}'"
        raise DescriptionError("--input", str(path), rule)
    period_ns = round(spec.period * 1e9)
    ticks = int(events.t.max()) // period_ns + 1 if seconds is None else max(1, round(seconds / spec.period))
    if ticks > MOST_TICKS:
        rule = f"lasts {ticks * spec.period:,.6g} s, more than {MOST_TICKS:,} ticks of {spec.period:g} s"
        raise DescriptionError("--input", str(path), rule, "give --seconds")
    order = np.argsort(events.t, kind="stable")
    columns = tuple(getattr(events, name)[order] for name in "txyp")
    values = {one.name: np.zeros((ticks, one.size)) for one in spec.inputs if isinstance(one, ValueInput)}
    text = f"recording {os.path.basename(path)}" + (", other inputs 0" if values else "")
    text += f", {outside:,} events out of the frame left out" if outside else ""
    return Stimulus(text, spec.period, InputLog.of(spec.period, ticks, values, {cameras[0].name: columns}))


def _timed(path: str | os.PathLike, period: float, seconds: float | None) -> Iterator[Events]:
    """The recording's events with the time of the run in ns, up to ``seconds``."""
    recording = open_recording(path)
    slicer = Slicer(round(period * 1e9), 1)
    for events in slicer.timed(part(recording.chunks())):
        if seconds is None:
            yield events
            continue
        yield events[events.t < seconds * 1e9]
        if events.t[-1] >= seconds * 1e9:
            return
