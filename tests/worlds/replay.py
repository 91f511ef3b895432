"""A world that plays recorded inputs and ignores actions."""

from typing import ClassVar

import gymnasium
import numpy as np


class Replay(gymnasium.Env):
    """path : .npz with values (T, n), valid (T,), offsets (T + 1,), x, y, p (N,)"""

    metadata: ClassVar[dict] = {"render_modes": [], "render_fps": 1000}

    def __init__(self, path: str) -> None:
        with np.load(path) as file:
            self.record = {key: file[key] for key in file.files}
        self.action_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float64)
        box = gymnasium.spaces.Box
        self.observation_space = gymnasium.spaces.Dict(
            {"camera": box(0, np.inf, (200, 4)), "joints": box(-np.inf, np.inf, (2,))}
        )
        self.k = 0

    def _observation(self):
        r, k = self.record, min(self.k, len(self.record["valid"]) - 1)
        rows = slice(r["offsets"][k], r["offsets"][k + 1])
        events = np.stack([np.zeros(rows.stop - rows.start), r["x"][rows], r["y"][rows], r["p"][rows]], axis=1)
        return {"camera": events.astype(np.float32), "joints": r["values"][k] if r["valid"][k] else None}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.k = 0
        return self._observation(), {}

    def step(self, action):
        self.k += 1
        return self._observation(), 0.0, False, False, {}
