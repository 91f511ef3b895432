"""Test whether an environment hides values that a controller must remember, such as velocities.

The test uses steps with random actions. A first model predicts the change of each number of the observation in a step
from the present observation and action. The model is linear in these numbers, their squares and their products. It is
fitted to one half of the steps, and tested on the other half. A second model also uses the observations and actions of
up to `LAGS` previous steps. If it leaves less than `GAIN` of the squared error, the number depends on a hidden value.

Noise of the sensors alone does not lead so far. The change between two observations contains the noise of both. The
past can tell that of the earlier one at most, so it leaves at least half of the squared error.
"""

from __future__ import annotations

import numpy as np

__all__ = ["GAIN", "left_by_the_past"]

UNEXPLAINED = 0.02  # smallest share of a number's variance that the present must leave unexplained
GAIN = 0.4  # largest share of the squared error that the past may leave; below half, which white noise leaves
LAGS = 8  # previous steps; a mean over several tells a velocity despite noise, and earlier actions a delay
STEPS_A_FEATURE = 4  # least number of fitted steps for each feature of a model
MAX_PRODUCT_NUMBERS = 16  # products are only used with at most this many numbers
HUGE = 1e30
MAX_CHECKED_NUMBERS = 128  # with more numbers of observation and action together, the answer is no
MIN_STEPS = 200  # with fewer steps, the answer is no
RIDGE, NOTHING = 1e-6, 1e-9  # in units of the variance


def left_by_the_past(observations: np.ndarray, actions: np.ndarray, first: np.ndarray) -> float | None:
    """Return the smallest share of a number's squared error of prediction that previous steps leave.

    None: nothing can be said, because there are too few steps or too many numbers. 1: the present step predicts all
    numbers well.

    observations : (steps, n)
    actions : (steps, k)
    first : (steps,) bool, whether a step is the first of its episode
    """
    observations = np.clip(observations, -HUGE, HUGE)  # squares of larger values would not be finite
    both = np.concatenate([observations, actions], axis=1)
    if both.shape[1] > MAX_CHECKED_NUMBERS:
        return None
    for lags in range(LAGS, 0, -1):  # as many as the episodes are long enough for
        t = np.arange(1 + lags, len(first))
        t = t[~np.any([first[t - k] for k in range(lags + 1)], axis=0)]  # those with as many earlier steps
        past = np.concatenate([both[t - 1 - k] for k in range(1, lags + 1)], axis=1)
        now, change = both[t - 1], observations[t] - observations[t - 1]
        good = np.isfinite(np.concatenate([now, past, change], axis=1)).all(axis=1)
        columns = _features(np.zeros((1, both.shape[1]))).shape[1] + past.shape[1]
        if good.sum() >= max(MIN_STEPS, 2 * STEPS_A_FEATURE * columns):
            break
    else:
        return None
    moves = change[good].std(axis=0) > NOTHING * np.maximum(np.abs(observations[t][good]).max(axis=0), 1)
    present, past, change = _features(now[good]), _scaled(past[good]), change[good][:, moves]
    left = _error(present, change)
    with_past = _error(np.concatenate([present, past], axis=1), change)
    unexplained = left > UNEXPLAINED * change.var(axis=0)
    return float(np.min(with_past[unexplained] / left[unexplained], initial=1.0))


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
