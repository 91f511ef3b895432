"""Copy the state of a controller (membranes, weights, ...) on request, between two ticks of a running loop."""

from __future__ import annotations

import time

import numpy as np

from ..engine.atomics import load_acquire, read_word, store_release, write_word
from ..engine.bound import Bound
from ..engine.memory import i64
from ..errors import RuntimeFault
from ..realtime.port import CompiledPort

__all__ = ["StateCopy"]

WANTED, DONE, STATE, STATE_WORDS, COPY, WORDS = range(6)
LONGEST_S = 2.0  # longest wait for the end of a tick, in addition to its period


def copy_state(context, stamp_ns, now_ns):
    """Copy the state if a copy was requested and has not been made. The loop calls this function as an observer."""
    wanted = load_acquire(context + 8 * WANTED)
    c = i64(context, WORDS)
    if wanted != c[DONE]:
        state, copy = i64(c[STATE], c[STATE_WORDS]), i64(c[COPY], c[STATE_WORDS])
        for i in range(c[STATE_WORDS]):
            copy[i] = state[i]
        store_release(context + 8 * DONE, wanted)
    return 0


class StateCopy(CompiledPort):
    """An observer of a loop that copies the controller's state on request. Without a request it costs little."""

    def __init__(self, bound: Bound) -> None:
        self._bound, self._copy = bound, np.full(bound.state.size // 8, 0, np.int64)
        super().__init__("state copy", copy_state, (
            0, 0, bound.state.ctypes.data, self._copy.size, self._copy.ctypes.data,
        ))  # fmt: skip

    def take(self) -> np.ndarray:
        """Wait for the end of a tick of the loop, and return a copy of the state at this time, (bytes,) uint8.

        Raise RuntimeFault if no tick ends soon.
        """
        write_word(self.context + 8 * WANTED, int(self._block[WANTED]) + 1)
        end = time.monotonic() + LONGEST_S + self._bound.program.facts.period
        while read_word(self.context + 8 * DONE) != int(self._block[WANTED]):
            if time.monotonic() > end:
                raise RuntimeFault("the state cannot be copied: no tick has ended meanwhile")
            time.sleep(0.0005)
        return self._copy.view(np.uint8).copy()
