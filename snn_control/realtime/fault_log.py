"""A log of the newest faults that the guard detected, with their times and causes.

The loop's thread records the faults. Faults that have ended remain in the log.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from ..engine.bound import Bound
from ..engine.kernels.guard import FAULTED, FAULTS, GUARD_WORDS, LATCHED, NOW, REASON, STOP_WORDS
from ..engine.memory import i64
from .port import CompiledPort, newest

__all__ = ["Fault", "FaultLog"]

MOST_INPUTS = 62  # bits of the word that marks invalid inputs

# words of the context; words of a fault's row
GUARD, VALIDITY, REQUIRED, INPUTS, SEEN, TOTAL, ROWS, RING, STOPS, WORDS = range(10)
BEGIN, END, CAUSES, INVALID, STOPPED_BY, ROW_WORDS = range(6)


def record_faults(context, stamp_ns, now_ns):
    """If the last tick was in fault, add an entry to the log, or update the entry of a fault that lasts.

    The loop calls this function as an observer after each tick, see `snn_control.realtime.port`.
    """
    o = i64(context, WORDS)
    guard = i64(o[GUARD], GUARD_WORDS)
    new = guard[FAULTS] != o[SEEN]
    o[SEEN] = guard[FAULTS]
    o[TOTAL] += new
    if o[TOTAL] == 0:
        return 0
    row = i64(o[RING] + 8 * ROW_WORDS * ((o[TOTAL] - 1) % o[ROWS]), ROW_WORDS)
    if new:
        row[BEGIN], row[END], row[CAUSES], row[INVALID], row[STOPPED_BY] = stamp_ns, -1, 0, 0, 0
    if row[END] >= 0:
        return 0
    if guard[FAULTED] == 0:
        row[END] = stamp_ns
        return 0
    row[CAUSES] |= guard[REASON]
    valid, required = i64(o[VALIDITY], 2 * o[INPUTS]), i64(o[REQUIRED], o[INPUTS])
    for k in range(min(o[INPUTS], MOST_INPUTS)):
        if required[k] != 0 and valid[2 * k] == 0:
            row[INVALID] |= 1 << k
    if o[STOPS] != 0:
        stops = i64(o[STOPS], STOP_WORDS)
        row[STOPPED_BY] |= stops[NOW] | stops[LATCHED]
    return 0


@dataclass(frozen=True)
class Fault:
    """A period of time in which the guard replaced the commands by the safe command, and the causes.

    begin, end : times [ns since 1970]; ``end`` is -1 while the fault lasts
    causes : bits as in `engine.kernels.guard`
    invalid : names of inputs that were invalid during the fault, if they are required or may stop the commands
    stopped : names of the inputs that stopped the commands
    """

    begin: int
    end: int
    causes: int
    invalid: tuple[str, ...]
    stopped: tuple[str, ...]


class FaultLog(CompiledPort):
    """An observer of the loop that stores the newest faults of the controller ``bound``, at most ``most`` faults."""

    def __init__(self, bound: Bound, most: int = 32) -> None:
        inputs = bound.program.facts.inputs
        self._names = [one.name for one in inputs]
        self._required = np.array([one.required or bool(one.stop_when) for one in inputs] or [False], np.int64)
        self._ring = np.zeros((most, ROW_WORDS), np.int64)
        super().__init__("faults", record_faults, (
            bound.address("guard"), bound.address("validity"), self._required.ctypes.data, len(inputs), 0, 0,
            most, self._ring.ctypes.data, bound.address("stops") if any(one.stop_when for one in inputs) else 0,
        ))  # fmt: skip

    @property
    def total(self) -> int:
        """Number of faults since the log was created."""
        return int(self._block[TOTAL])

    def restart(self) -> None:
        """Mark all recorded faults as ended. Call this method after a reset of the guard's fault counter to 0.

        No loop may run during the call.
        """
        self._block[SEEN] = 0
        open_ones = (self._ring[:, BEGIN] > 0) & (self._ring[:, END] < 0)
        self._ring[open_ones, END] = time.time_ns()

    def faults(self) -> list[Fault]:
        """Return the recorded faults, the newest first. While the loop runs, the newest fault may be incomplete."""
        rows = newest(self._ring, int(self._block[TOTAL]))[::-1].tolist()
        return [
            Fault(begin, end, causes, self._named(invalid), self._named(stopped))
            for begin, end, causes, invalid, stopped in rows
        ]

    def _named(self, bits: int) -> tuple[str, ...]:
        return tuple(name for k, name in enumerate(self._names[:MOST_INPUTS]) if bits >> k & 1)
