"""The layout of a Program's arrays in three blocks of memory: constants, state and io.

Every array begins at a multiple of 64 bytes. All arrays are allocated first. Then each block is created once, and the
initial contents of the arrays are written directly into the block.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import NO_VALUE, BuildError
from ..program import IO, PROGRAM, STATE, Place, aligned, up

__all__ = ["Layout"]


class Layout:
    """Allocates arrays in the three blocks of a Program, and stores their initial contents."""

    def __init__(self) -> None:
        self.names: dict[str, Place] = {}
        self.states: list[tuple[str, Place, np.ndarray | float]] = []  # in block order, with their initial contents
        self._size = {PROGRAM: 0, STATE: 0, IO: 0}
        self._content: dict[int, list[tuple[Place, Callable[[np.ndarray], object]]]] = {PROGRAM: [], STATE: []}

    def _place(self, kind: int, name: str, dtype: str, shape: tuple[int, ...] | int) -> Place:
        place = Place(kind, self._size[kind], np.dtype(dtype).str, tuple(int(n) for n in np.atleast_1d(shape)))
        self._size[kind] += up(place.n_bytes)
        if name:
            self.names[name] = place
        return place

    def constant(self, name: str, values: np.ndarray) -> Place:
        """Allocate an array of constants with these values. Raise BuildError if a number is too large for float32."""
        if values.dtype == np.float32 and not np.isfinite(values).all():
            rule = "has numbers beyond the range of float32, 3.4e38"
            raise BuildError(name or "network", NO_VALUE, rule, "choose smaller ones")
        return self.reserve(name, values.dtype.str, values.shape, lambda array: np.copyto(array, values))

    def floats(self, *values: float) -> Place:
        """Allocate an unnamed array of float32 constants. Raise BuildError if a number is too large for float32."""
        return self.constant("", np.array(values, np.float32))

    def reserve(
        self, name: str, dtype: str, shape: tuple[int, ...], fill: Callable[[np.ndarray], object], kind: int = PROGRAM
    ) -> Place:
        """Allocate a large array of constants or state, which ``fill(array)`` writes when its block is created."""
        place = self._place(kind, name, dtype, shape)
        self._content[kind].append((place, fill))
        return place

    def state(self, name: str, dtype: str, shape: tuple[int, ...] | int, initial: np.ndarray | float = 0) -> Place:
        """Allocate an array in the STATE block. A reset of the controller sets the array to ``initial``."""
        place = self._place(STATE, name, dtype, shape)
        self.states.append((name, place, initial))
        if np.any(initial):
            self._content[STATE].append((place, lambda array: np.copyto(array, np.asarray(initial, dtype))))
        return place

    def io(self, name: str, dtype: str, shape: tuple[int, ...] | int) -> Place:
        """Allocate an array in the IO block, for the inputs that a driver writes and the commands that it reads."""
        return self._place(IO, name, dtype, shape)

    def block(self, kind: int) -> np.ndarray:
        """Return a finished block, (bytes,) uint8. Call this method only once for each kind of block.

        The method frees the arrays from which the contents of the block were copied.
        """
        block, content = aligned(self._size[kind]), self._content.pop(kind)[::-1]
        while content:
            place, fill = content.pop()
            fill(place.view(block))
        return block

    @property
    def io_bytes(self) -> int:
        return self._size[IO]
