"""Read HDF5 files of events, from data sets, simulators and Metavision.

A stream of events has one of these forms:

========  ======================================================================================================
columns   a group with datasets t, x, y and p (or xs, ts, ...): DSEC, M3ED, ESIM, E2VID
table     a dataset of (n, 4) numbers; their values determine the order of the columns: MVSEC, v2e
records   a dataset of records with fields t, x, y and p: Tonic; with the codec ECF: Metavision
========  ======================================================================================================

The topic of a recording is the path of the stream in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DescriptionError, SnnControlError, message_of, optional
from ..columns import Events
from ..recording import refused
from .ecf import ECF
from .fields import NUMBERS, FieldRecording, Order, named_fields, source_unit
from .hdf5_columns import Column, EventChunks, filters_of
from .hdf5_size import sensor_size

__all__ = ["Hdf5Recording"]

STEP = 1 << 18  # rows read at once
SAMPLE = 1 << 16  # rows that the order of columns is judged by
LARGEST_CHUNKS = 1 << 24  # bytes of one chunk of each column, as they are held in memory
MOST_MISSING = 16  # a file that was cut to less than this part of its length is refused
MOST_OBJECTS = 100_000


class _Padded(RawIOBase):
    """A file object for a truncated file: it has the original size, and zeros in the missing part."""

    def __init__(self, path: Path, size: int) -> None:
        self._file, self._size, self._at = open(path, "rb"), size, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        read = 0
        if 0 <= self._at < self._size:
            self._file.seek(self._at)
            read = self._file.readinto(buffer)
        buffer[read:] = bytes(len(buffer) - read)
        self._at += len(buffer)
        return len(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class Hdf5Recording(FieldRecording):
    """The recording in an HDF5 file: one of its streams of events."""

    encoding = "hdf5"

    def __init__(
        self, path: Path, topic: str | None, width: int | None, height: int | None, columns: str | None = None
    ) -> None:
        order = Order.parse(columns) if columns else None
        self._data, self._cut = np.memmap(path, np.uint8, "r"), False
        self._file = self._open(path)
        try:
            streams = _streams(self._file)
            self.topic = _choose(path, topic, streams)
            self._stream = streams[self.topic]
            dataset = self._stream["t"] if isinstance(self._stream, dict) else self._stream
            said = sensor_size(self._data, self._file, dataset)
            super().__init__(path, width or said[0], height or said[1])
            self._prepare(order)
        except SnnControlError:
            raise
        except Exception as error:  # the library may raise any exception for damage
            what = f"an HDF5 file that was cut at byte {len(self._data):,}" if self._cut else "a damaged HDF5 file"
            raise refused(path, f"is {what}: {message_of(error)}") from None
        self.size_bytes, self.most = self.declared, self._count()

    def _open(self, path: Path) -> Any:
        h5py = optional("h5py", "HDF5 needs h5py", "hdf5")
        try:
            return h5py.File(path, "r", locking=False)
        except OSError as error:
            stated = re.search(r"truncated file: eof = \d+.* stored_eof = (\d+)", str(error))
            try:
                if stated is None or int(stated[1]) > MOST_MISSING * len(self._data):
                    raise
                self._cut = True
                return h5py.File(_Padded(path, int(stated[1])), "r")
            except Exception:  # as above
                raise refused(path, f"is a damaged HDF5 file: {error}") from None

    def _prepare(self, order: Order | None) -> None:
        """Find the columns t, x, y and p, and the unit and the offset of the times."""
        stream, table = self._stream, not isinstance(self._stream, dict)
        ecf = table and ECF in filters_of(stream)
        parts = [stream] if table else [stream[name] for name in "txyp"]
        kind = EventChunks if ecf else Column
        self._columns: list[Column | EventChunks] = [kind(self.path, self._data, part) for part in parts]
        self.declared = max(column.declared for column in self._columns)
        together = sum(column.chunk_bytes for column in self._columns)
        if together > LARGEST_CHUNKS:
            rule = f"has chunks of together {together:,} bytes in {self.topic}; at most {LARGEST_CHUNKS:,} are read"
            raise refused(self.path, rule, "divide them: h5repack -l CHUNK=100000 FILE NEW")
        found = "records, ECF" if ecf else "columns"
        if not table:
            self.offset = _time_offset(self._file, stream["t"])
            self._set_source(source_unit(order.unit if order else "", self._read(0, SAMPLE)[0]))
        elif not ecf:
            found = self._recognise(self._rows(0, SAMPLE), order, stream.name)
        self.layout = f"HDF5, {found}, times in {self.source}"

    def _count(self) -> int:
        return min(column.count for column in self._columns)

    def _rows(self, begin: int, end: int) -> Any:
        """Return rows of a stream with a single dataset: an array or, for the codec ECF, columns t, x, y and p."""
        (one,) = self._columns
        end = min(end, one.count)
        return one.read(begin, end, self._room) if isinstance(one, EventChunks) else one.read(begin, end)

    def _read(self, begin: int, end: int) -> tuple[np.ndarray, ...]:
        """Return the rows from ``begin`` to ``end`` as columns t, x, y and p; fewer rows if a chunk is damaged."""
        if len(self._columns) == 1:
            rows = self._rows(begin, end)
            return rows if isinstance(rows, tuple) else self._split(rows)
        end = min(end, self._count())
        rooms = self._room or (None,) * 4
        found = [one.read(begin, end, room) for one, room in zip(self._columns, rooms) if isinstance(one, Column)]
        n = min(map(len, found))
        return tuple(column[:n] for column in found)

    def _pieces(self) -> Iterator[Events]:
        count, high = self._count(), max(column.high for column in self._columns)
        step = STEP // high * high if 0 < high <= STEP else STEP  # whole chunks, if they are small
        for begin in range(0, count, step):
            end = min(begin + step, count)
            t, x, y, p = self._read(begin, end)
            self.bytes_read = begin + len(t)
            yield self._timely(t, x, y, p)
            if len(t) < end - begin:
                self._counts["malformed"] += 1
                break
        self._counts["truncated"] = int(self._cut or self.bytes_read < self.declared)
        self._find_triggers()

    def _find_triggers(self) -> None:
        """Read the external triggers of a Metavision file."""
        if self.topic != "CD/events":
            return
        try:
            rows = Column(self.path, self._data, self._file["EXT_TRIGGER/events"])
            read = rows.read(0, rows.count)[["t", "id", "p"]]
        except KeyError:  # there are none
            return
        except Exception:  # damage
            self._counts["malformed"] += 1
            return
        self._counts["triggers"] += len(read)
        self._seen_triggers.append(np.stack([read[name].astype(np.int64) for name in ("t", "id", "p")], axis=1))


def _streams(file: Any) -> dict[str, Any]:
    """Return the streams of events in a file: path -> a dataset, or a dict of the datasets t, x, y and p."""
    groups: dict[str, dict[str, Any]] = {}
    found: dict[str, Any] = {}
    seen = 0

    def look(name: str, one: Any) -> bool | None:
        nonlocal seen
        seen += 1
        if not hasattr(one, "shape") or one.shape is None:
            return True if seen > MOST_OBJECTS else None
        group, _, last = name.rpartition("/")
        if one.dtype.names is not None:
            if one.ndim == 1 and named_fields(one.dtype.names):
                found[name] = one
        elif one.dtype.kind in NUMBERS and one.ndim == 1:
            groups.setdefault(group, {})[last] = one
        elif one.dtype.kind in NUMBERS and one.ndim == 2 and one.shape[1] == 4:
            found[name] = one
        return True if seen > MOST_OBJECTS else None

    file.visititems(look)
    for name, members in groups.items():
        fields = named_fields(members)
        if fields and len({members[field].shape for field in fields.values()}) == 1:
            found[name or "/"] = {column: members[field] for column, field in fields.items()}
    sure = {name: one for name, one in found.items() if isinstance(one, dict) or one.dtype.names or "event" in name}
    return sure or found


def _choose(path: Path, topic: str | None, streams: dict[str, Any]) -> str:
    """Return the path of the stream that ``topic`` selects: its path, or a part of its path such as "left"."""
    names = list(streams)
    if topic is not None:
        wanted = topic.strip("/")
        names = [n for n in names if n == wanted or n == topic] or [n for n in names if f"/{wanted}/" in f"/{n}/"]
    if len(names) == 1:
        return names[0]
    listed = ", ".join(names or streams) or "none"
    if topic is not None:
        what = "several such streams of events" if names else "no such stream of events"
        raise DescriptionError("--stream", topic, f"{path} has {what}: {listed}")
    if names:
        raise refused(path, f"has several streams of events: {listed}", "choose one with --stream")
    raise refused(path, "is an HDF5 file without events: no datasets t, x, y and p, and no table of four columns")


def _time_offset(file: Any, t: Any) -> int:
    """Return the value of the dataset ``t_offset`` for the times ``t``, as in DSEC [us]; 0 if there is none."""
    for group in (t.parent, t.parent.parent, file):
        one = group.get("t_offset")
        if one is not None and getattr(one, "shape", None) in ((), (1,)) and one.dtype.kind in "iu":
            return int(np.ravel(one[()])[0])
    return 0
