"""A mobile robot with two driven wheels and a laser scanner."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from ..client import Client, pybullet
from ..core import Robot

__all__ = ["ANGLES", "FASTEST", "RADIUS", "RANGE", "TURN", "DiffDrive"]

URDF = Path(__file__).with_name("diff_drive.urdf")
RADIUS = 0.1  # m, radius of the robot
FASTEST, TURN = 0.5, 2.8  # m/s and rad/s, limits of the commands
TRACK = 0.16  # m, distance between the wheels
ACCELERATION = 1.0  # m/s2 of a wheel, at most
DELAY = 0.05  # s, from a command to the motors
#: (55,) float64, angles of the beams, from right to left [rad]
ANGLES = np.radians(np.arange(-135.0, 136.0, 5.0))
RANGE = 3.5  # m, range of the scanner
HEIGHT = 0.16  # m, height of the scanner, above the robot's body
SCAN_NOISE = 0.01  # m, standard deviation
SPEED_NOISE, YAW_NOISE = 0.01, 0.02  # m/s and rad/s, standard deviations of the odometry
NOISE, NOISY_SCANS = 0.2, 20  # m, standard deviation in a disturbance; number of scans in it, which take 1 s
PUSH, SPINNING = 0.25, 1.0  # m/s, change of a wheel's speed in a disturbance, and its limit
TORQUES = (1000.0, 1000.0, 1000.0)  # N and N m, so large that the joints follow the wheels exactly


class DiffDrive(Robot):
    """The differential-drive robot. Action: (2,) forward speed [m/s] and yaw rate [rad/s], positive to the left.

    A command reaches the motors after ``DELAY``. Each wheel's speed follows its command with an acceleration of at most
    ``ACCELERATION``. In each physics step the robot moves straight, in its heading at the middle of the step.

    dt : length of a physics step [s]
    scan : (55,) float64, the newest scan [m]
    """

    DISTURBANCES = ("push", "noise")

    def __init__(self, client: Client, dt: float) -> None:
        super().__init__(client, URDF, ("x", "y", "yaw"))
        for link in range(-1, client.getNumJoints(self.body)):
            client.changeDynamics(self.body, link, linearDamping=0.0, angularDamping=0.0, jointDamping=0.0)
        self._dt = dt
        self.action_space = spaces.Box(np.array([0.0, -TURN], np.float32), np.array([FASTEST, TURN], np.float32))
        self.observation_spaces = {
            "scan": spaces.Box(0.0, np.inf, ANGLES.shape, np.float32),
            "speed": spaces.Box(-2.0, 2.0, (1,), np.float32),
            "yaw_rate": spaces.Box(-15.0, 15.0, (1,), np.float32),
        }
        self.vary({})

    def vary(self, factors: Mapping[str, float]) -> None:
        """Multiply the robot's nominal properties by factors, from the next `begin` on.

        factors : name of a property in ``LidarCourseEnv.RANDOMIZED`` -> factor; a missing factor counts as 1
        """
        factor = defaultdict(lambda: 1.0, factors)
        self._gains = factor["left_wheel"], factor["right_wheel"]
        self._track = TRACK * factor["track"]
        self._change = ACCELERATION * factor["acceleration"] * self._dt
        self._waiting = round(DELAY * factor["delay"] / self._dt)
        self._noise = SCAN_NOISE * factor["scan_noise"]

    def begin(self, pose: Sequence[float], rng: np.random.Generator) -> None:
        """Place the robot at rest for an episode.

        pose : x, y [m] and yaw [rad]
        rng : source of the sensors' noise
        """
        self._rng = rng
        self._wheels = [0.0, 0.0]
        self._queue = [(0.0, 0.0)] * self._waiting
        self._command = (0.0, 0.0)
        self._noisy = 0
        self.reset(pose)

    def push(self, rng: np.random.Generator) -> None:
        """Disturb the robot: change the wheels' speeds by ``PUSH`` in opposite directions, to a random side."""
        change = rng.choice((-PUSH, PUSH))
        self._wheels = [min(max(v + w, -SPINNING), SPINNING) for v, w in zip(self._wheels, (-change, change))]

    def noise(self, rng: np.random.Generator) -> None:
        """Disturb the scanner: add noise of standard deviation ``NOISE`` to the next ``NOISY_SCANS`` scans."""
        self._noisy = NOISY_SCANS

    def act(self, action: Any) -> None:
        v, turn = float(action[0]), float(action[1])
        self._command = min(max(v, 0.0), FASTEST), min(max(turn, -TURN), TURN)

    def drive(self) -> None:
        self._queue.append(self._command)
        v, turn = self._queue.pop(0)
        for k, side in enumerate((-0.5, 0.5)):
            wanted = self._gains[k] * (v + side * TRACK * turn)
            self._wheels[k] += min(max(wanted - self._wheels[k], -self._change), self._change)
        left, right = self._wheels
        v, turn = 0.5 * (left + right), (right - left) / self._track
        middle = self.client.getJointState(self.body, self.joints[2])[0] + 0.5 * turn * self._dt
        speeds = (v * math.cos(middle), v * math.sin(middle), turn)
        self.client.setJointMotorControlArray(
            self.body, self.joints, pybullet.VELOCITY_CONTROL, targetVelocities=speeds, forces=TORQUES
        )

    def observe(self) -> dict[str, np.ndarray]:
        """Return a scan with noise, in which ``inf`` marks a beam that hit nothing, and the wheel odometry, as new
        arrays."""
        x, y, yaw = self.position
        ends = RANGE * np.stack([np.cos(ANGLES + yaw), np.sin(ANGLES + yaw)], 1) + (x, y)
        origins = [(x, y, HEIGHT)] * len(ANGLES)
        hits = self.client.rayTestBatch(origins, [(*end, HEIGHT) for end in ends.tolist()])
        noise = self._noise
        if self._noisy:
            noise, self._noisy = NOISE, self._noisy - 1
        scan = RANGE * np.array([hit[2] for hit in hits]) + noise * self._rng.standard_normal(len(ANGLES))
        scan[[hit[0] < 0 for hit in hits]] = np.inf
        scan = np.maximum(np.where(scan <= RANGE, scan, np.inf), 0.0)
        left, right = self._wheels
        speed, turn = 0.5 * (left + right), (right - left) / TRACK
        drawn = self._rng.standard_normal(2)
        self.scan = scan
        return {
            "scan": scan.astype(np.float32),
            "speed": np.array([speed + SPEED_NOISE * drawn[0]], np.float32),
            "yaw_rate": np.array([turn + YAW_NOISE * drawn[1]], np.float32),
        }
