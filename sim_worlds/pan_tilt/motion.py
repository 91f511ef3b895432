"""Compute the motion of the target in the tracking world: its path for a whole episode, in advance.

Each function returns the azimuth and the elevation [rad] at the times ``t``, (n,) [s], as an (n, 2) float64 array.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["AMPLITUDE", "MOTIONS", "target_path"]

#: amplitude of the azimuth and of the elevation [rad], and frequency of the elevation relative to the azimuth
AMPLITUDE = (math.radians(40.0), math.radians(15.0))
RATIO = (1.0, 1.3)


def sinusoid(t: np.ndarray, frequency: float, rng: np.random.Generator) -> np.ndarray:
    """Return a sine of random phase for each axis: azimuth at ``frequency`` [Hz], elevation at 1.3 ``frequency``."""
    phase = rng.uniform(0.0, 2.0 * math.pi, 2)
    columns = [a * np.sin(2.0 * math.pi * frequency * r * t + p) for a, r, p in zip(AMPLITUDE, RATIO, phase)]
    return np.stack(columns, axis=1)


def sum_of_sines(t: np.ndarray, frequency: float, rng: np.random.Generator) -> np.ndarray:
    """Return a sum of three sines of equal amplitude for each axis, at 0.3 to 1 times the axis' frequency."""
    columns = []
    for amplitude, ratio in zip(AMPLITUDE, RATIO):
        slow, middle, fast = rng.uniform(0.3, 0.5), rng.uniform(0.5, 0.8), rng.uniform(0.8, 1.0)
        phase = rng.uniform(0.0, 2.0 * math.pi, 3)
        waves = [np.sin(2.0 * math.pi * frequency * ratio * f * t + p) for f, p in zip((slow, middle, fast), phase)]
        columns.append(amplitude / 2.4 * sum(waves))
    return np.stack(columns, axis=1)


def random_moves(t: np.ndarray, frequency: float, rng: np.random.Generator) -> np.ndarray:
    """Return minimum-jerk moves between random directions, with rests after some moves.

    A move lasts half a period to one period of ``frequency``. It changes the azimuth by at least half of the azimuth's
    amplitude, so that no episode is easy.
    """
    path = np.empty((t.size, 2))
    here = rng.uniform(-1.0, 1.0, 2) * AMPLITUDE
    start = 0.0
    while start <= t[-1]:
        there = rng.uniform(-1.0, 1.0, 2) * AMPLITUDE
        while abs(there[0] - here[0]) < 0.5 * AMPLITUDE[0]:
            there = rng.uniform(-1.0, 1.0, 2) * AMPLITUDE
        move = rng.uniform(0.5, 1.0) / frequency
        rest = rng.uniform(0.1, 0.5) / frequency if rng.random() < 1.0 / 3.0 else 0.0
        during = (t >= start) & (t < start + move + rest)
        s = np.minimum((t[during] - start) / move, 1.0)
        path[during] = here + np.outer(s**3 * (10.0 - 15.0 * s + 6.0 * s**2), there - here)
        here, start = there, start + move + rest
    return path


MOTIONS = {"sinusoid": sinusoid, "sum_of_sines": sum_of_sines, "random": random_moves}


def target_path(motion: str, frequency: float, t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the directions of the target at n times, (n, 2) float64: azimuth (positive left), elevation (positive up)
    [rad].

    motion : a key of ``MOTIONS``
    frequency : frequency of the motion [Hz]
    t : (n,) float64, times, ascending from 0 [s]
    rng : source of phases, frequencies and directions
    """
    return MOTIONS[motion](t, frequency, rng)
