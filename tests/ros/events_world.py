"""A world with an event camera: random events, whose polarity follows the last action."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium import spaces

WIDTH, HEIGHT, CAPACITY, STEP = 64, 48, 200, 0.01


class EventsWorld(gymnasium.Env):
    """Times are whole microseconds. Some steps have no event."""

    metadata: dict = {"render_fps": 100, "render_modes": []}  # noqa: RUF012

    def __init__(self) -> None:
        high = np.tile(np.array([1.0, WIDTH, HEIGHT, 1.0]), (CAPACITY, 1))
        self.observation_space = spaces.Dict({
            "camera": spaces.Box(np.zeros((CAPACITY, 4)), high, dtype=np.float64),
            "camera_count": spaces.Box(0, CAPACITY, (1,), np.int64),
        })  # fmt: skip
        self.action_space = spaces.Box(-1e9, 1e9, (1,), np.float64)

    def _observation(self, action):
        rng, rows = self.np_random, np.zeros((CAPACITY, 4))
        n = int(rng.integers(0, CAPACITY)) if rng.random() < 0.9 else 0
        rows[:n, 0] = np.sort(rng.integers(0, round(STEP * 1e6), n)) * 1e-6
        rows[:n, 1], rows[:n, 2] = rng.integers(0, WIDTH, n), rng.integers(0, HEIGHT, n)
        rows[:n, 3] = rng.random(n) < 0.5 + 0.4 * np.tanh(action)
        return {"camera": rows, "camera_count": np.array([n])}

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return self._observation(0.0), {}

    def step(self, action):
        return self._observation(float(action[0])), 0.0, False, False, {}


gymnasium.register("Events-v0", EventsWorld)
