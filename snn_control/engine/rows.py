"""The operands of a kernel, declared in the signature of its function.

    @kernel()
    def add(n: count, y: written("f32", "n"), x: read("f32", "n")):
        "y += x."
        for i in range(n):
            y[i] += x[i]

An operation of a Program consists of a kernel's name and a *row* of operands. Each operand, called a *word* of the row,
is a number or an array. When the Program is bound, the words become int64 numbers and memory addresses. The
declarations in the signature have three uses:

- They define the C function ``void(int64 row)`` that the tick calls. It converts the words to numbers and array views
  and calls the function of the kernel.
- `Kernel.check` checks the operands when a Program is bound, so that the kernel cannot access memory outside its
  arrays.
- `Kernel.operands` puts the operands that builders pass as keywords into the order of the row.

A parameter may consist of several words, for example a spike list: see `Word`.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..errors import ProgramError
from . import memory
from .operand_arrays import Array, followed, need, writable

__all__ = [
    "WORDS", "Kernel", "Number", "Record", "Scalars", "Table", "View", "Word", "address", "count", "counter",
    "flag", "in_words", "kernel", "number", "optional", "read", "scalar", "size_of", "written",
]  # fmt: skip

#: words of a row in the bound table, the kernel's own address included
WORDS = 24
#: element types, named as the views in `snn_control.engine.memory` -> bytes
BYTES = {"u8": 1, "i8": 1, "u16": 2, "u32": 4, "i32": 4, "f32": 4, "u64": 8, "i64": 8, "f64": 8}
#: a size: a number, an expression of numbers of the row, or, if compiled code does not need it, a function of the
#: operands
Size = int | str | Callable[[Any], int]
Names = tuple[str, ...]  # an alias, because `Record.tuple` hides the word in that class
UNKNOWN = str(1 << 40)  # larger than any array


class Word:
    """Declares one parameter of a kernel. In the operation list of a Program, the parameter is one or several operands.

    A subclass defines:

    words : names of the operands; if empty, the parameter is one operand with the name of the parameter
    uses : functions and types that the source code of `code` refers to
    code : method that returns source code, which converts the operands to the parameter's value
    check : method that checks the operands
    """

    uses: tuple[Any, ...] = ()
    words: tuple[str, ...] = ()

    def names(self, parameter: str) -> tuple[str, ...]:
        return self.words or (parameter,)

    def code(self, parameter: str, w: Mapping[str, str]) -> list[str]:
        """Return lines of source code that convert the operands to the value of ``parameter``.

        w : name of an operand -> name of the int64 variable with the operand
        """
        raise NotImplementedError

    def check(self, parameter: str, w: Any) -> None:
        """Raise ProgramError if the operands of this parameter break a rule.

        w : all operands of the kernel; ``w.NAME`` is an int or an `Array`
        """
        raise NotImplementedError

    def default(self, parameter: str) -> dict[str, int]:
        """Return the default values of optional operands: name of an operand -> default."""
        return {}

    def __str__(self) -> str:
        """Return the description of the parameter for the docs: the first paragraph of the class's docstring."""
        text = " ".join((type(self).__doc__ or "").partition("\n\n")[0].split())
        return text.rstrip(".")


@dataclass(frozen=True)
class Number(Word):
    """A whole number from ``least`` to ``most``."""

    least: int = -(1 << 63)
    most: int = (1 << 63) - 1

    def code(self, parameter: str, w: Mapping[str, str]) -> list[str]:
        return [f"{parameter} = {w[parameter]}"]

    def check(self, parameter: str, w: Any) -> None:
        value = getattr(w, parameter)
        if isinstance(value, Array) or not self.least <= value <= self.most:
            raise ProgramError(f"{parameter} {value!r}: must be a number from {self.least} to {self.most}")

    def __str__(self) -> str:
        low = "" if self.least == -(1 << 63) else f" >= {self.least}"
        return f"number{low}" if self.most >= (1 << 40) - 1 else f"number {self.least} .. {self.most}"


