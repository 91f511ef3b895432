"""The input log: what arrived at a controller's inputs, tick by tick, including the division of events into ticks.

`InputLogRecorder` keeps it in rings of fixed size: it copies the io slots and the control words as the tick has read
them. From time to time it keeps the whole state, so that a log whose beginning was overwritten has one to start from.
Replayed from its state, a log gives the same commands, bit for bit, without a clock, a pace or a budget
(`InputLog.ports`, `InputLog.replay`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..controller import Controller
from ..engine.atomics import fence, store_release
from ..engine.bound import Bound
from ..engine.control import DRIVER, ELAPSED, LEARNING, SWITCH_WORDS, tuned_words
from ..engine.kernels.outputs import FAULTED
from ..engine.memory import i64
from ..engine.slots import COUNT, EVENT_COLUMNS, SLOT_WORDS
from ..engine.take_events import NOWHERE
from ..errors import DescriptionError, InputError, ProgramError
from ..files import replace_file
from ..realtime.port import CompiledPort, newest
from ..realtime.ports.columns import copy_events
from ..realtime.ports.memory import ReplayInput
from .run_folder import read_arrays

__all__ = ["InputLog", "InputLogRecorder"]

# context words
CLOCK, INPUTS, N_INPUTS, RING, ROWS, ROW_WORDS, TOTAL, CONTROLLED, RULES, TUNED = range(10)
STATE, STATE_WORDS, EVERY, KEPT_STATES, N_STATES, STATE_TICKS, WORDS = range(10, 17)
TICK, CONTROL = 0, 1  # a row starts with the tick's number and the control words
# an input's words; SLOT_SIZE: words of its slot with the numbers of a value input; AT: their offset in a row, followed
# by the start of the tick's events
SLOT, SLOT_SIZE, AT, T, X, Y, P, CAPACITY, KEPT_T, KEPT_X, KEPT_Y, KEPT_P, EVENTS, EVENTS_TOTAL, INPUT_WORDS = range(15)
HEADER = ("fresh", "age", "count", "dropped", "stamp", "arrival")  # in the order of the slot
FORMAT = "snn_control input log 2"  # of a file
MOST_BYTES = 256 << 20  # of a recorder
STATES = 16  # states of a recorder, at most; in a quarter of its bytes
FACTS = ("period_ns", "first_tick", "overwritten")


@register_jitable
def _keep_events(row, n):
    """Append the ``n`` events of a tick to those in the ring, which wraps around."""
    o = i64(row, INPUT_WORDS)
    at = o[EVENTS_TOTAL] % o[EVENTS]
    first = min(n, o[EVENTS] - at)
    copy_events(row + 8 * KEPT_T, at, row + 8 * T, 0, first)
    copy_events(row + 8 * KEPT_T, 0, row + 8 * T, first, n - first)
    o[EVENTS_TOTAL] += n


@register_jitable
def _keep_state(c, tick):
    """Copy the state after a tick; the tick's number is there when the copy is complete."""
    at = tick // c[EVERY] % c[N_STATES]
    ticks = i64(c[STATE_TICKS], c[N_STATES])
    ticks[at] = -1
    fence()
    state, copy = i64(c[STATE], c[STATE_WORDS]), i64(c[KEPT_STATES] + 8 * c[STATE_WORDS] * at, c[STATE_WORDS])
    for i in range(c[STATE_WORDS]):
        copy[i] = state[i]
    store_release(c[STATE_TICKS] + 8 * at, tick)


def keep_inputs(context, stamp_ns, now_ns):
    """An observer: copies all io slots and the control words of the tick that has just run."""
    c = i64(context, WORDS)
    row = i64(c[RING] + 8 * c[ROW_WORDS] * (c[TOTAL] % c[ROWS]), c[ROW_WORDS])
    rules, tuned, row[TICK] = c[RULES], c[TUNED], i64(c[CLOCK], 1)[0]
    controlled = i64(c[CONTROLLED], LEARNING + SWITCH_WORDS * rules + tuned)
    for i in range(LEARNING):
        row[CONTROL + i] = controlled[i]
    for i in range(rules):
        row[CONTROL + LEARNING + i] = controlled[LEARNING + SWITCH_WORDS * i]
    for i in range(tuned):
        row[CONTROL + LEARNING + rules + i] = controlled[LEARNING + SWITCH_WORDS * rules + i]
    for k in range(c[N_INPUTS]):
        port = c[INPUTS] + 8 * INPUT_WORDS * k
        o = i64(port, INPUT_WORDS)
        slot, at, words = i64(o[SLOT], o[SLOT_SIZE]), o[AT], o[SLOT_SIZE]
        for i in range(words):
            row[at + i] = slot[i]
        row[at + words] = o[EVENTS_TOTAL]
        if o[T] != 0:
            _keep_events(port, max(min(slot[COUNT], o[CAPACITY]), 0))
    store_release(context + 8 * TOTAL, c[TOTAL] + 1)
    if c[N_STATES] > 0 and row[TICK] % c[EVERY] == 0:
        _keep_state(c, row[TICK])
    return 0


