"""The swing-up by dynamic programming: a teacher, too large and too slow to plan for a robot."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba.extending import register_jitable

from snn_control.engine.compile import compile_function

from .baselines import INERTIA, LEVER, EnergyLQR
from .robot import CART_MASS, FORCE, FRICTION, GRAVITY, POLE_MASS, RAIL
from .task import reward

__all__ = ["Planner", "plan"]

#: place [m], angle [rad], speed [m/s] and turning [rad/s]: half the width of the grid, and its points; an angle's are
#: those of a circle
WIDE = (RAIL, math.pi, 3.5, 10.0)
POINTS = (25, 64, 25, 41)
STEP, PARTS = 0.04, 2  # s that a force is held; steps of the midpoint rule in it
DISCOUNT = 0.992  # of a step: what comes 5 s later counts a third
EDGE = RAIL - 0.1  # m: the plan keeps away from the ends
ON_CART, ON_HINGE = FRICTION.tolist()
ROUNDS, SWEEPS = 9, 20


@register_jitable
def accelerations(angle, speed, turning, force):
    """Of cart [m/s2] and pole [rad/s2], by Lagrange's equations."""
    sin, cos = math.sin(angle), math.cos(angle)
    push = force - ON_CART * speed + LEVER * turning * turning * sin
    fall = LEVER * GRAVITY * sin - ON_HINGE * turning
    mass, coupled = CART_MASS + POLE_MASS, LEVER * cos
    scale = 1.0 / (mass * INERTIA - coupled * coupled)
    return (INERTIA * push - coupled * fall) * scale, (mass * fall - coupled * push) * scale


@register_jitable
def between(values, place, angle, speed, turning):
    """``values`` there, linear between the points of the grid."""
    widths, points = WIDE, POINTS
    x = min(max((place / widths[0] + 1.0) * 0.5 * (points[0] - 1), 0.0), points[0] - 1.001)
    a = ((angle / widths[1] + 1.0) * 0.5 % 1.0) * points[1]
    v = min(max((speed / widths[2] + 1.0) * 0.5 * (points[2] - 1), 0.0), points[2] - 1.001)
    w = min(max((turning / widths[3] + 1.0) * 0.5 * (points[3] - 1), 0.0), points[3] - 1.001)
    i, j, k, m = int(x), int(a), int(v), int(w)
    x, a, v, w = x - i, a - j, v - k, w - m
    j, after = j % points[1], (j + 1) % points[1]
    found = 0.0
    for di in range(2):
        for dk in range(2):
            share = (x if di else 1.0 - x) * (v if dk else 1.0 - v)
            here = (1.0 - w) * values[i + di, j, k + dk, m] + w * values[i + di, j, k + dk, m + 1]
            there = (1.0 - w) * values[i + di, after, k + dk, m] + w * values[i + di, after, k + dk, m + 1]
            found += share * ((1.0 - a) * here + a * there)
    return found


@register_jitable
def ahead(values, place, angle, speed, turning, force):
    """What a force gains from this state on, if the best ones follow it."""
    h = STEP / PARTS
    for _ in range(PARTS):
        cart, pole = accelerations(angle, speed, turning, force)
        v, w = speed + 0.5 * h * cart, turning + 0.5 * h * pole
        cart, pole = accelerations(angle + 0.5 * h * turning, v, w, force)
        place, angle, speed, turning = place + h * v, angle + h * w, speed + h * cart, turning + h * pole
    if abs(place) > EDGE:
        return 0.0
    return reward(place, angle, turning, force) + DISCOUNT * between(values, place, angle, speed, turning)


def sweep(values, chosen, forces, improve):
    """Update the value of each state by what comes next: that of the best force, or of the one that was chosen.

    values : float32, of the grid
    chosen : int8, of the grid's half that the other half mirrors
    forces : float64
    improve : choose the best of them
    """
    points, widths = POINTS, WIDE
    for i in range(points[0] // 2 + 1):
        place = widths[0] * (2.0 * i / (points[0] - 1) - 1.0)
        for j in range(points[1]):
            angle = widths[1] * (2.0 * j / points[1] - 1.0)
            for k in range(points[2]):
                speed = widths[2] * (2.0 * k / (points[2] - 1) - 1.0)
                for m in range(points[3]):
                    turning = widths[3] * (2.0 * m / (points[3] - 1) - 1.0)
                    best = chosen[i, j, k, m]
                    most = ahead(values, place, angle, speed, turning, forces[best])
                    if improve:
                        for n in range(forces.size):
                            gain = ahead(values, place, angle, speed, turning, forces[n])
                            if gain > most:
                                best, most = n, gain
                        chosen[i, j, k, m] = best
                    values[i, j, k, m] = most
                    values[-1 - i, (points[1] - j) % points[1], -1 - k, -1 - m] = most


def gains(values, place, angle, speed, turning, forces, found):
    """What each of the forces gains, into ``found``."""
    for n in range(forces.size):
        found[n] = ahead(values, place, angle, speed, turning, forces[n])


GRID = "float32[:,:,:,::1]"


@functools.cache
def plan() -> np.ndarray:
    """The value of each state of the grid, by modified policy iteration (Puterman and Shin 1978); half a minute.

    Returns
    -------
    (place, angle, speed, turning) float32, sum of the rewards to come, discounted
    """
    run = compile_function(sweep, f"void({GRID}, int8[:,:,:,::1], float64[::1], boolean)")
    values, forces = np.zeros(POINTS, np.float32), np.linspace(-FORCE, FORCE, 7)
    chosen = np.full((POINTS[0] // 2 + 1, *POINTS[1:]), 3, np.int8)
    for _ in range(ROUNDS):
        run(values, chosen, forces, True)
        for _ in range(SWEEPS):
            run(values, chosen, forces, False)
    return values


@functools.cache
def _gains() -> Callable:
    state = ", ".join(["float64"] * 4)
    return compile_function(gains, f"void({GRID}, {state}, float64[::1], float64[::1])")


@dataclass
class Planner(EnergyLQR):
    """Swing-up by the forces that gain most by `plan`, then the regulator; it knows masses and friction."""

    label: ClassVar[str] = "dynamic programming + LQR"
    note: ClassVar[str] = "looks up a grid of 1.6 million states"

    catch: float = 30.0

    def _swing(self, place: float, angle: float, speed: float, turning: float) -> float:
        forces = np.linspace(-FORCE, FORCE, 21)
        found = np.zeros_like(forces)
        _gains()(plan(), place, angle, speed, turning, forces, found)
        return float(forces[found.argmax()])
