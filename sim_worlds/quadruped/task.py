"""The task to walk with commanded speed and yaw rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn_control.errors import DescriptionError

from ..core import Task
from .robot import STANDING, Quadruped

__all__ = ["SPEEDS", "TURNS", "Walk"]

SPEEDS, TURNS = (0.2, 0.6), (-0.5, 0.5)  # m/s and rad/s, ranges of the commands
HELD = 4.0  # s, time for which a command is held
LOWEST, MOST_TILTED = 0.15, math.cos(math.radians(45.0))  # height [m] and cosine of the tilt: below is a fall
TAU = 0.3  # s, time constant of the filter of judged speeds, because every gait speeds up and slows down in a stride
SCORED_FROM = 1.0  # s
SPEED_SCALE, TURN_SCALE = 0.2, 0.4  # m/s and rad/s, errors at which the reward falls to 1/e
PUSH, PUSH_FOR, PUSHES = 30.0, 0.2, 3.0  # largest push [N], its duration [s], and time from one to the next [s]
BUMPS = 0.01  # m, largest amplitude of the uneven ground


class Walk(Task):
    """The task to follow commands of speed and yaw rate; see `QuadrupedWalkEnv` for reward, info and score.

    speed, turn : as in `QuadrupedWalkEnv`
    roughness : strength of uneven ground and pushes, from 0 to 1
    """

    DISTURBANCES = ("new_command",)

    def __init__(self, robot: Quadruped, speed: float | None, turn: float | None, roughness: float) -> None:
        for name, value, most in (("speed", speed, 1.0), ("turn", turn, 1.0)):
            if value is not None and not -most <= value <= most:
                raise DescriptionError(name, value, f"must be from -{most} to {most}, or None")
        self.robot, self.wanted, self.roughness = robot, ((speed, SPEEDS), (turn, TURNS)), roughness

    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        self._times = times
        self._dt = float(times[1])
        held = int(times[-1] / HELD) + 1
        drawn = [rng.uniform(*bounds, held) if value is None else np.full(held, value) for value, bounds in self.wanted]
        self._commands = np.stack(drawn, axis=1, dtype=np.float64)
        self.robot.reset(STANDING + rng.uniform(-0.03, 0.03, 12))
        self.robot.disturb(rng.normal(size=(times.size, 6)))
        factors, rough = self.robot.factors, self.roughness
        factors["bumps"] = BUMPS * rough
        factors["phase_x"], factors["phase_y"] = rng.uniform(0.0, 2.0 * math.pi, 2)
        pushes = int(times[-1] / PUSHES) + 1
        angle, size = rng.uniform(0.0, 2.0 * math.pi, pushes), rough * PUSH * rng.uniform(0.5, 1.0, pushes)
        self._pushes = np.stack([size * np.cos(angle), size * np.sin(angle)], axis=1)
        self._push_at = rng.uniform(1.0, PUSHES - PUSH_FOR, pushes)
        self._follow = 1.0 - math.exp(-self._dt / TAU)
        self._means = [0.0, 0.0, 0.0]
        self._squares, self._counted, self._distance, self._fell = [0.0, 0.0], 0, 0.0, False
        self._tell(0)

    def new_command(self, rng: np.random.Generator) -> None:
        """Disturb the episode: draw another command, which applies from the next step to the end of the episode."""
        self._commands[:] = rng.uniform(*SPEEDS), rng.uniform(*TURNS)

    def _tell(self, k: int) -> None:
        t = float(self._times[k])
        speed, turn = self._commands[min(int(t / HELD), len(self._commands) - 1)].tolist()
        self.robot.command = (speed, turn)
        n = min(int(t / PUSHES), len(self._pushes) - 1)
        pushed = 0.0 <= t - n * PUSHES - self._push_at[n] < PUSH_FOR
        factors = self.robot.factors
        factors["push_x"], factors["push_y"] = self._pushes[n].tolist() if pushed else (0.0, 0.0)
        self._scored = t > SCORED_FROM

    def step(self, k: int) -> None:
        robot, now = self.robot, (self.robot.forward, self.robot.sideways, self.robot.turning)
        self._means = [mean + self._follow * (one - mean) for mean, one in zip(self._means, now)]
        self._distance += robot.forward * self._dt
        self._fell = robot.height < LOWEST or robot.upright < MOST_TILTED
        self._tell(k)

    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        speed, turn = self.robot.command
        ahead, side, turning = self._means
        wrong, turned = math.hypot(ahead - speed, side), turning - turn
        if self._scored:
            self._squares[0] += (ahead - speed) ** 2
            self._squares[1] += turned**2
            self._counted += 1
        reward = math.exp(-((wrong / SPEED_SCALE) ** 2) - (turned / TURN_SCALE) ** 2)
        info = {
            "speed": ahead, "turn": turning, "distance": self._distance, "fell": self._fell,
            "command": np.array((speed, turn)),
        }  # fmt: skip
        return reward, self._fell, info

    def score(self) -> dict[str, float]:
        """Return ``distance`` [m], ``fell`` (0 or 1), and rms errors of speed [m/s] and yaw rate [rad/s]."""
        counted = max(self._counted, 1)
        speed, turn = (math.sqrt(one / counted) for one in self._squares)
        return {"distance": self._distance, "fell": float(self._fell), "speed_error": speed, "yaw_rate_error": turn}
