"""Generate random courses: corridors with bends and obstacles, each with a free passage for the robot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["OBSTACLES", "PANEL", "PASSAGE", "SPACING", "Course", "draw_course", "panels_needed"]

STEP = 0.02  # m, distance of two points of the middle line
PANEL = 0.4  # m, length of a piece of wall
PASSAGE = 0.5  # m, free width beside every obstacle and between two of them: 2.5 diameters of the robot
START, END = 2.0, 1.0  # m, lengths without obstacles after the start and before the finish
BEHIND, BEYOND = 0.6, 0.6  # m, lengths of corridor behind the start and beyond the finish
STEEPEST = math.radians(75.0)  # rad, largest turn of the middle line from its start, so that it never meets itself
RADII = (1.2, 2.0)  # m, range of the radii of bends
#: half width [m] of each obstacle, and whether it is a box; a course has the first ones of them
OBSTACLES = ((0.12, False), (0.12, True), (0.15, False), (0.1, True), (0.1, False), (0.14, True), (0.18, False),
             (0.12, True), (0.14, False), (0.1, True), (0.12, False), (0.14, True))  # fmt: skip
WALL = 0.04  # m, most that a panel reaches into the corridor: half its thickness, and as the chord of an arc
MAX_OBSTACLE_RADIUS_M = 0.2  # m, circumscribed radius of the largest obstacle
SPACING = 2 * MAX_OBSTACLE_RADIUS_M + 1.25 * PASSAGE  # m, between obstacles along the middle line; a bend takes some


@dataclass(frozen=True)
class Course:
    """A course: a corridor with walls and obstacles.

    line : (n, 2) float64, points of the corridor's middle line at distances of ``STEP``, from behind the start to
        beyond the finish [m]
    walls : (k, 3) float64, centre x, y [m] and direction [rad] of each wall panel
    obstacles : (m, 3) float64, centre x, y [m] and direction [rad] of the first m obstacles of ``OBSTACLES``; their
        order along the line is random
    start : distance along ``line`` at which the robot starts [m]
    """

    line: np.ndarray
    walls: np.ndarray
    obstacles: np.ndarray
    start: float


def panels_needed(length: float, width: float) -> int:
    """Return the maximum number of wall panels that a course of this length and width [m] can have."""
    side = length + BEHIND + BEYOND + 0.5 * width * STEEPEST
    return 2 * (math.ceil(side / PANEL) + 1) + math.ceil(width / PANEL)


def middle_line(length: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a random middle line of straights and arcs. Return its direction at each ``STEP``, (n,) float64 [rad]."""
    heading, total = [0.0] * round((BEHIND + 1.0) / STEP), length + BEHIND + BEYOND
    while len(heading) * STEP < total:
        here = heading[-1]
        there = rng.uniform(-STEEPEST, STEEPEST)
        while abs(there - here) < math.radians(25.0):
            there = rng.uniform(-STEEPEST, STEEPEST)
        arc = max(round(rng.uniform(*RADII) * abs(there - here) / STEP), 1)
        heading += np.linspace(here, there, arc + 1)[1:].tolist()
        heading += [there] * round(rng.uniform(0.2, 1.8) / STEP)
    return np.array(heading[: round(total / STEP)])


def panels(side: np.ndarray) -> list[tuple[float, float, float]]:
    """Return the wall panels along a line: centre x [m], centre y [m] and direction [rad] of each panel.

    Each panel begins where the previous panel ends.

    side : (n, 2) float64, points of the line [m]
    """
    found: list[tuple[float, float, float]] = []
    first, here = 0, side[0]
    while True:
        ahead = side[first:]
        beyond = np.flatnonzero(np.hypot(*(ahead[:100] - here).T) >= PANEL)
        if not beyond.size:
            return found
        first += int(beyond[0])
        turn = math.atan2(side[first, 1] - here[1], side[first, 0] - here[0])
        way = PANEL * np.array([math.cos(turn), math.sin(turn)])
        found.append((*(here + 0.5 * way).tolist(), turn))
        here = here + way


def draw_course(length: float, width: float, obstacles: int, rng: np.random.Generator) -> Course:
    """Draw a random course of a length and width [m]. The first wall panels close the corridor behind the start.

    Between each obstacle and one of the walls, a passage of width ``PASSAGE`` stays free.
    """
    heading = middle_line(length, rng)
    line = np.concatenate([[[-BEHIND, 0.0]], STEP * np.stack([np.cos(heading), np.sin(heading)], 1)]).cumsum(0)
    turn = np.append(heading, heading[-1])
    left = np.stack([-np.sin(turn), np.cos(turn)], 1)
    half = 0.5 * width
    back = np.arange(math.ceil(width / PANEL))
    across = (back - 0.5 * (back.size - 1)) * PANEL
    walls = [(-BEHIND, y, 0.5 * math.pi) for y in across.tolist()]
    for side in (half, -half):
        walls += panels(line + side * left)
    slot = (length - START - END) / max(obstacles, 1)
    places = np.empty((obstacles, 3))
    for k, kind in enumerate(rng.permutation(obstacles)):
        size, box = OBSTACLES[kind]
        radius = size * math.sqrt(2.0) if box else size
        shift = 0.5 * max(slot - SPACING, 0.0)
        at = round((BEHIND + START + (k + 0.5) * slot + rng.uniform(-shift, shift)) / STEP)
        least = max(radius + PASSAGE + WALL - half, 0.0)
        aside = rng.uniform(least, max(half - size, least)) * rng.choice((-1.0, 1.0))
        places[kind] = *(line[at] + aside * left[at]), turn[at] + rng.uniform(-math.pi, math.pi)
    return Course(line, np.array(walls), places, BEHIND)
