"""Record the inputs of a running loop, or of a `Controller` in a simulation, in ring buffers of fixed size.

The result is an input log. The recorder copies the inputs and the control words of each tick. It copies the whole state
at intervals, so that a log whose beginning was overwritten can start from one of these copies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numba.extending import register_jitable

from ..engine.atomics import fence, store_release
from ..engine.bound import Bound
from ..engine.control_words import LEARNING, SWITCH_WORDS, tuned_words
from ..engine.kernels.guard import FAULTED
from ..engine.memory import i64
from ..engine.slots import COUNT, EVENT_COLUMNS, SLOT_WORDS
from ..errors import DescriptionError, counted
from ..realtime import handover
from ..realtime.handover import Handover
from ..realtime.port import CompiledPort, newest, ring_of
from ..realtime.ports.columns import copy_events
from ..realtime.shared_motion import HEAD
from .input_log import HEADER, InputLog

__all__ = ["InputLogRecorder"]

# context words
CLOCK, INPUTS, N_INPUTS, RING, ROWS, ROW_WORDS, TOTAL, CONTROLLED, RULES, TUNED = range(10)
STATE, STATE_WORDS, EVERY, KEPT_STATES, N_STATES, STATE_TICKS = range(10, 16)
HANDOVER, HANDED, LAST_LOADED, N_HANDED, WORDS = range(16, 21)  # from a supervisor, 0: none; rows of tick and motion
TICK, CONTROL = 0, 1  # a row starts with the tick's number and the control words
# an input's words; SLOT_SIZE: words of its slot with the numbers of a value input; AT: their offset in a row, followed
# by the start of the tick's events
SLOT, SLOT_SIZE, AT, T, X, Y, P, CAPACITY, KEPT_T, KEPT_X, KEPT_Y, KEPT_P, EVENTS, EVENTS_TOTAL, INPUT_WORDS = range(15)
MOST_BYTES = 256 << 20  # maximum size of a recorder
MOST_HANDED = 64  # maximum number of motions from a supervisor
STATES = 16  # maximum number of states; they take at most a quarter of the bytes


@register_jitable
def _keep_events(row, n):
    """Append the ``n`` events of a tick to an input's ring buffer of events. ``row``: address of the input's words."""
    o = i64(row, INPUT_WORDS)
    at = o[EVENTS_TOTAL] % o[EVENTS]
    first = min(n, o[EVENTS] - at)
    copy_events(row + 8 * KEPT_T, at, row + 8 * T, 0, first)
    copy_events(row + 8 * KEPT_T, 0, row + 8 * T, first, n - first)
    o[EVENTS_TOTAL] += n


@register_jitable
def _keep_state(c, tick):
    """Copy the state after a tick into a ring buffer. The tick's number is written last and marks a complete copy."""
    at = tick // c[EVERY] % c[N_STATES]
    ticks = i64(c[STATE_TICKS], c[N_STATES])
    ticks[at] = -1
    fence()
    state, copy = i64(c[STATE], c[STATE_WORDS]), i64(c[KEPT_STATES] + 8 * c[STATE_WORDS] * at, c[STATE_WORDS])
    for i in range(c[STATE_WORDS]):
        copy[i] = state[i]
    store_release(c[STATE_TICKS] + 8 * at, tick)


@register_jitable
def _keep_handed(c, tick):
    """If the loop took over a motion of the commands from a supervisor before this tick, record this motion."""
    h = i64(c[HANDOVER], handover.WORDS)
    if h[handover.LOADED] != c[LAST_LOADED]:
        c[LAST_LOADED] = h[handover.LOADED]
        words = h[handover.MOTION] - HEAD
        motion, at = i64(h[handover.COPY] + 8 * HEAD, words), c[N_HANDED] % MOST_HANDED
        row = i64(c[HANDED] + 8 * (1 + words) * at, 1 + words)
        row[0] = tick
        for i in range(words):
            row[1 + i] = motion[i]
        c[N_HANDED] += 1


def keep_inputs(context, stamp_ns, now_ns):
    """Copy all inputs and control words of the tick that has just run. The loop calls this function as an observer."""
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
    if c[HANDOVER] != 0:
        _keep_handed(c, row[TICK])
    store_release(context + 8 * TOTAL, c[TOTAL] + 1)
    if c[N_STATES] > 0 and row[TICK] % c[EVERY] == 0:
        _keep_state(c, row[TICK])
    return 0


