"""Compile functions to C callbacks with numba, and cache the machine code so that outdated code never runs.

numba's own cache checks only the modification time of the file that contains a function. It misses edits in other files
whose functions were inlined. Here, compiled code is stored (`code_cache`) in a folder named by a digest of sources:

- the module of the function, and the modules of all functions that it uses;
- the modules that these modules import from their own package or from snn_control, because their constants are compiled
  into the code.

A callback is stored as machine code, which loads in a millisecond. numba needs 0.3 s to initialise for the first
function of a process, even if the function is in numba's own cache.

Any thread may compile, but only one at a time. Code is never moved or freed. `compilations` records for tests which
functions were compiled and which were read from the cache.
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
import pickle
import re
import sys
import threading
import time
import types as pytypes
from collections.abc import Callable, Iterator, Sequence
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
_IMPORT = dis.opmap["IMPORT_NAME"]
_NOT_OURS = {"numba", "llvmlite", "numpy", *sys.stdlib_module_names}


def _modules(module: pytypes.ModuleType, seen: dict[str, pytypes.ModuleType]) -> dict[str, pytypes.ModuleType]:
    """Return the modules whose source can affect the code compiled from ``module``: name -> module.

    These are the module itself, the modules of functions in its namespace, and its imports from its own package and
    from snn_control, recursively.

    seen : modules found so far, to which the function adds its result
    """
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
    """Return the names of the modules that module ``name`` imports from its own package or from snn_control."""
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
    """Yield the import statements that run when a module is loaded, as (level, module, names).

    The statements are found in bytecode, which is much faster than parsing the source. Imports within functions are
    left out, because they depend on which functions the process has called. Imports for type checkers are left out,
    because they do not run.
    """
    constants: list[Any] = []
    for_checkers, end = False, 0
    last = 2 * code.co_code[::2].rfind(_IMPORT)  # reading what comes after the imports would take most of the time
    for one in dis.get_instructions(code):
        if one.offset > last:
            break
        if one.offset < end:
            continue
        if one.opname == "IMPORT_NAME":
            yield constants[-2], one.argval, constants[-1]
        if for_checkers and one.opname.endswith("IF_FALSE"):
            end = one.argval
        if one.opname.startswith("LOAD_"):
            constants.append(one.argval)
            for_checkers = one.argval == "TYPE_CHECKING"
    for body in code.co_consts:
        if isinstance(body, pytypes.CodeType) and not body.co_flags & inspect.CO_OPTIMIZED:
            yield from _at_load(body)  # of a class


def source_digest(module: pytypes.ModuleType) -> str | None:
    """Return a digest of the compiler's version and of all sources from which functions of ``module`` are compiled.

    Return None if a source file changed while this process was running, because the imported code may then differ from
    the file. The modification time and the inode's change time are checked, because an upgrade may preserve the
    modification time. A time in the future comes from another clock and is ignored.
    """
    digest = hashlib.sha256(f"numba {numba.__version__} python {sys.version_info[:3]} {OPTIONS}".encode())
    for name, used in sorted(_modules(module, {}).items()):
        path = getattr(used, "__file__", None)
        digest.update(name.encode() + b"\0" + (Path(path).read_bytes() if path else b""))
        found = os.stat(path) if path else None
        if found and any(_BEGAN <= at <= time.time() for at in (found.st_mtime, found.st_ctime)):
            return None
    return digest.hexdigest()[:16]


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
