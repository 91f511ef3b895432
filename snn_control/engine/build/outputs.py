"""The outputs in a build: decoders, and the guard that ends every tick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import coding
from ...errors import BuildError
from .. import registry
from .projections import fan_out, product, zeros
from .builder import Builder, Node, blamed, lowering_of, matrix, vector, whole_steps
from ..lowering import DecoderLowering
from ..control import LEARNING
from ..kernels import outputs
from ..kernels.outputs import LIMITS
from ..motion import JUMP, MOST_AVERAGED, RAMP, STAY, averaged, stand, words_of
from ..program import POST, STEP, Place, element

__all__ = ["DECODERS", "add_guard", "add_output", "look_back", "rate_factor", "terms_of"]


def _values(path: str, term: coding.MembraneDecoder, dt: float) -> int:
    return 1 if term.window is None else whole_steps(f"{path}.window", term.window, dt)


def _weights(path: str, values: Any, node: Node, m: int) -> np.ndarray:
    """Weights of a decoder, (n, m) float32."""
    return matrix(path, values, (node.size, m), (node.size,) if m == 1 else ())


def rate_factor(dt: float, tau: float) -> float:
    """Contribution of a spike to a rate [Hz] that is filtered with tau."""
    return (1 - math.exp(-dt / tau)) / dt


def _filtered(b: Builder, path: str, weights: np.ndarray, node: Node, tau: float) -> Place:
    """Rates [Hz] filtered with tau, times weights: float32 (m,), updated in each step."""
    decay, m = b.decay(tau), weights.shape[1]
    scaled = (weights.astype(np.float64) * rate_factor(b.dt, tau)).astype(np.float32)
    y, lay = b.layout.state("", "float32", m), b.layout
    values, decay_ = lay.constant("", scaled), lay.floats(decay)
    counter = b.counter(path, scaled.size, once=node.multiplicity == 0, zeros=zeros(scaled))
    words = {"y": y, "weights": values, "decay": decay_, "counter": counter, "fan_out": fan_out(b, scaled)}
    b.emit(STEP, "trace", m=m, **b.spikes(node), **words, label=path)
    b.updates += m
    return y


def _rates(b: Builder, path: str, term: coding.SpikeDecoder, node: Node, into: Place) -> None:
    weights = _weights(f"{path}.weights", term.weights, node, into.shape[0])
    y = _filtered(b, path, weights, node, term.tau)
    b.emit(POST, "add", n=into.shape[0], y=into, x=y, label=path)


def _membrane(b: Builder, path: str, term: coding.MembraneDecoder, node: Node, into: Place) -> None:
    weights = _weights(f"{path}.weights", term.weights, node, into.shape[0])
    if b.steps > 1 and node.operation is None and node.pulse is not None:
        rule = "its pulses are 0 again when outputs are decoded"
        raise BuildError(f"{path}.from", term.source, rule, "let a li population read it")
    x, steps = node.signal, _values(path, term, b.dt)
    if steps > 1:
        x = b.layout.state("", "float32", node.size)
        b.emit(POST, "window_mean", n=node.size, **b.line(node), steps=steps, x=x, label=path)
    product(b, POST, into, weights, x, path)


SILENT = math.exp(-5)  # relative to what one spike adds to the sum of rates


def _population_vector(b: Builder, path: str, term: coding.PopulationVectorDecoder, node: Node, into: Place) -> None:
    lay, m = b.layout, into.shape[0]
    directions = _weights(f"{path}.directions", term.directions, node, m)
    y = _filtered(b, path, np.hstack([directions, np.ones((node.size, 1), np.float32)]), node, term.tau)
    least = lay.floats(SILENT * rate_factor(b.dt, term.tau))
    words: dict[str, int | Place] = {
        "out": into, "y": y, "last": lay.state("", "float32", m), "least": least, "hold": term.hold,
    }  # fmt: skip
    b.emit(POST, "population_vector", m=m, **words, label=path)


def _window(path: str, term: coding.SpikeCountDecoder, dt: float) -> int:
    return whole_steps(f"{path}.window", term.window, dt) + 1


def _spike_count(b: Builder, path: str, term: coding.SpikeCountDecoder, node: Node, into: Place) -> None:
    lay, n, steps = b.layout, node.size, _window(path, term, b.dt) - 1
    weights = _weights(f"{path}.weights", term.weights, node, into.shape[0])
    counts, x = lay.state("", "int64", n), lay.state("", "float32", n)
    b.emit(STEP, "window_counts", n=n, **b.spikes(node), steps=steps, counts=counts, x=x, label=path)
    product(b, POST, into, weights, x, path)


def _first_spike(b: Builder, path: str, term: coding.FirstSpikeDecoder, node: Node, into: Place) -> None:
    lay, n, m, weights = b.layout, node.size, into.shape[0], term.weights
    if weights is None:
        if m not in (1, n):
            rule = f"are needed: {m} outputs, {n} neurons"
            raise BuildError(f"{path}.weights", None, rule, "give the weights of each neuron")
        weights = np.arange(n) if m == 1 else np.eye(n)
    values = lay.constant("", _weights(f"{path}.weights", weights, node, m))
    window = whole_steps(f"{path}.window", term.window, b.dt)
    state = lay.state("", "int64", 2, np.array([-1, 0]))
    words = b.spikes(node) | {"out": into, "weights": values, "steps": b.steps, "window": window, "state": state}
    del words["multiplicity"]
    b.emit(POST, "first_spike", m=m, n=n, **words, label=path)


DECODERS = {
    "linear": (coding.SpikeDecoder, DecoderLowering(_rates)),
    "membrane": (coding.MembraneDecoder, DecoderLowering(_membrane, graded=True, lists=_values)),
    "population_vector": (coding.PopulationVectorDecoder, DecoderLowering(_population_vector)),
    "spike_count": (coding.SpikeCountDecoder, DecoderLowering(_spike_count, lists=_window)),
    "first_spike": (coding.FirstSpikeDecoder, DecoderLowering(_first_spike)),
}


def terms_of(output: coding.Output) -> tuple[Any, ...]:
    """The decoders of an output."""
    return output.decoder.terms if isinstance(output.decoder, coding.ArgmaxDecoder) else tuple(output.decoder)


def look_back(outputs: Sequence[coding.Output], dt: float) -> dict[str, int]:
    """Population -> number of its newest spike lists or graded vectors that its decoders read."""
    lists: dict[str, int] = {}
    for output in outputs:
        for k, term in enumerate(terms_of(output)):
            path = f"outputs.{output.name}.decoder[{k}]"
            if lowering := registry.lowering("decoders", type(term)):
                with blamed(path, "decoders", term):
                    lists[term.source] = max(lists.get(term.source, 0), lowering.lists(path, term, dt))
    return lists


def _terms(b: Builder, where: str, terms: Sequence[Any], bias: np.ndarray, into: Place) -> None:
    """into = bias + the sum of the decoders' terms."""
    b.emit(POST, "copy", n=bias.size, y=into, x=b.layout.constant("", bias.astype(np.float32)), label=where)
    for k, term in enumerate(terms):
        path = f"{where}.decoder[{k}]"
        lowering = lowering_of(path, term, "decoders", "is not a decoder that can be built")
        if term.source not in b.nodes:
            raise BuildError(f"{path}.from", term.source, f"must be a population: {', '.join(b.nodes)}")
        node = b.nodes[term.source]
        if node.graded and not lowering.graded:
            raise BuildError(f"{path}.from", term.source, "is graded, not spiking", "use a membrane decoder")
        if lowering.graded and not node.graded:
            raise BuildError(f"{path}.from", term.source, "is spiking, not graded", "use a linear decoder")
        with blamed(path, "decoders", term):
            lowering.build(b, path, term, node, into)


