"""Convert the mappings of a controller file to descriptions of networks, encoders, outputs and so on.

`keys` declares the keys of a mapping. Outputs and networks may also be written in shorter forms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, get_origin

import numpy as np

from ..coding import ArgmaxDecoder, Decoder, Output
from ..engine import registry
from ..errors import DescriptionError
from ..network import Network, Population, Projection
from .joint_limits import take_joint_limits
from .keys import EVENTS_ENCODERS, OUTPUT_DECODERS, PLUGINS, SINGLE, Key, keys, types_at
from .reader import PLAIN, Reader
from .training import Limits, Training

__all__ = ["read_fields", "read_limits", "read_network", "read_output", "read_training"]

#: kind of a field -> function that reads it; values of other kinds are checked by the description alone
READERS: dict[Any, Callable[..., Any]] = {
    Any: Reader.array,
    tuple[int, int]: Reader.pair,
    tuple[Any, Any]: Reader.bounds,
}


def _read_place(r: Reader, place: str) -> Any:
    """Read a description of the type that the mapping's key ``type`` names. ``place`` selects the allowed types.

    `keys.types_at` lists the allowed types of a place. Raises DescriptionError for any other type.
    """
    if place in SINGLE:
        return read_fields(r, SINGLE[place])
    value = r.values.get("type")
    known = types_at(place, value)
    try:
        described = known[r.kind(known)]
    except DescriptionError as error:
        kind = {EVENTS_ENCODERS: "encoders", OUTPUT_DECODERS: "decoders"}.get(place, place)
        if kind not in PLUGINS.values() or value in list(registry.types(kind)) or not (broken := registry.faults(kind)):
            raise
        fix = "; ".join(filter(None, (error.fix, broken)))
        raise DescriptionError(error.path, error.value, error.rule, fix) from None
    return read_fields(r, described)


def read_fields(r: Reader, described: Any, skip: Collection[str] = (), **given: Any) -> Any:
    """Read a description from all keys of a mapping; raises DescriptionError.

    described : class of the description, or a function that returns the description
    skip : fields of the description that are not keys of this mapping
    given : values of fields that the caller has already read
    """
    values = {}
    for key in keys(described):
        if key.field not in given and key.field not in skip and (r.has(key.name) or key.required):
            values[key.field] = _value(r, key)
    return r.make(described, **values, **given)


def _value(r: Reader, key: Key) -> Any:
    value = r.values.get(key.name)
    if (value is None and key.optional) or (isinstance(value, str) and value in key.words):
        return r.take(key.name)
    if key.place and get_origin(key.kind) is tuple:
        return tuple(_read_place(one, key.place) for one in r.items(key.name))
    if key.place and (isinstance(value, Mapping) or key.kind is None):
        return _read_place(r.child(key.name), key.place)
    if key.kind in PLAIN:
        return r.plain(key.name, key.kind)
    return READERS.get(key.kind, Reader.take)(r, key.name)


def read_output(r: Reader, name: str) -> Output:
    """Read the output ``name`` from its mapping; raises DescriptionError."""
    take_joint_limits(r)
    return read_fields(r, Output, name=name, decoder=_read_decoder(r))


def _read_decoder(r: Reader) -> tuple[Decoder, ...] | ArgmaxDecoder:
    """Read the decoders of an output: one decoder, a list of decoders, or an arg-max."""
    value = r.values.get("decoder")
    if isinstance(value, list):
        if not value:
            raise DescriptionError(r.at("decoder"), value, "must hold at least one decoder")
        return tuple(_read_place(one, "decoders") for one in r.items("decoder"))
    made = _read_place(r.child("decoder"), OUTPUT_DECODERS)
    return made if isinstance(made, ArgmaxDecoder) else (made,)


def read_network(r: Reader, dt: float) -> Network:
    """Read the section ``network``, or its NIR file, for a step of ``dt`` [s]. Raises DescriptionError."""
    if r.has("nir"):
        return _read_nir(r, dt)
    populations = tuple(read_fields(child, Population, name=name) for name, child in r.children("populations", {}))
    projections = tuple(_read_projection(child) for child in r.items("projections"))
    return r.make(Network, populations=populations, projections=projections)


def _read_projection(r: Reader) -> Projection:
    given: dict[str, Any] = {}
    if not isinstance(r.values.get("connection"), dict):
        given["connection"] = r.plain("connection", str, "dense")
    else:
        made = _read_place(r.child("connection"), "connection")
        given = dict(zip(("connection", "weights"), made if isinstance(made, tuple) else [made]))
    try:
        return _with_numbers(read_fields(r, Projection, **given))
    except DescriptionError as error:
        path = re.sub(r"^projections\[[^]]*\]", lambda _: r.path, error.path)
        raise DescriptionError(path, error.value, error.rule, error.fix) from None


def _with_numbers(one: Projection) -> Projection:
    """Return a copy of the projection in which int8 weights from a file are multiplied by their scale."""
    if one.precision == "int8" and one.scale is not None and getattr(one.weights, "dtype", None) == np.int8:
        return replace(one, weights=one.weights * np.float32(one.scale))
    return one


def _read_nir(r: Reader, dt: float) -> Network:
    """Read a network from the NIR file in the key ``nir``, with the keys ``dialect`` and ``options``.

    The Input nodes of the NIR graph must have the names of the controller's inputs.
    """
    from ..nir import import_nir

    file, dialect, options = r.plain("nir", str), r.plain("dialect", str, ""), r.child("options", {})
    r.reject_unknown_keys()
    try:
        return import_nir(r.beside(r.at("nir"), file), dialect, dt, options.values).network
    except DescriptionError as error:
        if error.path == "FILE":
            raise DescriptionError(r.at("nir"), file, error.rule, error.fix) from None
        raise (error.within(r.path) if error.path.startswith(("dialect", "options")) else error) from None


def read_training(r: Reader) -> Training:
    """Read the section ``training``. Raises DescriptionError. The trainer makes further checks."""
    settings = r.child("settings", {}).values
    return read_fields(r, Training, trainable=read_limits(r), settings=settings)


def read_limits(r: Reader) -> dict[str, Limits]:
    """Read the key ``trainable``: pattern of parameter names -> limits of the parameters."""
    return {pattern: read_fields(child, Limits) for pattern, child in r.children("trainable", {})}
