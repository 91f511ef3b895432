"""Classical controllers of ``QuadrupedWalk-v0``: a trot with planned paths of the feet, by inverse kinematics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core import Baseline
from .dynamics import HIP, LINK

__all__ = ["Trot", "TrotWithImu", "TrotWithTwist", "angles"]

STEP = 0.01  # s
GRAVITY = 9.81  # m/s^2
AHEAD = np.array([1.0, 1.0, -1.0, -1.0])  # signs for fl, fr, rl, rr
SIDE = np.array([1.0, -1.0, 1.0, -1.0])
LATER = np.array([0.0, 0.5, 0.5, 0.0])  # phase of each leg, as a share of a cycle


def angles(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Inverse kinematics: return the joint angles (12,) [rad] for foot positions relative to the hips.

    A leg whose foot position is out of reach is straight.

    x, y, z : (4,) each, positions of the four feet [m]
    """
    side = SIDE * HIP[2]
    down = np.sqrt(np.maximum(y * y + z * z - side * side, 1e-4))
    hip = np.arctan2(z, y) - np.arctan2(-down, side)
    hip = (hip + math.pi) % (2.0 * math.pi) - math.pi
    half = np.arccos(np.minimum(np.hypot(x, down) / (2.0 * LINK), 1.0))
    return np.stack([hip, half - np.arctan2(x, down), -2.0 * half], axis=1).ravel()


@dataclass
class Trot(Baseline):
    """Open-loop trot: a gait in which diagonally opposite legs step together.

    During stance, a foot moves back relative to the trunk at the commanded speed, and sideways as the commanded yaw
    rate requires. During swing, the foot moves ahead again.

    period : duration of a gait cycle [s]
    stance : fraction of a gait cycle in which a foot is on the ground
    height : height of the hips [m]
    lift : height of a step [m]
    wide : offset of the feet outwards from the hips [m]
    back : offset of the feet backwards [m]
    pace : gain of the speed command
    yaw : gain of the yaw rate command
    """

    label: ClassVar[str] = "trot"

    period: float = 0.42
    stance: float = 0.7
    height: float = 0.232
    lift: float = 0.14
    wide: float = 0.02
    back: float = 0.03
    pace: float = 1.33
    yaw: float = 1.1

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._k = 0

    def feet(self, forward: float, left: float, turn: float) -> np.ndarray:
        """Return the planned positions x, y, z of the four feet relative to their hips, (3, 4) [m]."""
        phase = (self._k * STEP / self.period + LATER) % 1.0
        self._k += 1
        down = phase < self.stance
        s = np.where(down, phase / self.stance, (phase - self.stance) / (1.0 - self.stance))
        along = np.where(down, 0.5 - s, s * s * (3.0 - 2.0 * s) - 0.5)  # place along the step, as a share of its length
        z = np.where(down, 0.0, np.sin(math.pi * s) ** 2) * self.lift - self.height
        far = self.stance * self.period * along
        across = SIDE * (HIP[1] + HIP[2] + self.wide)
        x = far * (forward - turn * across) - self.back
        y = far * (left + turn * AHEAD * HIP[0]) + SIDE * (HIP[2] + self.wide)
        return np.stack([x, y, z])

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        speed, turn = float(observation["speed_command"][0]), float(observation["turn_command"][0])
        return angles(*self.feet(self.pace * speed, 0.0, self.yaw * turn)), None


@dataclass
class TrotWithImu(Trot):
    """The trot with IMU feedback, which controls the yaw rate, levels the trunk, and places the feet against tipping.

    turn_gain : proportional gain for the yaw rate error [1]
    turn_integral : integral gain for the yaw rate error [1/s]
    hold : factor by which the integral is multiplied in each step
    level : change of the legs' lengths, as a fraction of the change that would level the trunk
    tip : additional speed of the feet, sideways and ahead, for each rad/s at which the trunk tilts [m]
    tau : time constant of the filter that estimates the tilt from acceleration and rates [s]
    """

    label: ClassVar[str] = "trot with IMU"

    turn_gain: float = 0.3
    turn_integral: float = 1.0
    hold: float = 1.0
    level: float = 0.3
    tip: float = 0.1
    tau: float = 0.5

    def reset(self) -> None:
        super().reset()
        self._roll = self._pitch = self._rate = self._sum = self._tip_x = self._tip_y = 0.0

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        seen = {name: float(value[0]) for name, value in observation.items() if value.size == 1}
        keep = math.exp(-STEP / self.tau)
        roll, pitch = seen["acceleration_y"] / GRAVITY, -seen["acceleration_x"] / GRAVITY
        self._roll = keep * (self._roll + STEP * seen["roll_rate"]) + (1 - keep) * roll
        self._pitch = keep * (self._pitch + STEP * seen["pitch_rate"]) + (1 - keep) * pitch
        self._rate += 0.1 * (seen["yaw_rate"] - self._rate)
        self._tip_x += 0.2 * (seen["pitch_rate"] - self._tip_x)
        self._tip_y += 0.2 * (seen["roll_rate"] - self._tip_y)
        wrong = seen["turn_command"] - self._rate
        self._sum = min(max(self.hold * self._sum + self.turn_integral * STEP * wrong, -0.5), 0.5)
        turn = self.yaw * seen["turn_command"] + self.turn_gain * wrong + self._sum
        x, y, z = self.feet(self.pace * seen["speed_command"] + self.tip * self._tip_x, -self.tip * self._tip_y, turn)
        z = z + self.level * (self._pitch * AHEAD * HIP[0] - self._roll * SIDE * (HIP[1] + HIP[2]))
        return angles(x, y, z), None


@dataclass
class TrotWithTwist(TrotWithImu):
    """The trot with IMU feedback, in which the feet also turn around the trunk, back and forth, once per gait cycle.

    This motion compensates the yaw motion of the trunk that the swinging legs cause. CMA-ES optimised the parameters of
    this controller for the reward in episodes with seeds below 1000.

    twist : cosine and sine coefficient of the feet's angle around the trunk [rad]
    """

    label: ClassVar[str] = "trot with IMU and twist"

    stance: float = 0.742
    lift: float = 0.148
    height: float = 0.234
    back: float = 0.036
    pace: float = 1.36
    turn_gain: float = 0.44
    turn_integral: float = 2.0
    hold: float = 1.0 - STEP / 1.5
    twist: tuple[float, float] = (-0.028, -0.018)

    def feet(self, forward: float, left: float, turn: float) -> np.ndarray:
        phase = 2.0 * math.pi * self._k * STEP / self.period
        x, y, z = super().feet(forward, left, turn)
        angle = self.twist[0] * math.cos(phase) + self.twist[1] * math.sin(phase)
        return np.stack([x + angle * SIDE * (HIP[1] + HIP[2]), y - angle * AHEAD * HIP[0], z])
