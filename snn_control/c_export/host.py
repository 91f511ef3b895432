"""Run exported C on this computer: compile it to a shared library, and call the library through ctypes."""

from __future__ import annotations

import copy
import ctypes
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .compilers import compile_c, host_compiler
from .layout import Layout

__all__ = ["HostMachine"]


class HostMachine:
    """A `snn_control.c_export.mirror.Machine` that runs the exported C in a folder on this computer.

    flags : arguments of the compiler
    """

    def __init__(
        self, folder: Path, layout: Layout, flags: Sequence[str] = ("-std=c99", "-O2"), compiler: Sequence[str] = ()
    ) -> None:
        name = layout.name
        sources = [folder / f"{name}.c", folder / f"{name}_selftest.c"]
        with tempfile.TemporaryDirectory() as build:
            library = Path(build) / f"{name}.so"
            there = [path for path in sources if path.exists()]
            arguments: list[str | Path] = [*flags, "-fPIC", "-shared", *there, "-o", library]
            compile_c(compiler or host_compiler(), arguments)
            self._library = ctypes.CDLL(str(library))
        self._name = name
        self._new_struct(layout.n_bytes)

    def _new_struct(self, n_bytes: int) -> None:
        self._memory = np.zeros(n_bytes // 8, np.int64).view(np.uint8)
        self._at = ctypes.c_void_p(self._memory.ctypes.data)

    def another(self) -> HostMachine:
        """Return a machine that shares the compiled library with this one, but has a new struct."""
        one = copy.copy(self)
        one._new_struct(self._memory.size)
        return one

    def call(self, function: str, *more: Any) -> int:
        called = getattr(self._library, f"{self._name}_{function}")
        called.restype = ctypes.c_int32
        return int(called(self._at, *more))

    def read(self) -> np.ndarray:
        return self._memory.copy()

    def write(self, at: int, data: np.ndarray) -> None:
        self._memory[at : at + data.nbytes] = data.view(np.uint8)
