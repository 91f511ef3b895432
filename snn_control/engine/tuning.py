"""Numbers of a controller that can be changed while it runs: what they change of the constants of its Program.

Other values of a controller file make another Program. Where it has the same operations and arrays, and differs in
constants alone, these can be changed between two ticks: from then on the ticks have the bits of that other file's, from
the state that is there. What would change more (a number of neurons, a delay) cannot be tuned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..errors import DescriptionError
from .program import Program

__all__ = ["Tuning"]

FORM = ("operations", "names", "steps", "io_bytes")  # what all Programs of a controller have in common


class Tuning:
    """What can be tuned of a Program.

    build : values -> Program; raises DescriptionError
    program : that of the file's values, ``program.facts.tuned``
    ends : (low, high) of each
    changes : (k,) int64, indices of the 32-bit words of the constants that they change

    Raises DescriptionError for a number whose ends the controller cannot have, that changes more than constants, or
    nothing while it runs.
    """

    def __init__(
        self, build: Callable[[Mapping[str, float]], Program], program: Program, ends: Sequence[tuple[float, float]]
    ) -> None:
        self._build, self._program, self.names = build, program, program.facts.tunable
        self._low, self._high = np.array(ends, np.float64).reshape(-1, 2).T
        self._last: tuple[bytes, np.ndarray] = (b"", np.zeros(0, np.uint32))
        own, differ = self._constants(program), np.zeros(program.constants.size // 4, bool)
        start = dict(zip(self.names, program.facts.tuned, strict=True))
        for name, low, high in zip(self.names, self._low, self._high, strict=True):
            found = [self._of(start | {name: float(end)}, name) != own for end in (low, high) if end != start[name]]
            if not np.any(found):
                ends_of = [float(low), float(high)]
                raise DescriptionError(f"{name}.tunable", ends_of, "changes nothing while the controller runs")
            differ |= np.any(found, axis=0)
        self.changes = np.flatnonzero(differ)

    def check(self, values: np.ndarray) -> None:
        """Raise DescriptionError for values out of their ranges."""
        outside = ~((values >= self._low) & (values <= self._high))
        for k in np.flatnonzero(outside)[:1]:
            raise DescriptionError(self.names[k], float(values[k]), f"must be in [{self._low[k]:g}, {self._high[k]:g}]")

    def words(self, values: np.ndarray) -> np.ndarray:
        """(k,) uint32: what the `changes` become; raises DescriptionError for values out of their ranges."""
        self.check(values)
        if self._last[0] != values.tobytes():
            constants = self._of(dict(zip(self.names, values.tolist(), strict=True)), self.names[0])
            rest = constants != self._constants(self._program)
            rest[self.changes] = False
            if rest.any():
                raise DescriptionError(self.names[0], values.tolist(), "together change more than each does alone")
            self._last = values.tobytes(), constants[self.changes]
        return self._last[1]

    def _of(self, values: Mapping[str, float], name: str) -> np.ndarray:
        """The constants with other values; ``name``: of the number that an error names."""
        try:
            other = self._build(values)
        except DescriptionError as error:
            rule = f"cannot be {values[name]:g}: {error.rule}"
            raise DescriptionError(f"{name}.tunable", values[name], rule, error.fix) from None
        form = [getattr(other, part) == getattr(self._program, part) for part in FORM]
        if not all(form) or other.constants.size != self._program.constants.size:
            rule = "cannot be tuned: it changes how the controller is built, not numbers alone"
            raise DescriptionError(f"{name}.tunable", values[name], rule, "change it in the file")
        return self._constants(other)

    @staticmethod
    def _constants(program: Program) -> np.ndarray:
        return program.constants.view(np.uint32)

    def __reduce__(self) -> tuple:
        ends = list(zip(self._low.tolist(), self._high.tolist(), strict=True))
        return type(self), (self._build, self._program, ends)
