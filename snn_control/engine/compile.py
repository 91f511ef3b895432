"""Compile a function to a C callback once, and never run outdated code.

numba's cache uses the modification time of the file that a function is in, so it misses edits in files whose functions
were inlined. Code is therefore kept in a folder (`code_cache`) whose name is a digest of the function's module, of
every module of functions that it uses, and of what those import from their own package or from this one (constants are
compiled in as well). `compilations` records for tests what was compiled and what came from the cache. Any thread may
compile; one does at a time, and code is never moved or freed.
"""

from __future__ import annotations

import ctypes
import dis
import functools
import hashlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import threading
import time
import types as pytypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.sigutils import normalize_signature
from numba.core.typing.ctypes_utils import to_ctypes

from . import machine_code
from .code_cache import CodeFile, usable_folder

__all__ = ["compilations", "compile_callback", "compile_function", "source_digest"]

OPTIONS: dict[str, Any] = {"error_model": "numpy", "boundscheck": bool(int(os.environ.get("NUMBA_BOUNDSCHECK", "0")))}

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
    """Modules, of its own package or of this one, that module ``name`` imports (from) when it is loaded."""
    module = sys.modules[name]
    path, package = getattr(module, "__file__", None), getattr(module, "__package__", None) or ""
    if not path or not path.endswith(".py"):
        return ()
    found: set[str] = set()
    code = importlib.machinery.SourceFileLoader(name, path).get_code(name)
    for level, base, names in _at_load(code) if code else ():
        if package or not level:
            base = importlib.util.resolve_name("." * level + base, package)
            found |= {base} | {f"{base}.{one}" for one in names or ()}
    ours = {name.partition(".")[0], __name__.partition(".")[0]}
    return tuple(sorted(n for n in found if n in sys.modules and n.partition(".")[0] in ours))


def _at_load(code: pytypes.CodeType) -> Iterator[tuple[int, str, tuple[str, ...] | None]]:
    """Imports that run when a module is loaded, as (level, module, names), from its bytecode, which is on disk and read
    much faster than a syntax tree is made. Those within functions depend on what the process did before, and those for
    type checkers do not run."""
    constants: list[Any] = []
    for_checkers, end = False, 0
    for one in dis.get_instructions(code):
        if one.offset < end:
            continue
        if one.opname == "IMPORT_NAME":
            yield constants[-2], one.argval, constants[-1]
        elif isinstance(one.argval, pytypes.CodeType) and not one.argval.co_flags & inspect.CO_OPTIMIZED:
            yield from _at_load(one.argval)  # of a class
        if for_checkers and one.opname.endswith("IF_FALSE"):
            end = one.argval
        if one.opname.startswith("LOAD_"):
            constants.append(one.argval)
            for_checkers = one.argval == "TYPE_CHECKING"


def source_digest(module: pytypes.ModuleType) -> str | None:
    """Digest of the sources that a function of ``module`` is compiled from, and of the compiler.

    None if one of them changed while this process was running, because what was imported may differ from the file. The
    change time of the inode is compared too, because an upgrade may preserve the modification time. A time in the
    future comes from another clock, and is ignored.
    """
    digest = hashlib.sha256(f"numba {numba.__version__} python {sys.version_info[:3]} {OPTIONS}".encode())
    for name, used in sorted(_modules(module, {}).items()):
        path = getattr(used, "__file__", None)
        digest.update(name.encode() + b"\0" + (Path(path).read_bytes() if path else b""))
        found = os.stat(path) if path else None
        if found and any(_BEGAN <= at <= time.time() for at in (found.st_mtime, found.st_ctime)):
            return None
    return digest.hexdigest()[:16]


def _code_file(function: Callable, key: str) -> CodeFile:
    """Where the code of a function is kept; nowhere after an edit in a running process, because the digest of the
    new source must not refer to code of the old one."""
    module, base = sys.modules[function.__module__], usable_folder()
    digest = base and source_digest(module)
    folder = base / digest if base and digest else None
    return CodeFile(folder, f"{module.__name__}.{function.__name__}", f"{key} {function.__code__.co_firstlineno}")


_made: dict[tuple[Callable, str], Any] = {}
_compiling = threading.RLock()


def _once(function: Callable, signature: str, make: Callable[[CodeFile], Any]) -> Any:
    """The compiled form of a function in this process; it is made at the first call and kept for ever."""
    found = _made.get((function, signature))
    if found is None:
        with _compiling:
            found = _made.get((function, signature))
            if found is None:
                file = _code_file(function, f"named {signature}")  # another word for another format
                with file.turn():
                    found = make(file)
                compilations[f"{function.__module__}.{function.__name__}"] = "cached" if file.hit else "compiled"
                _made[function, signature] = found
    return found


def compile_callback(function: Callable, signature: str, may_raise: bool = True) -> int:
    """Address of ``function`` as a C callback of ``signature``, e.g. ``"void(int64)"``.

    A callback has no caller to raise to: numba prints the exception and returns. With ``may_raise`` false, ProgramError
    is raised for a function whose compiled code can raise; checks of indices (``NUMBA_BOUNDSCHECK``) are excepted.

    The function must be a plain module-level function. It is compiled at the first call in this process, or taken from
    the cache, and kept as long as the process runs.
    """

    def make(file: CodeFile) -> machine_code.Callback:
        allowed = may_raise or OPTIONS["boundscheck"]
        return file.read(machine_code.loaded) or machine_code.compiled(function, signature, OPTIONS, file, allowed)

    return _once(function, signature, make)[0]


@functools.cache  # some callers ask for it at each call
def compile_function(function: Callable, signature: str) -> Callable:
    """``function``, compiled for one signature, as a Python callable that releases the interpreter lock."""
    try:
        arguments, result = normalize_signature(signature)
        prototype = ctypes.CFUNCTYPE(to_ctypes(result), *map(to_ctypes, arguments))
    except TypeError:  # arrays
        return _once(function, signature, lambda file: _dispatcher(function, signature, file))
    return prototype(compile_callback(function, signature))


class _Cache(NullCache):
    """Adapts a `CodeFile` to the interface of numba's dispatchers."""

    def __init__(self, file: CodeFile) -> None:
        self._file = file

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        target_context.refresh()
        return self._file.read(lambda *parts: CompileResult._rebuild(target_context, *parts))

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        if not data.library.has_dynamic_globals:
            self._file.write(data._reduce())


def _dispatcher(function: Callable, signature: str, file: CodeFile) -> Callable:
    compiled = njit(nogil=True, **OPTIONS)(function)
    compiled._cache = _Cache(file)
    compiled.compile(signature)
    compiled.disable_compile()
    return compiled
