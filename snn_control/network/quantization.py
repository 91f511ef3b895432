"""Quantise weights to int8: whole numbers from -127 to 127, times one scale per projection."""

from __future__ import annotations

import numpy as np

from ..errors import DescriptionError

__all__ = ["MOST", "codes", "fitted_scale", "trained_codes"]

MOST = 127


def fitted_scale(weights: np.ndarray) -> float:
    """Return the scale for which the largest absolute weight is 127 times the scale; 1 if all weights are 0."""
    return float(np.abs(weights).max(initial=0)) / MOST or 1.0


def codes(path: str, weights: np.ndarray, scale: float | None) -> tuple[np.ndarray, float]:
    """Round weights to int8. Return the int8 weights, and their scale.

    path : path of the scale, for the error message
    scale : scale to use; None uses `fitted_scale`

    Raises DescriptionError if the absolute value of a weight exceeds 127 times the scale.
    """
    factor = fitted_scale(weights) if scale is None else scale
    whole = np.rint(weights / factor)
    if (np.abs(whole) > MOST).any():
        largest = float(np.abs(weights).max())
        rule = f"must be at least {largest / MOST:.6g}, for a weight of {largest:g}"
        raise DescriptionError(path, factor, rule)
    return whole.astype(np.int8), factor


def trained_codes(weights: np.ndarray, scale: float | None) -> tuple[np.ndarray, float]:
    """Round weights to int8. Return them and their scale: ``scale`` if large enough, otherwise `fitted_scale`."""
    enough = scale is not None and np.rint(np.abs(weights).max(initial=0) / scale) <= MOST
    return codes("scale", weights, scale if enough else None)