@dataclass(frozen=True)
class View(Word):
    """An array of ``size`` elements.

    written : true if the kernel writes to the array
    followed : true if the array contains counts or indices that the kernel uses without checks; no other operation may
        then write to the array
    missing : true if the operand may be 0 for a missing array; the view then has no elements
    when : name of another operand; if this operand is 0, the kernel does not access the array
    form : the value that the kernel receives: "view" (an array view), "scalar" (the first element) or "address"
    """

    dtype: str
    size: Size = 1
    written: bool = False
    followed: bool = False
    missing: bool = False
    when: str = ""
    form: str = "view"

    def code(self, parameter: str, w: Mapping[str, str]) -> list[str]:
        at = w[parameter]
        if self.form == "address":
            return [f"{parameter} = {at}"]
        if self.form == "scalar":
            return [f"{parameter} = {self.dtype}({at}, 1)[0]"]
        size = UNKNOWN if callable(self.size) else in_words(self.size, w)
        if there := at if self.missing else w.get(self.when, ""):
            size = f"{size} if {there} != 0 else 0"
        return [f"{parameter} = {self.dtype}({at}, {size})"]

    def check(self, parameter: str, w: Any) -> None:
        value = getattr(w, parameter)
        if self.written:
            writable(value)
        if self.followed:
            followed(value)
        if (self.missing and not isinstance(value, Array) and value == 0) or (self.when and not getattr(w, self.when)):
            return
        need(size_of(self.size, w), BYTES[self.dtype], value)
        kinds = ("u1", f"u{BYTES[self.dtype]}", f"{self.dtype[0]}{BYTES[self.dtype]}")  # bits, bits, declared
        if np.dtype(value.dtype) not in map(np.dtype, kinds):
            raise ProgramError(f"{parameter} of dtype {value.dtype}: must be {self.dtype}")

    def default(self, parameter: str) -> dict[str, int]:
        return {parameter: 0} if self.missing or self.when else {}

    def __str__(self) -> str:
        size = self.size.__name__.strip("_") if callable(self.size) else self.size
        there = " or 0" * self.missing + (f" where {self.when}" if self.when else "")
        return f"{self.dtype}[{size}]{there}, {'written' if self.written else 'read'}"


def in_words(expression: Size, w: Mapping[str, str]) -> str:
    """Return the size of an array as source code, with names of variables instead of names of operands.

    w : name of an operand -> name of the variable
    """
    return re.sub(r"\b[^\W\d]\w*", lambda name: w[name[0]], str(expression))


_compiled = functools.cache(lambda expression: compile(expression, "<size>", "eval"))


def size_of(size: Size, w: Any) -> int:
    """Compute the size of an array from the operands ``w``, as an int."""
    if callable(size):
        return size(w)
    return size if isinstance(size, int) else eval(_compiled(size), {"__builtins__": {}}, vars(w))


def read(dtype: str, size: Size, **more: Any) -> View:
    """Declare an array that the kernel only reads."""
    return View(dtype, size, **more)


def written(dtype: str, size: Size, **more: Any) -> View:
    """Declare an array to which the kernel writes."""
    return View(dtype, size, written=True, **more)


def optional(array: View) -> View:
    """Declare an array that an operation may leave out. The operand is then 0, and the view has no elements."""
    return replace(array, missing=True)


def address(dtype: str, size: Size, **more: Any) -> View:
    """Declare an array whose address the kernel receives instead of a view, to compute addresses in the array."""
    return View(dtype, size, form="address", **more)


def scalar(dtype: str) -> View:
    """Declare an array with one element, whose value the kernel receives."""
    return View(dtype, 1, form="scalar")


