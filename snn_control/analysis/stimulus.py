"""A stimulus: the inputs of a controller in an analysis, either generated or recorded from an environment.

The default stimulus covers every input, and depends only on the seed and the duration T:

- a value input: each number is a sinusoid over its whole range, with random phase and a random frequency of 1 to 2 / T
- a value input with ``stop_when``: values that do not stop the commands
- an events input: a bright disc moves over the whole frame (4 periods in T along one axis, 5 along the other). Its
  leading edge causes ON events, its trailing edge OFF events; random single events of both polarities occur everywhere.
  Each pixel has about two events per second, but a tick has at most half as many events as the input's capacity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..coding import EventsInput, ValueInput
from ..controller import Controller
from ..controller_file import ControllerSpec
from ..engine.slots import EVENT_COLUMNS
from ..errors import DescriptionError, counted
from ..events.slicing import MOST_TICKS
from ..gym_adapter.spaces import released
from ..record.input_log import InputLog
from ..record.input_recorder import InputLogRecorder

__all__ = ["MOST_TICKS", "Stimulus", "closed_loop", "default_stimulus", "value_range"]

EVENTS_A_PIXEL = 2.0  # 1/s
NOISE = 0.2  # share of the events that do not come from the disc
RADIUS = 0.1  # of the disc, in shorter sides of the frame
LAPS = (4, 5)  # periods of its path along x and y
MOST_EVENTS = 4_000_000  # for each camera of an environment


@dataclass(frozen=True)
class Stimulus:
    """The inputs of a controller in an analysis, tick by tick.

    text : a description of the stimulus, used in titles
    period : period of a tick [s]
    log : the inputs of every tick
    synthetic : whether the stimulus was generated rather than measured or simulated; a controller's reaction to it then
        proves little
    """

    text: str
    period: float
    log: InputLog
    synthetic: bool = False

    @property
    def ticks(self) -> int:
        return self.log.ticks

    @property
    def seconds(self) -> float:
        return self.ticks * self.period

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The values of the stimulus: name of a value input -> (ticks, size) float64.

        Inputs without any sample are omitted.
        """
        return {name: one["values"] for name, one in self.log.inputs.items() if "values" in one and one["fresh"].any()}

    @property
    def events(self) -> dict[str, tuple[np.ndarray, ...]]:
        """The events of the stimulus: name of an events input -> columns t int64 [ns], x, y, p."""
        inputs = self.log.inputs.items()
        return {name: tuple(one[key] for key in EVENT_COLUMNS) for name, one in inputs if "offsets" in one}


def value_range(spec: ValueInput) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest value of an input in a stimulus, (size,) each.

    They are the first known range of this list: the input's range, the range that its encoder covers, its plausible
    range, -1 to 1. If only one end of a range is known, the other end is at a distance of 2.
    """
    low, high = (np.broadcast_to(np.asarray(side, np.float64), spec.size).copy() for side in spec.range)
    e: Any = spec.encoder
    covers = getattr(e, "low", None) is not None and getattr(e, "high", None) is not None
    for least, most in [(e.low, e.high), spec.plausible] if covers else [spec.plausible]:
        low = np.where(np.isfinite(low), low, least)
        high = np.where(np.isfinite(high), high, most)
    known_low, known_high = np.isfinite(low), np.isfinite(high)
    low = np.where(known_low, low, np.where(known_high, high - 2.0, -1.0))
    return low, np.where(known_high, high, low + 2.0)


def default_stimulus(spec: ControllerSpec, seconds: float, seed: int = 0) -> Stimulus:
    """Return the default stimulus, which the module docstring describes. It has at least one tick."""
    rng = np.random.default_rng(seed)
    ticks = max(1, round(seconds / spec.period))
    if ticks > MOST_TICKS:
        raise DescriptionError("--seconds", seconds, f"must be at most {MOST_TICKS:,} ticks of {spec.period} s")
    still = released({one.name: one for one in spec.inputs})
    values, events = {name: np.tile(value, (ticks, 1)) for name, value in still.items()}, {}
    for one in spec.inputs:
        if isinstance(one, ValueInput) and one.name not in still:
            values[one.name] = _sinusoids(one, ticks, rng)
        elif isinstance(one, EventsInput):
            events[one.name] = _wandering_disc(one, ticks, spec.period, rng)
    log = InputLog.of(spec.period, ticks, values, events)
    return Stimulus(f"default stimulus, seed {seed}", spec.period, log, synthetic=True)


def _sinusoids(spec: ValueInput, ticks: int, rng: np.random.Generator) -> np.ndarray:
    low, high = value_range(spec)
    cycles, phase = rng.uniform(1, 2, spec.size), rng.uniform(0, 2 * np.pi, spec.size)
    t = np.arange(ticks)[:, None] / ticks
    return np.clip((low + high) / 2 + (high - low) / 2 * np.sin(2 * np.pi * cycles * t + phase), low, high)


def _wandering_disc(spec: EventsInput, ticks: int, period: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return the events of a moving disc: times [ns], x, y and polarities. An edge that moves outwards causes ON
    events."""
    (width, height), seconds = spec.size, ticks * period
    n = round(min(EVENTS_A_PIXEL * width * height * seconds, spec.capacity * ticks / 2))
    t = np.sort(rng.uniform(0, seconds, n))
    x, y, p = rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n)
    disc = rng.random(n) >= NOISE
    around = rng.uniform(0, 2 * np.pi, disc.sum())
    radius, outwards = RADIUS * min(width, height), np.zeros(len(around))
    for place, size, laps, part in ((x, width, LAPS[0], np.cos(around)), (y, height, LAPS[1], np.sin(around))):
        angle = 2 * np.pi * laps * t[disc] / seconds + rng.uniform(0, 2 * np.pi)
        reach = size / 2 - radius
        place[disc] = np.clip(size / 2 + reach * np.sin(angle) + radius * part, 0, size - 1)
        outwards += laps * reach * np.cos(angle) * part
    p[disc] = outwards > 0
    return np.rint(t * 1e9).astype(np.int64), x, y, p


def closed_loop(
    env: Any, controller: Controller, title: str, ticks: int, seed: int = 0, *,
    most_episodes: float = np.inf, before_step: Callable[[], object] = lambda: None,
) -> Stimulus:  # fmt: skip
    """Record the inputs of a controller that acts in an environment for about ``ticks`` ticks.

    When an episode ends, the next begins with the next seed; the controller is not reset. When the stimulus is replayed
    after a reset, the controller computes the same commands again.

    env : a ``gymnasium.Env`` that fits the controller; the environment is not closed
    title : title of the environment
    seed : seed of the first episode
    most_episodes : maximum number of episodes
    """
    controller.reset()
    most = max((one.capacity for one in controller.inputs.values()), default=0)
    recorder = InputLogRecorder(controller.bound, ticks + controller.repeat, max(most, min(most * ticks, MOST_EVENTS)))
    controller.observers.append(recorder)
    episodes, ended = 0, True
    while recorder.total < ticks and recorder.has_room(controller.repeat):
        if ended:
            if episodes >= most_episodes:
                break
            observation, _ = env.reset(seed=seed + episodes)
            episodes += 1
        before_step()
        observation, _, terminated, truncated, _ = env.step(controller.act(observation, env.action_space))
        ended = terminated or truncated
    text = f"{title}, seed {seed}, {counted(episodes, 'episode')}"
    return Stimulus(text, controller.program.facts.period, recorder.log())
