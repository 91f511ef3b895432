"""Narrow the limits of commands to numbers that the message field can represent, so that rounding exceeds no limit.

The guard limits a command in float64. A field of integers or of float32 rounds the command again: it would contain 4
for 3.5, and 0.10000000149 for 0.1. Therefore this module narrows the limits of each number once, to values that the
field can represent. The module `rounding` limits the changes of a number within these limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba.extending import register_jitable

from ...coding import ArgmaxDecoder, Output
from ...engine.memory import load_f64, load_i64, store_f64, store_i64
from ...errors import DescriptionError
from .element_types import FLOAT32, FLOAT64, KINDS
from .numbers import put_number
from .rounding import COMMAND, FREE, HIGH, KIND, LAST, LOW, PLACE, ROW, STEP, WAIT, WAITED, stepped

__all__ = ["BOUNDS", "fit_bounds", "put_row", "rows_of"]

ROUNDING = 1e-9  # relative tolerance, for a slew x period of 2.9999999999999996 instead of 3


#: bounds of one number in the type of its field; ramp: the slew is also limited while the command is the safe one
BOUNDS = np.dtype([("low", "f8"), ("high", "f8"), ("step", "f8"), ("safe", "f8"), ("wait", "i8"), ("ramp", "?")])


def _inside32(value: float, towards: float) -> float:
    """Return ``value`` rounded to float32 in the direction of ``towards``; a float32 number is returned unchanged."""
    near = np.float32(min(max(value, -float(np.finfo(np.float32).max)), float(np.finfo(np.float32).max)))
    beyond = float(near) > value if towards < value else float(near) < value
    return float(np.nextafter(near, np.float32(towards))) if beyond else float(near)


def _drawn_in(low: float, high: float, kind: int) -> tuple[float, float]:
    """Return the smallest and the largest number in [low, high] that a field can represent.

    If the field can represent no number in this range, the first result is larger than the second.

    kind : element type of the field, an index of `KINDS`
    """
    if kind == FLOAT64:
        return low, high
    if kind == FLOAT32:
        return _inside32(low, math.inf), _inside32(high, -math.inf)
    least, most = (0, 1) if KINDS[kind] == "bool" else (np.iinfo(KINDS[kind]).min, np.iinfo(KINDS[kind]).max)
    return max(float(least), np.ceil(low)), min(float(most), np.floor(high))


def fit_bounds(output: Output, kind: int, field: str, period: float) -> np.ndarray:
    """Return the limits of an output's numbers, narrowed to values that the message field can represent: (n,) BOUNDS.

    Raises DescriptionError if a field of this type cannot satisfy the output's limits, slew or safe value.

    kind : element type of the field, an index of `KINDS`
    field : path of the field, for the error's text
    period : time between two ticks [s]; each tick publishes
    """
    low, high = output.limits
    if isinstance(output.decoder, ArgmaxDecoder):
        low, high = 0, output.decoder.actions - 1
    sides = (low, high, output.slew, output.safe_numbers)
    given = [np.broadcast_to(np.asarray(side, np.float64), output.size) for side in sides]
    where, whole = f"outputs.{output.name}", kind < FLOAT32
    if whole and (key := output.smooth):
        rule = f"does not go with {field}, which is {KINDS[kind]}: whole numbers have no smooth motion"
        raise DescriptionError(f"{where}.{key}", getattr(output, key), rule, "leave it out, or use another field")
    rows = []
    for low, high, slew, safe in zip(*(side.tolist() for side in given), strict=True):
        least, most = _drawn_in(low, high, kind)
        fix = "give wider limits" + (", or use a field of float64" if kind != FLOAT64 else "")
        if not least <= most:
            rule = f"hold no number of {field}, which is {KINDS[kind]}"
            raise DescriptionError(f"{where}.limits", [low, high], rule, fix)
        if whole and (safe != np.floor(safe) or not least <= safe <= most):
            between = f"must be a whole number from {least:.0f} to {most:.0f}, as {field} is {KINDS[kind]}"
            fix = "give limits around 0" if output.stays else "give another"
            raise DescriptionError(f"{where}.safe", safe, between, f"{fix}, or use a field of float64")
        step, wait, slew = slew * period, 1, slew * period * (1 + ROUNDING)
        if whole and slew < 1:
            step, wait = 1.0, min(math.ceil(1 / slew), 1 << 62)
        elif whole:
            step = np.floor(slew)
        elif kind == FLOAT64:
            step = np.inf
        safe = min(max(float(np.float32(safe)), least), most) if kind == FLOAT32 else safe
        rows.append((least, most, step, safe, wait, output.ramp or output.stays))
    return np.array(rows, BOUNDS)


def rows_of(
    places: Sequence[int] | np.ndarray, kind: int, command: int, bounds: np.ndarray | None, faulted: int
) -> np.ndarray:
    """Return the argument ``row`` of `put_row` for each number of one output: (n, ROW) int64.

    places : (n,) addresses of the numbers in the message
    kind : element type of the field, an index of `KINDS`
    command : address of the output's commands, float64[n]
    bounds : (n,) BOUNDS of the numbers; None: the numbers are published without bounds
    faulted : address of a flag of the guard, which is not 0 while the command is the safe one
    """
    rows = np.zeros((len(places), ROW), np.int64)
    rows[:, PLACE], rows[:, KIND] = places, kind
    rows[:, COMMAND] = command + 8 * np.arange(len(places))
    if bounds is not None:
        floats = rows.view(np.float64)
        floats[:, LOW], floats[:, HIGH], floats[:, STEP] = bounds["low"], bounds["high"], bounds["step"]
        floats[:, LAST] = bounds["safe"]
        rows[:, WAIT], rows[:, WAITED] = bounds["wait"], 1
        rows[:, FREE] = np.where(bounds["ramp"], 0, faulted)
    return rows


@register_jitable
def put_row(row, final):
    """Write one number of a command into the message, after applying the number's limits.

    row : address of the number's data, one row of the result of `rows_of`
    final : whether the number belongs to the final safe command, for which the slew is not limited
    """
    kind, value, wait = load_i64(row + 8 * KIND), load_f64(load_i64(row + 8 * COMMAND)), load_i64(row + 8 * WAIT)
    if wait > 0:
        free, last, waited = load_i64(row + 8 * FREE), load_f64(row + 8 * LAST), load_i64(row + 8 * WAITED)
        free = final | (free != 0 and load_i64(free) != 0)
        low, high, step = load_f64(row + 8 * LOW), load_f64(row + 8 * HIGH), load_f64(row + 8 * STEP)
        value = stepped(value, kind, low, high, step, wait, last, waited, free)
        store_i64(row + 8 * WAITED, waited + 1 if value == last else 1)
        store_f64(row + 8 * LAST, value)
    put_number(load_i64(row + 8 * PLACE), kind, value)
