"""Run C compilers: the computer's own compiler, or zig (a Python package), which also compiles for microcontrollers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import RuntimeFault, how_to_install

__all__ = ["STRICT", "compile_c", "host_compiler", "zig"]

#: the warnings that exported C does not give
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion")


def zig() -> list[str]:
    """Return the command that runs zig as a C compiler. Raise RuntimeFault if the package is missing."""
    if importlib.util.find_spec("ziglang") is None:
        raise RuntimeFault(f"this needs ziglang, a C compiler: {how_to_install('c')}")
    return [sys.executable, "-m", "ziglang", "cc"]


def host_compiler() -> list[str]:
    """Return the command of a C compiler for this computer: ``$CC`` or the first that exists of cc, gcc, clang, zig."""
    given = os.environ.get("CC", "").split()
    if given:
        return given
    found = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    return [found] if found else zig()


def compile_c(compiler: Sequence[str], arguments: Sequence[str | Path]) -> None:
    """Run a C compiler. If it fails, raise RuntimeFault with the first errors that it reports."""
    done = subprocess.run([*compiler, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
        raise RuntimeFault(f"{' '.join(compiler)} failed: {'; '.join(lines[:3])}")
