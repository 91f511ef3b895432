"""Export a network as a NIR file that passes NIR's type check. Importing the file restores exactly the same network.

A population becomes a neuron node; a projection becomes a Delay node and a weight node. The file's metadata store the
parameters that NIR cannot express (`snn_control.nir.native`). A network is rejected if a reader that ignores the
metadata would build a different network.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..coding import Input, Output, ValueInput
from ..engine.build import build
from ..engine.build.builder import matrix
from ..errors import DescriptionError
from ..files import replace_file
from ..network import AllToAll, Network, OneToOne, Population, Projection
from ..network.convolution import Convolution
from ..network.distributions import Distribution
from ..network.graph import free_name
from . import native as own
from .graph import FIELDS
from .reading import library
from .weights import MAX_MATRIX_WEIGHTS, as_node, natural, picture, plain

__all__ = ["export_graph", "export_nir"]

KNOWN = {
    Population: ("name", "size", "neuron", "bias", "v_init"),
    Projection: (
        "pre", "post", "weights", "connection", "pre_index", "post_index", "delay", "receptor", "bias", "precision",
        "scale",
    ),
}  # fmt: skip


def export_nir(
    path: str | os.PathLike, network: Network, inputs: Sequence[Input], outputs: Sequence[Output], dt: float
) -> Any:
    """Write a network to a NIR file. Return the `nir.NIRGraph` in the file.

    outputs : outputs of the controller; each population that an output reads gets an Output node. Decoders, limits and
        the guard are not written

    Raises DescriptionError if NIR cannot express the network, and OSError if the file cannot be written.
    """
    graph = export_graph(network, inputs, outputs, dt)
    content = io.BytesIO()
    library().write(content, graph)
    replace_file(path, lambda file: file.write(content.getvalue()))
    return graph


def export_graph(network: Network, inputs: Sequence[Input], outputs: Sequence[Output], dt: float) -> Any:
    """Convert a network to a `nir.NIRGraph`. Arguments and errors are the same as for `export_nir`."""
    build(network, inputs, outputs, dt=dt, period=dt)  # raises DescriptionError if it cannot be built
    return _Export(network, inputs, outputs, dt).graph


def _no_more(path: str, description: Any) -> None:
    """Raise DescriptionError if a field that the exporter does not support has a value other than its default."""
    known = next(names for cls, names in KNOWN.items() if isinstance(description, cls))
    for f in fields(description):
        value = getattr(description, f.name)
        if f.name not in known and value is not f.default and value != f.default:
            raise DescriptionError(f"{path}.{f.name}", value, "has no place in NIR", "leave it out")


def _array(value: Any, shape: Any) -> np.ndarray:
    return value.sample(shape) if isinstance(value, Distribution) else np.asarray(value, np.float64)


class _Export:
    def __init__(self, network: Network, inputs: Sequence[Input], outputs: Sequence[Output], dt: float) -> None:
        self.nir, self.network, self.dt = library(), network, dt
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.sizes = {p.name: p.size for p in network.populations}
        for spec in inputs:
            self._check_input(spec)
            self.sizes[spec.name] = spec.size  # type: ignore[attr-defined]
        names = [spec.name for spec in inputs]
        if not any(p.pre in names for p in network.projections):
            rule = "a NIR graph begins at an Input, and none leads to a population here"
            raise DescriptionError("inputs", names, rule, "add a value input and a projection from it")
        self.shapes = self._shapes()
        for k, spec in enumerate(inputs):
            self.nodes[spec.name] = self.nir.Input(np.array(self.shapes[spec.name]), metadata={"order": k})
        for k, population in enumerate(network.populations):
            self.nodes[population.name] = self._population(population, k)
        for k, projection in enumerate(network.projections):
            self._projection(projection, k)
        populations = {p.name for p in network.populations}
        read = [name for name in dict.fromkeys(t.source for o in outputs for t in o.terms) if name in populations]
        for name in read:
            node = self.nir.Output(np.array(self.shapes[name]))
            self.edges.append((name, self._add("output" if len(read) == 1 else f"{name}_output", node)))
        metadata = {"dialect": own.NAME, "dt": float(dt)}
        self.graph = self.nir.NIRGraph(self.nodes, self.edges, metadata, type_check=False)

    @staticmethod
    def _check_input(spec: Input) -> None:
        where = f"inputs.{spec.name}"
        if not isinstance(spec, ValueInput):
            rule = "NIR has no event streams and no pooling of them"
            raise DescriptionError(where, type(spec).__name__, rule, "export the network behind a value input")
        if spec.encoder is not None:
            rule = "NIR has no encoders"
            fix = "give the input's values to the network by a projection"
            raise DescriptionError(f"{where}.encoder", type(spec.encoder).__name__, rule, fix)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each signal: name -> shape.

        A signal that enters a convolution has the shape of an image if all sources fit; other signals have (n,).
        """
        flat: dict[str, tuple[int, ...]] = {name: (int(size),) for name, size in self.sizes.items()}
        shapes = dict(flat)
        convolutions = [p for p in self.network.projections if isinstance(p.connection, Convolution)]
        for p in convolutions:
            shapes[p.pre] = picture(p)[0]
        for p in convolutions:
            shapes[p.post] = picture(p)[1]

        def fits(p: Projection) -> bool:
            if isinstance(p.connection, Convolution):
                return natural(p, shapes[p.pre]) and picture(p)[1] == shapes[p.post]
            return isinstance(p.connector, OneToOne) and p.bias is None and shapes[p.pre] == shapes[p.post]

        while wrong := [p.post for p in self.network.projections if shapes[p.post] != flat[p.post] and not fits(p)]:
            shapes |= {name: flat[name] for name in wrong}
        return shapes

    # populations -----------------------------------------------------------------------------------------------
    def _population(self, population: Population, order: int) -> Any:
        where, model, n = f"populations.{population.name}", population.neuron, int(population.size)
        _no_more(where, population)
        if type(model) not in FIELDS:
            known = ", ".join(cls.__name__ for cls in FIELDS)
            raise DescriptionError(f"{where}.neuron", type(model).__name__, "NIR has no such neuron", f"it has {known}")
        kind, held = FIELDS[type(model)]
        shape = self.shapes[population.name]

        def each(value: Any) -> np.ndarray:
            return np.broadcast_to(_array(value, n), (n,)).reshape(shape).copy()

        metadata: dict[str, Any] = {"model": type(model).__name__.lower(), "order": order}
        metadata |= {key: plain(getattr(model, key)) for key in model.names() if key not in held}
        values = {word: each(getattr(model, key)) for key, word in held.items()}
        bias = _array(population.bias, n)
        if np.any(bias):
            if "v_leak" not in values:
                rule = f"NIR has no constant current into an {kind}"
                raise DescriptionError(f"{where}.bias", population.bias, rule, "give it to a projection as its bias")
            metadata |= {"bias": plain(bias), "v_leak": plain(model.v_leak)}  # type: ignore[attr-defined]
            values["v_leak"] = values["v_leak"] + values["r"] * each(bias)
        if population.v_init is not None:
            metadata["v_init"] = plain(_array(population.v_init, n))
        if "tau_syn" in values:
            values["w_in"] = values["tau_syn"] / self.dt  # a spike of weight w adds w to the current
        if kind == "Scale":
            values["scale"] = np.ones(shape)
        return getattr(self.nir, kind)(**values, metadata=metadata)

    # projections -----------------------------------------------------------------------------------------------
    def _projection(self, p: Projection, order: int) -> None:
        _no_more(p.label, p)
        post = next(q for q in self.network.populations if q.name == p.post)
        if p.receptor == "current" and hasattr(post.neuron, "tau_syn"):
            rule = f"all input of NIR's {FIELDS[type(post.neuron)][0]} is synaptic"
            raise DescriptionError(f"{p.label}.receptor", p.receptor, rule, "use a LIF, or leave receptor out")
        n_pre, n_post = self.sizes[p.pre], self.sizes[p.post]
        if not isinstance(p.connection, Convolution) and n_pre * n_post > MAX_MATRIX_WEIGHTS:
            rule = f"NIR stores all pairs, and {n_pre} x {n_post} is more than {MAX_MATRIX_WEIGHTS:,}"
            raise DescriptionError(f"{p.label}.connection", p.connection, rule, "split the populations")
        resolved = self._resolved(p, n_pre, n_post)
        node, takes, gives = as_node(self.nir, resolved, self.shapes[p.pre], n_post)
        node.metadata |= {"order": order} | ({"receptor": p.receptor} if p.receptor else {})
        node.metadata |= {"delay_each": True} if np.ndim(p.delay) else {}
        name, chain, shape = f"{p.pre}_to_{p.post}", [p.pre], self.shapes[p.pre]
        delay = self._delay(resolved, n_pre)
        if np.any(delay):
            each = np.broadcast_to(delay, n_pre).reshape(shape).copy()
            chain.append(self._add(f"{name}_delay", self.nir.Delay(each)))
        chain += self._flat(name, shape, takes)
        chain.append(self._add(name, node))
        chain += self._flat(name, gives, self.shapes[p.post])
        self.edges += pairwise([*chain, p.post])

    def _flat(self, name: str, have: tuple[int, ...], want: tuple[int, ...]) -> list[str]:
        """Add a Flatten node if an image enters a node that needs a vector. Return [its name], or [] if none was added.

        have : shape of the source's signal
        want : shape that the node needs
        """
        if have == want:
            return []
        return [self._add(f"{name}_flat", self.nir.Flatten(np.array(have), start_dim=0, end_dim=-1))]

    def _add(self, name: str, node: Any) -> str:
        free = free_name(name, {*self.nodes, *self.sizes})
        self.nodes[free] = node
        return free

    @staticmethod
    def _resolved(p: Projection, n_pre: int, n_post: int) -> Projection:
        connector = p.connector
        if isinstance(connector, Convolution):
            return p
        if isinstance(connector, AllToAll | OneToOne):
            values: dict[str, Any] = {"connection": "dense" if isinstance(connector, AllToAll) else "one_to_one"}
            shape = (n_pre, n_post) if isinstance(connector, AllToAll) else (n_pre,)
        else:
            pre, post = connector.pairs(n_pre, n_post, p.pre == p.post)
            values = {"connection": "sparse", "pre_index": pre, "post_index": post}
            shape = pre.shape
        values["weights"] = matrix(p.label, p.weights, shape)
        return replace(p, **values)

    @staticmethod
    def _delay(p: Projection, n_pre: int) -> Any:
        """Return the delay of a projection [s], a number or (n_pre,). NIR delays signals before the weights."""
        delay = np.asarray(p.delay, np.float64)
        if not delay.ndim or isinstance(p.connection, Convolution):
            return delay
        pre = np.indices(delay.shape)[0] if p.pre_index is None else np.asarray(p.pre_index)
        of_neuron = np.zeros(n_pre)
        of_neuron[pre.reshape(-1)] = delay.reshape(-1)
        if (of_neuron[pre] != delay).any():
            fix = "use one delay, or one for each presynaptic neuron"
            raise DescriptionError(f"{p.label}.delay", "one per synapse", "NIR delays a signal before its weights", fix)
        return of_neuron
