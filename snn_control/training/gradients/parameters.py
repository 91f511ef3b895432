"""The trained parameters of a controller: weights, biases and neuron parameters, in the file and in the Program.

Each parameter is an array of the controller file (``hidden.bias``, ``input->hidden.weights``, ``hidden.tau_mem``,
``steering.weights``), in the shape that it has in the file. To locate the numbers of a parameter in the constants of
the Program, the controller is built with marks for all parameters, and again with other marks for this parameter; the
constants are compared. `Parameters.write` therefore writes the same constants as building the controller from a file
with the current numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...controller import build_program
from ...controller.batch import encoded_of
from ...controller_file import ControllerSpec, Limits
from ...engine import registry
from ...engine.lowering import FLOAT_MAX
from ...engine.program import PROGRAM, Operation, Place, Program
from ...engine.registry import kernel
from ...errors import DescriptionError
from ...network.quantization import MOST, trained_codes
from .adjoints.adjoint import numbers, signal
from .adjoints.tape import Signal
from .parameter import Parameter, choose, known_parameters, with_start
from .ranges import Ranges
from .student import writable

__all__ = ["DEFAULT", "Parameters"]

#: what is trained by default
DEFAULT = {"*.weights": Limits(), "*.bias": Limits()}
GROWTH = 1e-4  # relative step of the finite differences for neuron parameters


class Parameters:
    """The trained parameters of a controller, and the controller's Program, whose constants can be written to.

    spec : description of the controller; its random weights are drawn again, with ``rng``
    chosen : pattern of parameter names (``*.weights``, ``hidden.tau_mem``) -> limits; later patterns take precedence

    sizes : input or population -> number of its neurons or graded signals
    ranges : ranges of inputs that may be fitted to observed values

    Raises DescriptionError if a pattern matches nothing, if a neuron model does not accept a limit as a value, or if a
    chosen parameter cannot be trained.
    """

    def __init__(self, spec: ControllerSpec, chosen: Mapping[str, Limits], rng: np.random.Generator) -> None:
        program = build_program(spec)
        encoded = {one.name: encoded_of(program, one.name) for one in spec.inputs}
        self.sizes = {p.name: p.size for p in spec.network.populations}
        self.sizes |= {name: place.shape[0] for name, place in encoded.items() if place is not None}
        self.chosen = dict(chosen)
        self.parameters = choose(known_parameters(spec, self.sizes, rng), chosen)
        for p in self.parameters:
            spec = p.put(with_start(spec, p), p.numbers.copy())
        self._spec = spec
        for p in self.parameters:
            p.check(spec)
        self.program: Program = writable(build_program(spec))
        marked = self._marked()
        for p in self.parameters:
            self._find(p, *marked)
        self.ranges = Ranges(spec, self.program)
        self.write()

    @property
    def spec(self) -> ControllerSpec:
        """The description of the controller with the current values of the parameters and ranges."""
        spec = self._spec
        for p in self.parameters:
            spec = p.put(spec, p.numbers.copy())
        return self.ranges.put(spec)

    def values(self) -> dict[str, np.ndarray]:
        """Return copies of everything that training changes: name -> values, for parameters and ranges."""
        ranges = {f"{name}.range": ends.copy() for name, ends in self.ranges.values.items()}
        return {p.name: p.values.copy() for p in self.parameters} | ranges

    def take(self, values: Mapping[str, np.ndarray]) -> None:
        """Set all values that training changes to the result of an earlier call of `values`."""
        for p in self.parameters:
            p.values[...] = values[p.name]
        self.ranges.take({name: values[f"{name}.range"] for name in self.ranges.values})
        self.write()

    @property
    def flat(self) -> np.ndarray:
        """The values of all parameters as one (numbers,) array. After setting it, call `write`, which clips values."""
        return np.concatenate([p.values.ravel() for p in self.parameters])

    @flat.setter
    def flat(self, values: np.ndarray) -> None:
        ends = np.cumsum([p.values.size for p in self.parameters])[:-1]
        for p, part in zip(self.parameters, np.split(values, ends), strict=True):
            p.values[...] = part.reshape(p.values.shape)

    @property
    def places(self) -> list[Place]:
        """The places of the trained arrays in the Program, without duplicates, for `Gradient`."""
        return list({signal(p.place): p.place for p in self.parameters}.values())

    def write(self) -> None:
        """Clip the values to their limits, and write them into the Program."""
        for p in self.parameters:
            p.clip()
        for p in self.parameters:
            if p.population:
                p.place.view(self.program.constants)[:] = self._table(p.population)
            elif p.quantised:
                whole, scale = trained_codes(p.numbers, p.given_scale)
                p.place.view(self.program.constants)[...] = whole.reshape(p.place.shape)
                p.scale.view(self.program.constants)[:] = scale
            else:
                values = p.numbers.reshape(-1)[p.index]
                if p.factor != 1:
                    values = (values.astype(np.float64) * p.factor).astype(np.float32)
                numbers(p.place.view(self.program.constants)).reshape(-1)[p.at] = values

    def gradients(self, found: Mapping[Signal, np.ndarray]) -> list[np.ndarray]:
        """Return the derivatives of the loss by the parameters, one array for each parameter.

        found : derivatives by the constants of the Program, as
            `snn_control.training.gradients.student.Student.backward` returns them
        """
        return [self._gradient(p, found[signal(p.place)]) for p in self.parameters]

    def _gradient(self, p: Parameter, g: np.ndarray) -> np.ndarray:
        if p.population:
            return (self._slopes(p) * g).sum(0).astype(np.float32)
        parts = g.reshape(-1)[p.at] * np.float32(p.factor * p.unit)
        if p.index.size != p.values.size:
            return np.bincount(p.index, parts, p.values.size).astype(np.float32).reshape(p.values.shape)
        whole: np.ndarray = np.empty(p.values.size, np.float32)
        whole[p.index] = parts
        return whole.reshape(p.values.shape)

    # neurons ---------------------------------------------------------------------------------------------------
    def _table(self, population: str, moved: str = "", by: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the parameters that a population's kernel reads, (rows, n): one row for each of them.

        moved : neuron parameter that is changed first; empty: none
        by : number that is added to this neuron parameter
        """
        one = next(p for p in self._spec.network.populations if p.name == population)
        values = {p.name.rpartition(".")[2]: p.numbers for p in self.parameters if p.population == population}
        if moved:
            values[moved] = values[moved] + by
        neuron, lowering = replace(one.neuron, **values), registry.lowering("neurons", type(one.neuron))  # type: Any, Any
        cells: Any = kernel(lowering.kernel).row["cells"]
        numbers = lowering.parameters(neuron, self._spec.dt)
        rows = [np.broadcast_to(np.asarray(numbers[name], np.float64), (one.size,)) for name in cells.parameters]
        return np.clip(np.stack(rows), -FLOAT_MAX, FLOAT_MAX)

    def _slopes(self, p: Parameter) -> np.ndarray:
        """Return the derivatives of the kernel's parameters, (rows, n), by the values of a neuron parameter."""
        name, size = p.name.rpartition(".")[2], np.abs(p.numbers)
        step = GROWTH * np.where(size > 0, size, p.unit)
        above, below = self._table(p.population, name, step), self._table(p.population, name, -step)
        return (above - below) / (2 * step) * p.unit

    # places ----------------------------------------------------------------------------------------------------
    def _marked(self) -> tuple[ControllerSpec, Program]:
        """Return a description in which the numbers of each parameter are `_marks`, and its Program."""
        spec = self._spec
        for p in self.parameters:
            if not (p.population or p.quantised):
                spec = p.put(spec, _marks(p))
        return spec, build_program(spec)

    def _find(self, p: Parameter, spec: ControllerSpec, one: Program) -> None:
        """Locate the numbers of a parameter in the constants of the Program, and store their place in the parameter.

        spec, one : result of `_marked`
        """
        if p.population:
            operation = next(o for o in self.program.operations if o.label == p.population and "params" in _words(o))
            p.place = _words(operation)["params"]
            return
        if p.quantised:
            self._find_quantised(p)
            return
        other = build_program(p.put(spec, _marks(p) + np.float32(1 << 20)))
        alike = len(one.operations) == len(self.program.operations) and one.constants.size == other.constants.size
        differs: np.ndarray = np.zeros(0, np.int64)
        if alike:
            differs = np.flatnonzero(one.constants.view(np.uint32) != other.constants.view(np.uint32))
        for marked, own in zip(one.operations, self.program.operations):
            for place, here in zip(marked.operands, own.operands):
                if not isinstance(place, Place) or place.kind != PROGRAM or place.dtype not in ("<f4", "<u4"):
                    continue
                first, stop = place.offset // 4, (place.offset + place.n_bytes) // 4
                inside = bool(differs.size) and first <= differs[0] and differs[-1] < stop
                if inside and isinstance(here, Place) and here.shape == place.shape:
                    p.place = here
                    p.at = differs - first if place.dtype == "<f4" else (differs - first) // 2
                    values = numbers(place.view(one.constants)).reshape(-1)[p.at]
                    ranks, p.index = np.unique(values, return_inverse=True)
                    if ranks.size == p.values.size:
                        return
        raise DescriptionError("training.trainable", p.name, "cannot be trained: its form depends on its values")

    def _find_quantised(self, p: Parameter) -> None:
        """Locate int8 weights and their scale in the constants.

        Two Programs with opposite weights have the same constants, except these weights.
        """
        largest = np.full_like(p.values, MOST * (p.given_scale or 1.0))
        one, other = (build_program(p.put(self._spec, sign * largest)) for sign in (1, -1))
        differs = int(np.flatnonzero(one.constants != other.constants)[0])
        for marked, own in zip(one.operations, self.program.operations, strict=True):
            if marked.kernel == "dense_spikes_int8":
                weights = _words(marked)["weights"]
                if weights.offset <= differs < weights.offset + weights.n_bytes:
                    words = _words(own)
                    p.place, p.scale = words["weights"], words["scale"]
        p.at = p.index = np.arange(p.values.size)


def _marks(p: Parameter) -> np.ndarray:
    """Return a different number for each number of a parameter, none of which is 0."""
    return (np.arange(p.values.size) / 2 + 1).astype(np.float32).reshape(p.values.shape)


def _words(operation: Operation) -> dict[str, Any]:
    return dict(zip(kernel(operation.kernel).words, operation.operands, strict=True))
