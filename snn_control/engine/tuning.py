"""Tunable numbers: values in a controller file that can be changed while the controller runs.

A controller file with other values is built to another Program. If the new Program has the same operations and arrays,
its constants and its initial state can replace those of the running Program between two ticks. Later ticks then compute
the same bits as ticks of the new Program. A number that affects more than constants and initial state, such as a delay,
is not tunable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..errors import DescriptionError
from .program import Program

__all__ = ["Tuning"]

FORM = ("operations", "names", "steps", "io_bytes")  # parts that are equal in all Programs of a controller


class Tuning:
    """The tunable numbers of a Program, and the function that builds the Program for other values.

    build : function that returns the Program for new values (name -> value), or raises DescriptionError
    program : Program with the values in the file, ``program.facts.tuned``
    ends : lowest and highest value of each tunable number

    Raises DescriptionError

    - if the lowest or the highest value of a number makes the controller invalid;
    - if a number affects more than constants and initial state;
    - if a number does not affect the running controller.
    """

    def __init__(
        self, build: Callable[[Mapping[str, float]], Program], program: Program, ends: Sequence[tuple[float, float]]
    ) -> None:
        self._build, self._program, self.names = build, program, program.facts.tunable
        self._low, self._high = np.array(ends, np.float64).reshape(-1, 2).T
        start = dict(zip(self.names, program.facts.tuned, strict=True))
        self._last: tuple[bytes, Program] = (np.array(program.facts.tuned, np.float64).tobytes(), program)
        for name, (low, high) in zip(self.names, ends, strict=True):
            others = [self._of(start | {name: end}, name) for end in (low, high) if end != start[name]]
            if not any((other.constants != program.constants).any() for other in others):
                raise DescriptionError(f"{name}.tunable", [low, high], "changes nothing while the controller runs")

    def check(self, values: np.ndarray) -> None:
        """Raise DescriptionError if a value is outside its range."""
        outside = ~((values >= self._low) & (values <= self._high))
        for k in np.flatnonzero(outside)[:1]:
            raise DescriptionError(self.names[k], float(values[k]), f"must be in [{self._low[k]:g}, {self._high[k]:g}]")

    def program(self, values: np.ndarray) -> Program:
        """Build the Program with the tunable numbers ``values``, (tunable,) float64.

        Raise DescriptionError if the values are out of range or contradict each other.
        """
        self.check(values)
        if self._last[0] != values.tobytes():
            given = dict(zip(self.names, values.tolist(), strict=True))
            self._last = values.tobytes(), self._of(given, self.names[0])
        return self._last[1]

    def _of(self, values: Mapping[str, float], name: str) -> Program:
        try:
            other = self._build(values)
        except DescriptionError as error:
            rule = f"cannot be tuned to {values[name]:g}: {error.rule}"
            raise DescriptionError(f"{name}.tunable", values[name], rule, error.fix) from None
        form = [getattr(other, part) == getattr(self._program, part) for part in FORM]
        sizes = [getattr(one, block).size for one in (other, self._program) for block in ("constants", "initial_state")]
        if not all(form) or sizes[:2] != sizes[2:]:
            rule = "cannot be tuned: it changes how the controller is built, not numbers alone"
            raise DescriptionError(f"{name}.tunable", values[name], rule, "change it in the file")
        return other

    def __reduce__(self) -> tuple:
        return type(self), (self._build, self._program, list(zip(self._low.tolist(), self._high.tolist(), strict=True)))
