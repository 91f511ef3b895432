""".npz files of events: arrays t, x, y, p, and width, height (0: not known), unit."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...errors import NO_VALUE, DescriptionError
from ..columns import NANOSECONDS, Events
from ..recording import PIECE, Recording
from ..spool import COLUMNS, Spool

__all__ = ["NpzRecording", "write_npz"]


class NpzRecording(Recording):
    """Events of an .npz file, read in pieces: the arrays are never whole in memory."""

    encoding = "npz"

    def __init__(self, path: Path, topic: str | None, width: int | None, height: int | None) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                names = set(archive.namelist())
                missing = {f"{name}.npy" for name in COLUMNS} - names
                if missing:
                    rule = f"has no arrays {', '.join(sorted(n[:-4] for n in missing))}; events are t, x, y, p"
                    raise DescriptionError(str(path), NO_VALUE, rule)
                said = {name: _scalar(archive, name, names) for name in ("width", "height", "unit")}
                lengths = {_length(archive, path, name) for name in COLUMNS}
        except (zipfile.BadZipFile, ValueError) as error:
            if isinstance(error, DescriptionError):
                raise
            raise DescriptionError(str(path), NO_VALUE, f"cannot be read: {error}") from None
        if len(lengths) > 1:
            raise DescriptionError(str(path), NO_VALUE, f"has columns of different lengths: {sorted(lengths)}")
        super().__init__(path, width or int(said["width"] or 0) or None, height or int(said["height"] or 0) or None)
        self.unit = str(said["unit"] or "us")
        if self.unit not in NANOSECONDS:
            raise DescriptionError(f"{path}: unit", self.unit, "must be us or ns")
        self.size_bytes = self._length = lengths.pop()

    def _pieces(self) -> Iterator[Events]:
        with ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            members = {name: stack.enter_context(archive.open(f"{name}.npy")) for name in COLUMNS}
            dtypes = {name: _header(member)[1] for name, member in members.items()}
            for begin in range(0, self._length, PIECE):
                n = min(PIECE, self._length - begin)
                raw = {
                    name: np.frombuffer(members[name].read(n * dtypes[name].itemsize), dtypes[name]) for name in COLUMNS
                }
                t, x, y, p = (raw[name].astype(COLUMNS[name]) for name in COLUMNS)
                self.bytes_read += n
                yield self._in_frame(t, x, y, (p > 0).astype(np.uint8))


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array, whose data follows then."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    return shape, dtype


def _length(archive: zipfile.ZipFile, path: Path, name: str) -> int:
    with archive.open(f"{name}.npy") as member:
        shape, dtype = _header(member)
    if len(shape) != 1 or dtype.kind not in "iub":
        raise DescriptionError(f"{path}: {name}", NO_VALUE, f"is {dtype} of shape {shape}; must be whole numbers, (n,)")
    return shape[0]


def _scalar(archive: zipfile.ZipFile, name: str, names: set[str]) -> Any:
    if f"{name}.npy" not in names:
        return None
    with archive.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False).item()


def write_npz(file: IO[bytes], spool: Spool, unit: str, width: int | None, height: int | None) -> None:
    """Write spooled events as such a file, compressed."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, dtype in COLUMNS.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = {"descr": dtype, "fortran_order": False, "shape": (spool.count,)}
                np.lib.format.write_array_header_1_0(member, header)
                for block in spool.blocks(name):
                    member.write(block)
        for name, value in {"width": width or 0, "height": height or 0, "unit": unit}.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)
