"""Conformance test of kernels in C: a C kernel and its reference implementation must compute the same bits.

The random operands are those of the test of the numba kernels (`snn_control.testing`). All C kernels are compiled into
one library. Each is called through a C function whose argument is the address of an operation's row.
"""

from __future__ import annotations

import copy
import ctypes
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.kernels.spikes import HEADER
from ..engine.registry import kernel
from ..testing import SIZES, References, call_kernel, canonical, slow
from .arrays import DROPPED
from .compilers import compile_c, host_compiler
from .kernel_text import FUNCTION, header
from .parameters import parameters

__all__ = ["CKernels"]

#: in the layout of the engine, whose rings and samples the random operands have
ENGINE = f"#define SNN_HEADER {HEADER}\n#define SNN_VALUE double\n"
LIST = "kept"  # a list of events, of which only the part up to its length counts


class CKernels:
    """A library of C kernels, compiled for this computer.

    names : names of the kernels
    flags : arguments of the compiler
    compiler : command of the compiler; empty: that of `host_compiler`
    """

    def __init__(self, names: Iterable[str], flags: Sequence[str] = ("-O2",), compiler: Sequence[str] = ()) -> None:
        names = list(names)
        with tempfile.TemporaryDirectory() as folder:
            source, code, library = (Path(folder) / f"kernels.{end}" for end in ("c", "o", "so"))
            source.write_text(ENGINE + header(names) + "".join(map(_by_row, names)))
            compile_c(compiler or host_compiler(), ["-std=c99", *flags, "-fPIC", "-c", source, "-o", code])
            compile_c(host_compiler(), ["-shared", code, "-o", library])
            self._library = ctypes.CDLL(str(library))

    def address(self, name: str) -> int:
        """Return the address of the function ``void(const int64_t *row)`` that calls a kernel."""
        return int(ctypes.cast(getattr(self._library, f"row_{name}"), ctypes.c_void_p).value or 0)

    def check(self, name: str, references: References, runs: int = 72) -> None:
        """Compare a C kernel with its reference in ``runs`` random cases. Raise AssertionError if results differ."""
        for seed in range(runs):
            assert not (found := self.disagreement(name, references, seed, SIZES[seed % len(SIZES)])), found

    @slow
    def disagreement(self, name: str, references: References, seed: int, size: int) -> str:
        """Run a C kernel and its reference on the same operands. Return a text on the first difference, or ""."""
        plain, case = references[name]
        operands = case(np.random.default_rng(seed), size)
        expected = copy.deepcopy(operands)
        call_kernel(self.address(name), operands)
        plain(*expected)
        for word, got, want in zip(kernel(name).words, operands, expected, strict=True):
            if isinstance(got, np.ndarray) and word not in DROPPED:
                if _seen(word, got) != _seen(word, want):
                    return f"{name}, {word}: C {got.tolist()}, reference {want.tolist()}"
        return ""


def _seen(word: str, array: np.ndarray) -> bytes:
    return canonical(array[: 1 + int(array[0])] if word == LIST else array)


def _by_row(name: str) -> str:
    """Return the text of a C function that calls a kernel with the words of an operation's row as arguments."""
    arguments: list[Any] = []
    for k, kind in enumerate(parameters(kernel(name)).values(), 1):
        arguments.append(f"({kind}){'(intptr_t)' * kind.endswith('*')}row[{k}]")
    row = f"void row_{name}(const int64_t *row)"
    return f"{row};\n{row} {{ {FUNCTION}{name}({', '.join(arguments)}); }}\n"
