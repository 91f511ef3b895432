"""Compile the path to any numeric field of any message into a program that finds the field in the message's bytes.

A path is, for example, ``angular_velocity.z``, ``position[:]`` or ``transforms[0].transform.translation.x``. It is
compiled once, with the fields of the message type, into a small program of int64 words. `field_reader.read_fields` runs
the program on the bytes of each message. The offsets of fields differ from message to message, because they depend on
the lengths of the strings and sequences before them.

This module does not import rclpy: callers pass the message class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rosidl_parser.definition import AbstractNestedType, AbstractWString, BasicType, NamespacedType

from ...errors import DescriptionError, close_match
from . import field_reader
from . import message_types as types
from .element_types import FLOAT32, KIND_SIZES
from .paths import Angles, Elements, Named, Segment, parse_path
from .selection import (
    ANGLE,
    BEGIN,
    LOOP_REGISTERS,
    NAMED,
    NAMED_NEXT,
    NONE,
    OWN,
    REGISTERS,
    record_of,
    slice_of,
)

__all__ = ["PathProgram", "compile_path"]


@dataclass(frozen=True, eq=False)
class PathProgram:
    """A compiled program that reads the numbers selected by a path, from messages of one type.

    message_type : e.g. ``sensor_msgs/msg/Imu``
    field : the path as written, e.g. ``position[:]``
    segments : the parsed path
    code : (n,) int64, read-only, the program for `read_fields`
    kind : element type of the numbers, an index of `KINDS`
    size : how many numbers the path selects; -1 if this depends on the message
    stamped : whether the message begins with a std_msgs/Header (or a ``stamp``)
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
    def named(self) -> Named | None:
        """The part of the path that selects elements by their names; None if there is no such part."""
        return next((segment.pick for segment in self.segments if isinstance(segment.pick, Named)), None)


