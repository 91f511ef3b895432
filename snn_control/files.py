"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["replace_file", "replace_files", "replace_text"]

Write = Callable[[IO[bytes]], object]


def replace_file(path: str | os.PathLike, write: Write) -> None:
    """``write(file)`` under a temporary name beside ``path``, flush it to the disk, then rename it."""
    replace_files({path: write})


def replace_files(writes: Mapping[str | os.PathLike, Write]) -> None:
    """The same for files that belong together: none is renamed, in the order given, before all are written."""
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
def _naming(path: Path) -> Iterator[None]:
    """Errors of the system name the file that was meant, not the temporary one."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _part(path: Path, write: Write) -> Path:
    with _naming(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp makes it private
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def replace_text(path: str | os.PathLike, text: str) -> None:
    """`replace_file` of a text, UTF-8."""
    replace_file(path, lambda file: file.write(text.encode("utf-8")))
