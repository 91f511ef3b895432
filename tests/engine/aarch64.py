"""Controllers on 64-bit ARM, under emulation: ``python -m tests.engine.aarch64 [TICKS]`` (``make arm``).

The code that numba makes of each kernel and of the tick is generated again for AArch64, linked with a program in C that
walks a bound table, and run by qemu: state and io block must have the same bits after each tick as here. Needs
``qemu-aarch64`` and ``aarch64-linux-gnu-gcc`` (Debian: qemu-user, gcc-aarch64-linux-gnu).
"""

from __future__ import annotations

import ctypes
import mmap
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from snn_control.controller import Controller
from snn_control.engine.bound import bind
from snn_control.engine.compile import OPTIONS
from snn_control.engine.program import IO, PROGRAM, STATE, up
from snn_control.engine.registry import kernel
from snn_control.engine.tick import FORGETS, HEADER, tick
from snn_control.resources import shipped, shipped_names
from tests.engine import fuzz, zoo

TRIPLE, CPU = "aarch64-unknown-linux-gnu", "cortex-a72"
BASE = 0x4_0000_0000  # where the memory of a controller lies, there and here
TOOLS = ("qemu-aarch64", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-objcopy")
MAIN = r"""
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
typedef void (*function)(int64_t);
KERNELS
static function kernels[] = {NAMES};
extern void tick(int64_t);
/* where code would raise, which must not happen */
#define NEVER(name) void name(void) { fprintf(stderr, #name " was called\n"); abort(); }
NEVER(numba_gil_ensure) NEVER(PyErr_Clear) NEVER(PyBytes_FromStringAndSize) NEVER(numba_runtime_build_excinfo_struct)
NEVER(NRT_Free) NEVER(numba_unpickle) NEVER(numba_do_raise) NEVER(PyUnicode_FromString) NEVER(PyErr_WriteUnraisable)
NEVER(Py_DecRef) NEVER(numba_gil_release) NEVER(PyErr_SetString)
void *PyExc_RuntimeError;
static void get(void *to, size_t n, FILE *file) {
  if (fread(to, 1, n, file) != n) { perror("read"); exit(2); }
}
int main(int count, char **words) {
  FILE *image = fopen(words[1], "rb"), *out = fopen(words[2], "wb");
  int64_t h[8];  /* base, bytes, table, rows, words in a row, io, bytes of io, ticks */
  get(h, sizeof h, image);
  char *at = mmap((void *)h[0], h[1], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (at != (void *)h[0]) { perror("mmap"); return 2; }
  get(at, h[1], image);
  int64_t state[2];  /* its address and bytes */
  get(state, sizeof state, image);
  for (int64_t k = 1; k < h[3]; k++) {
    int64_t *row = (int64_t *)h[2] + k * h[4];
    row[0] = (int64_t)kernels[row[0]];
  }
  for (int64_t k = 0; k < h[7]; k++) {
    get((void *)h[5], h[6], image);
    tick(h[2]);
    fwrite((void *)state[0], 1, state[1], out);
    fwrite((void *)h[5], 1, h[6], out);
  }
  return fclose(out);
}
"""


def missing() -> list[str]:
    """The tools that are not here."""
    return [name for name in TOOLS if shutil.which(name) is None]


class Builder:
    """Object files for AArch64, each made once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.objects = folder, dict[str, Path]()
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        self._machine = llvm.Target.from_triple(TRIPLE).create_target_machine(cpu=CPU, opt=3, reloc="pic")

    def object(self, function: Callable, name: str) -> None:
        """Generate ``void name(int64)``; raises AssertionError for code of one processor alone."""
        if name in self.objects:
            return
        made = CFunc(function, normalize_signature("void(int64)"), locals={}, options={"nopython": True, **OPTIONS})
        made.compile()
        text = made._library.get_llvm_str()
        assert not re.search(r'llvm\.x86|asm (sideeffect )?"[^"]', text), f"{name}: code for x86 alone"
        text = re.sub(r'target triple = ".*"', f'target triple = "{TRIPLE}"', text)
        text = re.sub(r'target datalayout = ".*"', f'target datalayout = "{self._machine.target_data}"', text)
        text = re.sub(r'"(target-cpu|target-features|tune-cpu)"="[^"]*"', "", text)
        module = llvm.parse_assembly(text)
        module.verify()
        path = self.folder / f"{name}.o"
        path.write_bytes(self._machine.emit_object(module))
        change = [TOOLS[2], f"--redefine-sym={made.native_name}={name}", f"--keep-global-symbol={name}", str(path)]
        subprocess.run(change, check=True)
        self.objects[name] = path

    def program(self, kernels: list[str], path: Path) -> Path:
        """The program that runs these kernels, by number."""
        declared = "\n".join(f"extern void kernel_{name}(int64_t);" for name in kernels)
        source = MAIN.replace("KERNELS", declared).replace("NAMES", ", ".join(f"kernel_{name}" for name in kernels))
        path.with_suffix(".c").write_text(source)
        objects = [str(self.objects[name]) for name in ("tick", *(f"kernel_{one}" for one in kernels))]
        line = [TOOLS[1], "-O1", "-static", "-o", str(path), str(path.with_suffix(".c")), *objects]
        subprocess.run(line, check=True)
        return path


class Low:
    """Memory at `BASE`, where the blocks of one controller lie one after the other."""

    def __init__(self, size: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x100000  # MAP_FIXED_NOREPLACE
        at = libc.mmap(BASE, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        assert at == BASE, "the address is taken"
        self.bytes = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(BASE))
        self._end, self._libc = 0, libc

    def put(self, array: np.ndarray) -> np.ndarray:
        """A copy of an array here, at a multiple of 64 bytes."""
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        begin, self._end = self._end, self._end + up(raw.size)
        self.bytes[begin : begin + raw.size] = raw
        return self.bytes[begin : begin + raw.size]

    def close(self) -> None:
        self._libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        size = self.bytes.size
        del self.bytes
        self._libc.munmap(BASE, size)


def controllers() -> Iterator[tuple[str, Controller]]:
    """One with every kernel, and those that ship."""
    yield "zoo", Controller(zoo.program())
    for name in shipped_names():
        yield name, Controller.load(shipped(name))


def shown(one: Controller, ticks: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What the io block was in each tick, and the state with it after the tick, as this machine has it."""
    rng, given, after = np.random.default_rng(1), [], []
    one.observers = [lambda: (given.append(one.bound.io.copy()), after.append(one.bound.state.copy()))]
    for k in range(ticks):
        if k % 17 == 5:
            one.restart()
        one.step(fuzz.observation(rng, one, k))
    return given, after


def differing(one: Controller, ticks: int, build: Builder, folder: Path, name: str) -> tuple[int, int]:
    """Number of ticks in which a bit of the state, of the io block, differs."""
    program, initial = one.program, one.bound.state.copy()
    given, after = shown(one, ticks)
    kernels = sorted({o.kernel for o in program.operations})
    for each in kernels:
        build.object(kernel(each).entry, f"kernel_{each}")
    low = Low(64 << 20)
    blocks = {PROGRAM: low.put(program.constants), STATE: low.put(initial), IO: low.put(given[0])}
    table, _ = bind(program, blocks)
    table[0, HEADER.index("initial")] = low.put(program.initial_state).ctypes.data
    table[0, FORGETS] = BASE
    table[1:, 0] = [kernels.index(o.kernel) for o in program.operations]
    at = low.put(table).ctypes.data
    blocks[STATE][:] = initial
    head = [BASE, low.bytes.size, at, *table.shape, blocks[IO].ctypes.data, blocks[IO].size, ticks]
    state = np.array([blocks[STATE].ctypes.data, blocks[STATE].size], np.int64)
    image = folder / f"{name}.image"
    image.write_bytes(np.array(head, np.int64).tobytes() + low.bytes.tobytes() + state.tobytes() + b"".join(
        block.tobytes() for block in given))  # fmt: skip
    low.close()
    runs, out = build.program(kernels, folder / name), folder / f"{name}.out"
    subprocess.run([TOOLS[0], str(runs), str(image), str(out)], check=True)
    rows = np.fromfile(out, np.uint8).reshape(ticks, -1)
    cut = after[0].size
    states = sum(not np.array_equal(row[:cut], wanted) for row, wanted in zip(rows, after, strict=True))
    return states, sum(not np.array_equal(row[cut:], wanted) for row, wanted in zip(rows, given, strict=True))


def main(ticks: int) -> int:
    if lacks := missing():
        print(f"not here: {', '.join(lacks)}; Debian has qemu-user and gcc-aarch64-linux-gnu")
        return 2
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        build = Builder(Path(folder))
        build.object(tick, "tick")
        for name, one in controllers():
            states, blocks = differing(one, ticks, build, Path(folder), name)
            wrong += states + blocks
            kernels = len({o.kernel for o in one.program.operations})
            print(
                f"{name}: {kernels} kernels, {ticks} ticks, {states} states and {blocks} io blocks differ", flush=True
            )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 200))
