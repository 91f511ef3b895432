"""The quadruped robot, whose motors accept target angles and whose trunk contains an IMU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from ..core import Robot
from .dynamics import FACTORS, FOOT, GRAVITY, JOINT_LIMITS, JOINTS, LINK, STATE, compiled_move, turned

__all__ = ["STANDING", "STEP", "Quadruped"]

STEP, PHYSICS_STEPS, PHYSICS_STEP = 0.01, 10, 1e-3  # s, number of physics steps in a step, s
STANDING = np.array([0.0, 0.8, -1.6] * 4)  # rad
PUSH = 0.8  # m/s, change of the trunk's velocity in a disturbance
NOISE = np.array([0.02] * 3 + [0.3] * 3)  # rad/s and m/s^2, standard deviations of the IMU's noise
SEEN = {
    **{f"{axis}_rate": (30.0, "rad/s") for axis in ("roll", "pitch", "yaw")},
    **{f"acceleration_{axis}": (300.0, "m/s^2") for axis in "xyz"},
}  # numbers of the IMU: name -> bound, unit


class Quadruped(Robot):
    """The quadruped, simulated with the equations of motion in ``dynamics``. Action: (12,) target joint angles [rad].

    state : see `dynamics.move`
    factors : factors of the robot's properties, see `dynamics.FACTORS`
    command : commanded forward speed [m/s] and yaw rate [rad/s], which are part of the observation
    """

    DISTURBANCES = ("push",)

    def __init__(self) -> None:
        self.state, self._targets, self._acceleration = np.zeros(STATE), STANDING.copy(), np.zeros(18)
        self.factors, self.command = dict(FACTORS), (0.0, 0.0)
        self._move, self._work = compiled_move(), np.zeros(1200)
        low, high = np.array(JOINT_LIMITS * 4).T
        self.action_space, self._stops = spaces.Box(low, high, dtype=np.float64), (low, high)
        joints = {
            "joint_position": spaces.Box(low - 0.5, high + 0.5, dtype=np.float64),
            "joint_velocity": spaces.Box(-200.0, 200.0, (len(JOINTS),), np.float64),
        }
        imu = {name: spaces.Box(-bound, bound, (1,), np.float64) for name, (bound, _) in SEEN.items()}
        commands = {name: spaces.Box(-1.0, 1.0, (1,), np.float64) for name in ("speed_command", "turn_command")}
        self.observation_spaces = joints | imu | commands
        self._rotation, self._noise, self._k = np.eye(3), np.zeros((1, 6)), 0
        self.read()

    def reset(self, position: Any) -> None:
        """Place the robot at rest with joint angles ``position``, (12,) [rad], and with its feet on the ground."""
        state = self.state
        state[:] = self._acceleration[:] = 0.0
        state[2], state[3], state[13:25] = 2.0 * LINK * math.cos(STANDING[1]) + FOOT, 1.0, position
        self._targets[:] = position
        self.read()

    def disturb(self, noise: np.ndarray) -> None:
        """Set the noise of the IMU for the next steps.

        noise : (steps, 6), random numbers with a standard deviation of 1, which the robot scales
        """
        self._noise, self._k = noise * NOISE, 0

    def push(self, rng: np.random.Generator) -> None:
        """Disturb the robot: change the trunk's velocity by ``PUSH``, in a random horizontal direction."""
        angle = rng.uniform(0.0, 2.0 * math.pi)
        self.state[7:9] += PUSH * math.cos(angle), PUSH * math.sin(angle)

    def act(self, action: Any) -> None:
        np.clip(np.asarray(action, np.float64), *self._stops, out=self._targets)

    def drive(self) -> None:
        factors = np.array(list(self.factors.values()))
        self._move(self.state, self._targets, factors, PHYSICS_STEPS, PHYSICS_STEP, self._work, self._acceleration)

    def read(self) -> None:
        state = self.state
        self.position, self.velocity = state[13:25].tolist(), state[25:37].tolist()
        turned(self._rotation, *state[3:7].tolist())
        r, v = self._rotation.tolist(), state[7:9].tolist()
        size = math.hypot(r[0][0], r[1][0]) or 1.0
        c, s = r[0][0] / size, r[1][0] / size
        #: speeds forward and to the left, in its heading [m/s]; yaw rate [rad/s]; height [m], cosine of its tilt
        self.forward, self.sideways, self.turning = c * v[0] + s * v[1], c * v[1] - s * v[0], float(state[12])
        self.height, self.upright = float(state[2]), r[2][2]

    def observe(self) -> dict[str, np.ndarray]:
        state, noise = self.state, self._noise[min(self._k, len(self._noise) - 1)]
        self._k += 1
        force = self._acceleration[3:6] + (0.0, 0.0, GRAVITY)
        seen = np.concatenate([state[10:13] @ self._rotation, force @ self._rotation]) + noise
        joints = {"joint_position": state[13:25].copy(), "joint_velocity": state[25:37].copy()}
        commands = {name: np.array([value]) for name, value in zip(("speed_command", "turn_command"), self.command)}
        return joints | {name: seen[k : k + 1] for k, name in enumerate(SEEN)} | commands
