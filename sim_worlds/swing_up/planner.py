"""A teacher that plans the swing-up by dynamic programming. The planning takes about 15 s, before the first action.

A state has four variables: the position of the cart (``place``) [m], the angle of the pole (``angle``) [rad], the speed
of the cart (``speed``) [m/s] and the angular velocity of the pole (``turning``) [rad/s].
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba.extending import register_jitable

from snn_control.engine.compile import compile_function

from .baselines import INERTIA, LEVER, EnergyLQR
from .robot import CART_MASS, FORCE, FRICTION, GRAVITY, POLE_MASS, RAIL
from .task import reward

__all__ = ["Planner", "plan"]

#: half the width of the grid, and its number of points, for place [m], angle [rad] (on a circle), speed [m/s] and
#: turning [rad/s]
WIDE = (RAIL, math.pi, 2.5, 9.0)
POINTS = (25, 64, 25, 41)
STEP, PARTS = 0.1, 4  # time for which a force is held [s]; steps of the midpoint rule in it
DISCOUNT = 0.98  # discount of a step: a reward 5 s later counts a third
EDGE = RAIL - 0.1  # m: the plan keeps away from the ends
ON_CART, ON_HINGE = FRICTION.tolist()
ROUNDS, SWEEPS = 9, 10


@register_jitable
def accelerations(angle, speed, turning, force):
    """Return the accelerations of cart [m/s2] and pole [rad/s2] for a force [N], from Lagrange's equations."""
    sin, cos = math.sin(angle), math.cos(angle)
    push = force - ON_CART * speed + LEVER * turning * turning * sin
    fall = LEVER * GRAVITY * sin - ON_HINGE * turning
    mass, coupled = CART_MASS + POLE_MASS, LEVER * cos
    scale = 1.0 / (mass * INERTIA - coupled * coupled)
    return (INERTIA * push - coupled * fall) * scale, (mass * fall - coupled * push) * scale


@register_jitable
def held(place, angle, speed, turning, force):
    """Return the state that a constant force [N] leads to in the time STEP, and the reward of this next state.

    The reward is 0 at the ends of the rail.
    """
    h = STEP / PARTS
    for _ in range(PARTS):
        cart, pole = accelerations(angle, speed, turning, force)
        v, w = speed + 0.5 * h * cart, turning + 0.5 * h * pole
        cart, pole = accelerations(angle + 0.5 * h * turning, v, w, force)
        place, angle, speed, turning = place + h * v, angle + h * w, speed + h * cart, turning + h * pole
    gained = reward(place, angle, turning, force) if abs(place) < EDGE else 0.0
    return place, angle, speed, turning, gained


@register_jitable
def located(place, angle, speed, turning):
    """Return the coordinates of a state in the grid of states, in grid units and clipped to the grid."""
    x = (place / WIDE[0] + 1.0) * 0.5 * (POINTS[0] - 1)
    a = ((angle / WIDE[1] + 1.0) * 0.5 % 1.0) * POINTS[1]
    v = (speed / WIDE[2] + 1.0) * 0.5 * (POINTS[2] - 1)
    w = (turning / WIDE[3] + 1.0) * 0.5 * (POINTS[3] - 1)
    v, w = min(max(v, 0.0), POINTS[2] - 1.001), min(max(w, 0.0), POINTS[3] - 1.001)
    return min(max(x, 0.0), POINTS[0] - 1.001), a, v, w


@register_jitable
def between(values, x, a, v, w):
    """Return the value at the grid coordinates x, a, v, w, by linear interpolation of ``values``."""
    i, j, k, m = int(x), int(a), int(v), int(w)
    x, a, v, w = x - i, a - j, v - k, w - m
    j, after = j % POINTS[1], (j + 1) % POINTS[1]
    found = 0.0
    for di in range(2):
        for dk in range(2):
            share = (x if di else 1.0 - x) * (v if dk else 1.0 - v)
            here = (1.0 - w) * values[i + di, j, k + dk, m] + w * values[i + di, j, k + dk, m + 1]
            there = (1.0 - w) * values[i + di, after, k + dk, m] + w * values[i + di, after, k + dk, m + 1]
            found += share * ((1.0 - a) * here + a * there)
    return found


