"""Random numbers for weights, biases and first membranes: described by their distribution and a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DescriptionError

__all__ = ["Distribution", "Normal", "Seeded", "Uniform"]


def check_whole(path: str, value: Any, least: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise DescriptionError(path, value, f"must be a whole number >= {least}")


def check_real(path: str, value: Any, least: float = -math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise DescriptionError(path, value, "must be a number")
    if not math.isfinite(value) or value < least:
        raise DescriptionError(path, value, "must be finite" + (f" and >= {least:g}" if least > -math.inf else ""))


class Seeded:
    """Base of the descriptions that draw random numbers.

    The numbers are NumPy's: one seed gives the same ones in every run; another release of NumPy may draw others. A
    saved Program holds what was drawn.
    """

    seed: int

    def generator(self) -> np.random.Generator:
        """A fresh one. The class's name is part of the seed: a connector and its weights may have the same seed."""
        return np.random.default_rng([int(self.seed), *type(self).__name__.encode()])


class Distribution(Seeded):
    """Base of the distributions: subclasses are frozen dataclasses."""

    def stream(self) -> Callable[[Any], np.ndarray]:
        """``draw(shape)`` gives the next numbers, float64; how they are cut into calls does not change them."""
        raise NotImplementedError

    def sample(self, shape: int | tuple[int, ...]) -> np.ndarray:
        """The first numbers, float64, of ``shape``."""
        return self.stream()(shape)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform in [low, high)."""

    low: float
    high: float
    seed: int

    def __post_init__(self) -> None:
        check_real("low", self.low)
        check_real("high", self.high)
        check_whole("seed", self.seed, 0)
        if self.high < self.low:
            raise DescriptionError("high", self.high, f"must be >= low ({self.low})")

    def stream(self) -> Callable[[Any], np.ndarray]:
        rng = self.generator()
        return lambda shape: rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class Normal(Distribution):
    """Gaussian of that mean and standard deviation."""

    mean: float
    std: float
    seed: int

    def __post_init__(self) -> None:
        check_real("mean", self.mean)
        check_real("std", self.std, 0)
        check_whole("seed", self.seed, 0)

    def stream(self) -> Callable[[Any], np.ndarray]:
        rng = self.generator()
        return lambda shape: rng.normal(self.mean, self.std, shape)
