"""Measure the duration of each operation of a tick, by reading the clock after each operation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..controller import Controller
from ..engine.compile import compile_function
from ..engine.memory import call_kernel, i64
from ..engine.program import STEP, Program
from ..engine.tick import AFTER, BEFORE, CLOCK, IN_STEP, ROW, STEPS
from ..realtime.clock import now_monotonic

__all__ = ["Profiled"]

MOST_TICKS = 20_000  # maximum number of ticks that are timed operation by operation
USUAL = 0.99  # share of the ticks that is counted


@register_jitable
def timed_rows(row, count, spent, last, scratch):
    for k in range(count):
        call_kernel(i64(row + ROW * k, 1)[0], row + ROW * k)
        now = now_monotonic(scratch)
        spent[k] += now - last
        last = now
    return last


def timed_tick(table, spent_at, scratch):
    """Run one tick like `snn_control.engine.tick.tick`, and add up the duration of each operation.

    spent_at : address of the sums of durations, one int64 for each operation [ns]
    """
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


class Profiled(Controller):
    """A controller whose `step` runs one tick, even if ``repeat`` is larger, and times each operation."""

    def __init__(self, program: Program) -> None:
        self._spent, self._scratch = np.zeros(len(program.operations), np.int64), np.zeros(2, np.int64)
        self._times: list[np.ndarray] = []
        self._tick = compile_function(timed_tick, "void(int64,int64,int64)")
        super().__init__(program)

    def _run(self) -> None:
        self._spent[:] = 0
        self._tick(self.bound.table, int(self._spent.ctypes.data), int(self._scratch.ctypes.data))
        if len(self._times) < MOST_TICKS:
            self._times.append(self._spent.copy())

    def shares(self, tick_us: float = math.inf) -> list[dict[str, Any]]:
        """Return the mean duration of each operation [us] and its fraction of the tick, the longest duration first.

        The slowest hundredth of the ticks is excluded, because other processes disturbed them.

        tick_us : median duration of a whole tick without clock readings [us]. A clock reading takes as long as a small
            operation. So the excess of the median measured here over ``tick_us`` is subtracted from the operations'
            durations
        """
        program, times = self.program, np.array(self._times, np.float64)
        ticks = times.sum(axis=1)
        us = times[ticks <= np.quantile(ticks, USUAL)].mean(axis=0) / 1e3
        readings = np.array([program.steps if o.section == STEP else 1 for o in program.operations])
        us = np.maximum(us - readings * max(np.median(ticks) / 1e3 - tick_us, 0) / readings.sum(), 0)
        total = us.sum() or 1.0
        found = [
            {"label": o.label, "kernel": o.kernel, "us": float(t), "share": float(t / total)}
            for o, t in zip(program.operations, us)
        ]
        return sorted(found, key=lambda one: -one["us"])
