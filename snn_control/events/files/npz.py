"""Read NumPy files of events.

An .npz file contains the arrays t, x, y and p (or xs, timestamps, ...), or one array of records or of (n, 4) numbers.
A .npy file contains one array of records or of (n, 4) numbers. The .npz files that this package writes also contain the
values width, height (0: not known) and unit ("us" or "ns").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from ...errors import NO_VALUE, DescriptionError, in_line
from ...files import Arrays, open_file
from ..columns import NANOSECONDS, Events
from ..recording import refused
from .fields import NUMBERS, OF_NAME, FieldRecording, Order, named_fields, source_unit, unit_of

__all__ = ["NpyRecording", "NpzRecording"]

STEP = 1 << 20  # rows read at once
LONGEST_UNIT = 256  # bytes
SAMPLE = 1 << 16  # rows that the order of columns is judged by

Opened = tuple[IO[bytes], tuple[int, ...], np.dtype]


class ArrayRecording(FieldRecording):
    """Base of recordings in NumPy arrays. The arrays are read in pieces, so that memory does not grow with the file."""

    _names: tuple[str, ...]  # of four arrays, or of one

    def _open_array(self, name: str) -> AbstractContextManager[Opened]:
        raise NotImplementedError

    def _lengths(self) -> None:
        """Check the types and shapes of the arrays, and store their common length."""
        lengths = set()
        for name in self._names:
            with self._open_array(name) as (_, shape, dtype):
                numbers, needed = dtype.kind in NUMBERS and len(shape) == 1, "numbers (n,)"
                if len(self._names) == 1:
                    table = dtype.kind in NUMBERS and len(shape) == 2
                    numbers = table or (dtype.names is not None and len(shape) == 1)
                    needed = "records (n,) or numbers (n, 4)"
                if not numbers:
                    rule = f"is {in_line(str(dtype), 80)} of shape {shape}; must be {needed}"
                    raise DescriptionError(f"{self.path}: {name}", NO_VALUE, rule)
                lengths.add(shape[0])
        if len(lengths) > 1:
            raise refused(self.path, f"has columns of different lengths: {sorted(lengths)}")
        self.size_bytes = self.most = lengths.pop()

    def _blocks(self, step: int) -> Iterator[list[np.ndarray] | None]:
        """Yield the rows of all arrays in blocks of at most ``step`` rows. At damaged data, yield None and stop."""
        with ExitStack() as stack:
            opened = [stack.enter_context(self._open_array(name)) for name in self._names]
            for begin in range(0, self.size_bytes, step):
                n = min(step, self.size_bytes - begin)
                blocks = []
                for stream, shape, dtype in opened:
                    row = int(np.prod(shape[1:], dtype=np.int64))
                    try:
                        raw = stream.read(n * row * dtype.itemsize)
                    except Exception as error:  # damaged compressed data may raise any exception
                        if isinstance(error, OSError):
                            raise
                        raw = b""
                    if len(raw) < n * row * dtype.itemsize:
                        yield None
                        return
                    blocks.append(np.frombuffer(raw, dtype).reshape((n, *shape[1:])))
                yield blocks

    def _pieces(self) -> Iterator[Events]:
        for blocks in self._blocks(STEP):
            if blocks is None:
                self._counts["truncated"] = 1
                return
            self.bytes_read += len(blocks[0])
            yield self._timely(*(blocks if len(blocks) == 4 else self._split(blocks[0])))

    def _find_columns(self, order: Order | None, unit: str, what: str) -> None:
        first = next(self._blocks(SAMPLE), None)
        if len(self._names) == 4:
            t, found = first[0] if first else np.empty(0, np.int64), "columns"
            self._set_source(source_unit((order.unit if order else "") or unit or unit_of(self._names[0]), t))
        else:
            with self._open_array(self._names[0]) as (_, shape, dtype):
                rows = first[0] if first else np.empty((0, *shape[1:]), dtype)
            found = self._recognise(rows, order, what)
        self.layout = f"{found}, times in {self.source}"


class NpzRecording(ArrayRecording):
    """A recording in an .npz file."""

    encoding = "npz"

    def __init__(
        self, path: Path, topic: str | None, width: int | None, height: int | None, columns: str | None = None
    ) -> None:
        try:
            with Arrays(path) as arrays:
                fields = named_fields(arrays) or {}
                said = {name: _scalar(path, arrays, name) for name in ("width", "height")}
                unit = _unit(path, arrays)
                others = [name for name in arrays if name not in ("width", "height", "unit")]
            if not others:
                raise refused(path, "is a ZIP archive without NumPy arrays", "unpack it first")
            missing = sorted(set("txyp") - {OF_NAME.get(name.lower()) for name in others})
            if not fields and (len(missing) < 4 or len(others) > 1) and topic not in others:
                listed = ", ".join(missing if len(missing) < 4 else others)
                rule = "has no arrays" if len(missing) < 4 else "has several arrays, and none is named t, x, y or p:"
                raise refused(path, f"{rule} {listed}", "name one with --stream" if len(missing) == 4 else "")
            self._names = tuple(fields[name] for name in "txyp") if fields else (topic or others[0],)
            if not fields:
                self.topic = self._names[0]
            super().__init__(path, width or said["width"], height or said["height"])
            self._lengths()
        except ValueError as error:
            if isinstance(error, DescriptionError):
                raise
            raise refused(path, f"is a ZIP archive that cannot be read: {error}") from None
        self._find_columns(Order.parse(columns) if columns else None, unit, "the array " + self._names[0])

    @contextmanager
    def _open_array(self, name: str) -> Iterator[Opened]:
        with Arrays(self.path) as arrays, arrays.open(name) as opened:
            yield opened


class NpyRecording(ArrayRecording):
    """A recording in an .npy file."""

    encoding = "npy"
    _names = ("array",)

    def __init__(
        self, path: Path, topic: str | None, width: int | None, height: int | None, columns: str | None = None
    ) -> None:
        super().__init__(path, width, height)
        self._lengths()
        with self._open_array("array") as (stream, shape, dtype):
            there = path.stat().st_size - stream.tell()
        row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        self._cut = there < shape[0] * row
        self.size_bytes = self.most = min(shape[0], there // row) if row else 0
        self._find_columns(Order.parse(columns) if columns else None, "", "an array")

    @contextmanager
    def _open_array(self, name: str) -> Iterator[Opened]:
        with open_file(self.path) as file:
            try:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, fortran, dtype = read(file)
            except Exception as error:  # a damaged header may raise any exception
                raise refused(self.path, f"has a damaged header: {error}") from None
            if dtype.hasobject or (fortran and len(shape) > 1) or min(shape, default=0) < 0:
                kind = "Python objects" if dtype.hasobject else "columns one after another"
                raise refused(self.path, f"is an array of {kind}, which is not read", "save it with numpy.save again")
            yield file, shape, dtype

    def _pieces(self) -> Iterator[Events]:
        yield from super()._pieces()
        self._counts["truncated"] |= int(self._cut)


def _scalar(path: Path, arrays: Arrays, name: str) -> int | None:
    """Return the number ``name`` ("width" or "height") in the file; None if it is missing or 0."""
    if name not in arrays:
        return None
    with arrays.open(name) as (_, shape, dtype):
        whole = shape == () and dtype.kind in "iu"
    value = int(arrays[name]) if whole else -1
    if not 0 <= value < 1 << 16:
        found = value if whole else f"an array of {in_line(str(dtype), 80)} with shape {shape}"
        raise DescriptionError(f"{path}: {name}", found, "must be a whole number below 65536")
    return value or None


def _unit(path: Path, arrays: Arrays) -> str:
    """Return the unit of the times in the file; "" if it is missing."""
    if "unit" not in arrays:
        return ""
    with arrays.open("unit") as (_, shape, dtype):
        short = shape == () and dtype.kind in "SU" and dtype.itemsize <= LONGEST_UNIT
    unit = str(arrays["unit"]) if short else f"an array of {in_line(str(dtype), 80)} with shape {shape}"
    if unit not in NANOSECONDS:
        raise DescriptionError(f"{path}: unit", unit, "must be us or ns")
    return unit
