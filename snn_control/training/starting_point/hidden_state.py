"""Test whether an environment hides values that a controller must remember, such as velocities.

The test uses steps with random actions. A first model predicts the change of each number of the observation in a step
from the present observation and action. The model is linear in these numbers, their squares and their products. It is
fitted to one half of the steps, and tested on the other half. A second model also uses the observation and the action
of the previous step. If only the second model predicts a number well, this number depends on a hidden value.
"""

from __future__ import annotations

import numpy as np

__all__ = ["past_helps"]

UNEXPLAINED = 0.02  # smallest share of a number's variance that the present must leave unexplained
GAIN = 0.1  # largest share of the remaining squared error that the past may leave
MAX_PRODUCT_NUMBERS = 16  # products are only used with at most this many numbers
HUGE = 1e30
MAX_CHECKED_NUMBERS = 128  # with more numbers of observation and action together, the answer is no
MIN_STEPS = 200  # with fewer steps, the answer is no
RIDGE, NOTHING = 1e-6, 1e-9  # in units of the variance


def past_helps(observations: np.ndarray, actions: np.ndarray, first: np.ndarray) -> bool:
    """Return whether the previous step, in addition to the present step, clearly improves the prediction of the next.

    observations : (steps, n)
    actions : (steps, k)
    first : (steps,) bool, whether a step is the first of its episode
    """
    observations = np.clip(observations, -HUGE, HUGE)  # squares of larger values would not be finite
    t = np.arange(2, len(first))
    t = t[~first[t] & ~first[t - 1]]  # those with two earlier steps in the episode
    now, before = (np.concatenate([observations, actions], axis=1)[t - k] for k in (1, 2))
    change = observations[t] - observations[t - 1]
    good = np.isfinite(now).all(axis=1) & np.isfinite(before).all(axis=1) & np.isfinite(change).all(axis=1)
    if good.sum() < MIN_STEPS or now.shape[1] > MAX_CHECKED_NUMBERS:
        return False
    now, before, change = now[good], before[good], change[good]
    moves = change.std(axis=0) > NOTHING * np.maximum(np.abs(observations[t][good]).max(axis=0), 1)
    if not moves.any():
        return False
    change = change[:, moves]
    present = _features(now)
    left = _error(present, change)
    with_past = _error(np.concatenate([present, _scaled(before)], axis=1), change)
    unexplained = left > UNEXPLAINED * change.var(axis=0)
    return bool((unexplained & (with_past < GAIN * left)).any())


def _scaled(x: np.ndarray) -> np.ndarray:
    deviation = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)


def _features(x: np.ndarray) -> np.ndarray:
    """Return the linear model's features: columns of 1, normalised ``x``, squares and products. ``x`` is (steps, n)."""
    x = _scaled(x)
    i, j = np.triu_indices(x.shape[1])
    products = x[:, i] * x[:, j] if x.shape[1] <= MAX_PRODUCT_NUMBERS else x[:, :0]
    return np.concatenate([np.ones((len(x), 1)), x, products], axis=1)


def _error(features: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return the median squared error, (n,), of a linear prediction of changes, (steps, n), from features.

    The prediction is fitted to every other step, and tested on the remaining steps. A median ignores rare jumps, such
    as contacts.
    """
    a, b = features[::2], change[::2]
    weights = np.linalg.solve(a.T @ a + RIDGE * len(a) * np.eye(a.shape[1]), a.T @ b)
    return np.median((change[1::2] - features[1::2] @ weights) ** 2, axis=0) + NOTHING * change.var(axis=0)
