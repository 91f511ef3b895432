"""A Crazyflie 2.x in free flight: four motors and an IMU."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from ..client import Client, pybullet
from ..core import Robot

__all__ = ["HOVER", "MIXER", "MOTORS", "Quadrotor"]

URDF = Path(__file__).with_name("quadrotor.urdf")
MASS, INERTIA = 0.027, (1.4e-5, 1.4e-5, 2.17e-5)  # kg, kg m^2 (Foerster 2015)
GRAVITY = 9.81  # m/s^2
STRONGEST = 2.25 * MASS * GRAVITY / 4  # N, thrust of a motor at full speed (gym-pybullet-drones)
HOVER = 1 / 2.25  # command at which four motors carry the weight
ARM = 0.03973 / math.sqrt(2.0)  # m, distance of a motor from the axes x and y
DRAG = 5.964e-3  # m, torque of a motor around its axis for a thrust of 1 N (Foerster 2015)
LAG = 0.02  # s, time constant of a motor's speed (CrazyS: 0.0125 when it rises, 0.025 when it falls)
DELAY = 3e-3  # s, from an observation to the motors
GYRO, ANGLE = 0.02, 0.002  # rad/s, rad: standard deviations of the noise
PUSH = 8.0  # rad/s, change of the angular velocity in a disturbance
FASTEST = math.radians(2000.0)  # rad/s, range of the gyroscope

#: (4, 2) signs of each motor's place, x (front 1) and y (left 1): front right, back right, back left, front left
SIDES = np.array([[1, -1], [-1, -1], [-1, 1], [1, 1]])
#: (4, 3) share of roll, pitch and yaw in each motor's command; the first and the third motor turn the body to the right
MIXER = np.column_stack([SIDES[:, 1], -SIDES[:, 0], [-1, 1, -1, 1]]).astype(np.float64)
MOTORS = ("front_right", "back_right", "back_left", "front_left")


def angles_of(w: float, x: float, y: float, z: float) -> tuple[float, float]:
    """Return roll and pitch [rad] of a unit quaternion w, x, y, z. The order of rotations is yaw, pitch, roll."""
    pitch = math.asin(min(1.0, max(-1.0, 2.0 * (w * y - z * x))))
    return math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y)), pitch


class Quadrotor(Robot):
    """The quadrotor. Action: (4,) motor commands, as fractions of each motor's largest thrust.

    dt : length of a physics step [s]
    attitude : true roll and pitch [rad]
    rates : true angular velocity in the body's axes [rad/s]
    upright : cosine of the angle between the body's z axis and the vertical
    thrusts : largest thrust of each motor [N]
    wanted : wanted roll and pitch [rad], yaw rate [rad/s] and thrust at the present step; the task sets them
    gust : external torque of the wind around the body's axes [N m]; the task sets it
    torque : total torque of motors and gust around the body's axes [N m]
    """

    DISTURBANCES = ("push",)

    def __init__(self, client: Client, dt: float) -> None:
        self.dt = dt
        self.action_space = spaces.Box(0.0, 1.0, (4,), np.float32)
        self.observation_spaces = {
            "attitude": spaces.Box(-math.pi, math.pi, (2,), np.float64),
            "angular_velocity": spaces.Box(-FASTEST, FASTEST, (3,), np.float64),
            "wanted_attitude": spaces.Box(-0.6, 0.6, (2,), np.float64),
            "wanted_yaw_rate": spaces.Box(-2.0, 2.0, (1,), np.float64),
            "wanted_thrust": spaces.Box(0.0, 1.0, (1,), np.float64),
        }
        self.wanted, self.gust = [0.0, 0.0, 0.0, HOVER], [0.0, 0.0, 0.0]
        super().__init__(client, URDF, (), fixed=False)
        self._follow = 1.0 - math.exp(-dt / LAG)
        self.vary({})
        self.start(np.random.default_rng(0), 0)

    def vary(self, factors: Mapping[str, float]) -> None:
        """Multiply mass, inertia, each motor's thrust, delay and noise by factors; a missing factor counts as 1."""
        mass, inertia = (factors.get(name, 1.0) for name in ("mass", "inertia"))
        self.thrusts = [STRONGEST * factors.get(name, 1.0) for name in MOTORS]
        self._waits = round(DELAY * factors.get("delay", 1.0) / self.dt)
        self._noise = factors.get("noise", 1.0)
        self.client.changeDynamics(
            self.body, -1, mass=MASS * mass, localInertiaDiagonal=[i * inertia for i in INERTIA],
            linearDamping=0.0, angularDamping=0.0,
        )  # fmt: skip

    def start(self, rng: np.random.Generator, steps: int) -> None:
        """Start an episode of ``steps`` steps in level hover at rest, and draw its sensor noise."""
        spread = self._noise * np.array([ANGLE] * 2 + [GYRO] * 3)
        self._errors, self._k = rng.normal(size=(steps + 1, 5)) * spread, 0
        self._command = [HOVER] * 4
        self._queue = deque([self._command] * self._waits)
        self._speeds = [math.sqrt(HOVER)] * 4  # speeds of the motors, as shares of the largest speed
        self.torque = (0.0, 0.0, 0.0)
        self.read()

    def push(self, rng: np.random.Generator) -> None:
        """Disturb the quadrotor: change its angular velocity by ``PUSH``, around a random horizontal axis."""
        turning, axis = self.client.getBaseVelocity(self.body)[1], rng.uniform(0.0, 2.0 * math.pi)
        change = (PUSH * math.cos(axis), PUSH * math.sin(axis), 0.0)
        self.client.resetBaseVelocity(self.body, angularVelocity=[a + b for a, b in zip(turning, change)])

    def act(self, action: Any) -> None:
        self._command = [min(max(float(u), 0.0), 1.0) for u in action]
        self._k += 1

    def drive(self) -> None:
        self._queue.append(self._command)
        due, follow, speeds = self._queue.popleft(), self._follow, self._speeds
        for k in range(4):
            speeds[k] += (math.sqrt(due[k]) - speeds[k]) * follow
        a, b, c, d = (most * speed * speed for most, speed in zip(self.thrusts, speeds))
        roll, pitch, yaw = self.gust
        self.torque = (
            ARM * (c + d - a - b) + roll,
            ARM * (b + c - a - d) + pitch,
            DRAG * (b + d - a - c) + yaw,
        )
        self.client.applyExternalForce(self.body, -1, (0.0, 0.0, a + b + c + d), (0.0, 0.0, 0.0), pybullet.LINK_FRAME)
        self.client.applyExternalTorque(self.body, -1, self.torque, pybullet.LINK_FRAME)

    def read(self) -> None:
        x, y, z, w = self.quaternion = self.client.getBasePositionAndOrientation(self.body)[1]
        p, q, r = self.client.getBaseVelocity(self.body)[1]
        self.attitude, self.upright = angles_of(w, x, y, z), 1.0 - 2.0 * (x * x + y * y)
        # v' = v - 2 w (u x v) + 2 u x (u x v), u = (x, y, z), converts from the world's axes to the body's
        a, b, c = y * r - z * q, z * p - x * r, x * q - y * p
        self.rates = (
            p + 2.0 * (y * c - z * b - w * a),
            q + 2.0 * (z * a - x * c - w * b),
            r + 2.0 * (x * b - y * a - w * c),
        )

    def observe(self) -> dict[str, np.ndarray]:
        errors, wanted = self._errors[self._k], self.wanted
        return {
            "attitude": np.array(self.attitude) + errors[:2],
            "angular_velocity": np.clip(errors[2:] + self.rates, -FASTEST, FASTEST),
            "wanted_attitude": np.array(wanted[:2]),
            "wanted_yaw_rate": np.array(wanted[2:3]),
            "wanted_thrust": np.array(wanted[3:]),
        }
