"""A quadrotor with an internal attitude controller; the action sets its thrust."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from ..client import Client, pybullet
from ..core import Robot

__all__ = ["FEET", "GRAVITY", "Quadrotor"]

GRAVITY = 9.81  # m/s2
MASS = 0.5  # kg, that of the URDF
FEET = 0.1  # m, from the camera down to the feet
STRONGEST = 5.0  # m/s2, largest change of the acceleration from hover
LAG = 0.06  # s, time constant of the motors
DRAG = 0.3  # 1/s, acceleration for each m/s of the air
TILT_LAG = 0.15  # s, time constant of the attitude
STEEPEST = 0.1  # rad, largest tilt
HOLD = (2.0, 2.5)  # 1/s2, 1/s: gains of the controller that holds its place over the ground


class Quadrotor(Robot):
    """The quadrotor: a rigid body with a thrust along its own vertical axis, and air drag.

    Action: (1,) upward acceleration, relative to hover [m/s2].

    An internal controller, which knows the true position, tilts the body to cancel sideways drift. The task is only
    about the vertical motion.

    position : (3,), position of the camera [m]
    velocity : (3,), velocity of the camera [m/s]
    tilt : tilt to the front and to the left [rad]
    wind : (3,), velocity of the air [m/s]
    strength : ratio of actual to commanded thrust
    lag : time constant of the motors [s]
    drag : drag acceleration for each m/s of speed relative to the air [1/s]
    """

    def __init__(self, client: Client, physics_step: float) -> None:
        self.action_space, self.observation_spaces = spaces.Box(-STRONGEST, STRONGEST, (1,), np.float32), {}
        self._step = physics_step
        self.strength, self.lag, self.drag = 1.0, LAG, DRAG
        super().__init__(client, Path(__file__).with_name("quadrotor.urdf"), [], fixed=False)
        client.changeDynamics(self.body, -1, linearDamping=0.0, angularDamping=0.0)
        self.place(1.0)

    def place(self, height: float) -> None:
        """Place the quadrotor level at a height [m], with the thrust that hovers in calm air."""
        self.client.resetBasePositionAndOrientation(self.body, [0.0, 0.0, height], [0.0, 0.0, 0.0, 1.0])
        self.wind, self.tilt = [0.0, 0.0, 0.0], [0.0, 0.0]
        self._command = self._thrust = GRAVITY
        self.read()

    def act(self, action: Any) -> None:
        wanted = float(action[0])
        self._command = GRAVITY + min(max(wanted, -STRONGEST), STRONGEST)

    def drive(self) -> None:
        """Apply the forces of a physics step. Motors and attitude follow their commands with a lag."""
        step, tilt = self._step, self.tilt
        self._thrust += (self.strength * self._command - self._thrust) * -math.expm1(-step / self.lag)
        for k in range(2):
            pull = -(HOLD[0] * self.position[k] + HOLD[1] * self.velocity[k]) / GRAVITY
            tilt[k] += (min(max(pull, -STEEPEST), STEEPEST) - tilt[k]) * -math.expm1(-step / TILT_LAG)
        front, left = tilt
        thrust = (front * self._thrust, left * self._thrust, self._thrust * (1.0 - 0.5 * (front * front + left * left)))
        force = [MASS * (a + self.drag * (w - v)) for a, w, v in zip(thrust, self.wind, self.velocity)]
        self.client.applyExternalForce(self.body, -1, force, self.position, pybullet.WORLD_FRAME)

    def read(self) -> None:
        self.position = self.client.getBasePositionAndOrientation(self.body)[0]
        self.velocity = self.client.getBaseVelocity(self.body)[0]

    def observe(self) -> dict[str, np.ndarray]:
        """Return an empty dictionary, because the quadrotor's only sensor is its camera."""
        return {}
