"""Where the time of a tick goes: the clock is read after each operation of a bound table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba.extending import register_jitable

from ..controller import Controller
from ..engine.compile import compile_function
from ..engine.memory import call_kernel, i64
from ..engine.program import STEP, Program
from ..engine.tick import AFTER, BEFORE, CLOCK, IN_STEP, ROW, STEPS, tick_address
from ..realtime.clock import now_monotonic

__all__ = ["Profiled", "Share"]

MOST_TICKS = 20_000  # that are timed operation by operation
USUAL = 0.99  # share of the ticks that count


@dataclass(frozen=True)
class Share:
    """Time of one operation [us a tick], and its share of all operations'."""

    label: str
    kernel: str
    us: float
    share: float


@register_jitable
def timed_rows(row, count, spent, last, scratch):
    for k in range(count):
        call_kernel(i64(row + ROW * k, 1)[0], row + ROW * k)
        now = now_monotonic(scratch)
        spent[k] += now - last
        last = now
    return last


def timed_tick(table, spent_at, scratch):
    """What `tick` does, and the nanoseconds of each operation added to int64 at ``spent_at``."""
    header = i64(table, CLOCK + 1)
    clock = i64(header[CLOCK], 2)
    before, within, after = header[BEFORE], header[IN_STEP], header[AFTER]
    row, last = table + ROW, now_monotonic(scratch)
    last = timed_rows(row, before, i64(spent_at, before), last, scratch)
    row, spent_at = row + ROW * before, spent_at + 8 * before
    for _ in range(header[STEPS]):
        last = timed_rows(row, within, i64(spent_at, within), last, scratch)
        clock[1] += 1
    timed_rows(row + ROW * within, after, i64(spent_at + 8 * within, after), last, scratch)
    clock[0] += 1


def whole_tick(table, spent_at, scratch, tick):
    """A tick, and its nanoseconds in the first int64 at ``spent_at``."""
    begin = now_monotonic(scratch)
    call_kernel(tick, table)
    i64(spent_at, 1)[0] = now_monotonic(scratch) - begin


class Profiled(Controller):
    """A controller whose `step` is one tick (``repeat`` means nothing here), timed operation by operation.

    Reading the clock takes as long as a small operation. So only every other tick, at random, is timed so; the others
    are timed as a whole, and say how much the readings added.
    """

    def __init__(self, program: Program) -> None:
        self._spent, self._scratch = np.zeros(len(program.operations), np.int64), np.zeros(2, np.int64)
        self._parts: list[np.ndarray] = []
        self._wholes: list[int] = []
        self._rng = np.random.default_rng(0)  # a stimulus may alternate as well
        self._timed = compile_function(timed_tick, "void(int64,int64,int64)")
        self._whole = compile_function(whole_tick, "void(int64,int64,int64,int64)")
        super().__init__(program)

    def _run(self) -> None:
        at = self.bound.table, int(self._spent.ctypes.data), int(self._scratch.ctypes.data)
        self._spent[:] = 0
        if len(self._parts) < MOST_TICKS and self._rng.random() < 0.5:
            self._timed(*at)
            self._parts.append(self._spent.copy())
        else:
            self._whole(*at, tick_address())
            self._wholes.append(int(self._spent[0]))

    def shares(self) -> list[Share]:
        """Of the ticks so far, the longest first; without the slowest hundredth, which the machine disturbed."""
        program = self.program
        parts = np.array(self._parts, np.float64).reshape(-1, len(program.operations))
        parts, wholes = (usual(times) for times in (parts, np.array(self._wholes, np.float64)[:, None]))
        calls = np.array([program.steps if o.section == STEP else 1 for o in program.operations])
        reading = max(parts.sum() - wholes.mean(), 0) / calls.sum() if len(self._wholes) else 0.0
        us = np.maximum(parts - calls * reading, 0) / 1e3
        total = us.sum() or 1.0
        found = [Share(o.label, o.kernel, float(t), float(t / total)) for o, t in zip(program.operations, us)]
        return sorted(found, key=lambda share: -share.us)


def usual(times: np.ndarray) -> np.ndarray:
    """Mean over the ticks (rows), without those that took longest."""
    totals = times.sum(axis=1)
    return times[totals <= np.quantile(totals, USUAL)].mean(axis=0) if len(times) else np.zeros(times.shape[1])
