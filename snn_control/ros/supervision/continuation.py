"""Move the commands of a stopped loop to the safe commands, in a supervisor process, with the guard's limits.

The *motion* is the state of the command limiter: the last commands and their rates of change. The loop writes its
motion to shared memory (`realtime.shared_motion`). If the loop stops, the supervisor continues this motion towards the
safe values, at the loop's period. It writes its own motion to the same memory, so that a loop that resumes can continue
from there. The functions of `rounding` round each number to the type of its message field, as in the loop's ports.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...engine.command_limiter import elapsed_periods, limit_commands
from ...engine.control_words import WHOLE
from ...realtime.shared_motion import BASE, BEGUN, COMMITTED, HEAD, PLACES, TAKEN, THEIRS, WHEN
from ..messages import rounding
from ..messages.element_types import FLOAT32, KINDS

__all__ = ["Continued", "Numbers"]

QUICKEST_NS = 1_000_000  # shortest time between two commands; with a shorter period a command makes several steps
FORMATS = "?BbHhIiQqfd"  # format character of `struct` for each of KINDS


class Continued:
    """Continues the loop's newest motion in the shared memory until the commands have their safe values.

    given : result of `realtime.handover.Handover.told`, and ``period_ns``, ``phase_ns`` and ``woken`` of the loop
    memory : int64 words shared with the loop; `realtime.shared_motion` describes their layout
    begun : whether the loop has already published a command other than the safe command
    command : (m,) float64, the newest command
    moves : whether the commands are still moving towards their safe values
    periods : number of the loop's periods between the two newest commands
    """

    def __init__(self, given: Mapping[str, Any], memory: np.ndarray) -> None:
        self._limits, self._ways = SimpleNamespace(**given["limits"]), given["way"]
        self._period, self._phase, self._woken = given["period_ns"], given["phase_ns"], given["woken"]
        self._memory, self._motions = memory, memory[PLACES:].reshape(4, -1)
        self._base, self._when, self.begun = -1, 0, False
        self._motion: list[float] = []
        self.command, self.moves, self.periods = [0.0] * len(self._ways), False, 0
        self._lock = threading.Lock()

    @property
    def newest(self) -> bool:
        """Whether the motion that this object copied is still the loop's newest motion in the shared memory."""
        return int(self._memory[COMMITTED]) == self._base

    def next_ns(self, now: int) -> int:
        """Return the time at which the next command of the motion is due [ns, CLOCK_MONOTONIC], after time ``now``."""
        apart = -(-QUICKEST_NS // self._period) * self._period
        return now + apart if self._woken else now - (now - self._phase) % self._period + apart

    def advance(self, now: int) -> bool:
        """Continue the motion up to the time ``now`` [ns], and write the new motion to the shared memory.

        Return False if no period has passed since the loop's last command.

        Before publishing the command, check that the loop's heartbeat is still old and that `newest` is true.
        """
        anew = not self.newest
        if anew:
            self._take()
        moment = now if self._woken else (now - self._phase) // self._period
        elapsed, self.periods = (moment - self._when) * WHOLE // (self._period if self._woken else 1), 0
        if elapsed > 0:
            periods, rounds = elapsed_periods(elapsed)
            self.periods, self._when = max(int(periods), 1), moment
            if anew or self.moves:
                self._move(periods, rounds)
        elif anew:
            self._base = -1
            return False
        self._claim()
        return True

    def _take(self) -> None:
        """Copy the loop's newest motion from the shared memory."""
        number = -1
        while number != self._memory[COMMITTED]:  # the copy is consistent if nothing was committed meanwhile
            number = int(self._memory[COMMITTED])
            words = self._motions[number % 2].copy()
            self._fence()
        self._base, self._when, self.begun = number, int(words[WHEN]), bool(words[BEGUN])
        self._motion = words[HEAD:].view(np.float64).tolist()

    def _move(self, periods: float, rounds: int) -> None:
        before, words = self._motion.copy(), len(self._motion) // len(self._ways)
        limit_commands(self.command, (), True, self._ways, periods, rounds, self._limits, self._motion, words)
        self.moves = before != self._motion

    def _claim(self) -> None:
        """Write this object's motion to the shared memory, then increase the count of the supervisor's motions.

        Read the loop's heartbeat only after this call.
        """
        number = int(self._memory[TAKEN]) + 1
        place = self._motions[THEIRS + number % 2]
        place[[WHEN, BASE, BEGUN]] = self._when, self._base, self.begun
        place[HEAD:].view(np.float64)[:] = self._motion
        self._fence()
        self._memory[TAKEN] = number
        self._fence()

    def _fence(self) -> None:
        with self._lock:  # a lock keeps the order of memory accesses before and after it
            pass


class Numbers:
    """Writes commands into the supervisor's copy of one command message.

    given : result of `ports.CommandOutput.safe_message`
    rows : (n, rounding.ROW) int64, the limits and the last value of each number, shared with the port
    data : bytes of the message, which `put` changes
    """

    def __init__(self, given: Mapping[str, Any], rows: np.ndarray, data: bytearray) -> None:
        self._places, self._words = list(zip(given["places"], given["commands"], strict=True)), rows
        self._floats, self._data = rows.view(np.float64), data
        sides = self._floats[:, [rounding.LOW, rounding.HIGH, rounding.STEP]].tolist()
        kinds = rows[:, [rounding.KIND, rounding.WAIT, rounding.FREE]].tolist()
        self._bounds = [(*side, kind, wait, free != 0) for side, (kind, wait, free) in zip(sides, kinds, strict=True)]

    def put(self, command: Sequence[float], periods: int) -> bool:
        """Write a command into the message. Each number changes by at most its slew times ``periods``.

        Return whether a number has not reached the value of the command yet.

        periods : number of control periods since the last message
        """
        moves = False
        for k, (place, j) in enumerate(self._places):
            low, high, step, kind, wait, free = self._bounds[k]
            last, waited = float(self._floats[k, rounding.LAST]), int(self._words[k, rounding.WAITED]) + periods - 1
            most = step * periods if wait == 1 else step
            value = float(rounding.stepped(command[j], kind, low, high, most, wait, last, waited, free))
            moves |= value != float(rounding.stepped(command[j], kind, low, high, np.inf, wait, last, waited, True))
            self._words[k, rounding.WAITED] = waited + 1 if value == last else 1
            self._floats[k, rounding.LAST] = value
            struct.pack_into("<" + FORMATS[kind], self._data, place, value if kind >= FLOAT32 else _whole(value, kind))
        return moves


def _whole(value: float, kind: int) -> int:
    """Return a float as an integer, clipped to the range of the element type ``kind``.

    The comparison is between integers, because float64 cannot represent the largest int64 and uint64.
    """
    ends = (0, 1) if kind == 0 else (np.iinfo(KINDS[kind]).min, np.iinfo(KINDS[kind]).max)
    return int(min(max(int(value), ends[0]), ends[1]))
