"""List all synapses of a controller's description as arrays, and replace its initial weights by learned weights."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..coding import Decoder
from ..controller import Controller
from ..controller_file import ControllerSpec
from ..engine.program import Program
from ..network import AllToAll, Distribution, Projection
from ..network.convolution import Convolution

__all__ = ["Synapses", "all_synapses", "decoder_rows", "sizes_of", "synapse_arrays", "with_learned"]

MAX_SYNAPSES = 4_000_000  # maximum number of synapses of a controller that are examined individually


@dataclass(frozen=True)
class Synapses:
    """Synapses of one projection, without those whose weight is always 0.

    pre, post : (k,) int64, indices of source and target neuron
    weight : (k,) float64, weights
    delay : (k,) float64, transmission delays [s]
    """

    of: Projection
    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    delay: np.ndarray


def sizes_of(program: Program) -> dict[str, int]:
    """Return the number of signals of each possible source of a projection: name -> number.

    Sources are populations, inputs whose encoder spikes, and graded inputs.
    """
    found = {p.name: p.size for p in program.facts.populations}
    for one in program.facts.inputs:
        for kind in ("drive", "pooled", "held"):
            place = program.names.get(f"{one.name}.{kind}")
            if place is not None:
                found.setdefault(one.name, place.shape[0])
    return found


def all_synapses(spec: ControllerSpec, program: Program) -> list[Synapses] | None:
    """Return the `Synapses` of all projections in order; None if there are too many to examine in about a second."""
    if sum(p.synapses for p in program.facts.projections) > MAX_SYNAPSES:
        return None
    sizes, found = sizes_of(program), []
    for p in spec.network.projections:
        columns = synapse_arrays(p, sizes[p.pre], sizes[p.post])
        there = columns[2] != 0 if p.learning is None else slice(None)  # a weight of 0 may be learned
        found.append(Synapses(p, *(column[there] for column in columns)))
    return found


def synapse_arrays(p: Projection, n_pre: int, n_post: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return all k synapses of a projection: source indices, target indices, weights and delays [s], (k,) each.

    Synapses with weight 0 are included, except for convolutions; int8 weights are returned after rounding.
    """
    connector = p.connector
    if isinstance(connector, Convolution):
        pre, post, weight = connector.synapses(np.asarray(p.weights, np.float64))
        return pre, post, weight, np.full(pre.size, float(p.delay))
    pre, post = connector.pairs(n_pre, n_post, p.pre == p.post)
    shape = (n_pre, n_post) if isinstance(connector, AllToAll) else pre.shape
    drawn = p.weights.sample(shape) if isinstance(p.weights, Distribution) else np.asarray(p.weights, np.float64)
    weight = np.broadcast_to(drawn, shape).reshape(-1)
    if p.precision == "int8":
        scale = p.scale or float(np.abs(weight).max(initial=0)) / 127 or 1.0
        weight = np.rint(weight / scale) * scale
    return pre, post, weight, np.broadcast_to(np.asarray(p.delay, np.float64), shape).reshape(-1)


def decoder_rows(term: Decoder, n: int, m: int) -> np.ndarray:
    """Return the weights or directions with which a decoder computes m numbers from n neurons, (n, m) float64."""
    values = getattr(term, "directions", getattr(term, "weights", None))
    if values is None:  # a first spike gives the index of its neuron, or one number for each neuron
        values = np.arange(n) if m == 1 else np.eye(n, m)
    array = values.sample((n, m)) if isinstance(values, Distribution) else np.asarray(values, np.float64)
    return np.broadcast_to(array[:, None] if array.ndim == 1 else array, (n, m))


def with_learned(spec: ControllerSpec, path: str | os.PathLike) -> ControllerSpec:
    """Return the description of a controller with its learned weights in place of the initial weights.

    The learned weights come from a file of `Controller.save_state`. Raises ProgramError if the file is of another kind,
    or belongs to another controller.
    """
    controller = Controller.from_spec(spec)
    controller.load_state(path)
    projections = list(spec.network.projections)
    learning = [k for k, p in enumerate(projections) if p.learning is not None]
    for k, rule in zip(learning, controller.program.facts.learning, strict=True):
        weights: Any = controller.rule_weights(rule)
        changed = {"connection": "dense", "weights": weights}
        if rule.sparse:
            changed = dict(zip(("pre_index", "post_index", "weights"), weights), connection="sparse")
        projections[k] = replace(projections[k], **changed)
    return replace(spec, network=replace(spec.network, projections=tuple(projections)))
