"""A world whose step takes 20 ms, so that whatever was sent during the step before has arrived."""

from __future__ import annotations

import time

import gymnasium
import numpy as np
from gymnasium import spaces


class SlowWorld(gymnasium.Env):
    """The observation is the number of its steps."""

    metadata: dict = {"render_fps": 50, "render_modes": []}  # noqa: RUF012

    def __init__(self) -> None:
        self.observation_space = spaces.Box(-1e9, 1e9, (4,), np.float64)
        self.action_space = spaces.Box(-1e9, 1e9, (1,), np.float64)
        self.steps = 0

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(4), {}

    def step(self, action):
        time.sleep(0.1)
        self.steps += 1
        return np.full(4, float(self.steps)), 0.0, False, False, {}


gymnasium.register("Slow-v0", SlowWorld)
