"""Reach: bounds of every current, spike and command of a controller, from ranges and weights alone.

Interval arithmetic, from the inputs on, until nothing changes. A bound is what no stimulus can exceed (membranes that
start elsewhere by `v_init` left out); it may be far from what one reaches, as all neurons of a sum firing at once. So
"it can never fire" is certain, and "it can" is not. Where a model, an encoder or a loop is not bounded here, the bound
is infinite.

A membrane that leaks is a weighted mean of what drives it: v_leak + r I bounds it. A trace to which a neuron adds w at
most every R steps is at most w / (1 - exp(-R dt / tau)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..coding import (
    ArgmaxDecoder,
    DeltaEncoder,
    DirectEncoder,
    EventsInput,
    FieldsEncoder,
    FirstSpikeDecoder,
    Input,
    LinearEncoder,
    MembraneDecoder,
    Output,
    PoolEncoder,
    PopulationEncoder,
    PopulationVectorDecoder,
    SignedEncoder,
    SpikeCountDecoder,
    SpikeDecoder,
    StepForwardEncoder,
    SurfaceEncoder,
    ValueInput,
)
from ..controller_file import ControllerSpec
from ..engine.build.builder import vector
from ..engine.program import Program
from ..network import (
    ALIF,
    IF,
    LI,
    LIF,
    CubaLI,
    CubaLIF,
    Distribution,
    NeuronModel,
    Population,
    Relay,
    Threshold,
)
from .synapses import Synapses, sizes_of

__all__ = ["Bounds", "Reach", "driven", "reach"]

SLACK = 1e-5  # a drive so close below the threshold may reach it in float32
ROUNDS = 10  # every one narrows the bounds, none is needed for them to be right

Span = tuple[np.ndarray, np.ndarray]  # lowest and highest, (n,) float64


@dataclass(frozen=True)
class Bounds:
    """Of one population, an element a neuron.

    drive : lowest and highest current, synaptic ones included
    output : lowest and highest of what it gives in a step: spikes, or a graded value
    fires : it may fire; of graded ones always true
    always : it fires in every step that its refractory period leaves, with any stimulus
    way : how far of the way from rest to threshold the highest drive takes the membrane; infinite if that is not known
    """

    drive: Span
    output: Span
    fires: np.ndarray
    always: np.ndarray
    way: np.ndarray


@dataclass(frozen=True)
class Reach:
    """populations : name -> Bounds, inputs whose encoder has neurons among them
    commands : lowest and highest number of every output before its limits, in their order, squashed where the output
        squashes; those of a choice infinite
    """

    populations: dict[str, Bounds]
    commands: Span


def reach(spec: ControllerSpec, program: Program, synapses: Sequence[Synapses]) -> Reach:
    """Bounds of everything; ``synapses`` of `snn_control.analysis.synapses.all_synapses`."""
    sizes, found = sizes_of(program), {}
    most = {
        p.name: 1.0 if p.spiking and not p.multiplicity else math.inf for p in program.facts.populations
    }  # in a step
    signals: dict[str, Span] = {}
    periods = {name: np.ones(n) for name, n in sizes.items()}  # least steps between two spikes
    with np.errstate(invalid="ignore", over="ignore"):
        for one in spec.inputs:
            n = sizes[one.name]
            span = _encoded(one, n, spec.period)
            model = getattr(getattr(one, "encoder", None), "neuron", None)
            if model is not None:
                found[one.name] = _bounds(model, span, n, spec.dt, most[one.name])
                span, periods[one.name] = found[one.name].output, _steps_between(model, n, spec.dt)
            signals[one.name] = _from_start(span)
        for p in spec.network.populations:
            highest = np.full(p.size, most[p.name])
            signals[p.name] = (-highest if p.neuron.graded else np.zeros(p.size)), highest
            periods[p.name] = _steps_between(p.neuron, p.size, spec.dt)
        for _ in range(ROUNDS):  # what cannot fire drives nothing, so others may turn out not to fire either
            changed = False
            for p in spec.network.populations:
                into = [s for s in synapses if s.of.post == p.name]
                drive = _drive(p, into, signals, periods, spec.dt)
                found[p.name] = _bounds(p.neuron, drive, p.size, spec.dt, most[p.name])
                new = _from_start(found[p.name].output)
                changed |= not all(np.array_equal(a, b) for a, b in zip(new, signals[p.name]))
                signals[p.name] = new
            if not changed:
                break
        spans = [_command(o, signals, periods, spec.dt) for o in spec.outputs]
    return Reach(found, (np.concatenate([s[0] for s in spans]), np.concatenate([s[1] for s in spans])))


def driven(spec: ControllerSpec, sizes: dict[str, int]) -> dict[str, float]:
    """Largest current that each input's encoder gives its neurons, of those where ranges bound it."""
    with np.errstate(invalid="ignore", over="ignore"):
        most = {i.name: float(_encoded(i, sizes[i.name], spec.period)[1].max(initial=0.0)) for i in spec.inputs}
    return {name: current for name, current in most.items() if math.isfinite(current)}


