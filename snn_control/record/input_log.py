"""The input log: all inputs of a controller in each tick, including the events that belong to the tick.

A replay of a log from its state computes the same commands, bit for bit. A replay uses no clock, no pace and no time
budget (`InputLog.ports`, `InputLog.replay`). `snn_control.record.input_recorder` records the log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..controller import Controller
from ..engine.bound import Bound
from ..engine.control_words import DRIVER, ELAPSED, tuned_words
from ..engine.input_values import NOWHERE
from ..engine.kernels.guard import FAULTED
from ..engine.slots import EVENT_COLUMNS
from ..errors import InputError, ProgramError
from ..files import replace_file
from ..realtime.handover import go_on_from
from ..realtime.ports.memory import ReplayInput
from .run_folder import read_arrays

__all__ = ["HEADER", "InputLog"]

HEADER = ("fresh", "age", "count", "dropped", "stamp", "arrival")  # in the order of the slot
FORMAT = "snn_control input log 2"  # of a file
FACTS = ("period_ns", "first_tick", "overwritten")


def _fits(one: Mapping[str, np.ndarray], ticks: int) -> bool:
    """Return whether the arrays of an input have the keys, shapes and dtypes that `InputLog` documents."""
    fits = all(one[key].shape == (ticks,) and one[key].dtype == np.int64 for key in HEADER)
    if "values" in one:
        return fits and one["values"].ndim == 2 and len(one["values"]) == ticks and one["values"].dtype == np.float64
    offsets = one["offsets"]
    fits = fits and offsets.shape == (ticks + 1,) and offsets.dtype == np.int64
    fits = fits and offsets[0] == 0 and bool((np.diff(offsets) >= 0).all())
    return fits and all(one[k].shape == (offsets[-1],) and one[k].dtype == kind for k, kind in EVENT_COLUMNS.items())


@dataclass(frozen=True)
class InputLog:
    """The recorded inputs of a controller.

    period_ns : period of a tick [ns]
    first_tick : number of ticks that the controller had run before the log. A replay starts from ``state``. Without a
        state it starts from a reset, and the commands are then the same only if ``first_tick`` is 0
    overwritten : number of ticks that were recorded before the log but are not in it
    inputs : name of an input -> its arrays. Every input has (T,) int64 fresh, age [ns], count, dropped, stamp [ns] and
        arrival [ns, CLOCK_MONOTONIC], see `snn_control.engine.slots`. A value input also has values (T, n) float64. An
        events input also has the columns t [ns], x, y, p and offsets (T + 1,): the events of tick k are
        ``offsets[k]:offsets[k + 1]``
    control : (T, words) int64, the control words of each tick (`snn_control.engine.control_words`), then the number of
        times that parameters were tuned, then the values of the tunable parameters; words is 0 if they were not
        recorded
    faulted : whether the guard started in a fault, as it does on a robot
    state : (bytes,) uint8, the state block before the first tick; empty if the state was not recorded
    tunable : names of the tunable parameters, in the order of their values in ``control``
    handed : tick -> int64 words, the motion of the commands that the controller took over from a supervisor before this
        tick, see `snn_control.realtime.handover`
    origin : the origin of the log as JSON data; `snn_control run` writes environment, arguments, perturbations with the
        drawn values, seed and controller
    """

    period_ns: int
    first_tick: int
    overwritten: int
    inputs: Mapping[str, Mapping[str, np.ndarray]]
    control: np.ndarray
    faulted: bool = False
    state: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    tunable: tuple[str, ...] = ()
    handed: Mapping[int, np.ndarray] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        period: float,
        ticks: int,
        values: Mapping[str, np.ndarray],
        events: Mapping[str, Sequence[np.ndarray]],
    ) -> InputLog:
        """Make a log in which a sample of every input arrives in every tick.

        period : period of a tick [s]
        ticks : number of ticks
        values : name of a value input -> its samples, (ticks, size)
        events : name of an events input -> columns t [ns] ascending, x, y [pixel], p (ON > 0), each (n,); t assigns the
            events to ticks, and events after the last tick are left out
        """
        every = dict(zip(HEADER, (np.broadcast_to(np.int64(n), ticks) for n in (1, 0, 0, 0, -1, -1))))
        inputs = {name: every | {"values": np.asarray(rows, np.float64)} for name, rows in values.items()}
        for name, (t, x, y, p) in events.items():
            offsets = np.searchsorted(t, np.arange(ticks + 1) * period * 1e9)
            x, y = (np.where((side >= 0) & (side < NOWHERE), side, NOWHERE) for side in (x, y))
            columns = zip(EVENT_COLUMNS.items(), (t, x, y, p > 0))
            kept = {key: column[offsets[0] : offsets[-1]].astype(kind) for (key, kind), column in columns}
            inputs[name] = every | {"count": np.diff(offsets), **kept, "offsets": offsets - offsets[0]}
        return cls(round(period * 1e9), 0, 0, inputs, np.zeros((ticks, 0), np.int64))

    @property
    def ticks(self) -> int:
        return len(self.control)

    def up_to(self, ticks: int) -> InputLog:
        """Return a log with only the first ``ticks`` ticks."""
        inputs = {}
        for name, one in self.inputs.items():
            ends = dict.fromkeys(one, ticks)
            if "offsets" in one:
                ends |= dict.fromkeys(EVENT_COLUMNS, int(one["offsets"][ticks])) | {"offsets": ticks + 1}
            inputs[name] = {key: array[: ends[key]] for key, array in one.items()}
        handed = {tick: motion for tick, motion in self.handed.items() if tick < ticks}
        return replace(self, inputs=inputs, control=self.control[:ticks], handed=handed)

    def save(self, path: str | os.PathLike) -> None:
        """Write the log to an .npz file. The file is written whole or not at all; parent folders are created.

        Arrays of inputs have names of the form ``<input>.<column>``; each other field is an array with its own name.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {f"{name}.{key}": array for name, one in self.inputs.items() for key, array in one.items()}
        facts = {key: getattr(self, key) for key in (*FACTS, "control", "faulted", "state")}
        facts["tunable"] = np.array(self.tunable, np.str_)
        if self.handed:
            facts["handed"] = np.array([[tick, *motion] for tick, motion in self.handed.items()], np.int64)
        if self.origin:
            facts["origin"] = np.array(json.dumps(self.origin))
        arrays |= {key: np.array(value) for key, value in {"format": FORMAT, **facts}.items()}
        replace_file(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike) -> InputLog:
        """Read an input log that `save` wrote. Raise InputError for any other file."""
        arrays = read_arrays(path, InputError)
        if str(arrays.pop("format", "")) != FORMAT:
            raise InputError(f"{path}: is not an input log")
        inputs: dict[str, dict[str, np.ndarray]] = {}
        try:
            period_ns, first_tick, overwritten = (int(arrays.pop(k)) for k in FACTS)
            control, faulted, state = arrays.pop("control"), bool(arrays.pop("faulted")), arrays.pop("state")
            tunable = tuple(str(name) for name in arrays.pop("tunable", np.zeros(0, np.str_)))
            handed = arrays.pop("handed", np.zeros((0, 1), np.int64))
            origin = dict(json.loads(str(arrays.pop("origin", "{}"))))
            for key, array in arrays.items():
                name, _, column = key.rpartition(".")
                inputs.setdefault(name, {})[column] = array
            whole = control.ndim == 2 and control.dtype == np.int64 and state.ndim == 1 and state.dtype == np.uint8
            whole = whole and all(_fits(one, len(control)) for one in inputs.values())
            whole = whole and handed.ndim == 2 and handed.dtype == np.int64 and handed.shape[1] > 0
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: is damaged: {error}") from None
        if not whole:
            raise InputError(f"{path}: is damaged: its arrays do not fit together")
        given = {int(row[0]): row[1:] for row in handed}
        return cls(period_ns, first_tick, overwritten, inputs, control, faulted, state, tunable, given, origin)

    def begin(self, bound: Bound) -> None:
        """Set a bound Program to the state before the first recorded tick.

        Raise InputError if the log belongs to another controller.
        """
        if not self.state.size:
            return
        try:
            bound.restore(self.state)
        except ProgramError as error:
            raise InputError(f"the log's state is not of this controller: {error}") from None

    def hand_over(self, bound: Bound, tick: int) -> None:
        """Copy a supervisor's motion of the commands into a bound Program, if the log has such a motion for ``tick``.

        Raise InputError if the motion belongs to another controller.
        """
        if tick in self.handed:
            try:
                go_on_from(bound, self.handed[tick])
            except ProgramError as error:
                raise InputError(f"the motion handed over by a supervisor is not of this controller: {error}") from None

    def settings(self, bound: Bound) -> dict[int, np.ndarray]:
        """Return the changes of tunable parameters: tick of the log -> values from this tick on, (tunable,) float64.

        Values are matched by the names of the parameters. A parameter that is not in the log keeps its value. Raise
        InputError if the log has other control words than the bound Program.
        """
        asked, tuned, names = bound.array("control").size, tuned_words(len(self.tunable)), bound.program.facts.tunable
        if self.control.shape[1] not in (0, asked + tuned):
            rule = f"{self.control.shape[1] - tuned} control words in each tick, the controller has {asked}"
            raise InputError(f"the log has {rule}: they have different numbers of learning rules")
        if not tuned or not names or not self.control.shape[1]:
            return {}
        before, there = bound.program.facts.tuned, {name: k for k, name in enumerate(self.tunable)}
        first = 0
        if self.state.size == bound.state.size and self.tunable == names:
            first = bound.program.names["controlled"].view(self.state)[-tuned]
        changed = np.flatnonzero(np.diff(np.append(first, self.control[:, asked])))
        rows = self.control[:, asked + 1 :].view(np.float64)
        own = [there.get(name) for name in names]
        return {
            int(k): np.array([old if at is None else rows[k, at] for old, at in zip(before, own, strict=True)])
            for k in changed
        }

    def ports(self, bound: Bound) -> list[ReplayInput]:
        """Return input ports with which a loop replays the log from its state, tick by tick.

        The ports do not replay tuned parameters and motions from a supervisor: apply these with `settings` and
        `hand_over`. Raise InputError if the bound Program lacks an input of the log.
        """
        self.settings(bound)  # of another controller?
        ports: list[ReplayInput] = []
        if self.control.shape[1]:
            asked = bound.array("control").size
            ports.append(ReplayInput.control(bound, self.control[:, :asked], self.faulted))
        for name, one in self.inputs.items():
            record = one["values"] if "values" in one else [one[key] for key in ("offsets", *EVENT_COLUMNS)]
            marks = {"fresh": one["fresh"], "stamps": one["stamp"], "ages": one["age"]}
            ports.append(ReplayInput.of(bound, name, record, **marks))
        self.begin(bound)
        return ports

    def observations(self) -> Iterator[dict[str, Any]]:
        """Yield the observation of each tick for `Controller.step`.

        An input without a message has the value None. `Controller.step` counts ages in whole periods, so an age limit
        may apply a tick earlier or later than in the recording. Control words are ignored. In contrast, `ports` replays
        inputs and ages exactly.
        """
        for k in range(self.ticks):
            given: dict[str, Any] = {}
            for name, one in self.inputs.items():
                if one["fresh"][k] == 0:
                    given[name] = None
                elif "values" in one:
                    given[name] = one["values"][k]
                else:
                    events = slice(one["offsets"][k], one["offsets"][k + 1])
                    given[name] = tuple(one[key][events] for key in EVENT_COLUMNS)
            yield given

    def replay(self, controller: Controller) -> Iterator[dict[str, np.ndarray]]:
        """Step a controller through `observations`, with the control words of each tick. Yield its commands.

        Raise InputError if the controller has other control words.
        """
        control, guard = controller.bound.array("control"), controller.bound.array("guard")
        settings = self.settings(controller.bound)
        self.begin(controller.bound)
        if self.faulted:
            guard[FAULTED] = 1
        for k, (words, observation) in enumerate(zip(self.control, self.observations(), strict=True)):
            self.hand_over(controller.bound, k)
            if words.size:
                control[:] = words[: control.size]
            if k in settings:
                controller.bound.tune(settings[k])
            yield controller.step(observation)
        if self.control.shape[1]:
            control[[DRIVER, ELAPSED]] = 0
