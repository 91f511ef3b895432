"""Random distributions, each with a seed, for weights, biases and initial membrane potentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from .checks import Checked, Numbers, Real, Seed

__all__ = ["Distribution", "Normal", "Uniform"]


class Seeded(Checked):
    """Base class of the descriptions that draw random numbers.

    seed : seed of the random numbers, a whole number >= 0

    NumPy draws the numbers. They are reproducible for a seed and a release of NumPy; another release may draw other
    numbers. A saved Program contains the drawn numbers.
    """

    seed: Seed

    def generator(self) -> np.random.Generator:
        """Return a random generator seeded with ``seed`` and the class name, so that connector and weights may share a
        seed."""
        return np.random.default_rng([int(self.seed), *type(self).__name__.encode()])


class Distribution(Seeded):
    """Base class of random distributions. Subclasses are frozen dataclasses."""

    def stream(self) -> Callable[[Any], np.ndarray]:
        """Return a function ``draw(shape)``, whose calls return successive float64 numbers of one random sequence."""
        raise NotImplementedError

    def sample(self, shape: int | tuple[int, ...]) -> np.ndarray:
        """Return the first numbers of the random sequence as a float64 array of the given shape."""
        return self.stream()(shape)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform distribution over [low, high).

    low, high : lower limit (included) and upper limit (excluded)
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
