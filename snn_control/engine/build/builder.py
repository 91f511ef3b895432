"""The network part of a build: allocate the arrays of populations, and order the operations of a network step.

To *emit* an operation means to append it to a section of the tick. A *lowering* converts one description, such as a
neuron model, to operations (`snn_control.engine.lowering`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import BuildError, DescriptionError, SnnControlError, describe_exception, within
from ...network import Distribution, Network, NeuronModel, Population, Projection
from .. import registry
from ..facts import CountedFacts
from ..control_words import LEARNING, ON, SWITCH_WORDS, words_of
from ..lowering import FLOAT_MAX, NeuronLowering
from ..kernels.spikes import HEADER
from .layout import Layout
from ..program import POST, PRE, STEP, Operation, Place, element, up
from ..random import operation_number
from ..registry import kernel

__all__ = ["Builder", "Node", "blamed", "bounded", "lowering_of", "matrix", "vector", "whole_steps"]

MOST_STEPS = 100_000  # longest delay or window, as a ring must hold it


def whole_steps(path: str, seconds: Any, dt: float) -> Any:
    """Round times [s] to whole numbers of network steps. Return an int for one time, an int64 array for several.

    Raise BuildError if a time is too long, or if a time > 0 rounds to 0 steps.
    """
    times = np.asarray(seconds, np.float64)
    if times.size and times.max() / dt > MOST_STEPS:
        raise BuildError(path, float(times.max()), f"must be at most {MOST_STEPS} steps of {dt} s")
    steps = np.rint(times / dt).astype(np.int64)
    if ((steps == 0) & (times != 0)).any():
        lost = float(times[(steps == 0) & (times != 0)].flat[0])
        raise BuildError(path, lost, f"rounds to 0 steps of {dt} s", "use 0, or more than half a step")
    return steps if steps.ndim else int(steps)


def matrix(path: str, weights: Any, shape: tuple[int, ...], also: tuple[int, ...] = ()) -> np.ndarray:
    """Return weights as a float32 array with the shape ``shape``. Raise BuildError if they do not fit.

    weights : one number for all elements; a `Distribution`; an array with the shape ``shape``; or an array with the
        shape ``also``, which is reshaped
    """
    array = weights.sample(shape) if isinstance(weights, Distribution) else np.asarray(weights)
    if array.dtype.kind not in "fiu" or not (np.abs(array.astype(np.float64)) <= FLOAT_MAX).all():
        raise BuildError(path, weights, "must be finite numbers of float32")
    if array.shape == also and also:
        array = array.reshape(shape)
    if array.shape not in ((), shape):
        raise BuildError(path, f"shape {array.shape}", f"must be a number or have shape {shape}")
    return np.ascontiguousarray(np.broadcast_to(array, shape), np.float32)


def vector(path: str, value: Any, n: int) -> np.ndarray:
    """Return one value for each neuron, (n,) float64. ``value`` is one number, n numbers or a `Distribution`."""
    array = value.sample(n) if isinstance(value, Distribution) else np.asarray(value, np.float64)
    if array.shape not in ((), (n,)):
        raise BuildError(path, f"shape {array.shape}", f"must be a number or {n} numbers")
    return np.ascontiguousarray(np.broadcast_to(array, (n,)))


def bounded(path: str, value: Any, n: int) -> np.ndarray:
    """Return one value for each neuron, (n,) float32, with infinities replaced by the largest finite numbers."""
    return np.clip(vector(path, value, n), -FLOAT_MAX, FLOAT_MAX).astype(np.float32)


def lowering_of(
    path: str, description: Any, kind: str = "neurons", rule: str = "no kernel is registered for this model"
) -> Any:
    """Return the lowering that is registered for the type of a description.

    path : path of the description in the controller file, for the error
    kind : category of the description: "neurons", "encoders", "filters", "rules" or "decoders"

    Raise BuildError with the text ``rule`` if no lowering is registered.
    """
    lowering = registry.lowering(kind, type(description))
    if lowering is None:
        raise BuildError(path, type(description).__name__, rule, registry.faults())
    return lowering


@contextmanager
def blamed(path: str, kind: str, description: Any) -> Iterator[None]:
    """Context that turns an exception of a plug-in's lowering into a BuildError with the plug-in's name and path."""
    try:
        yield
    except SnnControlError:
        raise
    except Exception as error:
        cls, origin = type(description), registry.origin(kind, type(description))
        if origin in ("", "snn_control"):
            raise
        rule = f"its lowering failed ({origin}): {describe_exception(error)}"
        raise BuildError(path, f"{cls.__module__}.{cls.__qualname__}", rule) from error


@dataclass
class Node:
    """A source of signals for projections during a build: a spiking population, or a vector of graded signals."""

    name: str
    size: int
    graded: bool
    signal: Place  # spikes: the ring; graded: the vector
    stride: int = 0
    slots: int = 1
    multiplicity: int = 0  # spikes: offset of their multiplicities in a slot
    line: Place | None = None  # ring of the last values of a graded signal
    drive: Place | None = None  # current from an encoder to its neurons
    pulse: Place | None = None  # output of an encoder that acts only in the first step of a tick
    target: dict[str, Place] = field(default_factory=dict)  # receptor -> array to which deliveries add
    synapses: dict[float, Place] = field(default_factory=dict)  # time constant -> synaptic current of projections
    bias: Place | None = None  # the population's current is reset to it in each step
    operation: Operation | None = None


class Builder:
    """Collects the operations, arrays and populations of a Program during a build.

    counters : maximum number of operations that count their synaptic operations
    tuned : name of a tunable parameter -> its value
    seen : name of a population -> number of past network steps whose spikes or graded signals the decoders read
    """

    def __init__(
        self, network: Network, dt: float, steps: int, n_inputs: int, counters: int, seed: int = 0,
        tuned: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self.network, self.dt, self.steps, self.seed = network, dt, steps, seed
        self.tunable = tuple(tuned or ())
        self.seen: dict[str, int] = {}
        self.drawing: dict[int, str] = {}
        self.layout = Layout()
        self.clock = self.layout.state("clock", "int64", 2)
        self.controlled, self.switches = self._control(tuple((tuned or {}).values()))
        self.network_states: list[Place] = []  # reset by a restart
        self.nodes: dict[str, Node] = {}
        self.sections: dict[int, list[Operation]] = {PRE: [], STEP: [], POST: []}
        times = [whole_steps(f"{p.label}.delay", p.delay, dt) for p in network.projections]
        self.synapse_delays = times  # in steps, one number or one for each synapse
        self.delays = [int(np.min(t)) if np.size(t) else 1 for t in times]  # 1 without synapses
        self.synapse_counts = [0] * len(network.projections)
        self.used_counts = [0] * len(network.projections)  # without synapses whose weight is always 0
        self.spike_counts = self.layout.state("spike_counts", "int64", max(1, len(network.populations) + n_inputs))
        self.synaptic_operations = self.layout.state("synaptic_operations", "int64", max(1, counters))
        self.counted: list[CountedFacts] = []
        self.updates = 0  # number of state variables that decay in a step: membranes, currents, traces
        self.spiking: list[str] = []
        self.plastic: dict[int, Any] = {}  # projections with a learning rule
        self.filters: dict[str, list[str]] = {}  # filter names of each events input
        self.stops: Place | None = None  # the stops of inputs, if an input has one

    def _control(self, tuned: Sequence[float]) -> tuple[Place, dict[int, Place]]:
        """Allocate the control words (`snn_control.engine.control_words`).

        The io block contains the requests; the state contains a copy of the accepted requests. Return the `Place` of
        the copy, and a dict with the switches of the learning rules: index of a projection -> `Place` of its switch.
        """
        rules = {k: p.learning for k, p in enumerate(self.network.projections) if p.learning is not None}
        asked, taken = words_of(len(rules), len(tuned))
        initial = np.zeros(taken, np.int64)
        enabled = [rule.enabled for rule in rules.values()]
        initial[LEARNING + ON : LEARNING + SWITCH_WORDS * len(rules) : SWITCH_WORDS] = enabled
        if tuned:
            initial[-len(tuned) :] = np.array(tuned, np.float64).view(np.int64)
        self.layout.io("control", "int64", asked)
        place = self.layout.state("controlled", "int64", taken, initial)
        switches = (element(place, LEARNING + SWITCH_WORDS * k, SWITCH_WORDS) for k in range(len(rules)))
        return place, dict(zip(rules, switches))

    def tunes(self, index: int) -> bool:
        """Return whether projection ``index`` has a tunable number: its weights can then become 0 or nonzero."""
        return any(name.startswith(f"network.projections[{index}]") for name in self.tunable)

    def emit(self, section: int, name: str, *, label: str, **words: int | Place) -> Operation:
        """Append an operation to a section of the tick, and return the operation.

        name : name of the kernel
        label : name of the controller's element that the operation computes, for reports
        words : the operands of the kernel, with the names in its signature
        """
        operation = self.operation(section, name, label, words)
        self.sections[section].append(operation)
        return operation

    def operation(self, section: int, name: str, label: str, words: Mapping[str, int | Place]) -> Operation:
        found = kernel(name)
        operands = (o if isinstance(o, Place) else int(o) for o in found.operands(words))
        return Operation(name, found.version, section, tuple(operands), label)

    def counter(
        self, label: str, synapses: int, once: bool, steps: bool = True, zeros: int = 0, weights: int = 0,
        precision: str = "float32",
    ) -> Place:  # fmt: skip
        """Allocate a counter of the synaptic operations of one operation, and return the counter's `Place`.

        The counter counts the synapses whose source signal and weight are both nonzero.

        synapses : number of synapses that one run of the operation uses, if none is skipped
        once : true if each source signal is 0 or 1, so that synapses add without multiplying
        steps : true if the operation runs in each network step; false if it runs once per tick
        zeros : number of weights that are 0
        weights : number of all weights; 0 means as many as ``synapses``
        """
        kind, each = "accumulate" if once else "multiply_accumulate", "step" if steps else "tick"
        counts = int(synapses), int(weights or synapses), int(zeros)
        self.counted.append(CountedFacts(label, kind, each, *counts, precision))
        return element(self.synaptic_operations, len(self.counted) - 1)

    def decay(self, tau: float, steps: int = 1) -> float:
        """Return the factor by which a quantity with time constant ``tau`` [s] decays in ``steps`` network steps."""
        return math.exp(-self.dt * steps / tau)

    # words that several rows have ------------------------------------------------------------------------------
    def spikes(self, node: Node, delay: int | None = None) -> dict[str, int | Place]:
        """Return the kernel operands that select the spike list of a population in one network step.

        delay : age of the spike list [steps]; None for kernels without this operand, which read the newest list
        """
        words: dict[str, int | Place] = {"spikes": node.signal, "stride": node.stride, "slots": node.slots}
        words |= {"clock": self.clock, "multiplicity": node.multiplicity}
        return words if delay is None else words | {"delay": delay}

    def line(self, node: Node) -> dict[str, int | Place]:
        assert node.line is not None
        return {"line": node.line, "stride": node.stride, "slots": node.slots, "clock": self.clock}

    def vector(self, x: Place) -> dict[str, int | Place]:
        """Return the kernel operands for the graded signal in the array ``x``, which has no delay line."""
        return {"x": x, "n_pre": x.shape[0], "stride": 0, "slots": 1, "clock": self.clock, "delay": 0}

    def signal(self, node: Node, delay: int) -> dict[str, int | Place]:
        """Return the kernel operands that select the graded signal that a population had ``delay`` steps ago."""
        words = self.vector(node.signal) | {"stride": node.stride}
        if delay == 0:
            return words
        assert node.line is not None
        return words | {"x": node.line, "slots": node.slots, "delay": delay}

    # sources -------------------------------------------------------------------------------------------------
    def longest_delay(self, name: str) -> int:
        """Return the longest delay [steps] of all projections from the population ``name``; 0 without projections.

        The delay of a projection with a learning rule counts one step more.
        """
        projections = zip(self.network.projections, self.delays, strict=True)
        return max([d + (p.learning is not None) for p, d in projections if p.pre == name], default=0)

    def receptor(self, projection: Projection) -> str:
        post = next((p for p in self.network.populations if p.name == projection.post), None)
        synaptic, model = False, "an input's encoder"
        if post is not None:
            where, model = f"populations.{post.name}.neuron", type(post.neuron).__name__
            with blamed(where, "neurons", post.neuron):
                synaptic = lowering_of(where, post.neuron).synaptic(post.neuron)
        if projection.receptor == "synaptic" and not synaptic:
            rule = f"{model} has no synaptic current"
            raise BuildError(f"{projection.label}.receptor", "synaptic", rule, "use 'current'")
        if projection.tau_syn is not None:
            return "current"
        return projection.receptor or ("synaptic" if synaptic else "current")

    def population(self, pop: Population, driven: bool = False) -> Node:
        """Allocate the arrays of a population, and make the operation that updates its neurons. Return its `Node`.

        driven : true if an encoder drives the population
        """
        where = f"inputs.{pop.name}.encoder.neuron" if driven else f"populations.{pop.name}.neuron"
        with blamed(where, "neurons", pop.neuron):
            return self._population(pop, driven, where)

    def _population(self, pop: Population, driven: bool, where: str) -> Node:
        name, n, model, lay = pop.name, int(pop.size), pop.neuron, self.layout
        first = len(lay.states)
        if name in self.nodes:
            raise BuildError("populations", name, "an input or a population has this name already")
        lowering = lowering_of(where, model)
        rest = vector(f"populations.{name}.bias", pop.bias, n) + 0.0  # + 0.0 removes negative zeros
        bias = lay.constant(f"{name}.bias", rest.astype(np.float32))
        current = bias
        if driven or any(p.post == name and self.receptor(p) == "current" for p in self.network.projections):
            current = lay.state(f"{name}.current", "float32", n, rest)
        with within(where):
            cells: Any = kernel(lowering.kernel).row["cells"]
            params, options = lowering.matrix(model, self.dt, cells.parameters), lowering.options(model, self.dt)
        words: dict[str, int | Place] = {"n": n, "current": current, "bias": bias}
        words |= {"params": lay.constant("", params), "each": params.shape[1]}
        states = self.states(pop, lowering)
        if model.graded:
            node = self.graded(name, states["v"])  # type: ignore[arg-type]
        else:
            node = self.spike_ring(name, n, lowering.multiple(model))
            words |= self.firing(node, where, model)
        node.target, node.bias = {"current": current}, bias
        if states.get("isyn"):
            node.target["synaptic"] = states["isyn"]  # type: ignore[assignment]
        if lowering.random:
            number = operation_number(name)
            if (other := self.drawing.setdefault(number, name)) != name:
                rule = f"would draw the random numbers of {other}"
                raise BuildError("populations", name, rule, "rename one of them")
            words |= {"seed": self.seed, "number": number}
        node.operation = self.operation(STEP, lowering.kernel, name, words | options | states)
        self.nodes[name] = node
        self.network_states += [place for _, place, _ in lay.states[first:]]
        return node

    def states(self, pop: Population, lowering: NeuronLowering) -> dict[str, int | Place]:
        """Allocate a population's state arrays. Return a dict: name -> `Place`, or 0 if the model lacks the array."""
        n, model = int(pop.size), pop.neuron
        resting = getattr(model, "rest", getattr(model, "v_leak", 0.0)) if pop.v_init is None else pop.v_init
        self.updates += n * sum(dtype == "float32" for dtype in lowering.states(model).values())
        v = vector(f"populations.{pop.name}.v_init", resting, n)
        initial = {"v": v} | lowering.initial(model, v)
        return {
            name: 0 if dtype is None else self.layout.state(f"{pop.name}.{name}", dtype, n, initial.get(name, 0))
            for name, dtype in lowering.states(model).items()
        }

    def spike_ring(self, name: str, n: int, multiple: bool) -> Node:
        """Allocate a population's ring buffer of spike lists, long enough for delays, decoders and a whole tick."""
        slots = max(self.steps, self.longest_delay(name), self.seen.get(name, 0))
        multiplicity = HEADER + 4 * n if multiple else 0
        stride = up(multiplicity + 2 * n if multiple else HEADER + 4 * n)
        ring = self.layout.state(f"{name}.spikes", "uint8", slots * stride)
        return Node(name, n, False, ring, stride, slots, multiplicity)

    def firing(self, node: Node, where: str, model: NeuronModel) -> dict[str, int | Place]:
        """Return the operands that all spiking models share: flags, spike ring, spike counter, refractory steps."""
        flags = self.layout.state("", "uint8", up(node.size))
        refractory = whole_steps(f"{where}.refractory", getattr(model, "refractory", 0.0), self.dt)
        if refractory > 65535:
            raise BuildError(f"{where}.refractory", refractory, "must be at most 65535 steps")
        counter = element(self.spike_counts, len(self.spiking))
        self.spiking.append(node.name)
        held = max(0, refractory - 1)  # the neuron can fire again when the period has ended
        return {"flags": flags, "counter": counter, "refractory": held, **self.spikes(node)}

    def graded(self, name: str, signal: Place) -> Node:
        """Return the `Node` of a graded signal, with a ring buffer of past values if delays or decoders need one."""
        node = Node(name, signal.shape[0], True, signal)
        seen = self.seen.get(name, 1)
        if slots := max(self.longest_delay(name), seen if seen > 1 else 0):
            node.stride, node.slots = up(4 * node.size), slots
            node.line = self.layout.state(f"{name}.line", "uint8", slots * node.stride)
        return node

    def remember(self, node: Node) -> None:
        if node.line is not None:
            self.emit(STEP, "remember", n=node.size, x=node.signal, **self.line(node), label=node.name)

    # order ---------------------------------------------------------------------------------------------------
    def order(self) -> list[str]:
        """Return the names of the populations in update order: a source comes before its targets if the delay is 0."""
        left, done = {p.name for p in self.network.populations}, []
        waits: dict[str, set[str]] = {name: set() for name in left}
        for p, delay in zip(self.network.projections, self.delays, strict=True):
            if delay == 0 and p.pre in left and p.post in left:
                waits[p.post].add(p.pre)
        while left:
            ready = [p.name for p in self.network.populations if p.name in left and not waits[p.name] & left]
            if not ready:
                rule = "projections of delay 0 form a cycle"
                raise BuildError("projections", " -> ".join(sorted(left)), rule, "give one of them a delay")
            done += ready
            left -= set(ready)
        return done
