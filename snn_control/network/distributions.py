"""Random numbers for weights, biases and initial membranes, described by a distribution and a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from .checks import Checked, Numbers, Real, Seed

__all__ = ["Distribution", "Normal", "Uniform"]


class Seeded(Checked):
    """Base of the descriptions that draw random numbers.

    seed : seed of these numbers, a whole number >= 0

    The numbers are NumPy's: a seed always gives the same numbers with the same release of NumPy; another release may
    differ. A saved Program holds the numbers that were drawn.
    """

    seed: Seed

    def generator(self) -> np.random.Generator:
        """A new generator, seeded with the class name too: a connector and its weights may have one seed."""
        return np.random.default_rng([int(self.seed), *type(self).__name__.encode()])


class Distribution(Seeded):
    """Base of the distributions: subclasses are frozen dataclasses."""

    def stream(self) -> Callable[[Any], np.ndarray]:
        """``draw(shape)`` returns the next numbers, float64: one sequence, however it is divided into calls."""
        raise NotImplementedError

    def sample(self, shape: int | tuple[int, ...]) -> np.ndarray:
        """The first numbers of the sequence: float64 of ``shape``."""
        return self.stream()(shape)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Numbers uniform in [low, high).

    low, high : limits of the numbers
    """

    low: Real
    high: Real
    seed: Seed

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.high < self.low:
            raise self.wrong("high", f"must be >= low ({self.low})")

    def stream(self) -> Callable[[Any], np.ndarray]:
        rng = self.generator()
        return lambda shape: rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class Normal(Distribution):
    """Gaussian numbers.

    mean, std : mean and standard deviation
    """

    mean: Real
    std: Annotated[float, Numbers(least=0)]
    seed: Seed

    def stream(self) -> Callable[[Any], np.ndarray]:
        rng = self.generator()
        return lambda shape: rng.normal(self.mean, self.std, shape)
