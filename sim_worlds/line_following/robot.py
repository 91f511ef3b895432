"""A differential-drive robot that follows commands of speed and yaw rate, simulated without a physics engine."""

from __future__ import annotations

import functools
import math

import numpy as np
from gymnasium import spaces
from numba.extending import register_jitable

from snn_control.engine.compile import compile_function

from ..core import Robot

__all__ = ["FASTEST", "Drive", "compiled_move", "move"]

FASTEST = 1.5, 4.0  # m/s and rad/s, limits of the commands
ACCELERATIONS = 2.0, 30.0  # m/s2 and rad/s2, limits
LAG = 0.05  # s, time constant of the wheels' speed
PUSH = 3.0  # rad/s, change of the yaw rate in a disturbance
DELAY = 0.02  # s, until a command reaches the wheels


@register_jitable
def follow(v, u, share, most):
    """Return the value of a speed ``v`` after one step, in which it follows the command ``u`` with a first-order lag.

    share : 1 - exp(-dt / lag), the fraction of the difference u - v that disappears in a step
    most : largest change of the speed in a step
    """
    return v + min(max((u - v) * share, -most), most)


def move(state, forward, turn, lag, dt):
    """Advance the state by one step, in place: the wheels follow the commands, and the robot moves along an arc.

    state : (5,) float64, x, y [m], heading [rad], forward speed [m/s], yaw rate [rad/s]
    forward : forward speed command that has reached the wheels [m/s]
    turn : yaw rate command that has reached the wheels [rad/s]
    lag : time constant with which the wheels follow the commands [s]
    dt : length of the step [s]
    """
    share = 1.0 - math.exp(-dt / lag)
    state[3] = follow(state[3], forward, share, ACCELERATIONS[0] * dt)
    state[4] = follow(state[4], turn, share, ACCELERATIONS[1] * dt)
    half = 0.5 * dt * state[4]
    chord = dt * state[3] * (math.sin(half) / half if abs(half) > 1e-9 else 1.0)
    state[0] += chord * math.cos(state[2] + half)
    state[1] += chord * math.sin(state[2] + half)
    state[2] += 2.0 * half


compiled_move = functools.partial(compile_function, move, "void(float64[::1], float64, float64, float64, float64)")


class Drive(Robot):
    """A differential-drive robot. Action: (2,) forward speed [m/s] and yaw rate [rad/s], as in a ROS ``Twist``.

    dt : length of a step [s]
    state : (5,) float64, see `move`
    wanted : wanted forward speed [m/s]
    """

    DISTURBANCES = ("push",)

    def __init__(self, dt: float) -> None:
        self.dt, self.state = dt, np.zeros(5)
        limit = np.array(FASTEST)
        self.action_space = spaces.Box(np.array([0.0, -limit[1]], np.float32), limit.astype(np.float32))
        high = 1.5 * limit  # includes the largest gains of the motors
        self.observation_spaces = {
            "speed": spaces.Box(-high[0], high[0], (1,), np.float64),
            "yaw_rate": spaces.Box(-high[1], high[1], (1,), np.float64),
            "target_speed": spaces.Box(0.0, limit[0], (1,), np.float64),
        }
        self.wanted = 0.0
        self._move = compiled_move()
        self.vary(1.0, 1.0, 1.0, 1.0)

    def vary(self, forward: float, turn: float, lag: float, delay: float) -> None:
        """Multiply the speed and yaw rate that the robot reaches, the nominal lag and the nominal delay by factors."""
        self._gains, self._lag, self._late = (forward, turn), LAG * lag, round(DELAY * delay / self.dt)

    def place(self, x: float, y: float, heading: float, forward: float, turn: float) -> None:
        """Place the moving robot at the start of an episode. The commands still in the delay line equal its speeds.

        x, y : position [m]
        heading : heading [rad]
        forward : forward speed [m/s], which also becomes the wanted speed
        turn : yaw rate [rad/s]
        """
        self.wanted = forward
        self.state[:] = x, y, heading, forward, turn
        self._queue = [(forward, turn)] * self._late

    def push(self, rng: np.random.Generator) -> None:
        """Disturb the robot: change the yaw rate by ``PUSH``, with a random sign."""
        most = FASTEST[1]
        self.state[4] = min(max(self.state[4] + rng.choice((-PUSH, PUSH)), -most), most)

    def act(self, action: np.ndarray) -> None:
        forward, turn = float(action[0]), float(action[1])
        most, limit = FASTEST
        self._queue.append((min(max(forward, 0.0), most), min(max(turn, -limit), limit)))

    def drive(self) -> None:
        forward, turn = self._queue.pop(0)
        self._move(self.state, self._gains[0] * forward, self._gains[1] * turn, self._lag, self.dt)

    def read(self) -> None:
        """Do nothing, because `drive` has updated the state."""

    def observe(self) -> dict[str, np.ndarray]:
        """Return ``speed`` [m/s], ``yaw_rate`` [rad/s] and ``target_speed`` [m/s] as new (1,) float64 arrays."""
        seen = {"speed": self.state[3], "yaw_rate": self.state[4], "target_speed": self.wanted}
        return {name: np.array([value]) for name, value in seen.items()}
