"""Functions with which Python writes a sample to a value input, and runs a tick.

The tick is the compiled C function that the real-time loop runs, too; it is called through ctypes, and holds the
interpreter lock while it runs. Each function keeps the memory alive that it reads and writes.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError
from .compile import compile_callback
from .memory import i64
from .slots import AGE, FRESH, SLOT_WORDS, clear_marks, count_age
from .tick import tick

__all__ = ["nothing_came", "stepper", "ticker", "value_taker"]

FLOATS = "fd"  # codes of float32 and float64


def _function(function: Callable) -> Callable[[int], None]:
    """Compile a function ``void(int64)``, and return it for calls from Python."""
    return ctypes.PYFUNCTYPE(None, ctypes.c_int64)(compile_callback(function, "void(int64)"))


def ticker(table: np.ndarray, *keep: Any) -> Callable[[], None]:
    """Return ``tick()``, which runs one tick of a bound Program on the contents of its io block.

    table : the Program's table of addresses
    keep : objects that own the memory at these addresses
    """
    run, address = _function(tick), table.ctypes.data

    def run_tick() -> None:
        run(address)

    run_tick.keep = table, keep  # type: ignore[attr-defined]
    return run_tick


def nothing_came(slot: np.ndarray, period: int) -> None:
    """Record in an input's header that no sample arrived in this tick, and add ``period`` [ns] to the input's age."""
    clear_marks(slot)
    count_age(slot, period, 0)


def value_taker(slot: np.ndarray, data: np.ndarray, period_ns: int) -> Callable[[Any], bool]:
    """Return ``take(x)``, which writes the sample of this tick to a value input.

    ``take`` accepts an (n,) array of float32 or float64, or None if no sample arrived, and then returns True. For all
    other arguments, it returns False and changes nothing.

    slot, data : the input's header (`snn_control.engine.slots`), int64, and its numbers, (n,) float64
    """
    shape = data.shape

    def take(x: Any) -> bool:
        if x is None:
            nothing_came(slot, period_ns)
            return True
        if type(x) is not np.ndarray or x.shape != shape or x.dtype.char not in FLOATS:
            return False
        data[:] = x
        slot[FRESH] = 1
        slot[AGE] = 0
        return True

    return take


def step_sample(words):
    """Mark the sample of a value input as new, and run one tick. ``words``: addresses of table and header."""
    o = i64(words, 2)
    slot = i64(o[1], SLOT_WORDS)
    slot[FRESH], slot[AGE] = 1, 0
    tick(o[0])


def stepper(
    table: np.ndarray, name: str, slot: np.ndarray, data: np.ndarray, *keep: Any
) -> Callable[[np.ndarray], None]:
    """Return ``step(x)``, which writes the sample ``x`` to a value input and runs one tick. Threads may share it.

    ``x`` is an (n,) array of float32 or float64. For all other arguments, ``step`` raises InputError and does nothing.

    table, keep : as in `ticker`
    name : name of the input, for the error
    slot, data : the input's header and numbers, as in `value_taker`
    """
    words, shape = np.array([table.ctypes.data, slot.ctypes.data]), data.shape
    run, address, lock = _function(step_sample), words.ctypes.data, threading.Lock()

    def step(x: np.ndarray) -> None:
        if type(x) is not np.ndarray or x.shape != shape or x.dtype.char not in FLOATS:
            raise InputError(f"input '{name}': must be a ({data.size},) array of float32 or float64")
        with lock:
            data[:] = x
            run(address)

    step.keep = words, table, keep  # type: ignore[attr-defined]
    return step
