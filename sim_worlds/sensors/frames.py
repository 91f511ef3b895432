"""Simulate an event camera that sees frames with timestamps, such as the frames of a video."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from snn_control.errors import InputError
from snn_control.events import Events

from .camera_model import CameraModel
from .event_camera import EventCamera
from .intensity import log_intensity

__all__ = ["GAMMA", "simulate"]

GAMMA = 2.2  # gamma of pictures for screens (ITU-R BT.1886; sRGB is similar)


def simulate(
    frames: Iterable[tuple[float, np.ndarray]],
    model: str | CameraModel = "noisy",
    seed: int = 0,
    step: float = 1e-3,
    gamma: float = GAMMA,
) -> Iterator[tuple[Events, int]]:
    """Simulate the events of a camera that sees a sequence of frames, and has adapted to the first frame.

    Between two frames the log intensity changes linearly in time. The interval is divided into equal steps of at most
    ``step``. Only the pixels' low-pass filter depends on the length of the steps, because it treats the intensity as
    constant within a step.

    frames : pairs (time [s], picture), with ascending times. A picture is (height, width) uint8 grey, (height, width,
        3) uint8 RGB, or (height, width) float32 log intensity, which is used unchanged
    model : a CameraModel or the name of a preset
    seed : seed of thresholds and noise
    step : longest time between two pictures of the simulated camera [s]
    gamma : exponent for uint8 pictures: intensity = (value / 255) ** gamma

    Yields, for each frame after the first, the events since the previous frame (times in ns after the first frame), and
    the number of lost events.

    Raises InputError for times that do not ascend, pauses of more than 1000 s, or pictures of another size or kind.
    """
    camera: EventCamera | None = None
    before, begin, last = np.empty(0, np.float32), 0.0, 0.0
    for time, frame in frames:
        picture = frame if frame.dtype == np.float32 else log_intensity(frame, gamma)
        if camera is None:
            camera = EventCamera((picture.shape[1], picture.shape[0]), model, step)
            camera.reset(picture, seed)
            before, begin, last = picture, time, time
            continue
        if not last < time <= last + 1000.0:
            raise InputError(f"frames: the time {time:.6f} s comes after {last:.6f} s; times must ascend, by < 1000 s")
        if picture.shape != before.shape:
            raise InputError(f"frames: a picture of {picture.shape} comes after one of {before.shape}")
        last = time
        yield _between(camera, before, picture, round((time - begin) * 1e9), step)
        before = picture


def _between(
    camera: EventCamera, before: np.ndarray, picture: np.ndarray, until: int, step: float
) -> tuple[Events, int]:
    """Return the events of ``camera`` from the picture ``before`` to ``picture``, and the number of lost events.

    until : time of the second picture [ns]
    step : longest step of the simulation [s]
    """
    left = until - camera.time
    steps = math.ceil(left / (step * 1e9) - 1e-6)
    parts, lost = [], 0
    for k in range(1, steps + 1):
        now = until - left + left * k // steps
        part = np.float32(k / steps)
        between = picture if k == steps else before + (picture - before) * part
        events, dropped = camera.advance(between, (now - camera.time) * 1e-9)
        parts.append(events)
        lost += dropped
    return Events.concatenate(parts), lost
