"""The cache of compiled code on disk, so that a process starts without compiling.

An entry of the cache is one file: a digest, followed by the compiled code of a function.

- The digest covers the entry's name and code, and is checked before the code runs. A damaged entry counts as missing.
- Entries are written atomically: a temporary file is flushed to the disk and then renamed.
- A problem with the disk causes a compilation and a `CacheWarning`, but never prevents a controller from starting.
- A missing entry is copied from the folder ``$SNN_CONTROL_CACHE_SOURCE`` if this folder has it. ``snn_control deploy``
  fills the cache of a robot in this way.
- A folder that another user owns or can write to is not used.
- If several processes need the same missing entry, one of them compiles the function and the others wait.
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

import llvmlite.binding as llvm
from numba import config

from ..errors import CacheWarning
from ..files import open_file, replace_file

__all__ = ["CodeFile", "cache_folder", "processor", "usable_folder"]

MODE = 0o755  # mode of folders: only their owner can write to them
PATIENCE = 30.0  # s to wait for another process that compiles: it may have been stopped

_said: set[str] = set()


def _say_once(what: str, text: str) -> None:
    """Issue a `CacheWarning`, but only once in this process for each kind of problem, ``what``."""
    if what not in _said:
        _said.add(what)
        warnings.warn(text, CacheWarning, stacklevel=2)


def cache_folder() -> Path:
    """Return the path of this user's cache folder.

    The path is ``$SNN_CONTROL_CACHE``. If this variable is not set, the path is ``$XDG_CACHE_HOME/snn_control`` or
    ``~/.cache/snn_control``. Raise RuntimeError if neither variable is set and the user has no home folder.
    """
    base = os.environ.get("SNN_CONTROL_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snn_control"


def usable_folder() -> Path | None:
    """Return the folder for compiled code, or None if no folder can be used.

    The folder is `cache_folder`. If other users can write to this folder, or if it is empty and read-only, a folder in
    the temporary directory is used instead.
    """
    try:
        folder = cache_folder()
        folder.mkdir(MODE, parents=True, exist_ok=True)
        _check_owner(folder, folder.stat())
        if os.access(folder, os.W_OK) or (os.access(folder, os.R_OK) and next(folder.iterdir(), None)):
            return folder  # a read-only file system to which code was deployed is used, too
        why = f"{folder}: is not writable"
    except (OSError, RuntimeError) as error:  # the user may have no known home
        why = str(error)
    fix = "set SNN_CONTROL_CACHE to a folder that you can write to"
    try:
        fallback = Path(tempfile.gettempdir()) / f"snn_control-{os.getuid()}"  # there may be none
        fallback.mkdir(mode=0o700, exist_ok=True)
        found = fallback.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise PermissionError(f"{fallback}: is a link")
        _check_owner(fallback, found)
    except OSError as error:
        _say_once("no folder", f"compiled code is not kept, each start compiles: {why}, and {error}; {fix}")
        return None
    _say_once("no folder", f"compiled code is kept in {fallback}: {why}; {fix}")
    return fallback


def _check_owner(folder: Path, found: os.stat_result) -> None:
    """Raise PermissionError if anyone except this user and root can write to a folder with code that will be run."""
    if found.st_uid not in (0, os.getuid()):
        raise PermissionError(f"{folder}: belongs to another user (uid {found.st_uid})")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{folder}: others can write to it; use chmod go-w after checking its content")


def _sources() -> list[Path]:
    """Return the folder ``$SNN_CONTROL_CACHE_SOURCE`` in a list; [] if it is missing or others can write to it."""
    try:
        folder = Path(os.environ["SNN_CONTROL_CACHE_SOURCE"])
        _check_owner(folder, folder.stat())
    except (KeyError, FileNotFoundError):
        return []
    except OSError as error:
        _say_once("source", f"SNN_CONTROL_CACHE_SOURCE: is not used: {error}")
        return []
    return [folder]


def _locked(folder: int) -> bool:
    """Lock an open folder until it is closed. Return False if another process holds the lock."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # without locks each process compiles for itself
    return True


def processor() -> tuple[str, str]:
    """Return the name and the features, in LLVM's notation, of the processor that code is compiled for.

    The processor is that of this computer, unless ``NUMBA_CPU_NAME`` names another one.
    """
    name, features = config.CPU_NAME, config.CPU_FEATURES
    if features is None:
        with suppress(RuntimeError):  # LLVM does not know the features of every processor
            features = llvm.get_host_cpu_features().flatten()
    return name or llvm.get_host_cpu_name(), features or ""


class CodeFile:
    """The cache entry of one function: the file with its compiled code.

    folder : folder of the file; None if the code is not stored
    name : name of the function, which begins the name of the file
    key : text that identifies the code, apart from the folder and the processor
    """

    def __init__(self, folder: Path | None, name: str, key: str) -> None:
        self.hit = False
        digest = hashlib.sha256(f"{key} {llvm.get_process_triple()} {processor()}".encode()).hexdigest()[:16]
        self._path = folder and folder / f"{name}.{digest}.code"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Context in which this process reads or writes the file. If the file is missing, other processes wait."""
        if self._path is None or self._path.exists():
            yield
            return
        folder = None
        with suppress(OSError):  # a full or read-only disk, or one without locks
            self._path.parent.mkdir(MODE, parents=True, exist_ok=True)
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
        """Call ``make`` with the arguments that `write` stored, and return its result; None without a valid file."""
        if self._path is None:
            return None
        for path in (self._path, *(Path(source, *self._path.parts[-2:]) for source in _sources())):
            try:
                with open_file(path) as file:
                    digest, code = file.read(32), file.read()
                if self._digest(code) != digest:
                    raise ValueError("its content does not match its digest")
                made = make(*pickle.loads(code))
            except FileNotFoundError:
                continue
            except Exception as error:  # from the disk, or from a numba with another format
                _say_once("damaged", f"{path}: compiled code is damaged, so it is compiled again: {error}")
                return None
            self.hit = True
            if path != self._path:
                self.write(code)
            return made
        return None

    def _digest(self, code: bytes) -> bytes:
        """Return the digest of the entry's folder, name and code. A file that was renamed therefore never runs."""
        assert self._path is not None
        return hashlib.sha256("/".join(self._path.parts[-2:]).encode() + b"\0" + code).digest()

    def write(self, code: bytes) -> None:
        if self._path is None:
            return
        path = self._path
        try:
            path.parent.mkdir(MODE, parents=True, exist_ok=True)
            replace_file(path, lambda file: file.write(self._digest(code) + code))
            path.chmod(0o644)  # whatever the umask is
        except OSError as error:
            fix = "make room, or set SNN_CONTROL_CACHE to a folder that you can write to"
            _say_once("not written", f"{path}: compiled code is not kept, each start compiles: {error.strerror}; {fix}")