def squashed_to(spec: coding.Output) -> tuple[np.ndarray, np.ndarray]:
    """centre, half: (size,) float32, from limits; rounded so that centre + half and centre - half are within these."""
    low, high = (vector(f"outputs.{spec.name}.limits", side, spec.size).astype(np.float64) for side in spec.limits)
    centre = (low + (high - low) / 2).astype(np.float32)
    half = ((high - low) / 2).astype(np.float32)
    for _ in range(4):  # each rounding may exceed a limit by a last digit
        beyond = (centre + half > high) | (centre - half < low)
        half = np.where(beyond, half - np.spacing(np.maximum(np.abs(centre), half)), half)
    return centre, np.maximum(half, np.float32(0))


def add_output(b: Builder, spec: coding.Output, raw: Place) -> None:
    where = f"outputs.{spec.name}"
    if isinstance(spec.decoder, coding.ArgmaxDecoder):
        scores = b.layout.state(f"{spec.name}.scores", "float32", spec.decoder.actions)
        _terms(b, where, terms_of(spec), np.zeros(spec.decoder.actions), scores)
        b.emit(POST, "argmax", n=spec.decoder.actions, x=scores, y=raw, label=where)
        return
    total = b.layout.state(f"{spec.name}.sum", "float32", spec.size) if spec.squash else raw
    _terms(b, where, terms_of(spec), vector(f"{where}.bias", spec.bias, spec.size), total)
    if spec.squash:
        centre, half = (b.layout.constant("", one) for one in squashed_to(spec))
        b.emit(POST, "squash", n=spec.size, x=total, y=raw, centre=centre, half=half, label=where)


