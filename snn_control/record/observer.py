"""What a loop calls after each tick, and Python can call as well."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import numpy as np

from ..engine.compile import compile_callback

__all__ = ["Observer", "newest"]


class Observer:
    """A compiled function ``int64(context, stamp_ns, now_ns)`` over a block of int64 words.

    A `Loop` calls it through ``function`` and ``context`` after each tick, with the tick's stamp and the time of
    CLOCK_MONOTONIC; as one of `Controller.observers` it is called after each tick with 0 for both.

    name : for counters and messages
    words : int64 words that the function reads and writes at ``context``
    """

    def __init__(self, name: str, function: Callable, words: Sequence[int]) -> None:
        self.name = name
        self._words = np.array(words, np.int64)
        self.context = int(self._words.ctypes.data)
        self.function = compile_callback(function, "int64(int64,int64,int64)")
        self._call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 3)(self.function)

    def __call__(self) -> None:
        self._call(self.context, 0, 0)


def newest(ring: np.ndarray, total: int) -> np.ndarray:
    """The rows that a ring still holds of ``total`` that were written to it, oldest first; a copy."""
    return ring[np.arange(max(total - len(ring), 0), total) % len(ring)]
