"""Inspect message types with rosidl: the fields of a type, its name as text, and its lists of element names."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from rosidl_parser import definition as rosidl

from ...errors import DescriptionError, close_match
from .element_types import KIND_SIZES, KINDS
from .paths import Named, Segment

__all__ = [
    "begins_with_stamp", "class_of", "describe", "fields_of", "has_name", "kind_number", "least_size",
    "numbers_of", "owner_of_names", "type_name",
]  # fmt: skip

#: rosidl's name of a basic type -> its number in KINDS
_KIND_OF = {
    **{name: k for k, name in enumerate(KINDS)}, "boolean": 0, "octet": 1, "char": 1, "float": 9, "double": 10,
    "unsigned short": 3, "short": 4, "unsigned long": 5, "long": 6, "unsigned long long": 7, "long long": 8,
}  # fmt: skip


def type_name(message_class: type) -> str:
    """Return the name ``package/msg/Name`` of a message class."""
    return "/".join([*message_class.__module__.split(".")[:2], message_class.__name__])


def fields_of(message_class: type) -> dict[str, Any]:
    """Return the fields of a message class in the order of serialization: field name -> rosidl type."""
    try:
        return dict(zip(message_class.get_fields_and_field_types(), message_class.SLOT_TYPES, strict=True))  # type: ignore[attr-defined]
    except AttributeError:
        fix = "for example sensor_msgs.msg.Imu"
        raise DescriptionError("type", message_class, "must be a message class", fix) from None


def class_of(kind: Any) -> type:
    """Return the message class of a rosidl NamespacedType."""
    return getattr(importlib.import_module(".".join(kind.namespaces)), kind.name)


def kind_number(kind: Any, where: str) -> int:
    try:
        return _KIND_OF[kind.typename]
    except KeyError:
        raise DescriptionError("field", where, f"a {kind.typename} has no portable serialization") from None


def describe(kind: Any) -> str:
    """Return a rosidl type as text, such as ``std_msgs/msg/Header``."""
    if isinstance(kind, rosidl.BasicType):
        return kind.typename
    if isinstance(kind, rosidl.NamespacedType):
        return "/".join([*kind.namespaces, kind.name])
    if isinstance(kind, rosidl.AbstractNestedType):
        size = getattr(kind, "size", None)
        return f"{'sequence' if size is None else f'array of {size}'} of {describe(kind.value_type)}"
    return "string"


def numbers_of(kind: Any) -> Any:
    """Return an array type with the memory layout of a structure of numbers of one type, such as a Vector3.

    Any other type is returned unchanged.
    """
    inner = list(fields_of(class_of(kind)).values()) if isinstance(kind, rosidl.NamespacedType) else []
    alike = inner and all(isinstance(one, rosidl.BasicType) and one.typename == inner[0].typename for one in inner)
    return rosidl.Array(inner[0], len(inner)) if alike else kind


def has_name(element: Any, key: str) -> bool:
    """Return whether the type ``element`` is a structure with a string field ``key``."""
    return isinstance(element, rosidl.NamespacedType) and key in _texts_of(class_of(element), lists=False)


def _texts_of(message_class: type, lists: bool) -> list[str]:
    """Return the names of a message's string fields or, if ``lists`` is true, of its sequences of strings."""
    kinds = fields_of(message_class).items()
    if lists:
        kinds = {n: k.value_type for n, k in kinds if isinstance(k, rosidl.AbstractSequence)}.items()
    return [name for name, kind in kinds if isinstance(kind, rosidl.AbstractString)]


def owner_of_names(message_class: type, segments: Sequence[Segment]) -> int:
    """Return the index of the path's segment whose structure contains the list of element names.

    A path such as ``position[name=pan]`` selects elements by the names in this list. The index is -1 if the path does
    not select elements by name, or if an earlier part of the path is wrong. Raises DescriptionError if the path selects
    by name, but the message has no list of names.
    """
    classes: list[type] = [message_class]
    for segment in segments:
        kind = fields_of(classes[-1]).get(segment.name)
        element = getattr(kind, "value_type", kind)
        if isinstance(segment.pick, Named) and kind is not None:
            key, level = segment.pick.key, len(classes) - 1
            if has_name(element, key):
                return -1
            for outer in range(level, -1, -1):
                if key in _texts_of(classes[outer], lists=True):
                    return outer
            near = _texts_of(class_of(element), lists=False) if isinstance(element, rosidl.NamespacedType) else []
            near += [name for one in classes for name in _texts_of(one, lists=True)]
            fix = close_match(key, near) or f"names stand in {', '.join(near) or 'no field of it'}"
            raise DescriptionError("field", segment.name, f"there are no names {key!r} of its elements", fix)
        if not isinstance(element, rosidl.NamespacedType):
            return -1
        classes.append(class_of(element))
    return -1


def begins_with_stamp(message_class: type) -> bool:
    """Return whether the first field of a message type is a header or a time stamp."""
    for name, kind in fields_of(message_class).items():
        text = describe(kind)
        return text == "std_msgs/msg/Header" or (name == "stamp" and text == "builtin_interfaces/msg/Time")
    return False


def least_size(kind: Any) -> int:
    """Return the smallest serialized size of a value of a type, without padding [bytes]; at least 1."""
    if isinstance(kind, rosidl.BasicType):
        return KIND_SIZES[kind_number(kind, kind.typename)]
    if isinstance(kind, rosidl.NamespacedType):
        return max(1, sum(least_size(inner) for inner in fields_of(class_of(kind)).values()))
    if isinstance(kind, rosidl.Array):
        return kind.size * least_size(kind.value_type)
    return 4  # the length of a string or a sequence
