"""`Source`: the interface between the live page's server and a run, which is a world, a node or a recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..errors import InputError

__all__ = ["Source", "number_in"]


class Source(Protocol):
    """A run that can be watched.

    data : a file of frames that the page fetches; empty if frames come one by one
    changes : a number that grows when there is another scene
    """

    data: bytes
    changes: int

    def scene(self) -> dict[str, Any]:
        """Return the unchanging description of the run, JSON data: `scene.scene_of` with ``kind`` and ``actions``."""

    def frames(self) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        """Return the new frames, as headers and arrays."""

    def look(self, names: set[str]) -> None:
        """Add the membranes of these populations to each frame, and their weights from time to time."""

    def act(self, action: str, values: Mapping[str, Any]) -> str:
        """Do an action of a page, and return what the page shows, if anything. Raise InputError if the action cannot
        be done. May wait for the run."""

    def close(self) -> None:
        """End the run."""


def number_in(values: Mapping[str, Any], key: str, low: float, high: float, default: float | None = None) -> float:
    """Return a number of a message; raises InputError if it is missing, without ``default``, or out of range."""
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{key} = {value!r:.40}: must be a number from {low:g} to {high:g}")
    return float(value)
