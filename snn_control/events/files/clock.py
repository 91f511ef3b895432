"""Extend the 32-bit times [us] of some recording formats to 64-bit times without wraps."""

from __future__ import annotations

from collections.abc import MutableMapping

import numpy as np

__all__ = ["Clock32"]

SECOND = 1 << 20  # us
MOST_LOOPS = (1 << 20) - 1  # 142 years: times in ns stay within int64


class Clock32:
    """Extends the times of a clock that wraps every 71.6 min. A smaller step back is a glitch, which is not corrected.

    counts : counters of the recording; this object increases ``wraps`` and ``glitches``
    """

    def __init__(self, counts: MutableMapping[str, int]) -> None:
        self._counts = counts
        self._last, self._loops = -1, 0

    def unwrapped(self, t: np.ndarray) -> np.ndarray:
        """Return the next times without wraps, (n,) int64.

        t : (n,) int64, the next times in the file, from 0 to 2^32 - 1 [us]
        """
        if not len(t):
            return t
        step = np.diff(t, prepend=self._last if self._last >= 0 else t[0])
        wraps = step < -(1 << 31)
        loops = self._loops + np.cumsum(wraps)
        loops -= np.cumsum((step > (1 << 32) - SECOND) & (loops > 0))  # a glitch back across a wrap
        self._counts["wraps"] += int(np.count_nonzero(wraps))
        self._counts["glitches"] += int(np.count_nonzero((step < 0) & ~wraps))
        loops = np.minimum(loops, MOST_LOOPS)
        self._last, self._loops = int(t[-1]), int(loops[-1])
        return t + (loops << 32)
