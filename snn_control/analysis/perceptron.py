"""The perceptron beside a controller: the same layers and connections, with int8 weights, computed once per tick.

A claim of efficiency has to hold beside it: a microcontroller computes an int8 perceptron with a few instructions for
four weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..controller_file import ControllerSpec
from ..engine.program import Program
from .energy import BYTES, SUM, access, price

__all__ = ["Perceptron", "perceptron", "perceptron_of"]


@dataclass(frozen=True)
class Perceptron:
    """Cost of a perceptron.

    operations : multiply-accumulates in a tick, one for each weight
    footprint : weights and biases [bytes]
    nanojoule : estimated energy of a tick with memory accesses [nJ]: a multiply-accumulate reads its weight and its
        input (1 byte each in int8, 4 in float32), and each sum is written once (4 bytes)
    """

    operations: int
    footprint: int
    nanojoule: float


def perceptron(weights: int, sums: int, precision: str = "int8") -> Perceptron:
    """Return the cost of a perceptron.

    sums : number of its neurons and outputs
    precision : "int8" or "float32"
    """
    size = BYTES[precision]
    footprint = size * weights + SUM * sums
    energy = weights * price("multiply_accumulate", precision) + (2 * size * weights + SUM * sums) * access(footprint)
    return Perceptron(weights, footprint, energy * 1e-3)


def perceptron_of(spec: ControllerSpec, program: Program) -> Perceptron:
    """Return the perceptron with the populations and projections of a controller.

    An input's numbers are connected directly, without the neurons of their encoder. A recurrent projection counts like
    any other. Decoders count as projections.
    """
    sizes = {p.name: p.size for p in program.facts.populations}
    values = {i.name: i.size for i in program.facts.inputs if i.kind == "value"}
    operations = 0
    for p in program.facts.projections:
        encoded = program.names.get(f"{p.pre}.drive")
        width = encoded.shape[0] if p.pre in values and encoded is not None else None
        operations += p.synapses if width is None else p.synapses * values[p.pre] // width
    operations += sum(c.synapses for c in program.facts.counted if c.label.startswith("outputs."))
    neurons = sum(size for name, size in sizes.items() if name not in values)
    return perceptron(operations, neurons + sum(o.size for o in spec.outputs))
