"""Classical controllers of ``KukaPayload-v0``. None of them knows the mass of the load."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..client import Client
from ..core import Baseline
from .robot import FRICTION, STEP, TORQUES, Kuka

__all__ = ["DAMPING", "INTEGRAL", "PD", "PID", "STIFFNESS", "ComputedTorque"]

#: gains of joints 1 to 7 [N m/rad, N m s/rad, 1/s], tuned together by CMA-ES for PID with no load and with 3 kg,
#: ``randomize=1``, on seeds below 1000
STIFFNESS = np.array([430.0, 3300.0, 230.0, 410.0, 30.0, 44.0, 17.0])
DAMPING = np.array([44.0, 180.0, 15.0, 30.0, 1.0, 1.5, 0.29])
INTEGRAL = np.array([4.4, 4.4, 4.4, 4.4, 8.4, 8.4, 8.4])


class PD(Baseline):
    """PD controller of the joints: the torque is a weighted sum of a joint's angle error and its speed error."""

    label: ClassVar[str] = "PD"

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        error = observation["target_position"] - observation["joint_position"]
        speed = observation["target_velocity"] - observation["joint_velocity"]
        torque = STIFFNESS * error + DAMPING * speed + self.more(observation, error)
        return np.minimum(np.maximum(torque, -TORQUES), TORQUES), None

    def more(self, observation: dict[str, np.ndarray], error: np.ndarray) -> np.ndarray | float:
        """Return the torque that a derived controller adds to the PD torque, (7,) [N m]; 0 for PD itself.

        error : (7,) float64, wanted minus actual joint angles [rad]
        """
        return 0.0


class PID(PD):
    """PD plus the integral of the angle error. ``INTEGRAL`` is the integral gain divided by the stiffness [1/s]."""

    label: ClassVar[str] = "PID"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._sum = np.zeros(7)

    def more(self, observation: dict[str, np.ndarray], error: np.ndarray) -> np.ndarray:
        torque = self._sum + STEP * INTEGRAL * STIFFNESS * error
        self._sum = np.minimum(np.maximum(torque, -TORQUES), TORQUES)
        return self._sum


class ComputedTorque(PD):
    """PD plus feedforward: the inverse dynamics of the arm with its nominal masses and no load, along the wanted path.

    The wanted accelerations are computed from the difference of the wanted speeds between two steps.
    """

    label: ClassVar[str] = "computed torque"
    note: ClassVar[str] = "Computed torque knows the masses of the arm, without a load: PD corrects what it lacks."

    def __init__(self) -> None:
        self._client = Client()
        self._arm = Kuka(self._client)
        self._client.setGravity(0.0, 0.0, -9.81)
        self._arm.begin(np.zeros(14), 0.0, np.random.default_rng(0))
        self.reset()

    def reset(self) -> None:
        self._before: np.ndarray | None = None

    def more(self, observation: dict[str, np.ndarray], error: np.ndarray) -> np.ndarray:
        angles, speeds = observation["target_position"], observation["target_velocity"]
        faster = (speeds - (speeds if self._before is None else self._before)) / STEP
        self._before = speeds
        asked = angles.tolist(), speeds.tolist(), faster.tolist()
        return np.array(self._client.calculateInverseDynamics(self._arm.body, *asked)) + FRICTION * speeds
