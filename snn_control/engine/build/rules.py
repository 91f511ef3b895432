"""Lowerings of the learning rules: convert each rule to an operation that changes weights in each network step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import BuildError
from ...network import IF, PES, STDP, EProp, Projection, RewardSTDP
from .builder import Builder, Node, blamed, bounded, lowering_of, matrix
from .connectivity import Rows
from ..program import STATE, STEP, Place
from ..registry import kernel

__all__ = ["RULES", "Plastic", "add_rules", "keep_weights"]

Words = dict[str, Any]


@dataclass(frozen=True)
class Plastic:
    """A projection with a learning rule (a plastic projection), and the arrays allocated for the projection.

    title : "pre->post", or "pre->post#2" for a second projection between these two populations; the names of the
        projection's arrays begin with this title
    weights : array in the state: (n_pre, n_post) or (n,) float32, or pairs {post uint32, weight float32} of sparse
        synapses
    source : kernel operands that select the arriving presynaptic signal
    pointers, rows : row pointers, (n_pre + 1,) uint32, and connectivity of sparse synapses; None for other weights
    switch : (3,) int64, the on-off switch of the rule, see `snn_control.engine.kernels.plasticity`
    """

    projection: Projection
    title: str
    pre: Node
    post: Node
    weights: Place
    source: Words
    pointers: Place | None
    rows: Rows | None
    switch: Place

    @property
    def rule(self) -> Any:
        return self.projection.learning

    @property
    def name(self) -> str:
        """Name by which an operator switches the learning rule on and off."""
        return self.rule.name or f"{self.projection.pre}->{self.projection.post}"

    def wrong(self, key: str, value: Any, rule: str, fix: str = "") -> BuildError:
        return BuildError(f"{self.projection.label}.learning{key}", value, rule, fix)

    def words(self) -> Words:
        """Return the operands that all built-in learning rules share. Raise BuildError if the source is graded."""
        if self.pre.graded:
            fix = "let neurons that fire read it"
            raise self.wrong("", type(self.rule).__name__, f"learns from spikes: {self.pre.name} is graded", fix)
        own = {"n_pre": self.pre.size, "n_post": self.post.size, "weights": self.weights, "switch": self.switch}
        return own | self.source

    def fired(self) -> Words:
        """Return the kernel operands that select the newest spike list of the postsynaptic population."""
        return {"post_spikes": self.post.signal, "post_stride": self.post.stride, "post_slots": self.post.slots}

    def dense(self) -> None:
        """Raise BuildError if the projection's weights are not a matrix."""
        if self.pointers is not None:
            rule = f"requires a dense connection: this one is {self.projection.connection}"
            raise self.wrong("", type(self.rule).__name__, rule)

    def bounds(self) -> tuple[float, float]:
        low, high = bounded("", [self.rule.w_min, self.rule.w_max], 2)
        return float(low), float(high)

    def graded(self, b: Builder, key: str, size: int | None) -> Node:
        """Return the graded source that the rule's field ``key`` names, such as its error or its reward.

        Raise BuildError if the source is spiking, or does not have ``size`` numbers.
        """
        name = getattr(self.rule, key)
        if name not in b.nodes:
            raise self.wrong(f".{key}", name, f"must be an input or a population: {', '.join(b.nodes)}")
        node = b.nodes[name]
        if not node.graded:
            raise self.wrong(f".{key}", name, "is spiking, must be graded", "let a li population read it")
        if size not in (None, node.size):
            raise self.wrong(f".{key}", name, f"has {node.size} numbers: must be {size}")
        return node


