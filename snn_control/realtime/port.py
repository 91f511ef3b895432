"""The interface between the loop and its ports.

A port is the address of a compiled function and that of its context, an int64 block of its own. The loop's thread calls
the function ``int64(context, int64, int64)`` without Python; it must neither allocate nor wait.

input : ``take(context, now_ns, mode)`` -> number of messages taken, or a negative error code. In `LOCKSTEP` it takes at
    most one message, all of which belongs to the next tick; in `REALTIME` and `FREE` it takes all that wait.
output : ``publish(context, stamp_ns, now_ns)`` -> 0 or an error code. ``now_ns`` is the time at which the tick ended;
    `FINAL` for the final safe command, which no slew limits; or `WITHHELD` if the command must not be published,
    because its data became too old while it was computed.
observer : ``observe(context, stamp_ns, now_ns)`` -> 0 or an error code; called after each tick, and only then.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from ..engine.compile import compile_callback

__all__ = [
    "FINAL", "FREE", "LOCKSTEP", "MODES", "REALTIME", "SIGNATURE", "WITHHELD", "CompiledPort", "InputPort", "Port",
    "newest",
]  # fmt: skip

REALTIME, LOCKSTEP, FREE = range(3)
MODES = {"realtime": REALTIME, "lockstep": LOCKSTEP, "free": FREE}

FINAL, WITHHELD = -1, -2

#: address of the compiled function
SIGNATURE = "int64(int64,int64,int64)"


class Port(Protocol):
    """An output or an observer."""

    function: int
    context: int


class InputPort(Protocol):
    """An input. ``slot`` is the address of its io slot. A port whose attribute ``writes_age`` is true sets the age
    itself; the attribute ``limit_ns`` is an age beyond which no command may depend on the input; one whose attribute
    ``unawaited`` is true is not waited for in lockstep."""

    name: str
    function: int
    context: int
    slot: int

    def counters(self) -> dict[str, int]: ...


class CompiledPort:
    """A port: a compiled function with a block of its own. Python may call it in the same way as the loop.

    name : for counters and messages
    words : int64 words that the function reads and writes at ``context``
    """

    def __init__(self, name: str, function: Callable, words: Sequence[int] | np.ndarray) -> None:
        self.name = name
        self._block = np.array(words, np.int64)
        self.context = int(self._block.ctypes.data)
        self.function = compile_callback(function, SIGNATURE)

    @cached_property
    def _call(self) -> Callable[[int, int, int], int]:
        return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 3)(self.function)

    def __call__(self, first: int = 0, second: int = 0) -> int:
        """Call the function; the arguments follow the context: for an observer the stamp and the time, 0 without a
        loop."""
        return self._call(self.context, first, second)


def newest(ring: np.ndarray, total: int) -> np.ndarray:
    """A copy of the rows that are still in a ring, the oldest first, after an observer has written ``total`` rows to
    it."""
    return ring[np.arange(max(total - len(ring), 0), total) % len(ring)]
