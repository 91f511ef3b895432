"""The task to follow a line at a wanted speed."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from snn_control.engine.compile import compile_function
from snn_control.errors import DescriptionError

from ..core import Task
from .course import WIDTH, draw_course
from .robot import Drive

__all__ = ["LOST", "FollowLine", "compiled_locate", "locate"]

LOST = 0.15  # m, distance at which the line is lost
START = 0.02, 0.1  # m and rad, largest distance and angle to the line at the start
SPEEDS = 0.4, 0.8  # m/s, range from which a speed is drawn


def locate(course, x, y, near):
    """Find the course point nearest to a position. Return the progress along the closed course since the last call [m].

    course : (n, 4) float64, see `course.draw_course`
    x, y : the position [m]
    near : (3,) float64, index of the nearest point, and the position's distances ahead of this point and to its left
        [m]; updated. Before the call it must contain the result of the previous call, for a position close by
    """
    n = course.shape[0]
    spacing = math.hypot(course[1, 0] - course[0, 0], course[1, 1] - course[0, 1])
    k, moved = int(near[0]), 0
    least = math.hypot(course[k, 0] - x, course[k, 1] - y)
    for way in (1, -1):
        for _ in range(n // 8):
            other = (k + way + n) % n
            distance = math.hypot(course[other, 0] - x, course[other, 1] - y)
            if distance >= least:
                break
            k, least, moved = other, distance, moved + way
    c, s = math.cos(course[k, 2]), math.sin(course[k, 2])
    dx, dy = x - course[k, 0], y - course[k, 1]
    ahead = c * dx + s * dy
    way_along = moved * spacing + ahead - near[1]
    near[0], near[1], near[2] = k, ahead, c * dy - s * dx
    return way_along


compiled_locate = functools.partial(compile_function, locate, "float64(float64[:,::1], float64, float64, float64[::1])")


class FollowLine(Task):
    """The task to follow a line at a wanted speed; see `LineFollowingEnv` for reward, info, start and score.

    speed : wanted speed [m/s]; None draws a speed for each episode
    course : (POINTS, 4) float64, course of the present episode, see `course.draw_course`
    wanted : wanted speed of the present episode [m/s]
    place : index of the course's nearest point, and the robot's distances ahead of this point and to its left [m]
    """

    DISTURBANCES = ("new_speed",)

    def __init__(self, robot: Drive, speed: float | None) -> None:
        if speed is not None and not 0.1 <= speed <= 1:
            raise DescriptionError("speed", speed, "must be from 0.1 to 1 m/s, or None")
        self.robot, self.speed = robot, speed
        self._locate = compiled_locate()
        self._near = np.zeros(3)

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        self.course, drawn = draw_course(rng), float(rng.uniform(*SPEEDS))
        self.wanted = drawn if self.speed is None else self.speed
        k = int(rng.integers(len(self.course)))
        beside, turned = rng.uniform(-1.0, 1.0, 2) * START
        x, y, direction, curvature = self.course[k].tolist()
        x, y = x - beside * math.sin(direction), y + beside * math.cos(direction)
        self.robot.place(x, y, direction + turned, self.wanted, self.wanted * curvature)
        self._near[:] = k, 0.0, beside
        self._steps, self._dt = len(times) - 1, float(times[1])
        self._k, self._squares, self._moved, self._advance = 0, 0.0, 0.0, 0.0

    def new_speed(self, rng: np.random.Generator) -> None:
        """Disturb the episode: draw another wanted speed."""
        self.wanted = self.robot.wanted = float(rng.uniform(*SPEEDS))

    @property
    def place(self) -> tuple[int, float, float]:
        k, ahead, offset = self._near.tolist()
        return int(k), ahead, offset

    def step(self, k: int) -> None:
        x, y = self.robot.state[:2].tolist()
        self._moved = self._locate(self.course, x, y, self._near)
        self._advance += self._moved
        self._squares += min(float(self._near[2]) ** 2, LOST**2)
        self._k = k

    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        k, _, offset = self.place
        _, _, direction, curvature = self.course[k].tolist()
        turned = math.remainder(self.robot.state[2] - direction, 2.0 * math.pi)
        pace = max(1.0 - abs(self._moved / (self.wanted * self._dt) - 1.0), 0.0)
        info = {"error": abs(offset), "offset": offset, "heading_error": turned, "curvature": curvature}
        return pace * max(1.0 - abs(offset) / WIDTH, 0.0), abs(offset) > LOST, info

    def score(self) -> dict[str, float]:
        """Return three scores of an episode.

        rms_error : root mean square of the distance from the line [m]; after the robot has lost the line, the distance
            counts as LOST
        followed : fraction of the episode before the robot lost the line
        speed : mean speed along the line [m/s]
        """
        missed = self._steps - self._k
        rms = math.sqrt((self._squares + missed * LOST**2) / self._steps)
        return {"rms_error": rms, "followed": self._k / self._steps, "speed": self._advance / (self._k * self._dt)}
