"""Random connections whose probability depends on the distance between the two neurons."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ..errors import DescriptionError
from .checks import Checked, Flag, Numbers, OneOf, Positive, Seed, Size, array_of
from .connectors import Connector, Probability, Rows, check_count, scattered, sorted_rows
from .distributions import Seeded

__all__ = ["DistanceDependent", "Grid"]

ROUNDING = 1e-9  # relative: a distance within rounding of the width counts as equal
NEVER = 64  # pairs with a probability below 2^-64 of the peak are left out


@dataclass(frozen=True)
class Grid(Checked):
    """Positions for `DistanceDependent`: the neurons of a population are at the centres of the cells of a regular grid.

    shape : (columns,), (columns, rows) or (columns, rows, layers); the index of a neuron is column + columns * row +
        ...
    extent : length of the grid along each axis, starting at 0; None: neighbours have distance 1. Grids with equal
        extents cover the same space
    """

    shape: tuple[Size, ...]
    extent: tuple[Positive, ...] | None = None

    def __post_init__(self) -> None:
        if not 1 <= array_of(self.shape).size <= 3:
            rule = "must be (columns,), (columns, rows) or (columns, rows, layers)"
            raise self.wrong("shape", rule)
        super().__post_init__()
        if self.extent is not None:
            check_lengths("extent", self.extent, len(self.shape))
            object.__setattr__(self, "extent", tuple(self.extent))
        object.__setattr__(self, "shape", tuple(self.shape))

    @property
    def positions(self) -> np.ndarray:
        """Return the positions of the neurons as a (neurons, axes) float64 array."""
        cells = np.indices(self.shape[::-1]).reshape(len(self.shape), -1)[::-1].T
        extent = self.shape if self.extent is None else self.extent
        return (cells + 0.5) * (np.asarray(extent, np.float64) / self.shape)


def check_lengths(path: str, value: Any, n: int) -> None:
    if array_of(value).shape != (n,):
        raise DescriptionError(path, value, f"must be {n} lengths, one for each axis")
    Numbers(ndim=1, least=0, strict=True)(path, value)


def check_positions(path: str, value: Any) -> None:
    """Raise DescriptionError unless positions are a Grid or an (n, axes) array of finite numbers."""
    if isinstance(value, Grid):
        return
    array = array_of(value)
    if array.ndim != 2 or not 1 <= array.shape[1] <= 3 or array.dtype.kind not in "fiu" or not len(array):
        raise DescriptionError(path, f"shape {array.shape}, dtype {array.dtype}", "must be a Grid or (n, axes) numbers")
    if not np.isfinite(array).all():
        raise DescriptionError(path, "NaN or infinity", "must be finite")


def form_of(positions: Any) -> tuple[int, ...]:
    """Return the shape (n, axes) of positions without computing the positions, which may exceed the memory."""
    return (math.prod(positions.shape), len(positions.shape)) if isinstance(positions, Grid) else np.shape(positions)


Positions = Annotated[Any, check_positions]


@dataclass(frozen=True, eq=False)
class DistanceDependent(Seeded, Connector):
    """Connect each pair of neurons with a probability p that decreases with their distance d, independently of others.

    kind : "gaussian" is p = peak exp(-d^2 / (2 width^2)); "exponential" is p = peak exp(-d / width); "step" is p = peak
        for d <= width, and 0 beyond
    pre_positions, post_positions : a Grid, or an array (n, axes) of coordinates
    width : standard deviation of "gaussian", decay length of "exponential" or radius of "step", in the unit of the
        positions
    peak : probability at distance 0, in [0, 1]
    period : length after which space repeats (periodic boundary), for each axis; None: no periodic boundary

    Candidate pairs are drawn with an upper bound of their probability. Each candidate is then accepted with the
    probability p / bound (thinning: Lewis and Shedler 1979). So distant pairs cost almost no time.
    """

    pre_positions: Positions
    post_positions: Positions
    width: Positive
    seed: Seed
    kind: Annotated[str, OneOf("gaussian", "exponential", "step")] = "gaussian"
    peak: Probability = 1.0
    period: Any = None
    allow_self: Flag = True

    def __post_init__(self) -> None:
        super().__post_init__()
        axes, others = form_of(self.pre_positions)[1], form_of(self.post_positions)[1]
        if axes != others:
            rule = f"must have as many axes as pre_positions ({axes})"
            raise self.wrong("post_positions", rule, value=f"{others} axes")
        if self.period is not None:
            check_lengths("period", self.period, axes)

    def fall(self, squared: np.ndarray) -> np.ndarray:
        """Return -log(p / peak) for squared distances, in the shape of ``squared``; p is the connection probability."""
        if self.kind == "step":
            return np.where(squared <= (self.width * (1 + ROUNDING)) ** 2, 0.0, np.inf)
        return squared / (2 * self.width**2) if self.kind == "gaussian" else np.sqrt(squared) / self.width

    def rows(self, n_pre: int, n_post: int, recurrent: bool = False) -> Rows:
        given = []
        for key, n in (("pre_positions", n_pre), ("post_positions", n_post)):
            positions = getattr(self, key)
            if (there := form_of(positions)[0]) != n:
                raise DescriptionError(key, f"{there} positions", f"must be one for each neuron: {n}")
            given.append(positions.positions if isinstance(positions, Grid) else np.array(positions, np.float64))
        pre, post = given
        if self.period is not None:
            pre, post = pre % self.period, post % self.period
        rng, parts, count = self.generator(), [np.zeros(0, np.uint64)], 0
        for sources, targets, bound in self._shells(pre, post):
            for places in scattered(rng, bound, sources.size * targets.size):
                i, j = sources[places // targets.size], targets[places % targets.size]
                squared = np.sum([self._apart(pre[i, a], post[j, a], a) ** 2 for a in range(pre.shape[1])], axis=0)
                connected = rng.random(places.size) * bound < self.peak * np.exp(-self.fall(squared))
                if recurrent and not self.allow_self:
                    connected &= i != j
                parts.append(i[connected].astype(np.uint64) << np.uint64(32) | j[connected].astype(np.uint64))
                count += parts[-1].size
                check_count(count)
        return sorted_rows(np.concatenate(parts), n_pre)

    def _apart(self, x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        d = np.abs(x - y)
        return d if self.period is None else np.minimum(d, self.period[axis] - d)

    def _shells(self, pre: np.ndarray, post: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Yield groups of neuron pairs: sources, targets, and an upper bound of their connection probability.

        The sources of a group lie in one tile of space, and its targets are at similar distances from the tile. Pairs
        whose probability is below 2^-64 of the peak are omitted.
        """
        axes, slack = range(pre.shape[1]), ROUNDING * (self.width + np.abs(pre).max() + np.abs(post).max())
        for sources in tiles(pre):
            first, last = pre[sources].min(axis=0), pre[sources].max(axis=0)
            centre, half = (first + last) / 2, (last - first) / 2 + slack
            away = [np.maximum(self._apart(post[:, a], centre[a], a) - half[a], 0) for a in axes]
            fall = self.fall(np.sum(np.square(away), axis=0))
            halvings = np.minimum(fall / math.log(2), NEVER).astype(np.int8)
            order = np.argsort(halvings, kind="stable")
            for targets in np.split(order, np.flatnonzero(np.diff(halvings[order])) + 1):
                if (k := int(halvings[targets[0]])) < NEVER:
                    yield sources, targets, self.peak * 2.0**-k


def tiles(positions: np.ndarray) -> list[np.ndarray]:
    """Divide space into about 2 sqrt(n) equal tiles. Return the indices of the positions in each tile.

    positions : (n, axes), coordinates of n neurons
    """
    low, size = positions.min(axis=0), np.ptp(positions, axis=0)
    n = max(1, round((4 * len(positions)) ** (0.5 / positions.shape[1])))
    cell = np.minimum((positions - low) / np.where(size > 0, size, 1) * n, n - 1).astype(np.int64)
    number = np.ravel_multi_index(tuple(cell.T), (n,) * positions.shape[1])
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
