"""Replay a recorded run, and compare its commands and spikes with the record, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..controller import Controller
from ..errors import InputError
from .activity_recorder import ActivityRecorder
from .input_log import InputLog

__all__ = ["Replay", "play_log", "replay_log"]


@dataclass(frozen=True)
class Replay:
    """The result of a replay: the first difference between the replayed and the recorded commands and spikes.

    ticks : number of compared ticks
    first_tick : number of ticks before the first compared tick
    spikes : number of compared spikes
    tick : number of the first tick whose command differs; None if all commands are equal
    word : index of the first number that differs in this command
    recorded, replayed : the two values of this number
    step : number of the first step whose spikes differ; None if all spikes are equal
    neuron : (population, index) of the first neuron whose spikes differ
    """

    ticks: int
    first_tick: int
    spikes: int
    tick: int | None = None
    word: int | None = None
    recorded: float | None = None
    replayed: float | None = None
    step: int | None = None
    neuron: tuple[str, int] | None = None

    @property
    def identical(self) -> bool:
        return self.tick is None and self.step is None


def replay_log(
    controller: Controller, log: InputLog, record: Mapping[str, np.ndarray], observers: Sequence[Any] = (),
    every: int = 0, then: Callable[[], object] = lambda: None,
) -> Replay:  # fmt: skip
    """Replay an input log with a controller, and compare commands and spikes with the recorded ones.

    record : arrays of the `ActivityRecorder` that recorded the same run
    observers : ports that are called after each tick
    then : function that is called during the replay and at its end, for example to show progress
    every : maximum number of ticks between two calls of ``then``; 0: only the call at the end

    Raise InputError if the log has no beginning, belongs to another controller, or has no tick in common with the
    record.
    """
    if record["command"].shape[1] != controller.bound.array("command").size:
        raise InputError(f"the record has {record['command'].shape[1]} numbers a command: it is of another controller")
    lost = int(record["overwritten"][0])  # number of ticks before the record's first
    first, last = max(lost, log.first_tick), min(lost + len(record["command"]), log.first_tick + log.ticks)
    if last <= first:
        raise InputError("record and input log have no tick in common")
    most = max(2 * len(record["spike_step"]), 1 << 16)
    recorder = ActivityRecorder(controller.bound, log.ticks, most)
    for _ in play_log(controller, log, [recorder, *observers], every or log.ticks):
        then()
    found = recorder.arrays()
    theirs = record["command"][first - lost : last - lost]
    ours = found["command"][first - log.first_tick : last - log.first_tick]
    steps = controller.program.steps
    begin, end = max(first * steps, _first_whole_step(record), _first_whole_step(found)), last * steps
    spikes = _spikes(record, begin, end), _spikes(found, begin, end)
    return Replay(last - first, first, len(spikes[0]), **_commands(theirs, ours, first), **_differing(*spikes, record))


def play_log(controller: Controller, log: InputLog, observers: Sequence[Any], every: int) -> Iterator[int]:
    """Run the ticks of an input log again, without a clock.

    Yield the number of ticks so far, at least once in ``every`` ticks, and at the end.

    observers : ports that are called after each tick

    Raise InputError if the first ticks of the log are missing, or if it belongs to another controller.
    """
    from ..engine.tick import tick_address
    from ..realtime.loop import Loop

    if log.first_tick and not log.state.size:
        rule = f"begins after {log.first_tick:,} ticks, and its state was not kept"
        raise InputError(f"the input log {rule} because it is too large")
    bound, ports = controller.bound, log.ports(controller.bound)
    loop = Loop(
        tick_address(), bound.table, controller.period_ns, ports, observers=observers, mode="free", keep=controller,
    )  # fmt: skip
    settings, at = log.settings(bound), 0
    for tick in sorted({*settings, *log.handed, *range(0, log.ticks, every), log.ticks}):
        if tick > at:
            loop.run(tick - at)
            yield tick
        log.hand_over(bound, tick)
        if tick in settings:
            bound.tune(settings[tick])
        at = tick


def _commands(theirs: np.ndarray, ours: np.ndarray, first: int) -> dict[str, Any]:
    rows, words = np.nonzero(theirs.view(np.int64) != np.ascontiguousarray(ours).view(np.int64))
    if not rows.size:
        return {}
    at = int(rows[0]), int(words[0])
    return {"tick": first + at[0], "word": at[1], "recorded": float(theirs[at]), "replayed": float(ours[at])}


def _first_whole_step(arrays: Mapping[str, np.ndarray]) -> int:
    """Return the first step of a record of which no spike was overwritten."""
    steps = arrays["spike_step"]
    if not int(arrays["overwritten"][1]):
        return 0
    return int(steps[0]) + 1 if len(steps) else np.iinfo(np.int64).max


def _spikes(arrays: Mapping[str, np.ndarray], begin: int, end: int) -> np.ndarray:
    """Return the spikes from step ``begin`` up to ``end`` (exclusive), (S, 3) int64: step, population, neuron.

    The rows are in ascending order.
    """
    found = np.stack([arrays[f"spike_{key}"].astype(np.int64) for key in ("step", "population", "neuron")], axis=1)
    return found[(found[:, 0] >= begin) & (found[:, 0] < end)]


def _differing(theirs: np.ndarray, ours: np.ndarray, record: Mapping[str, np.ndarray]) -> dict[str, Any]:
    n = min(len(theirs), len(ours))
    differs = np.flatnonzero((theirs[:n] != ours[:n]).any(axis=1))
    if not differs.size and len(theirs) == len(ours):
        return {}
    k = int(differs[0]) if differs.size else n
    step, population, neuron = min(rows[k].tolist() for rows in (theirs, ours) if k < len(rows))
    return {"step": step, "neuron": (str(record["population_names"][population]), neuron)}
