"""The tick of a Program as C statements: one kernel call for each operation, with literal numbers as arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..engine.program import POST, PRE, PROGRAM, STEP, Operation, Place, Program
from ..errors import ProgramError
from .arrays import DROPPED, Arrays, CArray, used_words
from .kernel_text import FUNCTION, wrapped
from .literals import comment, literal
from .parameters import INT32

__all__ = ["member", "statements"]


def member(one: CArray, name: str, first: int = 0) -> str:
    """Return the C expression for the address of element ``first`` of an array.

    name : C name of the controller
    """
    base = f"{name}_{one.name}" if one.place.kind == PROGRAM else f"s->{one.name}"
    return base if not first else f"&{base}[{first}]"


class _Call:
    """The C call of a kernel for one operation of a Program."""

    def __init__(self, arrays: Arrays, name: str, operation: Operation) -> None:
        self.arrays, self.name, self.operation = arrays, name, operation
        self.words = list(used_words(operation))
        self.operands: dict[str, Any] = {word: operand for word, _, operand in self.words}

    def text(self) -> str:
        """Return the call, after a comment that names the part of the controller that it computes."""
        arguments = [self._argument(*word) for word in self.words]
        call = wrapped(f"{FUNCTION}{self.operation.kernel}(", arguments, ");")
        return f"/* {comment(self.operation.label)} */\n{call}"

    def _array(self, word: str) -> CArray | None:
        operand = self.operands.get(word)
        return self.arrays.find(operand)[0] if isinstance(operand, Place) and operand.n_bytes else None

    def _argument(self, word: str, kind: str, operand: int | Place) -> str:
        if not isinstance(operand, Place):
            return self._number(word, kind, operand)
        if word in DROPPED or not operand.n_bytes:
            return "0"
        one, first = self.arrays.find(operand)
        if one.ring or one.slots:
            return member(one, self.name)
        text, base = member(one, self.name, first), kind.removesuffix(" *").removeprefix("const ")
        if self.operation.kernel == "clear":
            return f"(float *)(void *){text}"
        if base not in (one.c_type, "void") and not (base == "snn_value" and one.c_type == "float"):
            return f"({kind})({'const ' * kind.startswith('const')}void *){text}"
        if operand.kind == PROGRAM and not kind.startswith("const"):
            return f"({kind}){text}"  # a current to which nothing adds is the bias; the kernel does not write to it
        return text

    def _number(self, word: str, kind: str, number: int) -> str:
        """Return the C literal of a numeric argument. Strides and offsets of the engine are replaced by those in C.

        word : name of the argument
        kind : C type of the argument
        """
        if word in ("stride", "multiplicity", "post_stride"):
            source = self._array("post_spikes") if word == "post_stride" else None
            source = source or self._array("spikes") or self._array("line") or self._array("x")
            if source is not None and source.slots:
                return str(source.c_multiplicity if word == "multiplicity" else source.c_stride)
        if word == "n" and self.operation.kernel == "clear":
            one = self._array("y")
            return str(min(number, one.n_bytes // 4) if one is not None else number)
        if kind == INT32 and not -(1 << 31) <= number < 1 << 31:
            where = f"kernel '{self.operation.kernel}' of {self.operation.label}"
            raise ProgramError(f"{where} cannot be exported to C: {word} = {number}: must be below 2^31")
        return literal(number)


def statements(program: Program, arrays: Arrays, name: str) -> Iterator[str]:
    """Yield the lines of C code that compute one tick of a Program.

    name : C name of the controller
    """
    calls: dict[int, list[str]] = {PRE: [], STEP: [], POST: []}
    for operation in program.operations:
        calls[operation.section].append(_Call(arrays, name, operation).text())
    lines = {section: [line for call in found for line in call.split("\n")] for section, found in calls.items()}
    yield from lines[PRE]
    if program.steps == 1:
        yield from lines[STEP]
        yield "s->clock[1]++;"
    else:
        yield f"for (step = 0; step < {program.steps}; step++) {{"
        yield from ("    " + line for line in lines[STEP])
        yield "    s->clock[1]++;"
        yield "}"
    yield from lines[POST]
    yield "s->clock[0]++;"
