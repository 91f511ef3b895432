"""The network part of a build: populations, projections, and the order in which a step runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BuildError
from ..network import Network, Population, Projection
from .forms import FLOAT_MAX, form_of
from .layout import Layout, element
from .program import POST, PRE, STEP, Operation, Place
from .registry import kernel

MOST_STEPS = 100_000  # of a delay: what a ring must hold

__all__ = ["Builder", "Node", "bounded", "matrix", "vector", "whole_steps"]


def whole_steps(path: str, seconds: float, dt: float) -> int:
    """Whole steps; raises BuildError where a time that is not zero would round to none."""
    steps = round(seconds / dt)
    if steps == 0 and seconds != 0:
        raise BuildError(path, seconds, f"rounds to no step of {dt} s", "use 0, or more than half a step")
    if steps > MOST_STEPS:
        raise BuildError(path, seconds, f"must be at most {MOST_STEPS} steps of {dt} s")
    return steps


def matrix(path: str, weights: Any, shape: tuple[int, ...], also: tuple[int, ...] = ()) -> np.ndarray:
    """Weights as float32 of ``shape``: a number is repeated, ``also`` is another shape that means the same."""
    array = np.asarray(weights)
    if array.dtype.kind not in "fiu" or not (np.abs(array.astype(np.float64)) <= FLOAT_MAX).all():
        raise BuildError(path, weights, "must be finite numbers of float32")
    if array.shape == also and also:
        array = array.reshape(shape)
    if array.shape not in ((), shape):
        raise BuildError(path, f"shape {array.shape}", f"must be a number or have shape {shape}")
    return np.ascontiguousarray(np.broadcast_to(array, shape), np.float32)


def vector(path: str, value: Any, n: int) -> np.ndarray:
    """(n,) float64 of a number or n numbers."""
    array = np.asarray(value, np.float64)
    if array.shape not in ((), (n,)):
        raise BuildError(path, f"shape {array.shape}", f"must be a number or {n} numbers")
    return np.ascontiguousarray(np.broadcast_to(array, (n,)))


def bounded(path: str, value: Any, n: int) -> np.ndarray:
    """The same as float32, infinities as its largest numbers."""
    return np.clip(vector(path, value, n), -FLOAT_MAX, FLOAT_MAX).astype(np.float32)


@dataclass
class Node:
    """A source of signals while building: spikes in a ring, or a graded vector."""

    name: str
    size: int
    graded: bool
    signal: Place  # spikes: the ring; graded: the vector
    stride: int = 0
    slots: int = 1
    line: Place | None = None  # delay line of a graded signal
    drive: Place | None = None  # current that an encoder gives to its neurons
    target: dict[str, Place] | None = None  # receptor -> where deliveries add
    operation: Operation | None = None


class Builder:
    def __init__(self, network: Network, dt: float, steps: int, n_inputs: int) -> None:
        self.network, self.dt, self.steps = network, dt, steps
        self.layout = Layout()
        self.clock = self.layout.state("clock", "int64", 2)
        self.nodes: dict[str, Node] = {}
        self.sections: dict[int, list[Operation]] = {PRE: [], STEP: [], POST: []}
        self.delays = [whole_steps(f"{p.label}.delay", p.delay, dt) for p in network.projections]
        self.synapse_counts = [0] * len(network.projections)
        self.spike_counts = self.layout.state("spike_counts", "int64", max(1, len(network.populations) + n_inputs))
        self.synaptic_operations = self.layout.state("synaptic_operations", "int64", 1)
        self.spiking: list[str] = []

    def emit(self, section: int, name: str, *operands: int | Place, label: str) -> Operation:
        operation = Operation(name, kernel(name).version, section, operands, label)
        self.sections[section].append(operation)
        return operation

    # sources -------------------------------------------------------------------------------------------------
    def longest_delay(self, name: str) -> int:
        return max([d for p, d in zip(self.network.projections, self.delays, strict=True) if p.pre == name], default=0)

    def has_current(self, name: str) -> bool:
        return any(p.post == name and self.receptor(p) == "current" for p in self.network.projections)

    def receptor(self, projection: Projection) -> str:
        post = next((p for p in self.network.populations if p.name == projection.post), None)
        synaptic = post is not None and form_of(f"populations.{post.name}.neuron", post.neuron).synaptic
        if projection.receptor == "synaptic" and not synaptic:
            model = type(post.neuron).__name__ if post else "an input's encoder"
            raise BuildError(
                f"{projection.label}.receptor", "synaptic", f"{model} has no synaptic current", "use 'current'"
            )
        return projection.receptor or ("synaptic" if synaptic else "current")

    def population(self, pop: Population, driven: bool = False) -> Node:
        """Allocate a population and prepare its operation."""
        name, n, model, lay = pop.name, int(pop.size), pop.neuron, self.layout
        where = f"inputs.{name}.encoder.neuron" if driven else f"populations.{name}.neuron"
        if name in self.nodes:
            raise BuildError("populations", name, "an input or a population has this name already")
        form = form_of(where, model)
        rest = vector(f"populations.{name}.bias", pop.bias, n) + 0.0  # no negative zero
        bias = lay.constant(f"{name}.bias", rest.astype(np.float32))
        current = bias
        if driven or self.has_current(name):
            current = lay.state(f"{name}.current", "float32", n, rest)
        params = lay.constant("", form.parameters(model, self.dt))
        v = lay.state(f"{name}.v", "float32", n, vector(f"populations.{name}.v_init", pop.v_init, n))
        if form.graded:
            node = Node(name, n, True, v, target={"current": current})
            operands: list[int | Place] = [n, params, current, bias, 0, 0, 0, 1, self.clock, 0, 0, 0, v]
            slots = self.longest_delay(name)
            if slots > 0:
                node.line = self.delay_line(node, slots)
        else:
            slots = max(self.steps, self.longest_delay(name))  # a driver can read all spikes of a tick
            stride = -(-(64 + 4 * n) // 64) * 64
            ring = lay.state(f"{name}.spikes", "uint8", slots * stride)
            flags = lay.state("", "uint8", -(-n // 64) * 64)
            node = Node(name, n, False, ring, stride, slots, target={"current": current})
            refractory = whole_steps(f"{where}.refractory", getattr(model, "refractory", 0.0), self.dt)
            if refractory > 65535:
                raise BuildError(f"{where}.refractory", refractory, "must be at most 65535 steps")
            counter = element(self.spike_counts, len(self.spiking))
            self.spiking.append(name)
            subtract = int(getattr(model, "reset", "value") == "subtract")
            operands = [
                n, params, current, bias, flags, ring, stride, slots, self.clock, counter, refractory, subtract, v,
            ]  # fmt: skip
            if form.synaptic:
                isyn = lay.state(f"{name}.isyn", "float32", n)
                node.target["synaptic"] = isyn  # type: ignore[index]
                operands.append(isyn)
            operands.append(lay.state(f"{name}.wait", "uint16", n if refractory else 1))
        node.operation = Operation(form.kernel, kernel(form.kernel).version, STEP, tuple(operands), name)
        self.nodes[name] = node
        return node

    def delay_line(self, node: Node, slots: int) -> Place:
        node.stride, node.slots = -(-4 * node.size // 64) * 64, slots
        return self.layout.state(f"{node.name}.line", "uint8", slots * node.stride)

    def remember(self, node: Node) -> None:
        if node.line is not None:
            operands = (node.size, node.line, node.stride, node.slots, self.clock, node.signal)
            self.emit(STEP, "remember", *operands, label=node.name)

    # projections ---------------------------------------------------------------------------------------------
    def product(self, section: int, y: Place, weights: np.ndarray, x: Place, label: str) -> None:
        operands = (y.shape[0], y, self.layout.constant("", weights), x, weights.shape[0], 0, 1, self.clock, 0)
        self.emit(section, "dense_graded", *operands, self.synaptic_operations, label=label)

    def deliver(self, index: int) -> None:
        p, delay = self.network.projections[index], self.delays[index]
        pre, post, lay = self.nodes[p.pre], self.nodes[p.post], self.layout
        y = post.target[self.receptor(p)]  # type: ignore[index]
        name = f"{p.pre}->{p.post}.weights"
        if p.bias is not None:
            bias = lay.constant("", matrix(f"{p.label}.bias", p.bias, (post.size,)))
            self.emit(STEP, "add", post.size, y, bias, label=p.label)
        if p.connection == "one_to_one" and pre.size != post.size:
            raise BuildError(f"{p.label}.connection", "one_to_one", f"sizes must agree: {pre.size} and {post.size}")
        if pre.graded:
            source = pre.signal if delay == 0 else pre.line
            common = (source, pre.size, pre.stride, 1 if delay == 0 else pre.slots, self.clock, delay)
            if p.connection == "one_to_one":
                w = lay.constant(name, matrix(f"{p.label}.weights", p.weights, (post.size,)))
                self.synapse_counts[index] = post.size
                self.emit(STEP, "one_to_one_graded", post.size, y, w, *common, self.synaptic_operations, label=p.label)  # type: ignore[arg-type]
                return
            if p.connection == "sparse":
                raise BuildError(f"{p.label}.connection", "sparse", f"{p.pre} is graded: must be dense or one_to_one")
            w = lay.constant(name, matrix(f"{p.label}.weights", p.weights, (pre.size, post.size)))
            self.synapse_counts[index] = pre.size * post.size
            self.emit(STEP, "dense_graded", post.size, y, w, *common, self.synaptic_operations, label=p.label)  # type: ignore[arg-type]
            return
        ring = (pre.signal, pre.stride, pre.slots, self.clock, delay, self.synaptic_operations)
        if p.connection == "dense":
            w = lay.constant(name, matrix(f"{p.label}.weights", p.weights, (pre.size, post.size)))
            self.synapse_counts[index] = pre.size * post.size
            self.emit(STEP, "dense_spikes", post.size, y, w, *ring, label=p.label)
            return
        pointers, synapses = self.sparse(p, pre.size, post.size)
        self.synapse_counts[index] = synapses.shape[0]
        w = lay.constant(name, synapses)
        self.emit(STEP, "csr_spikes", post.size, y, w, *ring, lay.constant("", pointers), pre.size + 1, label=p.label)

    @staticmethod
    def sparse(p: Projection, n_pre: int, n_post: int) -> tuple[np.ndarray, np.ndarray]:
        """Row pointers (n_pre + 1,) uint32 and synapses (k, 2) uint32: target, bits of the float32 weight."""
        if p.connection == "one_to_one":
            pre, post = np.arange(n_pre), np.arange(n_post)
        else:
            pre, post = np.asarray(p.pre_index), np.asarray(p.post_index)
        for key, index, n in (("pre_index", pre, n_pre), ("post_index", post, n_post)):
            if index.ndim != 1 or index.dtype.kind not in "iu" or index.shape != pre.shape:
                raise BuildError(f"{p.label}.{key}", f"shape {index.shape}", f"must be {pre.shape} whole numbers")
            if index.size and (index.min() < 0 or index.max() >= n):
                wrong = int(index.min() if index.min() < 0 else index.max())
                raise BuildError(f"{p.label}.{key}", wrong, f"must lie in [0, {n})")
        weights = matrix(f"{p.label}.weights", p.weights, pre.shape)
        order = np.lexsort((post, pre))
        pointers = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=n_pre))]).astype(np.uint32)
        synapses = np.empty((pre.size, 2), np.uint32)
        synapses[:, 0], synapses[:, 1] = post[order], weights[order].view(np.uint32)
        return pointers, synapses

    def order(self) -> list[str]:
        """Populations, sources before the targets of their delay-0 projections."""
        left, done = {p.name for p in self.network.populations}, []
        waits = {name: set() for name in left}  # type: dict[str, set[str]]
        for p, delay in zip(self.network.projections, self.delays, strict=True):
            if delay == 0 and p.pre in left and p.post in left:
                waits[p.post].add(p.pre)
        while left:
            ready = [p.name for p in self.network.populations if p.name in left and not waits[p.name] & left]
            if not ready:
                cycle = " -> ".join(sorted(left))
                raise BuildError(
                    "projections", cycle, "projections of delay 0 form a cycle", "give one of them a delay"
                )
            done += ready
            left -= set(ready)
        return done

    def connect(self) -> None:
        projections = self.network.projections
        for p in projections:
            for key in ("pre", "post"):
                if getattr(p, key) not in self.nodes:
                    known = ", ".join(self.nodes)
                    raise BuildError(f"{p.label}.{key}", getattr(p, key), f"must be an input or a population: {known}")
            if all(p.post != pop.name for pop in self.network.populations):  # an encoder's neurons run first
                raise BuildError(f"{p.label}.post", p.post, "must be a population")
        for index, delay in enumerate(self.delays):
            if delay >= 1:
                self.deliver(index)
        populations = [p.name for p in self.network.populations]
        for node in [n for n in self.nodes.values() if n.name not in populations]:
            if node.operation is None:
                self.remember(node)
        for name in [n for n in self.nodes if n not in populations] + self.order():
            node = self.nodes[name]
            if node.operation is None:
                continue
            if name not in populations:
                self.emit(STEP, "add", node.size, node.target["current"], node.drive, label=name)  # type: ignore
            for index, (p, delay) in enumerate(zip(projections, self.delays, strict=True)):
                if p.post == name and delay == 0:
                    self.deliver(index)
            self.sections[STEP].append(node.operation)
            if node.graded:
                self.remember(node)
