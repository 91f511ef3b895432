"""A loop for experiments in tests."""

from __future__ import annotations

import functools
import time
import weakref
from pathlib import Path
from typing import ClassVar

import numpy as np

from snn_control.engine.slots import SLOT_WORDS
from snn_control.realtime.loop import Loop
from tests.realtime import ticks
from tests.realtime.record_output import RecordOutput
from tests.realtime.released_input import ReleasedInput

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000


class Rig:
    """A loop whose command (2 words) is the number of the tick, or what ``tick`` makes of the table."""

    loops: ClassVar[weakref.WeakSet[Loop]] = weakref.WeakSet()

    def __init__(self, inputs=(), outputs=(), tick="count_up", table=None, period=MS, capacity=4096, **options):
        self.command, self.safe = np.zeros(2), np.array([-1.5, -2.5])
        self.table = np.array([0, self.command.ctypes.data, 2], np.int64) if table is None else table
        self.record = RecordOutput(self.command.ctypes.data, 2, capacity)
        options = {"lock_memory": False} | options
        safe = [(self.command.ctypes.data, self.safe.ctypes.data, 2)]
        outputs = [*outputs, self.record]
        keep = (self.command, self.safe, self.table)
        self.loop = Loop(ticks.tick(tick), self.table.ctypes.data, period, inputs, outputs, safe, keep=keep, **options)
        Rig.loops.add(self.loop)

    def run(self, seconds: float) -> dict:
        self.loop.start()
        time.sleep(seconds)
        stats = self.loop.stats()
        assert self.loop.stop()
        return stats


def tried_again(test):
    """A measurement that other load of the machine may spoil: one of three must be good."""

    @functools.wraps(test)
    def wrapper(*arguments, **named):
        for left in (2, 1, 0):
            try:
                return test(*arguments, **named)
            except AssertionError:
                if not left:
                    raise

    return wrapper


def value_input(fresh, stamps=None, name="input", available=None):
    slot = np.zeros(SLOT_WORDS + 1, np.int64)
    port = ReleasedInput(slot.ctypes.data, np.zeros((len(fresh), 1)), fresh=fresh, stamps=stamps, name=name)
    port.words = slot  # keeps it alive
    if available is not None:
        port.hold_back(available)
    return port


def until(condition, seconds=30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.001)
