"""Program: what a controller becomes for one dt and period. State: everything of it that changes.

A Program is rows of operations (kernel name, version, operands) and one read-only block of bytes; an operand
is a number or a place in one of three blocks: `program`, `state`, `io`. It never holds an address. `bind`
resolves kernels and places to one table of addresses, checking every bound there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ProgramError
from ..files import replace_file
from . import tick as _tick
from .kernels import WORDS
from .operands import Array
from .registry import kernel

__all__ = ["ALIGN", "Bound", "Place", "Program", "aligned"]

SCHEMA = 1
ALIGN = 64
NUMBER, PROGRAM, STATE, IO = range(4)  # kinds of operand
PRE, STEP, POST = range(3)  # sections of a tick


def aligned(n_bytes: int) -> np.ndarray:
    """(n_bytes,) uint8 of zeros whose first byte lies at a multiple of 64.

    NumPy asks for huge pages where a block is large, and the system gives memory when it is first written.
    """
    block = np.zeros(n_bytes + ALIGN, np.uint8)
    start = -block.ctypes.data % ALIGN
    return block[start : start + n_bytes]


@dataclass(frozen=True)
class Place:
    """A named array in a block: kind of block, byte offset, dtype and shape."""

    kind: int
    offset: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))

    def view(self, block: np.ndarray) -> np.ndarray:
        """The array itself, a view into ``block``."""
        return block[self.offset : self.offset + self.n_bytes].view(self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class Operation:
    """One call of a kernel: operands are numbers or Places."""

    kernel: str
    version: int
    section: int
    operands: tuple[int | Place, ...]
    label: str = ""


@dataclass(frozen=True, eq=False)
class Program:
    """A controller for one dt and period, ready to bind.

    operations : in the order they run
    constants : (bytes,) uint8, read-only, at a multiple of 64 bytes: parameters, weights, connectivity
    initial_state : (bytes,) uint8, the state after a reset
    io_bytes : size of the block through which inputs come and commands go
    names : what an array is called, e.g. ``motor.v``, ``camera.slot``, ``pan.command`` -> Place
    steps : network steps a tick
    facts : plain JSON data about the controller (dt, period, sizes, counts), for people and drivers
    """

    operations: tuple[Operation, ...]
    constants: np.ndarray
    initial_state: np.ndarray
    io_bytes: int
    names: dict[str, Place]
    steps: int
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("constants", "initial_state"):
            block = getattr(self, name)
            if block.ctypes.data % ALIGN:  # kernels run on the constants as they lie
                block = aligned(block.size)
                block[:] = getattr(self, name)
                object.__setattr__(self, name, block)
            block.setflags(write=False)

    @property
    def digest(self) -> str:
        """Content hash: equal digests run bit-identically."""
        h = hashlib.sha256(json.dumps(self._description(), sort_keys=True, default=int).encode())
        h.update(self.constants)
        h.update(self.initial_state)
        return h.hexdigest()

    def _description(self) -> dict[str, Any]:
        def place(p: Place) -> list:
            return [p.kind, p.offset, p.dtype, list(p.shape)]

        return {
            "schema": SCHEMA,
            "steps": self.steps,
            "io_bytes": self.io_bytes,
            "facts": self.facts,
            "names": {name: place(p) for name, p in self.names.items()},
            "operations": [
                [o.kernel, o.version, o.section, o.label, [place(w) if isinstance(w, Place) else w for w in o.operands]]
                for o in self.operations
            ],
        }

    def save(self, path: str | os.PathLike) -> None:
        """Write as .npz without pickles, whole or not at all."""
        arrays = {
            "description": np.array(json.dumps(self._description())),
            "digest": np.array(self.digest),
            "constants": self.constants,
            "initial_state": self.initial_state,
        }
        replace_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike) -> Program:
        """Read a saved Program; raises ProgramError if it is damaged or of another schema."""

        def place(p: list) -> Place:
            return Place(p[0], p[1], p[2], tuple(p[3]))

        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                d = json.loads(str(file["description"]))
                if d["schema"] != SCHEMA:
                    raise ProgramError(f"{path}: schema = {d['schema']}: must be {SCHEMA}; build the controller again")
                program = cls(
                    tuple(
                        Operation(k, v, s, tuple(place(w) if isinstance(w, list) else w for w in words), label)
                        for k, v, s, label, words in d["operations"]
                    ),
                    _read_block(file, "constants"),
                    _read_block(file, "initial_state"),
                    d["io_bytes"],
                    {name: place(p) for name, p in d["names"].items()},
                    d["steps"],
                    d["facts"],
                )
                if program.digest != str(file["digest"]):
                    raise ProgramError(f"{path}: the content does not match its hash; build the controller again")
                return program
        except ProgramError:
            raise
        except Exception as error:
            raise ProgramError(f"{path}: not a saved Program ({type(error).__name__}: {error})") from error


def _read_block(file: Any, name: str) -> np.ndarray:
    """A one-dimensional uint8 array of an .npz, read in pieces to where it stays."""
    with file.zip.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        if version != (1, 0) or len(shape) != 1 or dtype != np.uint8:
            raise ValueError(f"{name} is no block of bytes")
        block, done = aligned(shape[0]), 0
        while piece := stream.read(1 << 20):
            block[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
    if done != block.size:
        raise ValueError(f"{name} has {done} bytes of {block.size}")
    return block


class Bound:
    """A Program with its own state and io block, ready to run: ``bound.tick()``.

    state, io : (bytes,) uint8 blocks; `array(name)` gives named views into them
    table : address of the bound table
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.constants = program.constants
        self.state = aligned(program.initial_state.size)
        self.state[:] = program.initial_state
        if not 0 <= program.io_bytes < 1 << 40:
            raise ProgramError(f"io_bytes = {program.io_bytes}: must be from 0")
        self.io = aligned(program.io_bytes)
        self._table = aligned(8 * WORDS * (1 + len(program.operations))).view(np.int64).reshape(-1, WORDS)
        self._fill_table()
        self.table = int(self._table.ctypes.data)
        self._tick = _tick.tick_function()

    def _blocks(self) -> dict[int, np.ndarray]:
        return {PROGRAM: self.constants, STATE: self.state, IO: self.io}

    def address(self, place: Place | str) -> int:
        """Address of a named array, bounds checked."""
        p = self.program.names[place] if isinstance(place, str) else place
        block = self._blocks().get(p.kind)
        try:
            shaped = all(n >= 0 for n in p.shape) and p.offset % np.dtype(p.dtype).itemsize == 0
        except TypeError:
            shaped = False
        if block is None or not shaped or p.offset < 0 or p.offset + p.n_bytes > block.size:
            raise ProgramError(f"a place of shape {p.shape}, dtype {p.dtype}, at {p.offset} lies outside its block")
        return int(block.ctypes.data) + p.offset

    def _fill_table(self) -> None:
        operations = self.program.operations
        sections = [o.section for o in operations]
        if sections != sorted(sections) or not set(sections) <= {PRE, STEP, POST}:
            raise ProgramError("operations are not in the order of their sections")
        if not 1 <= self.program.steps < 1 << 32:
            raise ProgramError(f"steps = {self.program.steps}: must be at least 1 a tick")
        if "clock" not in self.program.names or self.program.names["clock"].n_bytes != 16:
            raise ProgramError("a Program needs a clock of two numbers")
        for row, operation in zip(self._table[1:], operations, strict=True):
            found = kernel(operation.kernel, operation.version)
            self._check(operation, found.check)
            row[0] = found.address
            for k, operand in enumerate(operation.operands, 1):
                row[k] = self.address(operand) if isinstance(operand, Place) else operand
        header = self._table[0]
        header[_tick.BEFORE], header[_tick.IN_STEP], header[_tick.AFTER] = (
            sections.count(s) for s in (PRE, STEP, POST)
        )
        header[_tick.STEPS] = self.program.steps
        header[_tick.CLOCK] = self.address("clock")

    def _check(self, operation: Operation, check: Callable | None) -> None:
        """Refuse a row that would lead its kernel out of its arrays."""
        where = f"{operation.kernel} of {operation.label}"
        if len(operation.operands) >= WORDS:
            raise ProgramError(f"{where}: {len(operation.operands)} operands: at most {WORDS - 1}")
        seen: list[int | Array] = []
        for operand in operation.operands:
            if isinstance(operand, Place):
                self.address(operand)
                start = self._blocks()[operand.kind][operand.offset :]
                seen.append(Array(start[: operand.n_bytes]))
            elif isinstance(operand, int) and not isinstance(operand, bool) and abs(operand) < 1 << 63:
                seen.append(operand)
            else:
                raise ProgramError(f"{where}: operand {operand!r}: must be a place or a whole number")
        try:
            if check is not None:
                check(*seen)
        except ProgramError as error:
            raise ProgramError(f"{where}: {error}") from None
        except (TypeError, ValueError) as error:
            raise ProgramError(f"{where}: its row has the wrong form: {error}") from None

    def array(self, name: str) -> np.ndarray:
        """The named array, a live view (read-only for constants)."""
        place = self.program.names[name]
        return place.view(self._blocks()[place.kind])

    def tick(self) -> None:
        """Run one tick on what stands in the io block."""
        self._tick(self.table)

    def reset(self) -> None:
        """Back to the initial state; the io block is cleared."""
        self.state[:] = self.program.initial_state
        self.io[:] = 0

    def restore(self, state: np.ndarray) -> None:
        """Continue from a copy of `state`."""
        if state.dtype != np.uint8 or state.shape != self.state.shape:
            raise ProgramError(f"a state of {state.size} {state.dtype}: this Program's has {self.state.size} uint8")
        self.state[:] = state
