"""Any numeric field of any message: from a path to a program that finds it in the message's bytes.

A path such as ``angular_velocity.z``, ``position[:]`` or ``transforms[0].transform.translation.x`` is
compiled once, from the type's own fields, into a small program of int64 words that `cdr.walk` runs over
the bytes of each message: strings and sequences move what comes after them.

Nothing here imports rclpy: the message class is given.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.compile import compile_function
from ..errors import DescriptionError, InputError
from .cdr import (
    COUNT,
    ENCAPSULATION,
    END,
    EXTRA,
    IF_ZERO,
    KIND_SIZES,
    KINDS,
    LESS,
    MISSING,
    NEED,
    NEXT,
    READ,
    READ_SEQUENCE,
    REGISTERS,
    SCRATCH_WORDS,
    SEQUENCE,
    SET,
    SKIP,
    STRING,
    TRUNCATED,
    walk_message,
)

__all__ = [
    "PathProgram",
    "Segment",
    "class_of",
    "compile_path",
    "fields_of",
    "locate",
    "message_end",
    "parse_path",
    "read_values",
    "type_name",
    "walker",
]

#: rosidl's name of a basic type -> its number in KINDS
_KIND_OF = {
    **{name: k for k, name in enumerate(KINDS)},
    "boolean": 0,
    "octet": 1,
    "char": 1,
    "float": 9,
    "double": 10,
    "unsigned short": 3,
    "short": 4,
    "unsigned long": 5,
    "long": 6,
    "unsigned long long": 7,
    "long long": 8,
}
_MAX_COUNT = 2**31 - 1  # a longer slice could not stand in any message


@dataclass(frozen=True)
class Segment:
    """One part of a path: a field's name and, where it has one, its index.

    ``start`` is -1 without an index; ``stop`` is -1 in a slice that is open at its end.
    """

    name: str
    start: int = -1
    stop: int = -1

    @property
    def indexed(self) -> bool:
        return self.start >= 0


@dataclass(frozen=True, eq=False)
class PathProgram:
    """A path through a message type, compiled.

    Attributes
    ----------
    message_type : e.g. ``sensor_msgs/msg/Imu``
    field : the path as written
    segments : the path, parsed
    code : (n,) int64, read-only, what `walk` runs
    kind : number of the element type in `KINDS`
    size : how many values the path names; -1 if only a message can tell
    stamped : the message begins with a std_msgs/Header (or a ``stamp``)
    """

    message_type: str
    field: str
    segments: tuple[Segment, ...]
    code: np.ndarray
    kind: int
    size: int
    stamped: bool

    @property
    def address(self) -> int:
        return self.code.ctypes.data

    @property
    def element(self) -> str:
        """Name of the element type, e.g. ``float64``."""
        return KINDS[self.kind]


_PART = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[([^\[\]]*)\])?")
_INDEX = re.compile(r"\s*(-?\d+)\s*")
_SLICE = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*")


def parse_path(field: str) -> tuple[Segment, ...]:
    """``a.b[2].c[1:3]`` as segments. Raises DescriptionError."""
    if not isinstance(field, str) or not field.strip():
        raise DescriptionError("field", field, "must be a path to a number", "for example angular_velocity.z")
    segments = []
    for part in field.strip().split("."):
        match = _PART.fullmatch(part)
        if not match:
            raise DescriptionError(
                "field",
                field,
                f"{part!r} is no field",
                "write names joined by dots, with [i] or [i:j] after a sequence",
            )
        name, index = match.groups()
        if index is None:
            segments.append(Segment(name))
            continue
        single, several = _INDEX.fullmatch(index), _SLICE.fullmatch(index)
        if single:
            start = int(single[1])
            stop = start + 1
        elif several:
            start = int(several[1] or 0)
            stop = int(several[2]) if several[2] else -1
            if several[2] and 0 <= stop <= start:
                raise DescriptionError("field", field, f"[{index}] names nothing", "the end must lie after the start")
        else:
            raise DescriptionError("field", field, f"[{index}] is no index", "write [2], [2:10] or [:]")
        if start < 0 or (several and several[2] and stop < 0):
            raise DescriptionError("field", field, f"[{index}] is negative", "count from 0 at the start")
        if max(start, stop) > _MAX_COUNT:
            raise DescriptionError("field", field, f"[{index}] is longer than any message", "count from 0")
        segments.append(Segment(name, start, stop))
    return tuple(segments)


def type_name(message_class: type) -> str:
    """``package/msg/Name`` of a message class."""
    return "/".join([*message_class.__module__.split(".")[:2], message_class.__name__])


def fields_of(message_class: type) -> dict[str, Any]:
    """Field name -> rosidl type of a message class, in the order of the wire."""
    try:
        return dict(zip(message_class.get_fields_and_field_types(), message_class.SLOT_TYPES, strict=True))  # type: ignore[attr-defined]
    except AttributeError:
        raise DescriptionError(
            "type", message_class, "must be a message class", "for example sensor_msgs.msg.Imu"
        ) from None


def class_of(kind: Any) -> type:
    """The message class of a rosidl NamespacedType."""
    return getattr(importlib.import_module(".".join(kind.namespaces)), kind.name)


def _is_struct(kind: Any) -> bool:
    return hasattr(kind, "namespaces")


def _is_basic(kind: Any) -> bool:
    return hasattr(kind, "typename")


def _is_nested(kind: Any) -> bool:
    """An array or a sequence."""
    return hasattr(kind, "value_type")


def _is_wide(kind: Any) -> bool:
    return any(base.__name__ == "AbstractWString" for base in type(kind).__mro__)


def _kind(kind: Any, where: str) -> int:
    try:
        return _KIND_OF[kind.typename]
    except KeyError:
        raise DescriptionError("field", where, f"a {kind.typename} has no agreed form on the wire") from None


def _says(kind: Any) -> str:
    """A rosidl type in words."""
    if _is_basic(kind):
        return kind.typename
    if _is_struct(kind):
        return "/".join([*kind.namespaces, kind.name])
    if _is_nested(kind):
        size = getattr(kind, "size", None)
        return f"{'sequence' if size is None else f'array of {size}'} of {_says(kind.value_type)}"
    return "string"


class _Assembler:
    """Writes operations; neighbours that pass fixed-size fields become one."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.fixed = 0  # rows before this one are jumped to or read: they must stay

    def add(self, operation: int, a: int = 0, b: int = 0, c: int = 0, target: int = 0) -> list[int]:
        self.rows.append([operation, a, b, c, target])
        return self.rows[-1]

    def label(self) -> int:
        self.fixed = len(self.rows)
        return self.fixed

    def skip(self, align: int, size: int) -> None:
        if size == 0:
            return
        if len(self.rows) > self.fixed and self.rows[-1][0] == SKIP:
            last = self.rows[-1]
            if align <= last[1] and last[2] % align == 0:  # it begins where the last one ended
                last[2] += size
                return
        self.add(SKIP, align, size)

    def loop(self, register: int, body: Any) -> None:
        """``body()`` as often as the register says, which may be 0."""
        leave = self.add(IF_ZERO, register)
        again = self.label()
        body()
        self.add(NEXT, register, target=again)
        leave[4] = self.label()

    # -- what the path does not want

    def pass_struct(self, message_class: type, depth: int) -> None:
        fields = fields_of(message_class)
        for kind in fields.values():
            self.pass_type(kind, depth)
        if not fields:
            self.skip(1, 1)

    def pass_type(self, kind: Any, depth: int) -> None:
        if _is_basic(kind):
            size = KIND_SIZES[_kind(kind, kind.typename)]
            self.skip(size, size)
        elif _is_struct(kind):
            self.pass_struct(class_of(kind), depth)
        elif not _is_nested(kind):
            self.add(STRING, 4 if _is_wide(kind) else 1)
        else:
            self.pass_elements(kind, depth)

    def pass_elements(self, kind: Any, depth: int) -> None:
        element = kind.value_type
        fixed = _fixed_form(element, depth)
        size = getattr(kind, "size", None)
        if fixed is not None:
            align, one = fixed
            stride = -(-one // align) * align
            if size is None:
                self.add(SEQUENCE, align, one, stride)
                self.label()
            else:
                self.skip(align, (size - 1) * stride + one)
            return
        register = _register(depth)
        if size is None:
            self.add(COUNT, register, _least_size(element))
        else:
            self.add(SET, register, size)
        self.loop(register, lambda: self.pass_type(element, depth + 1))

    # -- what the path wants

    def walk_path(self, message_class: type, segments: Sequence[Segment], where: str, depth: int) -> tuple[int, int]:
        """Emit a struct with the path's value in it -> (kind of the values, how many or -1)."""
        fields = fields_of(message_class)
        segment, rest = segments[0], segments[1:]
        path = f"{where}.{segment.name}" if where else segment.name
        if segment.name not in fields:
            near = difflib.get_close_matches(segment.name, fields, 1, 0.5)
            raise DescriptionError(
                "field",
                path,
                f"{type_name(message_class)} has no field {segment.name!r}",
                f"did you mean {near[0]!r}?" if near else f"it has {', '.join(fields) or 'no fields'}",
            )
        found = (0, 0)
        for name, kind in fields.items():
            if name != segment.name:
                self.pass_type(kind, depth)
            else:
                found = self.want(kind, segment, rest, path, depth)
        return found

    def want(self, kind: Any, segment: Segment, rest: Sequence[Segment], path: str, depth: int) -> tuple[int, int]:
        if not _is_nested(kind):
            if segment.indexed:
                raise DescriptionError("field", path, f"is a {_says(kind)}, which takes no index", f"write {path}")
            return self.want_one(kind, rest, path, depth)
        size = getattr(kind, "size", None)
        if not segment.indexed:
            raise DescriptionError("field", path, f"is a {_says(kind)}", f"write {path}[0] or {path}[:]")
        start, stop = segment.start, segment.stop
        most = size if size is not None else getattr(kind, "maximum_size", None)
        if most is not None and max(start + 1, stop) > most:
            raise DescriptionError(
                "field", path, f"is a {_says(kind)}; index {max(start, stop - 1)} is not in it", f"{most} is the most"
            )
        if size is not None and stop < 0:
            stop = size
        count = stop - start if stop >= 0 else -1
        element = kind.value_type
        if _is_basic(element) and not rest:
            number = _kind(element, path)
            width = KIND_SIZES[number]
            self.label()
            if size is None:
                self.add(READ_SEQUENCE, number, start, stop)
            else:
                self.skip(width, start * width)
                self.add(READ, number, count)
                self.label()
                self.skip(width, (size - stop) * width)
            return number, count

        total, turn = _register(depth), _register(depth) + 1
        jump = None
        if size is None:
            self.add(COUNT, total, _least_size(element))
            jump = self.add(NEED, total, start, stop)
        else:
            self.add(SET, total, size)
        if start > 0:
            self.add(SET, turn, start)
            self.loop(turn, lambda: self.pass_type(element, depth + 1))
        if stop >= 0:
            self.add(SET, turn, count)
        else:
            self.add(LESS, turn, total, start)
        found: list[tuple[int, int]] = []
        self.loop(turn, lambda: found.append(self.want_one(element, rest, path, depth + 1)))
        if stop >= 0:
            self.add(LESS, turn, total, stop)
            self.loop(turn, lambda: self.pass_type(element, depth + 1))
        if jump is not None:
            jump[4] = self.label()
        number, each = found[0]
        return number, count * each if count >= 0 and each >= 0 else -1

    def want_one(self, kind: Any, rest: Sequence[Segment], path: str, depth: int) -> tuple[int, int]:
        if _is_struct(kind):
            message_class = class_of(kind)
            if not rest:
                names = ", ".join(f"{path}.{name}" for name in fields_of(message_class))
                raise DescriptionError("field", path, f"is a {_says(kind)}, not a number", f"write one of {names}")
            return self.walk_path(message_class, rest, path, depth)
        if rest:
            raise DescriptionError("field", path, f"is a {_says(kind)}, which has no field {rest[0].name!r}")
        if not _is_basic(kind):
            raise DescriptionError("field", path, f"is a {_says(kind)}, not a number")
        number = _kind(kind, path)
        self.label()
        self.add(READ, number, 1)
        self.label()
        return number, 1


def _register(depth: int) -> int:
    register = 2 * depth
    if register + 1 >= REGISTERS:
        raise DescriptionError("type", depth, f"sequences nest deeper than {REGISTERS // 2 - 1}")
    return register


def _fixed_form(kind: Any, depth: int) -> tuple[int, int] | None:
    """(alignment, bytes) of a type that always takes the same bytes, whatever lies before it; else None."""
    trial = _Assembler()
    trial.pass_type(kind, depth + 1)
    if len(trial.rows) == 1 and trial.rows[0][0] == SKIP:
        return trial.rows[0][1], trial.rows[0][2]
    return None


def _least_size(kind: Any) -> int:
    """The fewest bytes that one value of a type takes, padding not counted: at least 1."""
    if _is_basic(kind):
        return KIND_SIZES[_kind(kind, kind.typename)]
    if _is_struct(kind):
        return max(1, sum(_least_size(inner) for inner in fields_of(class_of(kind)).values()))
    if _is_nested(kind) and getattr(kind, "size", None) is not None:
        return kind.size * _least_size(kind.value_type)
    return 4  # the length of a string or a sequence


def _begins_with_stamp(message_class: type) -> bool:
    for name, kind in fields_of(message_class).items():
        says = _says(kind)
        return says == "std_msgs/msg/Header" or (name == "stamp" and says == "builtin_interfaces/msg/Time")
    return False


def compile_path(message_class: type, field: str) -> PathProgram:
    """Compile the path ``field`` through the type ``message_class``.

    Raises DescriptionError, with the nearest name, if the path does not lead to numbers.
    """
    segments = parse_path(field)
    assembler = _Assembler()
    kind, size = assembler.walk_path(message_class, segments, "", 0)
    assembler.add(END)
    stamped = _begins_with_stamp(message_class)
    code = np.array([int(stamped), kind, *(word for row in assembler.rows for word in row)], np.int64)
    code.flags.writeable = False
    return PathProgram(type_name(message_class), field, segments, code, kind, size, stamped)


_FAULTS = {
    ENCAPSULATION: "is no plain CDR message",
    TRUNCATED: "ends too early",
    MISSING: "lacks an element that the path names",
    EXTRA: "has more values than expected",
}


def _run(program: PathProgram, data: Any, offsets: int) -> tuple[np.ndarray, int, int]:
    message = np.frombuffer(data, np.uint8)
    out = np.empty(len(message), np.int64 if offsets else np.float64)  # a value takes at least a byte
    scratch = np.zeros(SCRATCH_WORDS, np.int64)
    n = walker()(
        program.address, message.ctypes.data, len(message), out.ctypes.data, len(out), scratch.ctypes.data, offsets
    )
    if n < 0:
        raise InputError(f"{program.message_type} of {len(message)} bytes {_FAULTS[n]} ({program.field})")
    return out[:n], int(scratch[0]), int(scratch[1])


def read_values(program: PathProgram, data: Any) -> tuple[np.ndarray, int]:
    """Values (n,) float64 and stamp [ns, -1: none] of a serialized message. Raises InputError."""
    values, stamp, _ = _run(program, data, 0)
    return values, stamp


def locate(program: PathProgram, data: Any) -> tuple[np.ndarray, str]:
    """Byte offsets (n,) int64 of the values in a serialized message, and their element type."""
    return _run(program, data, 1)[0], program.element


def message_end(program: PathProgram, data: Any) -> int:
    """Bytes of a serialized message up to the end of its last field. Raises InputError."""
    return _run(program, data, 0)[2]


def walker() -> Callable:
    """`cdr.walk`, compiled, for use from Python."""
    return compile_function(walk_message, "int64(int64,int64,int64,int64,int64,int64,int64)")
