"""The linear response of a simulation to actions, and an estimate of the delay and the gains of a record from it.

In the simulation, the change of the observation o over H steps is approximately a linear function of two earlier
observations and of the actions a::

    o[k+1] - o[k+1-H] = A (o[k+1-H], o[k+1-2H], 1) + sum over l of B[l] a[k-l]

``B`` is estimated in the simulation, with known noise on the actions. A record with delay D and gains g then follows
the same equation with ``clip(g a[k-l-D])`` in place of ``a[k-l]``. For ``A`` there are two possibilities:

- free: ``A`` is estimated again from the record, so that noise and feedback change the result little
- fixed: ``A`` is the matrix of the simulation, so that a record with smooth actions is sufficient

The module `identify` chooses between them, and removes the remaining bias. Steps in which the response is not linear,
such as contacts, get small weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ...errors import DescriptionError, counted

__all__ = ["MOST_DELAY", "SIGNIFICANT", "Episode", "Estimate", "LinearResponse"]

LAGS = 6  # steps after H in which an action still has an effect
MOST_DELAY = 8  # steps
PASSES = 4  # of weighted least squares
#: passes in which gains are found, largest factor by which one changes them, and change from which they end
MOST_PASSES, LARGEST, CONVERGED = 12, 1.5, 1e-4
TYPICAL = 4.0  # squared residual, in medians, up to which a step has its full weight
SIGNIFICANT = 20.0  # F ratio from which a number responds to the actions
FEWEST = 50  # equations
EXACT = 1e-8  # share of the variance that is never explained, so that no number counts for all
LEAST_GAIN, MOST_GAIN = 0.05, 5.0
MEDIAN = 0.4549  # median of the square of a standard normal number


class Episode(NamedTuple):
    """Observations and actions of consecutive steps, of a record or a simulation.

    seen : (steps + 1, n), observed numbers
    done : (steps, m), actions
    """

    seen: np.ndarray
    done: np.ndarray


class Estimate(NamedTuple):
    """The estimated delay and gains of a record.

    delay : delay [steps], interpolated between whole steps
    gains : (m,), gain of each number of the action
    deviation : (n,), standard deviation of each observed number from its prediction
    evidence : F ratio of the response to the actions, of the observed number with the largest one. Below `SIGNIFICANT`,
        the record shows no response, and delay and gains mean nothing
    """

    delay: float
    gains: np.ndarray
    deviation: np.ndarray
    evidence: float


class _Table(NamedTuple):
    """The data of the linear equations, one row for each step.

    y : (rows, n), changes of the observation over H steps
    z : (rows, 2 n), the two earlier observations
    a : (rows, lags, m), the newest actions
    """

    y: np.ndarray
    z: np.ndarray
    a: np.ndarray


class LinearResponse:
    """The linear response of a simulation, estimated from its episodes.

    horizon : number of steps H
    free : whether ``A`` is estimated again from a record
    low, high : (m,), limits of the actions
    episodes : episodes of the simulation, with noise on the actions

    responds : (n,) bool, whether an observed number responds to the actions
    """

    def __init__(
        self, horizon: int, free: bool, low: np.ndarray, high: np.ndarray, episodes: Sequence[Episode]
    ) -> None:
        self.horizon, self.free, self.low, self.high = horizon, free, low, high
        self.lags = horizon + LAGS
        y, z, a = self._table(episodes)
        x = a[:, : self.lags].reshape(len(y), -1)
        weights = np.ones(len(y))
        for _ in range(PASSES):
            (yp, xp), root = _residuals(z, weights, y, x), np.sqrt(weights)[:, None]
            gram = xp.T @ xp
            gram += 1e-9 * np.trace(gram) / len(gram) * np.eye(len(gram))
            response = np.linalg.solve(gram, xp.T @ yp)
            left = yp - xp @ response
            variance = _variance(left)
            explained = ((yp**2).mean(0) - variance) / x.shape[1] / variance * len(y) / horizon
            self.responds = explained > SIGNIFICANT
            weights = _weights((left / root)[:, self.responds], variance[self.responds])
        self.response = response.reshape(self.lags, a.shape[2], -1)
        self._drift = np.linalg.lstsq(_with_one(z) * root, (y - x @ response) * root, rcond=1e-10)[0]

    def _table(self, episodes: Iterable[Episode]) -> _Table:
        h, first, rows = self.horizon, max(2 * self.horizon, self.lags + MOST_DELAY) - 1, []
        for seen, done in episodes:
            k = np.arange(first, len(done))
            past = np.stack([done[k - lag] for lag in range(self.lags + MOST_DELAY)], 1)
            rows.append((seen[k + 1] - seen[k + 1 - h], np.hstack([seen[k + 1 - h], seen[k + 1 - 2 * h]]), past))
        table = _Table(*(np.concatenate(column) for column in zip(*rows, strict=True)))
        if len(table.y) < FEWEST:
            rule = f"has too few steps after the first {first} of each episode, of which {FEWEST} are needed"
            raise DescriptionError("RECORD", counted(len(table.y), "step"), rule, "record a longer run")
        return table

    def estimate(self, episodes: Sequence[Episode], delays: Iterable[int] = range(MOST_DELAY + 1)) -> Estimate:
        """Estimate the delay and the gains of a record.

        delays : candidate delays [steps], ascending and without gaps
        """
        table, tried = self._table(episodes), [*delays]
        fits = [self._fit(table, delay) for delay in tried]
        costs = [cost for cost, *_ in fits]
        best = int(np.argmin(costs))
        delay = float(tried[best])
        if 0 < best < len(tried) - 1:  # the minimum of the parabola through three costs
            before, here, after = costs[best - 1 : best + 2]
            delay += 0.5 * (before - after) / max(before - 2 * here + after, 1e-12)
        return Estimate(delay, *fits[best][1:])

    def _fit(self, table: _Table, delay: int) -> tuple[float, np.ndarray, np.ndarray, float]:
        """Fit the gains of a record for one delay. Return the cost, and what `Estimate` has besides the delay."""
        y, z, past = table.y[:, self.responds], table.z, table.a[:, delay : delay + self.lags]
        if not self.free:
            y, z = y - (_with_one(z) @ self._drift)[:, self.responds], z[:, :0]
        response, rows, m = self.response[:, :, self.responds], len(y), past.shape[2]
        weights, gains, precision = np.ones(rows), np.ones(m), None
        for _ in range(MOST_PASSES):
            wanted = past * gains
            inside = (wanted > self.low) & (wanted < self.high)
            fixed = np.where(inside, 0.0, np.clip(wanted, self.low, self.high))  # at a limit, gains change nothing
            base = np.tensordot(fixed, response, ([1, 2], [0, 1]))
            each = np.stack([np.where(inside, past, 0.0)[:, :, j] @ response[:, j] for j in range(m)], 2)
            yp, xp = _residuals(z, weights, y - base, each.reshape(rows, -1))
            xp = xp.reshape(rows, -1, m)
            if precision is None:
                precision, floor = 1 / _variance(yp), EXACT * _variance(yp)
            scaled = xp * precision[:, None]
            gram, right = np.tensordot(scaled, xp, ([0, 1], [0, 1])), np.tensordot(scaled, yp, ([0, 1], [0, 1]))
            scale = np.sqrt(np.maximum(np.diag(gram), 1e-30))
            before, found = gains, np.linalg.lstsq(gram / np.outer(scale, scale), right / scale, rcond=1e-10)[0] / scale
            gains = np.clip(np.clip(found, before / LARGEST, before * LARGEST), LEAST_GAIN, MOST_GAIN)
            left = yp - xp @ gains
            precision, plain = 1 / (_variance(left) + floor), left / np.sqrt(weights)[:, None]
            weights = _weights(plain, 1 / precision)
            if np.abs(gains / before - 1).max() < CONVERGED:
                break
        squares = np.median(plain**2, 0) / MEDIAN + 1e-30
        deviation = np.zeros(len(self.responds))
        deviation[self.responds] = np.sqrt(squares)
        explained = (yp**2).mean(0) / (_variance(left) + floor) - 1
        evidence = float(explained.max(initial=0.0) / m * rows / self.horizon)
        return float(np.log(squares).sum() * rows / self.horizon), gains, deviation, evidence


def _residuals(z: np.ndarray, weights: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    """Return the residuals of a weighted linear regression of each column on ``z`` and a constant."""
    spread = np.maximum(z.std(0), 1e-12)
    root = np.sqrt(weights)[:, None]
    basis = _with_one((z - z.mean(0)) / spread) * root
    values, vectors = np.linalg.eigh(basis.T @ basis)
    kept = values > 1e-9 * values[-1]
    basis = basis @ (vectors[:, kept] / np.sqrt(values[kept]))
    return [column * root - basis @ (basis.T @ (column * root)) for column in columns]


def _with_one(z: np.ndarray) -> np.ndarray:
    return np.hstack([z, np.ones((len(z), 1))])


def _variance(left: np.ndarray) -> np.ndarray:
    return np.maximum((left**2).mean(0), 1e-30)


def _weights(left: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the weight of each row for a robust regression: below 1 if its residuals are much larger than usual."""
    if not left.size:
        return np.ones(len(left))
    square = (left**2 / variance).mean(1)
    return 1 / np.maximum(1.0, square / (TYPICAL * max(float(np.median(square)), 1e-30)))
