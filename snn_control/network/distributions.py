"""Random distributions from which weights, biases and initial membranes are drawn, each with its seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from .checks import Checked, Numbers, Real, Seed

__all__ = ["Distribution", "Normal", "Uniform"]


class Seeded(Checked):
    """Base of the descriptions that draw random numbers.

    seed : seed of the random numbers, a whole number >= 0

    NumPy draws the numbers. A seed always gives the same numbers with the same release of NumPy; another release may
    give other numbers. A saved Program holds the numbers that were drawn.
    """

    seed: Seed

    def generator(self) -> np.random.Generator:
        """Return a random generator for ``seed`` and the name of the class, so that a connector and its weights may
        share a seed."""
        return np.random.default_rng([int(self.seed), *type(self).__name__.encode()])


class Distribution(Seeded):
    """Base of the distributions; subclasses are frozen dataclasses."""

    def stream(self) -> Callable[[Any], np.ndarray]:
        """Return a function ``draw(shape)``. Its successive calls return successive float64 numbers of one random
        sequence."""
        raise NotImplementedError

    def sample(self, shape: int | tuple[int, ...]) -> np.ndarray:
        """Return the first numbers of the random sequence, as a float64 array of this shape."""
        return self.stream()(shape)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform distribution over [low, high).

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
    """Normal (Gaussian) distribution.

    mean : mean of the numbers
    std : standard deviation of the numbers
    """

    mean: Real
    std: Annotated[float, Numbers(least=0)]
    seed: Seed

    def stream(self) -> Callable[[Any], np.ndarray]:
        rng = self.generator()
        return lambda shape: rng.normal(self.mean, self.std, shape)
