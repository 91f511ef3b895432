"""The quadruped: its motors take angles, and an Imu is in its trunk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from ..core import Robot
from .dynamics import FACTORS, FOOT, GRAVITY, JOINTS, LINK, STATE, STOPS, compiled_move, turned

__all__ = ["STANDING", "Physics", "Quadruped"]

PHYSICS_STEP = 1e-3  # s
STANDING = np.array([0.0, 0.8, -1.6] * 4)  # rad
NOISE = np.array([0.02] * 3 + [0.3] * 3)  # rad/s and m/s^2, standard deviation of the Imu's numbers
SEEN = {
    **{f"{axis}_rate": (30.0, "rad/s") for axis in ("roll", "pitch", "yaw")},
    **{f"acceleration_{axis}": (300.0, "m/s^2") for axis in "xyz"},
}  # of the Imu: name -> bound, unit


class Physics:
    """What `sim_worlds.core.World` asks of its physics client, called as in PyBullet, by the equations of ``dynamics``.

    state, factors : see `dynamics.move`, `dynamics.FACTORS`
    targets : (12,) float64, of the motors [rad]
    acceleration : (18,) float64, mean of the last step
    """

    def __init__(self) -> None:
        self.state, self.targets, self.acceleration = np.zeros(STATE), STANDING.copy(), np.zeros(18)
        self.factors = dict(FACTORS)
        self._move, self._work, self._dt = compiled_move(), np.zeros(1200), PHYSICS_STEP

    def setTimeStep(self, dt: float) -> None:
        self._dt = dt

    def setGravity(self, *gravity: float) -> None:
        """It is a constant of the equations."""

    def saveState(self) -> np.ndarray:
        return self.state.copy()

    def restoreState(self, state: np.ndarray) -> None:
        self.state[:] = state
        self.acceleration[:] = 0.0
        self.factors.update(FACTORS)

    def stepSimulation(self) -> None:
        steps, factors = round(self._dt / PHYSICS_STEP), np.array(list(self.factors.values()))
        self._move(self.state, self.targets, factors, steps, PHYSICS_STEP, self._work, self.acceleration)

    def close(self) -> None:
        """Nothing is held."""


class Quadruped(Robot):
    """Action: (12,) target angles of `dynamics.JOINTS` [rad]."""

    def __init__(self, physics: Physics) -> None:
        self.physics = physics
        low, high = np.array(STOPS * 4).T
        self.action_space, self._stops = spaces.Box(low, high, dtype=np.float64), (low, high)
        joints = {
            "joint_position": spaces.Box(low - 0.5, high + 0.5, dtype=np.float64),
            "joint_velocity": spaces.Box(-200.0, 200.0, (len(JOINTS),), np.float64),
        }
        imu = {name: spaces.Box(-bound, bound, (1,), np.float64) for name, (bound, _) in SEEN.items()}
        self.observation_spaces = joints | imu
        self._rotation, self._noise, self._k = np.eye(3), np.zeros((1, 6)), 0
        self.read()

    def reset(self, position: Any) -> None:
        """Stand with these angles (12,), at rest, the feet on the ground."""
        state = self.physics.state
        state[:] = 0.0
        state[2], state[3], state[13:25] = 2.0 * LINK * math.cos(STANDING[1]) + FOOT, 1.0, position
        self.physics.targets[:] = position
        self.read()

    def disturb(self, noise: np.ndarray) -> None:
        """Noise of the Imu in the steps from now on: (steps, 6), with a standard deviation of 1."""
        self._noise, self._k = noise * NOISE, 0

    def act(self, action: Any) -> None:
        np.clip(np.asarray(action, np.float64), *self._stops, out=self.physics.targets)

    def read(self) -> None:
        state = self.physics.state
        self.position, self.velocity = state[13:25].tolist(), state[25:37].tolist()
        turned(self._rotation, *state[3:7].tolist())
        r, v = self._rotation.tolist(), state[7:9].tolist()
        size = math.hypot(r[0][0], r[1][0]) or 1.0
        c, s = r[0][0] / size, r[1][0] / size
        #: forward and to the left in its own heading [m/s]; turning to the left [rad/s]; height [m], cosine of its tilt
        self.forward, self.sideways, self.turning = c * v[0] + s * v[1], c * v[1] - s * v[0], float(state[12])
        self.height, self.upright = float(state[2]), r[2][2]

    def observe(self) -> dict[str, np.ndarray]:
        state, noise = self.physics.state, self._noise[min(self._k, len(self._noise) - 1)]
        self._k += 1
        force = self.physics.acceleration[3:6] + (0.0, 0.0, GRAVITY)
        seen = np.concatenate([state[10:13] @ self._rotation, force @ self._rotation]) + noise
        imu: Mapping[str, np.ndarray] = {name: seen[k : k + 1] for k, name in enumerate(SEEN)}
        return {"joint_position": state[13:25].copy(), "joint_velocity": state[25:37].copy(), **imu}
