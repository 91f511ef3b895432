"""Compare the costs of a controller with float32 weights, the same with int8 weights, and a similar int8 perceptron."""

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
    """Cost of one variant: of a controller or of the comparable perceptron.

    flash : size of weights and other constants [bytes]
    ram : size of state, inputs and outputs [bytes]; None if unknown
    operations : mean number of synaptic operations in a tick
    nanojoule : estimated energy of a tick [nJ], with memory accesses
    """

    name: str
    flash: int
    ram: int | None
    operations: float
    nanojoule: float


def variants(spec: ControllerSpec, program: Program, stimulus: Stimulus) -> list[Variant]:
    """Return the costs of the controller, of the controller with int8 weights, and of the perceptron.

    The function runs both controllers with the stimulus. Weights are int8 where training supports this. These weights
    are rounded, not trained, so the activity with them is an approximation.
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
