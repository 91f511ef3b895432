"""Estimate the energy of a controller's arithmetic from the numbers of its operations.

The costs are those of single operations in 45 nm CMOS at 0.9 V (Horowitz 2014, Computing's energy problem (and what we
can do about it), ISSCC, doi:10.1109/ISSCC.2014.6757323, figure 1.1.9). docs/howto/measuring.md lists the costs that are
not included, and explains the count for a neuron's update.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.bound import Bound
from ..engine.workload import counted

__all__ = ["LABEL", "PICOJOULE", "Energy", "access", "estimate", "memory", "price"]

#: (operation, type) -> pJ
PICOJOULE = {
    ("add", "int8"): 0.03, ("add", "int16"): 0.05, ("add", "int32"): 0.1,
    ("add", "float16"): 0.4, ("add", "float32"): 0.9,
    ("multiply", "int8"): 0.2, ("multiply", "int32"): 3.1,
    ("multiply", "float16"): 1.1, ("multiply", "float32"): 3.7,
}  # fmt: skip
#: type of a weight -> type of the sum to which it is added
SUMS = {"float32": "float32", "int8": "int32"}
#: (largest number of bytes, pJ per byte) of memories: caches of 8 KiB, 32 KiB and 1 MiB, then DRAM. Horowitz gives the
#: energy of 64 bits: 10, 20, 100 and at least 1,300 pJ
MEMORIES = ((8 << 10, 10 / 8), (32 << 10, 20 / 8), (1 << 20, 100 / 8), (1 << 62, 1300 / 8))
BYTES = {"float32": 4, "int8": 1}  # of a weight
SUM = 4  # bytes of a sum or a state variable
LABEL = "estimate, not measured: arithmetic alone in 45 nm CMOS (Horowitz 2014); no memory traffic, control or leakage"


@dataclass(frozen=True)
class Energy:
    """Mean energy of a tick [pJ], over all ticks since the last reset.

    synapses : energy of the accumulates and multiply-accumulates in synapses whose source signal and weight are not 0
    neurons : energy of one multiply-accumulate for each state variable that decays: membranes, currents, decoding
        traces
    period : period of a tick [s]
    """

    synapses: float
    neurons: float
    period: float

    @property
    def tick(self) -> float:
        """Total energy of a tick [pJ]."""
        return self.synapses + self.neurons

    @property
    def microwatt(self) -> float:
        """Mean power of the controller [uW] at one tick per period."""
        return self.tick * 1e-6 / self.period


def price(kind: str, precision: str = "float32") -> float:
    """Return the energy [pJ] of one operation with a weight of a precision. In float32 it is 0.9 or 4.6 pJ.

    kind : "accumulate" or "multiply_accumulate"
    """
    add = PICOJOULE["add", SUMS[precision]]
    return add if kind == "accumulate" else PICOJOULE["multiply", precision] + add


def estimate(bound: Bound) -> Energy:
    """Return the estimated mean energy of a tick of a bound Program, over all ticks since its last reset."""
    ticks, facts = max(1, int(bound.array("clock")[0])), bound.program.facts
    synapses = sum(row.effective * price(row.kind, row.precision) for row in counted(bound))
    neurons = facts.updates * bound.program.steps * price("multiply_accumulate")
    return Energy(synapses / ticks, neurons, facts.period)


def access(footprint: int) -> float:
    """Return the energy [pJ] of one byte's access in the smallest memory that can store ``footprint`` bytes."""
    return next(cost for size, cost in MEMORIES if footprint <= size)


def memory(bound: Bound) -> float:
    """Return the estimated energy of a tick's memory accesses [pJ], averaged over all ticks since the last reset.

    A synaptic operation reads a weight, and reads and writes a sum. The update of a state variable reads and writes the
    variable, and reads one parameter. The assumed memory is the smallest one that can store constants and state.
    """
    ticks, program = max(1, int(bound.array("clock")[0])), bound.program
    moved = sum(row.effective * (BYTES[row.precision] + 2 * SUM) for row in counted(bound)) / ticks
    moved += program.facts.updates * program.steps * 3 * SUM
    return float(moved * access(program.constants.size + program.initial_state.size))
