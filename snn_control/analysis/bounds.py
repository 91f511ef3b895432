"""Compute bounds of all currents, spikes and commands of a controller from input ranges and weights alone.

Interval arithmetic is repeated, from the inputs on, until the bounds no longer change. No stimulus can exceed a bound,
except for membranes whose initial value `v_init` is not the resting value. But a bound may be unreachable, for example
if all neurons of a sum would have to fire together. So the statement "the neuron can never fire" is certain, and the
statement "the neuron can fire" is not. For a model, an encoder or a loop that is not analysed, the bound is infinite.

A leaky membrane potential is a weighted mean of its drive over time, so v_leak + r I bounds the potential. A decaying
trace to which a neuron adds at most w every R steps is at most w / (1 - exp(-R dt / tau)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import coding, network
from ..controller_file import ControllerSpec
from ..engine.build.builder import vector
from ..engine.program import Program
from ..network import NeuronModel, Population
from .synapses import Synapses, decoder_rows, sizes_of

__all__ = ["Bounds", "ReachableActivity", "driven", "reachable_activity"]

SLACK = 1e-5  # relative: a drive this close below the threshold may reach it in float32
ROUNDS = 10  # each narrows the bounds, which are valid after any number of rounds

Span = np.ndarray  # (2, n) float64, lowest and highest


@dataclass(frozen=True)
class Bounds:
    """Bounds of one population. Each array has one element for each neuron.

    drive : lowest and highest current, including synaptic currents
    output : lowest and highest output in a step: number of spikes, or graded value
    fires : whether the neuron can fire; true for graded neurons
    always : whether the neuron fires, with any stimulus, in every step that its refractory period allows
    way : largest reachable membrane potential as a fraction of the distance from rest to threshold; infinite if unknown
    """

    drive: Span
    output: Span
    fires: np.ndarray
    always: np.ndarray
    way: np.ndarray


@dataclass(frozen=True)
class ReachableActivity:
    """Bounds of a whole controller.

    populations : name -> Bounds, including inputs whose encoder has neurons
    commands : lowest and highest value of every element of the outputs, in order, before the limits apply. If the
        output has ``squash``, the values are those after tanh. For an arg-max output they are infinite
    """

    populations: dict[str, Bounds]
    commands: Span


def reachable_activity(
    spec: ControllerSpec, program: Program, synapses: Sequence[Synapses] | None
) -> ReachableActivity:
    """Compute the bounds of all currents, spikes and commands of a controller.

    synapses : result of `snn_control.analysis.synapses.all_synapses`, which may be None
    """
    sizes, found = sizes_of(program), {}
    most = {p.name: 1.0 if p.spiking and not p.multiplicity else math.inf for p in program.facts.populations}
    signals: dict[str, Span] = {}
    periods = dict.fromkeys(sizes, 1.0)  # shortest intervals between two spikes, in steps
    with np.errstate(invalid="ignore", over="ignore"):
        for one in spec.inputs:
            span = _encoded(one, sizes[one.name], spec.period)
            model = getattr(getattr(one, "encoder", None), "neuron", None)
            if model is not None:
                found[one.name] = _bounds(model, span, spec.dt, most[one.name])
                span, periods[one.name] = found[one.name].output, _steps_between(model, spec.dt)
            signals[one.name] = _hull(span, 0.0)  # the value before anything arrives
        for p in spec.network.populations:
            signals[p.name] = _constant(-most[p.name] if p.neuron.graded else 0.0, most[p.name], p.size)
            periods[p.name] = _steps_between(p.neuron, spec.dt)
        for _ in range(ROUNDS):  # neurons that cannot fire drive nothing, so others may turn out not to fire either
            before = dict(signals)
            for p in spec.network.populations:
                drive = _constant(-np.inf, np.inf, p.size)
                if synapses is not None:
                    drive = _drive(p, [s for s in synapses if s.of.post == p.name], signals, periods, spec.dt)
                found[p.name] = _bounds(p.neuron, drive, spec.dt, most[p.name])
                signals[p.name] = _hull(found[p.name].output, 0.0)
            if all(np.array_equal(span, before[name]) for name, span in signals.items()):
                break
        commands = [_command(o, signals, periods, spec.dt) for o in spec.outputs]
    return ReachableActivity(found, np.concatenate(commands, axis=1))


def driven(spec: ControllerSpec, sizes: dict[str, int]) -> dict[str, float]:
    """Return the largest current that each input's encoder can send to its neurons: name of the input -> current.

    Inputs whose range does not limit the current are omitted.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        most = {i.name: float(_encoded(i, sizes[i.name], spec.period)[1].max(initial=0.0)) for i in spec.inputs}
    return {name: current for name, current in most.items() if math.isfinite(current)}


