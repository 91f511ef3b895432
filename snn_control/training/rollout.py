"""Episodes of a controller in a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..controller import Controller

__all__ = ["episode"]


def episode(
    env: Any, controller: Controller, seed: int, horizon: int | None = None
) -> tuple[np.ndarray, Mapping[str, Any]]:
    """One episode from a fresh state. Returns the rewards of its steps and the last info."""
    controller.reset()
    observation, info = env.reset(seed=seed)
    rewards: list[float] = []
    while horizon is None or len(rewards) < horizon:
        observation, reward, terminated, truncated, info = env.step(controller.predict(observation)[0])
        rewards.append(float(reward))
        if terminated or truncated:
            break
    return np.array(rewards), info
