"""Write HDF5 files of events in the layout of the data set DSEC.

The file contains these datasets, whose arrays are compressed with Blosc:

events/t : uint32, times after ``t_offset`` [us]
events/x, events/y, events/p : columns, rows and polarities
t_offset : time of the first event [us]
ms_to_idx : for each millisecond, the index of the first event at or after its beginning
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike
from typing import IO, Any

import numpy as np

from ..errors import InputError, optional
from ..files import replace_file
from .columns import Events

__all__ = ["write_hdf5"]

CHUNK = 1 << 16  # rows
MOST_MS = 10**8  # entries of ms_to_idx, 28 hours
BLOCK = 1 << 20  # entries that are computed at once


class _TooLong(Exception):
    """Raised if the times exceed the range of uint32."""


def write_hdf5(
    path: str | PathLike, chunks: Callable[[], Iterable[Events]], width: int | None, height: int | None
) -> int:
    """Write events to an HDF5 file, and return their number. For more than 71 min, the times are int64.

    chunks : function that returns the events, in chunks; it may be called twice

    Raise InputError for times that are not in order or not whole microseconds.
    """
    try:
        return _write(path, chunks(), width, height, "u4")
    except _TooLong:
        return _write(path, chunks(), width, height, "i8")


def _write(path: str | PathLike, chunks: Iterable[Events], width: int | None, height: int | None, kind: str) -> int:
    h5py = optional("h5py", "HDF5 needs h5py", "hdf5")
    plugin = optional("hdf5plugin", "HDF5 with Blosc needs hdf5plugin", "hdf5")
    packed = plugin.Blosc(cname="zstd", clevel=1, shuffle=plugin.Blosc.BITSHUFFLE)
    count = 0

    def write(file: IO[bytes]) -> None:
        nonlocal count
        with h5py.File(file, "w") as out:
            group = out.create_group("events")
            if width and height:
                group.attrs["width"], group.attrs["height"] = width, height
            new: dict[str, Any] = {"shape": (0,), "maxshape": (None,), "chunks": (CHUNK,), **packed}
            types = {"t": kind, "x": "u2", "y": "u2", "p": "u1"}
            columns = {name: group.create_dataset(name, dtype=dtype, **new) for name, dtype in types.items()}
            index, clock = out.create_dataset("ms_to_idx", dtype="u8", **new), _Clock(kind)
            for events in chunks:
                t = clock.after_first(events)
                for name, column in (("t", t), ("x", events.x), ("y", events.y), ("p", events.p)):
                    _append(columns[name], column)
                for entries in clock.entries(t, count):
                    _append(index, entries)
                count += len(events)
            out["t_offset"] = np.int64(clock.first or 0)

    replace_file(path, write)
    return count


def _append(dataset: Any, values: np.ndarray) -> None:
    n = len(dataset)
    dataset.resize((n + len(values),))
    dataset[n:] = values


class _Clock:
    """Checks the times of successive events, and computes the entries of the dataset ``ms_to_idx``."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.first: int | None = None
        self._last, self._next_ms = 0, 0

    def after_first(self, events: Events) -> np.ndarray:
        """Return the times of events, counted from the first event of the recording [us]."""
        if (odd := events.ns % 1000 != 0).any():
            time = f"events.t = {events.t[odd.argmax()]} {events.unit}"
            raise InputError(f"{time}: HDF5 in the layout of DSEC carries whole us; round the times")
        t = events.ns // 1000
        self.first = int(t[0]) if self.first is None else self.first
        t = t - self.first
        if (np.diff(t, prepend=self._last) < 0).any():
            raise InputError("events.t: HDF5 in the layout of DSEC needs times in order; sort the events first")
        self._last = int(t[-1])
        if self._kind == "u4" and self._last >= 1 << 32:
            raise _TooLong
        if self._last // 1000 >= MOST_MS:
            raise InputError(f"events.t: span {self._last} us; the index of DSEC has an entry for each ms")
        return t

    def entries(self, t: np.ndarray, before: int) -> Iterable[np.ndarray]:
        """Yield the entries of ``ms_to_idx`` for the milliseconds up to the last time in ``t``.

        before : number of events before those of ``t``
        """
        end = int(t[-1]) // 1000 + 1
        for begin in range(self._next_ms, end, BLOCK):
            ms = np.arange(begin, min(begin + BLOCK, end))
            yield before + np.searchsorted(t, 1000 * ms)
        self._next_ms = max(self._next_ms, end)
