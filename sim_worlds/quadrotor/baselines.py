"""The classical controller of ``QuadrotorAttitude-v0``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .robot import MIXER

__all__ = ["CascadedPID"]

STEP = 2e-3  # s


@dataclass
class CascadedPID:
    """The cascade of the Crazyflie's firmware: PI of roll and pitch -> wanted rates -> PID of the rates -> mixer.

    The rates' derivative is that of the measured rate, filtered. Integrals are limited, and held while a motor is at a
    limit. Commands are shares of a motor's thrust.

    angle : gain of roll and pitch [1/s], and of their integral [1/s^2]
    rate : gains of the rates around x and y: proportional [s], integral [1], derivative [s^2]
    turn : gains of the yaw rate: proportional [s], integral [1]
    tau : of the filter of the derivative [s]
    """

    label: ClassVar[str] = "cascaded PID"
    note: ClassVar[str] = ""

    angle: tuple[float, float] = (10.0, 2.0)
    rate: tuple[float, float, float] = (0.012, 0.1, 0.0001)
    turn: tuple[float, float] = (0.05, 0.1)
    tau: float = 0.005
    _sums: np.ndarray = field(default_factory=lambda: np.zeros(5))

    def reset(self) -> None:
        """Forget integrals and the last rates."""
        self._sums = np.zeros(5)  # of roll, pitch [rad s] and the rates [rad]
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
