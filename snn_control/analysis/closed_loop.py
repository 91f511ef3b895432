"""A stimulus from a Gymnasium environment: the input log of the controller that acts in it."""

from __future__ import annotations

from typing import Any

from ..controller import Controller
from ..errors import counted
from ..record.input_log import InputLogRecorder
from .stimulus import Stimulus

__all__ = ["closed_loop"]

MOST_EVENTS = 4_000_000


def closed_loop(env: Any, controller: Controller, title: str, ticks: int, seed: int = 0) -> Stimulus:
    """What arrives at the inputs of a controller that acts in an environment, about ``ticks`` ticks long.

    An episode that ends is followed by the next, with the next seed; the controller runs on. Given to a controller that
    was just reset, it makes the same commands again.

    env : a ``gymnasium.Env`` that fits the controller; it is not closed
    title : of the environment
    seed : of the first episode
    """
    controller.reset()
    most = max((one.capacity for one in controller.inputs.values()), default=0)
    recorder = InputLogRecorder(controller.bound, ticks + controller.repeat, max(most, min(most * ticks, MOST_EVENTS)))
    controller.observers.append(recorder)
    episodes, ended = 0, True
    while recorder.total < ticks and recorder.has_room(controller.repeat):
        if ended:
            observation, _ = env.reset(seed=seed + episodes)
            episodes += 1
        observation, _, terminated, truncated, _ = env.step(controller.predict(observation)[0])
        ended = terminated or truncated
    text = f"{title}, seed {seed}, {counted(episodes, 'episode')}"
    return Stimulus(text, controller.program.facts.period, recorder.log())