class InputLogRecorder(CompiledPort):
    """An observer that records the input log of a loop or a `Controller`.

    Parameters
    ----------
    bound : the controller's bound Program
    ticks : maximum number of recorded ticks, the newest
    events : maximum number of recorded events of each events input; ticks whose events were overwritten are lost
    most_bytes : memory limit for the whole recorder. Copies of the state use at most a quarter of this memory, events
        at most half of the rest. If ``ticks`` and ``events`` need more memory, the recorder stores fewer; see `kept`
    states : maximum number of copies of the state; without a copy, a log whose beginning was overwritten has no state
    real_time : false for ticks without a deadline, where memory that is never used need not be allocated

    Raises DescriptionError if the memory limit is too small for a tick, or for the events that may arrive in a tick.
    """

    def __init__(
        self, bound: Bound, ticks: int = 300_000, events: int = 4_000_000, most_bytes: int = MOST_BYTES,
        states: int = STATES, real_time: bool = True,
    ) -> None:  # fmt: skip
        self._inputs, self.steps = bound.program.facts.inputs, bound.program.steps
        self.period_ns = bound.program.facts.period_ns
        for one in self._inputs:
            if one.kind == "events" and events < one.capacity:
                rule = f"must be at least the capacity of input '{one.name}', {one.capacity}"
                raise DescriptionError("events", events, rule)
        if ticks < 1:
            raise DescriptionError("ticks", ticks, "must be at least 1")
        sizes = [SLOT_WORDS + (one.size if one.kind == "value" else 0) for one in self._inputs]
        self.tunable = bound.program.facts.tunable
        rules, tuned = len(bound.program.facts.learning), tuned_words(len(bound.program.facts.tunable))
        self._inputs_from = CONTROL + LEARNING + rules + tuned
        ends = self._inputs_from + np.cumsum([0, *(size + 1 for size in sizes)])
        count = min(states, most_bytes // 4 // bound.state.size)
        ticks, events = self._room(ticks, events, most_bytes - (count + 1) * bound.state.size, 8 * int(ends[-1]))
        self._ring = ring_of((ticks, int(ends[-1])), np.int64, real_time)
        self._events: dict[str, dict[str, np.ndarray]] = {}
        self._table = np.zeros((max(len(self._inputs), 1), INPUT_WORDS), np.int64)
        for row, one, size, at in zip(self._table, self._inputs, sizes, ends):
            row[[SLOT, SLOT_SIZE, AT]] = bound.address(f"{one.name}.slot"), size, at
            if one.kind == "events":
                columns = self._events[one.name] = {
                    key: ring_of((events,), kind, real_time) for key, kind in EVENT_COLUMNS.items()
                }
                row[[CAPACITY, EVENTS]] = one.capacity, events
                row[T : P + 1] = [bound.address(f"{one.name}.{key}") for key in columns]
                row[KEPT_T : KEPT_P + 1] = [column.ctypes.data for column in columns.values()]
        self._clock, self._guard = bound.array("clock"), bound.array("guard")
        self._faulted, self._state = False, bound.state
        words = bound.state.size // 8
        self._states, self._state_ticks = ring_of((count, words), np.int64, real_time), np.full(count, -1, np.int64)
        self._initial, self._first = bound.state.copy(), int(self._clock[0])
        super().__init__("input log recorder", keep_inputs, (
            bound.address("clock"), self._table.ctypes.data, len(self._inputs),
            self._ring.ctypes.data, *self._ring.shape, 0, bound.address("controlled"), rules, tuned,
            bound.state.ctypes.data, words, ticks // max(count - 1, 1) or 1, self._states.ctypes.data, count,
            self._state_ticks.ctypes.data, 0, 0, 0, 0,
        ))  # fmt: skip
        self._handed = np.zeros((0, 1), np.int64)

    def _room(self, ticks: int, events: int, most_bytes: int, tick_bytes: int) -> tuple[int, int]:
        """Return the number of ticks and the number of events of each events input that fit into the memory limit."""
        cameras = [one.capacity for one in self._inputs if one.kind == "events"]
        if cameras:
            each = sum(np.dtype(dtype).itemsize for dtype in EVENT_COLUMNS.values())
            events = max(*cameras, min(events, most_bytes // (2 * each * len(cameras))))
            most_bytes -= events * each * len(cameras)
        return max(1, min(ticks, most_bytes // tick_bytes)), events

    def follow(self, one: Handover) -> None:
        """Also record the newest `MOST_HANDED` motions that come from a supervisor. No loop may run during the call."""
        self._handed, self._followed = np.full((MOST_HANDED, 1 + one.motion.size - HEAD), 0, np.int64), one
        self._block[[HANDOVER, HANDED]] = one.context, self._handed.ctypes.data

    @property
    def kept(self) -> str:
        """The maximum numbers of ticks and events that the recorder stores, as text for a message."""
        ticks, events = len(self._ring), int(self._table[:, EVENTS].max())
        seconds = ticks * self.period_ns * 1e-9
        span = f"{seconds:.3g}" if seconds < 1000 else f"{seconds:,.0f}"
        lasts = f"the newest {counted(ticks, 'tick')}, {span} s"
        return f"{lasts}, and {counted(events, 'event')} of each camera" if self._events else lasts

    @property
    def total(self) -> int:
        """Number of ticks recorded since the last `clear`, including overwritten ticks."""
        return int(self._block[TOTAL])

    def has_room(self, ticks: int) -> bool:
        """Return whether ``ticks`` more ticks, each with the maximum number of events, fit without overwriting."""
        full = (self._table[:, EVENTS_TOTAL] + ticks * self._table[:, CAPACITY] > self._table[:, EVENTS]).any()
        return self.total + ticks <= len(self._ring) and not full

    def clear(self) -> None:
        """Remove all recorded ticks. The present state of the controller becomes the beginning of the log.

        Do not call this method while a loop runs.
        """
        self._faulted = bool(self._guard[FAULTED])
        self._initial, self._first = self._state.copy(), int(self._clock[0])
        self._block[[TOTAL, N_HANDED]] = self._table[:, EVENTS_TOTAL] = 0
        self._state_ticks[:] = -1

    def log(self, running: bool = False, most: int | None = None) -> InputLog:
        """Return a copy of the recorded ticks, the oldest first. The log begins at a recorded state, if there is one.

        running : true if a loop runs during the call. The log then leaves out the ticks that the loop overwrites during
            the call or may overwrite in the present tick
        most : number of newest ticks that are needed; None: all. The log then begins at the newest recorded state
            before these ticks
        """
        total = self.total
        rows = newest(self._ring, total)
        columns = self._events
        if running:
            columns = {name: {key: one.copy() for key, one in kept.items()} for name, kept in columns.items()}
        lost = max(0, self.total + 1 - len(self._ring) - (total - len(rows))) if running else 0
        for word in self._table:  # ticks whose events were overwritten
            if word[EVENTS]:
                begins = rows[:, word[AT] + word[SLOT_SIZE]]
                written = word[EVENTS_TOTAL] + (word[CAPACITY] if running else 0)
                lost = max(lost, int(np.searchsorted(begins, written - word[EVENTS])))
        handed = newest(self._handed, int(self._block[N_HANDED]))
        if self._block[N_HANDED] > MOST_HANDED:  # a replay cannot pass motions that were overwritten
            lost = max(lost, int(np.searchsorted(rows[:, TICK], handed[0, 0])))
        state, before = self._state_for(rows[lost:], most)
        rows, overwritten = rows[lost + before :], total - len(rows) + lost + before
        return replace(self._of_rows(rows, columns), overwritten=overwritten, state=state)

    def part(self, first: int, last: int) -> InputLog:
        """Return the log of the ticks from ``first`` up to ``last`` (exclusive), without a state.

        All of these ticks must still be in the ring buffers.
        """
        return self._of_rows(self._ring[np.arange(first, last) % len(self._ring)], self._events)

    def _of_rows(self, rows: np.ndarray, columns: Mapping[str, Mapping[str, np.ndarray]]) -> InputLog:
        """Return the log of some ticks. ``rows`` are their rows of the ring buffer, ``columns`` the events' buffers."""
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
        control = rows[:, CONTROL : self._inputs_from].copy()
        kept = newest(self._handed, int(self._block[N_HANDED]))
        handed = {int(row[0]) - first - 1: row[1:] for row in kept if first < row[0] <= first + len(rows)}
        return InputLog(self.period_ns, first, 0, inputs, control, self._faulted, tunable=self.tunable, handed=handed)

    def still_there(self, number: int) -> bool:
        """Return whether tick ``number`` and its events are so new that the loop will not overwrite them soon."""
        row = self._ring[number % len(self._ring)]
        for word in self._table:
            begin = row[word[AT] + word[SLOT_SIZE]] if number < self.total else word[EVENTS_TOTAL]
            if word[EVENTS] and word[EVENTS_TOTAL] - begin > word[EVENTS] // 2:
                return False
        return self.total - number < max(len(self._ring) // 2, 2)

    @property
    def beginning(self) -> tuple[int, bool, np.ndarray]:
        """The controller before the first recorded tick, as `clear` stored it.

        The tuple contains the number of ticks that had run, whether the guard was in a fault, and the state block,
        (bytes,) uint8.
        """
        return self._first, self._faulted, self._initial.copy()

    def _state_for(self, rows: np.ndarray, most: int | None) -> tuple[np.ndarray, int]:
        """Return a recorded state, (bytes,) uint8, and the number of rows that are older than this state.

        This is the oldest state after which ``rows`` contains every tick. With ``most``, it is the newest state after
        which there are at least ``most`` rows. If there is no such state, the array is empty.
        """
        first = int(rows[0, TICK]) - 1 if len(rows) else int(self._clock[0])
        wanted = first if most is None else max(first, first + len(rows) - most)
        order = np.argsort(self._state_ticks)
        early = (self._state_ticks[order] <= wanted) & (self._state_ticks[order] >= first)
        if not early.any() and first == self._first:
            return self._initial.copy(), 0
        for k in [*order[early][::-1], *order[~early]]:
            tick = int(self._state_ticks[k])
            if first <= tick <= first + len(rows):
                state = self._states[k].copy()
                if self._state_ticks[k] == tick:  # it was not overwritten meanwhile
                    return state.view(np.uint8), tick - first
        return np.zeros(0, np.uint8), 0

    def save(self, path: str | os.PathLike, running: bool = False, most: int | None = None) -> None:
        """Write the input log that `log` returns to a file."""
        self.log(running, most).save(path)
