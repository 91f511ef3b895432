"""Ensembles: neurons that together represent a vector of numbers.

The module computes firing rates of LIF neurons at constant current, gains for desired rates, and least-squares
decoders.

The drive of a neuron is ``v_leak + r current``. It brings the membrane potential from its value after a spike,
``start``, to the threshold in the time ``rise(drive) = tau_mem log((drive - start) / (drive - threshold))``. So the
firing rate of the continuous equation is 1 / (refractory + rise).

In a simulation with steps of dt, the spike is delayed to the end of its step. For a neuron that is reset to v_reset,
this delay lengthens the interval between spikes to hold + dt ceil(rise / dt). A neuron that subtracts the threshold
retains the potential above the threshold. So its interval increases only by the fraction (threshold - start) / (drive -
start) of the delay, which is dt / 2 on average.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import numpy as np

from ..coding import SpikeDecoder
from ..errors import DescriptionError, counted
from ..network import LIF, Population, Projection
from ..network.checks import Checked, Each, Numbers, Positive, Seed, Size, check_name

__all__ = ["Ensemble", "EnsembleParameters", "Function", "rates", "solve"]

#: x (dimensions,) -> numbers; or (points (m, dimensions), targets (m, k)); None is x itself
Function = Callable[[np.ndarray], Any] | tuple[Any, Any] | None

MATRIX = Numbers(ndim=2)
#: it keeps the part of the membrane above the threshold, so its mean period need not be whole steps
NEURON = LIF(tau_mem=0.02, refractory=0.002, reset="subtract", v_min=0.0)


def start(neuron: LIF) -> float:
    """Return the membrane potential of a neuron immediately after a spike."""
    return 0.0 if neuron.reset == "subtract" else neuron.v_reset


def hold(neuron: LIF, dt: float) -> float:
    """Return the time [s] for which the network keeps the membrane potential constant after a spike.

    The time is the refractory period in whole steps, minus one step, because a neuron can fire in the last refractory
    step.
    """
    return max(0, round(neuron.refractory / dt) - 1) * dt


def rates(neuron: LIF, current: np.ndarray, dt: float = 0.0) -> np.ndarray:
    """Return the mean firing rate [Hz] of a LIF neuron for constant currents, float64 in the shape of ``current``.

    neuron : a LIF model
    current : input currents, float64 of any shape
    dt : step of the network [s]; 0 means the continuous equation

    If the neuron resets by "subtract" and dt is not 0, the result is an average over the times of the spikes within a
    step. If the interval between spikes is nearly a whole number of steps, the rate of a neuron can differ from this
    mean by some per cent (``tests/nef``).
    """
    drive = neuron.v_leak + neuron.r * np.asarray(current, np.float64)
    threshold, begin = neuron.v_threshold, start(neuron)
    fires = drive > threshold
    safe = np.where(fires, drive, threshold + 1.0)
    period = neuron.tau_mem * np.log((safe - begin) / (safe - threshold))
    if dt == 0:
        period = neuron.refractory + period
    elif neuron.reset == "value":
        period = hold(neuron, dt) + dt * np.ceil(period / dt)
    else:
        period = hold(neuron, dt) + period + 0.5 * dt * (threshold - begin) / (safe - begin)
        period = np.maximum(period, hold(neuron, dt) + dt)
    return np.where(fires, 1 / period, 0.0)


def gains(neuron: LIF, max_rates: np.ndarray, intercepts: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Return gains and biases for n neurons with the given intercepts and maximum firing rates, (n,) each.

    A neuron with the current gain x + bias fires if x is above its intercept, and fires at max_rate [Hz] for x = 1.
    Gains and biases follow from the continuous equation, with the refractory period in whole steps. All max_rates must
    be < 1 / (hold + dt), and intercepts < 1.
    """
    decay = np.exp(-(1 / max_rates - hold(neuron, dt)) / neuron.tau_mem)
    drive = (neuron.v_threshold - start(neuron) * decay) / (1 - decay)
    least = (neuron.v_threshold - neuron.v_leak) / neuron.r
    gain = ((drive - neuron.v_leak) / neuron.r - least) / (1 - intercepts)
    return gain, least - gain * intercepts