class Table(Word):
    """A matrix with named rows: the kernel receives a named tuple with one array view of ``size`` elements per row."""

    def __init__(self, dtype: str, size: Size, *rows: str, written: bool = False, when: str = "") -> None:
        self.dtype, self.size, self.rows, self.uses = dtype, size, rows, (namedtuple("_".join(("Table", *rows)), rows),)
        self._whole = View(dtype, lambda w: len(rows) * size_of(size, w), written, when=when)

    def rows_of(self, data: np.ndarray, n: int) -> Any:
        """Return the rows of a matrix as a named tuple of views with ``n`` elements.

        data : (bytes,) uint8, the matrix
        """
        rows = data[: len(self.rows) * n * BYTES[self.dtype]].view(f"{self.dtype[0]}{BYTES[self.dtype]}")
        return self.uses[0](*rows.reshape(len(self.rows), n))

    def code(self, parameter: str, w: Mapping[str, str]) -> list[str]:
        n, at, step = in_words(self.size, w), w[parameter], BYTES[self.dtype]
        views = ", ".join(f"{self.dtype}({at} + {step * k} * ({n}), {n})" for k in range(len(self.rows)))
        return [f"{parameter} = {self.uses[0].__name__}({views})"]

    def check(self, parameter: str, w: Any) -> None:
        self._whole.check(parameter, w)

    def default(self, parameter: str) -> dict[str, int]:
        return self._whole.default(parameter)

    def __str__(self) -> str:
        kind = "written" if self._whole.written else "read"
        return f"{self.dtype}[{len(self.rows)}, {self.size}], {kind}: rows {', '.join(self.rows)}"


class Scalars(Table):
    """Named numbers in one array: the kernel receives a named tuple of these numbers."""

    def __init__(self, dtype: str, *names: str) -> None:
        super().__init__(dtype, 1, *names)

    def code(self, parameter: str, w: Mapping[str, str]) -> list[str]:
        values = ", ".join(f"{self.dtype}({w[parameter]}, {len(self.rows)})[{k}]" for k in range(len(self.rows)))
        return [f"{parameter} = {self.uses[0].__name__}({values})"]

    def __str__(self) -> str:
        return f"{self.dtype}[{len(self.rows)}], read: {', '.join(self.rows)}"


class Record(Word):
    """Several operands that belong together. Each is declared like a parameter; the kernel receives a named tuple."""

    def __init__(self, **fields: Word) -> None:
        self.fields = fields

    @functools.cached_property
    def tuple(self) -> type:
        """Class of the named tuple that the kernel receives. The class is created when code is generated."""
        return namedtuple("_".join(("Record", *self.fields)), self.fields)

    @property
    def uses(self) -> Any:  # type: ignore[override]  # lazily: an entry's code needs them, checks do not
        return (self.tuple, *(one for word in self.fields.values() for one in word.uses))

    def names(self, parameter: str) -> Names:
        return tuple(one for name, word in self.fields.items() for one in word.names(name))

    def statements(self, w: Mapping[str, str]) -> list[str]:
        """Return lines of source code that assign each field's value to a variable with the field's name.

        w : name of an operand -> name of the int64 variable with the operand
        """
        return [line for name, word in self.fields.items() for line in word.code(name, w)]

    def code(self, parameter: str, w: Mapping[str, str]) -> list[str]:
        return [*self.statements(w), f"{parameter} = {self.tuple.__name__}({', '.join(self.fields)})"]

    def check(self, parameter: str, w: Any) -> None:
        for numbers in (True, False):  # numbers first, because the sizes of arrays depend on them
            for name, word in self.fields.items():
                if isinstance(word, Number) is numbers:
                    word.check(name, w)

    def default(self, parameter: str) -> dict[str, int]:
        return {one: n for name, word in self.fields.items() for one, n in word.default(name).items()}

    def __str__(self) -> str:
        return f"{super().__str__()}. Words: {'; '.join(f'{name} {word}' for name, word in self.fields.items())}"


count, flag, number = Number(1, (1 << 40) - 1), Number(0, 1), Number()
#: int64[1], a counter that a kernel increases
counter = written("i64", 1)


