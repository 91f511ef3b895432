"""The world ``EventReplay-v0``, which plays the recording of an event camera and ignores the action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from snn_control.errors import DescriptionError
from snn_control.events import open_recording
from snn_control.events.slicing import LONGEST_GAP, Slicer, Tick, part

__all__ = ["EventReplayEnv"]


class EventReplayEnv(gymnasium.Env):
    """Play a recording of an event camera. Each step returns the events of one tick, by the sensor's time.

    ========== ============================== ================================================================
    Action     ``Box(-inf, inf, (actions,))``  float64, or ``Discrete(discrete)``; not used
    ========== ============================== ================================================================

    ================== ========================== ============================================================
    Observation        Space                      Meaning
    ================== ========================== ============================================================
    ``INPUT``          ``Box((capacity, 4))``     float64 rows (t [s] after the start of the tick, x, y [pixels],
                                                  p: 1 ON, 0 OFF) in the order of arrival, then zeros
    ``INPUT_count``    ``Box((1,))``              int64, events in ``INPUT``
    each of ``values`` ``Box((n,))``              float64, constant
    each of ``silent`` ``Box((1, 4))``            another camera without events, with its count 0
    ================== ========================== ============================================================

    **Reward**: 0. **Start**: the first tick. **End**: truncated after the action for the last tick.

    **Info** of a step is about the tick to which the action responds: ``events``; ``dropped_events``, the events beyond
    the capacity; and ``all_events``, ``all_dropped``, ...: the counters of `snn_control.events.slicing.Slicer` since
    the first tick.

    Parameters
    ----------
    path, topic, width, height, columns : as in `snn_control.events.open_recording`
    input : name of the events' entry in the observation, INPUT above
    period : length of a tick [s]
    capacity : maximum number of events in a tick
    values : constant entries of the observation: name -> numbers
    silent : names of other cameras
    actions : number of values of the action
    discrete : number of discrete actions, instead of ``actions``; 0: the action is continuous
    longest_gap : longest pause between events that is played [s]; longer pauses are cut out
    speed : playback speed, sensor time divided by the world's time; event times within a tick are divided by it
    begin : time after the first event at which playing begins [s]; None: at the first event
    end : time after the first event at which playing ends [s]; None: after the last event
    """

    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": [],
        "render_fps": 1000,
        "title": "A recording of an event camera",
    }

    def __init__(
        self,
        path: str,
        topic: str | None = None,
        width: int | None = None,
        height: int | None = None,
        input: str = "camera",
        period: float = 1e-3,
        capacity: int = 16384,
        values: Mapping[str, Sequence[float]] | None = None,
        silent: Sequence[str] = (),
        actions: int = 1,
        discrete: int = 0,
        longest_gap: float = LONGEST_GAP,
        speed: float = 1.0,
        begin: float | None = None,
        end: float | None = None,
        columns: str | None = None,
    ) -> None:
        if not speed > 0:
            raise DescriptionError("speed", speed, "must be > 0")
        self._open, self._part = (path, topic, width, height, columns), (begin, end)
        self.input, self.capacity, self.speed = input, capacity, speed
        self._slicing = (round(period * 1e9), capacity, longest_gap)
        Slicer(*self._slicing)  # raises now for wrong arguments, and for a wrong file
        open_recording(*self._open)
        self.metadata = {**self.metadata, "render_fps": 1.0 / period}
        # observations that do not change: values, and cameras without events
        self._still = {name: np.array(numbers, np.float64) for name, numbers in (values or {}).items()}
        parts: dict[str, Any] = {n: spaces.Box(-np.inf, np.inf, v.shape, np.float64) for n, v in self._still.items()}
        endless = np.full(actions, np.inf)
        self.action_space = spaces.Discrete(discrete) if discrete else spaces.Box(-endless, endless, dtype=np.float64)
        top = np.broadcast_to([period / speed, 65535, 65535, 1], (capacity, 4)).astype(np.float64)
        parts[input] = spaces.Box(np.zeros_like(top), top, dtype=np.float64)
        parts[f"{input}_count"] = spaces.Box(0, capacity, (1,), np.int64)
        for name in silent:
            self._still |= {name: np.zeros((1, 4)), f"{name}_count": np.zeros(1, np.int64)}
            parts[name], parts[f"{name}_count"] = spaces.Box(0, 1, (1, 4), np.float64), spaces.Box(0, 1, (1,), np.int64)
        self.observation_space = spaces.Dict(parts)
        self._tick: Tick | None = None

    def _observation(self) -> dict[str, np.ndarray]:
        rows, count = np.zeros((self.capacity, 4)), 0
        if self._tick is not None:
            tick, count = self._tick, len(self._tick.t)
            for k, column in enumerate((tick.t * (1e-9 / self.speed), tick.x, tick.y, tick.p)):
                rows[:count, k] = column
        seen = {self.input: rows, f"{self.input}_count": np.array([count], np.int64)}
        return seen | {name: numbers.copy() for name, numbers in self._still.items()}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        self._slicer = Slicer(*self._slicing)
        self._ticks: Iterator[Tick] = self._slicer.ticks(part(open_recording(*self._open).chunks(), *self._part))
        self._tick = next(self._ticks, None)
        return self._observation(), {}

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        if self._tick is None:
            raise gymnasium.error.ResetNeeded("the recording has ended or has not started: call reset()")
        info: dict[str, Any] = {"events": len(self._tick.t), "dropped_events": self._tick.dropped}
        self._tick = next(self._ticks, None)
        info |= {f"all_{name}": n for name, n in self._slicer.counters.items()}
        return self._observation(), 0.0, False, self._tick is None, info
