"""The classical controller of ``QuadrotorAttitude-v0``, and a teacher that uses the simulator's true state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..core import Baseline
from .robot import INERTIA, MIXER, STRONGEST

__all__ = ["CascadedPID", "true_state"]

STEP = 2e-3  # s
SEEN = 10  # steps over which the teacher takes the slopes of the wanted values
ANGLE, RATES = 25.0, np.array([0.12, 0.12, 1.0])  # the teacher's gains: 1/s; s, for roll, pitch and yaw
MAX_COMMAND = np.array([1.0, 1.0, 0.4])  # roll, pitch, yaw; yaw, which is slow, leaves room for the others
LEAD = 0.01  # s, time by which the teacher looks ahead
STEEPEST = np.array([2.0, 2.0, 4.0])  # rad/s, rad/s, rad/s^2, limits of these slopes


@dataclass
class CascadedPID(Baseline):
    """The cascade of the Crazyflie's firmware: PI of roll and pitch -> wanted rates -> PID of the rates -> mixer.

    The derivative term uses the filtered derivative of the measured rate. Integrals are limited, and stay constant
    while a motor is at a limit. Commands are fractions of a motor's largest thrust.

    angle : proportional gain [1/s] and integral gain [1/s^2] for roll and pitch
    rate : proportional [s], integral [1] and derivative [s^2] gain for the rates around x and y
    turn : proportional [s] and integral [1] gain for the yaw rate
    tau : time constant of the filter of the derivative [s]
    """

    label: ClassVar[str] = "cascaded PID"

    angle: tuple[float, float] = (24.0, 8.0)
    rate: tuple[float, float, float] = (0.06, 0.015, 0.0004)
    turn: tuple[float, float] = (0.72, 0.43)
    tau: float = 0.0028
    _sums: np.ndarray = field(default_factory=lambda: np.zeros(5))

    def reset(self) -> None:
        self._sums = np.zeros(5)  # integrals of roll, pitch [rad s] and the rates [rad]
        self._before: np.ndarray | None = None
        self._slope = np.zeros(2)

    def __post_init__(self) -> None:
        self.reset()

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        rates = observation["angular_velocity"]
        error = observation["wanted_attitude"] - observation["attitude"]
        change = np.zeros(2) if self._before is None else (rates[:2] - self._before) / STEP
        self._before = rates[:2].copy()
        self._slope += (change - self._slope) * (STEP / (STEP + self.tau))
        off = np.empty(3)
        off[:2] = self.angle[0] * error + self.angle[1] * self._sums[:2] - rates[:2]
        off[2] = observation["wanted_yaw_rate"][0] - rates[2]
        torque = np.empty(3)
        torque[:2] = self.rate[0] * off[:2] + self.rate[1] * self._sums[2:4] - self.rate[2] * self._slope
        torque[2] = self.turn[0] * off[2] + self.turn[1] * self._sums[4]
        command = observation["wanted_thrust"] + MIXER @ torque
        if command.min() > 0 and command.max() < 1:
            self._sums += np.concatenate([error, off]) * STEP
        return np.clip(command, 0.0, 1.0).astype(np.float32), None


def true_state(env: Any, observation: Any) -> np.ndarray:
    """Return the action of a teacher that knows the motors' strengths and the state without noise.

    The wanted rates of roll and pitch are the time derivatives of the wanted angles, plus a term proportional to the
    angle errors.
    """
    robot, task = env.task.robot, env.task
    wanted, before = np.array(robot.wanted), np.array(task.path[max(task.k - SEEN, 0)])
    roll, pitch, yaw = np.clip((wanted - before)[:3] / (SEEN * STEP), -STEEPEST, STEEPEST)
    rates = [*(ANGLE * (wanted[:2] - robot.attitude) + (roll, pitch)), wanted[2] + LEAD * yaw]
    soon = robot.rates + LEAD * np.array(robot.torque) / INERTIA
    turn = np.clip(RATES * (rates - soon), -MAX_COMMAND, MAX_COMMAND)
    command = (wanted[3] + MIXER @ turn) * STRONGEST / robot.thrusts
    return np.clip(command, 0.0, 1.0).astype(np.float32)
