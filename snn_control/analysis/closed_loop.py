"""A stimulus from a Gymnasium environment: the controller runs in it, and what it was shown is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..controller import Controller
from ..record.inputs import InputRecorder
from .stimulus import Stimulus

__all__ = ["shown_in"]


def shown_in(env: Any, controller: Controller, title: str, ticks: int, seed: int = 0) -> Stimulus:
    """What an environment shows a controller that acts in it, about ``ticks`` ticks long.

    An episode that ends is followed by the next, with the next seed; the controller runs on. Shown to a controller that
    was just reset, it gives the same commands again.

    env : a ``gymnasium.Env`` that fits the controller; it is not closed
    title : of the environment
    seed : of the first episode
    """
    repeat = controller.repeat
    recorder = InputRecorder(controller.program.facts, repeat)
    controller.reset()
    episodes, ended = 0, True
    while recorder.steps * repeat < ticks and not recorder.full:
        if ended:
            observation, _ = env.reset(seed=seed + episodes)
            episodes += 1
        recorder.add(controller.given(observation))
        observation, _, terminated, truncated, _ = env.step(controller.predict(observation)[0])
        ended = terminated or truncated
    values, events = {}, {}
    kinds = {name: one.kind for name, one in controller.inputs.items()}
    for name, rows in recorder.arrays().items():
        if kinds[name] == "value":
            values[name] = rows
        else:
            events[name] = _columns(rows)
    many = f"{episodes:,} episode{'s' if episodes > 1 else ''}"
    return Stimulus(f"{title}, seed {seed}, {many}", recorder.period, recorder.steps * repeat, values, events)


def _columns(rows: np.ndarray) -> tuple[np.ndarray, ...]:
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return tuple(rows[:, k] for k in range(4))
