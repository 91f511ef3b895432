"""Read HDF5 files of events, from data sets, simulators and Metavision.

A stream of events has one of these forms:

========  ======================================================================================================
columns   a group with datasets t, x, y and p (or xs, ts, ...): DSEC, M3ED, ESIM, E2VID
table     a dataset of (n, 4) numbers; their values determine the order of the columns: MVSEC, v2e
records   a dataset of records with fields t, x, y and p: Tonic; with the codec ECF: Metavision
========  ======================================================================================================

The topic of a recording is the path of the stream in the file. h5py reads the rows, with the filters of hdf5plugin; no
library reads ECF. Before a chunk is given to the library, its header is checked: it must unpack to the size of a chunk.
Soft and external links are not followed, and datasets that are stored in other files are refused.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DescriptionError, SnnControlError, message_of, optional
from ..columns import FURTHEST, NANOSECONDS, Events, empty_columns
from ..recording import refused
from .ecf import ECF, MOST_EVENTS, decode_ecf
from .fields import NUMBERS, FieldRecording, Order, named_fields, source_unit

__all__ = ["Hdf5Recording"]

STEP = 1 << 18  # rows read at once
SAMPLE = 1 << 16  # rows that the order of columns is judged by
LARGEST_CHUNKS = 1 << 24  # bytes of one chunk of each column, as they are held in memory
MOST_MISSING = 16  # a file that was cut to less than this part of its length is refused
MOST_OBJECTS = 100_000

# numbers of HDF5's filters
DEFLATE, SHUFFLE, CHECKSUM, LZF, BLOSC, LZ4, BITSHUFFLE, ZSTD = 1, 2, 3, 32000, 32001, 32004, 32008, 32015
COMPRESSORS = {DEFLATE, LZF, BLOSC, LZ4, BITSHUFFLE, ZSTD}
LZF_RATIO = 88  # three bytes of LZF unpack to at most 264
LARGEST_LZF = 1 << 28  # bytes; LZF does not state what it unpacks to

SEARCHED = 1 << 20  # bytes at the beginning and at the end of the file that are searched for texts
HEAP, HEAP_HEAD, OBJECT_HEAD = b"GCOL\x01\0\0\0", 16, 16
MOST_TEXTS = 1000
GEOMETRY = re.compile(rb"(\d{1,5})\s*[xX]\s*(\d{1,5})\0?")

Size = tuple[int, int] | None


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
            said = _sensor_size(self._data, self._file, dataset)
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
            return h5py.File(path, "r", locking=False, rdcc_nbytes=LARGEST_CHUNKS)
        except OSError as error:
            stated = re.search(r"truncated file: eof = \d+.* stored_eof = (\d+)", str(error))
            try:
                if stated is None or int(stated[1]) > MOST_MISSING * len(self._data):
                    raise
                self._cut = True
                return h5py.File(_Padded(path, int(stated[1])), "r", rdcc_nbytes=LARGEST_CHUNKS)
            except Exception:  # as above
                raise refused(path, f"is a damaged HDF5 file: {error}") from None

    def _prepare(self, order: Order | None) -> None:
        """Find the columns t, x, y and p, and the unit and the offset of the times."""
        stream, table = self._stream, not isinstance(self._stream, dict)
        ecf = table and ECF in _filters(stream)
        parts = [stream] if table else [stream[name] for name in "txyp"]
        self._columns = [(_EventChunks if ecf else _Rows)(self.path, self._data, part) for part in parts]
        self.declared = max(column.declared for column in self._columns)
        together = sum(column.chunk_bytes for column in self._columns)
        if together > LARGEST_CHUNKS:
            rule = f"has chunks of together {together:,} bytes in {self.topic}; at most {LARGEST_CHUNKS:,} are read"
            raise refused(self.path, rule, "divide them: h5repack -l CHUNK=100000 FILE NEW")
        found = "records, ECF" if ecf else "columns"
        if not table:
            self._set_source(source_unit(order.unit if order else "", self._read(0, SAMPLE)[0]))
            self.offset = self._time_offset(stream["t"])
        elif not ecf:
            found = self._recognise(self._rows(0, SAMPLE), order, stream.name)
        self.layout = f"HDF5, {found}, times in {self.source}"

    def _time_offset(self, t: Any) -> int:
        """Return the value of the dataset ``t_offset`` [us] of DSEC, in ``unit``; 0 if there is none."""
        for group in (t.parent, t.parent.parent, self._file):
            one = _member(group, "t_offset")
            if one is not None and getattr(one, "shape", None) in ((), (1,)) and one.dtype.kind in "iu":
                offset = int(np.ravel(one[()])[0]) * (NANOSECONDS["us"] // NANOSECONDS[self.unit])
                if abs(offset) > FURTHEST // NANOSECONDS[self.unit]:
                    raise refused(self.path, f"has the time offset {one.name} = {offset:,} {self.unit}, over 146 years")
                return offset
        return 0

    def _count(self) -> int:
        return min(column.count for column in self._columns)

    def _rows(self, begin: int, end: int) -> Any:
        """Return rows of a stream with a single dataset: an array or, for the codec ECF, columns t, x, y and p."""
        (one,) = self._columns
        return one.read(begin, min(end, one.count), self._room)

    def _read(self, begin: int, end: int) -> tuple[np.ndarray, ...]:
        """Return the rows from ``begin`` to ``end`` as columns t, x, y and p; fewer rows if a chunk is damaged."""
        if len(self._columns) == 1:
            rows = self._rows(begin, end)
            return rows if isinstance(rows, tuple) else self._split(rows)
        end = min(end, self._count())
        found = [one.read(begin, end) for one in self._columns if isinstance(one, _Rows)]
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
        dataset = _member(self._file, "EXT_TRIGGER/events") if self.topic == "CD/events" else None
        if dataset is None:
            return
        try:
            rows = _Rows(self.path, self._data, dataset)
            if rows.chunk_bytes > LARGEST_CHUNKS or rows.count > LARGEST_CHUNKS:
                raise ValueError("too large")
            read = rows.read(0, rows.count)[["t", "id", "p"]]
        except Exception:  # damage
            self._counts["malformed"] += 1
            return
        self._counts["triggers"] += len(read)
        self._seen_triggers.append(np.stack([read[name].astype(np.int64) for name in ("t", "id", "p")], axis=1))


# --- streams -----------------------------------------------------------------------------------------


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


def _member(group: Any, path: str) -> Any:
    """Return the object at ``path`` below a group; None if it is missing, behind a soft or external link, or a dataset
    that is stored in another file."""
    h5py = optional("h5py", "HDF5 needs h5py", "hdf5")
    for name in path.split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return None
        group = group[name]
    return None if isinstance(group, h5py.Dataset) and _elsewhere(group) else group


def _elsewhere(dataset: Any) -> bool:
    return bool(dataset.is_virtual or dataset.external)


# --- rows --------------------------------------------------------------------------------------------


def _filters(dataset: Any) -> list[int]:
    """Return the HDF5 filter ids of a dataset, in the order in which the filters were applied."""
    plist = dataset.id.get_create_plist()
    return [plist.get_filter(k)[0] for k in range(plist.get_nfilters())]


class _Chunks:
    """Where the rows of a one- or two-dimensional dataset are in the file, up to the first missing part.

    count : number of rows before the first part that the file does not contain
    declared : number of rows by the file's metadata
    high : rows of a chunk; 0 if the dataset has no chunks
    chunk_bytes : unpacked bytes of the chunks that hold one row
    """

    def __init__(self, path: str, data: np.ndarray, dataset: Any) -> None:
        self.data, self._dataset, self._path = data, dataset, path
        self.declared, self._filters = dataset.shape[0], _filters(dataset)
        if _elsewhere(dataset):
            raise refused(path, f"keeps {dataset.name} in other files, which are not read")
        wide, size = (dataset.shape[1] if dataset.ndim == 2 else 1), dataset.dtype.itemsize
        if dataset.chunks is None:
            self.high = self.chunk_bytes = 0
            self.count = self._contiguous(wide * size)
            return
        self.high, broad = dataset.chunks[0], (dataset.chunks[1] if dataset.ndim == 2 else 1)
        self._one_chunk, self._across = self.high * broad * size, -(-wide // broad)
        self.chunk_bytes = self._one_chunk * self._across
        self._find(broad)

    def _contiguous(self, row_bytes: int) -> int:
        offset = self._dataset.id.get_offset()
        if offset is None:  # within its header, or never written
            return self.declared if self._dataset.id.get_storage_size() >= self.declared * row_bytes else 0
        return min(self.declared, max(0, len(self.data) - offset) // row_bytes)

    def _find(self, broad: int) -> None:
        """Find the chunks in the order of their rows, up to the first chunk that is missing or exceeds the file."""
        found: list[tuple[int, ...]] = []

        def note(chunk: Any) -> None:
            row, *column = chunk.chunk_offset
            found.append((row, column[0] if column else 0, chunk.byte_offset or -1, chunk.size, chunk.filter_mask))

        try:
            self._dataset.id.chunk_iter(note)
        except Exception:  # a damaged index, for which the library may raise any: the chunks that were found are read
            pass
        places = np.array(sorted(found), np.int64).reshape(-1, 5)
        number, at, length, mask = places[:, 0] // self.high * self._across + places[:, 1] // broad, *places[:, 2:].T
        sound = (number == np.arange(len(number))) & (at >= 0) & (length >= 0) & (at + length <= len(self.data))
        rows = (len(sound) if sound.all() else int(np.argmin(sound))) // self._across
        self.at, self.length, self.mask = (one[: rows * self._across].copy() for one in (at, length, mask))
        self.count = min(self.declared, rows * self.high)


class _Rows(_Chunks):
    """A dataset of numbers or records; `read` returns its rows as an array."""

    def __init__(self, path: str, data: np.ndarray, dataset: Any) -> None:
        super().__init__(path, data, dataset)
        compressors = [one for one in self._filters if one not in (SHUFFLE, CHECKSUM)]
        if self.high and (len(compressors) > 1 or not COMPRESSORS.issuperset(compressors)):
            named = ", ".join(map(str, self._filters))
            raise refused(path, f"has {dataset.name} compressed with the HDF5 filters {named}, which are not read")
        self._compressor = compressors[0] if self.high and compressors else 0
        if self._compressor not in (0, DEFLATE, LZF):  # those are parts of h5py
            optional("hdf5plugin", "this HDF5 file needs hdf5plugin", "hdf5")

    def read(self, begin: int, end: int, room: Any = None) -> np.ndarray:
        """Return the rows from ``begin`` to ``end``, or fewer if a chunk is damaged."""
        if not self.high:
            return self._dataset[begin:end]
        sound = end
        for row in range(begin // self.high, -(-end // self.high)):
            if not all(map(self._is_sound, range(row * self._across, (row + 1) * self._across))):
                sound = max(begin, row * self.high)
                break
        try:
            return self._dataset[begin:sound]
        except Exception:  # the library may raise any exception for damage
            return self._readable(begin, sound)

    def _readable(self, begin: int, end: int) -> np.ndarray:
        """Return the rows from ``begin`` up to the first chunk that the library refuses."""
        parts = [self._dataset[:0]]
        for row in range(begin // self.high, -(-end // self.high)):
            try:
                parts.append(self._dataset[max(begin, row * self.high) : min(end, (row + 1) * self.high)])
            except Exception:  # as above
                break
        return np.concatenate(parts)

    def _is_sound(self, number: int) -> bool:
        """Return whether a compressed chunk states, or has, the unpacked size of a chunk."""
        raw, wanted = self.data[self.at[number] :][: self.length[number]], self._one_chunk
        if not self._compressor or self.mask[number] >> self._filters.index(self._compressor) & 1:
            return len(raw) <= wanted + 4  # not compressed; 4 bytes of checksum
        if self._compressor == DEFLATE:
            try:
                return len(zlib.decompressobj().decompress(raw.tobytes(), wanted + 1)) == wanted
            except zlib.error:
                return False
        if self._compressor == LZF:
            return len(raw) * LZF_RATIO <= max(LARGEST_LZF, wanted)
        if self._compressor == ZSTD:
            zstandard = optional("zstandard", "this HDF5 file needs zstandard", "hdf5")
            try:
                return zstandard.frame_content_size(bytes(raw[:18])) == wanted
            except zstandard.ZstdError:
                return False
        if self._compressor == BLOSC:
            return len(raw) >= 16 and int.from_bytes(raw[4:8], "little") == wanted
        return len(raw) >= 12 and int.from_bytes(raw[:8], "big") == wanted


class _EventChunks(_Chunks):
    """A dataset of events in Prophesee's codec ECF; `read` returns its rows as columns t, x, y and p."""

    def __init__(self, path: str, data: np.ndarray, dataset: Any) -> None:
        super().__init__(path, data, dataset)
        if not 0 < self.high <= MOST_EVENTS:
            rule = f"has chunks of {self.high:,} events in {dataset.name}; ECF has at most {MOST_EVENTS:,}"
            raise refused(path, rule)

    def read(self, begin: int, end: int, room: tuple[np.ndarray, ...] | None = None) -> tuple[np.ndarray, ...]:
        """Return the events from row ``begin`` to ``end``, which are whole chunks; fewer events if a chunk is damaged.

        room : columns for the result, used if they are large enough
        """
        part = slice(begin // self.high, -(-end // self.high))
        counts = np.minimum(self.high, self.declared - self.high * np.arange(part.start, part.stop))
        total = int(counts.sum())
        columns = room if room and room[0].size >= total else empty_columns(total)
        done = decode_ecf(self.data, self.at[part], self.length[part], counts, columns)
        return tuple(column[: int(counts[:done].sum())] for column in columns)


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


# --- size of the sensor ------------------------------------------------------------------------------


def _sensor_size(data: np.ndarray, file: Any, dataset: Any) -> tuple[int | None, int | None]:
    """Return width and height of the sensor [pixel], which each recording program stores in a different form.

    data : bytes of the file
    file : h5py.File
    dataset : dataset of the events or of their times

    Return (None, None) if the file does not contain them.
    """
    group = dataset.parent
    for one in (dataset, group, group.parent, file):
        if found := _size_in_attributes(data, one.attrs) or _size_in_datasets(one):
            return found
    return None, None


def _size_in_attributes(data: np.ndarray, attributes: Any) -> Size:
    found = _sides(_numbers(attributes, "width"), _numbers(attributes, "height"))
    if resolution := _numbers(attributes, "sensor_resolution"):  # height, width
        found = found or _sides(resolution[1:], resolution)
    if found is None and "geometry" in attributes:
        match = next((match for text in _texts(data) if (match := GEOMETRY.fullmatch(text))), None)
        found = _sides([int(match[1])], [int(match[2])]) if match else None
    return found


def _size_in_datasets(group: Any) -> Size:
    sides = [_small(_member(group, name)) for name in ("width", "height")]
    resolution = _small(_member(group, "calib/resolution"))
    return _sides(*sides) or _sides(resolution, resolution[1:])


def _numbers(attributes: Any, name: str) -> list[float]:
    """Return the numbers in an attribute, or an empty list if it is missing or is a text."""
    if name not in attributes:
        return []
    one = attributes.get_id(name)
    sound = one.dtype.kind in NUMBERS and np.prod(one.shape, dtype=float) <= 4
    return np.ravel(attributes[name]).tolist() if sound else []


def _small(one: Any) -> list[float]:
    """Return the numbers of a dataset with at most two numbers; an empty list for any other object."""
    sound = one is not None and hasattr(one, "dtype") and one.dtype.kind in NUMBERS and one.shape in ((), (1,), (2,))
    return np.ravel(one[()]).tolist() if sound else []


def _sides(width: list[float], height: list[float]) -> Size:
    sides = [side[0] for side in (width, height) if side]
    if len(sides) < 2 or not all(0 < side < 1 << 16 and side == int(side) for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def _texts(data: np.ndarray) -> Iterator[bytes]:
    """Yield the variable-length texts in the file's global heaps, near the beginning and the end of the file.

    The HDF5 library is not asked for them, because it may allocate all memory for a damaged text.
    """
    for part in (data[:SEARCHED].tobytes(), data[max(SEARCHED, len(data) - SEARCHED) :].tobytes()):
        for match in re.finditer(re.escape(HEAP), part):
            at, end = match.start() + HEAP_HEAD, len(part)
            for _ in range(MOST_TEXTS):
                number, size = part[at : at + 2], int.from_bytes(part[at + 8 : at + OBJECT_HEAD], "little")
                if number in (b"", b"\0\0") or at + OBJECT_HEAD + size > end:
                    break
                yield part[at + OBJECT_HEAD : at + OBJECT_HEAD + size]
                at += OBJECT_HEAD + -(-size // 8) * 8
