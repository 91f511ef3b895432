"""Input health: how many of the numbers that arrived were clamped to their range, or rejected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..coding import ValueInput
from .stimulus import Stimulus

__all__ = ["InputHealth", "findings", "measure"]

MOST = 0.50  # of the ticks beyond the range


@dataclass(frozen=True)
class InputHealth:
    """How many samples of one value input were rejected or clamped.

    ticks : in which it arrived
    rejected : of these, in how many the engine took it for not plausible
    clamped : share of the ticks in which it was beyond ``range``, of the number ``worst`` that was so most often
    low, high : the range of that number, infinite where there is none
    span : smallest and largest finite value of that number
    """

    where: str
    ticks: int
    rejected: int
    clamped: float
    worst: str
    low: float
    high: float
    unit: str
    span: tuple[float, float]


def measure(spec: ValueInput, stimulus: Stimulus, counters: Mapping[str, int]) -> InputHealth | None:
    """Health of an input; None where nothing arrived at it. ``counters`` : of `Controller.counters`, of this input."""
    logged = stimulus.log.inputs.get(spec.name)
    if logged is None:
        return None
    rows = logged["values"][logged["fresh"] != 0]
    arrived = ~np.isnan(rows).all(axis=1)  # in files of arrays and bags, NaN alone stands for nothing that arrived
    rows, missing = rows[arrived], int((~arrived).sum())
    if not len(rows):
        return None
    low, high = (np.broadcast_to(np.asarray(side, np.float64), spec.size) for side in spec.range)
    with np.errstate(invalid="ignore"):
        beyond = ((rows < low) | (rows > high)).mean(axis=0)
    j = int(np.argmax(beyond))
    known = rows[np.isfinite(rows[:, j]), j]
    where = f"inputs.{spec.name}"
    return InputHealth(
        where=where,
        ticks=len(rows),
        rejected=max(0, counters["rejected"] - missing),
        clamped=float(beyond[j]),
        worst=where + (f"[{j}]" if spec.size > 1 else ""),
        low=float(low[j]),
        high=float(high[j]),
        unit=spec.unit,
        span=(float(known.min()), float(known.max())) if len(known) else (math.nan, math.nan),
    )


def findings(i: InputHealth) -> Iterator[str]:
    """A line a finding."""
    if i.rejected:
        yield (
            f"{i.where}: {i.rejected:,} of {i.ticks:,} samples were rejected, not finite or not `plausible`: widen "
            "`plausible`, or mend the unit or the sensor"
        )
    if i.clamped > MOST:
        unit = f" {i.unit}" if i.unit else ""
        yield (
            f"{i.worst}: beyond its range [{i.low:g}, {i.high:g}]{unit} in {i.clamped:.0%} of {i.ticks:,} ticks "
            f"(from {i.span[0]:.4g} to {i.span[1]:.4g}): widen `range`, or mend the unit"
        )
