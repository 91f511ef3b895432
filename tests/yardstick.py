"""How much slower than usual this machine is at the moment: bars of CPU time are those of a quiet one."""

from __future__ import annotations

import time

import numpy as np

USUAL = 6.2e-3  # s of CPU time, where the bars were set
TABLE, PLACES = np.zeros((1000, 3), np.uint8), np.random.default_rng(0).integers(0, 1000, 1280 * 720)


def slowness() -> float:
    """1 on a machine as it is usually, 2 where it takes twice as long over what computing and memory limit."""

    def seconds() -> float:
        start = time.thread_time()
        np.take(TABLE, PLACES, axis=0)
        np.minimum(PLACES, 500)
        np.right_shift(PLACES, 1)
        return time.thread_time() - start

    return max(1.0, min(seconds() for _ in range(5)) / USUAL)