def _from_start(span: Span) -> Span:
    """With the 0 that is there before anything arrives."""
    return np.minimum(span[0], 0.0), np.maximum(span[1], 0.0)


def _steps_between(model: NeuronModel, n: int, dt: float) -> np.ndarray:
    return np.full(n, max(1.0, round(float(getattr(model, "refractory", 0.0)) / dt)))


def _times(weight: Any, span: Span) -> Span:
    """Lowest and highest of weight x, an infinite x times 0 being 0."""
    one, other = (np.nan_to_num(weight * side, nan=0.0, posinf=np.inf, neginf=-np.inf) for side in span)
    return np.minimum(one, other), np.maximum(one, other)


def _encoded(one: Input, n: int, period: float) -> Span:
    """Lowest and highest of each of the signals (n,) that an input gives."""
    none, e = np.zeros(n), getattr(one, "encoder", None)
    if isinstance(one, EventsInput):
        least, most = _pooled(e, period)
        return none + least, none + most
    if isinstance(one, ValueInput):
        sides = zip(one.range, one.plausible)
        low, high = (np.broadcast_to(pick(*s), one.size) for pick, s in zip((np.maximum, np.minimum), sides))
        x = np.asarray(low, np.float64), np.asarray(high, np.float64)
        if e is None:
            return x
        if isinstance(e, DirectEncoder):
            span = _times(np.asarray(e.gain, np.float64), x)
            return span[0] + e.bias, span[1] + e.bias
        if isinstance(e, LinearEncoder):
            parts = _times(np.asarray(e.weights, np.float64), (x[0][:, None], x[1][:, None]))
            return parts[0].sum(0) + e.bias, parts[1].sum(0) + e.bias
        if isinstance(e, SignedEncoder):
            low, high = _times(np.asarray(e.gain, np.float64), x)
            both = [np.concatenate([np.maximum(a, 0), np.maximum(-b, 0)]) for a, b in ((low, high), (high, low))]
            return both[0], both[1]
        if isinstance(e, PopulationEncoder | FieldsEncoder):
            return none + min(e.drive, 0), none + max(e.drive, 0)
        if isinstance(e, DeltaEncoder | StepForwardEncoder):
            return none, none + 1
    return none - np.inf, none + np.inf


def _pooled(e: Any, period: float) -> tuple[float, float]:
    """Lowest and highest value of a cell of an events encoder; infinite for other than pool and surface."""
    if not isinstance(e, PoolEncoder | SurfaceEncoder):
        return -math.inf, math.inf
    most = 1.0
    if isinstance(e, PoolEncoder):
        most = {"sum": math.inf, "binary": 1.0, "saturate": e.ceiling or 0.0}[e.response]
        most /= 1 - math.exp(-period / e.tau) if e.tau is not None else 1.0
    return (-most if e.polarity == "signed" else 0.0), most