class _Assembler:
    """Assembles the operations of a program (`field_reader`), and merges consecutive skips of fields of fixed size.

    hooks : operations that replace the skip of a field: level of the structure in the path -> name of the field ->
        operation
    """

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.table: list[int] = []
        self.names: list[tuple[int, bytes]] = []  # word of the table with the offset of a name, and the name's bytes
        self.hooks: dict[int, dict[str, tuple[int, ...]]] = {}
        self.fixed = 0  # rows before this one are targets of jumps or reads: they must not be merged

    def add(self, operation: int, a: int = 0, b: int = 0, c: int = 0, target: int = 0) -> list[int]:
        self.rows.append([operation, a, b, c, target])
        return self.rows[-1]

    def label(self) -> int:
        self.fixed = len(self.rows)
        return self.fixed

    def skip(self, align: int, size: int) -> None:
        if size == 0:
            return
        if len(self.rows) > self.fixed and self.rows[-1][0] == field_reader.SKIP:
            last = self.rows[-1]
            if align <= last[1] and last[2] % align == 0:  # it starts where the last one ends
                last[2] += size
                return
        self.add(field_reader.SKIP, align, size)

    # -- what the path skips

    def pass_type(self, kind: Any, depth: int) -> None:
        if isinstance(kind, BasicType):
            size = KIND_SIZES[types.kind_number(kind, kind.typename)]
            self.skip(size, size)
        elif isinstance(kind, NamespacedType):
            fields = types.fields_of(types.class_of(kind))
            for inner in fields.values():
                self.pass_type(inner, depth)
            if not fields:
                self.skip(1, 1)
        elif not isinstance(kind, AbstractNestedType):
            self.add(field_reader.STRING, 4 if isinstance(kind, AbstractWString) else 1)
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
                self.add(field_reader.SEQUENCE, align, one, stride)
                self.label()
            else:
                self.skip(align, (size - 1) * stride + one)
            return
        register = _register(depth)
        if size is None:
            self.add(field_reader.COUNT, register, types.least_size(element))
        else:
            self.add(field_reader.SET, register, size)
        leave = self.add(field_reader.IF_ZERO, register)
        again = self.label()
        self.pass_type(element, depth + 1)
        self.add(field_reader.NEXT, register, target=again)
        leave[4] = self.label()

    def record(self, pick: Elements | Named | Angles, how: int) -> int:
        """Append the record of a selection (`selection`) to the program's table. Return the index of its first word."""
        at = len(self.table)
        words, names = record_of(pick, how)
        self.table += words
        self.names += [(at + word, name) for word, name in names]
        return at

    # -- what the path selects

    def walk_path(
        self, message_class: type, segments: Sequence[Segment], where: str, depth: int, level: int = 0
    ) -> tuple[int, int]:
        """Emit operations that skip fields of a structure, and read the numbers that a path selects.

        segments : the part of the path that starts in this structure
        where : the part of the path before this structure, for errors
        depth : number of loops of the program around this structure
        level : number of segments before this structure

        Return the element type of the numbers, and how many numbers the path selects; -1 if their number depends on
        the message.
        """
        fields = types.fields_of(message_class)
        segment, rest = segments[0], segments[1:]
        path = f"{where}.{segment.name}" if where else segment.name
        if segment.name not in fields:
            fix = close_match(segment.name, fields) or f"it has {', '.join(fields) or 'no fields'}"
            rule = f"{types.type_name(message_class)} has no field {segment.name!r}"
            raise DescriptionError("field", path, rule, fix)
        hooks, names = self.hooks.get(level, {}), list(fields)
        if isinstance(segment.pick, Angles):
            hooks = _angle_hooks(message_class, segment)
        if any(names.index(hook) > names.index(segment.name) for hook in hooks):  # needed first, but serialized later
            self.add(field_reader.MARK, _register(depth) + BEGIN)
            self.pass_until(fields, hooks, depth)
            self.add(field_reader.BACK, _register(depth) + BEGIN)
            hooks = {}
        found = (0, 0)
        for name, kind in fields.items():
            if name == segment.name:
                found = self.want(kind, segment, rest, path, depth, level)
            elif name in hooks:
                self.add(*hooks[name])
            else:
                self.pass_type(kind, depth)
        return found

    def pass_until(self, fields: Mapping[str, Any], hooks: Mapping[str, tuple[int, ...]], depth: int) -> None:
        """Emit operations that skip the fields of a structure, up to the last field with a hook.

        For a field with a hook, the hook is emitted instead of the skip.
        """
        left = len(hooks)
        for name, kind in fields.items():
            if name in hooks:
                self.add(*hooks[name])
                left -= 1
            else:
                self.pass_type(kind, depth)
            if left == 0:
                return

    def want(
        self, kind: Any, segment: Segment, rest: Sequence[Segment], path: str, depth: int, level: int
    ) -> tuple[int, int]:
        pick = segment.pick
        if isinstance(pick, Elements) and not rest:
            kind = types.numbers_of(kind)
        if not isinstance(kind, AbstractNestedType):
            if pick is not None:
                raise DescriptionError(
                    "field", path, f"is a {types.describe(kind)}, which takes no index", f"write {path}"
                )
            return self.want_one(kind, rest, path, depth, level)
        if pick is None:
            raise DescriptionError("field", path, f"is a {types.describe(kind)}", f"write {path}[0] or {path}[:]")
        size, element, count = getattr(kind, "size", None), kind.value_type, pick.count
        if isinstance(pick, Elements):
            count = _check_slice(pick, kind, path)
        total = _register(depth)
        if size is None:
            self.add(field_reader.COUNT, total, types.least_size(element))
        else:
            self.add(field_reader.SET, total, size)
        if isinstance(element, BasicType) and not rest:
            number = types.kind_number(element, path)
            self.add(field_reader.NUMBERS, total, number, self.record(pick, NAMED))
            self.label()
            return number, count
        return self.want_elements(element, pick, count, rest, path, depth, level)

    def want_elements(
        self, element: Any, pick: Any, count: int, rest: Sequence[Segment], path: str, depth: int, level: int
    ) -> tuple[int, int]:
        """Emit a loop over a sequence of structures, which reads numbers from the selected structures.

        element : type of the structures
        pick : the selection of structures
        count : how many structures are selected; -1: not known
        rest : the part of the path after this sequence
        path : the part of the path up to this sequence, for errors
        depth, level : as in `walk_path`

        Return the two values that `walk_path` returns.
        """
        if isinstance(pick, Angles) or (isinstance(pick, Elements) and pick.step < 0):
            rule = f"holds {types.describe(element)}: only numbers can be selected by angle or backwards"
            raise DescriptionError("field", path, rule, f"write {path}[0] or {path}[:]")
        total = _register(depth)
        own = isinstance(pick, Named) and types.has_name(element, pick.key)
        record = self.record(pick, OWN if own else NAMED)
        jump = self.add(field_reader.CHOOSE, total, 0, record)
        leave = self.add(field_reader.IF_ZERO, total)
        again = self.label()
        if own:
            key = {pick.key: (field_reader.NAME, total + NAMED_NEXT, 0, record)}
            self.add(field_reader.MARK, total + BEGIN)
            self.pass_until(types.fields_of(types.class_of(element)), key, depth + 1)
            self.add(field_reader.BACK, total + BEGIN)
        chosen = self.add(field_reader.CHOSEN, total, 0, record)
        number, each = self.want_one(element, rest, path, depth + 1, level)
        taken = self.add(field_reader.TAKEN, total, 0, record)
        chosen[4] = self.label()
        self.pass_type(element, depth + 1)
        taken[4] = self.label()
        self.add(field_reader.NEXT, total, target=again)
        leave[4] = self.label()
        if isinstance(pick, Named):
            if each < 0:
                rule = "has an open slice after a selection by name"
                raise DescriptionError("field", path, rule, "give the slice an end")
            self.table[record + 2] = each
            self.add(field_reader.ALL, total, 0, record)
        jump[4] = self.label()
        return number, count * each if count >= 0 and each >= 0 else -1

    def want_one(self, kind: Any, rest: Sequence[Segment], path: str, depth: int, level: int) -> tuple[int, int]:
        if isinstance(kind, NamespacedType):
            message_class = types.class_of(kind)
            if not rest:
                names = ", ".join(f"{path}.{name}" for name in types.fields_of(message_class))
                raise DescriptionError(
                    "field", path, f"is a {types.describe(kind)}, not a number", f"write one of {names}"
                )
            return self.walk_path(message_class, rest, path, depth, level + 1)
        if rest:
            raise DescriptionError("field", path, f"is a {types.describe(kind)}, which has no field {rest[0].name!r}")
        if not isinstance(kind, BasicType):
            raise DescriptionError("field", path, f"is a {types.describe(kind)}, not a number")
        number = types.kind_number(kind, path)
        self.label()
        self.add(field_reader.READ, number, 1)
        self.label()
        return number, 1

    def code(self, stamped: bool, kind: int) -> np.ndarray:
        """Return the program as a read-only int64 array: its head, operations, table of selections, and names."""
        table = field_reader.HEAD + field_reader.WORDS * len(self.rows)
        size = 8 * (table + len(self.table))
        for word, text in self.names:
            self.table[word] = size
            size += len(text)
        words = [int(stamped), kind, table, *(word for row in self.rows for word in row), *self.table]
        text = b"".join(text for _, text in self.names)
        code = np.frombuffer(np.array(words, np.int64).tobytes() + text + bytes(-len(text) % 8), np.int64)
        code.flags.writeable = False
        return code


