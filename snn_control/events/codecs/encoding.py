"""What an encoder asks of events before it packs them: times and coordinates that the encoding can carry."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ..columns import NANOSECONDS, Events

__all__ = ["checked", "refuse"]


def refuse(wrong: np.ndarray, name: str, values: np.ndarray, rule: str) -> None:
    """Raise InputError for the first of the values that is wrong."""
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"events.{name}[{at}] = {values[at]}: {rule}")


def checked(
    events: Events, encoding: str, unit: str, columns: int, rows: int, ordered: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """t [``unit``] as int64, x, y as int64, p as int64 (0 or 1), contiguous and checked.

    Raises InputError for columns of unequal length, coordinates of ``columns`` or ``rows`` and more, a time that is
    negative, no whole number of ``unit`` or (``ordered``) before the one in front of it.
    """
    t, x, y, p = (np.ascontiguousarray(getattr(events, name), np.int64) for name in "txyp")
    if not len(t) == len(x) == len(y) == len(p):
        raise InputError(
            f"events: columns of {len(t)}, {len(x)}, {len(y)}, {len(p)} numbers; they must be equally long"
        )
    refuse((x < 0) | (x >= columns), "x", x, f"{encoding} carries columns under {columns}")
    refuse((y < 0) | (y >= rows), "y", y, f"{encoding} carries rows under {rows}")
    refuse((p < 0) | (p > 1), "p", p, "must be 0 (OFF) or 1 (ON)")
    refuse(t < 0, "t", t, "must not be negative")
    if ordered:
        refuse(np.diff(t, prepend=t[:1]) < 0, "t", t, f"{encoding} needs times in order; sort the events first")
    many, one = NANOSECONDS[events.unit], NANOSECONDS[unit]
    refuse(t * many % one != 0, "t", t, f"{encoding} carries whole {unit}; round the times, that are in {events.unit}")
    return t * many // one, x, y, p
