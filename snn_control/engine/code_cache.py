"""Compiled code on disk: an entry is complete and unchanged, or it counts as missing.

An entry is one file: a digest, followed by the code of a function. It is written under another name, flushed to the
disk and renamed, and its digest is checked before the code is run. Any problem with the disk costs the time of a
compilation and a `CacheWarning`, but never prevents the start of a controller. What is missing is copied from the
folder ``$SNN_CONTROL_CACHE_SOURCE``, if there it is: a folder for a robot is filled in this way. Processes that miss
the same code at the same time take turns, so that one compiles it for all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import stat
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numba.core.registry import cpu_target
from numba.core.serialize import dumps

from ..errors import CacheWarning
from ..files import replace_file

__all__ = ["CodeFile", "cache_folder", "usable_folder"]

PATIENCE = 30.0  # s that a process waits for another one that compiles, which may have been stopped

_said: set[str] = set()


def _say_once(what: str, text: str) -> None:
    """Warn of ``what``, a kind of problem, once in this process: all functions have the same problem."""
    if what not in _said:
        _said.add(what)
        warnings.warn(text, CacheWarning, stacklevel=2)


def cache_folder() -> Path:
    """The folder of compiled functions: ``$SNN_CONTROL_CACHE``, or ``$XDG_CACHE_HOME/snn_control``.

    Raises RuntimeError if neither of these nor a home folder is known.
    """
    base = os.environ.get("SNN_CONTROL_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snn_control"


def usable_folder() -> Path | None:
    """`cache_folder`; if it is empty and not writable, a folder of this user in the temporary directory, or None."""
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK) or (os.access(folder, os.R_OK) and next(folder.iterdir(), None)):
            return folder  # what was deployed to a file system that is only read is used, too
        why = f"{folder}: is not writable"
    except (OSError, RuntimeError) as error:  # the user may have no known home
        why = str(error)
    fix = "set SNN_CONTROL_CACHE to a folder that you can write to"
    try:
        fallback = Path(tempfile.gettempdir()) / f"snn_control-{os.getuid()}"  # there may be none
        _make_private(fallback)
    except OSError as error:
        _say_once("no folder", f"compiled code is not kept, each start compiles: {why}, and {error}; {fix}")
        return None
    _say_once("no folder", f"compiled code is kept in {fallback}: {why}; {fix}")
    return fallback


def _make_private(folder: Path) -> None:
    """Create a folder that only this user can write to: code in it is run."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{folder}: is a link")
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{folder}: others can write to it")


def _locked(folder: int) -> bool:
    """Lock an open folder until it is closed; False if another process has locked it."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # without locks each compiles for itself
    return True


class CodeFile:
    """The code of one function on disk.

    folder : where to keep it; None: nowhere
    name : name of the function, for readers of the folder
    key : with the processor, all that the code depends on besides the folder
    """

    def __init__(self, folder: Path | None, name: str, key: str) -> None:
        self.hit = False
        machine = repr(cpu_target.target_context.codegen().magic_tuple())
        digest = hashlib.sha256((key + machine).encode()).hexdigest()[:16]
        self._path = folder and folder / f"{name}.{digest}.code"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """While no other process does, unless the code is there: read and, if need be, write it in this context."""
        if self._path is None or self._path.exists():
            yield
            return
        folder = None
        with suppress(OSError):  # of a disk that is full, is only read or knows no locks
            self._path.parent.mkdir(parents=True, exist_ok=True)
            folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            end = time.monotonic() + PATIENCE
            while folder is not None and not _locked(folder) and time.monotonic() < end:
                time.sleep(0.01)
            yield
        finally:
            if folder is not None:
                os.close(folder)

    def read(self, make: Callable[..., Any]) -> Any:
        """The result of ``make`` for the code that `write` has stored; None if there is none."""
        if self._path is None:
            return None
        source = os.environ.get("SNN_CONTROL_CACHE_SOURCE")
        for path in (self._path, *([Path(source, *self._path.parts[-2:])] if source else [])):
            try:
                content = path.read_bytes()
                digest, code = content[:32], content[32:]
                if hashlib.sha256(code).digest() != digest:
                    raise ValueError("its content does not match its digest")
                made = make(*pickle.loads(code))
            except FileNotFoundError:
                continue
            except Exception as error:  # from the disk, or from a numba with another format
                _say_once("damaged", f"{path}: compiled code is damaged, and compiled again: {error}")
                return None
            self.hit = True
            if path != self._path:
                self._store(content)
            return made
        return None

    def write(self, code: tuple) -> None:
        data = dumps(code)
        self._store(hashlib.sha256(data).digest() + data)

    def _store(self, content: bytes) -> None:
        if self._path is None:
            return
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, lambda file: file.write(content))
        except OSError as error:
            fix = "make room, or set SNN_CONTROL_CACHE to a folder that you can write to"
            _say_once("not written", f"{path}: compiled code is not kept, each start compiles: {error.strerror}; {fix}")
