"""The interface between the loop and its ports, through which messages enter and commands leave.

A port consists of two addresses: of a compiled function, and of the function's context, an int64 block that only this
port uses. The loop's thread calls the function ``int64(context, int64, int64)`` without Python. The function must not
allocate memory and must not wait.

input : ``take(context, now_ns, mode)`` returns the number of messages that it took, or a negative code for an error. In
    `LOCKSTEP` it takes at most one message, and the next tick uses this whole message. In `REALTIME` and `FREE` it
    takes all waiting messages.
output : ``publish(context, stamp_ns, now_ns)`` returns 0, or another code for an error. ``now_ns`` is the time at which
    the tick ended, or one of two marks. `FINAL` marks the final safe command, to which slew limits do not apply.
    `WITHHELD` means that the command must not be published, because its inputs became too old during the tick or a
    supervisor has taken over.
observer : ``observe(context, stamp_ns, now_ns)`` returns 0, or another code for an error. It is called after each tick,
    but not after the final safe command.
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
    "newest", "ring_of",
]  # fmt: skip

REALTIME, LOCKSTEP, FREE = range(3)
MODES = {"realtime": REALTIME, "lockstep": LOCKSTEP, "free": FREE}

FINAL, WITHHELD = -1, -2

#: type of the compiled function
SIGNATURE = "int64(int64,int64,int64)"


class Port(Protocol):
    """An output or an observer of the loop: the address of its function, and the address of its context."""

    function: int
    context: int


class InputPort(Protocol):
    """An input of the loop. ``slot`` is the address of the input's header in the io block (`snn_control.engine.slots`).

    A port may have these attributes, too:

    writes_age : whether the port sets the age itself
    limit_ns : maximum age with which a command may depend on the input [ns]
    unawaited : whether the loop does not wait for this input in lockstep
    """

    name: str
    function: int
    context: int
    slot: int

    def counters(self) -> dict[str, int]: ...


class CompiledPort:
    """A port made from a Python function, which is compiled, and a block of int64 words.

    Python code can call the port with the same arguments as the loop, for example in tests and in a `Controller`.

    name : name of the port in counters and messages
    words : initial int64 words of the block, which the function reads and writes at ``context``
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
        """Call the port's function with its context and two more arguments, as the loop does.

        For an observer the two arguments are stamp and time [ns]; they are 0 if no loop runs.
        """
        return self._call(self.context, first, second)


def ring_of(shape: tuple[int, ...], dtype: type | str, real_time: bool) -> np.ndarray:
    """Return a ring buffer of zeros. For a loop in real time, its memory is allocated before the loop writes to it."""
    return np.full(shape, 0, dtype) if real_time else np.zeros(shape, dtype)


def newest(ring: np.ndarray, total: int) -> np.ndarray:
    """Return a copy of the rows in a ring buffer, the oldest first. ``total`` rows have been written to the ring."""
    return ring[np.arange(max(total - len(ring), 0), total) % len(ring)]
