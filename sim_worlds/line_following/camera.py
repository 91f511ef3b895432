"""The event camera on the robot, which looks obliquely at the floor ahead."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np

from snn_control.engine.compile import compile_function

from ..sensors.event_camera import EventCamera
from ..sensors.event_sensor import EventSensor
from ..sensors.pinhole import Pinhole
from .course import CELL, SIDE, compiled_paint, draw_texture
from .task import FollowLine

__all__ = ["FORWARD", "HEIGHT", "PITCH", "FloorCamera", "compiled_look", "floor_points", "look"]

HEIGHT, FORWARD = 0.15, 0.08  # m, place of the camera above the floor, and in front of the axle
PITCH = math.radians(45.0)  # angle of its axis below the horizontal


def floor_points(pinhole: Pinhole, height: float = HEIGHT) -> np.ndarray:
    """Return the floor point that each pixel sees, (2, rows, columns) float32 [m].

    The first plane has the coordinate ahead of the axle's middle, the second plane the coordinate to its left.

    height : height of the camera above the floor [m]
    """
    x, y = np.meshgrid(np.arange(pinhole.width), np.arange(pinhole.height))
    left, up = (pinhole.centre[0] - x) / pinhole.focal, (pinhole.centre[1] - y) / pinhole.focal
    down = math.sin(PITCH) - up * math.cos(PITCH)
    ahead = math.cos(PITCH) + up * math.sin(PITCH)
    return np.stack([FORWARD + height * ahead / down, height * left / down]).astype(np.float32)


def look(picture, points, floor, x, y, heading):
    """Draw the camera's view of the floor, interpolated bilinearly between the floor's cells.

    picture : (rows, columns) float32, log intensity; written
    points : (2, rows, columns) float32, see `floor_points`
    floor : (SIDE, SIDE) float32, log intensity; it repeats beyond its border
    x, y : position of the robot [m]
    heading : heading of the robot [rad]
    """
    mask = np.int32(SIDE - 1)
    c, s = np.float32(math.cos(heading) / CELL), np.float32(math.sin(heading) / CELL)
    x0, y0 = np.float32(x / CELL + 1.5 * SIDE), np.float32(y / CELL + 1.5 * SIDE)  # positive, so that int() is floor
    for j in range(picture.shape[0]):
        for i in range(picture.shape[1]):
            ahead, left = points[0, j, i], points[1, j, i]
            u, v = x0 + c * ahead - s * left, y0 + s * ahead + c * left
            k, m = np.int32(u), np.int32(v)
            u -= np.float32(k)
            v -= np.float32(m)
            k0, k1, m0, m1 = k & mask, (k + 1) & mask, m & mask, (m + 1) & mask
            low = floor[m0, k0] + u * (floor[m0, k1] - floor[m0, k0])
            high = floor[m1, k0] + u * (floor[m1, k1] - floor[m1, k0])
            picture[j, i] = low + v * (high - low)


compiled_look = functools.partial(
    compile_function, look, "void(float32[:,::1], float32[:,:,::1], float32[:,::1], float64, float64, float64)"
)


class FloorCamera(EventSensor):
    """The robot's event camera, which sees the floor with its line.

    contrast : log intensity of the line relative to the floor; None draws 1 or -1 for each episode
    texture : standard deviation of the floor's log intensity
    floor : log intensity of the present episode's floor, see `look`
    """

    def __init__(
        self, camera: EventCamera, pinhole: Pinhole, task: FollowLine, contrast: float | None, texture: float
    ) -> None:
        super().__init__(camera)
        self._pinhole, self._view = pinhole, np.zeros((pinhole.height, pinhole.width), np.float32)
        self.floor = np.zeros((SIDE, SIDE), np.float32)
        self._look, self._paint = compiled_look(), compiled_paint()
        self._task, self._contrast, self._texture, self._model = task, contrast, texture, camera.model
        self.vary(1.0, 1.0, 1.0, 1.0, 1.0)

    def vary(self, contrast: float, texture: float, height: float, threshold: float, noise: float) -> None:
        """Multiply the line's contrast, the floor's texture, and the camera's height, thresholds and noise by
        factors."""
        self._factors = contrast, texture
        self._points = floor_points(self._pinhole, HEIGHT * height)
        m = self._model
        on, off = m.threshold_on * threshold, m.threshold_off * threshold
        self.camera.model = replace(m, threshold_on=on, threshold_off=off, shot=m.shot * noise)

    def draw(self, rng: np.random.Generator | None) -> np.ndarray:
        if rng is not None:
            drawn = 1.0 if rng.random() < 0.5 else -1.0
            contrast = self._factors[0] * (drawn if self._contrast is None else self._contrast)
            self.floor = draw_texture(rng, self._texture * self._factors[1])
            self._paint(self.floor, np.full_like(self.floor, np.inf), self._task.course, contrast)
        x, y, heading = self._task.robot.state[:3].tolist()
        self._look(self._view, self._points, self.floor, x, y, heading)
        return self._view