def keep_weights(
    b: Builder,
    index: int,
    shape: tuple[int, ...],
    fill: Callable[[np.ndarray], object],
    source: Words,
    rows: Rows | None = None,
    pointers: Place | None = None,
) -> Place:
    """Allocate the weights of projection ``index``: in the state if a learning rule changes them, else as constants.

    shape : shape of the float32 weights, or of the pairs {target, weight} of sparse synapses
    fill : function that writes the weights into an array of this shape
    source : kernel operands that select the arriving signals
    rows, pointers : connectivity and row pointers of sparse synapses; None for other weights
    """
    lay, projections, p = b.layout, b.network.projections, b.network.projections[index]
    before = sum((q.pre, q.post) == (p.pre, p.post) for q in projections[:index])
    title, dtype = f"{p.pre}->{p.post}" + (f"#{before + 1}" if before else ""), "float32" if rows is None else "uint32"
    rule = p.learning
    if rule is None:
        return lay.reserve(f"{title}.weights", dtype, shape, fill)

    def fill_within(array: np.ndarray) -> None:
        fill(array)
        weights = array if rows is None else array[:, 1].view(np.float32)
        low, high = bounded("", [rule.w_min, rule.w_max], 2)
        if weights.size and not (low <= weights.min() and weights.max() <= high):
            beyond = float(weights.min() if weights.min() < low else weights.max())
            limits = f"must lie in the rule's [w_min, w_max] = [{low:g}, {high:g}]"
            raise BuildError(f"{p.label}.weights", beyond, limits)

    place = lay.reserve(f"{title}.weights", dtype, shape, fill_within, STATE)
    if pointers is not None:
        lay.names[f"{title}.pointers"] = pointers
    switch = lay.names[f"{title}.learning"] = b.switches[index]
    b.plastic[index] = Plastic(p, title, b.nodes[p.pre], b.nodes[p.post], place, source, pointers, rows, switch)
    return place


def add_rules(b: Builder) -> None:
    """Emit the operations of all learning rules, in the order of the projections."""
    for index, p in enumerate(b.network.projections):
        if p.learning is None:
            continue
        if index not in b.plastic:
            rule = f"cannot learn sparse synapses from {p.pre}, a graded signal"
            raise BuildError(f"{p.label}.learning", type(p.learning).__name__, rule)
        where = f"{p.label}.learning"
        lowering = lowering_of(where, p.learning, "rules", "no lowering is registered for this rule")
        with blamed(where, "rules", p.learning):
            lowering(b, b.plastic[index])


def _stdp(b: Builder, plastic: Plastic) -> None:
    rule, post = plastic.rule, plastic.post
    words = plastic.words()
    for node in (plastic.pre, post):
        if node.graded or node.multiplicity:
            what = "is graded" if node.graded else "may fire several times in a step"
            raise plastic.wrong("", type(rule).__name__, f"is for neurons that fire once a step: {node.name} {what}")
    low, high = plastic.bounds()
    eligible = isinstance(rule, RewardSTDP)
    decay_e, rate = (b.decay(rule.tau_e), rule.learning_rate * b.dt) if eligible else (0.0, 0.0)
    decays = b.decay(rule.tau_plus), b.decay(rule.tau_minus)
    params = b.layout.floats(*decays, rule.a_plus, rule.a_minus, low, high, decay_e, rate)
    words |= plastic.fired() | {"params": params}
    words |= {name: b.layout.state("", "float32", node.size) for name, node in (("x", plastic.pre), ("y", post))}
    words |= _incoming(b, plastic)
    if eligible:
        k = plastic.weights.shape[0] if plastic.pointers else plastic.pre.size * post.size
        reward = plastic.graded(b, "reward", 1).signal
        words |= {"eligibility": b.layout.state(f"{plastic.title}.eligibility", "float32", k), "reward": reward}
    b.emit(STEP, "reward_stdp" if eligible else "stdp", **words, label=plastic.title)


def _incoming(b: Builder, plastic: Plastic) -> Words:
    """Return the kernel operands that list the incoming synapses of each postsynaptic neuron of sparse synapses.

    They are row pointers of the presynaptic neurons (``pointers``), row pointers of the postsynaptic neurons
    (``to_post``), and pairs {synapse, pre} in the order of the postsynaptic neurons (``incoming``). Return no operands
    if the weights are a matrix.
    """
    rows = plastic.rows
    if plastic.pointers is None or rows is None:
        return {}

    def fill(incoming: np.ndarray) -> None:
        pairs = np.empty((rows.size, 2), np.uint32)
        rows.fill(pairs, lambda first, stop: np.zeros(stop - first, np.uint32))
        order = np.argsort(pairs[:, 0], kind="stable")
        pre = np.repeat(np.arange(plastic.pre.size, dtype=np.uint32), np.diff(rows.pointers))
        incoming[:, 0], incoming[:, 1] = order, pre[order]

    to_post = np.concatenate([[0], np.cumsum(np.bincount(rows.post, minlength=plastic.post.size))])
    ends = b.layout.constant("", to_post.astype(np.uint32))
    incoming = b.layout.reserve("", "uint32", (rows.size, 2), fill)
    return {"pointers": plastic.pointers, "to_post": ends, "incoming": incoming}


