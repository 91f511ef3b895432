"""The events of a run: from its record into arrays of bounded size for the run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..analysis.event_replay import Fitted
from ..events import Events
from ..events.slicing import Slicer
from .event_plots import Survey
from .event_video import event_moments

__all__ = ["event_arrays", "event_counters", "events_of_episode", "recording_arrays"]

MOMENTS, SECONDS = 5, 0.02  # pictures of events, and of how long each is
PIECE = 500_000


def events_of_episode(world: Mapping[str, np.ndarray], name: str, step: float, width: int, height: int) -> Events:
    """The events of a camera, from the arrays of an episode (`record.episode`).

    name : of the observation; step : of the world [s]; width, height : of the sensor [pixel]
    """
    rows = world.get(f"events.{name}", np.zeros((0, 4)))
    steps = world.get(f"events.{name}.step", np.zeros(0, np.int64))
    t = np.rint(((steps - 1) * step + rows[:, 0].astype(np.float64)) * 1e9).astype(np.int64)  # within its step
    x, y, p = rows[:, 1].astype(np.uint16), rows[:, 2].astype(np.uint16), rows[:, 3].astype(np.uint8)
    return Events(t, x, y, p, "ns", width, height)


def event_arrays(events: Events) -> dict[str, np.ndarray]:
    """`survey_arrays` of events whose t is the time of the run."""
    begins = float(events.ns[0]) * 1e-9 if len(events) else 0.0
    size = events.width or 0, events.height or 0
    return survey_arrays(lambda: (events[k : k + PIECE] for k in range(0, len(events), PIECE)), size, begins)


def survey_arrays(
    pieces: Callable[[], Iterable[Events]], size: tuple[int, int], begins: float = 0.0
) -> dict[str, np.ndarray]:
    """Arrays for a run folder, however many events there are (names: `record.run_folder`); none without events.

    pieces : gives the events, piece by piece, from the first one on; is called twice
    size : width and height of the sensor [pixel]; 0, 0: not known
    begins : when the first event comes [s of the run]
    """
    survey = Survey(begins)
    for piece in pieces():
        survey.add(piece)
    if survey.first is None:
        return {}
    survey.grow(size[1], size[0])
    times = np.linspace(SECONDS, max(survey.seconds, SECONDS), MOMENTS)
    moments = event_moments(pieces(), times.tolist(), SECONDS, size=size if all(size) else None)
    arrays = {f"events_{key}": value for key, value in survey.arrays().items()}
    pictures = np.stack([image for _, image in moments])
    return arrays | {"event_frames": pictures, "event_frame_t": times + survey.begins}


def recording_arrays(
    fitted: Fitted, chunks: Callable[[], Iterable[Events]], longest_gap: float
) -> dict[str, np.ndarray]:
    """`survey_arrays` of the part of a recording that a controller was given.

    chunks : gives the recorded events, again each time
    longest_gap : as the run had it [s]
    """
    period, camera = fitted.period_ns, fitted.camera
    return survey_arrays(lambda: Slicer(period, camera.capacity, longest_gap).timed(chunks()), camera.size)


def event_counters(*records: Mapping[str, Any]) -> dict[str, Any]:
    """Counters of one input as one flat dictionary; nested ones are named like ``filters hot_pixels``."""
    flat: dict[str, Any] = {}
    for record in records:
        for key, value in record.items():
            if isinstance(value, Mapping):
                flat.update({f"{key} {inner}": item for inner, item in event_counters(value).items()})
            elif isinstance(value, int | float) and not isinstance(value, bool):
                flat[key] = value
    return flat
