"""Build the projections: choose the kernel that computes each projection, and allocate the kernel's operands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import BuildError, DescriptionError, within
from ...network import AllToAll, Connector, LearningRule, OneToOne, Projection
from ...network.convolution import Convolution
from ...network.quantization import codes
from .builder import Builder, Node, matrix
from .connectivity import Rows, rows_of, weight_words, without_zeros
from ..program import PRE, STEP, Operation, Place
from .rules import add_rules, keep_weights

__all__ = ["connect", "product"]

MOST_TARGETS = 1 << 24  # targets that fit into a synapse of one word
TILE = 256  # a shorter signal is repeated up to about this many elements, which stay in the first-level cache


def connect(b: Builder) -> None:
    """Emit the operations of a network step: delayed projections, populations with their other projections, rules."""
    projections = b.network.projections
    for p in projections:
        for key in ("pre", "post"):
            if getattr(p, key) not in b.nodes:
                known = ", ".join(b.nodes)
                raise BuildError(f"{p.label}.{key}", getattr(p, key), f"must be an input or a population: {known}")
        if all(p.post != pop.name for pop in b.network.populations):  # an encoder's neurons run first
            raise BuildError(f"{p.label}.post", p.post, "must be a population")
    held = _held(b)
    for index, delay in enumerate(b.delays):
        if delay >= 1:
            deliver(b, index)
    populations = [p.name for p in b.network.populations]
    for node in [n for n in b.nodes.values() if n.name not in populations]:
        if node.operation is None:
            b.remember(node)
    for name in [n for n in b.nodes if n not in populations] + b.order():
        node = b.nodes[name]
        if node.operation is None:
            continue
        if node.drive is not None:  # neurons of an encoder
            b.emit(STEP, "add", n=node.size, y=node.target["current"], x=node.drive, label=name)
        own = [k for k, (p, delay) in enumerate(zip(projections, b.delays, strict=True)) if p.post == name and delay == 0]
        if held.intersection(own):
            _hold(b, node, [k for k in own if k in held])
        for index in own:
            if index not in held:
                deliver(b, index)
        for tau, isyn in node.synapses.items():
            decay = b.layout.floats(np.exp(-b.dt / tau))
            b.emit(STEP, "synapse", n=node.size, y=node.target["current"], isyn=isyn, decay=decay, label=name)
            b.updates += node.size
        b.sections[STEP].append(node.operation)
        if node.graded:
            b.remember(node)
    add_rules(b)


def product(b: Builder, section: int, y: Place, weights: np.ndarray, x: Place, label: str) -> None:
    """Emit the operation y += x W, where x is a vector of graded signals and W a weight matrix, (n_pre, n_post)."""
    counter = b.counter(label, weights.size, once=False, steps=section == STEP, zeros=zeros(weights))
    own = {"weights": b.layout.constant("", weights), "counter": counter, "fan_out": fan_out(b, weights)}
    b.emit(section, "dense_graded", n_post=y.shape[0], y=y, **b.vector(x), **own, label=label)


def zeros(weights: np.ndarray) -> int:
    return int(weights.size - np.count_nonzero(weights))


def fan_out(b: Builder, weights: np.ndarray, learning: LearningRule | None = None, index: int = -1) -> int | Place:
    """Allocate the number of nonzero weights of each presynaptic neuron, (n_pre,) uint32, and return its `Place`.

    Kernels use these numbers to count synaptic operations. Return 0 if kernels shall count all weights: if no weight
    is 0 or can be tuned to 0, or if a learning rule changes the weights.

    index : number of the projection; -1 if the weights do not belong to a projection
    """
    tuned = b.tunes(index) if index >= 0 else bool(b.tunable)
    if learning is not None or (np.all(weights) and not tuned):
        return 0
    return b.layout.constant("", np.count_nonzero(weights, axis=1).astype(np.uint32))


@dataclass(frozen=True)
class Delivery:
    """The delivery of one projection: it adds the arriving signals, times the weights, to the target vector ``y``.

    index : number of the projection in the network
    source : kernel operands that select the arriving spikes or graded signals
    section : STEP if the delivery runs in each network step; PRE if it runs once per tick
    """

    b: Builder
    index: int
    pre: Node
    y: Place
    source: dict[str, Any]
    section: int = STEP

    @property
    def p(self) -> Projection:
        return self.b.network.projections[self.index]

    @property
    def kind(self) -> str:
        return "graded" if self.pre.graded else "spikes"

    @property
    def name(self) -> str:
        return f"{self.p.pre}->{self.p.post}.weights"

    def counter(self, synapses: int, zeros: int, weights: int = 0) -> Place:
        once = not self.pre.graded and self.pre.multiplicity == 0
        return self.b.counter(self.p.label, synapses, once, self.section == STEP, zeros, weights, self.p.precision)

    def emit(self, kernel: str, **words: int | Place) -> None:
        row: dict[str, int | Place] = {"n_post": self.y.shape[0], "y": self.y, **self.source, **words}
        self.b.emit(self.section, kernel, **row, label=self.p.label)


def _held(b: Builder) -> set[int]:
    """Return the numbers of the projections that run only once per tick, because their source changes once per tick.

    These projections add to the current of their target, without a delay and before all other projections. The sums
    therefore have the same bits as sums that are computed in each network step.
    """
    found: set[int] = set()
    if b.steps == 1:
        return found
    into: dict[str, list[int]] = {}
    for k in sorted(range(len(b.delays)), key=lambda k: b.delays[k] == 0):  # in the order of their deliveries
        p = b.network.projections[k]
        if p.tau_syn is None and b.receptor(p) == "current":
            into.setdefault(p.post, []).append(k)
    for projections in into.values():
        for k in projections:
            p, pre = b.network.projections[k], b.nodes[b.network.projections[k].pre]
            # not events: replays of recorded sequences set their encoders' outputs after section PRE
            per_tick = pre.graded and pre.operation is None and pre.pulse is None and pre.name not in b.filters
            if b.delays[k] != 0 or not per_tick or p.learning is not None:
                break
            found.add(k)
    return found


def _hold(b: Builder, node: Node, projections: list[int]) -> None:
    """Emit the operations of projections that run once per tick. Their sum is the initial current of each step."""
    label = b.network.projections[projections[0]].label
    held = b.layout.state(f"{node.name}.drive", "float32", node.size)
    assert node.bias is not None and node.operation is not None
    b.emit(PRE, "copy", n=node.size, y=held, x=node.bias, label=label)
    for index in projections:
        deliver(b, index, held)
    current = node.target["current"]
    b.emit(STEP, "copy", n=node.size, y=current, x=held, label=label)
    node.operation = _without_reset(node, current)


def _without_reset(node: Node, current: Place) -> Operation:
    """Return the update of a population without the reset of its current, for a current that each step overwrites."""
    assert node.operation is not None
    operands = tuple(current if operand is node.bias else operand for operand in node.operation.operands)
    return replace(node.operation, operands=operands)


def deliver(b: Builder, index: int, held: Place | None = None) -> None:
    """Emit the operations with which projection ``index`` adds the arriving signals to its target population.

    held : vector to which the signals are added once per tick; None if the operations run in each network step
    """
    p, delay = b.network.projections[index], b.delays[index]
    pre, post = b.nodes[p.pre], b.nodes[p.post]
    y, section = (_target(b, p, post), STEP) if held is None else (held, PRE)
    if isinstance(p.connector, OneToOne) and pre.size != post.size:
        raise BuildError(f"{p.label}.connection", "one_to_one", f"sizes must agree: {pre.size} and {post.size}")
    if np.ndim(p.delay) and (pre.graded or isinstance(p.connection, Convolution) or p.precision != "float32"):
        fix = "use one delay"
        raise BuildError(f"{p.label}.delay", "one per synapse", "requires spikes through float32 weights", fix)
    if p.precision != "float32" and (pre.graded or pre.multiplicity or isinstance(p.connection, Convolution)):
        rule = "is for spikes, one per step, through dense, sparse and one_to_one connections"
        raise BuildError(f"{p.label}.precision", p.precision, rule)
    d = Delivery(b, index, pre, y, b.signal(pre, delay) if pre.graded else b.spikes(pre, delay), section)
    if isinstance(p.connector, Convolution):
        _convolution(d)
    elif isinstance(p.connector, AllToAll) and not np.ndim(p.delay) or isinstance(p.connector, OneToOne) and pre.graded:
        _dense(d)
    else:
        _sparse(d, p.connector)
    b.used_counts[index] = b.synapse_counts[index]
    if p.learning is None and not isinstance(p.connector, Convolution):
        b.used_counts[index] = b.counted[-1].synapses - b.counted[-1].zeros
    if p.bias is not None:  # last, as in frameworks: sums of imported networks agree to the bit more often
        b.emit(section, "add", n=post.size, y=y, x=b.layout.constant("", _bias(p, post.size)), label=p.label)


def _target(b: Builder, p: Projection, post: Node) -> Place:
    """Return the array to which a projection adds its weighted signals.

    The array is the current or the synaptic current of the target neurons. A projection with a time constant
    ``tau_syn`` adds to a separate synaptic current with this time constant.
    """
    if p.tau_syn is None:
        return post.target[b.receptor(p)]
    if p.tau_syn not in post.synapses:
        name = f"{post.name}.isyn_{len(post.synapses) + 1}"
        post.synapses[p.tau_syn] = b.layout.state(name, "float32", post.size)
    return post.synapses[p.tau_syn]


def _bias(p: Projection, n: int) -> np.ndarray:
    bias = np.asarray(p.bias)
    if isinstance(p.connection, Convolution) and bias.ndim == 1 and bias.size and n % bias.size == 0:
        bias = np.repeat(bias, n // bias.size)  # one for each channel
    return matrix(f"{p.label}.bias", bias, (n,))


def _dense(d: Delivery) -> None:
    """Emit the operation of a projection with a dense weight matrix, or of a one-to-one projection."""
    b, p, n_post = d.b, d.p, d.y.shape[0]
    one_to_one = isinstance(p.connector, OneToOne)
    weights = matrix(f"{p.label}.weights", p.weights, (n_post,) if one_to_one else (d.pre.size, n_post))
    b.synapse_counts[d.index] = weights.size
    if p.precision == "int8":
        whole, scale = codes(f"{p.label}.scale", weights, p.scale)
        d.emit(
            "dense_spikes_int8", scale=b.layout.floats(scale), sums=b.layout.state("", "int32", n_post),
            fan_out=fan_out(b, whole, index=d.index), weights=b.layout.constant(d.name, whole),
            counter=d.counter(whole.size, zeros=zeros(whole)),
        )  # fmt: skip
        return
    words = {"counter": d.counter(weights.size, zeros=zeros(weights))}
    words["weights"] = keep_weights(b, d.index, weights.shape, lambda to: np.copyto(to, weights), d.source)
    if one_to_one:
        d.emit("one_to_one_graded", **words)
    else:
        d.emit(f"dense_{d.kind}", **words, fan_out=fan_out(b, weights, p.learning, d.index))


def _sparse(d: Delivery, connector: Connector) -> None:
    """Emit the operations of a projection with sparse synapses, stored as one row for each presynaptic neuron.

    Synapses whose weight is always 0 are left out.
    """
    b, p, lay, n_pre, n_post = d.b, d.p, d.b.layout, d.pre.size, d.y.shape[0]
    path, steps, weights = f"{p.label}.weights", 1, p.weights
    rows = rows_of(p.label, connector, n_pre, n_post, recurrent=p.pre == p.post)
    shape: tuple[int, ...] = (n_pre, n_post) if isinstance(connector, AllToAll) else (rows.size,)
    synapses = b.synapse_counts[d.index] = rows.size
    if np.ndim(p.delay):
        rows, steps = _delayed(b, d.index, rows, shape, n_post)
    if p.precision == "int8":
        if n_post > MOST_TARGETS:
            raise BuildError(f"{p.label}.precision", "int8", f"is for at most {MOST_TARGETS:,} neurons")
        weights, scale = codes(f"{p.label}.scale", matrix(path, p.weights, shape).reshape(-1), p.scale)
        shape = weights.shape
    if p.learning is None and not b.tunes(d.index):  # a factor of 0 would leave no synapse
        rows, weights, shape = without_zeros(rows, weights, shape)
    # operations are counted as those of a dense matrix with zeros, except for one_to_one
    dense = synapses if isinstance(connector, OneToOne) else max(synapses, n_pre * n_post)
    counter = d.counter(dense, zeros=dense - rows.size)
    if d.pre.graded:
        _graded_rows(d, counter, rows, weights)
        return
    pointers = lay.constant("", rows.pointers)
    common: dict[str, int | Place] = {"counter": counter, "pointers": pointers, "n_pointers": n_pre + 1}
    if p.precision == "int8":
        kept = lay.reserve(d.name, "uint32", (rows.size,), lambda to: rows.fill_words(to, weights))
        d.emit("csr_spikes_int8", weights=kept, scale=lay.floats(scale), **common)
        return
    bits = weight_words(path, weights, shape)
    kept = keep_weights(b, d.index, (rows.size, 2), lambda to: rows.fill(to, bits), d.source, rows, pointers)
    if steps == 1:
        d.emit("csr_spikes", weights=kept, **common)
        return
    line = lay.state("", "float32", steps * n_post)
    words = d.source | common | {"n_post": n_post, "line": line, "weights": kept, "steps": steps}
    b.emit(STEP, "csr_delayed", **words, label=p.label)
    b.emit(STEP, "release", n=n_post, y=d.y, line=line, steps=steps, clock=b.clock, label=p.label)


def _graded_rows(d: Delivery, counter: Place, rows: Rows, weights: Any) -> None:
    """Emit the operation of sparse synapses from a graded source, with the fastest kernel for the connectivity."""
    b, p, lay, n, n_pre = d.b, d.p, d.b.layout, d.y.shape[0], d.pre.size
    words = weight_words(f"{p.label}.weights", weights, (rows.size,))
    if rows.size != n or (np.bincount(rows.post, minlength=n) != 1).any():
        synapses = lay.reserve(d.name, "uint32", (rows.size, 2), lambda pairs: rows.fill(pairs, words))
        d.emit("csr_graded", weights=synapses, counter=counter, pointers=lay.constant("", rows.pointers))
        return
    pairs, used = np.empty((n, 2), np.uint32), np.diff(rows.pointers)
    rows.fill(pairs, words)
    channels, each = np.empty(n, np.uint32), np.empty(n, np.float32)
    channels[pairs[:, 0]] = np.repeat(np.arange(n_pre), used)
    each[pairs[:, 0]] = pairs[:, 1].copy().view(np.float32)
    own = {"counter": counter, "fan_out": lay.constant("", used), "start": _start(d)}
    if (channels == np.arange(n) % n_pre).all() and (each == each[0]).all():
        size = min(max(1, TILE // n_pre), -(-n // n_pre)) * n_pre
        tile = lay.state("", "float32", size)
        d.emit("tile_graded", **own, weight=lay.constant(d.name, each[:1]), tile=tile, size=size)
    else:
        d.emit("gather_graded", **own, weights=lay.constant(d.name, each), channels=lay.constant("", channels))


def _start(d: Delivery) -> Place:
    """Return the vector to which a projection adds its weighted signals when it computes the target vector ``y``.

    If this projection is the first that writes the neurons' current in a step, the vector is their bias. The neurons
    then no longer reset their current to the bias, so their operation is changed. Otherwise the vector is ``y`` itself.
    """
    b, p = d.b, d.p
    node = b.nodes[p.post]
    if d.y is not node.target["current"] or p.bias is not None or node.operation is None:
        return d.y
    others = enumerate(b.network.projections)
    into = [k for k, q in others if q.post == p.post and q.tau_syn is None and b.receptor(q) == "current"]
    if d.index != next((k for k in into if b.delays[k] >= 1), into[0]):
        return d.y
    node.operation = _without_reset(node, d.y)
    return node.bias  # type: ignore[return-value]


def _delayed(b: Builder, index: int, rows: Rows, shape: tuple[int, ...], n_post: int) -> tuple[Rows, int]:
    """Return the synapses of a projection with individual delays, and the length of the delay line [steps].

    The target of a synapse becomes an index into the delay line: the postsynaptic neuron plus n_post times the extra
    delay. The extra delay [steps] is the synapse's delay minus the shortest delay of the projection.
    """
    label, delays = b.network.projections[index].label, b.synapse_delays[index]
    if np.shape(delays) != shape:
        raise BuildError(f"{label}.delay", f"shape {np.shape(delays)}", f"must be a number or have shape {shape}")
    extra = (delays - b.delays[index]).reshape(-1)
    steps = int(extra.max(initial=0)) + 1
    if steps * n_post >= 1 << 32:
        raise BuildError(f"{label}.delay", steps, f"steps of delays for {n_post} neurons: too many")
    return rows.delayed(extra, n_post), steps


def _convolution(d: Delivery) -> None:
    """Emit the operation of a convolution, with weights in the order that its kernel reads."""
    b, p, n_pre, n_post = d.b, d.p, d.pre.size, d.y.shape[0]
    c = p.connection
    assert isinstance(c, Convolution)
    weights = np.asarray(p.weights)
    with within(p.label):
        channels, height, width = c.output_shape(weights.shape)
    if int(np.prod(c.shape)) != n_pre:
        raise BuildError(f"{p.label}.connection.shape", c.shape, f"must hold the {n_pre} neurons of {p.pre}")
    if channels * height * width != n_post:
        rule = f"gives {channels} x {height} x {width} neurons; {p.post} has {n_post}"
        raise BuildError(f"{p.label}.weights", f"shape {weights.shape}", rule)
    weights = matrix(f"{p.label}.weights", weights, weights.shape)
    group_in, group_out = c.shape[0] // c.groups, channels // c.groups
    grouped = weights.reshape(c.groups, group_out, group_in, *weights.shape[2:])
    by_input = np.ascontiguousarray(grouped.transpose(0, 2, 1, 3, 4)).reshape(c.shape[0], group_out, *weights.shape[2:])
    down, across = c.landing(0, weights.shape[2], height), c.landing(1, weights.shape[3], width)
    lines = b.layout.constant("", np.where(down >= 0, down * width, -1).astype(np.int32))
    columns = b.layout.constant("", across.astype(np.int32))
    used = b.layout.constant("", picture_fan_out(by_input, down, across))
    synapses = int(c.shape[0] * group_out * np.count_nonzero(down >= 0) * np.count_nonzero(across >= 0))
    b.synapse_counts[d.index] = synapses
    counter = d.counter(synapses, zeros=zeros(by_input), weights=by_input.size)
    d.emit(
        f"conv_{d.kind}", weights=b.layout.constant(d.name, by_input), counter=counter, area=c.shape[1] * c.shape[2],
        width=c.shape[2], rows=weights.shape[2], columns=weights.shape[3], out_area=height * width, group_in=group_in,
        group_out=group_out, lines=lines, places=columns, fan_out=used,
    )  # fmt: skip


def picture_fan_out(weights: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return the number of nonzero weights of each presynaptic neuron of a convolution, (neurons,) uint32.

    Weights whose target would be outside the postsynaptic picture are not counted.

    weights : (channels in, channels out of a group, rows, columns)
    down, across : target rows and columns, as `Convolution.landing` returns them
    """
    used = np.count_nonzero(weights, axis=1)
    return np.einsum("yr,xc,irc->iyx", down >= 0, across >= 0, used, optimize=True).reshape(-1).astype(np.uint32)