class InputLogRecorder(CompiledPort):
    """An observer that writes the input log of a loop or a `Controller`.

    Parameters
    ----------
    bound : the controller's
    ticks : largest number of newest ticks to keep
    events : largest number of events to keep for each events input; ticks whose events were overwritten are lost
    most_bytes : limit for all of it; states take at most a quarter, events half of the rest. If inputs are so large or
        numerous that ``ticks`` and ``events`` exceed it, fewer are kept: `kept` says how many

    Raises DescriptionError if no tick would be kept, or fewer events than may arrive in a tick.
    """

    def __init__(
        self, bound: Bound, ticks: int = 300_000, events: int = 4_000_000, most_bytes: int = MOST_BYTES
    ) -> None:
        self._inputs, self.steps = bound.program.facts.inputs, bound.program.steps
        self.period_ns = bound.program.facts.period_ns
        for one in self._inputs:
            if one.kind == "events" and events < one.capacity:
                rule = f"must be at least the capacity of input '{one.name}', {one.capacity}"
                raise DescriptionError("events", events, rule)
        if ticks < 1:
            raise DescriptionError("ticks", ticks, "must be at least 1")
        sizes = [SLOT_WORDS + (one.size if one.kind == "value" else 0) for one in self._inputs]
        rules, tuned = len(bound.program.facts.learning), tuned_words(len(bound.program.facts.tunable))
        self._inputs_from = CONTROL + LEARNING + rules + tuned
        ends = self._inputs_from + np.cumsum([0, *(size + 1 for size in sizes)])
        count = min(STATES, most_bytes // 4 // bound.state.size)
        ticks, events = self._room(ticks, events, most_bytes - (count + 1) * bound.state.size, 8 * int(ends[-1]))
        self._ring = np.full((ticks, int(ends[-1])), 0, np.int64)  # allocates its pages before the loop runs
        self._events: dict[str, dict[str, np.ndarray]] = {}
        self._table = np.zeros((max(len(self._inputs), 1), INPUT_WORDS), np.int64)
        for row, one, size, at in zip(self._table, self._inputs, sizes, ends):
            row[[SLOT, SLOT_SIZE, AT]] = bound.address(f"{one.name}.slot"), size, at
            if one.kind == "events":
                columns = self._events[one.name] = {
                    key: np.full(events, 0, kind) for key, kind in EVENT_COLUMNS.items()
                }
                row[[CAPACITY, EVENTS]] = one.capacity, events
                row[T : P + 1] = [bound.address(f"{one.name}.{key}") for key in columns]
                row[KEPT_T : KEPT_P + 1] = [column.ctypes.data for column in columns.values()]
        self._clock, self._guard = bound.array("clock"), bound.array("guard")
        self._faulted, self._state = False, bound.state
        words = bound.state.size // 8
        self._states, self._state_ticks = np.full((count, words), 0, np.int64), np.full(count, -1, np.int64)
        self._initial, self._first = bound.state.copy(), int(self._clock[0])
        super().__init__("input log recorder", keep_inputs, (
            bound.address("clock"), self._table.ctypes.data, len(self._inputs),
            self._ring.ctypes.data, *self._ring.shape, 0, bound.address("controlled"), rules, tuned,
            bound.state.ctypes.data, words, ticks // max(count - 1, 1) or 1, self._states.ctypes.data, count,
            self._state_ticks.ctypes.data,
        ))  # fmt: skip

    def _room(self, ticks: int, events: int, most_bytes: int, tick_bytes: int) -> tuple[int, int]:
        """Number of ticks and events to keep."""
        cameras = [one.capacity for one in self._inputs if one.kind == "events"]
        if cameras:
            each = sum(np.dtype(dtype).itemsize for dtype in EVENT_COLUMNS.values())
            events = max(*cameras, min(events, most_bytes // (2 * each * len(cameras))))
            most_bytes -= events * each * len(cameras)
        return max(1, min(ticks, most_bytes // tick_bytes)), events

    @property
    def kept(self) -> str:
        """How much is kept, in words."""
        ticks, events = len(self._ring), int(self._table[:, EVENTS].max())
        lasts = f"the newest {ticks:,} ticks, {ticks * self.period_ns * 1e-9:.3g} s"
        return f"{lasts}, and {events:,} events of each camera" if self._events else lasts

    @property
    def total(self) -> int:
        """Number of ticks recorded since it was cleared, including overwritten ones."""
        return int(self._block[TOTAL])

    def has_room(self, ticks: int) -> bool:
        """Whether ``ticks`` more ticks overwrite nothing, even with the capacity of every events input used in each
        of them."""
        full = (self._table[:, EVENTS_TOTAL] + ticks * self._table[:, CAPACITY] > self._table[:, EVENTS]).any()
        return self.total + ticks <= len(self._ring) and not full

    def clear(self) -> None:
        """Clear everything; call it when the controller is in the state to start with. Not while a loop runs."""
        self._faulted = bool(self._guard[FAULTED])
        self._initial, self._first = self._state.copy(), int(self._clock[0])
        self._block[TOTAL] = self._table[:, EVENTS_TOTAL] = 0
        self._state_ticks[:] = -1

    def log(self, running: bool = False, most: int | None = None) -> InputLog:
        """A copy of all that is kept, the oldest first. It begins at a state that was kept, if there is one.

        running : a loop writes meanwhile: without what it overwrote, or may with the tick that runs
        most : number of the newest ticks that are wanted, and those before them from a state on; None: all
        """
        total = self.total
        rows = newest(self._ring, total)
        columns = {name: {key: one.copy() for key, one in kept.items()} for name, kept in self._events.items()}
        lost = max(0, self.total + 1 - len(self._ring) - (total - len(rows))) if running else 0
        for word in self._table:  # ticks whose events are gone
            if word[EVENTS]:
                begins = rows[:, word[AT] + word[SLOT_SIZE]]
                written = word[EVENTS_TOTAL] + (word[CAPACITY] if running else 0)
                lost = max(lost, int(np.searchsorted(begins, written - word[EVENTS])))
        state, before = self._state_for(rows[lost:], most)
        rows, overwritten = rows[lost + before :], total - len(rows) + lost + before
        return replace(self._of_rows(rows, columns), overwritten=overwritten, state=state)

    def part(self, first: int, last: int) -> InputLog:
        """The ticks recorded from number ``first`` to before ``last``, without a state; all must still be there."""
        return self._of_rows(self._ring[np.arange(first, last) % len(self._ring)], self._events)

    def _of_rows(self, rows: np.ndarray, columns: Mapping[str, Mapping[str, np.ndarray]]) -> InputLog:
        """The log of some rows of the ring; ``columns``: rings of the events inputs."""
        inputs: dict[str, dict[str, np.ndarray]] = {}
        for word, one in zip(self._table, self._inputs, strict=False):
            at, end = int(word[AT]), int(word[AT] + word[SLOT_SIZE])
            inputs[one.name] = {key: rows[:, at + k].copy() for k, key in enumerate(HEADER)}
            if one.name in self._events:
                after = rows[-1, end] + np.clip(rows[-1, at + COUNT], 0, word[CAPACITY]) if len(rows) else 0
                offsets = np.append(rows[:, end], after)
                places = np.arange(offsets[0], offsets[-1]) % word[EVENTS]
                inputs[one.name] |= {key: column[places] for key, column in columns[one.name].items()}
                inputs[one.name]["offsets"] = offsets - offsets[0]
            else:
                inputs[one.name]["values"] = np.ascontiguousarray(rows[:, at + SLOT_WORDS : end]).view(np.float64)
        first = int(rows[0, TICK]) - 1 if len(rows) else int(self._clock[0])
        return InputLog(self.period_ns, first, 0, inputs, rows[:, CONTROL : self._inputs_from].copy(), self._faulted)

    def still_there(self, number: int) -> bool:
        """Whether the tick with that number, and its events, will not be overwritten soon."""
        row = self._ring[number % len(self._ring)]
        for word in self._table:
            begin = row[word[AT] + word[SLOT_SIZE]] if number < self.total else word[EVENTS_TOTAL]
            if word[EVENTS] and word[EVENTS_TOTAL] - begin > word[EVENTS] // 2:
                return False
        return self.total - number < max(len(self._ring) // 2, 2)

    @property
    def beginning(self) -> tuple[int, bool, np.ndarray]:
        """Number of ticks before the first one, whether the guard was in a fault, and the state, (bytes,) uint8."""
        return self._first, self._faulted, self._initial.copy()

    def _state_for(self, rows: np.ndarray, most: int | None) -> tuple[np.ndarray, int]:
        """The oldest kept state from which all rows are there, or the newest from which ``most`` are, (bytes,) uint8,
        and how many rows are before it; no bytes if there is none."""
        first = int(rows[0, TICK]) - 1 if len(rows) else int(self._clock[0])
        if first == self._first and (most is None or most >= len(rows)):
            return self._initial.copy(), 0
        order = np.argsort(self._state_ticks)
        if most is not None:
            early = self._state_ticks[order] <= first + len(rows) - most
            order = np.concatenate([order[early][::-1], order[~early]])
        for k in order:
            tick = int(self._state_ticks[k])
            if first <= tick <= first + len(rows):
                state = self._states[k].copy()
                if self._state_ticks[k] == tick:  # it was not overwritten meanwhile
                    return state.view(np.uint8), tick - first
        return (self._initial.copy() if first == self._first else np.zeros(0, np.uint8)), 0

    def save(self, path: str | os.PathLike, running: bool = False, most: int | None = None) -> None:
        """Save `log`."""
        self.log(running, most).save(path)


def _fits(one: Mapping[str, np.ndarray], ticks: int) -> bool:
    """Whether the columns of an input have the form that `InputLog` documents."""
    fits = all(one[key].shape == (ticks,) and one[key].dtype == np.int64 for key in HEADER)
    if "values" in one:
        return fits and one["values"].ndim == 2 and len(one["values"]) == ticks and one["values"].dtype == np.float64
    offsets = one["offsets"]
    fits = fits and offsets.shape == (ticks + 1,) and offsets.dtype == np.int64
    fits = fits and offsets[0] == 0 and bool((np.diff(offsets) >= 0).all())
    return fits and all(one[k].shape == (offsets[-1],) and one[k].dtype == kind for k, kind in EVENT_COLUMNS.items())


@dataclass(frozen=True)
class InputLog:
    """What arrived at the inputs of a controller.

    period_ns : length of a tick
    first_tick : number of ticks that the controller had run before the first of these. Only if it is 0 does a
        controller that was just reset give the same commands, unless ``state`` says another beginning
    overwritten : number of recorded ticks that are lost
    inputs : name -> (T,) int64 fresh, age [ns], count, dropped, stamp [ns], arrival [ns, CLOCK_MONOTONIC] as in
        `snn_control.engine.slots`, and for a value input values (T, n) float64, for an events input columns t [ns], x,
        y, p and offsets (T + 1,): events of tick k are ``offsets[k]:offsets[k + 1]``
    control : (T, words) int64, the control words (`snn_control.engine.control`) as the ticks took them, and behind them
        how often numbers were tuned, and these; no words if they were not recorded
    faulted : the guard started in a fault, as it does on a robot
    state : (bytes,) uint8, the state block before the first tick; no bytes if it was not kept
    """

    period_ns: int
    first_tick: int
    overwritten: int
    inputs: Mapping[str, Mapping[str, np.ndarray]]
    control: np.ndarray
    faulted: bool = False
    state: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))

    @classmethod
    def of(
        cls,
        period: float,
        ticks: int,
        values: Mapping[str, np.ndarray],
        events: Mapping[str, Sequence[np.ndarray]],
    ) -> InputLog:
        """A log in which every input arrives in every tick.

        period : length of a tick [s]
        values : input -> (ticks, size)
        events : input -> columns t [ns] ascending, x, y [pixel], p (ON > 0), each (n,); they are divided into ticks by
            t, and those after the last tick are left out
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
        """The log of the first ``ticks`` ticks."""
        inputs = {}
        for name, one in self.inputs.items():
            ends = dict.fromkeys(one, ticks)
            if "offsets" in one:
                ends |= dict.fromkeys(EVENT_COLUMNS, int(one["offsets"][ticks])) | {"offsets": ticks + 1}
            inputs[name] = {key: array[: ends[key]] for key, array in one.items()}
        return replace(self, inputs=inputs, control=self.control[:ticks])

    def save(self, path: str | os.PathLike) -> None:
        """Write it as .npz, atomically: arrays ``<input>.<column>`` and the other fields; parent folders are
        created."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {f"{name}.{key}": array for name, one in self.inputs.items() for key, array in one.items()}
        facts = {key: getattr(self, key) for key in (*FACTS, "control", "faulted", "state")}
        arrays |= {key: np.array(value) for key, value in {"format": FORMAT, **facts}.items()}
        replace_file(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike) -> InputLog:
        """Read an input log that `save` wrote; raises InputError for any other file."""
        arrays = read_arrays(path, InputError)
        if str(arrays.pop("format", "")) != FORMAT:
            raise InputError(f"{path}: is not an input log")
        inputs: dict[str, dict[str, np.ndarray]] = {}
        try:
            period_ns, first_tick, overwritten = (int(arrays.pop(k)) for k in FACTS)
            control, faulted, state = arrays.pop("control"), bool(arrays.pop("faulted")), arrays.pop("state")
            for key, array in arrays.items():
                name, _, column = key.rpartition(".")
                inputs.setdefault(name, {})[column] = array
            whole = control.ndim == 2 and control.dtype == np.int64 and state.ndim == 1 and state.dtype == np.uint8
            whole = whole and all(_fits(one, len(control)) for one in inputs.values())
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: is damaged: {error}") from None
        if not whole:
            raise InputError(f"{path}: is damaged: its arrays do not fit together")
        return cls(period_ns, first_tick, overwritten, inputs, control, faulted, state)

    def begin(self, bound: Bound) -> None:
        """Put a bound into the state before the first tick; raises InputError if it is of another controller."""
        if not self.state.size:
            return
        try:
            bound.restore(self.state)
        except ProgramError as error:
            raise InputError(f"the log's state is not of this controller: {error}") from None

    def settings(self, bound: Bound) -> dict[int, np.ndarray]:
        """Tick of the log before which numbers were tuned -> (tunable,) float64, all values from then on.

        Raises InputError if it has other control words than the bound.
        """
        asked, tuned = bound.array("control").size, tuned_words(len(bound.program.facts.tunable))
        if self.control.shape[1] not in (0, asked + tuned):
            rule = f"{self.control.shape[1]} control words a tick, the controller {asked + tuned}"
            raise InputError(f"the log has {rule}: it is of another controller")
        if not tuned or not self.control.shape[1]:
            return {}
        before = self.state if self.state.size else bound.program.initial_state
        first = bound.program.names["controlled"].view(before)[-tuned]
        numbers = np.append(first, self.control[:, asked])
        return {int(k): self.control[k, asked + 1 :].view(np.float64) for k in np.flatnonzero(np.diff(numbers))}

    def ports(self, bound: Bound) -> list[ReplayInput]:
        """Input ports that replay it in a loop from its state, tick by tick; what was tuned is in `settings`. Raises
        InputError if the bound has no such input."""
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
        """A tick's observation for `Controller.step`: None for an input at which nothing arrived.

        The ages are then those of `Controller.step`, whole periods, so a limit of age may apply a tick earlier or later
        than in the recording, and control words are ignored; `ports` replays everything exactly.
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
        """The commands of a controller that steps through it: `observations`, with the control words of each tick.

        Raises InputError if the controller has other control words.
        """
        control, guard = controller.bound.array("control"), controller.bound.array("guard")
        settings = self.settings(controller.bound)
        self.begin(controller.bound)
        if self.faulted:
            guard[FAULTED] = 1
        for k, (words, observation) in enumerate(zip(self.control, self.observations(), strict=True)):
            if words.size:
                control[:] = words[: control.size]
            if k in settings:
                controller.bound.tune(settings[k])
            yield controller.step(observation)
        if self.control.shape[1]:
            control[[DRIVER, ELAPSED]] = 0
