"""Ranges of inputs that follow what a controller meets in training: observations are normalised in the file itself.

Receptive fields lie evenly over the range of their input. Where it is ten times too wide one field is active whatever
happens, and where it is too narrow the outer ones are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..coding import FieldsEncoder, PopulationEncoder, ValueInput
from ..controller import build_program
from ..controller_file import ControllerSpec
from ..engine.program import Program

__all__ = ["Ranges", "around"]

LEAST, MOST = 0.02, 0.98  # quantiles of what was met
ROOM = 0.4  # of the distance between the two, beyond each
NEAR = 1.5  # times as wide as it would be chosen, up to which a range is left as it is
BEYOND = 0.01  # of what was met, up to which it may lie outside
FEWEST = 200  # numbers that say what is met


def around(ends: np.ndarray, met: np.ndarray) -> np.ndarray:
    """Ranges (2, n), low and high, for numbers of which ``met``, (samples, n), was seen; ``ends``, those that there
    are, stay where samples are too few or whole numbers, and where they fit already."""
    new = ends.copy()
    for k, column in enumerate(met.T):
        (low, high), x = ends[:, k], column[np.isfinite(column)]
        if x.size < FEWEST or not (x != np.rint(x)).any():
            continue
        least, most = np.quantile(x, (LEAST, MOST))
        least, most = least - ROOM * (most - least), most + ROOM * (most - least)
        outside = np.mean((x < low) | (x > high))
        if most > least and (high - low > NEAR * (most - least) or outside > BEYOND):
            step = 10.0 ** np.floor(np.log10(most - least) - 1.5)
            new[:, k] = np.floor(least / step) * step, np.ceil(most / step) * step
    return new


class Ranges:
    """Ranges of the inputs whose fields lie over them, and the encoders of a Program that follow.

    program : is written to

    Attributes
    ----------
    values : input -> (2, size) float64, low and high
    """

    def __init__(self, spec: ControllerSpec, program: Program) -> None:
        self.program, self._spec = program, spec
        self.values = {one.name: _ends(one) for one in spec.inputs if isinstance(one, ValueInput) and _follows(one)}

    def put(self, spec: ControllerSpec) -> ControllerSpec:
        """The spec with the ranges as they are now."""
        found = list(spec.inputs)
        for k, one in enumerate(found):
            if isinstance(one, ValueInput) and one.name in self.values:
                low, high = self.values[one.name].copy()
                found[k] = replace(one, range=(low, high))
        return replace(spec, inputs=tuple(found))

    def fit(self, met: Mapping[str, np.ndarray]) -> bool:
        """Lay the ranges around what was met, input -> (samples, size); returns whether one changed."""
        fitted = {name: around(ends, met[name]) for name, ends in self.values.items() if name in met}
        return self.take({**self.values, **fitted})

    def take(self, values: Mapping[str, np.ndarray]) -> bool:
        """Take these ranges, and write the encoders; returns whether one changed."""
        if all(np.array_equal(values[name], ends) for name, ends in self.values.items()):
            return False
        before = build_program(self.put(self._spec))
        self.values = {name: np.array(values[name]) for name in self.values}
        after = build_program(self.put(self._spec))
        for block in ("constants", "initial_state"):
            old, new = getattr(before, block), getattr(after, block)
            changed = old != new  # of the encoders alone: nothing else differs
            getattr(self.program, block)[changed] = new[changed]
        return True


def _follows(one: ValueInput) -> bool:
    encoder = one.encoder
    if (
        not isinstance(encoder, PopulationEncoder | FieldsEncoder)
        or encoder.low is not None
        or encoder.high is not None
    ):
        return False
    return bool(np.isfinite(_ends(one)).all())


def _ends(one: ValueInput) -> np.ndarray:
    return np.stack([np.broadcast_to(np.asarray(end, np.float64), one.size) for end in one.range])
