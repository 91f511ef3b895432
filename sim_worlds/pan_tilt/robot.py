"""The pan-tilt head: two joints whose servos accept velocity commands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gymnasium import spaces

from snn_control.errors import InputError

from ..client import Client, pybullet
from ..core import Robot

__all__ = ["JOINT_LIMITS", "PanTilt", "Servo"]

URDF = Path(__file__).with_name("pan_tilt.urdf")
JOINT_LIMITS = np.array([1.4, 0.7])  # rad
TORQUES = (100.0, 100.0)  # N m, so large that the joints follow the servo exactly
PUSH = 4.0  # rad/s, change of the speed in a disturbance


class Servo:
    """Model of the servos: computes each joint's velocity in the next step from the delay, lag, limits and stops.

    A command u takes effect after ``delay``. The velocity v follows the command as ``v += clip((u - v) (1 - exp(-dt /
    tau_lag)), -a_max dt, a_max dt)``, which is exact for a first-order lag and a command that is constant over a step.
    A joint that would pass its stop halts at the stop.

    dt : length of a step [s]
    stops : (n,), largest angle of each joint in both directions [rad]
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
        self.velocity = [0.0] * len(self.stops)
        self._queue = [[0.0] * len(self.stops) for _ in range(self._waiting)]

    def push(self, change: Sequence[float]) -> None:
        """Add ``change``, (n,) [rad/s], to the velocities of the n joints at once, and clip them to the limit."""
        limit = self.velocity_limit
        self.velocity = [min(max(v + more, -limit), limit) for v, more in zip(self.velocity, change)]

    def step(self, command: Sequence[float], position: Sequence[float]) -> list[float]:
        """Return the velocities of the n joints in the step that starts now [rad/s].

        command : (n,) velocity commands [rad/s], which are clipped to the limit
        position : (n,) angles at the start of the step [rad]
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


class PanTilt(Robot):
    """The pan-tilt head on a fixed stand. Action: (2,) velocity commands of pan and tilt [rad/s].

    dt : length of a step [s]
    """

    DISTURBANCES = ("push",)

    def __init__(self, client: Client, dt: float) -> None:
        super().__init__(client, URDF, ("pan", "tilt"))
        for link in (-1, *self.joints):
            client.changeDynamics(self.body, link, linearDamping=0.0, angularDamping=0.0, jointDamping=0.0)
        self._servo = Servo(dt, JOINT_LIMITS)
        limit = Servo.velocity_limit
        self.action_space = spaces.Box(-limit, limit, (2,), np.float32)
        self.observation_spaces = {
            "joint_position": spaces.Box(-JOINT_LIMITS - 0.1, JOINT_LIMITS + 0.1, dtype=np.float64),
            "joint_velocity": spaces.Box(-limit - 1.0, limit + 1.0, (2,), np.float64),
        }

    def reset(self, position: Sequence[float] | np.ndarray) -> None:
        super().reset(position)
        self._servo.reset()

    def push(self, rng: np.random.Generator) -> None:
        """Disturb the head: change its velocity by ``PUSH`` in a random direction."""
        angle = rng.uniform(0.0, 2.0 * math.pi)
        self._servo.push((PUSH * math.cos(angle), PUSH * math.sin(angle)))

    def act(self, action: np.ndarray) -> None:
        velocities = self._servo.step((float(action[0]), float(action[1])), self.position)
        self.client.setJointMotorControlArray(
            self.body, self.joints, pybullet.VELOCITY_CONTROL, targetVelocities=velocities, forces=TORQUES
        )
