"""The trained parameters of a controller: weights, biases and neuron parameters, in the file and in the Program.

Each parameter is an array of the controller file (``hidden.bias``, ``input->hidden.weights``, ``hidden.tau_mem``,
``steering.weights``), in the shape that it has in the file. To locate the numbers of a parameter in the constants of
the Program, the controller is built a second time with other numbers for this parameter, and the constants are
compared. `Parameters.write` therefore writes exactly what building a file with the current numbers would give.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...coding import ArgmaxDecoder, Output
from ...controller import build_program
from ...controller.batch import encoded_of
from ...controller_file import ControllerSpec, Limits, nearest
from ...engine import registry
from ...engine.build.decoders import rate_factor
from ...engine.lowering import FLOAT_MAX
from ...engine.program import PROGRAM, Operation, Place, Program
from ...engine.registry import kernel
from ...errors import DescriptionError
from ...network import AllToAll, Distribution, NeuronModel, OneToOne, Projection
from ...network.checks import Numbers
from ...network.convolution import Convolution
from ...network.quantization import codes
from .adjoints.adjoint import numbers, signal
from .adjoints.tape import Signal
from .ranges import Ranges
from .student import writable

__all__ = ["DEFAULT", "Parameter", "Parameters"]

Put = Callable[[ControllerSpec, np.ndarray], ControllerSpec]
#: what is trained by default
DEFAULT = {"*.weights": Limits(), "*.bias": Limits()}
NOTHING = np.float32(1e-8)
GROWTH = 1e-4  # relative step of the finite differences for neuron parameters


@dataclass
class Parameter:
    """An array of a controller file that is trained.

    name : e.g. ``hidden.bias``
    values : current values in multiples of ``unit``, float32; for neuron parameters float64. Neuron parameters have
        very different sizes (milliseconds, volts), so they are scaled such that one learning rate suits all of them.
        Weights of a projection with ``tau_syn`` are scaled, too
    put : function (spec, `numbers`) -> the spec with these numbers
    low : lower limits of the numbers
    high : upper limits of the numbers
    population : the population to which a neuron parameter belongs; empty for other parameters
    quantised : whether the Program and the file hold the nearest int8 weights, of which the largest is 127
    scale : for int8 weights, the place of their scale
    """

    name: str
    values: np.ndarray
    put: Put
    low: float | np.ndarray = -np.inf
    high: float | np.ndarray = np.inf
    unit: float = 1.0
    population: str = ""
    quantised: bool = False
    scale: Place = None  # type: ignore[assignment]
    place: Place = None  # type: ignore[assignment]
    at: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # indices in ``place``
    index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # index in ``values`` for each of ``at``
    factor: float = 1.0  # the Program holds ``factor`` times ``values``

    @property
    def numbers(self) -> np.ndarray:
        """The values in the units that the controller file uses."""
        return self.values if self.unit == 1 else np.clip(self.values * self.unit, self.low, self.high)

    def check(self, spec: ControllerSpec) -> None:
        """Raise DescriptionError if the controller file does not permit a limit as a value of the parameter."""
        for end, limit in (("low", self.low), ("high", self.high)):
            if self.population and np.isfinite(limit).all():
                try:
                    self.put(spec, np.broadcast_to(limit, self.values.shape))
                except DescriptionError as error:
                    path = f"training.trainable.{self.name}.{end}"
                    raise DescriptionError(path, np.unique(limit).tolist(), error.rule) from None

    def clip(self) -> None:
        """Clip the values to their limits."""
        if np.any(self.low > -np.inf) or np.any(self.high < np.inf):
            np.clip(self.values, self.low / self.unit, self.high / self.unit, out=self.values)


def _changed(items: Iterable[Any], k: int, **fields: Any) -> tuple[Any, ...]:
    """Return the items of a description, where some fields of item ``k`` have new values.

    fields : name of a field -> its new value
    """
    return tuple(replace(one, **fields) if j == k else one for j, one in enumerate(items))


def _with_projection(k: int, key: str) -> Put:
    def put(spec: ControllerSpec, values: np.ndarray) -> ControllerSpec:
        projections = _changed(spec.network.projections, k, **{key: values})
        return replace(spec, network=replace(spec.network, projections=projections))

    return put


def _with_int8(k: int) -> Put:
    def put(spec: ControllerSpec, values: np.ndarray) -> ControllerSpec:
        whole, scale = codes("scale", values, None)
        fields = {"weights": whole * np.float32(scale), "scale": scale}
        projections = _changed(spec.network.projections, k, **fields)
        return replace(spec, network=replace(spec.network, projections=projections))

    return put


def _with_population(k: int, key: str, neuron: bool) -> Put:
    def put(spec: ControllerSpec, values: np.ndarray) -> ControllerSpec:
        populations, field = spec.network.populations, {key: values}
        fields = {"neuron": replace(populations[k].neuron, **field)} if neuron else field
        return replace(spec, network=replace(spec.network, populations=_changed(populations, k, **fields)))

    return put


def _with_output(k: int, term: int | None, key: str) -> Put:
    def put(spec: ControllerSpec, values: np.ndarray) -> ControllerSpec:
        one, fields = spec.outputs[k], {key: values}  # type: tuple[Output, dict[str, Any]]
        if term is not None:
            terms: Any = _changed(_terms(one), term, **fields)
            fields = {"decoder": replace(one.decoder, terms=terms) if isinstance(one.decoder, ArgmaxDecoder) else terms}
        return replace(spec, outputs=_changed(spec.outputs, k, **fields))

    return put


def _terms(output: Output) -> tuple[Any, ...]:
    return output.decoder.terms if isinstance(output.decoder, ArgmaxDecoder) else tuple(output.decoder)


def _float32(value: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return ``value`` as a new float32 array of this shape; a Distribution is drawn with ``rng``."""
    if isinstance(value, Distribution):
        again: Any = replace(value, seed=int(rng.integers(1 << 62)))  # type: ignore[type-var]
        value = again.sample(shape)
    return np.array(np.broadcast_to(np.asarray(value, np.float32), shape))


