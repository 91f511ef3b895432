"""A pair of servos that take velocity commands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from snn_control.errors import InputError

__all__ = ["Servo"]


class Servo:
    """Delay, lag, limits and stops: which velocity each joint has in the next step.

    A command u takes effect ``delay`` after it was given. The velocity follows it as
    ``v += clip((u - v) (1 - exp(-dt / tau_lag)), -a_max dt, a_max dt)``, which is exact for a first-order
    lag and a command that holds for a step. A joint that would pass its stop ends at it, at rest.

    Parameters
    ----------
    dt : length of a step [s]
    stops : (n,) a joint moves between minus and plus this angle [rad]
    """

    velocity_limit = 6.0  # rad/s
    acceleration_limit = 60.0  # rad/s2
    delay = 2e-3  # s
    tau_lag = 15e-3  # s

    def __init__(self, dt: float, stops: Sequence[float] | np.ndarray) -> None:
        self.dt = dt
        self.stops = [float(stop) for stop in stops]
        self._follow = 1.0 - math.exp(-dt / self.tau_lag)
        self._change = self.acceleration_limit * dt
        self._waiting = round(self.delay / dt)
        self.reset()

    def reset(self) -> None:
        """At rest, and no command on its way."""
        self.velocity = [0.0] * len(self.stops)
        self._queue = [[0.0] * len(self.stops) for _ in range(self._waiting)]

    def step(self, command: Sequence[float], position: Sequence[float]) -> list[float]:
        """Velocities of the joints in the step that begins now.

        Parameters
        ----------
        command : (n,) velocities [rad/s], clipped to the limit
        position : (n,) angles at the start of the step [rad]

        Returns
        -------
        list of n velocities [rad/s]
        """
        limit = self.velocity_limit
        for k, u in enumerate(command):
            if not math.isfinite(u):
                raise InputError(f"action[{k}] = {u}: a velocity command must be finite")
        self._queue.append([min(max(u, -limit), limit) for u in command])
        due = self._queue.pop(0)
        for k, (u, angle, stop) in enumerate(zip(due, position, self.stops)):
            v = self.velocity[k]
            v += min(max((u - v) * self._follow, -self._change), self._change)
            if angle + v * self.dt > stop:
                v = max(stop - angle, 0.0) / self.dt
            elif angle + v * self.dt < -stop:
                v = min(-stop - angle, 0.0) / self.dt
            self.velocity[k] = v
        return list(self.velocity)
