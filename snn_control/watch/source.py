"""`Source`: the interface between the live page's server and a run (a simulation, a ROS node or a recording)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..errors import InputError

__all__ = ["Source", "number_in"]


class Source(Protocol):
    """A run that the live page can show.

    data : one file with all frames, which the page fetches; empty if the server sends the frames during the run
    changes : a number that increases whenever the scene changes
    """

    data: bytes
    changes: int

    def scene(self) -> dict[str, Any]:
        """Return the description of the run as JSON data: the keys of `scene.scene_of`, ``kind`` and ``actions``."""

    def frames(self) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        """Return the frames since the last call. Each frame is a tuple of a header and a dictionary of arrays."""

    def look(self, names: set[str]) -> None:
        """Add the membrane potentials of these populations to each frame, and their weights from time to time."""

    def act(self, action: str, values: Mapping[str, Any]) -> str:
        """Perform an action that a page requests. Return a text for the page, which may be empty.

        values : the page's message

        Raise InputError if the action is impossible. The call may wait for the run.
        """

    def close(self) -> None:
        """End the run that the source shows."""


def number_in(values: Mapping[str, Any], key: str, low: float, high: float, default: float | None = None) -> float:
    """Return the number ``values[key]`` of a message, from ``low`` to ``high``.

    Raises InputError if the number is out of range, or if it is missing and there is no ``default``.
    """
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{key} = {value!r:.40}: must be a number from {low:g} to {high:g}")
    return float(value)
