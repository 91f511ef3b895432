"""Sizes, instructions and time of an exported controller on a processor of a microcontroller."""

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
    """Figures of a controller on one processor, without its self-test.

    code : bytes of machine code
    helpers : bytes of the compiler's own functions, e.g. for float64 without hardware; a program has them once
    constants : bytes of parameters, weights and initial state
    ram : bytes of the struct
    mean, most : instructions of a tick: on average, and the most, in `TICKS` example ticks
    differing : words of the self-test that differ from the engine; and whether the example ticks differ
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
        """Return the estimated time of the longest tick."""
        return TARGETS[self.target].seconds(self.most, mhz)


def measure(e: Exported, target: str, optimise: str = "-Os") -> Measured:
    """Compile a controller for a target, run it on the emulated processor beside the engine, and count.

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
    """Raise DescriptionError if a controller needs more flash or RAM than there is."""
    both = (("--flash", flash, measured.flash, True), ("--ram", ram, measured.ram, False))
    for option, most, needed, constant in both:
        if most is not None and needed > most:
            arrays = e.arrays.constants if constant else e.arrays.members
            named = ", ".join(f"{a.name} {a.n_bytes:,}" for a in sorted(arrays, key=lambda a: -a.n_bytes)[:LARGEST])
            rule = f"{e.name} needs {needed:,} bytes; the largest arrays: {named}"
            raise DescriptionError(option, most, rule, "; ".join(_advice(e, constant)) or NO_VALUE)


def _advice(e: Exported, constant: bool) -> Iterator[str]:
    """Yield what makes a controller smaller."""
    if constant and any(one.precision == "float32" and one.weights > 256 for one in e.program.facts.counted):
        yield "give large projections precision: int8"
    if any(one.facts.kind == "events" for one in e.inputs):
        yield "fewer cells (encoder.grid)" if constant else "a smaller capacity of events, fewer cells (encoder.grid)"
    if not constant and any(one.delay_steps > 2 for one in e.program.facts.projections):
        yield "shorter delays"
    yield "fewer neurons"
