"""Split off the part of a controller that training changes, so that updates need not run a fixed front end again.

A `TrainedPart` contains all populations and projections that depend on trained values. Its inputs are the graded
populations that it reads from the front end. Their values are recorded while the whole controller acts. Updates then
run sequences of the trained part only, and store only its state.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...coding import ValueInput
from ...controller import Batch
from ...controller_file import ControllerSpec
from ...engine.program import STATE
from ...network import Network
from .parameters import Parameters
from .student import Seen, Student

__all__ = ["TrainedPart", "trained_part_of"]


def trained_part_of(parameters: Parameters) -> TrainedPart | None:
    """Return the trained part of a controller; None if this part cannot be separated.

    It cannot be separated, for example, if it reads a spiking population of the untrained part.
    """
    spec = parameters.spec
    projections, populations = spec.network.projections, spec.network.populations
    changed = spec
    for p in parameters.parameters:
        changed = p.put(changed, p.numbers)
    live = {one.name for one, other in zip(populations, changed.network.populations, strict=True) if one is not other}
    live |= {one.post for one, other in zip(projections, changed.network.projections, strict=True) if one is not other}
    while found := {one.post for one in projections if one.pre in live} - live:
        live |= found
    inner = [one for one in projections if one.post in live]
    sources = {one.pre for one in inner} | {term.source for output in spec.outputs for term in output.terms}
    border = [one for one in populations if one.name in sources - live]
    late = any(np.any(one.delay) or one.learning is not None for one in inner if one.pre not in live)
    graded = all(one.neuron.graded for one in border) and {one.name for one in border} == sources - live
    if late or not graded or spec.dt != spec.period or spec.repeat != 1 or spec.reset_each_tick:
        return None
    inputs = tuple(ValueInput(one.name, size=one.size) for one in border)
    network = Network(tuple(one for one in populations if one.name in live), tuple(inner))
    return TrainedPart(parameters, replace(spec, inputs=inputs, network=network, ros_inputs={}, ros_outputs={}))


class TrainedPart:
    """The trained part of a controller, as a controller of its own.

    whole : parameters of the whole controller, which share their arrays of trained values with the trained part
    parameters : parameters of the trained part
    student : runs the trained part forward and backward over sequences
    """

    def __init__(self, whole: Parameters, spec: ControllerSpec) -> None:
        self.parameters = Parameters(spec, whole.chosen, np.random.default_rng(0))
        own = {p.name: p for p in self.parameters.parameters}
        for p in whole.parameters:
            own[p.name].values = p.values
        self.parameters.parameters = [own[p.name] for p in whole.parameters]
        self.parameters.write()
        self.student = Student(self.parameters.program, self.parameters.places)
        self._inputs = [one.name for one in spec.inputs]
        names, others = self.parameters.program.names, whole.program.names
        alike = [n for n, one in names.items() if one.kind == STATE and n in others and others[n].shape == one.shape]
        self._alike = [(names[n].offset, others[n].offset, names[n].n_bytes) for n in alike]
        self._batches: dict[int, Batch] = {}

    def inputs_of(self, batch: Batch) -> Seen:
        """Return the inputs of the trained part in the last step of a batch of the whole controller."""
        return {name: batch.array(f"{name}.v").copy() for name in self._inputs}

    def remember(self, batch: Batch) -> np.ndarray:
        """Return the state of the trained part, copied from a batch of the whole controller, for `Student.recall`."""
        own = self._batches.setdefault(batch.n, Batch(self.parameters.program, batch.n))
        for to, start, size in self._alike:
            own.bound.state[:, to : to + size] = batch.bound.state[:, start : start + size]
        return self.student.remember(own)
