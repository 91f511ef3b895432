"""The arrays of a controller file that can be trained, and functions that write new values into its description."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...coding import ArgmaxDecoder
from ...controller_file import ControllerSpec, Limits, nearest
from ...engine.build.decoders import rate_factor
from ...engine.program import Place
from ...errors import DescriptionError
from ...network import AllToAll, Distribution, NeuronModel, OneToOne, Projection
from ...network.checks import Numbers
from ...network.convolution import Convolution
from ...network.quantization import trained_codes

__all__ = ["Parameter", "choose", "known_parameters", "with_start"]

Put = Callable[[ControllerSpec, np.ndarray], ControllerSpec]
NOTHING = np.float32(1e-8)


@dataclass
class Parameter:
    """An array of a controller file that is trained.

    name : e.g. ``hidden.bias``
    values : current values in multiples of ``unit``, float32; for neuron parameters float64. Neuron parameters have
        very different magnitudes (milliseconds, volts). They are scaled so that one learning rate suits all of them,
        and so are the weights of a projection with ``tau_syn``
    put : function (controller description, `numbers`) -> copy of the description with these numbers
    low : lower limits of ``numbers``
    high : upper limits of ``numbers``
    population : the population to which a neuron parameter belongs; empty for other parameters
    quantised : whether the Program and the file store the nearest int8 weights
    given_scale : for int8 weights, the scale that the file specifies; None: the largest weight becomes 127
    scale : for int8 weights, the place of their scale in the Program
    """

    name: str
    values: np.ndarray
    put: Put
    low: float | np.ndarray = -np.inf
    high: float | np.ndarray = np.inf
    unit: float = 1.0
    population: str = ""
    quantised: bool = False
    given_scale: float | None = None
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
        """Raise DescriptionError if a limit of a neuron parameter is not a valid value in the controller file."""
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
    """Return the items of a description in which some fields of item ``k`` have new values.

    fields : name of a field -> its new value
    """
    return tuple(replace(one, **fields) if j == k else one for j, one in enumerate(items))


def _with_projection(k: int, key: str) -> Put:
    def put(spec: ControllerSpec, values: np.ndarray) -> ControllerSpec:
        projections = _changed(spec.network.projections, k, **{key: values})
        return replace(spec, network=replace(spec.network, projections=projections))

    return put


def _with_int8(k: int, given_scale: float | None) -> Put:
    def put(spec: ControllerSpec, values: np.ndarray) -> ControllerSpec:
        whole, scale = trained_codes(values, given_scale)
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
        one, fields = spec.outputs[k], {key: values}  # type: Any, dict[str, Any]
        new = replace(one, **fields) if term is None else one.with_terms(_changed(one.terms, term, **fields))
        return replace(spec, outputs=tuple(new if j == k else other for j, other in enumerate(spec.outputs)))

    return put


def _float32(value: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return ``value`` as a new float32 array of this shape; a Distribution is sampled with ``rng``."""
    if isinstance(value, Distribution):
        again: Any = replace(value, seed=int(rng.integers(1 << 62)))  # type: ignore[type-var]
        value = again.sample(shape)
    return np.array(np.broadcast_to(np.asarray(value, np.float32), shape))


def known_parameters(spec: ControllerSpec, sizes: Mapping[str, int], rng: np.random.Generator) -> list[Parameter]:
    found: list[Parameter] = []
    for k, p in enumerate(spec.network.projections):
        title = f"{p.pre}->{p.post}"
        same = sum(f"{q.pre}->{q.post}" == title for q in spec.network.projections[:k])
        title += f"#{same + 1}" * (same > 0)
        quantised = p.precision == "int8" and isinstance(p.connector, AllToAll)
        if (p.precision == "float32" or quantised) and p.learning is None:
            values = _weights(p, sizes, rng)
            put = _with_int8(k, p.scale) if quantised else _with_projection(k, "weights")
            # a separate current sums what arrives within tau_syn; in this unit one learning rate suits all
            unit = 1.0 if p.tau_syn is None else -math.expm1(-spec.dt / p.tau_syn)
            found.append(Parameter(f"{title}.weights", values / np.float32(unit), put, unit=unit, quantised=quantised))
            found[-1].given_scale = p.scale
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
        terms = output.terms
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
    """Return the weights of a projection as a new array: one per synapse or, for a convolution, as in the file."""
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


def with_start(spec: ControllerSpec, p: Parameter) -> ControllerSpec:
    """Return the controller description with a fixed initial membrane, if ``p`` is the resting value of a population.

    Otherwise the initial membrane would change with the parameter ``p``, and this change would be missing in the
    gradient.
    """
    k = next((k for k, one in enumerate(spec.network.populations) if p.name == f"{one.name}.v_leak"), None)
    if k is None or spec.network.populations[k].v_init is not None:
        return spec
    return _with_population(k, "v_init", False)(spec, p.numbers)


def choose(known: list[Parameter], chosen: Mapping[str, Limits]) -> list[Parameter]:
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
