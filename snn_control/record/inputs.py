"""What a controller was given, saved as the arrays that `snn_control.analysis.stimulus_files.load_stimulus` reads."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.facts import Facts
from ..errors import DescriptionError
from ..files import replace_file

__all__ = ["InputRecorder"]

MOST_BYTES = 256_000_000


class InputRecorder:
    """Keeps the inputs of every step, until they fill ``MOST_BYTES``; what comes after that is left out.

    A value that did not arrive is written as the newest one before it, NaN (not plausible) where there is none. Events
    keep their tick: a time that is not within it, as counted from the first step, is moved to its nearer end.

    Parameters
    ----------
    facts : of the controller's Program
    repeat : ticks in one step; the values of a step are written once a tick, its events belong to the first
    """

    def __init__(self, facts: Facts, repeat: int = 1) -> None:
        self.period, self.repeat = facts.period, repeat
        self.steps, self.bytes, self.full = 0, 0, False
        self._sizes = {i.name: i.size for i in facts.inputs if i.kind == "value"}
        self._events_of = [i.name for i in facts.inputs if i.kind == "events"]
        self._values: dict[str, list[np.ndarray]] = {name: [] for name in self._sizes}
        self._events: dict[str, list[np.ndarray]] = {name: [] for name in self._events_of}
        self._seen: set[str] = set()

    @property
    def text(self) -> str:
        """How much was kept, in words."""
        lasts = f"{self.steps:,} steps, {self.steps * self.repeat * self.period:g} s"
        return f"{lasts}, then {MOST_BYTES:,} B were full" if self.full else lasts

    def add(self, given: Mapping[str, Any]) -> None:
        """One step: input name -> value or events, as `Controller.step` takes them; numbers are copied."""
        if self.full:
            return
        values = {name: self._value(name, given.get(name)) for name in self._sizes}
        events = {name: self._rows(given[name]) for name in self._events_of if given.get(name) is not None}
        more = sum(a.nbytes for a in (*values.values(), *events.values()))
        self.full = self.bytes + more > MOST_BYTES
        if self.full:
            return
        self.bytes += more
        self.steps += 1
        self._seen |= {name for name in given if given[name] is not None}
        for name, value in values.items():
            self._values[name].append(value)
        for name, rows in events.items():
            self._events[name].append(rows)

    def _value(self, name: str, value: Any) -> np.ndarray:
        if value is not None:
            return np.array(value, np.float64).reshape(self._sizes[name])
        before = self._values[name]
        return before[-1] if before else np.full(self._sizes[name], np.nan)

    def _rows(self, value: Any) -> np.ndarray:
        """(n, 4) int64 rows of t [ns], x, y, p, t within the tick that is next."""
        columns = value if isinstance(value, tuple) else tuple(np.asarray(value).T)
        t, x, y, p = (np.asarray(column) for column in columns)
        there = np.isfinite(t) & np.isfinite(x) & np.isfinite(y)
        tick = self.steps * self.repeat
        first, last = (math.ceil((tick + k) * self.period * 1e9) - k for k in (0, 1))
        ns = first + np.rint(t[there].astype(np.float64) * 1e9) if t.dtype.kind == "f" else t[there]
        placed = (np.floor(x[there]), np.floor(y[there]), np.asarray(p)[there] > 0)
        return np.stack([np.clip(ns, first, last), *placed], axis=1).astype(np.int64)

    def arrays(self) -> dict[str, np.ndarray]:
        """Input -> (ticks, size) values or (n, 4) events; an input that never arrived is left out."""
        values = {name: rows for name, rows in self._values.items() if name in self._seen}
        arrays = {name: np.repeat(np.stack(rows), self.repeat, axis=0) for name, rows in values.items()}
        for name, parts in self._events.items():
            if name in self._seen:
                arrays[name] = np.concatenate(parts)
        return arrays

    def save(self, path: str | os.PathLike) -> None:
        """Write `arrays` as .npz, whole or not at all; raises DescriptionError where it cannot be written."""
        arrays = self.arrays()
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]
        except OSError as error:
            raise DescriptionError("--record", str(path), f"cannot be written: {error.strerror}") from None
