"""Episodes of a controller in a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..controller import Controller

__all__ = ["episode"]


def episode(
    env: Any,
    controller: Controller,
    seed: int,
    horizon: int | None = None,
    record: Callable[[Mapping[str, Any]], object] | None = None,
) -> tuple[np.ndarray, Mapping[str, Any]]:
    """One episode from a fresh state. Returns the rewards of its steps and the last info.

    record : called in each step with what the controller is given, input name -> value or events
    """
    controller.reset()
    observation, info = env.reset(seed=seed)
    rewards: list[float] = []
    while horizon is None or len(rewards) < horizon:
        if record is not None:
            record(controller.given(observation))
        observation, reward, terminated, truncated, info = env.step(controller.predict(observation)[0])
        rewards.append(float(reward))
        if terminated or truncated:
            break
    return np.array(rewards), info
