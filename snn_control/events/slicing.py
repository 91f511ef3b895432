"""Divide a recording into the ticks of a controller, by the sensor's time.

Tick k contains the events with t in [t0 + k P, t0 + (k + 1) P), where t0 is the time of the first event and P is the
control period. Events are never reordered. Irregular events are handled and counted as follows:

| event | treatment | counters |
|---|---|---|
| belongs to an earlier tick | added to the current tick | ``late`` |
| more than `BACK` before the newest time | the clock jumped: the event begins the next tick | ``jumps_back`` |
| after a pause longer than the longest gap | cut out: the event begins the next tick | ``gaps``, ``skipped_ns`` |
| after a shorter pause | kept as ticks without events | |
| exceeds the capacity of a tick | left out | ``dropped`` |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..engine.compile import compile_function
from ..engine.memory import i64
from ..errors import DescriptionError
from .columns import FURTHEST, Events

__all__ = ["LONGEST_GAP", "MOST_TICKS", "Slicer", "Tick", "assign", "part"]

BACK = 1_000_000_000  # ns
LONGEST_GAP = 10.0  # s; a longer pause is cut out
MOST_TICKS = 10_000_000  # in a replay

#: words of the state
PERIOD, MAX_GAP_NS, BEGUN, ORIGIN, NEWEST, TICK, LATE, JUMPS_BACK, GAPS, SKIPPED = range(10)
COUNTERS = {"late": LATE, "jumps_back": JUMPS_BACK, "gaps": GAPS, "skipped_ns": SKIPPED}


def assign(state_at, n, t_at, ticks_at, offsets_at):
    """Compute, for each of n events, the index of its tick and its time within the tick.

    The other arguments are addresses of int64 arrays, because numba takes long to start if a function takes arrays:

    state_at : (10,); this module defines the meaning of each word
    t_at : (n,), times [ns], in the order of arrival
    ticks_at : (n,), written: index of each event's tick, never descending
    offsets_at : (n,), written: time from the tick's start to the event [ns]; 0 for a late event
    """
    state, t, ticks, offsets = i64(state_at, 10), i64(t_at, n), i64(ticks_at, n), i64(offsets_at, n)
    for i in range(n):
        now = min(max(t[i], -FURTHEST), FURTHEST)  # so that no difference of two overflows
        if state[BEGUN] == 0:
            state[BEGUN], state[ORIGIN], state[NEWEST] = 1, now, now
        ahead = now - state[NEWEST]
        if ahead < -BACK or ahead > state[MAX_GAP_NS]:
            if ahead < 0:
                state[JUMPS_BACK] += 1
            else:
                state[GAPS] += 1
                state[SKIPPED] += ahead
            state[ORIGIN], state[NEWEST] = now - (state[TICK] + 1) * state[PERIOD], now
        k, offset = divmod(now - state[ORIGIN], state[PERIOD])
        if k < state[TICK]:
            state[LATE] += 1
            k, offset = state[TICK], np.int64(0)
        state[TICK], state[NEWEST] = k, max(state[NEWEST], now)
        ticks[i], offsets[i] = k, offset


@dataclass(frozen=True, eq=False)
class Tick(Events):
    """The events of one tick. ``t`` is the time of each event since the start of the tick [ns].

    index : index of the tick, from 0 on
    dropped : number of events that were left out, because the tick had more events than its capacity
    """

    unit: str = "ns"
    index: int = 0
    dropped: int = 0


class Slicer:
    """Divides the chunks of a recording into ticks; memory is bounded by a chunk and the capacity.

    period_ns : length of a tick [ns]
    capacity : maximum number of events in a tick
    longest_gap : a pause without events that is longer than this [s], and longer than a tick, is cut out

    The attribute ``counters`` contains the counts up to now, with the keys events, dropped, late, jumps_back, gaps and
    skipped_ns, see the module.
    """

    def __init__(self, period_ns: int, capacity: int, longest_gap: float = LONGEST_GAP) -> None:
        if period_ns < 1 or capacity < 1:
            raise DescriptionError("period_ns, capacity", (period_ns, capacity), "must be at least 1")
        if not 0 <= longest_gap <= 1e8:
            raise DescriptionError("longest_gap", longest_gap, "must be from 0 to 1e8 s")
        self.period_ns, self.capacity = period_ns, capacity
        self.events = self.dropped = 0
        self._state = np.zeros(10, np.int64)
        self._state[PERIOD], self._state[MAX_GAP_NS] = period_ns, max(round(longest_gap * 1e9), period_ns)
        self._assign = compile_function(assign, "void(int64,int64,int64,int64,int64)")

    @property
    def counters(self) -> dict[str, int]:
        counted = {"events": self.events, "dropped": self.dropped}
        return counted | {name: int(self._state[word]) for name, word in COUNTERS.items()}

    def ticks(self, chunks: Iterable[Events]) -> Iterator[Tick]:
        """Yield all ticks from the first event to the last event, including ticks without events."""
        tick = Tick()
        for events in chunks:
            ticks, offsets = self._place(events)
            columns, begin = (offsets, events.x, events.y, events.p), 0
            while begin < len(events):
                end = int(ticks.searchsorted(tick.index, "right"))
                tick = self._filled(tick, [column[begin:end] for column in columns])
                if end < len(events):
                    yield tick
                    tick = Tick(index=tick.index + 1)
                begin = end
            tick = replace(tick, **{name: getattr(tick, name).copy() for name in "txyp"})  # the chunk is freed
        if self._state[BEGUN]:
            yield tick

    def timed(self, chunks: Iterable[Events]) -> Iterator[Events]:
        """Yield the chunks with times since the start of tick 0 [ns], not counting pauses that were cut out."""
        for events in chunks:
            ticks, offsets = self._place(events)
            yield replace(events, t=ticks * self.period_ns + offsets, unit="ns")

    def _filled(self, tick: Tick, columns: Sequence[np.ndarray]) -> Tick:
        """Return a tick with further events, as many as its capacity allows. The others are counted as dropped.

        columns : the events' columns t, x, y, p
        """
        room = self.capacity - len(tick.t)
        dropped = max(0, len(columns[0]) - room)
        self.dropped += dropped
        kept = [column[:room] for column in columns]
        if len(tick.t):
            kept = [np.concatenate(both) for both in zip((tick.t, tick.x, tick.y, tick.p), kept)]
        t, x, y, p = kept
        return Tick(t, x, y, p, index=tick.index, dropped=tick.dropped + dropped)

    def _place(self, events: Events) -> tuple[np.ndarray, np.ndarray]:
        t, ticks, offsets = np.ascontiguousarray(events.ns, np.int64), *np.empty((2, len(events)), np.int64)
        self._assign(self._state.ctypes.data, len(t), t.ctypes.data, ticks.ctypes.data, offsets.ctypes.data)
        self.events += len(events)
        return ticks, offsets


def part(chunks: Iterable[Events], begin: float | None = None, end: float | None = None) -> Iterator[Events]:
    """Yield the events with begin <= t < end, in chunks that are not empty.

    begin : begin of the interval, as time after the first event [s]; None: no limit
    end : end of the interval, as time after the first event [s]; None: no limit
    """
    start: int | None = None
    least, most = round((begin or 0) * 1e9), FURTHEST if end is None else min(round(end * 1e9), FURTHEST)
    for events in chunks:
        if not len(events):
            continue
        if begin is None and end is None:
            yield events
            continue
        start = int(events.ns[0]) if start is None else start
        after = events.ns - start
        wanted = (after >= least) & (after < most)
        if wanted.any():
            yield events[wanted]
        if end is not None and after.min() >= most:
            return
