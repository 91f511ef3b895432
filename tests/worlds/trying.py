"""Worlds that challenge a trainer: spaces of every kind, numbers that are not finite, episodes without end, faults."""

from __future__ import annotations

import sys

import gymnasium
import numpy as np
from gymnasium import spaces


class Trying(gymnasium.Env):
    """Draws an observation in each step, and rewards the action that it asks for.

    steps : of an episode; 0: it never ends
    fault : what goes wrong in the 100th step of this copy, see `step`
    """

    def __init__(self, steps: int = 20, fault: str = "") -> None:
        self.steps, self.fault, self.done = steps, fault, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.k = 0
        return self.draw(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        reward = self.judge(action)
        self.k, self.done = self.k + 1, self.done + 1
        if self.done == 100 and self.fault == "raise":
            raise ValueError("the simulator\nlost contact")
        if self.done == 100 and self.fault == "reward":
            reward = float("nan")
        if self.done == 100 and self.fault == "rewards":
            reward = np.array([1.0, 2.0])
        if self.done == 100 and self.fault == "huge":
            reward = 1e308
        if self.done == 100 and self.fault == "exit":
            sys.exit(3)
        found = self.draw(), reward, self.k == self.steps, False, {}
        if self.done == 100 and self.fault == "ends":
            found = *found[:2], np.array([True, False]), *found[3:]
        if self.done == 100 and self.fault == "no end":
            found = *found[:3], None, found[4]
        if self.done == 100 and self.fault in ("grows", "shrinks"):
            found = {**found[0], "free": np.zeros(6 if self.fault == "grows" else 2)}, *found[1:]
        return found[:4] if self.fault == "old" else found


class Mixed(Trying):
    """A Dict of everything; which of three and which of two, told by ``mode`` and ``gauge``."""

    observation_space = spaces.Dict({
        "arm": spaces.Box(-1, 1, (2, 2), np.float32),
        "flags": spaces.MultiBinary(2),
        "free": spaces.Box(-np.inf, np.inf, (3,), np.float64),
        "gauge": spaces.Box(0, 1000, (1,), np.float64),
        "level": spaces.Box(-5, 5, (2,), np.int64),
        "mode": spaces.Discrete(3, start=-1),
    })  # fmt: skip
    action_space = spaces.MultiDiscrete([3, 2])

    def draw(self):
        rng = self.np_random
        odd = rng.choice([0.0, 0.5, np.nan, np.inf, 1e30, -1e300], p=[0.5, 0.4, 0.04, 0.02, 0.02, 0.02])
        self.now = {
            "arm": rng.uniform(-1, 1, (2, 2)).astype(np.float32),
            "flags": rng.integers(0, 2, 2).astype(np.int8),
            "free": np.array([rng.normal(), 1e3 * rng.normal(), odd]),
            "gauge": rng.uniform(0, 1000, 1),
            "level": rng.integers(-5, 6, 2),
            "mode": int(rng.integers(-1, 2)),
        }
        return self.now

    def judge(self, action):
        return float(action[0] == self.now["mode"] + 1) + float(action[1] == (self.now["gauge"][0] > 500))


class Corners(Trying):
    """The action is a matrix of float64, best at its limits, which float32 does not have."""

    observation_space = spaces.Box(-1, 1, (), np.float32)
    action_space = spaces.Box(np.array([[0.3, -0.7]]), np.array([[0.7, 0.1]]), dtype=np.float64)

    def draw(self):
        return np.array(self.np_random.uniform(-1, 1), np.float32)

    def judge(self, action):
        return float(action.sum())


class Switches(Trying):
    """Which of two switches are on, told by the signs of two numbers."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.MultiBinary(2)

    def draw(self):
        self.now = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.now

    def judge(self, action):
        return float((action == (self.now > 0)).sum())


class Levels(Switches):
    """A variant with whole numbers, to which a command is rounded."""

    action_space = spaces.Box(-2, 2, (2,), np.int64)

    def judge(self, action):
        return float(np.abs(action - 2 * self.now).sum())
