"""Read a pickle as plain data: no name in it is imported, no object is created, and no function is called.

An object of a pickle becomes an `Inert`, which stores the class and the arguments of the object. The caller reads the
data that it needs from the `Inert`, and checks them. The caller must not compare, hash or print other data: a short
pickle can describe a nested value that contains one object so many times that its text or hash takes forever.
"""

from __future__ import annotations

import pickletools
from collections.abc import Container
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

__all__ = ["ENCODE", "NO_BYTES", "Inert", "as_bytes", "items_of", "read_pickle"]

MOST_OPERATIONS = 1 << 16  # of one pickle; each makes a value of at most a few hundred bytes
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
WITHOUT_EFFECT = {"PROTO", "FRAME", "READONLY_BUFFER"}
ENCODE, NO_BYTES = "_codecs encode", "__builtin__ bytes"  # how protocol 2 writes bytes


class _Name(NamedTuple):
    """A reference of a pickle to a class or function: module and name, with a space between them."""

    text: str


@dataclass(eq=False, repr=False, slots=True)
class Inert:
    """The description of an object in a pickle. The object itself is not created.

    name : module and name of the object's class, or of the function that creates it, with a space between them
    arguments : arguments of this class or function
    state : state that pickle would set after the creation, usually the attributes of the object
    items : keys and values, if the object is a dictionary
    """

    name: str
    arguments: Any = ()
    state: Any = None
    items: dict[str, Any] = field(default_factory=dict)


def read_pickle(stream: IO[bytes], known: Container[str], content: str) -> Any:
    """Return the value of one pickle of protocol 2 to 5, and move the stream to the first byte after the pickle.

    known : classes and functions to which the pickle may refer: module and name, with a space between them
    content : expected content of the pickle, for error messages

    Raises ValueError for an unknown operation, and for a reference that is not in ``known``.
    """
    machine = _Machine(known, content)
    for count, (operation, given, _) in enumerate(pickletools.genops(stream)):
        if count >= MOST_OPERATIONS:
            raise ValueError(f"its pickle has more than {MOST_OPERATIONS:,} operations")
        if operation.name == "STOP":
            return machine.stack.pop()
        if not (machine.push(operation.name, given) or machine.combine(operation.name, given)):
            raise ValueError(f"its pickle has the operation {operation.name}, which {content} do not need")
    raise ValueError("its pickle has no end")


class _Machine:
    def __init__(self, known: Container[str], content: str) -> None:
        self.known, self.content = known, content
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def push(self, operation: str, given: Any) -> bool:
        """Run an operation of the pickle that adds a value to the stack. Return False for any other operation."""
        stack = self.stack
        if operation in LITERALS:
            stack.append(given)
        elif operation in CONSTANTS:
            stack.append(CONSTANTS[operation])
        elif operation in EMPTY:
            stack.append(EMPTY[operation]())
        elif operation in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[given])
        elif operation == "GLOBAL":
            stack.append(self.name(given))
        elif operation == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            if type(name) is not str or type(module) is not str:
                raise ValueError("its pickle has a name that is not text")
            stack.append(self.name(f"{module} {name}"))
        else:
            return operation in WITHOUT_EFFECT
        return True

    def combine(self, operation: str, given: Any) -> bool:
        """Run an operation of the pickle that stores or combines values of the stack. Return False if it is unknown."""
        stack = self.stack
        match operation:
            case "MARK":
                self.marks.append(len(stack))
            case "BINPUT" | "LONG_BINPUT":
                self.memo[given] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "POP":
                stack.pop()
            case "POP_MARK":
                self.marked()
            case "TUPLE":
                stack.append(tuple(self.marked()))
            case "FROZENSET":
                stack.append(self.marked())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self.last(int(operation[-1]))))
            case "APPEND" | "APPENDS" | "ADDITEMS":
                _extend(self.last(1) if operation == "APPEND" else self.marked(), stack[-1])
            case "SETITEM" | "SETITEMS":
                _update(self.last(2) if operation == "SETITEM" else self.marked(), stack[-1])
            case "BINPERSID":
                stack.append(Inert("", stack.pop()))
            case "REDUCE" | "NEWOBJ":
                self.make(stack.pop())
            case "NEWOBJ_EX":
                keywords = stack.pop()
                self.make((stack.pop(), keywords))
            case "BUILD":
                state = stack.pop()
                if type(stack[-1]) is not Inert:
                    raise ValueError("its pickle gives a state to something that is not an object")
                stack[-1].state = state
            case _:
                return False
        return True

    def marked(self) -> list[Any]:
        return self.last(len(self.stack) - self.marks.pop())

    def last(self, n: int) -> list[Any]:
        if not 0 <= n <= len(self.stack):
            raise ValueError("its pickle takes more values than there are")
        at = len(self.stack) - n
        found = self.stack[at:]
        del self.stack[at:]
        return found

    def name(self, text: str) -> _Name:
        if text not in self.known:
            raise ValueError(f"it names {text.replace(' ', '.')[:200]}, which is not part of {self.content}")
        return _Name(text)

    def make(self, arguments: Any) -> None:
        name = self.stack.pop()
        if type(name) is not _Name:
            raise ValueError("its pickle calls something that is not a name")
        self.stack.append(Inert(name.text, arguments))


def _extend(values: list[Any], there: Any) -> None:
    if type(there) is not list:
        raise ValueError("its pickle appends to something that is not a list")
    there.extend(values)


def _update(pairs: list[Any], there: Any) -> None:
    items = there.items if type(there) is Inert else there
    if type(items) is not dict or any(type(key) is not str for key in pairs[::2]):
        raise ValueError("its pickle has a dictionary whose keys are not text")
    items.update(zip(pairs[::2], pairs[1::2], strict=True))


def items_of(value: Any) -> dict[str, Any]:
    """Return the items of a dict or OrderedDict in a pickle. Raises ValueError if ``value`` is neither."""
    if type(value) is Inert and value.name == "collections OrderedDict":
        return value.items
    if type(value) is not dict:
        raise ValueError("its pickle has no dictionary where one is needed")
    return value


def as_bytes(value: Any) -> bytes:
    """Return a value of a pickle as bytes. Raises ValueError if the value does not describe bytes."""
    if type(value) is Inert and value.name == NO_BYTES and type(value.arguments) is tuple and not value.arguments:
        return b""
    if type(value) is Inert and value.name == ENCODE and type(value.arguments) is tuple:
        text = value.arguments[0]
        if type(text) is str:
            return text.encode("latin-1")
    if type(value) is bytes or type(value) is bytearray:
        return bytes(value)
    raise ValueError("its pickle has no bytes where they are needed")
