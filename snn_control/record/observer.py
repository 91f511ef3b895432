"""What a loop calls after each tick, and Python can call as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..engine.compile import compile_callback
from ..realtime.port import SIGNATURE, caller

__all__ = ["Observer", "newest"]


class Observer:
    """A compiled function over a block of int64 words, as `snn_control.realtime.port` says of observers.

    A `Loop` calls it after each tick; as one of `Controller.observers` it is called after each tick, with 0 for the
    stamp and the time.

    name : for counters and messages
    words : int64 words that the function reads and writes at ``context``
    """

    def __init__(self, name: str, function: Callable, words: Sequence[int]) -> None:
        self.name = name
        self._words = np.array(words, np.int64)
        self.context = int(self._words.ctypes.data)
        self.function = compile_callback(function, SIGNATURE)
        self._call = caller(self)

    def __call__(self) -> None:
        self._call(0, 0)


def newest(ring: np.ndarray, total: int) -> np.ndarray:
    """The rows that a ring still holds of ``total`` that were written to it, oldest first; a copy."""
    return ring[np.arange(max(total - len(ring), 0), total) % len(ring)]
