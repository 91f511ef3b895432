"""The source of a live page for a training run: its learning curve, and episodes of its newest controller."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..controller import Controller
from ..controller_file import ControllerSpec, load_spec
from ..errors import SnnControlError
from ..training.progress import NEWEST, read_progress
from .world import WorldRun

__all__ = ["WatchedTraining", "curve_of"]

LOOKS_S = 1.0  # between two looks at the folder
MOST_ROWS = 500  # of the curve
KEYS = {"steps": "steps", "score": "score", "worst": "worst", "spikes_a_step": "spikes"}


class WatchedTraining(WorldRun):
    """A `Source` that plays episodes with the newest controller of a training run, without slowing the training.

    folder : folder of the training run, which must contain its newest controller (``newest.yaml``)
    """

    def __init__(self, folder: Path, make: Callable[[], Any], title: str, seed: int = 0) -> None:
        self._folder = folder
        self._curve: dict[str, list[float]] = {}
        self._looked_at, self._written_at = 0.0, _time_of(folder / NEWEST)
        spec = load_spec(folder / NEWEST)
        super().__init__(Controller.from_spec(spec), spec, make, title, seed)

    def scene(self) -> dict[str, Any]:
        return super().scene() | {"kind": "training"}

    def frames(self) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        found = super().frames()
        if time.monotonic() > self._looked_at + LOOKS_S:
            self._looked_at = time.monotonic()
            self._curve = self._read_curve()
            for header, _ in found:
                header["training"] = self._curve
        return found

    def _read_curve(self) -> dict[str, list[float]]:
        file = self._folder / "progress.csv"
        try:
            rows = read_progress(file)
        except (OSError, ValueError):  # there is none before the first phase
            return self._curve
        return curve_of(rows)

    def _begin(self, env: Any) -> Any:
        written = _time_of(self._folder / NEWEST)
        if written != self._written_at:
            self._take_newest(written)
        return super()._begin(env)

    def _take_newest(self, written: float) -> None:
        """Continue with the newest controller of the training run.

        If its file cannot be read, for example during writing, continue with the present controller.

        written : modification time of the file
        """
        try:
            spec: ControllerSpec = load_spec(self._folder / NEWEST)
            controller = Controller.from_spec(spec)
        except SnnControlError:
            return
        looked_at = self.feed.looked_at
        self._use(controller, spec)
        self.feed.looked_at = looked_at
        self._written_at = written
        self.changes += 1


def curve_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the learning curve of a training run: key -> values, of at most `MOST_ROWS` phases.

    If some phase lacks a key, such as ``worst`` without validation, the list of its values is empty.

    rows : one row of results for each phase of the training
    """
    every = max(1, -(-len(rows) // MOST_ROWS))
    rows = rows[(len(rows) - 1) % every :: every]  # with the newest one
    kept = [key for key in KEYS if all(key in row for row in rows)]
    return {ours: [row[key] for row in rows] if key in kept else [] for key, ours in KEYS.items()}


def _time_of(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
