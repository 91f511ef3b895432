"""Base class of the event cameras in worlds (`EventSensor`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from snn_control.events.frames import OFF, ON

from .event_camera import EventCamera

__all__ = ["EventSensor", "grey"]

NOISE, NOISE_FOR = 10.0, 1.0  # Hz and s, additional shot noise of a pixel in a disturbance, and its duration


def grey(log_intensity: np.ndarray, exposure: float) -> np.ndarray:
    """Convert log intensities, of any shape (...), to grey RGB values, (..., 3) uint8.

    exposure : grey value of a log intensity of 0
    """
    brightness = np.clip(exposure * np.exp(log_intensity), 0.0, 255.0).astype(np.uint8)
    return np.repeat(brightness[..., None], 3, axis=-1)


class EventSensor(ABC):
    """Base class of the event cameras in worlds. Its observation has the events of a step and their number.

    The entries ``<name>`` and ``<name>_count`` have the form that `EventCamera.observe` returns. A derived class
    defines `draw`, which computes the camera's view.

    picture : (height, width) float32, log intensity of the newest view
    """

    DISTURBANCES: ClassVar[Sequence[str]] = ("noise",)

    def __init__(self, camera: EventCamera, name: str = "camera") -> None:
        self.name, self.camera, (width, height) = name, camera, camera.size
        top = np.tile(np.array([camera.period, width - 1, height - 1, 1], np.float32), (camera.capacity, 1))
        self.observation_spaces: dict[str, spaces.Space] = {
            name: spaces.Box(np.zeros_like(top), top, dtype=np.float32),
            f"{name}_count": spaces.Box(0, camera.capacity, (1,), np.int64),
        }
        self.picture = np.zeros((height, width), np.float32)

    @abstractmethod
    def draw(self, rng: np.random.Generator | None) -> np.ndarray:
        """Return the next view of the camera, in the form of ``picture``.

        rng : source of random numbers, if the view is the first of a new episode; None: the episode continues
        """

    def reset(self, rng: np.random.Generator) -> None:
        """Start an episode, after robot and task. The camera has adapted to its first view."""
        self.picture = self.draw(rng)
        self.camera.reset(self.picture, int(rng.integers(2**63)))
        self._seen, self._noisy = (np.zeros((self.camera.capacity, 4), np.float32), 0, 0), 0

    def step(self) -> None:
        """Draw the view and compute the events of a step. Called after robot and task have moved."""
        self.picture = self.draw(None)
        self._seen = self.camera.observe(self.picture)
        if self._noisy:
            self._noisy -= 1
            if not self._noisy:
                self.camera.set_shot(self.camera.model.shot)

    def noise(self, rng: np.random.Generator) -> None:
        """Disturb the camera: each pixel reports ``NOISE`` more random events per second for ``NOISE_FOR``."""
        self.camera.set_shot(self.camera.model.shot + NOISE)
        self._noisy = round(NOISE_FOR / self.camera.period)

    def observe(self) -> dict[str, np.ndarray]:
        return {self.name: self._seen[0], f"{self.name}_count": np.array([self._seen[1]], np.int64)}

    def info(self) -> dict[str, Any]:
        return {"events": self._seen[1], "dropped_events": self._seen[2]}

    def show(self, seconds: float, exposure: float, scale: int) -> np.ndarray:
        """Return an RGB image, (scale rows, scale columns, 3) uint8: the view in grey and recent events over it.

        seconds : largest age of the events that are drawn [s]; ON events are orange, OFF events blue
        exposure : see `grey`
        scale : a pixel of the camera becomes scale x scale pixels of the image
        """
        camera, picture = self.camera, grey(self.picture, exposure)
        recent = (camera.last > camera.time - round(seconds * 1e9)).reshape(self.picture.shape)
        sign = camera.sign.reshape(self.picture.shape)
        picture[recent & (sign == 1)] = ON
        picture[recent & (sign == 0)] = OFF
        return np.repeat(np.repeat(picture, scale, axis=0), scale, axis=1)

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Release the resources that `draw` uses, such as a renderer."""
