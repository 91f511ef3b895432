"""Times of a description -> whole steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import BuildError

__all__ = ["whole_steps"]

MOST_STEPS = 100_000  # of a delay or a window: what a ring must hold


def whole_steps(path: str, seconds: Any, dt: float) -> Any:
    """Whole steps, int or an array of int64; raises BuildError where a time that is not zero would round to none."""
    times = np.asarray(seconds, np.float64)
    if times.size and times.max() / dt > MOST_STEPS:
        raise BuildError(path, float(times.max()), f"must be at most {MOST_STEPS} steps of {dt} s")
    steps = np.rint(times / dt).astype(np.int64)
    if ((steps == 0) & (times != 0)).any():
        lost = float(times[(steps == 0) & (times != 0)].flat[0])
        raise BuildError(path, lost, f"rounds to no step of {dt} s", "use 0, or more than half a step")
    return steps if steps.ndim else int(steps)
