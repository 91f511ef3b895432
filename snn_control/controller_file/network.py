"""The ``network`` section: neurons, populations, projections."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from ..errors import DescriptionError
from ..network import Connector, LearningRule, Network, NeuronModel, Population, Projection
from ..network.convolution import Convolution, pooling
from .connectors import CONNECTORS, read_connector, read_numbers
from .reader import Reader

__all__ = ["read_network", "read_neuron", "read_population", "read_projection"]


def read_neuron(r: Reader) -> NeuronModel:
    cls = r.type_of("neurons")
    arrays = cls.arrays()
    values = {name: r.array(name) if name in arrays else r.take(name) for name in cls.names() if r.has(name)}
    return r.make(cls, **values)


def read_population(name: str, r: Reader) -> Population:
    values = {"bias": read_numbers(r, "bias", 0.0), "v_init": read_numbers(r, "v_init", None)}
    return r.make(Population, name=name, size=r.take("size"), neuron=read_neuron(r.child("neuron")), **values)


def _connection(r: Reader) -> tuple[str | Connector | Convolution, Any]:
    """The connection, and its weights where it says what they are."""
    if not isinstance(r.values.get("connection"), dict):
        return r.text("connection", "dense"), None
    inner = r.child("connection")
    kind = inner.kind((*CONNECTORS, "convolution", "pooling"))
    if kind in CONNECTORS:
        return read_connector(inner, kind), None
    values: dict[str, Any] = {"shape": inner.take("shape")}
    values |= {key: inner.take(key, default) for key, default in (("stride", None), ("padding", 0))}
    if kind == "pooling":
        return inner.make(pooling, kernel=inner.take("kernel"), average=inner.flag("average", False), **values)
    values |= {key: inner.take(key, 1) for key in ("dilation", "groups")}
    values["stride"] = values["stride"] or 1
    return inner.make(Convolution, **values), None


def _learning(r: Reader) -> LearningRule:
    cls, values = r.type_of("rules"), {}
    for field in fields(cls):
        if r.has(field.name) or field.default is MISSING:
            values[field.name] = r.array(field.name) if field.name in cls.arrays() else r.take(field.name)
    return r.make(cls, **values)


def read_projection(r: Reader) -> Projection:
    values: dict[str, Any] = {key: r.text(key) for key in ("pre", "post")}
    values |= {"receptor": r.text("receptor", ""), "precision": r.text("precision", "float32")}
    values |= {"delay": r.array("delay", 0.0)}
    values |= {key: r.number(key, None) for key in ("tau_syn", "scale")}
    values |= {key: r.array(key, None) for key in ("bias", "pre_index", "post_index")}
    values["learning"] = _learning(r.child("learning")) if r.has("learning") else None
    values["connection"], weights = _connection(r)
    values["weights"] = read_numbers(r, "weights", 1.0) if weights is None else weights
    try:
        return r.make(Projection, **values)
    except DescriptionError as error:
        path = error.path.replace(f"projections[{values['pre']} -> {values['post']}]", r.path)
        raise DescriptionError(path, error.value, error.rule, error.fix) from None


def read_network(r: Reader, dt: float) -> Network:
    """The whole section: populations and projections, or a NIR file that holds them."""
    if r.has("nir"):
        return _read_nir(r, dt)
    populations = tuple(read_population(name, child) for name, child in r.children("populations", {}))
    projections = tuple(read_projection(child) for child in r.items("projections"))
    return r.make(Network, populations=populations, projections=projections)


def _read_nir(r: Reader, dt: float) -> Network:
    """``nir: net.nir``, its ``dialect`` and ``options``; the network's inputs have the names of its Input nodes."""
    from ..nir import import_nir

    file, dialect, options = r.text("nir"), r.text("dialect", ""), r.child("options", {})
    r.done()
    try:
        return import_nir(r.folder / file, dialect, dt, options.values).network
    except DescriptionError as error:
        if error.path == "FILE":
            raise DescriptionError(r.at("nir"), file, error.rule, error.fix) from None
        raise (error.within(r.path) if error.path.startswith(("dialect", "options")) else error) from None
