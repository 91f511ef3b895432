"""The interface of a run that can be watched: a world, a node or a recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..errors import InputError

__all__ = ["Source", "number_in"]


class Source(Protocol):
    """A run that can be watched."""

    def scene(self) -> dict[str, Any]:
        """Return the scene, as `snn_control.watch.scene` makes it, with ``kind`` and ``actions``."""

    def frame(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Return header and arrays of what is new, or None if nothing is."""

    def look(self, names: set[str]) -> None:
        """Add the membranes of these populations to each frame."""

    def act(self, action: str, values: Mapping[str, Any]) -> None:
        """Do an action of a page; raise InputError if the action cannot be done."""

    def close(self) -> None:
        """End the run."""


def number_in(values: Mapping[str, Any], key: str, low: float, high: float, default: float | None = None) -> float:
    """A number of a message; raises InputError if it is missing or out of range."""
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{key} = {value!r:.40}: must be a number from {low:g} to {high:g}")
    return float(value)
