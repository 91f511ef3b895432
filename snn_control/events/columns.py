"""Containers of events: `Events` has four columns in memory, `Spool` stores many events in temporary files."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..engine.slots import EVENT_COLUMNS

__all__ = ["FURTHEST", "MOST_PIXELS", "NANOSECONDS", "Events", "Spool", "empty_columns"]

NANOSECONDS = {"us": 1000, "ns": 1}
FURTHEST = (1 << 62) - (1 << 32)  # ns from 0, 146 years: the limit of times, so that differences stay within int64

MOST_PIXELS = 1 << 24  # more than any camera has; limits the memory for counts by pixel

IN_MEMORY = 1 << 26  # bytes of a column that are kept in memory before they are written to the disk
BLOCK = 1 << 22


def empty_columns(n: int) -> tuple[np.ndarray, ...]:
    """Return uninitialised arrays t, x, y, p for ``n`` events, with the dtypes of `Events`."""
    return tuple(np.empty(n, dtype) for dtype in EVENT_COLUMNS.values())


@dataclass(frozen=True, eq=False)
class Events:
    """Events of an event camera, in the order of their arrival.

    t : (n,) int64, time on the sensor's clock in ``unit``
    x, y : (n,) uint16, column and row [pixel], row 0 at the top
    p : (n,) uint8, polarity; 1: brighter (ON), 0: darker (OFF)
    unit : unit of ``t``, "us" or "ns"
    width, height : size of the sensor [pixel]; None: not known
    """

    t: np.ndarray = field(default_factory=lambda: np.empty(0, EVENT_COLUMNS["t"]))
    x: np.ndarray = field(default_factory=lambda: np.empty(0, EVENT_COLUMNS["x"]))
    y: np.ndarray = field(default_factory=lambda: np.empty(0, EVENT_COLUMNS["y"]))
    p: np.ndarray = field(default_factory=lambda: np.empty(0, EVENT_COLUMNS["p"]))
    unit: str = "us"
    width: int | None = None
    height: int | None = None

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, rows: slice | np.ndarray) -> Events:
        return replace(self, t=self.t[rows], x=self.x[rows], y=self.y[rows], p=self.p[rows])

    @property
    def ns(self) -> np.ndarray:
        """The times of the events in nanoseconds, (n,) int64."""
        return self.t * NANOSECONDS[self.unit]

    @classmethod
    def concatenate(cls, parts: Iterable[Events]) -> Events:
        """Concatenate events. The result has the time unit and the sensor size of the first element of ``parts``."""
        parts = list(parts) or [cls()]
        return replace(parts[0], **{key: np.concatenate([getattr(part, key) for part in parts]) for key in "txyp"})

    def digest(self) -> str:
        """Return the first 16 hex digits of the SHA-256 of the columns t (<i8), x (<u2), y (<u2), p (u1), in order."""
        digest = hashlib.sha256()
        for name, dtype in EVENT_COLUMNS.items():
            digest.update(np.ascontiguousarray(getattr(self, name), dtype).tobytes())
        return digest.hexdigest()[:16]


class Spool:
    """Collects chunks of events, after which each column can be read from its beginning to its end, in blocks of bytes.

    A spool uses at most 64 MB of memory per column, and temporary files of this process for the rest.
    """

    def __init__(self, names: str = "txyp") -> None:
        self._files: dict[str, Any] = {name: tempfile.SpooledTemporaryFile(IN_MEMORY) for name in names}
        self.count = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exc: object) -> None:
        for file in self._files.values():
            file.close()

    def add(self, events: Events) -> None:
        for name, file in self._files.items():
            file.write(np.ascontiguousarray(getattr(events, name), EVENT_COLUMNS[name]))
        self.count += len(events)

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of the column ``name`` of all events, in blocks, from the beginning of the column."""
        file = self._files[name]
        file.seek(0)
        while block := file.read(BLOCK):
            yield block
        file.seek(0, 2)
