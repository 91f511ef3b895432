"""Build a Program from a controller's description: check sizes, compute constants, and order the operations of a tick.

A tick runs the input checks and the encoders, then its network steps, then the decoders and the guard. A network step
runs in this order:

- projections with a delay >= 1 add their arriving signals;
- each population is updated, after its projections with delay 0; source populations come before their targets;
- learning rules change weights, and filters of decoded spikes are updated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ...coding import EventsInput, Guard, Input, Output
from ...errors import BuildError
from ...network import Network
from ...network.checks import TICK_SEED
from .guard import add_guard
from .inputs import add_input, end_pulses
from .outputs import add_output, look_back
from .projections import connect
from .restart import add_restart, restarts
from .builder import Builder
from ..facts import Facts, InputFacts, OutputFacts, PopulationFacts, ProjectionFacts, RuleFacts
from ..program import POST, PRE, PROGRAM, STATE, STEP, Program, element

__all__ = ["build"]

MIN_TIME_S, MAX_TIME_S = 1e-9, 1e6  # s, of a step and a period, so that sums in ns fit into 64 bits
MOST_STEPS = 100_000_000  # in one tick


def _steps_of(dt: float, period: float) -> int:
    for key, value in (("period", period), ("dt", dt)):
        if not (isinstance(value, float | int) and 0 < value < math.inf):
            raise BuildError(key, value, "must be > 0 s")
        if not MIN_TIME_S <= value <= MAX_TIME_S:
            raise BuildError(key, value, f"must be from {MIN_TIME_S:g} s to {MAX_TIME_S:g} s")
    steps = round(period / dt)
    if not _divides(dt, period):
        near = " or ".join(_round_steps(dt, period)) or repr(period / max(1, steps))
        fix = f"use dt = {near}, or period = {max(1, steps) * dt:.12g}"
        raise BuildError("dt", dt, f"must divide the period ({period} s)", fix)
    if steps > MOST_STEPS:
        raise BuildError("dt", dt, f"must be at least a {MOST_STEPS:,}th of the period ({period} s)")
    return steps


def _divides(dt: float, period: float) -> bool:
    return abs(max(1, round(period / dt)) * dt - period) <= 1e-9 * period


def _round_steps(dt: float, period: float) -> list[str]:
    """Return up to two step lengths that divide the period, to suggest in an error: below and above ``dt``.

    They are the nearest ones with two digits. A length is left out if there is none.
    """
    decade = math.floor(math.log10(dt)) - 1
    found = [float(f"{digits}e{e}") for e in (decade - 1, decade, decade + 1) for digits in range(10, 100)]
    fit = [one for one in found if _divides(one, period)]
    below, above = [one for one in fit if one < dt], [one for one in fit if one > dt]
    return [f"{one:g}" for one in below[-1:] + above[:1]]


@np.errstate(over="ignore")  # the layout refuses numbers that become infinite
def build(
    network: Network, inputs: Sequence[Input], outputs: Sequence[Output], *, dt: float, period: float,
    guard: Guard | None = None, seed: int = 0, reset_each_tick: bool = False,
    tuned: Mapping[str, float] | None = None,
) -> Program:  # fmt: skip
    """Compile a controller's description to a Program for one network step dt [s] and tick period [s].

    seed : seed of all random numbers of the controller
    reset_each_tick : whether populations start each tick from their initial state
    tuned : name of a tunable parameter -> its value in the file

    Raise BuildError or DescriptionError if the description is wrong.
    """
    steps = _steps_of(dt, period)
    TICK_SEED("seed", seed)
    if not outputs:
        raise BuildError("outputs", [], "at least one output is needed")
    for kind, names in (("inputs", [i.name for i in inputs]), ("outputs", [o.name for o in outputs])):
        if len(set(names)) < len(names):
            raise BuildError(kind, names, "every name must be unique")
    terms = sum(len(o.terms) for o in outputs)
    encoders = sum(len(getattr(getattr(i, "encoder", None), "encoders", (i,))) for i in inputs)
    b = Builder(network, dt, steps, len(inputs), len(network.projections) + encoders + terms, int(seed), tuned)
    b.seen = look_back(outputs, dt)
    validity = b.layout.state("validity", "int64", (max(1, len(inputs)), 2))
    for k, spec in enumerate(inputs):
        add_input(b, spec, element(validity, k), k)
    before = len(b.layout.states)
    for pop in network.populations:
        b.population(pop)
    connect(b)
    if reset_each_tick:
        add_restart(b, before)
    raw = b.layout.state("raw", "float32", sum(o.size for o in outputs))
    first = 0
    for out in outputs:
        add_output(b, out, element(raw, first, out.size))
        first += out.size
    end_pulses(b)
    b.layout.constant("restarts", restarts(b, before))
    add_guard(b, inputs, outputs, validity, raw, (guard or Guard()).release)
    facts, lay = _facts(b, inputs, outputs, dt, period, tuned or {}), b.layout
    operations = tuple(o for section in (PRE, STEP, POST) for o in b.sections[section])
    return Program(operations, lay.block(PROGRAM), lay.block(STATE), lay.io_bytes, dict(lay.names), steps, facts)


def _facts(
    b: Builder, inputs: Sequence[Input], outputs: Sequence[Output], dt: float, period: float, tuned: Mapping[str, float]
) -> Facts:  # fmt: skip
    return Facts(
        dt, period, spiking=tuple(b.spiking), counted=tuple(b.counted), updates=b.updates,
        tunable=tuple(tuned), tuned=tuple(tuned.values()),
        inputs=tuple(
            InputFacts(
                i.name, "events", i.size, i.required, i.capacity, tuple(b.filters[i.name]), camera=i.numbers
            )
            if isinstance(i, EventsInput)
            else InputFacts(i.name, "value", getattr(i, "size", 0), i.needed, stop_when=getattr(i, "stop_when", ""))
            for i in inputs
        ),
        outputs=tuple(OutputFacts(o.name, o.size, getattr(o.decoder, "actions", 0), o.unit) for o in outputs),
        populations=tuple(
            PopulationFacts(n.name, n.size, not n.graded, n.stride, n.slots, n.multiplicity)
            for n in b.nodes.values() if n.operation is not None
        ),
        projections=tuple(
            ProjectionFacts(p.pre, p.post, int(k), int(used), d)
            for p, k, used, d in zip(b.network.projections, b.synapse_counts, b.used_counts, b.delays, strict=True)
        ),
        learning=tuple(
            RuleFacts(
                p.name, type(p.rule).__name__, p.pre.name, p.post.name, p.title, p.pointers is not None,
                int(b.synapse_counts[k]),
            )
            for k, p in sorted(b.plastic.items())
        ),
    )  # fmt: skip