def _pes(b: Builder, plastic: Plastic) -> None:
    rule, (n_pre, n_post) = plastic.rule, (plastic.pre.size, plastic.post.size)
    plastic.dense()
    error, decay = plastic.graded(b, "error", n_post).signal, b.decay(rule.pre_tau)
    params = b.layout.floats(decay, (1 - decay) / b.dt, rule.learning_rate / n_pre, *plastic.bounds())
    activity = b.layout.state(f"{plastic.title}.activity", "float32", n_pre)
    words = plastic.words() | {"activity": activity, "error": error, "params": params}
    b.emit(STEP, "pes", **words, label=plastic.title)


def _eprop_neuron(b: Builder, plastic: Plastic) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the model of the postsynaptic neurons, and the parameters that its kernel reads.

    The parameters are a dict: name -> float64, (n,) or (1,). Raise BuildError if e-prop cannot train these neurons.
    """
    model = next(p.neuron for p in b.network.populations if p.name == plastic.post.name)
    if not isinstance(model, IF) or plastic.post.multiplicity:
        rule = "is for if, lif, cuba_lif and alif neurons that fire once a step"
        raise plastic.wrong("", "EProp", f"{rule}: {plastic.post.name} is {type(model).__name__}")
    if model.reset != "subtract":
        raise plastic.wrong("", "EProp", f"needs {plastic.post.name}'s reset to be 'subtract': it is '{model.reset}'")
    for key in ("tau_mem", "tau_syn", "r"):
        if np.ndim(getattr(model, key, 0.0)):
            rule = f"needs one {key} for all neurons of {plastic.post.name}: the presynaptic traces are shared"
            raise plastic.wrong("", "EProp", rule)
    cells: Any = kernel("integrate_and_fire").row["cells"]
    rows = lowering_of(f"populations.{plastic.post.name}.neuron", model).matrix(model, b.dt, cells.parameters)
    return model, dict(zip(cells.parameters, rows.astype(np.float64)))


def _eprop(b: Builder, plastic: Plastic) -> None:
    rule, post, (n_pre, n_post) = plastic.rule, plastic.post, (plastic.pre.size, plastic.post.size)
    plastic.dense()
    words, (model, p) = plastic.words(), _eprop_neuron(b, plastic)
    tau_syn = plastic.projection.tau_syn
    gain, decay_syn = p["gain"][0], 0.0
    if tau_syn is not None:
        decay_syn = b.decay(tau_syn)
    elif b.receptor(plastic.projection) == "synaptic":
        gain, decay_syn = p["gain_syn"][0], p["decay_syn"][0]
    error = plastic.graded(b, "error", None)
    scalars = (decay_syn, p["decay"][0], gain, b.decay(rule.tau_out), rule.learning_rate * b.dt)
    threshold = np.broadcast_to(np.asarray(model.v_threshold, np.float64), p["decay"].shape)
    subtracted = np.zeros_like(threshold) if model.reset_delay else threshold
    each = (threshold, 1 / threshold, rule.gamma / threshold, subtracted, p["beta"], p["decay_adapt"])
    constants = np.stack([np.broadcast_to(row, (n_post,)) for row in each]).astype(np.float32)
    assert post.operation is not None
    of_post = dict(zip(kernel(post.operation.kernel).words, post.operation.operands))
    words |= {key: of_post[key] for key in ("v", "flags", "adapt", "wait")}
    lay, title = b.layout, plastic.title
    feedback = matrix(f"{plastic.projection.label}.learning.feedback", rule.feedback, (n_post, error.size))
    filters, rows = lay.state("", "float32", (2, n_pre)), lay.state("", "float32", (4, n_post))
    eligibility = lay.state(f"{title}.eligibility", "float32", (n_pre, n_post))
    slow: int | Place = lay.state("", "float32", (n_pre, n_post)) if words["adapt"] else 0
    b.emit(
        STEP, "eprop", **words, filters=filters, post=rows, each=lay.constant("", constants), eligibility=eligibility,
        slow=slow, feedback=lay.constant("", np.ascontiguousarray(feedback.T)), error=error.signal, n_error=error.size,
        params=b.layout.floats(*scalars, *plastic.bounds()), label=title,
    )  # fmt: skip


RULES = {"stdp": (STDP, _stdp), "reward_stdp": (RewardSTDP, _stdp), "pes": (PES, _pes), "eprop": (EProp, _eprop)}
