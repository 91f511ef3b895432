"""References for the wire: an encoder, a reader of paths by attribute access, random messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
from rosidl_parser.definition import AbstractWString, BasicType

from snn_control.ros.messages.message_types import class_of, fields_of

FORMATS = {
    "boolean": "?",
    "octet": "B",
    "uint8": "B",
    "char": "B",
    "int8": "b",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float": "f",
    "double": "d",
}


class Encoder:
    """Plain CDR, one field after the other."""

    def __init__(self, big: bool) -> None:
        self.order = ">" if big else "<"
        self.body = bytearray()

    def number(self, form: str, value: Any) -> None:
        size = struct.calcsize(form)
        self.body += b"\xaa" * (-len(self.body) % size)
        self.body += struct.pack(self.order + form, value)

    def value(self, kind: Any, value: Any) -> None:
        if isinstance(kind, BasicType):
            self.number(FORMATS[kind.typename], value[0] if isinstance(value, bytes) else value)
        elif hasattr(kind, "namespaces"):
            self.struct(value)
        elif hasattr(kind, "value_type"):
            if not hasattr(kind, "size"):
                self.number("I", len(value))
            for element in value:
                self.value(kind.value_type, element)
        elif isinstance(kind, AbstractWString):
            self.number("I", len(value))
            for character in value:
                self.number("I", ord(character))
        else:
            raw = value.encode() + b"\0"
            self.number("I", len(raw))
            self.body += raw

    def struct(self, message: Any) -> None:
        fields = fields_of(type(message))
        for name, kind in fields.items():
            self.value(kind, getattr(message, name))
        if not fields:
            self.number("B", 0)


def encode(message: Any, big: bool = False) -> bytes:
    encoder = Encoder(big)
    encoder.struct(message)
    return bytes([0, 0 if big else 1, 0, 0]) + bytes(encoder.body)


def declare(name: str, **fields: Any) -> type:
    """A message class of our own with the given rosidl types."""

    def get_fields_and_field_types(cls: type) -> dict[str, str]:
        return dict.fromkeys(fields, "")

    return type(
        name,
        (),
        {
            "__module__": "test_msgs.msg",
            "SLOT_TYPES": tuple(fields.values()),
            "get_fields_and_field_types": classmethod(get_fields_and_field_types),
        },
    )


def _number(form: str, random: Random) -> Any:
    if form == "?":
        return random.random() < 0.5
    if form == "f":
        return float(np.float32(random.uniform(-1e6, 1e6)))
    if form == "d":
        return random.uniform(-1e9, 1e9)
    bits = 8 * struct.calcsize(form)
    low = 0 if form.isupper() else -(2 ** (bits - 1))
    return random.choice([low, low + 2**bits - 1, random.randrange(low, low + 2**bits)])


def _text(random: Random, most: int) -> str:
    return "".join(random.choice("abcdefgh xyz_") for _ in range(random.randrange(min(most, 9) + 1)))


def random_value(kind: Any, random: Random) -> Any:
    if isinstance(kind, BasicType):
        value = _number(FORMATS[kind.typename], random)
        return bytes([value]) if kind.typename == "octet" else value
    if hasattr(kind, "namespaces"):
        return random_message(class_of(kind), random)
    if hasattr(kind, "value_type"):
        most = getattr(kind, "maximum_size", 4)
        n = kind.size if hasattr(kind, "size") else random.randrange(min(most, 4) + 1)
        return [random_value(kind.value_type, random) for _ in range(n)]
    return _text(random, getattr(kind, "maximum_size", 9))


def random_message(message_class: type, random: Random) -> Any:
    message = message_class()
    for name, kind in fields_of(message_class).items():
        value = random_value(kind, random)
        if name in ("sec", "nanosec"):  # a time is not before 0, so that the stamp can be compared
            value = abs(value) % 10**9
        setattr(message, name, value)
    return message


def paths(message: Any, random: Random, prefix: str = "") -> Iterator[str]:
    """Paths to the numbers of this message, also those whose sequence is empty."""
    for name, kind in fields_of(type(message)).items():
        value, path = getattr(message, name), prefix + name
        if hasattr(kind, "value_type"):
            inner = kind.value_type
            n = len(value)
            i = random.randrange(n) if n else random.randrange(getattr(kind, "maximum_size", 3))
            if isinstance(inner, BasicType):
                yield f"{path}[{i}]"
                yield f"{path}[:]"
                if n:
                    yield f"{path}[{i}:]"
                    yield f"{path}[{random.randrange(i + 1)}:{random.randrange(i + 1, n + 1)}]"
            elif hasattr(inner, "namespaces"):
                example = value[i] if n else class_of(inner)()
                yield from paths(example, random, f"{path}[{i}].")
                if n == 1:
                    yield from paths(example, random, f"{path}[:].")
        elif hasattr(kind, "namespaces"):
            yield from paths(value, random, path + ".")
        elif isinstance(kind, BasicType):
            yield path


def lookup(message: Any, path: str) -> list[float]:
    """The numbers of a path by attribute access; an empty sequence on the way gives none."""
    found = [message]
    for part in path.split("."):
        name, _, index = part.partition("[")
        found = [getattr(value, name) for value in found]
        if not index:
            continue
        index = index.rstrip("]")
        if ":" in index:
            start, stop = (int(s) if s else None for s in index.split(":"))
            found = [element for value in found for element in list(value)[start:stop]]
        else:
            found = [value[int(index)] for value in found if len(value)]
    return [float(value[0]) if isinstance(value, bytes) else float(value) for value in found]
