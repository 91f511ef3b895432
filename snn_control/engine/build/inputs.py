"""Build the inputs: allocate their memory in the io block, and emit their checks and the neurons of their encoders."""

from __future__ import annotations

import math

import numpy as np

from ...coding import EventsInput, Input, ValueInput
from ...coding.inputs import NOT_FINITE
from ...errors import NO_VALUE, BuildError
from ...network import Population
from .. import registry
from .filters import add_columns
from .builder import Builder, blamed, bounded
from ..kernels.guard import MOST_STOPS, STOP_WORDS
from ..kernels.input_checks import NO_LIMIT
from ..control_words import LEARNING
from ..program import PRE, STEP, Place, element
from ..slots import SLOT_WORDS

__all__ = ["add_input", "end_pulses"]


def add_input(b: Builder, spec: Input, validity: Place, index: int) -> None:
    """Allocate an input's header and data, and emit the operations of its checks and its encoder.

    validity : two int64 in the state, which the guard reads: whether the input and its newest sample are valid
    index : number of the input
    """
    lay, name = b.layout, spec.name
    if name in b.nodes:
        raise BuildError("inputs", name, "every name must be unique")
    slot = lay.io(f"{name}.slot", "int64", SLOT_WORDS)
    counters = lay.state(f"{name}.counters", "int64", 4)
    max_age = NO_LIMIT if math.isinf(spec.stale) else round(spec.stale * 1e9)
    if isinstance(spec, EventsInput):
        b.emit(PRE, "check_sample", n=0, slot=slot, valid=validity, max_age=max_age, counters=counters, label=name)
        b.filters[name] = add_columns(b, spec, slot)
        _encode(b, spec, slot)
    elif isinstance(spec, ValueInput):
        n = spec.size
        data, held = lay.io(f"{name}.data", "float64", n), lay.state(f"{name}.held", "float32", n)
        limits = np.stack([bounded(f"inputs.{name}.range", side, n) for side in (*spec.range, *spec.plausible)])
        bounds = lay.constant("", limits)
        if set(spec.rules()) != {"reject"}:
            data = _replace_not_finite(b, spec, slot, data, bounds, max_age)
        if spec.moves:
            data = _reject_implausible(b, spec, slot, data, bounds)
        checked = {"data": data, "held": held, "valid": validity, "limits": bounds, "counters": counters}
        b.emit(PRE, "check_sample", n=n, slot=slot, max_age=max_age, **checked, label=name)
        if spec.stop_when:
            _stop(b, spec, slot, held, validity, index)
        if spec.encoder is None:
            b.nodes[name] = b.graded(name, held)
        else:
            _encode(b, spec, held)
    else:
        raise BuildError(f"inputs.{name}", type(spec).__name__, "must be a ValueInput or an EventsInput")


def _stop(b: Builder, spec: ValueInput, slot: Place, held: Place, validity: Place, index: int) -> None:
    if index >= MOST_STOPS:
        rule = f"must be one of the first {MOST_STOPS} inputs, because it stops the commands"
        raise BuildError(f"inputs.{spec.name}", NO_VALUE, rule, "move it to the front")
    if b.stops is None:
        b.stops = b.layout.state("stops", "int64", STOP_WORDS)
    b.emit(
        PRE, "stop", n=spec.size, slot=slot, held=held, valid=validity, zero=spec.stop_when == "zero",
        latched=spec.latched, bit=index, stops=b.stops, label=spec.name,
    )  # fmt: skip


def _replace_not_finite(b: Builder, spec: ValueInput, slot: Place, data: Place, limits: Place, max_age: int) -> Place:
    """Emit the operation that replaces NaN and infinite numbers of an input.

    Return the `Place` of the resulting numbers, for the next check.
    """
    lay, name, n = b.layout, spec.name, spec.size
    rules = lay.constant("", np.array([NOT_FINITE.index(rule) for rule in spec.rules()], np.uint8))
    out, last = lay.state("", "float64", n), lay.state("", "float32", n, np.full(n, np.nan, np.float32))
    age, counters = lay.state("", "int64", n), lay.state(f"{name}.replaced", "int64", 3)
    tick = round(b.steps * b.dt * 1e9)
    b.emit(
        PRE, "replace_not_finite", n=n, slot=slot, data=data, out=out, rules=rules, limits=limits, last=last,
        age=age, tick=tick, max_age=max_age, counters=counters, label=name,
    )  # fmt: skip
    return out


def _reject_implausible(b: Builder, spec: ValueInput, slot: Place, data: Place, limits: Place) -> Place:
    """Emit the operation that rejects samples with an impossible rate of change, a jump or frozen numbers.

    Return the `Place` of the resulting numbers, for the next check.
    """
    lay, name, n = b.layout, spec.name, spec.size
    motion = np.stack([bounded(f"inputs.{name}.{key}", getattr(spec, key), n) for key in ("rate", "jump")])
    out, counters = lay.state("", "float64", n), lay.state(f"{name}.motion", "int64", 2)
    b.emit(
        PRE, "reject_implausible", n=n, slot=slot, data=data, out=out, motion=lay.constant("", motion), limits=limits,
        accepted=lay.state("", "float32", n), seen=lay.state("", "float32", n),
        since=lay.state("", "int64", 2, np.array([-1, -1])), tick=round(b.steps * b.dt * 1e9),
        frozen=NO_LIMIT if math.isinf(spec.frozen) else round(spec.frozen * 1e9), counters=counters,
        control=element(b.controlled, 0, LEARNING), label=name,
    )  # fmt: skip
    return out


def _encode(b: Builder, spec: ValueInput | EventsInput, source: Place) -> None:
    where, lowering = f"inputs.{spec.name}.encoder", registry.lowering("encoders", type(spec.encoder))
    if lowering is None or lowering.events != isinstance(spec, EventsInput):
        kind = "an events" if isinstance(spec, EventsInput) else "a value"
        raise BuildError(where, type(spec.encoder).__name__, f"is not an encoder for {kind} input", registry.faults())
    with blamed(where, "encoders", spec.encoder):
        drive, model = lowering.build(b, spec, source), getattr(spec.encoder, "neuron", None)
        pulse = lowering.pulse(spec.encoder) if callable(lowering.pulse) else lowering.pulse
        if not isinstance(drive, Place):
            raise TypeError(f"build returned {drive!r}: must be the Place of the currents")
    if model is None:
        node = b.nodes[spec.name] = b.graded(spec.name, drive)
    else:
        if model.size not in (None, drive.shape[0]):
            rule = f"must be for {drive.shape[0]} neurons"
            raise BuildError(f"{where}.neuron", f"parameters for {model.size} neurons", rule)
        node = b.population(Population(spec.name, drive.shape[0], model), driven=True)
        node.drive = drive
    node.pulse = drive if pulse else None


def end_pulses(b: Builder) -> None:
    """Emit operations that clear the pulses of encoders after the first network step of a tick.

    Pulses are the currents of events and of changes. Without these operations, they would act in every network step.
    """
    for node in b.nodes.values():
        if node.pulse is not None and b.steps > 1:
            b.emit(STEP, "clear", n=node.pulse.shape[0], y=node.pulse, label=node.name)
