"""Classical controllers of ``ArmUnknownLoad-v0``. They use no model of the arm or its load."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..core import Baseline

__all__ = ["PD", "PID", "TORQUES"]

STEP = 1e-3  # s
TORQUES = np.array([60.0, 30.0])  # N m, limits
#: [N m/rad] and [N m s/rad] of shoulder and elbow; the shipped spiking controller has the same
STIFFNESS, DAMPING = np.array([100.0, 50.0]), np.array([20.0, 5.0])


@dataclass
class PD(Baseline):
    """PD controller of the joints: the torque is a weighted sum of a joint's angle error and its speed error."""

    label: ClassVar[str] = "PD"

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        error = observation["target_position"] - observation["joint_position"]
        speed = observation["target_velocity"] - observation["joint_velocity"]
        return np.clip(STIFFNESS * error + DAMPING * speed, -TORQUES, TORQUES), None


@dataclass
class PID(PD):
    """PD plus the integral of the angle error. While a joint's torque is at its limit, the integral stays constant.

    integral : integral gain divided by the proportional gain [1/s]; with twice the default, the arm oscillates with a
        load of 2.5 kg
    """

    label: ClassVar[str] = "PID"

    integral: float = 4.0
    _sum: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def reset(self) -> None:
        self._sum = np.zeros(2)

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        torque = super().predict(observation, info)[0] + self._sum
        error = observation["target_position"] - observation["joint_position"]
        self._sum += np.where(np.abs(torque) < TORQUES, self.integral * STIFFNESS * error * STEP, 0.0)
        return np.clip(torque, -TORQUES, TORQUES), None
