"""Convert a NIR graph to a network: neuron nodes become populations, weight nodes between them projections.

A Flatten node is removed, and a Delay node becomes the delay of a projection. If a weight node follows another weight
node directly, a Relay population is inserted between them. The network's inputs have the names of the Input nodes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.build.builder import whole_steps
from ..errors import DescriptionError
from ..network import Network, Population, Projection, Relay
from ..network.convolution import Convolution
from ..network.graph import free_name, reached
from . import native as own
from .dialects import Cell, plain
from .graph import PASSING, SPIKING, WEIGHTS, Graph, Node, natural
from .shapes import matrix_of, picture_of

__all__ = ["Contraction"]

Steps = Any  # a delay in steps: a whole number, or an array with one for each source neuron


def _at_once(p: Projection) -> bool:
    """Return whether some synapses of a projection have no delay: spikes arrive in the step in which they are sent."""
    return not np.all(p.delay)


class Contraction:
    """Converts a NIR graph to a network.

    graph : the graph, after `shapes.infer` has set the shapes of its signals
    cell : function that converts a neuron node in the file's dialect to a `Cell`
    dt : step of the network [s]
    names : name of a node -> name of the corresponding input or population
    outputs : name of an Output node -> name of the population whose signal it outputs
    """

    def __init__(self, graph: Graph, cell: Callable[[Node], Cell], dt: float) -> None:
        self.graph, self.dt = graph, dt
        self.names: dict[str, str] = {}
        self.populations: dict[str, Population] = {}
        self.projections: list[tuple[Projection, str]] = []  # with its node of weights, or an empty name
        self.outputs: dict[str, str] = {}
        for node in graph.nodes.values():
            if node.kind == "Input" or node.neuron:
                self._name(node.name)
        self.relays = self._relays()
        for node in graph.nodes.values():
            if node.neuron:
                self._neurons(node, cell)
        for name in sorted(self.relays, key=natural):
            self._arriving(name, self._relay(self._name(name), graph.nodes[name].size), through=name)
        for node in graph.of_kind("Output"):
            self._output(node)
        self._feedback()
        self._check_cycles()

    def network(self) -> Network:
        """Return the network. Populations are in the order of distance from the inputs, or of a file of snn_control."""
        depth, nodes = self._depth(), self.graph.nodes
        node_of = {name: node for node, name in self.names.items()}

        def place(name: str) -> Any:
            return depth.get(name, len(depth)), natural(name)

        def before(node: str) -> Any:
            return nodes[node].metadata.get("order", 0) if node in nodes else 0

        populations = sorted(self.populations.values(), key=lambda p: (before(node_of.get(p.name, "")), place(p.name)))
        made = sorted(self.projections, key=lambda one: (before(one[1]), place(one[0].post), place(one[0].pre)))
        return Network(tuple(populations), tuple(p for p, _ in made))

    # names -----------------------------------------------------------------------------------------------------
    def _name(self, node: str) -> str:
        """Convert a node's name to a valid population name: a letter, then letters, digits and underscores."""
        if node not in self.names:
            word = re.sub(r"\W", "_", node, flags=re.ASCII).strip("_") or "node"
            self.names[node] = self._free(word if word[0].isalpha() else f"n{word}")
        return self.names[node]

    def _free(self, word: str) -> str:
        return free_name(word, {*self.names.values(), *self.populations})

    # what arrives where ----------------------------------------------------------------------------------------
    def _sources(self, name: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[Node, Steps]]:
        """Yield each input, neuron node and weight node that directly feeds a node, with the delay between them
        [steps]."""
        if name in seen:
            raise DescriptionError(f"nodes.{name}", " -> ".join(seen), "a cycle without a neuron")
        for before in self.graph.before[name]:
            node = self.graph.nodes[before]
            if node.kind in PASSING or node.kind == "Delay":
                own = 0 if node.kind in PASSING else self._steps(node)
                for origin, delay in self._sources(before, (*seen, name)):
                    yield origin, delay + own
            else:
                yield node, 0

    def _steps(self, node: Node) -> Steps:
        delay = node.each("delay")
        if not (np.isfinite(delay) & (delay >= 0)).all():
            raise node.wrong("delay", plain(delay), "must be >= 0 s")
        steps = np.asarray(whole_steps(f"nodes.{node.name}.delay", delay, self.dt))
        if (np.abs(steps * self.dt - delay) > 1e-3 * self.dt).any():
            self.graph.notes.append(f"{node.name}: its delay is rounded to whole steps of {self.dt:g} s")
        return int(steps[0]) if (steps == steps[0]).all() else steps

    @staticmethod
    def _weights(node: Node) -> bool:
        return node.kind in WEIGHTS and not node.neuron

    def _relays(self) -> set[str]:
        """Return the weight nodes that need a Relay population after them: weights, an Output or a delay follow
        them."""
        found = set()
        for node in self.graph.nodes.values():
            takes_sums = self._weights(node) or node.kind == "Output"
            if takes_sums or node.neuron:
                found |= {o.name for o, d in self._sources(node.name) if self._weights(o) and (takes_sums or np.any(d))}
        return found

    # populations -----------------------------------------------------------------------------------------------
    def _relay(self, name: str, size: int) -> str:
        self.populations[name] = Population(name, size, Relay())
        return name

    def _neurons(self, node: Node, cell: Callable[[Node], Cell]) -> None:
        name = self._name(node.name)
        try:
            made = cell(node)
            rests = made.v_init is None or np.all(np.equal(made.v_init, getattr(made.neuron, "v_leak", 0.0)))
            v_init = None if rests else made.v_init
            self.populations[name] = Population(name, node.size, made.neuron, made.bias, v_init)
        except DescriptionError as error:  # an error of a model names only the parameter
            raise (error if "." in error.path else error.within(f"nodes.{node.name}")) from None
        target = name
        if any(np.any(np.not_equal(factor, 1)) for _, factor in made.inputs):
            target = self._relay(self._free(f"{name}_in"), node.size)
            for receptor, factor in made.inputs:
                self._connect(target, 0, name, weights=factor, connection="one_to_one", receptor=receptor)
        self._arriving(node.name, target)

    def _output(self, node: Node) -> None:
        sources = list(self._sources(node.name))
        if len(sources) == 1 and sources[0][0].kind != "Input" and not np.any(sources[0][1]):
            self.outputs[self._name(node.name)] = self.names[sources[0][0].name]
            return
        self.outputs[self._name(node.name)] = self._relay(self._name(node.name), node.size)
        self._arriving(node.name, self.names[node.name])

    # projections -----------------------------------------------------------------------------------------------
    def _arriving(self, name: str, post: str, through: str = "") -> None:
        """Connect all sources whose signal reaches the node ``name`` to the population ``post``.

        through : name of the weight node between the sources and ``post``; empty if there is none
        """
        first = True
        for origin, delay in self._sources(name):
            if through:
                self._project(origin, delay, post, self.graph.nodes[through], first)
                first = False
            elif self._weights(origin) and origin.name not in self.relays:
                self._arriving(origin.name, post, origin.name)
            else:
                self._connect(*self._delayed(origin, delay, False), post, connection="one_to_one")

    def _project(self, origin: Node, delay: Steps, post: str, node: Node, first: bool) -> None:
        """Add a projection for a weight node and one of its sources. Only the first source's projection has its bias.

        origin : the source
        delay : delay from the source to the weight node [steps]
        post : the target population
        node : the weight node
        first : whether ``origin`` is the first source of the node
        """
        values: dict[str, Any] = {"connection": "dense"}
        bias = node.numbers("bias").reshape(-1) if node.values.get("bias") is not None else None
        if node.kind in ("Affine", "Linear"):
            values["weights"] = np.ascontiguousarray(matrix_of(node).T)
        elif node.kind == "Scale":
            values |= {"weights": plain(node.each("scale")), "connection": "one_to_one"}
        else:
            values["connection"], values["weights"] = picture_of(node)
        if node.metadata:
            values = own.projection(node, values)
        if bias is not None and bias.size not in (node.size, node.shape[0] if node.kind.startswith("Conv") else 1):
            raise node.wrong("bias", f"{bias.size} numbers", f"must be one for each of the {node.size} it adds to")
        if bias is not None and first and np.any(bias):
            values["bias"] = bias
        pre, steps = self._delayed(origin, delay, whole=isinstance(values["connection"], Convolution))
        if node.metadata.get("delay_each") and not np.ndim(steps):
            steps = np.full(origin.size, steps)
        if np.ndim(steps) and values["connection"] == "dense":
            steps = np.broadcast_to(steps[:, None], values["weights"].shape)
        elif np.ndim(steps) and values["connection"] == "sparse":
            steps = steps[values["pre_index"]]
        self._connect(pre, steps, post, node.name, **values)

    def _connect(self, pre: str, steps: Steps, post: str, node: str = "", **values: Any) -> None:
        if np.any(steps):
            values["delay"] = steps * self.dt
        self.projections.append((Projection(pre, post, **values), node))

    def _delayed(self, origin: Node, delay: Steps, whole: bool) -> tuple[str, Steps]:
        """Return the source and the delay [steps] of a projection that implements a Delay node after ``origin``.

        If the neurons have different delays, a projection from a spiking source has these delays. For a graded source,
        or if ``whole`` is true (before a convolution), a Relay population delays the signal and becomes the source.
        """
        pre = self._name(origin.name)
        if not np.ndim(delay) or (not whole and origin.kind in SPIKING):
            return pre, delay
        relay = self._relay(self._free(f"{pre}_delayed"), origin.size)
        for steps in np.unique(delay):
            self._connect(pre, int(steps), relay, weights=(delay == steps) * 1.0, connection="one_to_one")
        return relay, 0

    # cycles ----------------------------------------------------------------------------------------------------
    def _depth(self) -> dict[str, int]:
        """Return the distance of each population from the inputs: the smallest number of projections between them."""
        after: dict[str, list[str]] = {}
        for p, _ in self.projections:
            after.setdefault(p.pre, []).append(p.post)
        depth = {self.names[n.name]: 0 for n in self.graph.of_kind("Input")}
        todo = list(depth)
        while todo:
            a = todo.pop(0)
            for b in after.get(a, []):
                if b not in depth:
                    depth[b] = depth[a] + 1
                    todo.append(b)
        return depth

    def _feedback(self) -> None:
        """Delay feedback by one step, as the frameworks do.

        A projection is feedback if it is recurrent, or leads to a population of the same cycle that is not farther from
        the inputs than its source. A cycle that contains a Delay gets no further delay.
        """
        at_once: dict[str, list[str]] = {}
        for p, _ in self.projections:
            if _at_once(p):
                at_once.setdefault(p.pre, []).append(p.post)
        depth, relays = self._depth(), {n for n, p in self.populations.items() if isinstance(p.neuron, Relay)}

        for k, (p, node) in enumerate(self.projections):
            if p.pre in relays or p.pre not in self.populations or not _at_once(p):
                continue
            if p.pre not in reached([p.post], lambda name: at_once.get(name, ())):
                continue
            through = reached([p.post], lambda name: at_once.get(name, ()) if name in relays else ())
            next_neurons = through - relays
            if all(depth.get(n, 0) <= depth.get(p.pre, 0) for n in next_neurons):
                self.projections[k] = replace(p, delay=p.delay + self.dt), node

    def _check_cycles(self) -> None:
        left = {p.name for p in self.populations.values()}
        edges = [(p.pre, p.post) for p, _ in self.projections if _at_once(p)]
        while ready := left - {b for a, b in edges if a in left}:
            left -= ready
        if left:
            rule = "a cycle without a delay: no neuron in it starts a feedback connection"
            raise DescriptionError("edges", sorted(left, key=natural), rule, "put a Delay into it")