class Parameters:
    """The trained parameters of a controller, and its Program, whose constants can be written to.

    spec : the controller; its random weights are drawn again, with ``rng``
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
        self.parameters = _choose(_known(spec, self.sizes, rng), chosen)
        for p in self.parameters:
            spec = p.put(_with_start(spec, p), p.numbers.copy())
        self._spec = spec
        for p in self.parameters:
            p.check(spec)
        self.program: Program = writable(build_program(spec))
        for p in self.parameters:
            self._find(p)
        self.ranges = Ranges(spec, self.program)
        self.write()

    @property
    def spec(self) -> ControllerSpec:
        """The controller with the current values."""
        spec = self._spec
        for p in self.parameters:
            spec = p.put(spec, p.numbers.copy())
        return self.ranges.put(spec)

    def values(self) -> dict[str, np.ndarray]:
        """Return copies of everything that training changes: name -> values, for parameters and ranges."""
        ranges = {f"{name}.range": ends.copy() for name, ends in self.ranges.values.items()}
        return {p.name: p.values.copy() for p in self.parameters} | ranges

    def take(self, values: Mapping[str, np.ndarray]) -> None:
        """Set all values that training changes, to those that `values` returned earlier."""
        for p in self.parameters:
            p.values[...] = values[p.name]
        self.ranges.take({name: values[f"{name}.range"] for name in self.ranges.values})
        self.write()

    @property
    def flat(self) -> np.ndarray:
        """The values of all parameters as one (numbers,) array. After you set it, call `write`, which clips them."""
        return np.concatenate([p.values.ravel() for p in self.parameters])

    @flat.setter
    def flat(self, values: np.ndarray) -> None:
        ends = np.cumsum([p.values.size for p in self.parameters])[:-1]
        for p, part in zip(self.parameters, np.split(values, ends), strict=True):
            p.values[...] = part.reshape(p.values.shape)

    @property
    def places(self) -> list[Place]:
        """The places in the Program by which gradients are computed, each of them once."""
        return list({signal(p.place): p.place for p in self.parameters}.values())

    def write(self) -> None:
        """Write the values, clipped to their limits, into the Program."""
        for p in self.parameters:
            p.clip()
        for p in self.parameters:
            if p.population:
                p.place.view(self.program.constants)[:] = self._table(p.population)
            elif p.quantised:
                whole, scale = codes(p.name, p.numbers, None)
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
        """Return the parameters that the kernel of a population reads, (rows, n).

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
        """Return the derivatives of the parameters of a kernel by the values of a neuron parameter, (rows, n)."""
        name, size = p.name.rpartition(".")[2], np.abs(p.numbers)
        step = GROWTH * np.where(size > 0, size, p.unit)
        above, below = self._table(p.population, name, step), self._table(p.population, name, -step)
        return (above - below) / (2 * step) * p.unit

    # places ----------------------------------------------------------------------------------------------------
    def _find(self, p: Parameter) -> None:
        """Locate the parameter's numbers in the Program's constants."""
        if p.population:
            operation = next(o for o in self.program.operations if o.label == p.population and "params" in _words(o))
            p.place = _words(operation)["params"]
            return
        if p.quantised:
            self._find_quantised(p)
            return
        marks = (np.arange(p.values.size) / 2 + 1).astype(np.float32).reshape(p.values.shape)
        one, other = (build_program(p.put(self._spec, marks + np.float32(k))) for k in (0, 1 << 20))
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
        """Locate int8 weights and their scale: only the weights differ between two Programs with opposite weights."""
        one, other = (build_program(p.put(self._spec, sign * np.ones_like(p.values))) for sign in (1, -1))
        differs = int(np.flatnonzero(one.constants != other.constants)[0])
        for marked, own in zip(one.operations, self.program.operations, strict=True):
            if marked.kernel == "dense_spikes_int8":
                weights = _words(marked)["weights"]
                if weights.offset <= differs < weights.offset + weights.n_bytes:
                    words = _words(own)
                    p.place, p.scale = words["weights"], words["scale"]
        p.at = p.index = np.arange(p.values.size)


