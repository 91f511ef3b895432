"""Fit the ranges of a controller's inputs to the values observed in training, so that they normalise observations.

Receptive fields are spaced evenly over the range of their input. If the range is ten times too wide, the same field is
always active. If it is too narrow, only the outer fields are active most of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...coding import FieldsEncoder, PopulationEncoder, ValueInput
from ...controller import build_program
from ...controller_file import ControllerSpec
from ...engine.program import Program
from ..environments.observation_statistics import rounded

__all__ = ["Ranges", "around", "widened"]

LOW_QUANTILE, HIGH_QUANTILE = 0.02, 0.98  # quantiles of the values met
ROOM = 0.4  # margin on each side, in units of the distance between these quantiles
NEAR = 1.5  # a range is kept if it is at most this many times as wide as the fitted one
BEYOND = 0.01  # share of the values that may be outside a range
FEWEST = 200  # smallest number of values to fit a range to


def around(ends: np.ndarray, met: np.ndarray) -> np.ndarray:
    """Return ranges that are fitted to observed values, as a (2, n) array of low and high ends.

    A range stays unchanged if there are too few values, if all values are whole numbers, or if the range already fits.

    ends : (2, n) present low and high ends
    met : (samples, n) observed values
    """
    new = ends.copy()
    for k, column in enumerate(met.T):
        (low, high), x = ends[:, k], column[np.isfinite(column)]
        if x.size < FEWEST or not (x != np.rint(x)).any():
            continue
        least, most = np.quantile(x, (LOW_QUANTILE, HIGH_QUANTILE))
        least, most = least - ROOM * (most - least), most + ROOM * (most - least)
        outside = np.mean((x < low) | (x > high))
        if most > least and (high - low > NEAR * (most - least) or outside > BEYOND):
            new[:, k] = rounded(least, most)
    return new


def widened(ends: np.ndarray, met: np.ndarray) -> np.ndarray:
    """Return ranges that are widened where more than `BEYOND` of the values are outside, as a (2, n) array.

    No range becomes narrower. The arguments are those of `around`.
    """
    with np.errstate(invalid="ignore"):
        outside = np.mean((met < ends[0]) | (met > ends[1]), axis=0) > BEYOND
    low, high = around(ends, met)
    return np.where(outside, [np.minimum(ends[0], low), np.maximum(ends[1], high)], ends)


class Ranges:
    """The ranges of inputs whose receptive fields are spaced over the whole range, and their encoders.

    program : the Program whose encoders are updated
    values : input -> low and high ends, (2, size) float64
    """

    def __init__(self, spec: ControllerSpec, program: Program) -> None:
        self.program, self._spec = program, spec
        self.values = {one.name: _ends(one) for one in spec.inputs if isinstance(one, ValueInput) and _follows(one)}

    def put(self, spec: ControllerSpec) -> ControllerSpec:
        """Return a copy of the controller description with the current ranges."""
        found = list(spec.inputs)
        for k, one in enumerate(found):
            if isinstance(one, ValueInput) and one.name in self.values:
                low, high = self.values[one.name].copy()
                found[k] = replace(one, range=(low, high))
        return replace(spec, inputs=tuple(found))

    def fit(self, met: Mapping[str, np.ndarray]) -> bool:
        """Fit the ranges to the observed values ``met``: input -> (samples, size). Return whether any range changed."""
        fitted = {name: around(ends, met[name]) for name, ends in self.values.items() if name in met}
        return self.take({**self.values, **fitted})

    def widen(self, met: Mapping[str, np.ndarray]) -> int:
        """Widen the ranges that the observed values left, see `widened`. Return how many numbers have another range."""
        before = self.values
        self.take(before | {name: widened(ends, met[name]) for name, ends in before.items() if name in met})
        return sum(int((self.values[name] != ends).any(axis=0).sum()) for name, ends in before.items())

    def take(self, values: Mapping[str, np.ndarray]) -> bool:
        """Set the ranges, and update the encoders in the Program. Return whether any range changed."""
        if all(np.array_equal(values[name], ends) for name, ends in self.values.items()):
            return False
        before = build_program(self.put(self._spec))
        self.values = {name: np.array(values[name]) for name in self.values}
        after = build_program(self.put(self._spec))
        for block in ("constants", "initial_state"):
            old, new = getattr(before, block), getattr(after, block)
            changed = old != new  # only encoders differ
            getattr(self.program, block)[changed] = new[changed]
        return True


def _follows(one: ValueInput) -> bool:
    encoder = one.encoder
    whole = isinstance(encoder, PopulationEncoder | FieldsEncoder) and encoder.low is None and encoder.high is None
    return whole and bool(np.isfinite(_ends(one)).all())


def _ends(one: ValueInput) -> np.ndarray:
    return np.stack([np.broadcast_to(np.asarray(end, np.float64), one.size) for end in one.range])
