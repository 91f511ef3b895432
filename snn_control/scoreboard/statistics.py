"""Interquartile means with bootstrap confidence intervals (Agarwal et al. 2021, Deep RL at the edge of the statistical
precipice, NeurIPS; the package rliable)."""

from __future__ import annotations

import numpy as np

__all__ = ["interquartile_mean", "interval"]

RESAMPLED = 2_000


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of the middle half of values along the last axis, as ``scipy.stats.trim_mean(values, 0.25)``."""
    ordered = np.sort(values, axis=-1)
    cut = ordered.shape[-1] // 4
    return ordered[..., cut : ordered.shape[-1] - cut].mean(-1)


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % confidence interval of the interquartile mean of (n,) values, by the percentile bootstrap."""
    picks = np.random.default_rng(seed).integers(0, len(values), (RESAMPLED, len(values)))
    low, high = np.percentile(interquartile_mean(np.asarray(values)[picks]), (2.5, 97.5))
    return float(low), float(high)