def solve(activities: np.ndarray, targets: np.ndarray, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Compute decoders W by regularised least squares: min |A W - Y|^2 + m sigma^2 |W|^2.

    activities : A, (m, n) rates [Hz] of n neurons at m points
    targets : Y, (m, k)
    noise : noise of the rates as a fraction of the largest rate, > 0; sigma is ``noise`` times the largest rate

    Return two arrays: the weights W per Hz, (n, k), and the root mean square errors, (k,). Raises DescriptionError if
    no neuron fires.
    """
    m, n = activities.shape
    if not 0 < noise < np.inf:
        raise DescriptionError("noise", noise, "must be > 0 and finite")
    if not activities.any():
        raise DescriptionError("rates", 0.0, "no neuron fires at any point", "lower the intercepts")
    strength = m * (noise * activities.max()) ** 2
    if n <= m:
        gram = activities.T @ activities + strength * np.eye(n)
        weights = np.linalg.solve(gram, activities.T @ targets)
    else:  # the same solution with a smaller matrix
        weights = activities.T @ np.linalg.solve(activities @ activities.T + strength * np.eye(m), targets)
    return weights, np.sqrt(np.mean((activities @ weights - targets) ** 2, axis=0))


class EnsembleParameters(NamedTuple):
    """Parameters of the n neurons of an ensemble.

    The encoders are unit vectors, (n, dimensions). Gains, biases and initial membrane potentials are (n,) each.
    """

    encoders: np.ndarray
    gain: np.ndarray
    bias: np.ndarray
    v_init: np.ndarray


@dataclass(frozen=True, eq=False)
class Ensemble(Checked):
    """Neurons that represent a vector x with a length of at most ``radius``.

    The current of a neuron is ``gain (encoder . x) / radius + bias``.

    name : name of the ensemble's population
    neurons : number of neurons
    dimensions : number of dimensions of x
    radius : largest length of x that the ensemble represents
    max_rates : firing rates [Hz] at encoder . x = radius: (neurons,), or a range (low, high), over which the values are
        spread evenly, in random order
    intercepts : values of encoder . x / radius, < 1, above which a neuron fires: (neurons,), or a range (low, high) as
        for max_rates
    encoders : preferred directions (neurons, dimensions); None draws directions uniformly on the sphere
    neuron : a LIF model
    seed : seed of the random numbers
    dt : the network's step [s], for which decoders and synapses are computed

    Raises DescriptionError.
    """

    name: str
    neurons: Size
    dimensions: Size = 1
    radius: Positive = 1.0
    max_rates: Each = (200.0, 400.0)
    intercepts: Each = (-1.0, 0.9)
    encoders: Annotated[Any, MATRIX] = None
    neuron: LIF = NEURON
    seed: Seed = 0
    dt: Positive = 1e-3

    def __post_init__(self) -> None:
        check_name("name", self.name)
        super().__post_init__()
        if type(self.neuron) is not LIF:
            raise self.wrong("neuron", "must be a LIF", value=type(self.neuron).__name__)
        m = self.neuron
        if m.size is not None or m.integration == "euler" or m.reset_delay or m.several:
            rule = "must be a LIF with one parameter for all, integrated exactly, reset at once, one spike per step"
            raise self.wrong("neuron", rule)
        if self.neuron.r <= 0:
            raise self.wrong("neuron.r", "must be > 0", value=self.neuron.r)
        self.population()

    @property
    def where(self) -> str:
        return f"ensembles.{self.name}."

    def _spread(self, key: str, rng: np.random.Generator) -> np.ndarray:
        """Return the values of a field, such as ``max_rates``, for each neuron, (neurons,).

        If the field is a range (low, high), it is divided into equal intervals; each value is drawn from one interval.
        """
        n = self.neurons
        value = np.asarray(getattr(self, key), np.float64)
        part = (rng.permutation(n) + rng.random(n)) / n
        if value.shape == (2,) and value[0] <= value[1]:
            return value[0] + part * (value[1] - value[0])
        if value.shape != (n,):
            raise self.wrong(key, f"must be (low, high) or {n} numbers")
        return value

    def _directions(self, rng: np.random.Generator) -> np.ndarray:
        shape = (self.neurons, self.dimensions)
        if self.encoders is not None:
            drawn = np.asarray(self.encoders, np.float64)
            if drawn.shape != shape:
                raise self.wrong("encoders", f"must have shape {shape}", value=f"shape {drawn.shape}")
        elif self.dimensions == 1:
            drawn = rng.permutation(np.where(np.arange(self.neurons) % 2, 1.0, -1.0))[:, None]
        else:
            drawn = rng.standard_normal(shape)
        length = np.linalg.norm(drawn, axis=1, keepdims=True)
        if not length.all():
            raise self.wrong("encoders", "no encoder may be zero")
        return drawn / length

    @cached_property
    def tuning(self) -> EnsembleParameters:
        """Draw encoders, gains, biases and initial membrane potentials with the seed. Raises DescriptionError."""
        rng = np.random.default_rng(self.seed)
        encoders = self._directions(rng)
        max_rates, intercepts = self._spread("max_rates", rng), self._spread("intercepts", rng)
        shortest = hold(self.neuron, self.dt) + self.dt
        if np.min(self.max_rates) <= 0 or np.max(self.max_rates) * shortest > 1:
            rule = f"must be > 0 and at most {1 / shortest:.6g} Hz, one spike in a refractory period or step"
            raise self.wrong("max_rates", rule, "lower them or the refractory period")
        if np.max(self.intercepts) >= 1:
            raise self.wrong("intercepts", "must be < 1")
        gain, bias = gains(self.neuron, max_rates, intercepts, self.dt)
        v_init = rng.uniform(start(self.neuron), self.neuron.v_threshold, self.neurons)
        return EnsembleParameters(encoders, gain, bias, v_init)

    @cached_property
    def points(self) -> np.ndarray:
        """Evaluation points for fitting decoders, (m, dimensions), within the radius; at least two per neuron."""
        d = self.dimensions
        m = max(min(max(500 * d, 750), 2500), 2 * self.neurons)
        if d == 1:
            return np.linspace(-self.radius, self.radius, m)[:, None]
        rng = np.random.default_rng([self.seed, 1])
        ball = rng.standard_normal((m, d))
        ball *= self.radius * rng.random((m, 1)) ** (1 / d) / np.linalg.norm(ball, axis=1, keepdims=True)
        return ball

    def currents(self, x: np.ndarray) -> np.ndarray:
        """Return the neurons' input currents, (m, neurons), for represented values x, (m, dimensions)."""
        t = self.tuning
        return (x @ t.encoders.T) * (t.gain / self.radius) + t.bias

    def rates(self, x: np.ndarray) -> np.ndarray:
        """Return mean firing rates [Hz] in steps of dt, (m, neurons), for represented values x, (m, dimensions)."""
        return rates(self.neuron, self.currents(np.asarray(x, np.float64)), self.dt)

    def decoders(self, function: Function = None, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
        """Return decoders of ``function`` of x: weights per Hz, (neurons, k), and their rms errors, (k,).

        The errors are computed from the mean firing rates at `points`, without the noise of spikes. Raises
        DescriptionError if the function's points or values have the wrong shape or are not finite.
        """
        points, targets = self._samples(function)
        return solve(self.rates(points), targets, noise)

    def _samples(self, function: Function) -> tuple[np.ndarray, np.ndarray]:
        points = self.points
        if function is None:
            return points, points
        if callable(function):
            try:
                values = [np.atleast_1d(np.asarray(function(x.copy()), np.float64)) for x in points]
            except IndexError as error:
                raise self.wrong("function", f"{error}: x has {counted(self.dimensions)}", value=function) from error
            if len({v.shape for v in values}) > 1 or values[0].ndim > 1:
                raise self.wrong("function", "must give the same number of numbers for every x", value=values[0])
            targets = np.array(values)
        elif isinstance(function, tuple) and len(function) == 2:
            for side in function:
                MATRIX(self.where + "function", side)
            points, targets = (np.asarray(side, np.float64) for side in function)
            if points.ndim != 2 or points.shape[1] != self.dimensions or targets.shape[:1] != points.shape[:1]:
                rule = f"must be (points (m, {self.dimensions}), targets (m,) or (m, k))"
                raise self.wrong("function", rule, value=f"shapes {points.shape}, {targets.shape}")
            targets = targets.reshape(len(points), -1)
        else:
            raise self.wrong("function", "must be a function of x, or (points, targets)", value=function)
        if not np.isfinite(targets).all():
            x = points[~np.isfinite(targets).all(axis=1)][0]
            raise self.wrong("function", "must be finite within the radius", value=f"not finite at x = {x.tolist()}")
        return points, targets

    def population(self) -> Population:
        """Return the population of the ensemble's neurons, with their biases as currents."""
        return Population(self.name, self.neurons, self.neuron, bias=self.tuning.bias, v_init=self.tuning.v_init)

    def decoder(self, tau: float, function: Function = None, transform: Any = 1.0, noise: float = 0.1) -> SpikeDecoder:
        """Return a decoder for an `Output`, which decodes a function of x, applies a transform, and filters the result.

        tau : time constant of the filter [s]
        transform : a number, or a matrix (size, k) for a function with k values
        """
        return SpikeDecoder(self.name, transformed(self.decoders(function, noise)[0], transform), tau)

    def projection(
        self, post: str, function: Function = None, transform: Any = 1.0, noise: float = 0.1, **more: Any
    ) -> Projection:
        """Return a dense projection (neurons, size of post) whose weights are the decoders.

        The target ``post`` is a graded population; if it consists of leaky integrators (LI), they act as the synapse.

        more : further fields of the Projection, e.g. ``delay`` or ``learning``
        """
        weights = transformed(self.decoders(function, noise)[0], transform) / self.dt  # one spike per step is 1 / dt Hz
        return Projection(self.name, post, weights, **more)


def transformed(weights: np.ndarray, transform: Any) -> np.ndarray:
    """Apply a transform to decoders ``weights``, (n, k). Return an (n, size) array. Raises DescriptionError.

    transform : a number, or a matrix (size, k)
    """
    MATRIX("transform", transform)
    t, k = np.asarray(transform, np.float64), weights.shape[1]
    if t.ndim == 0:
        return weights * t
    if t.ndim != 2 or t.shape[1] != k:
        raise DescriptionError("transform", f"shape {t.shape}", f"must be a number or have shape (size, {k})")
    return weights @ t.T