@dataclass(frozen=True)
class Kernel:
    """A function that computes one operation of a tick, with the declarations of its operands.

    name : unique name, by which Programs refer to the kernel
    version : number that increases when the kernel's results or operands change, so that a Program for another version
        is rejected
    function : plain function of numbers and arrays, with one parameter for each entry of ``row``
    row : name of a parameter -> its declaration
    must : function (all operands by name) that raises ProgramError if a rule about several operands is broken
    """

    name: str
    version: int
    function: Callable
    row: Mapping[str, Word] = field(repr=False)
    must: Callable[[Any], None] | None = None

    @functools.cached_property
    def record(self) -> Record:
        """Declarations of all parameters, as one `Record`."""
        return Record(**self.row)

    @functools.cached_property
    def words(self) -> tuple[str, ...]:
        """Names of the operands in their order. They follow word 0 of a row, which is the address of the kernel."""
        return self.record.names("")

    @functools.cached_property
    def address(self) -> int:
        """Address of the kernel's C function, which is compiled at the first use of this attribute.

        Raises ProgramError if the compiled code can raise an exception.
        """
        from .compile import compile_callback  # here: a kernel's digest must not depend on it

        return compile_callback(self.entry, "void(int64)", may_raise=False)

    @functools.cached_property
    def entry(self) -> Callable:
        """Python function ``entry(row)`` from which the kernel's C function is compiled.

        The function converts the int64 words at the address ``row`` to parameters and calls ``function``.
        """
        w = {name: f"_{name}" for name in self.words}
        lines = [f"_{name} = word(row, {k})" for k, name in enumerate(self.words, 1)]
        lines += self.record.statements(w)
        lines.append(f"function({', '.join(self.row)})")
        source = f"def {self.name}(row):\n" + "".join(f"    {line}\n" for line in lines)
        scope: dict[str, Any] = {name: getattr(memory, name) for name in ("word", *BYTES)}
        scope |= {one.__name__: one for one in self.record.uses}
        scope["function"] = register_jitable(forceinline=True)(self.function)
        exec(compile(source, f"<row of {self.name}>", "exec"), scope)
        entry = scope[self.name]
        entry.__module__, entry.__doc__ = self.function.__module__, self.function.__doc__
        return self.__dict__.setdefault("entry", entry)  # of threads that get here at once, all compile the same one

    def operands(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return operands in the order of the row, with default values for missing ones.

        Raise TypeError for unknown operands, and for missing operands without a default.

        given : name of an operand -> number or `Place`
        """
        found: dict[str, Any] = {**self.record.default(""), **given}
        if set(found) != set(self.words):
            missing, unknown = sorted(set(self.words) - set(found)), sorted(set(found) - set(self.words))
            raise TypeError(f"kernel '{self.name}': missing {missing}, not known {unknown}")
        return tuple(found[name] for name in self.words)

    def check(self, operands: Sequence[Any]) -> None:
        """Raise ProgramError if these operands would let the kernel access memory outside its arrays."""
        if len(operands) != len(self.words):
            raise ProgramError(f"{len(operands)} operands: must be {len(self.words)}: {', '.join(self.words)}")
        w = SimpleNamespace(**dict(zip(self.words, operands)))
        self.record.check("", w)
        if self.must is not None:
            self.must(w)


def kernel(version: int = 1, must: Callable[[Any], None] | None = None) -> Callable[[Callable], Kernel]:
    """Decorator that makes a `Kernel` from a function whose parameters are annotated with their declarations."""

    def make(function: Callable) -> Kernel:
        row = {name: one.annotation for name, one in inspect.signature(function).parameters.items()}
        for name, word in row.items():
            if not isinstance(word, Word):
                fix = "; leave out `from __future__ import annotations`" if isinstance(word, str) else ""
                raise TypeError(f"{function.__qualname__}: {name} is annotated with {word!r}: must be a Word{fix}")
        made = Kernel(function.__name__, version, function, row, must)
        if len(made.words) >= WORDS:
            raise TypeError(f"{made.name}: {len(made.words)} words: a row has room for {WORDS - 1}")
        return made

    return make