def _constant(low: float, high: float, n: int) -> Span:
    return np.array([np.full(n, low), np.full(n, high)])


def _hull(span: Span, value: Any) -> Span:
    """Return the smallest interval (lowest and highest value) that contains both ``span`` and ``value``."""
    return np.array([np.minimum(span[0], value), np.maximum(span[1], value)])


def _times(weight: Any, span: Span) -> Span:
    """Return the lowest and highest value of weight * x, if x lies in ``span``.

    For a weight of 0 the product is 0, even if x is infinite.
    """
    ends = np.nan_to_num(np.asarray(weight, np.float64) * span, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return np.sort(ends, axis=0)


def _steps_between(model: NeuronModel, dt: float) -> float:
    return max(1.0, round(float(getattr(model, "refractory", 0.0)) / dt))


def _encoded(one: coding.Input, n: int, period: float) -> Span:
    """Return the lowest and highest value of each of the ``n`` signals of an input after its encoder."""
    e = getattr(one, "encoder", None)
    if isinstance(e, coding.PoolEncoder | coding.SurfaceEncoder):
        most = 1.0  # for a surface
        if isinstance(e, coding.PoolEncoder):
            most = {"sum": math.inf, "binary": 1.0, "saturate": e.ceiling or 0.0}[e.response]
            most = most / (1 - math.exp(-period / e.tau)) if e.tau is not None else most
        return _constant(-most if e.polarity == "signed" else 0.0, most, n)
    if isinstance(e, coding.PopulationEncoder | coding.FieldsEncoder):
        return _constant(min(e.drive, 0), max(e.drive, 0), n)
    if isinstance(e, coding.DeltaEncoder | coding.StepForwardEncoder):
        return _constant(0.0, 1.0, n)
    if isinstance(one, coding.ValueInput):
        within = np.maximum(one.range[0], one.plausible[0]), np.minimum(one.range[1], one.plausible[1])
        x = np.array([np.broadcast_to(side, one.size) for side in within], np.float64)
        if e is None:
            return x
        if isinstance(e, coding.DirectEncoder):
            return _times(e.gain, x) + e.bias
        if isinstance(e, coding.LinearEncoder):
            return _times(e.weights, x[:, :, None]).sum(1) + e.bias
        if isinstance(e, coding.SignedEncoder):
            on = _times(e.gain, x)
            return np.maximum(np.concatenate([on, -on[::-1]], axis=1), 0)
    return _constant(-np.inf, np.inf, n)


def _drive(
    p: Population, into: Sequence[Synapses], signals: dict[str, Span], periods: dict[str, float], dt: float
) -> Span:
    """Return the lowest and highest current into each neuron of a population."""
    drive = np.tile(vector("bias", p.bias, p.size), (2, 1))
    for s in into:
        tau = s.of.tau_syn
        if tau is None and s.of.receptor != "current":
            tau = getattr(p.neuron, "tau_syn", None)
        x = signals[s.of.pre][:, s.pre]
        if tau is not None:
            x = x * (1 / (1 - np.exp(-periods[s.of.pre] * dt / vector("tau_syn", tau, p.size)[s.post])))
        span = _times(s.weight, x)
        if s.of.learning is not None:
            ends = np.concatenate([_times(w, x) for w in (s.of.learning.w_min, s.of.learning.w_max)])
            span = np.array([ends.min(0), ends.max(0)])
        drive += [np.bincount(s.post, side, p.size) for side in span]
        if s.of.bias is not None:
            given = np.asarray(s.of.bias, np.float64)
            given = np.repeat(given, p.size // given.size)
            given = given if tau is None else given / (1 - np.exp(-dt / np.asarray(tau, np.float64)))
            drive += _hull(np.zeros((2, p.size)), given)
    return drive


def _membrane(model: Any, drive: Span, dt: float) -> Span | None:
    """Return the bounds of a leaky model's membrane potential for a drive; None if the drive does not bound it."""
    stable = model.integration != "euler" or bool((np.asarray(model.tau_mem) >= dt).all())
    return np.asarray(model.v_leak, np.float64) + _times(model.r, drive) if stable else None


def _bounds(model: NeuronModel, drive: Span, dt: float, most: float) -> Bounds:
    """Return the `Bounds` of a population with a drive, the lowest and highest current.

    most : maximum number of spikes of a neuron in a step
    """
    n = drive.shape[1]
    no, yes, unknown = np.zeros(n, bool), np.ones(n, bool), np.full(n, np.inf)
    if model.graded:
        output = _constant(-np.inf, np.inf, n)
        if isinstance(model, network.Relay):
            output = drive
        elif isinstance(model, network.LI | network.CubaLI) and (held := _membrane(model, drive, dt)) is not None:
            output = _hull(held, np.asarray(model.v_leak, np.float64))
        return Bounds(drive, output, yes, no, unknown)
    fires, always, way = yes, no, unknown
    if isinstance(model, network.IF | network.Threshold):
        limit = np.broadcast_to(np.asarray(model.v_threshold, np.float64), n)
        rest = np.broadcast_to(np.asarray(getattr(model, "v_leak", 0.0), np.float64), n)
        held = _membrane(model, drive, dt) if isinstance(model, network.LIF) else drive
        if type(model) in (network.LIF, network.CubaLIF, network.ALIF, network.Threshold) and held is not None:
            way = np.where(limit > rest, (held[1] - rest) / np.where(limit > rest, limit - rest, 1.0), np.inf)
        elif type(model) is network.IF:  # it accumulates any current above 0
            way = np.where(_times(model.r, drive)[1] > 0, np.inf, 0.0)
        if not (isinstance(model, network.ALIF) and np.min(model.beta) < 0):
            fires = ~(way < 1 - SLACK)
        always = _at_once(model, drive, limit, held, dt)
    return Bounds(drive, np.array([np.zeros(n), np.where(fires, most, 0.0)]), fires, always, way)


def _at_once(model: Any, drive: Span, limit: np.ndarray, held: Span | None, dt: float) -> np.ndarray:
    """Return whether even the lowest drive moves the membrane from reset to threshold within a step, (n,) bool."""
    if type(model) is network.Threshold:
        return drive[0] >= limit
    plain = type(model) in (network.IF, network.LIF, network.CubaLIF) and not model.reset_delay
    if not plain or model.reset == "subtract_snntorch" or held is None:
        return np.zeros(limit.size, bool)
    after = np.asarray(model.v_reset if model.reset == "value" else 0.0, np.float64)
    if type(model) is network.IF:
        return after + np.asarray(model.r) * dt * drive[0] >= limit
    decay = np.exp(-dt / np.asarray(model.tau_mem, np.float64))
    return held[0] * (1 - decay) + after * decay >= limit


def _command(spec: coding.Output, signals: dict[str, Span], periods: dict[str, float], dt: float) -> Span:
    """Return the lowest and highest value of each element of an output, before the output's limits apply."""
    if isinstance(spec.decoder, coding.ArgmaxDecoder):
        return _constant(-np.inf, np.inf, 1)
    found = np.tile(vector("bias", spec.bias, spec.size), (2, 1))
    for term in spec.decoder:
        found += _term(term, signals[term.source], periods[term.source], spec.size, dt)
    return np.array([spec.squashed(side) for side in found]) if spec.squash else found


def _term(term: Any, signal: Span, period: float, m: int, dt: float) -> Span:
    """Return the lowest and highest contribution of one decoder to each of the m elements of an output."""
    n = signal.shape[1]
    if isinstance(term, coding.PopulationVectorDecoder | coding.FirstSpikeDecoder):
        rows = np.where(signal[1, :, None] > 0, decoder_rows(term, n, m), 0.0)
        return np.array([np.minimum(rows.min(0), 0.0), np.maximum(rows.max(0), 0.0)])  # 0 while none has fired
    if isinstance(term, coding.SpikeDecoder):  # just after a spike the filter is above the mean rate
        signal = signal * ((1 - math.exp(-dt / term.tau)) / dt / (1 - np.exp(-period * dt / term.tau)))
    elif isinstance(term, coding.SpikeCountDecoder):
        signal = signal * np.ceil(round(term.window / dt) / period)
    elif not isinstance(term, coding.MembraneDecoder):
        return _constant(-np.inf, np.inf, m)
    return _times(decoder_rows(term, n, m), signal[:, :, None]).sum(1)
