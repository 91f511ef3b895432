"""Find the duration of an environment's step, which environments state in different attributes."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["period_of", "stated_period"]

PERIOD = 0.02  # s, step of an environment that does not state one


def period_of(env: Any) -> float:
    """Return the duration of an environment's step [s], or the default ``PERIOD`` if the environment states none."""
    return stated_period(env)[0]


def stated_period(env: Any) -> tuple[float, str]:
    """Return the duration of an environment's step [s], and a text that names the source of this number."""
    for key in ("dt", "tau"):
        try:
            value: Any = getattr(env.unwrapped, key, None)
        except Exception:  # a property may raise anything, e.g. before the first reset
            continue
        if _is_time(value):
            return float(str(value)), f"its `{key}`"  # float32 0.05 is 0.05
    rate: Any = (env.metadata or {}).get("render_fps")
    if _is_time(rate):
        return 1 / float(rate), "1 / its `render_fps`"
    return PERIOD, "it does not state this time; all times are relative to this number"


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(1e-6 <= value <= 1e6)
