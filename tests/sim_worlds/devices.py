"""Event cameras and their events, for tests."""

from __future__ import annotations

import numpy as np

from sim_worlds.sensors.camera_model import PRESETS, CameraModel
from sim_worlds.sensors.event_camera import EventCamera
from snn_control.events import Events

CLEAN = CameraModel()
NOISY = PRESETS["noisy"]


def run(device: EventCamera, pictures, period: float | None = None) -> Events:
    """All events of a sequence of pictures after the one of ``reset``."""
    parts = []
    for picture in pictures:
        events, dropped = device.advance(picture, period)
        assert dropped == 0
        parts.append(events)
    return Events.concatenate(parts)


def flat(device: EventCamera, value: float) -> np.ndarray:
    width, height = device.size
    return np.full((height, width), value, np.float32)
