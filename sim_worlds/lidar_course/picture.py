"""Draw a course from above as an image, for ``render``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .course import OBSTACLES, PANEL, Course
from .robot import ANGLES, RADIUS

__all__ = ["Map"]

WIDTH = 800  # pixels
EDGE = 0.3  # m, border around the course
GROUND, WALL, OBSTACLE = (250, 250, 250), (60, 60, 60), (176, 120, 60)
ROBOT, WAY, HIT = (40, 90, 200), (140, 170, 230), (220, 50, 40)


class Map:
    """Draws a course from above. Walls and obstacles are drawn once; `draw` adds the robot, its path and its scan."""

    def __init__(self, course: Course) -> None:
        points = np.concatenate([course.line, course.walls[:, :2]])
        low, high = points.min(0) - EDGE, points.max(0) + EDGE
        self._scale = WIDTH / (high[0] - low[0])  # pixels/m
        rows = 16 * math.ceil((high[1] - low[1]) * self._scale / 16)  # as coders of videos want it
        self._corner = low[0], high[1]
        x = low[0] + (np.arange(WIDTH) + 0.5) / self._scale
        y = high[1] - (np.arange(rows) + 0.5) / self._scale
        self._x, self._y = np.meshgrid(x, y)
        self._picture = np.full((rows, WIDTH, 3), GROUND, np.uint8)
        for place in course.walls.tolist():
            self._box(place, 0.5 * PANEL, 0.03, WALL)
        for place, (half, box) in zip(course.obstacles.tolist(), OBSTACLES, strict=False):
            if box:
                self._box(place, half, half, OBSTACLE)
            else:
                self._disc(self._picture, place[0], place[1], half, OBSTACLE)

    def _box(self, place: Sequence[float], long: float, wide: float, colour: tuple[int, int, int]) -> None:
        x, y, turn = place
        dx, dy, c, s = self._x - x, self._y - y, math.cos(turn), math.sin(turn)
        self._picture[(np.abs(c * dx + s * dy) <= long) & (np.abs(c * dy - s * dx) <= wide)] = colour

    def _disc(self, picture: np.ndarray, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
        column, row = (x - self._corner[0]) * self._scale, (self._corner[1] - y) * self._scale
        reach = radius * self._scale + 1.0
        part = (
            slice(max(int(row - reach), 0), max(int(row + reach) + 1, 0)),
            slice(max(int(column - reach), 0), max(int(column + reach) + 1, 0)),
        )
        within = np.hypot(self._x[part] - x, self._y[part] - y) <= radius
        picture[part][within] = colour

    def draw(self, pose: Sequence[float], scan: np.ndarray, way: Sequence[tuple[float, float]]) -> np.ndarray:
        """Return an RGB image of the present state, (rows, 800, 3) uint8.

        pose : x, y [m] and yaw [rad] of the robot
        scan : (55,), distances that the robot's scanner measured [m]
        way : earlier positions x, y of the robot [m]
        """
        picture = self._picture.copy()
        for x, y in way:
            self._disc(picture, x, y, 0.03, WAY)
        x, y, yaw = pose
        self._disc(picture, x, y, RADIUS, ROBOT)
        nose = 0.6 * RADIUS
        self._disc(picture, x + nose * math.cos(yaw), y + nose * math.sin(yaw), 0.4 * RADIUS, GROUND)
        for distance, angle in zip(scan.tolist(), (ANGLES + yaw).tolist(), strict=True):
            if math.isfinite(distance):
                self._disc(picture, x + distance * math.cos(angle), y + distance * math.sin(angle), 0.04, HIT)
        return picture
