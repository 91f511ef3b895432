"""The ``inputs`` and ``outputs`` sections: encoders, decoders, limits."""

from __future__ import annotations

from typing import Any

from ..coding import (
    ArgmaxDecoder,
    EventsInput,
    Input,
    LinearEncoder,
    MembraneDecoder,
    Output,
    PoolEncoder,
    PopulationEncoder,
    SpikeDecoder,
    ValueInput,
)
from ..errors import DescriptionError
from .network import optional_neuron
from .reader import Reader

__all__ = ["read_input", "read_output"]


def _population_encoder(r: Reader) -> PopulationEncoder:
    neuron = optional_neuron(r)
    arrays = {key: r.array(key, None) for key in ("low", "high", "sigma")}
    return r.make(PopulationEncoder, neurons=r.take("neurons"), drive=r.number("drive", 4.0), neuron=neuron, **arrays)


def _linear_encoder(r: Reader) -> LinearEncoder:
    return r.make(LinearEncoder, weights=r.array("weights"), bias=r.array("bias", 0.0), neuron=optional_neuron(r))


def _pool_encoder(r: Reader) -> PoolEncoder:
    values: dict[str, Any] = {"grid": r.pair("grid"), "neuron": optional_neuron(r)}
    values |= {key: r.number(key, 1.0) for key in ("on_weight", "off_weight")}
    values["polarity"] = r.text("polarity", "signed")
    return r.make(PoolEncoder, **values)


ENCODERS = {"population": _population_encoder, "linear": _linear_encoder, "pool": _pool_encoder}


def _encoder(r: Reader, allowed: tuple[str, ...]) -> Any:
    return ENCODERS[r.kind({k: ENCODERS[k] for k in allowed})](r)


def read_input(name: str, r: Reader) -> Input:
    kind = r.kind({"value": 0, "events": 0}, "kind")
    values: dict[str, Any] = {"name": name, "stale": r.number("stale", float("inf"))}
    values["required"] = r.flag("required", True)
    if kind == "events":
        values |= {"size": r.pair("size"), "capacity": r.take("capacity", 16384)}
        return r.make(EventsInput, encoder=_encoder(r.child("encoder"), ("pool",)), **values)
    encoder = _encoder(r.child("encoder"), ("population", "linear")) if r.has("encoder") else None
    unbounded = (-float("inf"), float("inf"))
    values |= {"range": r.bounds("range", unbounded), "plausible": r.bounds("plausible", unbounded)}
    return r.make(ValueInput, size=r.take("size", 1), unit=r.text("unit", ""), encoder=encoder, **values)


def _term(r: Reader, terms: tuple[str, ...] = ("linear", "membrane")) -> SpikeDecoder | MembraneDecoder:
    kind = r.kind(terms)
    values: dict[str, Any] = {"source": r.text("from"), "weights": r.array("weights")}
    if kind == "linear":
        return r.make(SpikeDecoder, tau=r.number("tau"), **values)
    return r.make(MembraneDecoder, **values)


def _decoder(r: Reader) -> Any:
    value = r.values.get("decoder")
    if isinstance(value, list):
        if not value:
            raise DescriptionError(r.at("decoder"), value, "must hold at least one decoder")
        return tuple(_term(t) for t in r.items("decoder"))
    inner = r.child("decoder")
    if inner.values.get("type") == "argmax":
        inner.take("type")
        return inner.make(
            ArgmaxDecoder, actions=inner.take("actions"), terms=tuple(_term(t) for t in inner.items("terms"))
        )
    return (_term(inner, ("linear", "membrane", "argmax")),)


def read_output(name: str, r: Reader) -> Output:
    values: dict[str, Any] = {key: r.array(key, default) for key, default in (("bias", 0.0), ("safe", 0.0))}
    values["slew"] = r.array("slew", float("inf"))
    values |= {"limits": r.bounds("limits", (-float("inf"), float("inf"))), "ramp": r.flag("ramp", False)}
    return r.make(Output, name=name, size=r.take("size", 1), unit=r.text("unit", ""), decoder=_decoder(r), **values)
