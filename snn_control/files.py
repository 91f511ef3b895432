"""Functions that write files atomically, and functions that read untrusted files within limits of memory.

The reading functions raise OSError or ValueError. `reason` converts such an exception to one line that says why the
file could not be read.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from .errors import DescriptionError, message_of

__all__ = [
    "DEFLATED", "Arrays", "digest_of", "open_file", "read_text", "reason", "replace_file", "replace_files",
    "replace_text", "writing",
]  # fmt: skip

Write = Callable[[IO[bytes]], object]

MOST_TEXT = 1 << 22  # bytes, limit for a controller file or a summary; large arrays are in .npz files
DEFLATED = 1032  # the largest ratio of unpacked to packed bytes in a deflated ZIP member


def replace_file(path: str | os.PathLike, write: Write) -> None:
    """Write a file atomically: ``write(file)`` writes a temporary file, which is flushed to disk and then renamed."""
    replace_files({path: write})


def replace_files(writes: Mapping[str | os.PathLike, Write]) -> None:
    """Write several files that belong together. No old file is replaced before all new files are written.

    writes : path -> function that writes the content into an open file
    """
    parts: list[tuple[Path, Path]] = []
    try:
        for path, write in writes.items():
            parts.append((_part(Path(path), write), Path(path)))
        for part, path in parts:
            with _naming(path):
                os.replace(part, path)
    except BaseException:
        for part, _ in parts:
            part.unlink(missing_ok=True)
        raise


@contextmanager
def _naming(path: Path, always: bool = True) -> Iterator[None]:
    """Context that puts ``path`` into an OSError instead of the temporary file's name.

    always : false to change only an OSError without the name of a file
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or (error.filename is not None and not always):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def _part(path: Path, write: Write) -> Path:
    with _naming(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with _naming(path, always=False), os.fdopen(handle, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp made the file private
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


@contextmanager
def writing(name: str, path: str | os.PathLike) -> Iterator[None]:
    """Context that converts an OSError to a DescriptionError.

    name : path in the error, e.g. the option of a command that names the file
    path : file that is written, the value in the error
    """
    try:
        yield
    except OSError as error:
        raise DescriptionError(name, str(path), f"cannot be written: {error.strerror}") from None


def replace_text(path: str | os.PathLike, text: str) -> None:
    """Write a text in UTF-8 atomically, see `replace_file`."""
    replace_file(path, lambda file: file.write(text.encode("utf-8")))


def open_file(path: str | os.PathLike) -> IO[bytes]:
    """Open a regular file for reading. Raise OSError for folders, and for pipes and devices, which might be endless."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is a pipe or a device, not a file", str(path))
    return open(path, "rb")


def read_text(path: str | os.PathLike, most: int = MOST_TEXT) -> str:
    """Return the text of a UTF-8 file of at most ``most`` bytes."""
    with open_file(path) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"has more than {most:,} bytes, too many for a text")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not a text file (line {line} is not UTF-8)") from None


def digest_of(path: str | os.PathLike) -> str:
    """Return the SHA-256 of the bytes of a file, in hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def reason(error: Exception) -> str:
    """Return the reason why a file could not be read, on one line, from the exception that reading raised."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "does not fit into this machine's memory"
    return message_of(error)


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an untrusted .npz file by name, read without pickle.

    The declared size of an array is compared with the bytes in the file before memory is allocated. Use the object in a
    ``with`` statement. ``dict(arrays)`` reads all arrays.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._file = open_file(path)
        try:
            with _as_value_error():
                self._zip = zipfile.ZipFile(self._file)
                self._members = {
                    info.filename.removesuffix(".npy"): info
                    for info in self._zip.infolist()
                    if info.filename.endswith(".npy")
                }
                if sum(info.compress_size for info in self._members.values()) > os.fstat(self._file.fileno()).st_size:
                    raise ValueError("its arrays are together longer than the file")
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Arrays:
        return self

    def __exit__(self, *exc: object) -> None:
        self._zip.close()
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members  # that of Mapping would read the array

    @contextmanager
    def open(self, name: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype]]:
        """Open an array for reading in pieces, and yield a tuple: binary file, shape and dtype of the array.

        Raise KeyError if the array is missing, and ValueError if shape and dtype do not fit the number of bytes.
        """
        info = self._members[name]
        with _as_value_error():
            stream = self._zip.open(info)
        with stream:
            with _as_value_error():
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(stream)
            most = info.compress_size * (DEFLATED if info.compress_type == zipfile.ZIP_DEFLATED else 1)
            there = min(info.file_size, most) - stream.tell()
            if dtype.hasobject:
                raise ValueError(f"array {name} holds Python objects")
            if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != there:
                raise ValueError(f"array {name} says that it is {dtype} of shape {shape}, but has {there} bytes")
            yield stream, shape, dtype

    def __getitem__(self, name: str) -> np.ndarray:
        with self.open(name):  # checks its declared size
            pass
        with _as_value_error(), self._zip.open(self._members[name]) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Context that converts all exceptions of zipfile, zlib and NumPy about damaged arrays to ValueError."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(reason(error)) from None
