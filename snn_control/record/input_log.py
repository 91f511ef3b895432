"""What a running loop was shown, tick by tick, kept in rings of fixed size: to be shown again, bit for bit.

The recorder is an output port, asked after the commands: it copies the io slots as the tick has seen them, the cut of
the events with them, and what the loop told the guard. Played back into a controller that was just reset, they give the
same commands to the bit, with no clock, no pace and no budget (`Shown.ports`, `Shown.observations`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..engine.bound import Bound
from ..engine.compile import compile_callback
from ..engine.kernels.outputs import DRIVER, ELAPSED, FAULTED, GUARD_WORDS
from ..engine.memory import i64, u8, u16
from ..engine.slots import COUNT, SLOT_WORDS
from ..errors import DescriptionError, InputError
from ..files import Arrays, reason, replace_file
from ..realtime.ports.memory import ReplayGuard, ReplayInput

__all__ = ["Shown", "ShownRecorder"]

# context words
CLOCK, SEEN, INPUTS, N_INPUTS, NUMBERS, ROWS, TOTAL, GUARD, WORDS = range(9)
TICK, TOLD, NUMBER_WORDS = 0, 1, 3  # of a tick: its number, DRIVER and ELAPSED of the guard
# an input's words; WIDTH: numbers of a value input, 0 for events
(
    SLOT, WIDTH, RING, T, X, Y, P, CAPACITY, KEPT_T, KEPT_X, KEPT_Y, KEPT_P, EVENTS, EVENTS_TOTAL, INPUT_WORDS,
) = range(15)  # fmt: skip
# a tick's row of an input: the header of the slot, where its events begin, the numbers
BEGIN, VALUES = SLOT_WORDS, SLOT_WORDS + 1
HEADER = ("fresh", "age", "count", "dropped", "stamp", "arrival")  # in the order of the slot
COLUMNS = {"t": np.int64, "x": np.uint16, "y": np.uint16, "p": np.uint8}
FORMAT = "snn_control shown 1"
MOST_BYTES = 256 << 20  # of a recorder
FACTS = ("period_ns", "first_tick", "overwritten")


@register_jitable
def _keep_events(o, n):
    rows = o[EVENTS]
    t, x, y, p = i64(o[T], n), u16(o[X], n), u16(o[Y], n), u8(o[P], n)
    to_t, to_x, to_y, to_p = i64(o[KEPT_T], rows), u16(o[KEPT_X], rows), u16(o[KEPT_Y], rows), u8(o[KEPT_P], rows)
    at = o[EVENTS_TOTAL] % rows
    for k in range(n):
        to_t[at], to_x[at], to_y[at], to_p[at] = t[k], x[k], y[k], p[k]
        at = at + 1 if at + 1 < rows else 0
    o[EVENTS_TOTAL] += n


def keep_inputs(context, stamp_ns, now_ns):
    """An output port: copies all io slots, if there was a tick (the parting command has none)."""
    c = i64(context, WORDS)
    tick = i64(c[CLOCK], 1)[0]
    if tick == c[SEEN]:
        return 0
    c[SEEN] = tick
    at = c[TOTAL] % c[ROWS]
    number, guard = i64(c[NUMBERS] + 8 * NUMBER_WORDS * at, NUMBER_WORDS), i64(c[GUARD], GUARD_WORDS)
    number[TICK], number[TOLD], number[TOLD + 1] = tick, guard[DRIVER], guard[ELAPSED]
    for k in range(c[N_INPUTS]):
        o = i64(c[INPUTS] + 8 * INPUT_WORDS * k, INPUT_WORDS)
        words = VALUES + o[WIDTH]
        row, slot = i64(o[RING] + 8 * words * at, words), i64(o[SLOT], SLOT_WORDS + o[WIDTH])
        for i in range(SLOT_WORDS):
            row[i] = slot[i]
        row[BEGIN] = o[EVENTS_TOTAL]
        for i in range(o[WIDTH]):  # the bits of float64
            row[VALUES + i] = slot[SLOT_WORDS + i]
        if o[T] != 0:
            _keep_events(o, max(min(slot[COUNT], o[CAPACITY]), 0))
    c[TOTAL] += 1
    return 0


def _touched(shape: int | tuple[int, ...], dtype: Any) -> np.ndarray:
    array = np.empty(shape, dtype)
    array[:] = 0  # its pages are there before the loop runs
    return array


class ShownRecorder:
    """An output port of the loop that remembers what the controller was shown.

    Parameters
    ----------
    bound : the controller's
    ticks : how many of the newest are kept, at most
    events : for how many events there is room, of each events input, at most; ticks whose events were overwritten are
        lost
    most_bytes : of all that is kept; events take half of it at most. Where inputs are so wide, or so many, that it does
        not hold ``ticks`` and ``events``, fewer are kept: `kept` says how many
    """

    name = "shown recorder"

    def __init__(
        self, bound: Bound, ticks: int = 300_000, events: int = 4_000_000, most_bytes: int = MOST_BYTES
    ) -> None:
        self._inputs = bound.program.facts.inputs
        self.period_ns = bound.program.facts.period_ns
        for one in self._inputs:
            if one.kind == "events" and events < one.capacity:
                rule = f"must be at least the capacity of input '{one.name}', {one.capacity}"
                raise DescriptionError("events", events, rule)
        if ticks < 1:
            raise DescriptionError("ticks", ticks, "must be at least 1")
        ticks, events = self._room(ticks, events, most_bytes)
        self._numbers = _touched((ticks, NUMBER_WORDS), np.int64)
        self._rings: dict[str, np.ndarray] = {}
        self._kept: dict[str, dict[str, np.ndarray]] = {}
        self._table = np.zeros((max(len(self._inputs), 1), INPUT_WORDS), np.int64)
        for row, one in zip(self._table, self._inputs, strict=False):
            name = one.name
            row[SLOT], row[WIDTH] = bound.address(f"{name}.slot"), one.size if one.kind == "value" else 0
            self._rings[name] = _touched((ticks, VALUES + int(row[WIDTH])), np.int64)
            row[RING] = self._rings[name].ctypes.data
            if one.kind == "events":
                self._kept[name] = {key: _touched(events, dtype) for key, dtype in COLUMNS.items()}
                row[CAPACITY] = one.capacity
                row[T : P + 1] = [bound.address(f"{name}.{key}") for key in COLUMNS]
                row[KEPT_T : KEPT_P + 1] = [column.ctypes.data for column in self._kept[name].values()]
                row[EVENTS] = events
        self._block = np.zeros(WORDS, np.int64)
        self._clock, self._guard = bound.array("clock"), bound.array("guard")
        self._held = False
        self._block[:] = (
            bound.address("clock"), self._clock[0], self._table.ctypes.data, len(self._inputs),
            self._numbers.ctypes.data, ticks, 0, bound.address("guard"),
        )  # fmt: skip
        self.context = int(self._block.ctypes.data)
        self.function = compile_callback(keep_inputs, "int64(int64,int64,int64)")

    def _room(self, ticks: int, events: int, most_bytes: int) -> tuple[int, int]:
        """How many ticks and events are kept."""
        cameras = [one.capacity for one in self._inputs if one.kind == "events"]
        if cameras:
            each = sum(np.dtype(dtype).itemsize for dtype in COLUMNS.values())
            events = max(*cameras, min(events, most_bytes // (2 * each * len(cameras))))
            most_bytes -= events * each * len(cameras)
        widths = [one.size if one.kind == "value" else 0 for one in self._inputs]
        return max(
            1, min(ticks, most_bytes // (8 * NUMBER_WORDS + 8 * sum(VALUES + width for width in widths)))
        ), events

    @property
    def kept(self) -> str:
        """How much is kept, in words."""
        ticks, events = len(self._numbers), int(self._table[:, EVENTS].max())
        lasts = f"the newest {ticks:,} ticks, {ticks * self.period_ns * 1e-9:.3g} s"
        return f"{lasts}, and {events:,} events of each camera" if self._kept else lasts

    def clear(self) -> None:
        """Forget everything; call it when the state is the one to begin with. Not while a loop runs."""
        self._held = bool(self._guard[FAULTED])
        self._block[TOTAL], self._block[SEEN] = 0, self._clock[0]
        self._table[:, EVENTS_TOTAL] = 0

    def record(self) -> Shown:
        """A copy of all that is kept, oldest first. Not while a loop runs."""
        total, ticks = int(self._block[TOTAL]), len(self._numbers)
        first = max(total - ticks, 0)
        rows = {name: ring[np.arange(first, total) % ticks] for name, ring in self._rings.items()}
        lost = 0  # of these, ticks whose events are gone
        for row, one in zip(self._table, self._inputs, strict=False):
            if one.name in self._kept:
                begin = rows[one.name][:, BEGIN]
                lost = max(lost, int(np.searchsorted(begin, row[EVENTS_TOTAL] - row[EVENTS])))
        arrays: dict[str, dict[str, np.ndarray]] = {}
        for row, one in zip(self._table, self._inputs, strict=False):
            name = one.name
            kept = rows[name][lost:]
            arrays[name] = {key: kept[:, word].copy() for word, key in enumerate(HEADER)}
            if name in self._kept:
                end = int(row[EVENTS_TOTAL])
                begin = int(kept[0, BEGIN]) if len(kept) else end
                at = np.arange(begin, end) % int(row[EVENTS])
                arrays[name] |= {key: column[at] for key, column in self._kept[name].items()}
                arrays[name]["offsets"] = np.append(kept[:, BEGIN], end) - begin
            else:
                arrays[name]["values"] = np.ascontiguousarray(kept[:, VALUES:]).view(np.float64)
        told = self._numbers[np.arange(first + lost, total) % ticks, TOLD:]
        oldest = int(self._numbers[(first + lost) % ticks, TICK]) - 1 if total > first + lost else int(self._clock[0])
        return Shown(self.period_ns, oldest, first + lost, arrays, told.copy(), self._held)

    def save(self, path: str | os.PathLike) -> None:
        """`Shown.save` of `record`."""
        self.record().save(path)


def _fits(one: Mapping[str, np.ndarray]) -> bool:
    """Whether the columns of an input are as `Shown` says."""
    ticks = len(one["fresh"])
    fits = all(one[key].shape == (ticks,) and one[key].dtype == np.int64 for key in HEADER)
    if "values" in one:
        return fits and one["values"].ndim == 2 and len(one["values"]) == ticks and one["values"].dtype == np.float64
    offsets = one["offsets"]
    fits = fits and offsets.shape == (ticks + 1,) and offsets.dtype == np.int64
    fits = fits and offsets[0] == 0 and bool((np.diff(offsets) >= 0).all())
    return fits and all(one[k].shape == (offsets[-1],) and one[k].dtype == dtype for k, dtype in COLUMNS.items())


@dataclass(frozen=True)
class Shown:
    """What a controller was shown.

    period_ns : of a tick
    first_tick : ticks that the controller had run before the first of these. Only where it is 0 does a controller that
        was just reset give the same commands
    overwritten : ticks that were recorded and are lost
    told : (T, 2) int64, what the loop told the guard: faults of its own (bits), periods that passed since the last tick
    held : the guard began in a fault, as it does on a robot
    inputs : name -> (T,) int64 fresh, age [ns], count, dropped, stamp [ns], arrival [ns, CLOCK_MONOTONIC] as in
        `snn_control.engine.slots`, and for a value input values (T, n) float64, for an events input columns t [ns], x,
        y, p and offsets (T + 1,): events of tick k are ``offsets[k]:offsets[k + 1]``
    """

    period_ns: int
    first_tick: int
    overwritten: int
    inputs: Mapping[str, Mapping[str, np.ndarray]]
    told: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    held: bool = False

    @property
    def ticks(self) -> int:
        return min((len(one["fresh"]) for one in self.inputs.values()), default=0)

    def save(self, path: str | os.PathLike) -> None:
        """Write it as .npz, whole or not at all: arrays ``<input>.<column>``, and what stands above."""
        arrays = {f"{name}.{key}": array for name, one in self.inputs.items() for key, array in one.items()}
        facts = {key: getattr(self, key) for key in (*FACTS, "told", "held")}
        arrays |= {key: np.array(value) for key, value in {"format": FORMAT, **facts}.items()}
        replace_file(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike) -> Shown:
        """Of a file that `save` wrote; raises InputError for any other."""
        try:
            with Arrays(path) as file:
                arrays = dict(file)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {reason(error)}") from None
        except ValueError as error:
            raise InputError(f"{path}: is not an .npz file of arrays: {error}") from None
        if str(arrays.pop("format", "")) != FORMAT:
            raise InputError(f"{path}: is no record of what a controller was shown")
        inputs: dict[str, dict[str, np.ndarray]] = {}
        try:
            period_ns, first_tick, overwritten = (int(arrays.pop(k)) for k in FACTS)
            told, held = arrays.pop("told", np.zeros((0, 2), np.int64)), bool(arrays.pop("held", False))
            for key, array in arrays.items():
                name, _, column = key.rpartition(".")
                inputs.setdefault(name, {})[column] = array
            lengths = {len(one["fresh"]) for one in inputs.values()} | ({len(told)} if told.size else set())
            whole = all(_fits(one) for one in inputs.values()) and len(lengths) <= 1
            whole = whole and told.shape[1:] == (2,) and told.dtype == np.int64
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: is damaged: {error}") from None
        if not whole:
            raise InputError(f"{path}: is damaged: its arrays do not fit together")
        return cls(period_ns, first_tick, overwritten, inputs, told, held)

    def ports(self, bound: Bound) -> list[ReplayInput | ReplayGuard]:
        """Input ports that show it to a loop, a tick a tick; raises InputError where an input is not the bound's."""
        ports: list[ReplayInput | ReplayGuard] = [ReplayGuard(bound, self.told, self.held)] if len(self.told) else []
        for name, one in self.inputs.items():
            record = one["values"] if "values" in one else [one[key] for key in ("offsets", *COLUMNS)]
            marks = {"fresh": one["fresh"], "stamps": one["stamp"], "ages": one["age"]}
            ports.append(ReplayInput.of(bound, name, record, **marks))
        return ports

    def observations(self) -> Iterator[dict[str, Any]]:
        """A tick's observation for `Controller.step`: None for an input that brought nothing.

        The ages are then those of `Controller.step`, whole periods, so a limit on staleness may strike a tick sooner or
        later than it did, and the guard begins without a fault and knows of no missed period; `ports` shows all of it
        as it was.
        """
        for k in range(self.ticks):
            seen: dict[str, Any] = {}
            for name, one in self.inputs.items():
                if one["fresh"][k] == 0:
                    seen[name] = None
                elif "values" in one:
                    seen[name] = one["values"][k]
                else:
                    events = slice(one["offsets"][k], one["offsets"][k + 1])
                    seen[name] = tuple(one[key][events] for key in COLUMNS)
            yield seen
