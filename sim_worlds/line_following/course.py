"""Generate a random closed course, and the log intensity of the floor with its line."""

from __future__ import annotations

import functools
import math

import numpy as np

from snn_control.engine.compile import compile_function

from ..sensors.texture import band_passed_noise

__all__ = ["CELL", "POINTS", "SIDE", "WIDTH", "compiled_paint", "draw_course", "draw_texture", "paint"]

POINTS = 4096  # points of a course, at equal distances
RADIUS = 1.2  # m, mean distance of a course from the middle of the floor
WAVES = np.arange(2, 7)  # numbers of waves in the radius around the course
SHARPEST = 2.5  # 1/m, largest curvature
WIDTH, EDGE = 0.03, 0.01  # m, widths of the line, and of the blurred part of each of its edges
SIDE = 1024  # cells of the floor along x and along y
CELL = 0.005  # m
TILE = SIDE // 2  # cells after which the texture repeats
WAVELENGTH = 0.06  # m, wavelength of the texture


def _shape(angle: np.ndarray, amplitude: np.ndarray, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return n points x + iy [m] and n curvatures [1/m] of the curve r = RADIUS (1 + sum a_k cos(k angle + p_k)).

    angle : (n,), polar angles of the points [rad]
    amplitude : a_k for each k in WAVES
    phase : p_k for each k in WAVES [rad]
    """
    turns = WAVES * angle[:, None] + phase
    r = RADIUS * (1.0 + np.cos(turns) @ amplitude)
    r1 = -RADIUS * (np.sin(turns) @ (amplitude * WAVES))
    r2 = -RADIUS * (np.cos(turns) @ (amplitude * WAVES**2))
    return r * np.exp(1j * angle), (r * r + 2.0 * r1 * r1 - r * r2) / (r * r + r1 * r1) ** 1.5


def draw_course(rng: np.random.Generator) -> np.ndarray:
    """Draw a random smooth closed curve around the middle of the floor, with a curvature of at most SHARPEST.

    Return points of the curve at equal distances, (POINTS, 4) float64. A row has x, y [m], the direction of travel
    [rad] and the curvature [1/m] (positive: to the left).
    """
    amplitude, phase = rng.uniform(0.0, 1.0, WAVES.size) / WAVES, rng.uniform(0.0, 2.0 * math.pi, WAVES.size)
    left = rng.random() < 0.5
    angle = np.linspace(0.0, 2.0 * math.pi, 2 * POINTS + 1)
    place, curvature = _shape(angle, amplitude, phase)
    while np.abs(curvature).max() > SHARPEST:
        amplitude *= 0.95
        place, curvature = _shape(angle, amplitude, phase)
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(place)))])
    even = np.interp(np.linspace(0.0, along[-1], POINTS, endpoint=False), along, angle)
    place, curvature = _shape(even if left else even[::-1], amplitude, phase)
    curvature = curvature if left else -curvature
    direction = np.unwrap(np.angle(np.roll(place, -1) - np.roll(place, 1)))
    return np.stack([place.real, place.imag, direction, curvature], axis=1)


def draw_texture(rng: np.random.Generator, deviation: float) -> np.ndarray:
    """Return the log intensity of the floor without the line, (SIDE, SIDE) float32, with mean 0.

    deviation : standard deviation of the log intensity
    """
    return np.tile(band_passed_noise(rng, (TILE, TILE), WAVELENGTH / CELL, 0.5, deviation), (2, 2))


def paint(floor, distance, course, contrast):
    """Paint the line onto the floor.

    floor : (SIDE, SIDE) float32, log intensity, row y and column x, origin in the middle of the floor; updated
    distance : (SIDE, SIDE) float32, scratch memory for the distance of each cell from the course [m]; infinite for
        cells far away
    course : (n, 4) float64, see `draw_course`
    contrast : log intensity of the line
    """
    reach = 0.5 * (WIDTH + EDGE)
    cells = int(reach / CELL) + 1
    for k in range(course.shape[0]):
        x, y = course[k, 0] / CELL + 0.5 * SIDE, course[k, 1] / CELL + 0.5 * SIDE
        column, row = int(x), int(y)
        for j in range(row - cells, row + cells + 2):
            for i in range(column - cells, column + cells + 2):
                d = np.float32(CELL * math.hypot(i - x, j - y))
                if d < reach and d < distance[j, i]:
                    distance[j, i] = d
    for j in range(SIDE):
        for i in range(SIDE):
            if distance[j, i] < reach:
                inside = min(max((reach - distance[j, i]) / EDGE, 0.0), 1.0)
                cover = inside * inside * (3.0 - 2.0 * inside)
                floor[j, i] += np.float32(cover * (contrast - floor[j, i]))


compiled_paint = functools.partial(
    compile_function, paint, "void(float32[:,::1], float32[:,::1], float64[:,::1], float64)"
)
