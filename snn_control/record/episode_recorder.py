"""Record the episodes of a world, step by step: actions, rewards, observations and infos, saved as arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .run_folder import write_record

__all__ = ["EpisodeRecorder"]

MOST_STEPS, MOST_EVENTS = 300_000, 4_000_000
SMALL = 64  # most numbers in an observation or info that is kept; images have more


class EpisodeRecorder:
    """Records every step of an environment: action, reward, and the small numeric entries of observation and info.

    The recorder also stores the events of ``inputs``, and the ``score`` in the last info of each episode. In a long run
    it stores the first ``MOST_STEPS`` steps. `save` writes the number of further steps (``dropped_steps``).
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        self.inputs = inputs
        self._rows: dict[str, list[Any]] = {}
        self._events: dict[str, list[tuple[int, np.ndarray]]] = {}
        self._step_count = self.dropped_steps = 0
        self._event_count = self.dropped_events = 0
        self.ends: list[int] = []
        self._scores: list[Mapping[str, float]] = []

    def add(self, step: int, action: Any, reward: float, observation: Any, info: Mapping[str, Any]) -> None:
        """Record one step of the environment. The recorder copies all numbers.

        step : number of the step since the run began
        """
        if self._step_count >= MOST_STEPS:
            self.dropped_steps += 1
            return
        self._step_count += 1
        self._keep("step", step)
        self._keep("action", np.array(action, np.float64))
        self._keep("reward", float(reward))
        if isinstance(observation, Mapping):
            for key, value in observation.items():
                if f"{key}_count" in observation:
                    self._keep_events(key, step, value[: int(observation[f"{key}_count"][0])])
                elif value is not None:
                    self._keep_small(f"observation.{key}", value)
        else:
            self._keep_small("observation", observation)
        for key, value in info.items():
            if isinstance(value, bool | int | float | np.number | np.ndarray):
                self._keep_small(f"info.{key}", value)
        if isinstance(score := info.get("score"), Mapping):
            self._scores.append(score)

    def _keep(self, key: str, value: Any) -> None:
        self._rows.setdefault(key, []).append(value)

    def _keep_small(self, key: str, numbers: Any) -> None:
        if np.size(numbers) <= SMALL:
            self._keep(key, np.array(numbers, np.float64))

    def _keep_events(self, key: str, step: int, rows: np.ndarray) -> None:
        if self._event_count + len(rows) > MOST_EVENTS:
            self.dropped_events += len(rows)
            return
        self._event_count += len(rows)
        if len(rows):
            self._events.setdefault(key, []).append((step, np.array(rows, np.float32)))

    def end_of_episode(self, step: int) -> None:
        """Mark the last recorded step as the end of its episode."""
        if not self.dropped_steps:
            self.ends.append(step)

    def save(self, path: str | os.PathLike, facts: Mapping[str, Any]) -> None:
        """Write the record and ``facts`` to an .npz file, whole or not at all.

        The file has one array for each recorded key. Events are in ``events.NAME`` (n, 4), with the step of each event
        in ``events.NAME.step`` (n,). Scores are in ``score.NAME`` (episodes,).
        """
        n = self._step_count
        # keys that are not in every step are left out: their rows would not correspond to steps
        arrays = {key: np.array(rows) for key, rows in self._rows.items() if len(rows) == n}
        for key, parts in self._events.items():
            arrays[f"events.{key}"] = np.concatenate([rows for _, rows in parts])
            arrays[f"events.{key}.step"] = np.concatenate([np.full(len(rows), step) for step, rows in parts])
        arrays["ends"] = np.array(self.ends, np.int64)
        for key in self._scores[0] if self._scores else ():
            arrays[f"score.{key}"] = np.array([one[key] for one in self._scores], np.float64)
        dropped = {"dropped_steps": self.dropped_steps, "dropped_events": self.dropped_events}
        write_record(path, arrays, {**facts, **dropped})