def improve(values, following, forces):
    """Policy improvement: choose the best force in each state of the grid, and store the next state that it leads to.

    values : float32, values of the grid's states
    following : (.., 5) float32, the next state in grid units, and the reward; written. The array covers half of the
        grid, because the other half is its mirror image
    forces : float64, the available forces [N]
    """
    for i in range(following.shape[0]):
        place = WIDE[0] * (2.0 * i / (POINTS[0] - 1) - 1.0)
        for j in range(POINTS[1]):
            angle = WIDE[1] * (2.0 * j / POINTS[1] - 1.0)
            for k in range(POINTS[2]):
                speed = WIDE[2] * (2.0 * k / (POINTS[2] - 1) - 1.0)
                for m in range(POINTS[3]):
                    turning = WIDE[3] * (2.0 * m / (POINTS[3] - 1) - 1.0)
                    most, there = -1.0, following[i, j, k, m]
                    for force in forces:
                        x, a, v, w, gained = held(place, angle, speed, turning, force)
                        x, a, v, w = located(x, a, v, w)
                        gain = gained + DISCOUNT * between(values, x, a, v, w) if gained > 0.0 else 0.0
                        if gain > most:
                            most = gain
                            there[0], there[1], there[2], there[3], there[4] = x, a, v, w, gained


def settle(values, following, sweeps):
    """Policy evaluation: compute the values of all states for the forces that `improve` has chosen.

    values : float32, values of the grid's states; updated
    following : next states and rewards, which `improve` has stored
    sweeps : number of passes over the grid
    """
    for _ in range(sweeps):
        for i in range(following.shape[0]):
            for j in range(POINTS[1]):
                for k in range(POINTS[2]):
                    for m in range(POINTS[3]):
                        there = following[i, j, k, m]
                        gain = 0.0
                        if there[4] > 0.0:
                            later = between(values, there[0], there[1], there[2], there[3])
                            gain = there[4] + DISCOUNT * later
                        values[i, j, k, m] = gain
                        values[-1 - i, (POINTS[1] - j) % POINTS[1], -1 - k, -1 - m] = gain


def gains(values, place, angle, speed, turning, forces, found):
    """Compute the action value of each force in a state: the reward plus the discounted value of the next state.

    values : values of the grid's states, see `plan`
    forces : the forces [N]
    found : action value of each force; written
    """
    for n in range(forces.size):
        x, a, v, w, gained = held(place, angle, speed, turning, forces[n])
        x, a, v, w = located(x, a, v, w)
        found[n] = gained + DISCOUNT * between(values, x, a, v, w) if gained > 0.0 else 0.0


GRID, FOLLOWING = "float32[:,:,:,::1]", "float32[:,:,:,:,::1]"
GAINS = f"void({GRID}, float64, float64, float64, float64, float64[::1], float64[::1])"


@functools.cache
def plan() -> np.ndarray:
    """Compute the value of each state of the grid, which is the discounted sum of future rewards.

    The method is modified policy iteration (Puterman and Shin 1978). The returned array is float32 with the axes
    (place, angle, speed, turning).
    """
    choose = compile_function(improve, f"void({GRID}, {FOLLOWING}, float64[::1])")
    follow = compile_function(settle, f"void({GRID}, {FOLLOWING}, int64)")
    values, forces = np.zeros(POINTS, np.float32), np.linspace(-FORCE, FORCE, 7)
    following = np.zeros((POINTS[0] // 2 + 1, *POINTS[1:], 5), np.float32)
    for _ in range(ROUNDS):
        choose(values, following, forces)
        follow(values, following, SWEEPS)
    return values


@dataclass
class Planner(EnergyLQR):
    """Swings up with the best forces according to `plan`, then acts like `EnergyLQR`. Knows masses and friction."""

    label: ClassVar[str] = "dynamic programming + LQR"
    note: ClassVar[str] = "plans on a grid of 1.6 million states"

    def _swing(self, place: float, angle: float, speed: float, turning: float) -> float:
        forces = np.linspace(-FORCE, FORCE, 21)
        found = np.zeros_like(forces)
        compile_function(gains, GAINS)(plan(), place, angle, speed, turning, forces, found)
        return float(forces[found.argmax()])