def _words(operation: Operation) -> dict[str, Any]:
    return dict(zip(kernel(operation.kernel).words, operation.operands, strict=True))


# everything that can be trained -------------------------------------------------------------------------------------
def _known(spec: ControllerSpec, sizes: Mapping[str, int], rng: np.random.Generator) -> list[Parameter]:
    found: list[Parameter] = []
    for k, p in enumerate(spec.network.projections):
        title = f"{p.pre}->{p.post}"
        same = sum(f"{q.pre}->{q.post}" == title for q in spec.network.projections[:k])
        title += f"#{same + 1}" * (same > 0)
        quantised = p.precision == "int8" and isinstance(p.connector, AllToAll)
        if (p.precision == "float32" or quantised) and p.learning is None:
            values = _weights(p, sizes, rng)
            put = _with_int8(k) if quantised else _with_projection(k, "weights")
            # a separate current sums what arrives within tau_syn; in this unit one learning rate suits all
            unit = 1.0 if p.tau_syn is None else -math.expm1(-spec.dt / p.tau_syn)
            found.append(Parameter(f"{title}.weights", values / np.float32(unit), put, unit=unit, quantised=quantised))
        if p.bias is not None:
            bias = _float32(p.bias, np.shape(p.bias) or (sizes[p.post],), rng)
            found.append(Parameter(f"{title}.bias", bias, _with_projection(k, "bias")))
    for k, pop in enumerate(spec.network.populations):
        bias = _float32(pop.bias, (pop.size,), rng)
        found.append(Parameter(f"{pop.name}.bias", bias, _with_population(k, "bias", False)))
        for name in pop.neuron.arrays():
            values = np.array(np.broadcast_to(np.asarray(getattr(pop.neuron, name), np.float64), (pop.size,)))
            if np.isfinite(values).all():  # an infinite bound is not a parameter
                put, unit = _with_population(k, name, True), float(np.abs(values).mean()) or 1.0
                limits = _own_limits(pop.neuron, name, values)
                found.append(Parameter(f"{pop.name}.{name}", values / unit, put, *limits, unit, pop.name))
    for k, output in enumerate(spec.outputs):
        terms = _terms(output)
        for j, term in enumerate(terms):
            title = output.name if len(terms) == 1 else f"{output.name}.decoder[{j}]"
            key = "directions" if hasattr(term, "directions") else "weights"
            if (weights := getattr(term, key, None)) is None:
                continue
            size = getattr(output.decoder, "actions", output.size)
            columns = np.reshape(weights, (-1, 1)) if np.ndim(weights) == 1 else weights
            values = _float32(columns, (sizes[term.source], size), rng)
            factor = rate_factor(spec.dt, term.tau) if hasattr(term, "tau") else 1.0
            found.append(Parameter(f"{title}.weights", values, _with_output(k, j, key), factor=factor))
        if not isinstance(output.decoder, ArgmaxDecoder):
            bias = _float32(output.bias, (output.size,), rng)
            found.append(Parameter(f"{output.name}.bias", bias, _with_output(k, None, "bias")))
    return found


