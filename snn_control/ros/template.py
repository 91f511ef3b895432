"""A command message made once, in which the loop only replaces numbers.

`make_message` builds a message in which every commanded field exists (sequences are lengthened for it);
`make_template` serializes it and finds where its numbers and its stamp stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DescriptionError
from .wire import Segment, class_of, compile_path, fields_of, locate, message_end, parse_path

__all__ = ["Template", "make_message", "make_template"]


@dataclass(frozen=True, eq=False)
class Template:
    """A serialized message and where its numbers stand.

    Attributes
    ----------
    data : (n,) uint8, the message, encapsulation included
    places : for each field, (k,) int64 byte offsets of its numbers
    kinds : for each field, the number of its element type in `KINDS`
    stamp : byte offset of header.stamp; -1 if the type has none
    """

    data: np.ndarray
    places: tuple[np.ndarray, ...]
    kinds: tuple[int, ...]
    stamp: int


def _fresh(kind: Any) -> Any:
    """A value for a new element of a sequence."""
    if hasattr(kind, "namespaces"):
        return class_of(kind)()
    if not hasattr(kind, "typename"):
        return ""
    return {"boolean": False, "octet": b"\0", "float": 0.0, "double": 0.0}.get(kind.typename, 0)


def _lengthen(message: Any, segments: Sequence[Segment], n: int, path: str) -> None:
    """Make the ``n`` numbers of a path exist in a message."""
    segment, rest = segments[0], segments[1:]
    kind = fields_of(type(message))[segment.name]
    if not segment.indexed:
        if rest:
            _lengthen(getattr(message, segment.name), rest, n, path)
        return
    has = getattr(message, segment.name)
    need = segment.stop
    if need < 0:  # an open slice takes what is left of n: all, or one for each element that later parts do not multiply
        if any(later.indexed and later.stop - later.start != 1 for later in rest):
            raise DescriptionError("field", path, "has two open lengths", "give all slices but one an end")
        need = segment.start + n
    if getattr(kind, "size", None) is None:
        most = getattr(kind, "maximum_size", None)
        if most is not None and need > most:
            raise DescriptionError("field", path, f"needs {need} elements", f"{segment.name} takes at most {most}")
        if len(has) < need:
            setattr(message, segment.name, [*has, *(_fresh(kind.value_type) for _ in range(need - len(has)))])
            has = getattr(message, segment.name)
    if rest:
        inner = n // max(1, need - segment.start)
        for element in has[segment.start : need]:
            _lengthen(element, rest, inner, path)


def _assign(message: Any, path: str, value: Any) -> None:
    """Set one field of a message, e.g. ``header.frame_id`` or ``name``."""
    holder = message
    segments = parse_path(path)
    for k, segment in enumerate(segments):
        names = fields_of(type(holder)) if hasattr(holder, "SLOT_TYPES") else {}
        if segment.name not in names:
            raise DescriptionError("values", path, f"{type(holder).__name__} has no field {segment.name!r}")
        if segment.indexed:
            raise DescriptionError("values", path, "takes no index", "give the whole sequence")
        if k + 1 < len(segments):
            holder = getattr(holder, segment.name)
    if hasattr(holder, "_check_fields"):  # newer distributions check only if asked to, and serializing would crash
        holder._check_fields = True
    try:
        setattr(holder, segments[-1].name, value)
    except (AssertionError, TypeError, ValueError) as error:
        raise DescriptionError(f"values.{path}", value, f"does not fit the field: {error}") from None


def make_message(
    message_class: type, fields: Sequence[tuple[str, int]], values: Mapping[str, Any] | None = None
) -> Any:
    """A message of ``message_class`` that has all numbers of ``fields``: (path, how many).

    ``values`` are set first: ``{"header.frame_id": "base_link", "name": ["pan", "tilt"]}``.
    """
    message = message_class()
    for path, value in (values or {}).items():
        _assign(message, path, value)
    for path, n in fields:
        program = compile_path(message_class, path)
        if program.size >= 0 and program.size != n:
            raise DescriptionError("field", path, f"names {program.size} numbers, the output has {n}")
        _lengthen(message, program.segments, n, path)
    return message


def make_template(
    message_class: type,
    fields: Sequence[tuple[str, int]],
    values: Mapping[str, Any] | None,
    serialize: Callable[[Any], bytes],
) -> Template:
    """`make_message`, serialized, with the places of its numbers. Raises DescriptionError.

    ``serialize`` is ``rclpy.serialization.serialize_message``.
    """
    if not fields:
        raise DescriptionError("fields", fields, "must name at least one field to command")
    raw = serialize(make_message(message_class, fields, values))
    programs = [compile_path(message_class, path) for path, _ in fields]
    raw = raw[: message_end(programs[0], raw)]  # a serializer reserves more than it fills
    if raw[:2] != b"\0\1":
        raise DescriptionError("type", message_class, "must be serialized as little-endian CDR on this machine")
    places: list[np.ndarray] = []
    taken: dict[int, str] = {}
    for program, (path, n) in zip(programs, fields):
        offsets, _ = locate(program, raw)
        if len(offsets) != n:
            raise DescriptionError("field", path, f"names {len(offsets)} numbers, the output has {n}")
        for offset in offsets.tolist():
            if offset in taken:
                raise DescriptionError("field", path, f"is commanded twice: by {taken[offset]} too")
            taken[offset] = path
        places.append(offsets)
    stamp = 4 if programs[0].stamped else -1
    if stamp >= 0 and {4, 8} & set(taken):
        raise DescriptionError("field", [path for path, _ in fields], "must not command the stamp", "it is set anyway")
    kinds = tuple(program.kind for program in programs)
    return Template(np.frombuffer(raw, np.uint8).copy(), tuple(places), kinds, stamp)
