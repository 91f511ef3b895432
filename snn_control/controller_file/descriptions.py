"""Descriptions read from mappings, key by key, as `keys` declares them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, get_origin

from ..engine import registry
from ..errors import DescriptionError
from .keys import EVENTS_ENCODERS, PLUGINS, SINGLE, Key, keys, types_at
from .reader import Reader

__all__ = ["read_fields", "read_place", "type_at"]

#: what a field holds -> how it is read; what is of another kind is checked by the description alone
READERS: dict[Any, Callable[..., Any]] = {
    Any: Reader.array,
    float: Reader.number,
    str: Reader.text,
    bool: Reader.flag,
    tuple[int, int]: Reader.pair,
    tuple[Any, Any]: Reader.bounds,
}


def read_place(r: Reader, place: str) -> Any:
    """The description that ``type`` names, of those that can stand in a place; raises DescriptionError."""
    return read_fields(r, SINGLE[place] if place in SINGLE else type_at(r, place))


def type_at(r: Reader, place: str, *also: str) -> Any:
    """The class that ``type`` names, one of ours or of a plug-in; raises DescriptionError.

    also : other names that could stand there, for the message
    """
    value = r.values.get("type")
    known = types_at(place, value)
    try:
        return known[r.kind([*known, *also])]
    except DescriptionError as error:
        kind = "encoders" if place == EVENTS_ENCODERS else place
        if kind not in PLUGINS.values() or value in list(registry.types(kind)) or not (broken := registry.faults(kind)):
            raise
        raise DescriptionError(error.path, error.value, error.rule, f"{error.fix}; {broken}") from None


def read_fields(r: Reader, described: Any, skip: Collection[str] = (), **given: Any) -> Any:
    """A description of all that a mapping holds; raises DescriptionError.

    described : its class, or a function that makes it
    skip : fields that are no keys of the file here
    given : fields that are known already
    """
    values = {}
    for key in keys(described):
        if key.field not in given and key.field not in skip and (r.has(key.name) or key.required):
            values[key.field] = _value(r, key)
    return r.make(described, **values, **given)


def _value(r: Reader, key: Key) -> Any:
    value = r.values.get(key.name)
    if value is None and key.optional:
        return r.take(key.name)
    if key.place and get_origin(key.kind) is tuple:
        return tuple(read_place(one, key.place) for one in r.items(key.name))
    if key.place and (isinstance(value, Mapping) or key.kind is None):
        return read_place(r.child(key.name), key.place)
    return READERS.get(key.kind, Reader.take)(r, key.name)
