"""The replay buffer of an off-policy learner: a ring buffer of the newest steps of its environments."""

from __future__ import annotations

import numpy as np

from ...errors import DescriptionError

__all__ = ["ReplayBuffer"]

MAX_BUFFER_BYTES = 4 << 30


class ReplayBuffer:
    """Stores the newest steps of several environments.

    size : maximum number of steps in the buffer, counted over all environments
    count : number of steps of each environment that were added, including steps that were later replaced
    arrays : name -> (size // n, n, ...), a ring buffer of the steps of ``n`` environments
    """

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0
        self.arrays: dict[str, np.ndarray] = {}

    def add(self, n: int, **step: np.ndarray) -> None:
        """Add one step of ``n`` environments. If the buffer is full, the new step replaces the oldest one.

        step : name -> (n, ...) array
        """
        if not self.arrays:
            self._check_bytes(sum(value.nbytes for value in step.values()) // n)
        for name, value in step.items():
            if name not in self.arrays:
                self.arrays[name] = np.zeros((self.size // n, *value.shape), value.dtype)
            self.arrays[name][self.count % (self.size // n)] = value
        self.count += 1

    def sample(self, rng: np.random.Generator, rows: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw sequences of consecutive steps. Return two indices into each of `arrays`:

        1. the steps of each sequence, (length, rows) int64
        2. the environment of each sequence, (rows,) int64
        """
        size, n = next(iter(self.arrays.values())).shape[:2]
        first = rng.integers(0, max(min(self.count, size) - length, 1), rows)
        if self.count > size:
            first = (first + self.count) % size
        column = rng.integers(0, n, rows)
        return (first + np.arange(length)[:, None]) % size, column

    @property
    def contents(self) -> dict[str, np.ndarray]:
        """The stored steps of all environments, for a checkpoint: name -> (steps, n, ...)."""
        return {name: value[: self.count] for name, value in self.arrays.items()}

    @contents.setter
    def contents(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = {}
        for name, value in arrays.items():
            self.arrays[name] = np.zeros((self.size // value.shape[1], *value.shape[1:]), value.dtype)
            self.arrays[name][: len(value)] = value

    def _check_bytes(self, step: int) -> None:
        """Raise DescriptionError if the buffer would be too large; ``step`` is the size of one step in bytes."""
        if step * self.size > MAX_BUFFER_BYTES:
            rule = f"would need {step * self.size / 1e9:.1f} GB: {step:,} bytes per step, cells of events included"
            fix = f"take at most {MAX_BUFFER_BYTES // step:,}, fewer neurons or a coarser grid, or --how imitate"
            raise DescriptionError("settings.buffer_size", self.size, rule, fix)