def _weights(p: Projection, sizes: Mapping[str, int], rng: np.random.Generator) -> np.ndarray:
    """Return the weights of a projection as a new array, with one number per synapse or, for a convolution, as in the
    file."""
    n_pre, n_post = sizes[p.pre], sizes[p.post]
    if isinstance(p.connector, Convolution):
        shape = np.shape(p.weights)
    elif isinstance(p.connector, AllToAll):
        shape = (n_pre, n_post)
    elif isinstance(p.connector, OneToOne):
        shape = (n_post,)
    else:
        shape = (len(p.connector.pairs(n_pre, n_post, p.pre == p.post)[0]),)
    values = _float32(p.weights, shape, rng)
    if np.ndim(p.weights) == 0 and not isinstance(p.weights, Distribution):  # equal weights would stay equal
        values *= (1 + 0.01 * rng.normal(size=shape)).astype(np.float32)
    if not isinstance(p.connector, AllToAll | Convolution):
        values[values == 0] = NOTHING  # a weight of 0 would be left out of a sparse row
    return values


def _own_limits(neuron: NeuronModel, name: str, values: np.ndarray) -> tuple[Any, Any]:
    """Return the default limits of a neuron parameter as a (low, high) pair.

    A parameter that must be > 0 stays above a hundredth of its smallest value. The threshold stays above the reset by
    at least a tenth of their present distance. Reset and floor stay below the threshold.
    """
    rule = neuron.checks().get(name)
    if isinstance(rule, Numbers) and rule.strict and rule.least == 0:
        return values.min() / 100, np.inf
    if not hasattr(neuron, "v_reset"):
        return -np.inf, np.inf
    if name == "v_threshold":
        reset = neuron.v_reset if getattr(neuron, "reset", "value") == "value" else 0.0
        return values - 0.9 * (values - np.asarray(reset)), np.inf
    if name in ("v_reset", "v_min"):
        return -np.inf, values + 0.05 * (np.asarray(neuron.v_threshold) - values)  # type: ignore[attr-defined]
    return -np.inf, np.inf


def _with_start(spec: ControllerSpec, p: Parameter) -> ControllerSpec:
    """Return the controller with the initial membrane fixed at the present resting value.

    Otherwise the initial membrane would change with the parameter ``p``, and this change would be missing in the
    gradient.
    """
    k = next((k for k, one in enumerate(spec.network.populations) if p.name == f"{one.name}.v_leak"), None)
    if k is None or spec.network.populations[k].v_init is not None:
        return spec
    return _with_population(k, "v_init", False)(spec, p.numbers)


def _choose(known: list[Parameter], chosen: Mapping[str, Limits]) -> list[Parameter]:
    found: dict[str, Parameter] = {}
    for pattern, limits in chosen.items():
        matching = [p for p in known if p.name == pattern or fnmatch.fnmatchcase(p.name, pattern)]
        if not matching:
            rule = "matches nothing that can be trained"
            raise DescriptionError("training.trainable", pattern, rule, nearest(pattern, [p.name for p in known]))
        for p in matching:
            low = limits.low if limits.low > -np.inf else p.low
            found[p.name] = replace(p, low=low, high=limits.high if limits.high < np.inf else p.high)
    return [found[p.name] for p in known if p.name in found]