def _check_slice(pick: Elements, kind: Any, path: str) -> int:
    """Return how many elements a slice selects from an array or a sequence; -1 if their number depends on the message.

    Raises DescriptionError if the slice cannot select any element.
    """
    size = getattr(kind, "size", None)
    most = size if size is not None else getattr(kind, "maximum_size", None)
    start, stop = (NONE if n is None else n for n in (pick.start, pick.stop))
    if most is not None and (size is not None or pick.count >= 0):
        count = slice_of(most, start, stop, pick.step)[1]
        if count == 0:
            ends = [n for n in (pick.start, pick.stop) if n is not None]
            far = max(ends, key=abs, default=0)
            far -= far > 0 and far != pick.start
            rule = f"is a {types.describe(kind)}; index {far} is not in it"
            raise DescriptionError("field", path, rule, f"{most} is the most")
        return count
    return pick.count


def _angle_hooks(message_class: type, segment: Segment) -> dict[str, tuple[int, ...]]:
    fields, hooks = types.fields_of(message_class), dict[str, tuple[int, ...]]()
    for k, name in enumerate(("angle_min", "angle_increment")):
        kind = fields.get(name)
        if not isinstance(kind, BasicType) or types.kind_number(kind, name) < FLOAT32:
            rule = f"cannot be selected by angle: {types.type_name(message_class)} has no number {name!r}"
            raise DescriptionError("field", segment.name, rule, "as LaserScan has")
        hooks[name] = (field_reader.KEEP, ANGLE + k, types.kind_number(kind, name))
    return hooks


def _register(depth: int) -> int:
    register = LOOP_REGISTERS * depth
    if register + LOOP_REGISTERS > REGISTERS:
        raise DescriptionError("type", depth, f"sequences nest deeper than {REGISTERS // LOOP_REGISTERS - 1}")
    return register


def _fixed_form(kind: Any, depth: int) -> tuple[int, int] | None:
    """Return the alignment and the size [bytes] of a type whose layout is the same at any offset; otherwise None."""
    trial = _Assembler()
    trial.pass_type(kind, depth + 1)
    if len(trial.rows) == 1 and trial.rows[0][0] == field_reader.SKIP:
        return trial.rows[0][1], trial.rows[0][2]
    return None


def compile_path(message_class: type, field: str) -> PathProgram:
    """Compile the path ``field`` for the message type ``message_class``.

    Raises DescriptionError if the path does not select numbers; the error suggests the nearest field name.
    """
    segments = parse_path(field)
    assembler = _Assembler()
    level = types.owner_of_names(message_class, segments)
    picked = next((segment.pick for segment in segments if isinstance(segment.pick, Named)), None)
    if picked is not None and level >= 0:
        assembler.hooks[level] = {picked.key: (field_reader.LIST, 0, 0, assembler.record(picked, NAMED))}
    kind, size = assembler.walk_path(message_class, segments, "", 0)
    assembler.add(field_reader.END)
    stamped = types.begins_with_stamp(message_class)
    code = assembler.code(stamped, kind)
    return PathProgram(types.type_name(message_class), field, segments, code, kind, size, stamped)
