"""Data structures of a NIR graph without nested graphs: nodes with the file's parameters, and edges."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DescriptionError
from ..network import IF, LI, LIF, CubaLI, CubaLIF, Integrator, NeuronModel, Relay, Threshold
from ..network.graph import reached

__all__ = ["FIELDS", "MODELS", "NEURONS", "PASSING", "SPIKING", "TAUS", "WEIGHTS", "Graph", "Node", "natural"]

LEAK = {"tau_mem": "tau", "r": "r", "v_leak": "v_leak"}
SYNAPSE = {"tau_mem": "tau_mem", "tau_syn": "tau_syn", "r": "r", "v_leak": "v_leak"}
FIRING = {"v_threshold": "v_threshold", "v_reset": "v_reset"}
#: snn_control's model -> NIR's kind, and field of the model -> NIR's name for it
FIELDS: dict[type[NeuronModel], tuple[str, dict[str, str]]] = {
    IF: ("IF", {"r": "r", **FIRING}), LIF: ("LIF", LEAK | FIRING), CubaLIF: ("CubaLIF", SYNAPSE | FIRING),
    LI: ("LI", LEAK), CubaLI: ("CubaLI", SYNAPSE), Integrator: ("I", {"r": "r"}),
    Threshold: ("Threshold", {"v_threshold": "threshold"}), Relay: ("Scale", {}),  # only in snn_control's files
}  # fmt: skip
#: NIR's kind -> snn_control's model
MODELS = {kind: model for model, (kind, _) in FIELDS.items() if model is not Relay}
#: NIR's kind -> its names for the time constants, that of the membrane first
TAUS = {kind: tuple(word for word in held.values() if "tau" in word) for kind, held in FIELDS.values()}
SPIKING = tuple(kind for kind, model in MODELS.items() if not model.graded)
NEURONS = tuple(MODELS)
WEIGHTS = ("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d")
#: nodes that forward their input; "Pass" is an Input or Output of a nested graph
PASSING = ("Flatten", "Pass")


@dataclass
class Node:
    """One node of a NIR graph.

    kind : name of the node's type in NIR
    shape_in : shape of the node's input signal, without batch and time dimensions; elements are in row-major order
    shape : shape of the node's output signal, in the form of ``shape_in``
    """

    name: str
    kind: str
    values: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    shape_in: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()

    @property
    def neuron(self) -> bool:
        """Whether the node becomes a population: a neuron node or, in snn_control's files, a Scale node that is a
        Relay."""
        return self.kind in NEURONS or self.metadata.get("model") == "relay"

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def wrong(self, key: str, value: Any, rule: str, fix: str = "") -> DescriptionError:
        return DescriptionError(f"nodes.{self.name}.{key}" if key else f"nodes.{self.name}", value, rule, fix)

    def numbers(self, key: str) -> np.ndarray:
        value = np.asarray(self.values.get(key))
        if value.dtype.kind not in "fiu":
            raise self.wrong(key, self.values.get(key), "must be numbers")
        return value

    def each(self, key: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Return a parameter with a value for each element of a signal, in row-major order, (size,) float64.

        In a file, the parameter may lack dimensions, or have additional dimensions of size 1.

        key : name of the parameter
        shape : shape of the signal; None: the shape of the node's output
        """
        shape, value = self.shape if shape is None else shape, self.numbers(key).astype(np.float64)
        while value.ndim > len(shape) and value.shape[0] == 1:
            value = value[0]
        if value.size == np.prod(shape, dtype=np.int64):
            return value.reshape(-1).copy()
        try:
            return np.broadcast_to(value, shape).reshape(-1).copy()
        except ValueError:
            raise self.wrong(key, f"shape {value.shape}", f"must fit what arrives, of shape {shape}") from None


@dataclass
class Graph:
    """A NIR graph without nested graphs.

    metadata : metadata of the file
    notes : corrections and warnings of the import, one line each
    before : name of a node -> names of its predecessors
    after : name of a node -> names of its successors
    """

    nodes: dict[str, Node]
    edges: list[tuple[str, str]]
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    before: dict[str, list[str]] = field(init=False)
    after: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.before, self.after = {name: [] for name in self.nodes}, {name: [] for name in self.nodes}
        for a, b in self.edges:
            self.after[a].append(b)
            self.before[b].append(a)

    def of_kind(self, *kinds: str) -> list[Node]:
        return [n for n in self.nodes.values() if n.kind in kinds]

    def on_a_cycle(self, name: str) -> bool:
        return name in reached(self.after[name], lambda node: self.after[node])


def natural(name: str) -> list[Any]:
    """Return a key for natural sorting of names, which sorts "2" before "10"."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
