"""Run the exported C of a controller in parallel with the engine, on the same inputs, and compare all bits."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..engine.bound import Bound
from ..engine.program import IO
from ..errors import InputError
from .arrays import AGE_GIVEN, Part
from .layout import Layout

__all__ = ["Machine", "Mirror"]


class Machine(Protocol):
    """Interface of the machines that run exported C: this computer, or an emulated processor."""

    def call(self, function: str) -> int:
        """Call the C function ``NAME_function(&state)`` and return its result."""
        ...

    def read(self) -> np.ndarray:
        """Return a copy of the controller's struct, (bytes,) uint8."""
        ...

    def write(self, at: int, data: np.ndarray) -> None:
        """Write the bytes of an array to the struct, from offset ``at`` [bytes] on."""
        ...


class Mirror:
    """Runs the exported C of a controller on a machine, with the inputs of a bound Program, tick by tick.

    Raise InputError if the C was exported from another Program.
    """

    def __init__(self, bound: Bound, layout: Layout, machine: Machine) -> None:
        if bound.program.digest != layout.digest:
            raise InputError(f"the C of '{layout.name}' was exported from another version of this controller")
        self._bound, self._layout, self._machine = bound, layout, machine
        self._inputs, self._results = layout.inputs(), layout.results()
        machine.call("init")

    def begin(self) -> None:
        """Copy the engine's state to the struct of the C code."""
        image = self._machine.read()
        for _, part in self._results[:-1]:
            given = self._of_engine(part).astype(part.c_dtype).view(np.uint8)
            image[part.c : part.c + given.size] = given
        self._machine.write(0, image)

    def give(self) -> None:
        """Copy the engine's inputs and control words to the struct of the C code."""
        for part in self._inputs:
            self._machine.write(part.c, self._of_engine(part).astype(part.c_dtype))
        for at in self._layout.slots:
            self._machine.write(at + 8 * AGE_GIVEN, np.ones(1, np.int64))

    def step(self) -> None:
        self._machine.call("step")

    def difference(self) -> str:
        """Describe the first array whose bits differ between the C code and the engine; "" if there is no difference.

        Two NaNs count as equal, because the bits of NaNs differ between processors.
        """
        image = self._machine.read()
        for name, part in self._results:
            ours = self._of_engine(part)
            theirs = image[part.c : part.c + np.dtype(part.c_dtype).itemsize * part.count].view(part.c_dtype)
            if part.dtype != part.c_dtype:
                ours = ours.astype(part.c_dtype)
            if ours.tobytes() != theirs.tobytes():
                kind = f"u{ours.dtype.itemsize}"
                same = (ours.view(kind) == theirs.view(kind)) | ((ours != ours) & (theirs != theirs))
                if not same.all():
                    k = int(np.flatnonzero(~same)[0])
                    return (
                        f"{name}[{k}]: engine {ours[k]!r}, C {theirs[k]!r}; {int((~same).sum())} of {ours.size} differ"
                    )
        return ""

    def commands(self) -> np.ndarray:
        """Return the commands that the C code computed, (m,) float64."""
        part = self._layout.commands
        return self._machine.read()[part.c : part.c + 8 * part.count].view(np.float64)

    def _of_engine(self, part: Part) -> np.ndarray:
        block = self._bound.io if part.block == IO else self._bound.state
        n_bytes = np.dtype(part.dtype).itemsize * part.count
        return block[part.engine : part.engine + n_bytes].view(part.dtype)
