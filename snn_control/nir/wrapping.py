"""Add inputs, outputs and the number of network steps per tick to an imported network, to make it a controller.

A network that was trained with T steps per sample, and whose read-out sums over these steps, must run T steps per tick.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..coding import Decoder, DirectEncoder, MembraneDecoder, Output, SpikeCountDecoder, SpikeDecoder, ValueInput
from ..errors import DescriptionError
from ..network import Population
from .importing import Imported

__all__ = ["READOUTS", "outputs_of", "steps_of", "value_inputs"]

#: ways to compute an output from its neurons' spikes or graded values in the steps of a tick
READOUTS = ("rate", "last", "mean", "sum", "count")
RATE_STEPS = 20  # time constant of the filtered rates, in steps
UNBOUNDED = (-math.inf, math.inf)


def steps_of(imported: Imported, period: float | None, steps: int | None) -> int:
    """Return the number of network steps in a tick.

    period : control period [s]; None: any
    steps : number of network steps in a tick; None: derived from ``period``, or 1 without a period

    Raises DescriptionError if period, steps and the network's dt do not agree.
    """
    dt = imported.dt
    if period is None:
        return steps or 1
    found = steps or max(1, round(period / dt))
    if abs(found * dt - period) > 1e-9 * period:
        if steps:
            rule = f"must be {steps} steps per tick of {dt:g} s each: {steps * dt:.9g} s"
            raise DescriptionError("period", period, rule, "leave one of them out, or give the --dt of the simulation")
        rule = f"must be a whole number of the network's steps of {dt:g} s"
        raise DescriptionError("period", period, rule, f"{found * dt:.9g} s is; or give the number of steps in a tick")
    return found


def value_inputs(imported: Imported, scale: Any = 1.0, offset: Any = 0.0) -> tuple[ValueInput, ...]:
    """Return a value input for each Input node. The values x of an input enter the network as scale x + offset.

    scale : one number, or one number for each element of the input
    offset : one number, or one number for each element of the input
    """
    found = []
    for name, size in imported.inputs.items():
        gain, bias = _each("input_scale", scale, name, size), _each("input_offset", offset, name, size)
        encoder = None if np.all(gain == 1) and np.all(bias == 0) else DirectEncoder(gain, bias)
        found.append(ValueInput(name, size=size, encoder=encoder))
    return tuple(found)


def outputs_of(
    imported: Imported, steps: int = 1, readout: str = "", scale: Any = 1.0, limits: tuple[Any, Any] = UNBOUNDED
) -> tuple[Output, ...]:
    """Return an output for each Output node, with one number per neuron.

    steps : number of network steps in a tick
    readout : one of `READOUTS`; empty means "rate" for spikes and "last" for graded values
    scale : factor of the decoded values: one number, or one number per neuron
    limits : (low, high) of every command

    Raises DescriptionError if the read-out is not possible for the neurons, or if the limits exclude the safe value 0.
    """
    if not limits[0] <= 0 <= limits[1]:
        rule = "must hold 0, the safe value"
        raise DescriptionError("output_limits", list(limits), rule, "leave them out; set limits and safe in the file")
    populations = {p.name: p for p in imported.network.populations}
    found = []
    for name, source in imported.outputs.items():
        population = populations[source]
        factor = np.asarray(_each("output_scale", scale, name, population.size))
        weights = np.diag(np.broadcast_to(factor, population.size)) if population.size > 1 else float(factor.ravel()[0])
        term = _decoder(imported.dt, population, weights, readout, steps)
        found.append(Output(name, (term,), population.size, limits=limits))
    return tuple(found)


def _decoder(dt: float, population: Population, weights: Any, readout: str, steps: int) -> Decoder:
    source, graded = population.name, population.neuron.graded
    readout = readout or ("last" if graded else "rate")
    if readout not in READOUTS:
        raise DescriptionError("readout", readout, f"must be one of {', '.join(READOUTS)}")
    if readout in ("rate", "count") and graded:
        rule = f"needs spikes, and '{source}' has graded values"
        raise DescriptionError("readout", readout, rule, "take last, mean or sum")
    if readout == "rate":
        return SpikeDecoder(source, weights, RATE_STEPS * dt)
    steps = 1 if readout == "last" else steps
    if graded:
        window = steps * dt if steps > 1 else None
        return MembraneDecoder(source, weights * steps if readout == "sum" else weights, window)
    return SpikeCountDecoder(source, weights / steps if readout == "mean" else weights, steps * dt)


def _each(what: str, value: Any, name: str, size: int) -> Any:
    numbers = np.asarray(value, np.float64)
    if numbers.size == 1:
        return float(numbers.ravel()[0])
    if numbers.shape != (size,):
        rule = f"must be one number, or {size}, as many as '{name}' has"
        raise DescriptionError(what, numbers.tolist(), rule)
    return numbers
