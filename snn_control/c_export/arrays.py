"""The arrays of a Program in the exported C: the members of one struct, and constants.

The engine pads every array to 64 bytes, and stores inputs and state in two memory blocks. In C, inputs and state are
members of one struct without padding, the headers of spike lists are shorter, and input samples are float. A `Part`
maps elements of an engine's array to their position in the struct.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine import registry
from ..engine.kernels.neurons import Firing
from ..engine.kernels.spikes import HEADER
from ..engine.program import IO, PROGRAM, STATE, Operation, Place, Program
from ..engine.slots import SLOT_WORDS
from ..errors import ProgramError
from .parameters import parameters

__all__ = ["AGE_GIVEN", "Arrays", "CArray", "Part", "identifier", "unique", "used_words"]

SHORT = 8  # bytes in front of the indices of a spike list in C
AGE_GIVEN = 4  # the word of an input's header that only C has: whether the caller gave the age
SLOT = 5  # words of an input's header in C
ELEMENTS = {
    "float": "<f4", "double": "<f8", "int64_t": "<i8", "int32_t": "<i4", "uint32_t": "<u4", "uint16_t": "<u2",
    "uint8_t": "|u1", "int8_t": "|i1",
}  # fmt: skip
NAMES = {dtype: name for name, dtype in ELEMENTS.items()}
PAIR = "snn_pair"
#: words of kernels that are memory for a time, which C does not need
DROPPED = frozenset({"cells"})


@dataclass(frozen=True)
class Part:
    """Consecutive elements of an engine's array, and their position in the C struct.

    block : the engine's memory block, STATE or IO
    engine, dtype : offset of the first element in this block [bytes], and dtype of the elements there
    c, c_dtype : offset of the first element in the struct [bytes], and dtype of the elements there
    count : number of elements
    """

    block: int
    engine: int
    dtype: str
    c: int
    c_dtype: str
    count: int


@dataclass
class CArray:
    """An array in C: a member of the struct, or a constant.

    name : name of the array in C
    place : position of the array in the engine's memory
    c_type : C type of an element; "" for a ring of spike lists
    count : number of elements
    slots : number of spike lists in a ring, or of vectors in a delay line; 0 for other arrays
    stride : distance in the engine from one slot to the next [bytes]
    multiplicity : offset in a slot of the engine to the number of spikes of each listed neuron [bytes]; 0: always one
    neurons : maximum number of neurons in a spike list, or length of a vector in a delay line
    at : offset in the struct [bytes]
    """

    name: str
    place: Place
    c_type: str
    count: int
    slots: int = 0
    stride: int = 0
    multiplicity: int = 0
    neurons: int = 0
    at: int = 0
    parts: list[Part] = field(default_factory=list)

    @property
    def ring(self) -> bool:
        return not self.c_type

    @property
    def is_slot(self) -> bool:
        """Whether this array is the header of an input."""
        return self.place.kind == IO and self.place.shape == (SLOT_WORDS,) and self.name.endswith("_slot")

    @property
    def c_stride(self) -> int:
        """Size in C of one spike list of a ring, or of one vector of a delay line [bytes]."""
        if not self.ring:
            return 4 * self.neurons
        return SHORT + -(-(6 if self.multiplicity else 4) * self.neurons // 8) * 8

    @property
    def c_multiplicity(self) -> int:
        return SHORT + 4 * self.neurons if self.multiplicity else 0

    @property
    def element(self) -> int:
        """Alignment of the array in C [bytes]."""
        return 8 if self.ring else 4 if self.c_type == PAIR else np.dtype(ELEMENTS[self.c_type]).itemsize

    @property
    def n_bytes(self) -> int:
        if self.ring:
            return self.slots * self.c_stride
        return self.count * (8 if self.c_type == PAIR else self.element)

    def declaration(self) -> str:
        """Return the C declaration of this array as a member of the struct."""
        if not self.ring:
            return f"{self.c_type} {self.name}[{self.count}];"
        words = (self.c_stride - SHORT) // 4
        times = f"uint16_t times[{2 * (words - self.neurons)}]; " if self.multiplicity else ""
        index = self.neurons if self.multiplicity else words
        return f"struct {{ int64_t count; uint32_t index[{index}]; {times}}} {self.name}[{self.slots}];"

    def mapped(self) -> Iterator[Part]:
        """Yield the parts of this member; its position ``at`` in the struct must be set."""
        kind, first, dtype = self.place.kind, self.place.offset, self.place.dtype
        if self.ring:
            for k in range(self.slots):
                a, c = first + k * self.stride, self.at + k * self.c_stride
                yield Part(kind, a, "<i8", c, "<i8", 1)
                yield Part(kind, a + HEADER, "<u4", c + SHORT, "<u4", self.neurons)
                if self.multiplicity:
                    yield Part(kind, a + self.multiplicity, "<u2", c + self.c_multiplicity, "<u2", self.neurons)
        elif self.slots:
            for k in range(self.slots):
                yield Part(kind, first + k * self.stride, "<f4", self.at + k * self.c_stride, "<f4", self.neurons)
        elif self.c_type == PAIR:
            yield Part(kind, first, "<u4", self.at, "<u4", 2 * self.count)
        else:
            n = min(self.count, self.place.n_bytes // np.dtype(dtype).itemsize)
            n = SLOT - 1 if self.is_slot else n  # the last word is C's own
            yield Part(kind, first, dtype, self.at, ELEMENTS[self.c_type], n)


def identifier(text: str) -> str:
    """Convert a text to a part of a C identifier, with underscores for all other characters."""
    word = re.sub(r"[^0-9A-Za-z]+", "_", text.replace("->", "_to_")).strip("_")
    return f"n{word}" if not word or word[0].isdigit() else word


def unique(name: str, taken: set[str], key: Callable[[str], str] = str) -> str:
    """Return a name, with a number after it if ``key(name)`` is in ``taken``, and add it to ``taken``."""
    new, k = name, 2
    while key(new) in taken:
        new, k = f"{name}_{k}", k + 1
    taken.add(key(new))
    return new


def used_words(operation: Operation) -> Iterator[tuple[str, str, int | Place]]:
    """Yield name, C type and operand of each word in an operation's row, the arguments of the operation's kernel."""
    row = parameters(registry.kernel(operation.kernel, operation.version))
    for (name, kind), operand in zip(row.items(), operation.operands, strict=True):
        yield name, kind, operand


class Arrays:
    """All arrays of a Program that the exported C needs.

    taken : names that no array may have

    members : members of the struct, in their order
    constants : constant arrays; arrays with equal contents appear once
    n_bytes : size of the members [bytes]
    """

    def __init__(self, program: Program, taken: Set[str] = frozenset()) -> None:
        self._program = program
        self._rings: dict[int, CArray] = {}
        self._lines: dict[int, tuple[int, int, int]] = {}
        self._flags: dict[int, int] = {}
        self._pairs: set[tuple[int, int]] = set()
        self._samples: set[Place] = set()
        self._taken = set(taken)
        self._roots: dict[int, list[CArray]] = {PROGRAM: [], STATE: [], IO: []}
        self._find_shapes()
        for place, label in self._places():
            self._add(place, label)
        self._contents = self._distinct()
        self.constants = list(self._contents.values())
        self.members = self._laid_out([*self._roots[STATE], *self._roots[IO]])
        self.n_bytes = -(-(self.members[-1].at + self.members[-1].n_bytes) // 8) * 8

    # what the rows say about the arrays ------------------------------------------------------------------------
    def _find_shapes(self) -> None:
        """Find arrays with a special layout in C, from the Program's operations.

        These are rings of spike lists, delay lines, flags, input samples, and synapses stored as pairs.
        """
        for operation in self._program.operations:
            words: dict[str, Any] = {name: operand for name, _, operand in used_words(operation)}
            row = registry.kernel(operation.kernel).row.values()
            if any(isinstance(word, Firing) for word in row):
                ring, numbers = words["spikes"], [words[k] for k in ("slots", "stride", "multiplicity", "n")]
                self._rings[ring.offset] = CArray("", ring, "", 0, *numbers)
                self._flags[words["flags"].offset] = words["n"]
            if operation.kernel == "remember":
                self._lines[words["line"].offset] = words["slots"], words["stride"], words["n"]
            for _, kind, operand in used_words(operation):
                if isinstance(operand, Place) and operand.n_bytes and kind.endswith("snn_pair *"):
                    self._pairs.add((operand.kind, operand.offset))
                if isinstance(operand, Place) and kind.endswith("snn_value *"):
                    self._samples.add(operand)
        for rule in self._program.facts.learning:
            weights = self._program.names[f"{rule.title}.weights"]
            if rule.sparse and weights.n_bytes:
                self._pairs.add((STATE, weights.offset))

    def _places(self) -> list[tuple[Place, str]]:
        """Return the memory places that operations use, each with a name, in the order of their offsets.

        A place that contains other places comes before them.
        """
        found: dict[tuple[int, int, int], tuple[Place, str]] = {}
        cleared: list[tuple[Place, str]] = []
        for operation in self._program.operations:
            for name, _, operand in used_words(operation):
                if not isinstance(operand, Place) or not operand.n_bytes or name in DROPPED:
                    continue
                use = operand, f"{operation.label}_{name}"
                if operation.kernel == "clear":  # words of an array of another type
                    cleared.append(use)
                else:
                    found.setdefault((operand.kind, operand.offset, operand.n_bytes), use)
        starts = {key[:2] for key in found}
        for name, place in self._program.names.items():
            if place.kind == STATE or name == "control" or (place.kind, place.offset) in starts:
                found.setdefault((place.kind, place.offset, place.n_bytes), (place, name))
        for place, name in cleared:
            if not any(p.kind == place.kind and p.offset == place.offset for p, _ in found.values()):
                found[(place.kind, place.offset, place.n_bytes)] = place, name
        return sorted(found.values(), key=lambda pair: (pair[0].kind, pair[0].offset, -pair[0].n_bytes))

    def _add(self, place: Place, label: str) -> None:
        roots = self._roots[place.kind]
        if roots:
            last = roots[-1].place
            if place.offset < last.offset + last.n_bytes:
                if place.offset + place.n_bytes > last.offset + last.n_bytes:
                    raise ProgramError(f"arrays at {place.offset} and {last.offset} overlap in part")
                return
        named = [n for n, p in self._program.names.items() if (p.kind, p.offset) == (place.kind, place.offset)]
        name = unique(identifier(named[0] if named else label), self._taken)
        self._taken.add(f"{name}_0")  # constant with the array's initial values
        roots.append(self._made(place, name))

    def _made(self, place: Place, name: str) -> CArray:
        if place.kind == STATE and place.offset in self._rings:
            ring = self._rings[place.offset]
            ring.name = name
            return ring
        if (place.kind, place.offset) in self._pairs:
            return CArray(name, place, PAIR, place.n_bytes // 8)
        dtype = np.dtype(place.dtype)
        count = place.n_bytes // dtype.itemsize
        if place.kind == STATE and place.offset in self._lines:
            slots, stride, n = self._lines[place.offset]
            return CArray(name, place, "float", slots * n, slots, stride, neurons=n)
        if place.kind == PROGRAM:
            return CArray(name, place, NAMES[place.dtype], count)
        count = self._flags.get(place.offset, count) if place.kind == STATE else count
        if CArray(name, place, "int64_t", SLOT).is_slot:
            return CArray(name, place, "int64_t", SLOT)
        kind = "float" if place in self._samples else NAMES[place.dtype]
        size = np.dtype(ELEMENTS[kind]).itemsize
        if size < 4:
            count = -(-count * size // 4) * 4 // size
        return CArray(name, place, kind, count)

    # constants and members -------------------------------------------------------------------------------------
    def _distinct(self) -> dict[tuple[str, bytes], CArray]:
        """Return the constants without duplicates: (C type, content) -> the first array with this content."""
        found: dict[tuple[str, bytes], CArray] = {}
        for one in self._roots[PROGRAM]:
            found.setdefault(self._content(one), one)
        return found

    def _content(self, one: CArray) -> tuple[str, bytes]:
        p = one.place
        return one.c_type, self._program.constants[p.offset : p.offset + p.n_bytes].tobytes()

    def _laid_out(self, roots: list[CArray]) -> list[CArray]:
        """Order the members by alignment, and set their positions in the struct.

        Members that a restart resets are adjacent, so that few statements reset them.
        """
        restarts = self._program.names["restarts"].view(self._program.constants).tolist()

        def key(one: CArray) -> tuple[int, bool]:
            reset = self.is_within(one, restarts)
            return -one.element, reset if one.element == 8 else not reset

        at = 0
        members = sorted(roots, key=key)
        for one in members:
            one.at = at
            at += one.n_bytes
            one.parts = list(one.mapped())
        return members

    @staticmethod
    def is_within(one: CArray, ranges: list[list[int]]) -> bool:
        """Return whether a member's array in the engine is within one of the ranges (offset, bytes) of the state."""
        p = one.place
        return p.kind == STATE and any(a <= p.offset and p.offset + p.n_bytes <= a + n for a, n in ranges)

    def find(self, place: Place) -> tuple[CArray, int]:
        """Return the array that contains a place in the engine's memory, and the index of the place's first element."""
        for one in self._roots[place.kind]:
            first = place.offset - one.place.offset
            if 0 <= first < max(1, one.place.n_bytes):
                own = self._contents[self._content(one)] if place.kind == PROGRAM else one
                return own, first // np.dtype(one.place.dtype).itemsize
        raise KeyError(place)

    def named(self, name: str) -> CArray:
        """Return the array in C whose name in the engine is ``name``."""
        return self.find(self._program.names[name])[0]

    def image(self) -> np.ndarray:
        """Return the bytes of the struct with the initial state, (n_bytes,) uint8."""
        image = np.zeros(self.n_bytes, np.uint8)
        for one in self.members:
            for part in one.parts:
                if part.block == STATE:
                    n = np.dtype(part.dtype).itemsize * part.count
                    given = self._program.initial_state[part.engine : part.engine + n].view(part.dtype)
                    put = given.astype(part.c_dtype).view(np.uint8)
                    image[part.c : part.c + put.size] = put
        return image
