"""A record of a loop's publications: a ring of words that tests and benchmarks read while the loop runs."""

from __future__ import annotations

import numpy as np

from snn_control.engine.atomics import fence, read_word, store_release, write_word
from snn_control.engine.compile import compile_callback
from snn_control.engine.memory import load_i64, store_i64
from snn_control.realtime.port import SIGNATURE

__all__ = ["RecordOutput"]

# Words of the context
O_SOURCE, O_WORDS, O_ROWS, O_TOTAL, O_RING, O_LENGTH = range(6)
O_STAMP, O_NOW, O_DATA = range(3)  # words of a row


def _publish(ctx, stamp, now):
    total, words = load_i64(ctx + 8 * O_TOTAL), load_i64(ctx + 8 * O_WORDS)
    source = load_i64(ctx + 8 * O_SOURCE)
    row = load_i64(ctx + 8 * O_RING) + 8 * (O_DATA + words) * (total % load_i64(ctx + 8 * O_ROWS))
    fence()  # a reader that sees this row half written also sees that the one before it is complete
    store_i64(row + 8 * O_STAMP, stamp)
    store_i64(row + 8 * O_NOW, now)
    for i in range(words):
        store_i64(row + 8 * (O_DATA + i), load_i64(source + 8 * i))
    store_release(ctx + 8 * O_TOTAL, total + 1)
    return 0


class RecordOutput:
    """A ring of the newest ``capacity`` publications of ``n`` words at ``address``; counts what it overwrote.

    As an output port it records one command; over an io slot it records that input at every tick. It may be
    read while the loop runs.

    address : of the words to record
    n : how many 8-byte words
    dtype : float64 (commands) or int64 (headers of slots)
    """

    def __init__(self, address: int, n: int, capacity: int, name: str = "record", dtype=np.float64) -> None:
        self.name, self.capacity, self.dtype = name, capacity, np.dtype(dtype)
        # one row more than the capacity: the one that is being written
        self._ring = np.empty((capacity + 1, O_DATA + n), np.int64)
        self._ring[:] = 0
        self._context = np.zeros(O_LENGTH, np.int64)
        self._context[:] = [address, n, capacity + 1, 0, self._ring.ctypes.data] + [0] * (O_LENGTH - 5)
        self.context = int(self._context.ctypes.data)
        self.function = compile_callback(_publish, SIGNATURE)

    @property
    def total(self) -> int:
        """Publications since the beginning."""
        return read_word(self.context + 8 * O_TOTAL)

    @property
    def dropped(self) -> int:
        """Publications that were overwritten."""
        return max(self.total - self.capacity, 0)

    def counters(self) -> dict[str, int]:
        """``published`` and ``dropped``."""
        total = self.total
        return {"published": total, "dropped": max(total - self.capacity, 0)}

    def read(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """stamps (T,) int64 ns, times (T,) int64 ns monotonic, words (T, n); oldest first, T <= capacity.

        The time of the final safe command is `port.FINAL`.
        """
        total = self.total
        first = max(total - self.capacity, 0)
        rows = self._ring[np.arange(first, total) % len(self._ring)]
        # what the loop overwrote during the copy goes; the row after the newest may be half written
        rows = rows[max(self.total - self.capacity - first, 0) :]
        return rows[:, O_STAMP].copy(), rows[:, O_NOW].copy(), np.ascontiguousarray(rows[:, O_DATA:]).view(self.dtype)

    def clear(self) -> None:
        """Forget everything. Not while a loop runs."""
        write_word(self.context + 8 * O_TOTAL, 0)
