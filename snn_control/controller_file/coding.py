"""The ``inputs`` and ``outputs`` sections: encoders, decoders, limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from ..coding import ArgmaxDecoder, Decoder, Encoder, EventsInput, Input, Output, ValueInput
from ..engine import registry
from ..errors import DescriptionError
from ..network import NeuronModel
from .network import read_neuron
from .reader import Reader

__all__ = ["read_fields", "read_input", "read_output"]

#: type of a field -> how it is read; what is of another type is checked by the description alone
TAKE: dict[Any, Callable[[Reader, str], Any]] = {
    Any: Reader.array,
    float: Reader.number,
    float | None: lambda r, key: r.number(key) if r.values.get(key) is not None else r.take(key),
    str: Reader.text,
    tuple[int, int]: Reader.pair,
    bool: lambda r, key: r.flag(key, False),
    NeuronModel | None: lambda r, key: read_neuron(r.child(key)) if r.values.get(key) is not None else r.take(key),
}


def read_fields(r: Reader, cls: type) -> Any:
    """A description whose keys are its fields; ``source`` is ``from`` in a file."""
    types, values = get_type_hints(cls), {}
    for f in fields(cls):
        key = "from" if f.name == "source" else f.name
        if r.has(key) or f.default is MISSING:
            values[f.name] = TAKE.get(types[f.name], Reader.take)(r, key)
    return r.make(cls, **values)


def _encoder(r: Reader, events: bool) -> Encoder:
    def fits(cls: type) -> bool:
        lowering = registry.lowering("encoders", cls)
        return lowering is not None and lowering.events == events

    return read_fields(r, r.type_of("encoders", fits))


def read_input(name: str, r: Reader) -> Input:
    kind = r.kind({"value": 0, "events": 0}, "kind")
    values: dict[str, Any] = {"name": name, "stale": r.number("stale", float("inf"))}
    values["required"] = r.flag("required", True)
    if kind == "events":
        values |= {"size": r.pair("size"), "capacity": r.take("capacity", 16384)}
        values["filters"] = tuple(read_fields(one, one.type_of("filters")) for one in r.items("filters"))
        return r.make(EventsInput, encoder=_encoder(r.child("encoder"), events=True), **values)
    encoder = _encoder(r.child("encoder"), events=False) if r.has("encoder") else None
    unbounded = (-float("inf"), float("inf"))
    values |= {"range": r.bounds("range", unbounded), "plausible": r.bounds("plausible", unbounded)}
    values["not_finite"] = r.take("not_finite", "reject")
    return r.make(ValueInput, size=r.take("size", 1), unit=r.text("unit", ""), encoder=encoder, **values)


def _term(r: Reader, *also: str) -> Decoder:
    return read_fields(r, r.type_of("decoders", lambda cls: True, *also))


def _decoder(r: Reader) -> Any:
    value = r.values.get("decoder")
    if isinstance(value, list):
        if not value:
            raise DescriptionError(r.at("decoder"), value, "must hold at least one decoder")
        return tuple(_term(t) for t in r.items("decoder"))
    inner = r.child("decoder")
    if inner.values.get("type") == "argmax":
        inner.take("type")
        terms = tuple(_term(t) for t in inner.items("terms"))
        return inner.make(ArgmaxDecoder, actions=inner.take("actions"), terms=terms)
    return (_term(inner, "argmax"),)


def read_output(name: str, r: Reader) -> Output:
    values: dict[str, Any] = {key: r.array(key, default) for key, default in (("bias", 0.0), ("safe", 0.0))}
    values["slew"] = r.array("slew", float("inf"))
    values |= {"limits": r.bounds("limits", (-float("inf"), float("inf"))), "ramp": r.flag("ramp", False)}
    return r.make(Output, name=name, size=r.take("size", 1), unit=r.text("unit", ""), decoder=_decoder(r), **values)
