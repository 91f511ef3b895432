"""Read .npz files of events, which have the arrays t, x, y, p and the values width, height (0: not known) and unit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ...engine.slots import EVENT_COLUMNS
from ...errors import NO_VALUE, DescriptionError
from ...files import Arrays
from ..columns import FURTHEST, NANOSECONDS, Events
from ..recording import PIECE, Recording, refused

__all__ = ["NpzRecording"]


class NpzRecording(Recording):
    """A recording in an .npz file. It is read in pieces, so that no array is in memory as a whole."""

    encoding = "npz"

    def __init__(self, path: Path, topic: str | None, width: int | None, height: int | None) -> None:
        try:
            with Arrays(path) as arrays:
                missing = EVENT_COLUMNS.keys() - set(arrays)
                if missing:
                    raise refused(path, f"has no arrays {', '.join(sorted(missing))}; events are t, x, y, p")
                said = {name: _scalar(path, arrays, name) for name in ("width", "height")}
                self.unit = str(arrays["unit"]) if "unit" in arrays else "us"
                lengths = {_length(path, arrays, name) for name in EVENT_COLUMNS}
        except ValueError as error:
            if isinstance(error, DescriptionError):
                raise
            raise refused(path, f"cannot be read: {error}") from None
        if len(lengths) > 1:
            raise refused(path, f"has columns of different lengths: {sorted(lengths)}")
        super().__init__(path, width or said["width"], height or said["height"])
        if self.unit not in NANOSECONDS:
            raise DescriptionError(f"{path}: unit", self.unit, "must be us or ns")
        self.size_bytes = self._length = lengths.pop()

    def _pieces(self) -> Iterator[Events]:
        with ExitStack() as stack:
            arrays = stack.enter_context(Arrays(self.path))
            columns = {name: stack.enter_context(arrays.open(name)) for name in EVENT_COLUMNS}
            while self.bytes_read < self._length:
                n = min(PIECE, self._length - self.bytes_read)
                try:
                    raw = {
                        name: np.frombuffer(stream.read(n * dtype.itemsize), dtype)
                        for name, (stream, _, dtype) in columns.items()
                    }
                except Exception as error:  # damaged compressed data may raise any exception
                    if isinstance(error, OSError):
                        raise
                    raw = {}
                if {len(column) for column in raw.values()} != {n}:
                    self._counts["truncated"] = 1
                    return
                self.bytes_read += n
                yield self._timely(*(raw[name] for name in EVENT_COLUMNS))

    def _timely(self, t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> Events:
        """Return columns of any integer type as events. Events with values that no camera can have are counted and left
        out."""
        most = FURTHEST // NANOSECONDS[self.unit]
        wrong = (t > most) | (x >= 1 << 16) | (y >= 1 << 16)
        for column, least in ((t, -most), (x, 0), (y, 0)):
            if column.dtype.kind == "i":
                wrong |= column < least
        if wrong.any():
            self._counts["malformed"] += int(np.count_nonzero(wrong))
            t, x, y, p = (column[~wrong] for column in (t, x, y, p))
        t, x, y = (column.astype(EVENT_COLUMNS[name]) for name, column in zip("txy", (t, x, y), strict=True))
        return self._in_frame(t, x, y, (p > 0).astype(np.uint8))


def _length(path: Path, arrays: Arrays, name: str) -> int:
    with arrays.open(name) as (_, shape, dtype):
        if len(shape) != 1 or dtype.kind not in "iub":
            rule = f"is {dtype} of shape {shape}; must be whole numbers, (n,)"
            raise DescriptionError(f"{path}: {name}", NO_VALUE, rule)
        return shape[0]


def _scalar(path: Path, arrays: Arrays, name: str) -> int | None:
    """Return the value ``name`` (width or height) of the file; None if it is missing or 0."""
    if name not in arrays:
        return None
    value = arrays[name]
    if value.ndim or value.dtype.kind not in "iu" or not 0 <= value < 1 << 16:
        raise DescriptionError(f"{path}: {name}", value, "must be a whole number below 65536")
    return int(value) or None
