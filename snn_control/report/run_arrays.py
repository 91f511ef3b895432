"""Arrays of a run folder (names: `record.run_folder`), checked before they are drawn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["Missing", "names_in", "numbers_in", "take"]


class Missing(Exception):
    """A picture cannot be drawn; the text says why."""


def take(arrays: Mapping[str, np.ndarray], name: str, *shape: int | None) -> np.ndarray:
    """The array of that name, checked against ``shape`` (None: any length); empty ones count as missing."""
    if name not in arrays:
        raise Missing(f"the run holds no array “{name}”")
    array = arrays[name]
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise Missing(f"array “{name}” has shape {array.shape}, expected ({wanted})")
    if array.size == 0:
        raise Missing(f"array “{name}” is empty")
    return array


def names_in(arrays: Mapping[str, np.ndarray], name: str, n: int, otherwise: str) -> list[str]:
    """The n strings of array ``name``; "<otherwise> 0", "<otherwise> 1", ... where it is missing or does not fit."""
    if name in arrays and arrays[name].shape == (n,):
        return [str(item) for item in arrays[name]]
    return [f"{otherwise} {i}" for i in range(n)]


def numbers_in(arrays: Mapping[str, np.ndarray], name: str, otherwise: np.ndarray) -> np.ndarray:
    """(n,) int64; where the array is missing or does not fit, ``otherwise``."""
    if name in arrays and arrays[name].shape == otherwise.shape:
        return arrays[name].astype(np.int64)
    return otherwise
