"""Measure code size, memory, instructions and time of an exported controller on an emulated microcontroller."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import NO_VALUE, DescriptionError
from .emulator import EmulatedMachine
from .example_ticks import ExampleTicks
from .export import texts
from .exported import Exported
from .layout import Layout
from .mirror import Mirror
from .targets import TARGETS, build_object, build_program

__all__ = ["Measured", "check_fits", "measure"]

TICKS = 40
LARGEST = 4  # number of arrays that a refusal names


@dataclass(frozen=True)
class Measured:
    """Measurements of a controller on one processor. Sizes do not include the self-test.

    target : name of the processor, a key of `TARGETS`
    code : size of the controller's machine code [bytes]
    helpers : size of the compiler's runtime functions, e.g. for float64 without hardware [bytes]; a program contains
        them once
    constants : size of parameters, weights and initial state [bytes]
    ram : size of the struct [bytes]
    mean, most : mean and maximum number of instructions of a tick, in `TICKS` example ticks
    differing : number of words of the self-test, plus number of example ticks, that differ from the engine
    """

    target: str
    code: int
    helpers: int
    constants: int
    ram: int
    mean: float
    most: int
    differing: int

    @property
    def flash(self) -> int:
        return self.code + self.helpers + self.constants

    def seconds(self, mhz: float) -> float:
        """Return the estimated duration of the longest tick [s], at a clock rate of ``mhz`` [MHz]."""
        return TARGETS[self.target].seconds(self.most, mhz)


def measure(e: Exported, target: str, optimise: str = "-Os") -> Measured:
    """Compile a controller for a target, run it on the emulated processor, and compare each tick with the engine.

    target : name of the processor, a key of `TARGETS`
    optimise : optimisation flag of the compiler

    Raise RuntimeFault if a package of the extra ``c`` is missing.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, text in texts(e).items():
            (folder / name).write_text(text)
        one = TARGETS[target]
        code = build_object(folder, e.name, one, optimise, folder).bytes_of(executable=True)
        linked = build_program(folder, e.name, one, optimise, folder)
        helpers, constants = max(0, linked.bytes_of(executable=True) - code), linked.bytes_of(executable=False)
        layout = Layout.of(e)
        machine = EmulatedMachine(folder, layout, target, optimise, count=True)
    differing = machine.call("selftest_in")
    ticks = ExampleTicks(e, plain=True, most_events=100)
    mirror, counts = Mirror(ticks.bound, layout, machine), []
    for t in range(TICKS):
        ticks.give(t)
        mirror.give()
        ticks.bound.tick()
        mirror.step()
        counts.append(machine.instructions)
        differing += bool(mirror.difference())
    return Measured(target, code, helpers, constants, e.struct_bytes, sum(counts) / TICKS, max(counts), differing)


def check_fits(e: Exported, measured: Measured, flash: int | None, ram: int | None) -> None:
    """Raise DescriptionError if a controller needs more flash or RAM than available.

    flash, ram : available memory [bytes]; None: not checked
    """
    both = (("--flash", flash, measured.flash, True), ("--ram", ram, measured.ram, False))
    for option, most, needed, constant in both:
        if most is not None and needed > most:
            arrays = e.arrays.constants if constant else e.arrays.members
            named = ", ".join(f"{a.name} {a.n_bytes:,}" for a in sorted(arrays, key=lambda a: -a.n_bytes)[:LARGEST])
            rule = f"{e.name} needs {needed:,} bytes; the largest arrays: {named}"
            raise DescriptionError(option, most, rule, "; ".join(_advice(e, constant)) or NO_VALUE)


def _advice(e: Exported, constant: bool) -> Iterator[str]:
    """Yield changes to a controller file that reduce its need of flash (``constant`` is true) or of RAM."""
    if constant and any(one.precision == "float32" and one.weights > 256 for one in e.program.facts.counted):
        yield "give large projections precision: int8"
    if any(one.facts.kind == "events" for one in e.inputs):
        yield "fewer cells (encoder.grid)" if constant else "a smaller capacity of events, fewer cells (encoder.grid)"
    if not constant and any(one.delay_steps > 2 for one in e.program.facts.projections):
        yield "shorter delays"
    yield "fewer neurons"