def _drive(
    p: Population, into: Sequence[Synapses], signals: dict[str, Span], periods: dict[str, np.ndarray], dt: float
) -> Span:
    """Lowest and highest current into each neuron of a population."""
    bias = vector("bias", p.bias, p.size)
    low, high = bias.copy(), bias.copy()
    for s in into:
        tau = s.of.tau_syn
        if tau is None and s.of.receptor != "current":
            tau = getattr(p.neuron, "tau_syn", None)
        x = signals[s.of.pre][0][s.pre], signals[s.of.pre][1][s.pre]
        if tau is not None:
            lasts = np.broadcast_to(np.asarray(tau, np.float64), p.size)[s.post]
            gain = 1 / (1 - np.exp(-periods[s.of.pre][s.pre] * dt / lasts))
            x = x[0] * gain, x[1] * gain
        span = _times(s.weight, x)
        if s.of.learning is not None:
            ends = [_times(np.float64(w), x) for w in (s.of.learning.w_min, s.of.learning.w_max)]
            span = np.minimum(ends[0][0], ends[1][0]), np.maximum(ends[0][1], ends[1][1])
        low += np.bincount(s.post, span[0], p.size)
        high += np.bincount(s.post, span[1], p.size)
        if s.of.bias is not None:
            given = np.asarray(s.of.bias, np.float64)
            given = np.repeat(given, p.size // given.size) if given.ndim and given.size != p.size else given
            given = given if tau is None else given / (1 - np.exp(-dt / np.asarray(tau, np.float64)))
            low, high = low + np.minimum(given, 0), high + np.maximum(given, 0)
    return low, high


def _membrane(model: Any, drive: Span, n: int, dt: float) -> Span | None:
    """Where the membrane of a model that leaks can be held; None where it is not bounded by that."""
    stable = model.integration != "euler" or bool((np.asarray(model.tau_mem) >= dt).all())
    if not stable:
        return None
    rest = np.broadcast_to(np.asarray(model.v_leak, np.float64), n)
    span = _times(np.asarray(model.r, np.float64), drive)
    return rest + span[0], rest + span[1]


def _bounds(model: NeuronModel, drive: Span, n: int, dt: float, most: float) -> Bounds:
    """Of a population; ``most`` : spikes of a neuron in a step."""
    no, yes, unknown = np.zeros(n, bool), np.ones(n, bool), np.full(n, np.inf)
    if model.graded:
        output = (-unknown, unknown)
        if isinstance(model, Relay):
            output = drive
        elif isinstance(model, LI | CubaLI):
            held, rest = _membrane(model, drive, n, dt), np.asarray(model.v_leak, np.float64)
            output = (np.minimum(held[0], rest), np.maximum(held[1], rest)) if held is not None else output
        return Bounds(drive, output, yes, no, unknown)
    fires, always, way = yes, no, unknown
    if isinstance(model, IF | Threshold):
        limit = np.broadcast_to(np.asarray(model.v_threshold, np.float64), n)
        rest = np.broadcast_to(np.asarray(getattr(model, "v_leak", 0.0), np.float64), n)
        held = _membrane(model, drive, n, dt) if isinstance(model, LIF) else drive
        if type(model) in (LIF, CubaLIF, ALIF, Threshold) and held is not None:
            way = np.where(limit > rest, (held[1] - rest) / np.where(limit > rest, limit - rest, 1.0), np.inf)
        elif type(model) is IF:  # it gathers whatever is above 0
            way = np.where(_times(np.asarray(model.r, np.float64), drive)[1] > 0, np.inf, 0.0)
        if not (isinstance(model, ALIF) and np.min(model.beta) < 0):
            fires = ~(way < 1 - SLACK)
        always = _at_once(model, drive, limit, held, dt)
    return Bounds(drive, (np.zeros(n), np.where(fires, most, 0.0)), fires, always, way)


def _at_once(model: Any, drive: Span, limit: np.ndarray, held: Span | None, dt: float) -> np.ndarray:
    """Whether the lowest drive takes the membrane from its reset to the threshold within a step."""
    if type(model) is Threshold:
        return drive[0] >= limit
    plain = type(model) in (IF, LIF, CubaLIF) and not model.reset_delay and model.reset != "subtract_snntorch"
    if not plain or held is None:
        return np.zeros(limit.size, bool)
    after = np.asarray(model.v_reset if model.reset == "value" else 0.0, np.float64)
    if type(model) is IF:
        return after + np.asarray(model.r) * dt * drive[0] >= limit
    decay = np.exp(-dt / np.asarray(model.tau_mem, np.float64))
    return held[0] * (1 - decay) + after * decay >= limit


def _command(spec: Output, signals: dict[str, Span], periods: dict[str, np.ndarray], dt: float) -> Span:
    """Lowest and highest of each number of an output, before its limits."""
    if isinstance(spec.decoder, ArgmaxDecoder):
        return np.full(1, -np.inf), np.full(1, np.inf)
    low = np.broadcast_to(np.asarray(spec.bias, np.float64), spec.size).copy()
    high = low.copy()
    for term in spec.decoder:
        part = _term(term, signals[term.source], periods[term.source], spec.size, dt)
        low, high = low + part[0], high + part[1]
    return (spec.squashed(low), spec.squashed(high)) if spec.squash else (low, high)


def _term(term: Any, signal: Span, period: np.ndarray, m: int, dt: float) -> Span:
    """Lowest and highest of what one decoder adds to an output of m numbers."""
    n = signal[0].size

    def rows(values: Any) -> np.ndarray:
        array = values.sample((n, m)) if isinstance(values, Distribution) else np.asarray(values, np.float64)
        return np.broadcast_to(array[:, None] if array.ndim == 1 else array, (n, m))

    if isinstance(term, MembraneDecoder):
        parts = _times(rows(term.weights), (signal[0][:, None], signal[1][:, None]))
    elif isinstance(term, SpikeDecoder | SpikeCountDecoder):
        trace = 1 / dt / period
        if isinstance(term, SpikeDecoder):  # right after a spike the filter is above the mean rate
            trace = (1 - math.exp(-dt / term.tau)) / dt / (1 - np.exp(-period * dt / term.tau))
        else:
            trace = np.ceil(round(term.window / dt) / period)
        parts = _times(rows(term.weights), ((signal[0] * trace)[:, None], (signal[1] * trace)[:, None]))
    elif isinstance(term, PopulationVectorDecoder | FirstSpikeDecoder):
        return _one_of(term, rows, signal[1] > 0, m)
    else:
        return np.full(m, -np.inf), np.full(m, np.inf)
    return parts[0].sum(0), parts[1].sum(0)


def _one_of(term: Any, rows: Any, fires: np.ndarray, m: int) -> Span:
    """Of a mean of directions, or of the weights of the first that fires; 0 while none did."""
    if isinstance(term, PopulationVectorDecoder):
        values = rows(term.directions)
    elif term.weights is not None:
        values = rows(term.weights)
    else:
        values = rows(np.arange(fires.size) if m == 1 else np.eye(fires.size))
    values = np.where(fires[:, None], values, 0.0)
    return np.minimum(values.min(0), 0.0), np.maximum(values.max(0), 0.0)
