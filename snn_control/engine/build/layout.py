"""Where the arrays of a Program lie: three blocks, filled front to back, every array at a multiple of 64 bytes.

Places are handed out first. Then each block is made once, and what stands in a place is written straight into it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import NO_VALUE, BuildError
from ..program import IO, PROGRAM, STATE, Place, aligned, up

__all__ = ["Layout"]


class Layout:
    """Hands out places and keeps what stands in them at the start."""

    def __init__(self) -> None:
        self.names: dict[str, Place] = {}
        self.states: list[tuple[str, Place, np.ndarray | float]] = []  # in the order of the block; what a reset writes
        self._size = {PROGRAM: 0, STATE: 0, IO: 0}
        self._content: dict[int, list[tuple[Place, Callable[[np.ndarray], object]]]] = {PROGRAM: [], STATE: []}

    def _place(self, kind: int, name: str, dtype: str, shape: tuple[int, ...] | int) -> Place:
        place = Place(kind, self._size[kind], np.dtype(dtype).str, tuple(int(n) for n in np.atleast_1d(shape)))
        self._size[kind] += up(place.n_bytes)
        if name:
            self.names[name] = place
        return place

    def constant(self, name: str, values: np.ndarray) -> Place:
        """Read-only array in the Program; raises BuildError for a float32 that became infinite."""
        if values.dtype == np.float32 and not np.isfinite(values).all():
            rule = "has numbers that are infinite as float32, which reaches to 3.4e38"
            raise BuildError(name or "network", NO_VALUE, rule, "choose smaller ones")
        return self.reserve(name, values.dtype.str, values.shape, lambda array: np.copyto(array, values))

    def floats(self, *values: float) -> Place:
        """Numbers without a name, float32, in the Program; raises BuildError as `constant` does."""
        return self.constant("", np.array(values, np.float32))

    def reserve(
        self, name: str, dtype: str, shape: tuple[int, ...], fill: Callable[[np.ndarray], object], kind: int = PROGRAM
    ) -> Place:
        """A large array: ``fill(array)`` writes it when the block is made; the array is zeros before.

        kind : PROGRAM, or STATE: what a reset writes
        """
        place = self._place(kind, name, dtype, shape)
        self._content[kind].append((place, fill))
        return place

    def state(self, name: str, dtype: str, shape: tuple[int, ...] | int, initial: np.ndarray | float = 0) -> Place:
        """Array in the State; ``initial`` is what a reset writes."""
        place = self._place(STATE, name, dtype, shape)
        self.states.append((name, place, initial))
        if np.any(initial):
            self._content[STATE].append((place, lambda array: np.copyto(array, np.asarray(initial, dtype))))
        return place

    def io(self, name: str, dtype: str, shape: tuple[int, ...] | int) -> Place:
        """Array through which a driver gives inputs or takes commands."""
        return self._place(IO, name, dtype, shape)

    def block(self, kind: int) -> np.ndarray:
        """The finished block; what it was filled from is let go on the way, so that it can be asked for once."""
        block, content = aligned(self._size[kind]), self._content.pop(kind)[::-1]
        while content:
            place, fill = content.pop()
            fill(place.view(block))
        return block

    @property
    def io_bytes(self) -> int:
        return self._size[IO]
