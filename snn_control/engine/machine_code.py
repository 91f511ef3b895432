"""C callbacks: compiled by numba, or loaded as machine code without it.

numba needs 0.3 s to initialise for the first function of a process, even if its code is in the cache; machine code is
loaded in a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
from numba import config
from numba.core.ccallback import CFunc
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.sigutils import normalize_signature

from ..errors import ProgramError
from .code_cache import CodeFile

__all__ = ["compiled", "loaded"]

Callback = tuple[int, Any]  # address of a C function, and the owner of its code
REPORT = "PyErr_WriteUnraisable"  # by which numba prints an exception, unless LLVM has found that there is none


def compiled(function: Callable, signature: str, options: dict, file: CodeFile, may_raise: bool) -> Callback:
    """``function`` as a C function of ``signature``; its machine code is stored in ``file``."""
    made = CFunc(function, normalize_signature(signature), locals={}, options={"nopython": True, **options})
    made.compile()
    library = made._library
    module = library._final_module
    names = [one.name for one in (*module.functions, *module.global_variables) if one.is_declaration]
    needed = [name for name in names if not name.startswith("llvm.")]
    if REPORT in needed and not may_raise:
        rule = "can raise an exception, which a tick cannot report"
        fix = "remove raise, assert, new arrays, ranges with a variable step, and variable indices of tuples"
        raise ProgramError(f"{function.__module__}.{function.__name__}: {rule}; {fix}")
    if not library.has_dynamic_globals:
        file.write((made.native_name, needed, library._get_compiled_object()))
    return made.address, made


def loaded(name: str, needed: Sequence[str], code: bytes) -> Callback:
    """The function ``name`` of an object file that `compiled` wrote; raises ValueError if it cannot be loaded."""
    numba_itself = cpu_target.target_context  # initialises LLVM, and knows the functions of numba that are needed
    if not all(map(llvm.address_of_symbol, needed)):
        rtsys.initialize(numba_itself)  # for functions that allocate
    unknown = [one for one in needed if not llvm.address_of_symbol(one)]
    if unknown:  # LLVM would end the process
        raise ValueError(f"it needs {', '.join(unknown)}, which are not there")
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine()
    module = llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(module, machine, use_lmm=config.USE_LLVMLITE_MEMORY_MANAGER)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(name)
    if not address:
        raise ValueError(f"it has no function {name}")
    return address, engine
