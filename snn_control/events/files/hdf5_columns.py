"""Read rows of an HDF5 dataset directly from the bytes of the file.

The library h5py reports the offsets of a dataset's chunks. This module decompresses the chunks without intermediate
copies, and no chunk can decompress to more than the size of a chunk. The HDF5 library decompresses chunks with filters
that this module does not implement.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from ...errors import optional
from ..columns import empty_columns
from ..recording import refused
from .blosc import decode_blosc
from .ecf import ECF, MOST_EVENTS, decode_ecf

__all__ = ["Column", "EventChunks", "Rows", "filters_of"]

DEFLATE, SHUFFLE, CHECKSUM, LZF, BLOSC, LZ4, BITSHUFFLE, ZSTD = 1, 2, 3, 32000, 32001, 32004, 32008, 32015
OURS: tuple[list[int], ...] = ([], [BLOSC], [ECF])
PLAIN = {DEFLATE, SHUFFLE, CHECKSUM}
#: filters of the HDF5 library and of hdf5plugin, and where a chunk states its unpacked size: offset, type
OTHERS = {LZF: None, LZ4: (0, ">u8"), BITSHUFFLE: (0, ">u8"), ZSTD: None}


def filters_of(dataset: Any) -> list[int]:
    """Return the HDF5 filter ids of a dataset, in the order in which the filters were applied."""
    plist = dataset.id.get_create_plist()
    return [plist.get_filter(k)[0] for k in range(plist.get_nfilters())]


class Rows:
    """The readable rows of a one- or two-dimensional dataset: the rows before the first missing part of the file.

    path : path of the file, for error messages
    data : bytes of the file
    dataset : h5py.Dataset

    The attribute ``count`` is the number of readable rows, and ``declared`` the number of rows by the file's metadata.
    """

    def __init__(self, path: str, data: np.ndarray, dataset: Any) -> None:
        self.data, self._dataset, self._path = data, dataset, path
        self.dtype, self.declared, self._plane = dataset.dtype, dataset.shape[0], dataset.ndim == 2
        self.wide = dataset.shape[1] if self._plane else 1
        self.filters = filters_of(dataset)
        if dataset.is_virtual or dataset.external:
            raise refused(path, f"keeps {dataset.name} in other files, which are not read")
        if dataset.chunks is None:
            self._contiguous(dataset)
        else:
            self._chunked(dataset)

    def _contiguous(self, dataset: Any) -> None:
        offset, size = dataset.id.get_offset(), self.wide * self.dtype.itemsize
        self.at: np.ndarray = np.empty(0, np.int64)
        self.length: np.ndarray = self.at
        self.high = self.chunk_bytes = 0
        if offset is None:  # within its header, or never written
            small = dataset.id.get_storage_size() >= self.declared * size
            self._whole = dataset[()] if small else np.empty((0, *dataset.shape[1:]), self.dtype)
        else:
            there = max(0, min(self.declared * size, len(self.data) - offset)) // size if size else 0
            self._whole = np.frombuffer(self.data, self.dtype, there * self.wide, offset if there else 0)
            self._whole = self._whole.reshape((there, *dataset.shape[1:]))
        self.count = len(self._whole)

    def _chunked(self, dataset: Any) -> None:
        """Find the chunks in the order of their rows, up to the first chunk that is missing or exceeds the file."""
        self.high, self._broad = dataset.chunks[0], (dataset.chunks[1] if self._plane else 1)
        self.chunk_bytes = self.high * self._broad * self.dtype.itemsize
        self._whole = np.empty((0, *dataset.shape[1:]), self.dtype)
        self.across = -(-self.wide // self._broad)
        found: list[tuple[int, ...]] = []

        def note(chunk: Any) -> None:
            row, *column = chunk.chunk_offset
            found.append((row, column[0] if column else 0, chunk.byte_offset or -1, chunk.size, chunk.filter_mask))

        try:
            dataset.id.chunk_iter(note)
        except Exception:  # a damaged index, for which the library may raise any: the chunks that were found are read
            pass
        places = np.array(sorted(found), np.int64).reshape(-1, 5)
        table = places[:, 1:]
        table[:, 0] = places[:, 0] // self.high * self.across + places[:, 1] // self._broad
        inside = (table[:, 1] >= 0) & (table[:, 1] + table[:, 2] <= len(self.data)) & (table[:, 2] >= 0)
        sound = inside & (table[:, 0] == np.arange(len(table)))
        whole = (len(table) if sound.all() else int(np.argmin(sound))) // self.across
        self.at, self.length, self.mask = (table[: whole * self.across, k].copy() for k in (1, 2, 3))
        self.count = min(self.declared, whole * self.high)


class Column(Rows):
    """A dataset of numbers or records; `read` returns its rows as an array."""

    def __init__(self, path: str, data: np.ndarray, dataset: Any) -> None:
        super().__init__(path, data, dataset)
        self._kept: tuple[int, np.ndarray] = (-1, np.empty(0, self.dtype))  # the newest chunk, by its number
        known = self.filters in OURS or set(self.filters) <= PLAIN or set(self.filters) <= PLAIN | set(OTHERS)
        if self.high and not known:
            named = ", ".join(map(str, self.filters))
            raise refused(path, f"has {dataset.name} compressed with the HDF5 filters {named}, which are not read")

    def read(self, begin: int, end: int, room: np.ndarray | None = None) -> np.ndarray:
        """Return the rows from ``begin`` to ``end``, or fewer if a chunk is damaged.

        room : memory for the result, used if its dtype is that of the dataset and the rows are whole chunks
        """
        if not self.high:
            return self._whole[begin:end]
        first, last = begin // self.high, -(-end // self.high)
        parts, skip = [], begin - first * self.high
        if self._kept[0] == first:
            parts, first = [self._kept[1]], first + 1
        if first < last:
            parts.append(self._decoded(first, last, room if not parts else None))
            if len(parts[-1]) == (last - first) * self.high and end % self.high:
                self._kept = (last - 1, parts[-1][-self.high :].copy())
        if not parts:
            return self._whole
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return rows[skip : skip + end - begin]

    def _decoded(self, first: int, last: int, room: np.ndarray | None) -> np.ndarray:
        """Return the rows of the chunks from ``first`` to ``last - 1``, up to the first damaged chunk."""
        part = slice(first * self.across, last * self.across)
        n = (last - first) * self.across
        fits = room is not None and room.dtype == self.dtype and room.nbytes >= n * self.chunk_bytes
        memory = room if room is not None and fits else np.empty(n * self.chunk_bytes, np.uint8)
        out = memory.view(np.uint8)[: n * self.chunk_bytes].reshape(n, self.chunk_bytes)
        done = decode_blosc(self.data, self.at[part], self.length[part], out) if self.filters == [BLOSC] else 0
        while done < n and self._one(part.start + done, first * self.high, out[done]):
            done += 1
        whole = done // self.across
        cells = out[: whole * self.across].view(self.dtype).reshape(whole, self.across, self.high, self._broad)
        rows = cells.transpose(0, 2, 1, 3).reshape(whole * self.high, self.across * self._broad)
        return rows[:, : self.wide] if self._plane else rows[:, 0]

    def _one(self, number: int, row: int, out: np.ndarray) -> bool:
        """Decompress one chunk to ``out``. Return whether the chunk is undamaged."""
        raw = self.data[self.at[number] : self.at[number] + self.length[number]]
        left = [one for k, one in enumerate(self.filters) if not self.mask[number] >> k & 1]
        if not set(left) <= PLAIN:
            return self._by_library(number, raw, left, out)
        unpacked = bytes(raw)
        for one in reversed(left):
            if one == DEFLATE:
                try:
                    unpacked = zlib.decompressobj().decompress(unpacked, len(out) + 4)
                except zlib.error:
                    return False
            elif one == CHECKSUM:
                unpacked = unpacked[:-4]
            else:
                size = self.dtype.itemsize
                whole = np.frombuffer(unpacked, np.uint8, len(unpacked) // size * size)
                unpacked = whole.reshape(size, -1).T.tobytes() + unpacked[len(whole) :]
        if len(unpacked) != len(out):
            return False
        out[:] = np.frombuffer(unpacked, np.uint8)
        return True

    def _by_library(self, number: int, raw: np.ndarray, left: list[int], out: np.ndarray) -> bool:
        """Decompress one chunk to ``out`` with the HDF5 library, and return whether the chunk is undamaged.

        A chunk whose header states another size than that of ``out`` counts as damaged.
        """
        if left[-1] == BLOSC:
            stated = int(raw[4:8].view("<u4")[0]) if len(raw) >= 16 else -1
        elif where := OTHERS.get(left[-1]):
            stated = int(raw[where[0] : where[0] + 8].view(where[1])[0]) if len(raw) >= 12 else -1
        else:
            stated = len(out)
        if stated != len(out) or len(raw) > 2 * len(out) + 4096:
            return False
        if not {*left} <= PLAIN | {LZF}:  # LZF is a part of h5py
            optional("hdf5plugin", "this HDF5 file needs hdf5plugin", "hdf5")
        row, column = divmod(number, self.across)
        rows = slice(row * self.high, min((row + 1) * self.high, self.declared))
        place = (rows, slice(column * self._broad, (column + 1) * self._broad))
        try:
            cells = self._dataset[place if self._plane else rows]
        except Exception:  # the library may raise any exception for damage
            return False
        to = out.view(self.dtype).reshape(self.high, self._broad)
        to[: len(cells), : cells.shape[1] if cells.ndim == 2 else 1] = cells.reshape(len(cells), -1)
        return True


class EventChunks(Rows):
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
