"""Compile functions to C callbacks with numba, and cache the machine code so that outdated code never runs.

numba's own cache checks only the modification time of the file that contains a function. It misses edits in other files
whose functions or constants were compiled into the code. Here, compiled code is stored (`code_cache`) in a folder named
by a digest of all sources of snn_control and of the package that the function belongs to.

A callback is stored as machine code, which loads in a millisecond. numba needs 0.3 s to initialise for the first
function of a process, even if the function is in numba's own cache.

Any thread may compile, but only one at a time. Code is never moved or freed. `compilations` records for tests which
functions were compiled and which were read from the cache.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import pickle
import re
import sys
import threading
import time
import types as pytypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from ..errors import ProgramError
from .code_cache import CodeFile, processor, usable_folder

__all__ = ["compilations", "compile_callback", "compile_function", "source_digest"]

OPTIONS: dict[str, Any] = {"error_model": "numpy", "boundscheck": bool(int(os.environ.get("NUMBA_BOUNDSCHECK", "0")))}
REPORT = "PyErr_WriteUnraisable"  # numba's code calls it to print an exception, unless LLVM finds that there is none
#: numba's types that a C callback can have
C_TYPES: dict[str, Any] = {
    "void": None, "boolean": ctypes.c_bool, "float32": ctypes.c_float, "float64": ctypes.c_double,
    "int32": ctypes.c_int32, "int64": ctypes.c_int64, "uint32": ctypes.c_uint32, "uint64": ctypes.c_uint64,
}  # fmt: skip
Callback = tuple[int, Any]  # address of a C function, and the owner of its code

#: name of a function -> "compiled" or "cached", in the order of first use in this process
compilations: dict[str, str] = {}


_BEGAN = time.time()


@functools.cache
def _sources(name: str) -> dict[str, Path]:
    """Return the Python files of a package, or of a module that belongs to none: path in the package's folder -> file.

    name : name of the package or module, without a dot. The result is empty if it has no file, as in a notebook
    """
    module = sys.modules[name]
    if folders := getattr(module, "__path__", None):
        return {str(one.relative_to(folder)): one for folder in folders for one in sorted(Path(folder).rglob("*.py"))}
    file = getattr(module, "__file__", None)
    return {Path(file).name: Path(file)} if file else {}


@functools.cache
def _digest(name: str) -> bytes:
    digest = hashlib.sha256()
    for path, file in _sources(name).items():
        content = file.read_bytes()
        digest.update(f"{len(content)} {path}\n".encode() + content)
    return digest.digest()


def source_digest(module: pytypes.ModuleType) -> str | None:
    """Return a digest of the compiler's version and of the sources of snn_control and of the package of ``module``.

    Return None if they are not known: if the module has no file, or if a file changed while this process was running,
    because the imported code may then differ from the file. The modification time and the inode's change time are
    checked, because an upgrade may preserve the modification time. A time in the future comes from another clock and is
    ignored.
    """
    packages, now = {name.partition(".")[0] for name in (__name__, module.__name__)}, time.time()
    for sources in map(_sources, packages):
        times = (at for found in map(os.stat, sources.values()) for at in (found.st_mtime, found.st_ctime))
        if not sources or any(_BEGAN <= at <= now for at in times):
            return None
    versions = f"numba {numba.__version__} python {sys.version_info[:3]} {OPTIONS}".encode()
    return hashlib.sha256(b"".join([versions, *map(_digest, sorted(packages))])).hexdigest()[:16]


_made: dict[tuple[Callable, str], Any] = {}
_compiling = threading.RLock()


def _once(function: Callable, signature: str, make: Callable[[CodeFile], Any]) -> Any:
    """Return the compiled form of a function for one signature. The first call compiles; later calls reuse the result.

    make : function that receives a `CodeFile`, and reads the code from this file or compiles the function
    """
    found = _made.get((function, signature))
    if found is None:
        with _compiling:
            found = _made.get((function, signature))
            if found is None:
                name, base = f"{function.__module__}.{function.__name__}", usable_folder()
                # not kept after an edit in a running process: a digest of new sources must not name old code
                digest = base and source_digest(sys.modules[function.__module__])
                key = f"object {signature} {function.__code__.co_firstlineno}"  # use another word for another format
                file = CodeFile(base / digest if base and digest else None, name, key)
                with file.turn():
                    found = make(file)
                compilations[name] = "cached" if file.hit else "compiled"
                _made[function, signature] = found
    return found


def compile_callback(function: Callable, signature: str, may_raise: bool = True) -> int:
    """Compile a module-level function to a C callback, and return the address of the callback.

    The first call in this process compiles the function or reads the code from the cache. Later calls return the same
    address.

    signature : types of the result and the arguments, e.g. ``"void(int64)"``
    may_raise : false to raise ProgramError if the compiled code can raise an exception. No caller could catch the
        exception: numba prints it and returns. Exceptions of index checks (``NUMBA_BOUNDSCHECK``) are always allowed
    """

    def make(file: CodeFile) -> Callback:
        return file.read(_loaded) or _compiled(function, signature, file, may_raise or OPTIONS["boundscheck"])

    return _once(function, signature, make)[0]


def _compiled(function: Callable, signature: str, file: CodeFile, may_raise: bool) -> Callback:
    made = numba.cfunc(signature, **OPTIONS)(function)
    module = llvm.parse_assembly(made.inspect_llvm())
    names = [one.name for one in (*module.functions, *module.global_variables)]
    needed = [one.name for one in (*module.functions, *module.global_variables) if one.is_declaration]
    needed = [name for name in needed if not name.startswith("llvm.")]
    if REPORT in needed and not may_raise:
        rule = "can raise an exception, which a tick cannot report"
        fix = "remove raise, assert, new arrays, ranges with a variable step, and variable indices of tuples"
        raise ProgramError(f"{function.__module__}.{function.__name__}: {rule}; {fix}")
    if any(name.startswith("numba.dynamic.globals") for name in names):  # addresses of this process: not kept
        return made.address, made
    x86 = llvm.get_process_triple().startswith("x86")
    machine = llvm.Target.from_default_triple().create_target_machine(
        *processor(), 3, "static" if x86 else "default", "jitdefault", jit=True
    )
    code = made.native_name, needed, machine.emit_object(module)
    file.write(pickle.dumps(code))
    return _loaded(*code)


def _loaded(name: str, needed: Sequence[str], code: bytes) -> Callback:
    """Load the function ``name`` from the object code that `_compiled` stored. Raise ValueError if loading fails."""
    numba_itself = cpu_target.target_context  # initialises LLVM, and knows the functions of numba that are needed
    if not all(map(llvm.address_of_symbol, needed)):
        rtsys.initialize(numba_itself)  # for functions that allocate
    unknown = [one for one in needed if not llvm.address_of_symbol(one)]
    if unknown:  # LLVM would end the process
        raise ValueError(f"it needs {', '.join(unknown)}, which are not there")
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(name)
    if not address:
        raise ValueError(f"it has no function {name}")
    return address, engine


@functools.cache  # some callers ask for it at each call
def compile_function(function: Callable, signature: str) -> Callable:
    """Compile a function for one signature, and return a Python callable that releases the interpreter lock."""
    types = re.findall(r"[^(),\s]+", signature)
    if all(name in C_TYPES for name in types):
        return ctypes.CFUNCTYPE(*(C_TYPES[name] for name in types))(compile_callback(function, signature))
    return _once(function, signature, lambda file: _dispatcher(function, signature, file))  # it has arrays


class _Cache(NullCache):
    """Adapts a `CodeFile` to the cache interface of numba's dispatchers."""

    def __init__(self, file: CodeFile) -> None:
        self._file = file

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        target_context.refresh()
        return self._file.read(lambda *parts: CompileResult._rebuild(target_context, *parts))

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        if not data.library.has_dynamic_globals:
            self._file.write(dumps(data._reduce()))


def _dispatcher(function: Callable, signature: str, file: CodeFile) -> Callable:
    compiled = numba.njit(nogil=True, **OPTIONS)(function)
    compiled._cache = _Cache(file)
    compiled.compile(signature)
    compiled.disable_compile()
    return compiled
