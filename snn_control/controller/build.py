"""Compile a controller file's description into a Program, and find its tunable parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from ..controller_file import ControllerSpec
from ..controller_file.tunable import change, value_at
from ..engine.build import build
from ..engine.program import Program
from ..engine.tuning import Tuning
from ..errors import DescriptionError, in_file

__all__ = ["build_program", "tuning_of"]


def build_program(spec: ControllerSpec) -> Program:
    """Compile the description of a controller file, with its dt and period, into a Program.

    Raises a DescriptionError that begins with the file's name.
    """
    try:
        program = build(
            spec.network, spec.inputs, spec.outputs, dt=spec.dt, period=spec.period, guard=spec.guard, seed=spec.seed,
            reset_each_tick=spec.reset_each_tick, tuned=_tuned(spec),
        )  # fmt: skip
    except DescriptionError as error:
        if error.path.startswith(("populations", "projections")):  # the path in the file
            error = error.within("network")
        raise error.in_file(spec.path) from None
    except MemoryError:
        rule = "does not fit into this machine's memory"
        raise DescriptionError("network", "its size", rule).in_file(spec.path) from None
    return replace(program, facts=replace(program.facts, repeat=spec.repeat))


def tuning_of(spec: ControllerSpec, program: Program) -> Tuning | None:
    """Return the tunable parameters of a controller, or None if it has none.

    Raises DescriptionError if the file lists a parameter that cannot be tuned.
    """
    if not spec.tunable:
        return None
    with in_file(spec.path):
        ends = [(spec.tunable[name].low, spec.tunable[name].high) for name in program.facts.tunable]
        return Tuning(partial(_with_values, replace(spec, path="")), program, ends)


def _with_values(spec: ControllerSpec, values: Mapping[str, float]) -> Program:
    found, now = spec, _tuned(spec)
    for path, value in values.items():
        if value != now[path]:
            found = change(found, path, value)
    return build_program(found)


def _tuned(spec: ControllerSpec) -> dict[str, float]:
    """Return the tunable parameters' values in the file: path -> number. For an array, the number is its factor, 1."""
    values = {path: value_at(spec, path) for path in sorted(spec.tunable)}
    return {path: 1.0 if np.ndim(value) else float(value) for path, value in values.items()}
