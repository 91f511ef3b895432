"""Convert serialized messages of ROS 1 to CDR, the encoding of ROS 2, with the type definitions in the bag.

ROS 1 writes fields without padding, and strings without a closing NUL. CDR aligns each number to its own size, counted
from the end of the 4-byte encapsulation. ROS 2 has no ``seq`` in std_msgs/Header. All other fields are the same.

A type definition is converted to a program, (n, 4) int64, with a row for each field. The columns of a row are the
operation, the size of a number [bytes], the number of elements, and the row after the end of a loop. Compiled code runs
the program on each message.
"""

from __future__ import annotations

import re

import numpy as np
from numba.extending import register_jitable

from ...engine.compile import compile_function

__all__ = ["program_of", "to_cdr"]

NUMBERS, TEXTS, SKIP, LOOP, END = range(5)
DYNAMIC = -1  # in the place of a number of items: uint32 in the message
SIZES = {
    "bool": 1, "int8": 1, "uint8": 1, "byte": 1, "char": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
    "float32": 4, "int64": 8, "uint64": 8, "float64": 8,
}  # fmt: skip
FIELD = re.compile(r"([A-Za-z][\w/]*)(?:\[(\d*)\])?\s+\w+", re.ASCII)
DEEPEST, LONGEST = 16, 1000  # limits of a program: nested loops, rows
MOST_ITEMS = 0xFFFFFFFF  # of an array, as an array of variable length could have
RULE = re.compile(r"^=+\s*$", re.MULTILINE)
TRUNCATED = -1

Rows = list[list[int]]


def program_of(kind: str, definition: str) -> np.ndarray:
    """Return the program for messages of the type ``kind``, such as dvs_msgs/EventArray.

    definition : the text in a bag: the fields of the type, then for each other type that they use a line of '=', a line
        ``MSG: type``, and the fields of this other type

    Raise ValueError if the definition cannot be parsed.
    """
    first, *others = RULE.split(definition)
    known = {kind: first}
    for other in others:
        name, _, text = other.strip().partition("\n")
        known[name.removeprefix("MSG:").strip()] = text
    return np.array(_fields(kind, known, 0, 0), np.int64).reshape(-1, 4)


def _fields(kind: str, known: dict[str, str], begin: int, depth: int) -> Rows:
    """Return the program's rows for all fields of a type. The first of them will be row ``begin`` of the program."""
    if depth > DEEPEST or kind not in known:
        raise ValueError(f"the type {kind} is {'nested too deep' if kind in known else 'not defined'}")
    rows: Rows = []
    for line in known[kind].splitlines():
        text = line.partition("#")[0].strip()
        match = FIELD.fullmatch(text)
        if match is None:
            if text and not re.match(r"[\w/]+\s+\w+\s*=", text):  # not a constant
                raise ValueError(f"{kind} has a field {text!r}")
            continue
        rows += _field(kind, match[1], match[2], known, begin + len(rows), depth)
        if begin + len(rows) > LONGEST:
            raise ValueError(f"the type {kind} has too many fields")
    if kind == "std_msgs/Header" and rows[:1] == [[NUMBERS, 4, 1, 0]]:
        rows[0] = [SKIP, 4, 1, 0]
    return rows


def _field(kind: str, name: str, array: str | None, known: dict[str, str], begin: int, depth: int) -> Rows:
    """Return the program's rows for one field.

    array : the text between the brackets of an array field; None: the field is not an array
    """
    count = 1 if array is None else int(array[:11]) if array else DYNAMIC
    if count > MOST_ITEMS:
        raise ValueError(f"{kind} has an array of {count:,} items or more")
    if name in SIZES:
        return [[NUMBERS, SIZES[name], count, 0]]
    if name == "string":
        return [[TEXTS, 1, count, 0]]
    if name in ("time", "duration"):
        return [[NUMBERS, 4, 2, 0]] if array is None else _loop(count, [[NUMBERS, 4, 2, 0]], begin)
    if name == "Header":
        name = "std_msgs/Header"
    elif "/" not in name:
        name = f"{kind.partition('/')[0]}/{name}"
    inside = _fields(name, known, begin + (array is not None), depth + 1)
    return inside if array is None else _loop(count, inside, begin)


def _loop(count: int, inside: Rows, begin: int) -> Rows:
    return [[LOOP, 0, count, begin + len(inside) + 2], *inside, [END, 0, 0, 0]]


def to_cdr(program: np.ndarray, message: bytes | memoryview) -> bytes | None:
    """Convert a message of ROS 1 to CDR; return None if the message is malformed."""
    run = compile_function(convert, "int64(int64[:,::1],Array(uint8,1,'C',readonly=True),uint8[::1])")
    raw = np.frombuffer(message, np.uint8)
    size = run(program, raw, np.empty(0, np.uint8))
    if size < 0:
        return None
    out = np.zeros(4 + size, np.uint8)
    out[1] = 1  # little endian
    run(program, raw, out[4:])
    return out.tobytes()


@register_jitable
def _u32(data, k):
    return np.int64(data[k]) | np.int64(data[k + 1]) << 8 | np.int64(data[k + 2]) << 16 | np.int64(data[k + 3]) << 24


@register_jitable
def _put_u32(out, at, value):
    if at + 4 <= out.size:
        for j in range(4):
            out[at + j] = value >> 8 * j & 0xFF


@register_jitable
def _copy(data, k, out, at, size):
    if at + size <= out.size:
        out[at : at + size] = data[k : k + size]


def convert(program, data, out):
    """Convert a message with a program, and write the CDR to ``out`` as far as there is room.

    Return the size of the CDR without encapsulation [bytes], or TRUNCATED if the message is malformed.
    """
    back, left, begun = np.zeros((DEEPEST + 2, 3), np.int64), 0, 0
    row = k = at = 0
    while row < program.shape[0]:
        what, size, count = program[row, 0], program[row, 1], program[row, 2]
        if count == DYNAMIC:
            if k + 4 > data.size:
                return TRUNCATED
            count, at = _u32(data, k), (at + 3) // 4 * 4
            _put_u32(out, at, count)
            k, at = k + 4, at + 4
        row += 1
        if what == NUMBERS and count > 0:
            if count > (data.size - k) // size:
                return TRUNCATED
            at = (at + size - 1) // size * size
            _copy(data, k, out, at, size * count)
            k, at = k + size * count, at + size * count
        elif what == TEXTS:
            for _ in range(count):
                if k + 4 > data.size or k + 4 + _u32(data, k) > data.size:
                    return TRUNCATED
                length, at = _u32(data, k), (at + 3) // 4 * 4
                _put_u32(out, at, length + 1)
                _copy(data, k + 4, out, at + 4, length)
                k, at = k + 4 + length, at + 4 + length + 1
        elif what == SKIP:
            k += size
            if k > data.size:
                return TRUNCATED
        elif what == LOOP and count == 0:
            row = program[row - 1, 3]
        elif what == LOOP:
            back[begun, 0], back[begun, 1], back[begun, 2] = row, count, k
            begun += 1
        elif what == END:
            left = back[begun - 1, 1] - 1
            if k == back[begun - 1, 2]:  # items without bytes: a number of them says nothing
                return TRUNCATED
            back[begun - 1, 1], back[begun - 1, 2] = left, k
            if left > 0:
                row = back[begun - 1, 0]
            else:
                begun -= 1
    return at
