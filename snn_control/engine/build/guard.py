"""Build the guard, the last operation of every tick: its limits, its fault behaviour and its initial commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import coding
from ...errors import BuildError
from .builder import Builder, vector
from ..control_words import LEARNING
from ..command_limiter import JUMP, MOST_AVERAGED, RAMP, STAY, averaged, reset_motion, words_of
from ..kernels.guard import GUARD_WORDS, LIMITS
from ..program import POST, Place, element

__all__ = ["add_guard"]


def add_guard(
    b: Builder,
    inputs: Sequence[coding.Input],
    specs: Sequence[coding.Output],
    validity: Place,
    raw: Place,
    release: int,
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
    words_per_element, motion = _motion(b, limits)
    words = lay.state("guard", "int64", GUARD_WORDS)
    required = lay.constant("", np.array([int(i.needed) for i in inputs] or [0], np.int64))
    more = {} if b.stops is None else {"stops": b.stops}
    if any(spec.start for spec in specs):
        more["start"] = _start(b, inputs, specs, m)
    b.emit(
        POST, "guard", inputs=len(inputs), validity=validity, required=required, m=m, raw=raw, command=command,
        limits=lay.constant("", table), way=lay.constant("", way), words_per_element=words_per_element, motion=motion,
        words=words, control=element(b.controlled, 0, LEARNING), release=release, **more, label="guard",
    )  # fmt: skip


def _limits(spec: coding.Output, period: float) -> np.ndarray:
    """Return the limits of an output for the guard, (limits, size) float64.

    The rows of the array are low, high, safe and the motion limits (slew, acceleration, jerk), per period.
    """
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
    """Allocate the state of `snn_control.engine.command_limiter`: commands that rest at their safe values.

    Return the number of float64 words for each command, and the `Place` of the state.
    """
    m, words_per_element = limits.safe.size, int(words_of(limits))
    rest = np.zeros(m * words_per_element)
    for j in range(m):
        reset_motion(j, limits.safe[j], limits, rest, words_per_element)
    motion = b.layout.state("motion", "float64", m * words_per_element, rest)
    b.layout.names["previous"] = element(motion, 0, m)
    if words_per_element > 1:
        b.layout.names["step"] = element(motion, m, m)
        b.layout.constant("rest", np.zeros(m))  # the steps when the motion has ended
    return words_per_element, motion


def _start(b: Builder, inputs: Sequence[coding.Input], specs: Sequence[coding.Output], m: int) -> Place:
    """Allocate the initial commands, (m,) float32, which a tick copies from the inputs that ``start`` names.

    An element is NaN if its output has no ``start``. The command then begins at its safe value.
    """
    start, known = b.layout.state("", "float32", m, np.full(m, np.nan)), {one.name: one for one in inputs}
    first = 0
    for spec in specs:
        if spec.start:
            where, one = f"outputs.{spec.name}.start", known.get(spec.start)
            if not isinstance(one, coding.ValueInput) or one.size != spec.size:
                rule = f"must be a value input of {spec.size} numbers"
                raise BuildError(where, spec.start, rule, f"inputs: {', '.join(known) or 'none'}")
            if not one.needed:
                raise BuildError(where, spec.start, "must be a required input", "remove required: false")
            held = b.layout.names[f"{spec.start}.held"]
            b.emit(POST, "copy", n=spec.size, y=element(start, first, spec.size), x=held, label=where)
        first += spec.size
    return start