def add_guard(
    b: Builder, inputs: Sequence[coding.Input], specs: Sequence[coding.Output], validity: Place, raw: Place, release: int
) -> None:
    lay, m = b.layout, raw.shape[0]
    command = lay.io("command", "float64", m)
    table = np.concatenate([_limits(spec, b.dt * b.steps) for spec in specs], axis=1)
    limits = LIMITS.rows_of(table.view(np.uint8).reshape(-1), m)
    ways = [STAY if s.stays else RAMP if s.ramp else JUMP for s in specs]
    way = np.concatenate([np.full(s.size, one, np.uint8) for s, one in zip(specs, ways, strict=True)])
    safe = lay.constant("safe", limits.safe)
    first = 0
    for spec in specs:
        lay.names[f"{spec.name}.command"] = element(command, first, spec.size)
        lay.names[f"{spec.name}.safe"] = element(safe, first, spec.size)
        first += spec.size
    each, motion = _motion(b, limits)
    words = lay.state("guard", "int64", outputs.GUARD_WORDS)
    required = lay.constant("", np.array([int(i.needed) for i in inputs] or [0], np.int64))
    more = {} if b.stops is None else {"stops": b.stops}
    if any(spec.start for spec in specs):
        more["start"] = _start(b, inputs, specs, m)
    b.emit(
        POST, "guard", inputs=len(inputs), validity=validity, required=required, m=m, raw=raw, command=command,
        limits=lay.constant("", table), way=lay.constant("", way), each=each, motion=motion, words=words,
        control=element(b.controlled, 0, LEARNING), release=release, **more, label="guard",
    )  # fmt: skip


def _limits(spec: coding.Output, period: float) -> np.ndarray:
    """Rows of the guard's table of limits for an output: (rows, size)."""
    low, high = spec.limits
    if isinstance(spec.decoder, coding.ArgmaxDecoder):
        low, high = 0, spec.decoder.actions - 1
    where = f"outputs.{spec.name}"
    rows = {key: vector(f"{where}.limits", side, spec.size) for key, side in (("low", low), ("high", high))}
    rows["safe"] = spec.safe_numbers
    for key, limit in coding.MOTION_LIMITS.items():
        rows[key] = limit.a_period(vector(f"{where}.{key}", getattr(spec, key), spec.size), period)
    table = np.stack([rows[name] for name in LIMITS.rows])
    for key, periods in averaged(LIMITS.rows_of(table.view(np.uint8).reshape(-1), spec.size)).items():
        if (longest := float(periods.max())) > MOST_AVERAGED:
            rule = f"needs a mean over {longest:.0f} ticks, at most {MOST_AVERAGED:,} are possible"
            fix = f"give a larger {key}, or less {coding.MOTION_LIMITS[key].needs}"
            raise BuildError(f"{where}.{key}", getattr(spec, key), rule, fix)
    return table


def _motion(b: Builder, limits: Any) -> tuple[int, Place]:
    """The words of motion of each number, and the state of the motion, which begins at the safe command."""
    m, each = limits.safe.size, int(words_of(limits))
    rest = np.zeros(m * each)
    for j in range(m):
        stand(j, limits.safe[j], limits, rest, each)
    motion = b.layout.state("motion", "float64", m * each, rest)
    b.layout.names["previous"] = element(motion, 0, m)
    if each > 1:
        b.layout.names["step"] = element(motion, m, m)
        b.layout.constant("rest", np.zeros(m))  # what the steps are in the end
    return each, motion


def _start(b: Builder, inputs: Sequence[coding.Input], specs: Sequence[coding.Output], m: int) -> Place:
    """float32 (m,): the numbers at which outputs begin, NaN where they begin at the safe command."""
    start, known = b.layout.state("", "float32", m, np.full(m, np.nan)), {one.name: one for one in inputs}
    first = 0
    for spec in specs:
        if spec.start:
            where, one = f"outputs.{spec.name}.start", known.get(spec.start)
            if not isinstance(one, coding.ValueInput) or one.size != spec.size:
                rule = f"must be a value input of {spec.size} numbers"
                raise BuildError(where, spec.start, rule, f"inputs: {', '.join(known) or 'none'}")
            if not one.needed:
                raise BuildError(where, spec.start, "must be an input that is required", "leave required: false out")
            held = b.layout.names[f"{spec.start}.held"]
            b.emit(POST, "copy", n=spec.size, y=element(start, first, spec.size), x=held, label=where)
        first += spec.size
    return start
