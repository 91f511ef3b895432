"""The task to drive through a course without touching anything."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..client import Client, pybullet
from ..core import Task
from .course import OBSTACLES, PANEL, STEP, draw_course, panels_needed
from .robot import DiffDrive

__all__ = ["DriveThrough"]

THICKNESS, TALL = 0.04, 0.3  # m, thickness and height of walls; obstacles are as tall
AWAY = -10.0  # m, height of panels that a course does not need
TIME, CONTACT = 0.1, 5.0  # cost of a second, and of a contact [m]
REACH = round(0.2 / STEP)  # number of points around the last nearest point of the line that are searched for the next


class DriveThrough(Task):
    """The task to reach the finish of a course; see `LidarCourseEnv` for reward, info and score.

    PyBullet loads wall panels and obstacles once; each episode moves them to its course.

    length, width, obstacles : as in `LidarCourseEnv`
    course : course of the present episode
    way : positions of the robot in the present episode [m]
    """

    def __init__(self, client: Client, robot: DiffDrive, length: float, width: float, obstacles: int) -> None:
        self.client, self.robot = client, robot
        self.length, self.width = length, width
        tall = 0.5 * TALL
        panel = client.createCollisionShape(pybullet.GEOM_BOX, halfExtents=(0.5 * PANEL, 0.5 * THICKNESS, tall))
        self._panels = [self._body(panel) for _ in range(panels_needed(length, width))]
        shapes = [
            client.createCollisionShape(pybullet.GEOM_BOX, halfExtents=(half, half, tall))
            if box
            else client.createCollisionShape(pybullet.GEOM_CYLINDER, radius=half, height=TALL)
            for half, box in OBSTACLES[:obstacles]
        ]
        self._obstacles = [self._body(shape) for shape in shapes]

    def _body(self, shape: int) -> int:
        return self.client.createMultiBody(0.0, shape, basePosition=(0.0, 0.0, AWAY))

    def _place(self, body: int, x: float, y: float, turn: float) -> None:
        self.client.resetBasePositionAndOrientation(
            body, (x, y, 0.5 * TALL), (0.0, 0.0, math.sin(0.5 * turn), math.cos(0.5 * turn))
        )

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        self.course = draw_course(self.length, self.width, len(self._obstacles), rng)
        for body, place in zip(self._panels, self.course.walls.tolist(), strict=False):  # the others stay below
            self._place(body, *place)
        for body, place in zip(self._obstacles, self.course.obstacles.tolist(), strict=True):
            self._place(body, *place)
        self.client.performCollisionDetection()  # otherwise rays would hit the bodies at their old places
        self.robot.begin((0.0, rng.uniform(-0.2, 0.2), rng.uniform(-0.3, 0.3)), rng)
        self._times, self._k = times, 0
        self.way: list[tuple[float, float]] = []
        self._at, self.progress = round(self.course.start / STEP), 0.0

    def step(self, k: int) -> None:
        self._k = k
        self.way.append((self.robot.position[0], self.robot.position[1]))

    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        first = max(self._at - REACH, 0)
        away = self.course.line[first : self._at + REACH + 1] - self.robot.position[:2]
        self._at = first + int(np.argmin((away * away).sum(1)))
        before, self.progress = self.progress, self._at * STEP - self.course.start
        self.contact = any(point[8] <= 0.0 for point in self.client.getContactPoints(self.robot.body))
        self.finished = self.progress >= self.length and not self.contact
        reward = self.progress - before - TIME * self._times[1] - CONTACT * self.contact
        info = {"progress": self.progress, "contact": self.contact, "finished": self.finished}
        return reward, self.contact or self.finished, info

    def score(self) -> dict[str, float]:
        """Return ``finished`` (0 or 1), ``time`` [s] and ``progress`` [m] of the episode.

        ``time`` is the time at which the robot reached the finish, or the duration of the episode if the robot did not
        reach it.
        """
        time = float(self._times[self._k if self.finished else -1])
        return {"finished": float(self.finished), "time": time, "progress": self.progress}
