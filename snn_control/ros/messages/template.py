"""Serialize a command message once, as a template in which the loop only replaces the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rosidl_parser.definition import BasicType, NamespacedType

from ...errors import DescriptionError
from .element_types import KINDS
from .message_types import class_of, fields_of, has_name, numbers_of, owner_of_names
from .message_values import locate, message_end
from .path_program import PathProgram, compile_path
from .paths import Angles, Elements, Named, Segment, parse_path

__all__ = ["Template", "assign", "make_message", "make_template"]


@dataclass(frozen=True, eq=False)
class Template:
    """A serialized message, with the byte offsets at which the loop writes numbers.

    data : (n,) uint8, the message, encapsulation included
    places : for each field, (k,) int64 byte offsets of the field's numbers
    kinds : for each field, the element type of its numbers, an index of `KINDS`
    stamp : byte offset of header.stamp; -1 if the message type has no stamp
    micros : byte offset of a number that holds the time in whole microseconds; -1 if there is no such number
    """

    data: np.ndarray
    places: tuple[np.ndarray, ...]
    kinds: tuple[int, ...]
    stamp: int
    micros: int = -1


def _fresh(kind: Any) -> Any:
    if isinstance(kind, NamespacedType):
        return class_of(kind)()
    if not isinstance(kind, BasicType):
        return ""
    return {"boolean": False, "octet": b"\0", "float": 0.0, "double": 0.0}.get(kind.typename, 0)


def _lengthen(parents: Sequence[Any], segments: Sequence[Segment], n: int, path: str) -> None:
    """Extend the sequences of a message until the message contains all ``n`` numbers that a path selects.

    parents : the structures that contain the field, from the message inwards; the last one is extended
    segments : the part of the path from the last structure on
    """
    message, (segment, *rest) = parents[-1], segments
    kind, pick, has = numbers_of(fields_of(type(message))[segment.name]), segment.pick, getattr(message, segment.name)
    if pick is None:
        if rest:
            _lengthen([*parents, has], rest, n, path)
        return
    if isinstance(pick, Named) and has_name(kind.value_type, pick.key):
        chosen = [_with_name(message, segment.name, kind, pick.key, name) for name in pick.names]
    else:
        need = _need(parents, pick, rest, n, path)
        if getattr(kind, "size", None) is None and len(has) < need:
            most = getattr(kind, "maximum_size", None)
            if most is not None and need > most:
                raise DescriptionError("field", path, f"needs {need} elements", f"{segment.name} takes at most {most}")
            setattr(message, segment.name, [*has, *(_fresh(kind.value_type) for _ in range(need - len(has)))])
        elements, chosen = getattr(message, segment.name), []
        if rest and isinstance(pick, Named):
            names = getattr(_owner(parents, pick.key), pick.key)
            chosen = [elements[names.index(name)] for name in pick.names]
        elif rest and isinstance(pick, Elements):
            chosen = elements[pick.start : pick.stop : pick.step]
    for element in chosen if rest else ():
        _lengthen([*parents, element], rest, n // len(chosen), path)


def _need(parents: Sequence[Any], pick: Any, rest: Sequence[Segment], n: int, path: str) -> int:
    """Return how many elements a sequence in a template message must have so that a path selects ``n`` numbers from it.

    If the path selects by name, missing names are first added to the message. If the path selects angles of a scan, the
    angles of the message are set.

    parents : structures that contain the sequence, from the message to the innermost one
    pick : the path's selection of elements of the sequence
    rest : segments of the path after this selection
    """
    if isinstance(pick, Named):
        owner = _owner(parents, pick.key)
        names = list(getattr(owner, pick.key))
        setattr(owner, pick.key, [*names, *(name for name in pick.names if name not in names)])
        return len(getattr(owner, pick.key))
    if isinstance(pick, Angles):  # n consecutive beams
        message, width = parents[-1], (pick.high - pick.low) / n
        message.angle_min, message.angle_max = pick.low + width / 2, pick.high - width / 2
        message.angle_increment = width
        return n
    if (pick.start or 0) < 0 or (pick.stop or 0) < 0 or pick.step < 0:
        raise DescriptionError("field", path, "counts from an end that this message does not have", "count from 0")
    if pick.count >= 0:
        return (pick.start or 0) + (pick.count - 1) * pick.step + 1
    # an open slice has n elements, provided that later parts of the path select one number from each
    if any(later.pick is not None and later.pick.count != 1 for later in rest):
        raise DescriptionError("field", path, "has two open lengths", "give all slices but one an end")
    return (pick.start or 0) + (n - 1) * pick.step + 1


def _owner(parents: Sequence[Any], key: str) -> Any:
    """Return the innermost of the structures ``parents`` whose field ``key`` is a list of names."""
    return next(one for one in reversed(parents) if key in fields_of(type(one)))


def _with_name(message: Any, field: str, kind: Any, key: str, name: str) -> Any:
    """Return the element of a sequence whose field ``key`` equals ``name``; append an element if there is none."""
    found = next((one for one in getattr(message, field) if getattr(one, key) == name), None)
    if found is None:
        found = _fresh(kind.value_type)
        setattr(found, key, name)
        setattr(message, field, [*getattr(message, field), found])
    return found


def assign(message: Any, path: str, value: Any) -> None:
    """Set one field of a message, e.g. ``header.frame_id`` or ``name``.

    Raises DescriptionError if the field does not accept the value.
    """
    holder, segments = message, parse_path(path)
    for k, segment in enumerate(segments):
        names = fields_of(type(holder)) if hasattr(holder, "SLOT_TYPES") else {}
        if segment.name not in names:
            raise DescriptionError("values", path, f"{type(holder).__name__} has no field {segment.name!r}")
        if segment.pick is not None:
            raise DescriptionError("values", path, "takes no index", "give the whole sequence")
        if k + 1 < len(segments):
            holder = getattr(holder, segment.name)
    if hasattr(holder, "_check_fields"):  # newer distributions check only if asked to; else serializing would crash
        holder._check_fields = True
    try:
        setattr(holder, segments[-1].name, value)
    except (AssertionError, TypeError, ValueError) as error:
        raise DescriptionError(f"values.{path}", value, f"does not fit the field: {error}") from None


def make_message(
    message_class: type, fields: Sequence[tuple[str, int]], values: Mapping[str, Any] | None = None
) -> Any:
    """Return a message of ``message_class`` with room for the numbers of all ``fields``.

    fields : for each field, its path and how many numbers it must contain
    values : values of other fields, which are set first, e.g. ``{"header.frame_id": "base_link", "name": ["pan",
        "tilt"]}``
    """
    message = message_class()
    for path, value in (values or {}).items():
        assign(message, path, value)
    for path, n in [*fields, *fields]:  # twice, because a list of names may have become longer
        _lengthen([message], compile_path(message_class, path).segments, n, path)
    return message


def _check_named(
    message_class: type, program: PathProgram, values: Mapping[str, Any], raw: bytes, taken: Mapping[int, str]
) -> None:
    """Raise DescriptionError if a message has a named element that no output sets, so that its value is always 0."""
    picked = program.named
    if picked is None or owner_of_names(message_class, program.segments) < 0:
        return
    before, _, after = program.field.partition("[" + picked.key)
    places = locate(compile_path(message_class, f"{before}[:]{after.partition(']')[2]}"), raw)
    if before not in values and not set(places.tolist()) <= set(taken):
        rule = f"leaves others of {picked.key} without a number, which would be 0"
        raise DescriptionError("field", program.field, rule, f"command them too, or give values: {{{before}: [...]}}")


def make_template(
    message_class: type, fields: Sequence[tuple[str, int]], values: Mapping[str, Any] | None,
    serialize: Callable[[Any], bytes], stamp_field: str = "",
) -> Template:  # fmt: skip
    """Serialize the message that `make_message` makes, and return it as a `Template`. Raises DescriptionError.

    serialize : the function ``rclpy.serialization.serialize_message``
    stamp_field : path of a 64-bit integer that receives the time in whole microseconds; empty: no such integer
    """
    if not fields:
        raise DescriptionError("fields", fields, "must name at least one field to command")
    stamps = [(stamp_field, 1)] if stamp_field else []
    raw = serialize(make_message(message_class, [*fields, *stamps], values))
    programs = [compile_path(message_class, path) for path, _ in fields]
    raw = raw[: message_end(programs[0], raw)]  # serializers reserve more than they fill
    if raw[:2] != b"\0\1":
        raise DescriptionError("type", message_class, "must be serialized as little-endian CDR on this machine")
    places: list[np.ndarray] = []
    taken: dict[int, str] = {}
    for program, (path, n) in zip(programs, fields):
        offsets = locate(program, raw)
        if len(offsets) != n:
            raise DescriptionError("field", path, f"names {len(offsets)} numbers, the output has {n}")
        for offset in offsets.tolist():
            if offset in taken:
                raise DescriptionError("field", path, f"is commanded twice: by {taken[offset]} too")
            taken[offset] = path
        places.append(offsets)
    for program in programs:
        _check_named(message_class, program, values or {}, raw, taken)
    stamp = 4 if programs[0].stamped else -1
    if stamp >= 0 and {4, 8} & set(taken):
        raise DescriptionError("field", [path for path, _ in fields], "must not command the stamp", "it is set anyway")
    kinds = tuple(program.kind for program in programs)
    micros = _micros(message_class, stamp_field, raw, taken) if stamp_field else -1
    return Template(np.frombuffer(raw, np.uint8).copy(), tuple(places), kinds, stamp, micros)


def _micros(message_class: type, path: str, raw: bytes, taken: Mapping[int, str]) -> int:
    program = compile_path(message_class, path)
    offsets = locate(program, raw).tolist()
    if len(offsets) != 1 or KINDS[program.kind] not in ("int64", "uint64"):
        raise DescriptionError("stamp", path, "must be one number of type int64 or uint64")
    if offsets[0] in taken:
        raise DescriptionError("stamp", path, f"is commanded by {taken[offsets[0]]} too")
    return offsets[0]
