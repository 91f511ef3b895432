"""Compile a function to a C callback once, and never run a stale one.

numba's cache looks at the modification time of the one file that a function stands in: it misses an
edit in a file whose functions were inlined. The cache folder is therefore named by a digest of the
function's module, of every module of functions that it uses, and of what those import from their own package
or from this one (a constant is compiled in as well). `compilations` counts what was compiled and what came from
the cache, so that tests can tell.
"""

from __future__ import annotations

import ast
import atexit
import functools
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import time
import types as pytypes
from collections.abc import Callable
from pathlib import Path

import numba
from numba import cfunc, njit

from ..errors import RuntimeFault

__all__ = ["cache_folder", "compilations", "compile_callback", "compile_function", "source_digest"]

OPTIONS = {"cache": True, "error_model": "numpy", "boundscheck": bool(int(os.environ.get("NUMBA_BOUNDSCHECK", "0")))}

#: name of a function -> "compiled" or "cached", in the order of first use in this process
compilations: dict[str, str] = {}


_BEGAN = time.time()
_NOT_OURS = {"numba", "llvmlite", "numpy", *sys.stdlib_module_names}


def _modules(module: pytypes.ModuleType, seen: dict[str, pytypes.ModuleType]) -> dict[str, pytypes.ModuleType]:
    """``module`` and, recursively, the modules whose compiled functions and intrinsics it names."""
    if module.__name__ in seen:
        return seen
    seen[module.__name__] = module
    for value in list(vars(module).values()):
        function = getattr(value, "py_func", None) or getattr(value, "_defn", None) or value
        name = getattr(function, "__module__", None)
        if isinstance(function, pytypes.FunctionType) and isinstance(name, str) and name in sys.modules:
            if name.partition(".")[0] not in _NOT_OURS:
                _modules(sys.modules[name], seen)
    for name in _imports(module.__name__):
        _modules(sys.modules[name], seen)
    return seen


@functools.cache
def _imports(name: str) -> tuple[str, ...]:
    """Loaded modules, of its own package or of this one, that the source of module ``name`` imports (from)."""
    module = sys.modules[name]
    path, package = getattr(module, "__file__", None), getattr(module, "__package__", None) or ""
    if not path or not path.endswith(".py"):
        return ()
    found: set[str] = set()
    for node in ast.walk(ast.parse(Path(path).read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    ours = {name.partition(".")[0], __name__.partition(".")[0]}
    return tuple(sorted(n for n in found if n in sys.modules and n.partition(".")[0] in ours))


def source_digest(module: pytypes.ModuleType) -> str:
    """Digest of the sources that a function of ``module`` is compiled from, and of the compiler."""
    digest = hashlib.sha256(f"numba {numba.__version__} python {sys.version_info[:3]} {OPTIONS}".encode())
    for name, used in sorted(_modules(module, {}).items()):
        path = getattr(used, "__file__", None)
        digest.update(name.encode() + b"\0" + (Path(path).read_bytes() if path else b""))
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where compiled functions are kept: ``$SNN_CONTROL_CACHE``, else ``$XDG_CACHE_HOME/snn_control``."""
    base = os.environ.get("SNN_CONTROL_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snn_control"


def _usable_cache() -> Path:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    fallback = Path(tempfile.gettempdir()) / f"snn_control-{os.getuid()}"
    try:
        fallback.mkdir(mode=0o700, exist_ok=True)
        if fallback.stat().st_uid != os.getuid():  # what lies there is run
            raise PermissionError(f"{fallback} belongs to another user")
    except OSError as error:
        raise RuntimeFault(f"no folder for compiled code: {folder} and {fallback}: {error}") from error
    return fallback


def _edited_since(module: pytypes.ModuleType) -> bool:
    """Whether a source changed while this process ran: what was imported is not what stands in the file now."""
    paths = [getattr(used, "__file__", None) for used in _modules(module, {}).values()]
    return any(Path(path).stat().st_mtime > _BEGAN for path in paths if path)


class _Cache:
    """Points numba's cache at the folder of one module's digest while a function is declared.

    After an edit in a running process the folder is one that is thrown away: the digest of the new source must not
    name the code of the old one.
    """

    def __init__(self, function: Callable) -> None:
        module = sys.modules[function.__module__]
        if _edited_since(module):
            self.folder = Path(tempfile.mkdtemp(prefix="snn_control-"))
            atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        else:
            self.folder = _usable_cache() / source_digest(module)

    def __enter__(self) -> None:
        self.before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(self.folder)

    def __exit__(self, *exc: object) -> None:
        numba.config.CACHE_DIR = self.before


def _note(function: Callable, hits: int) -> None:
    compilations[f"{function.__module__}.{function.__name__}"] = "cached" if hits else "compiled"


_callbacks: dict[tuple[Callable, str], object] = {}


def compile_callback(function: Callable, signature: str) -> int:
    """Address of ``function`` as a C callback of ``signature``, e.g. ``"void(int64)"``.

    The function must be a plain module-level function. Compiled at the first call in this process,
    or taken from the cache; it stays alive as long as the process.
    """
    key = (function, signature)
    if key not in _callbacks:
        with _Cache(function):
            compiled = cfunc(signature, nopython=True, **OPTIONS)(function)
        _note(function, compiled.cache_hits)
        _callbacks[key] = compiled
    return _callbacks[key].address  # type: ignore[attr-defined]


def compile_function(function: Callable, signature: str) -> Callable:
    """``function`` as a nogil function of one explicit signature, callable from Python and from numba."""
    key = (function, "nogil " + signature)
    if key not in _callbacks:
        with _Cache(function):
            compiled = njit(signature, nogil=True, **OPTIONS)(function)
        _note(function, sum(compiled.stats.cache_hits.values()))
        _callbacks[key] = compiled
    return _callbacks[key]  # type: ignore[return-value]
