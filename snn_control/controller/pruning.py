"""Pruning: remove neurons that never fire, which makes a controller cheaper and does not change its commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..coding import Decoder, Output
from ..controller_file import ControllerSpec
from ..engine import registry
from ..network import AllToAll, Distribution, Population, Projection
from ..network.quantization import codes

__all__ = ["without"]


def without(spec: ControllerSpec, silent: Mapping[str, np.ndarray]) -> ControllerSpec:
    """Return a controller without the neurons in ``silent``. At least one neuron of each population remains.

    A population remains unchanged if its size or the indices of its neurons matter elsewhere:

    - random numbers, such as those of stochastic neurons
    - a connection that is not dense, or a learning rule
    - a decoder without separate weights for each neuron

    silent : population -> (n,) bool, true for the neurons to remove
    """
    stays = {name: ~gone if not gone.all() else np.arange(gone.size) == 0 for name, gone in silent.items()}
    fixed = _fixed(spec)
    stays = {name: rows for name, rows in stays.items() if name not in fixed and not rows.all()}
    populations = tuple(_population(p, stays[p.name]) if p.name in stays else p for p in spec.network.populations)
    projections = tuple(_projection(p, stays) for p in spec.network.projections)
    network = replace(spec.network, populations=populations, projections=projections)
    return replace(spec, network=network, outputs=tuple(_output(one, stays) for one in spec.outputs))


def _fixed(spec: ControllerSpec) -> set[str]:
    """Return the names of the populations from which `without` removes no neurons."""
    fixed = set[str]()
    for population in spec.network.populations:
        drawn = isinstance(population.bias, Distribution) or isinstance(population.v_init, Distribution)
        lowering = registry.lowering("neurons", type(population.neuron))
        if drawn or (lowering is not None and lowering.random):
            fixed.add(population.name)
    for p in spec.network.projections:
        if p.learning is not None:
            fixed |= {p.pre, p.post, getattr(p.learning, "error", "")}
        if not isinstance(p.connector, AllToAll) or np.ndim(p.weights) != 2:
            fixed |= {p.pre, p.post}
    for term in (term for output in spec.outputs for term in output.terms):
        if np.ndim(getattr(term, _key(term), 0.0)) == 0:
            fixed.add(term.source)
    return fixed


def _population(p: Population, rows: np.ndarray) -> Population:
    neuron = replace(p.neuron, **{name: _rows(getattr(p.neuron, name), rows) for name in p.neuron.arrays()})
    return replace(p, size=int(rows.sum()), neuron=neuron, bias=_rows(p.bias, rows), v_init=_rows(p.v_init, rows))


def _projection(p: Projection, stays: Mapping[str, np.ndarray]) -> Projection:
    if not {p.pre, p.post} & stays.keys():
        return p
    changed: dict[str, Any] = {}
    if p.precision == "int8":  # the scale of fewer weights may be another one
        changed["scale"] = codes("weights", p.weights, p.scale)[1]
    for key in ("weights", "delay"):
        value = getattr(p, key)
        if np.ndim(value) == 2:
            value = _rows(value, stays[p.pre]) if p.pre in stays else value
            value = np.asarray(value)[:, stays[p.post]] if p.post in stays else value
            changed[key] = np.ascontiguousarray(value)
    if p.post in stays and p.bias is not None:
        changed["bias"] = _rows(p.bias, stays[p.post])
    return replace(p, **changed)


def _output(output: Output, stays: Mapping[str, np.ndarray]) -> Output:
    terms = tuple(
        replace(term, **{_key(term): _rows(getattr(term, _key(term)), stays[term.source])})  # type: ignore[arg-type]
        if term.source in stays
        else term
        for term in output.terms
    )
    return output.with_terms(terms)


def _key(term: Decoder) -> str:
    """Return the name of the field of a decoder that has a row for each neuron."""
    return "directions" if hasattr(term, "directions") else "weights"


def _rows(value: Any, rows: np.ndarray) -> Any:
    return value if np.ndim(value) == 0 else np.ascontiguousarray(np.asarray(value)[rows])
