"""Cost of a perceptron with a controller's layers and connections, computed once per tick: a reference for efficiency.

A spiking controller is efficient only if it costs less than this perceptron. A microcontroller computes an int8
perceptron with a few instructions for four weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..controller_file import ControllerSpec
from ..engine.program import Program
from .energy import BYTES, SUM, access, price

__all__ = ["Perceptron", "perceptron", "perceptron_of"]


@dataclass(frozen=True)
class Perceptron:
    """Estimated cost of a perceptron.

    operations : number of multiply-accumulates in a tick, one for each weight
    footprint : size of weights and biases [bytes]
    nanojoule : estimated energy of a tick with memory accesses [nJ]. A multiply-accumulate reads a weight and an input,
        1 byte each in int8 and 4 in float32; each sum is written once, 4 bytes
    """

    operations: int
    footprint: int
    nanojoule: float


def perceptron(weights: int, sums: int, precision: str = "int8") -> Perceptron:
    """Return the cost of a perceptron with ``weights`` weights.

    sums : number of neurons and outputs
    precision : "int8" or "float32"
    """
    size = BYTES[precision]
    footprint = size * weights + SUM * sums
    energy = weights * price("multiply_accumulate", precision) + (2 * size * weights + SUM * sums) * access(footprint)
    return Perceptron(weights, footprint, energy * 1e-3)


def perceptron_of(spec: ControllerSpec, program: Program) -> Perceptron:
    """Return the cost of the perceptron with a controller's populations and projections.

    The perceptron's inputs are connected directly, without the encoders' neurons. Recurrent projections count like
    other projections. Decoders count as projections.
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
