"""Compare a controller with float32 weights, with int8 weights, and an int8 perceptron with the same layers."""

from __future__ import annotations

from dataclasses import dataclass

from ..controller import Controller, build_program
from ..controller.int8 import with_int8
from ..controller_file import ControllerSpec
from ..engine.program import Program
from ..engine.workload import counted
from ..errors import DescriptionError
from . import energy
from .perceptron import perceptron_of
from .stimulus import Stimulus

__all__ = ["Variant", "variants"]


@dataclass(frozen=True)
class Variant:
    """A controller, or the perceptron beside it.

    flash : weights and other constants [bytes]
    ram : state, inputs and outputs [bytes]; None if it is not known
    operations : mean number of synaptic operations in a tick
    nanojoule : estimated energy of a tick [nJ], with memory accesses
    """

    name: str
    flash: int
    ram: int | None
    operations: float
    nanojoule: float


def variants(spec: ControllerSpec, program: Program, stimulus: Stimulus) -> list[Variant]:
    """Return the controller, the same with int8 weights where training supports them, and the perceptron.

    The controllers run with the stimulus. int8 weights are rounded, not trained, so their activity is an approximation.
    """
    found = [_measured("as it is", program, stimulus)]
    try:
        found.append(_measured("int8 weights", build_program(with_int8(spec)), stimulus))
    except DescriptionError:
        pass  # it has int8 weights, or none that can be
    p = perceptron_of(spec, program)
    return [*found, Variant("int8 perceptron", p.footprint, None, float(p.operations), p.nanojoule)]


def _measured(name: str, program: Program, stimulus: Stimulus) -> Variant:
    one = Controller(program)
    for observation in stimulus.log.observations():
        one.step(observation)
    ticks = max(1, one.counters()["ticks"])
    operations = sum(row.effective for row in counted(one.bound)) / ticks
    spent = energy.estimate(one.bound).tick + energy.memory(one.bound)
    ram = program.initial_state.size + program.io_bytes
    return Variant(name, program.constants.size, ram, operations, spent * 1e-3)
