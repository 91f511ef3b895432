"""The Program: a controller compiled for one network step dt and one tick period.

A Program consists of a list of operations (name and version of a kernel, operands) and one read-only block of
constants. An operand is a number, or an array in one of three blocks of memory:

program  constants
state    all numbers that change while the controller runs
io       inputs and commands

A Program contains no memory addresses. Binding checks all bounds and computes the addresses
(`snn_control.engine.bound`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..errors import ProgramError
from ..files import Arrays, replace_file
from .facts import NOTHING_KNOWN, Facts, from_json

__all__ = ["ALIGN", "Operation", "Place", "Program", "aligned", "element", "up"]

SCHEMA = 4
ALIGN = 64
MOST_IO = 1 << 34  # bytes; a file holds only the size of the io block
NUMBER, PROGRAM, STATE, IO = range(4)  # kinds of operand
PRE, STEP, POST = range(3)  # sections of a tick


def up(n_bytes: int) -> int:
    """Round a number of bytes up to a multiple of 64, the alignment of all arrays."""
    return -(-n_bytes // ALIGN) * ALIGN


def aligned(n_bytes: int, *rows: int) -> np.ndarray:
    """Return zeros, (*rows, n_bytes) uint8, in which every row begins at a memory address divisible by 64."""
    size = math.prod(rows) * up(n_bytes)
    block = np.zeros(size + ALIGN, np.uint8)
    start = -block.ctypes.data % ALIGN
    return block[start : start + size].reshape(*rows, up(n_bytes))[..., :n_bytes]


@dataclass(frozen=True)
class Place:
    """The description of an array in a block of memory: kind of block, offset [bytes], dtype and shape."""

    kind: int
    offset: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return int(np.dtype(self.dtype).itemsize) * math.prod(self.shape)

    def view(self, block: np.ndarray) -> np.ndarray:
        """Return the array as a view of ``block``, (bytes,) uint8."""
        return block[self.offset : self.offset + self.n_bytes].view(self.dtype).reshape(self.shape)


def element(place: Place, first: int, count: int = 1) -> Place:
    """Return the `Place` of a slice of an array: ``[first : first + count]`` along its first axis."""
    stride = place.n_bytes // place.shape[0]
    return Place(place.kind, place.offset + first * stride, place.dtype, (count, *place.shape[1:]))


@dataclass(frozen=True)
class Operation:
    """One call of a kernel in a tick.

    section : PRE, STEP or POST: the operation runs before the network steps, in each step, or after the steps
    operands : numbers and arrays, in the order of the kernel's signature
    label : name of the controller's element that the operation computes, for reports
    """

    kernel: str
    version: int
    section: int
    operands: tuple[int | Place, ...]
    label: str = ""


@dataclass(frozen=True, eq=False)
class Program:
    """A controller compiled for one network step dt and one tick period, which can be bound to memory.

    operations : in the order in which they run
    constants : (bytes,) uint8, read-only: parameters, weights and connectivity
    initial_state : (bytes,) uint8, the state after a reset
    io_bytes : size of the block for inputs and commands
    names : name of an array, e.g. ``motor.v``, ``camera.slot``, ``pan.command`` -> its `Place`
    steps : number of network steps in a tick
    facts : facts about the controller, for reports and for code that runs it
    """

    operations: tuple[Operation, ...]
    constants: np.ndarray
    initial_state: np.ndarray
    io_bytes: int
    names: dict[str, Place]
    steps: int
    facts: Facts = NOTHING_KNOWN

    def __post_init__(self) -> None:
        for name in ("constants", "initial_state"):
            block = getattr(self, name)
            if block.ctypes.data % ALIGN:  # kernels use the constants in place
                block = aligned(block.size)
                block[:] = getattr(self, name)
                object.__setattr__(self, name, block)
            block.setflags(write=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let copies and unpickled Programs have aligned and read-only blocks, like the original."""
        return type(self), tuple(getattr(self, one.name) for one in fields(self))

    @functools.cached_property
    def digest(self) -> str:
        """Hash of the Program's content. Programs with equal digests compute the same bits."""
        h = hashlib.sha256(json.dumps(self._description(), sort_keys=True, default=int).encode())
        h.update(self.constants.data)
        h.update(self.initial_state.data)
        return h.hexdigest()

    def _description(self) -> dict[str, Any]:
        def place(p: Place) -> list:
            return [p.kind, p.offset, p.dtype, list(p.shape)]

        operations = [
            [o.kernel, o.version, o.section, o.label, [place(w) if isinstance(w, Place) else w for w in o.operands]]
            for o in self.operations
        ]
        names = {name: place(p) for name, p in self.names.items()}
        numbers = {"schema": SCHEMA, "steps": self.steps, "io_bytes": self.io_bytes}
        return numbers | {"facts": asdict(self.facts), "names": names, "operations": operations}

    def save(self, path: str | os.PathLike) -> None:
        """Write the Program to an .npz file without pickled objects. The file is written completely or not at all."""
        arrays = {name: getattr(self, name) for name in ("constants", "initial_state")}
        arrays |= {"description": np.array(json.dumps(self._description())), "digest": np.array(self.digest)}
        replace_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike) -> Program:
        """Read a saved Program. Raise ProgramError if the file is damaged or has another schema version."""

        def place(p: list) -> Place:
            return Place(p[0], p[1], p[2], tuple(p[3]))

        try:
            with Arrays(path) as file:
                d = json.loads(str(file["description"]))
                if d["schema"] != SCHEMA:
                    raise ProgramError(f"{path}: schema = {d['schema']}: must be {SCHEMA}; build the controller again")
                operations = tuple(
                    Operation(k, v, s, tuple(place(w) if isinstance(w, list) else w for w in words), label)
                    for k, v, s, label, words in d["operations"]
                )
                blocks = _read_block(file, "constants"), _read_block(file, "initial_state"), d["io_bytes"]
                names = {name: place(p) for name, p in d["names"].items()}
                program = cls(operations, *blocks, names, d["steps"], from_json(Facts, "facts", d["facts"]))
                if not 0 <= program.io_bytes <= MOST_IO:
                    raise ProgramError(f"{path}: io_bytes = {program.io_bytes}: must be at most {MOST_IO:,}")
                if program.digest != str(file["digest"]):
                    raise ProgramError(f"{path}: the content does not match its hash; build the controller again")
                return program
        except ProgramError:
            raise
        except Exception as error:
            raise ProgramError(f"{path}: not a saved Program ({type(error).__name__}: {error})") from error


def _read_block(file: Arrays, name: str) -> np.ndarray:
    """Read a one-dimensional uint8 array of an .npz file into aligned memory, in pieces, to save memory."""
    with file.open(name) as (stream, shape, dtype):
        if len(shape) != 1 or dtype != np.uint8:
            raise ValueError(f"{name} is not a block of bytes")
        block, done = aligned(shape[0]), 0
        while piece := stream.read(1 << 20):
            block[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
    if done != block.size:
        raise ValueError(f"{name} has {done} bytes of {block.size}")
    return block
