"""The cart and its pole: a motor pushes the cart; the pole turns freely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from gymnasium import spaces

from ..client import Client, pybullet
from ..core import Robot

__all__ = ["CART_MASS", "FORCE", "FRICTION", "GRAVITY", "HALF", "POLE_MASS", "RAIL", "CartPole"]

URDF = Path(__file__).with_name("cart_pole.urdf")
# the first three are those of the URDF
RAIL = 1.5  # m, length from the middle to either end
CART_MASS, POLE_MASS = 1.0, 0.2  # kg
HALF = 0.4  # m, distance from the hinge to the middle of the pole, a uniform rod
GRAVITY = 9.81  # m/s2
FORCE = 5.0  # N, limit
FRICTION = np.array([0.2, 0.002])  # N s/m of the cart, N m s/rad of the hinge
PUSH = 1.0  # rad/s, change of the pole's speed in a disturbance
FASTEST = np.array([10.0, 30.0])  # m/s, rad/s: range of the sensors


class CartPole(Robot):
    """Cart and pole in PyBullet. Action: (1,) force on the cart [N].

    position : position of the cart [m] and angle of the pole [rad]
    velocity : speed of the cart [m/s] and angular velocity of the pole [rad/s]
    """

    DISTURBANCES = ("push",)

    def __init__(self, client: Client) -> None:
        super().__init__(client, URDF, ("slider", "hinge"))
        client.setJointMotorControlArray(self.body, self.joints, pybullet.VELOCITY_CONTROL, forces=(0.0, 0.0))
        for joint in self.joints:
            client.changeDynamics(self.body, joint, linearDamping=0.0, angularDamping=0.0)
        self.strengthen(dict.fromkeys(("cart_mass", "pole_mass", "friction", "force"), 1.0))
        self.action_space = spaces.Box(-FORCE, FORCE, (1,), np.float32)
        ends = np.array([RAIL + 0.1, math.pi])  # a stop yields a little
        self.observation_spaces = {
            "joint_position": spaces.Box(-ends, ends, dtype=np.float64),
            "joint_velocity": spaces.Box(-FASTEST, FASTEST, dtype=np.float64),
        }

    def strengthen(self, factors: Mapping[str, float]) -> None:
        """Multiply masses, friction and the motor's force by factors, relative to their nominal values."""
        cart, pole = self.joints
        mass = POLE_MASS * factors["pole_mass"]
        about = mass * HALF**2 / 3.0
        self.client.changeDynamics(self.body, cart, mass=CART_MASS * factors["cart_mass"])
        self.client.changeDynamics(self.body, pole, mass=mass, localInertiaDiagonal=(about, about, 1e-4))
        for joint, friction in zip(self.joints, FRICTION * factors["friction"]):
            self.client.changeDynamics(self.body, joint, jointDamping=friction)
        self._strength = factors["force"]

    def place(self, position: Sequence[float] | np.ndarray, velocity: Sequence[float] | np.ndarray) -> None:
        """Set the positions and velocities of cart and pole.

        position : position of the cart [m] and angle of the pole [rad]
        velocity : speed of the cart [m/s] and angular velocity of the pole [rad/s]
        """
        for joint, where, speed in zip(self.joints, position, velocity, strict=True):
            self.client.resetJointState(self.body, joint, where, speed)
        self.read()
        self.force = 0.0

    def push(self, rng: np.random.Generator) -> None:
        """Disturb the pole: change its angular velocity by ``PUSH``, with a random sign."""
        angle, speed = self.client.getJointState(self.body, self.joints[1])[:2]
        self.client.resetJointState(self.body, self.joints[1], angle, speed + rng.choice((-PUSH, PUSH)))

    def act(self, action: np.ndarray) -> None:
        self.force = min(max(float(action[0]), -FORCE), FORCE)

    def drive(self) -> None:
        self.client.setJointMotorControl2(
            self.body, self.joints[0], pybullet.TORQUE_CONTROL, force=self.force * self._strength
        )

    def read(self) -> None:
        super().read()
        self.position[1] = math.remainder(self.position[1], 2.0 * math.pi)
        self.velocity = [min(max(v, -most), most) for v, most in zip(self.velocity, FASTEST.tolist())]
