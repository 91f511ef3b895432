"""The random part of the controller file's network: connectors and distributions, read into descriptions.

``connection: {type: fixed_probability, p: 0.1, seed: 3}``, ``weights: {type: normal, mean: 0.1, std: 0.02, seed: 4}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from ..network import (
    Connector,
    DistanceDependent,
    Distribution,
    FixedIndegree,
    FixedOutdegree,
    FixedProbability,
    Grid,
    Normal,
    Uniform,
)
from .reader import Reader

__all__ = ["CONNECTORS", "read_connector", "read_numbers"]

CONNECTORS: dict[str, type[Connector]] = {
    "fixed_probability": FixedProbability,
    "fixed_indegree": FixedIndegree,
    "fixed_outdegree": FixedOutdegree,
    "distance_dependent": DistanceDependent,
}
DISTRIBUTIONS: dict[str, type[Distribution]] = {"uniform": Uniform, "normal": Normal}
#: type of a field -> method of the Reader
METHODS = {int: "take", float: "number", bool: "flag", str: "text", Any: "array"}


def read_connector(r: Reader, kind: str) -> Connector:
    """The connector of a mapping whose ``type`` is taken already; raises DescriptionError."""
    return _described(r, CONNECTORS[kind])


def read_numbers(r: Reader, key: str, default: Any) -> Any:
    """A number, an array or a mapping that describes a distribution; raises DescriptionError."""
    if isinstance(r.values.get(key), Mapping):
        inner = r.child(key)
        return _described(inner, DISTRIBUTIONS[inner.kind(DISTRIBUTIONS)])
    return r.array(key, default)


def _described(r: Reader, cls: Any) -> Any:
    types, values = get_type_hints(cls), {}
    for f in fields(cls):
        read = getattr(r, METHODS[types[f.name]])
        values[f.name] = _positions(r, f.name) if f.type == "Positions" else read(f.name, f.default)
    return r.make(cls, **values)


def _positions(r: Reader, key: str) -> Any:
    if not isinstance(r.values.get(key), Mapping):
        return r.array(key)
    grid = r.child(key)
    shape, extent = grid.take("shape"), grid.take("extent", None)
    return grid.make(Grid, shape=_pack(shape), extent=_pack(extent))


def _pack(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
