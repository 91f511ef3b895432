"""Measure responses of single neurons and encoders by simulation: f-I curves, tuning curves and pooled events.

The rate of a neuron is measured with a constant current, from the intervals between spikes in the second half of the
run, after the transient. The rate of a stochastic neuron is measured from the number of spikes. Measured rates include
the effects of the step dt, of a refractory period and of a reset by subtraction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..coding import EventsInput, FieldsEncoder, MembraneDecoder, Output, SpikeDecoder, ValueInput
from ..controller import Controller
from ..engine.bound import Bound
from ..engine.build import build
from ..engine.spike_ring import SpikeRing
from ..nef import rates
from ..network import IF, LIF, Bernoulli, CubaLIF, Network, NeuronModel, Poisson, Population
from .probe import sample
from .stimulus import value_range

__all__ = [
    "Curve", "TuningCurve", "closed_form", "f_i_curve", "firing_rates", "parameters_of", "pooled", "rheobase", "tuning",
]  # fmt: skip

SECONDS, SLOWEST = 2.0, 40.0  # least duration of a current: in s, and in units of the model's longest time constant
MIN_STEPS, MAX_STEPS = 400, 40_000  # limits of this duration, in steps
CHUNK = 500_000  # number of spikes for which a ring must have room
POINTS = 121  # number of points of a curve
SPANS = np.concatenate([[0.0], np.geomspace(1e-15, 1e12, 217)])  # currents among which a rheobase is searched


@dataclass(frozen=True)
class Curve:
    """An f-I curve: the firing rate of a neuron at several constant currents.

    current : (k,), currents in the unit of the membrane divided by the unit of r
    rate : (k,), firing rates [Hz]
    rheobase : smallest current with sustained firing; NaN if there is none
    seconds : duration for which each current is applied [s]
    """

    current: np.ndarray
    rate: np.ndarray
    rheobase: float
    seconds: float


@dataclass(frozen=True)
class TuningCurve:
    """The responses of an encoder's neurons to one dimension of a value input, with the other dimensions constant.

    x : (k,) values, in the input's unit
    response : (k, neurons), firing rates [Hz] of spiking neurons, or graded currents
    neurons : (neurons,), indices of the encoder's neurons that respond: their current changes by at least a tenth of
        the largest change
    of : total number of neurons that respond; the arrays may omit some of them
    held : (size,), constant values of the other dimensions; the element of the varied dimension has no meaning
    """

    dimension: int
    x: np.ndarray
    response: np.ndarray
    neurons: np.ndarray
    of: int
    held: np.ndarray


def measurement_steps(model: NeuronModel, dt: float) -> int:
    """Return the number of steps for which a constant current is applied to measure a rate."""
    taus = [np.max(getattr(model, name)) for name in model.names() if name.startswith("tau_")]
    return int(np.clip(round(max(SECONDS, SLOWEST * max(taus, default=0.0)) / dt), MIN_STEPS, MAX_STEPS))


def parameters_of(model: NeuronModel, index: Any) -> NeuronModel:
    """Return a copy of the model with the parameters of only the neurons ``index``."""
    each = {name: np.asarray(getattr(model, name)) for name in model.names()}
    return replace(model, **{name: value[index] for name, value in each.items() if value.ndim == 1})


def firing_rates(model: NeuronModel, currents: np.ndarray, dt: float) -> np.ndarray:
    """Return the firing rates of a neuron at n constant currents, (n,) [Hz].

    model : model whose parameters are numbers, or arrays (n,) with one number for each current
    """
    n, steps = len(currents), measurement_steps(model, dt)
    chunk = max(1, min(steps, CHUNK // n))  # steps in a tick, whose spikes must all be in the ring at its end
    network = Network((Population("cell", n, model, bias=currents),))
    output = Output("rate", (SpikeDecoder("cell", 0.0, 1.0),))
    bound = Bound(build(network, (), (output,), dt=dt, period=chunk * dt))
    ring = SpikeRing(bound, bound.program.facts.populations[0])
    ticks = math.ceil(steps / chunk)
    half = ticks * chunk // 2
    count, at_first = np.zeros(n, np.int64), np.zeros(n, np.int64)
    first, last = np.full(n, -1), np.full(n, -1)
    for tick in range(ticks):
        bound.tick()
        step, neuron, times = ring.read(max(tick * chunk, half), (tick + 1) * chunk)
        np.add.at(count, neuron, times)
        last[neuron] = step  # the latest of several steps is kept, because it comes last
        new = np.flatnonzero(first[neuron] < 0)[::-1]
        first[neuron[new]], at_first[neuron[new]] = step[new], times[new]
    window = (ticks * chunk - half) * dt
    if isinstance(model, Bernoulli | Poisson):
        return count / window
    intervals = (count - at_first) / (np.maximum(last - first, 1) * dt)
    return np.where(last > first, intervals, count / window)


def rheobase(model: NeuronModel, dt: float) -> float:
    """Return the smallest constant current with sustained firing, accurate to a millionth; NaN if there is none.

    The search starts at a current of 0 and goes upwards, or downwards if the neuron fires without a current. The result
    is also NaN if the neuron fires at every current. Without a leak, and for a stochastic neuron, the result is 0,
    because every current suffices after a long enough time.
    """
    if type(model) in (IF, Bernoulli, Poisson):
        return 0.0
    always = firing_rates(model, np.zeros(1), dt)[0] > 0
    grid = -SPANS if always else SPANS
    changed = (firing_rates(model, grid, dt) > 0) != always
    if not changed.any():
        return math.nan
    k = int(np.argmax(changed))
    low, high = sorted(grid[[k - 1, k]])
    for _ in range(3):
        grid = np.linspace(low, high, 101)
        fires = firing_rates(model, grid, dt) > 0
        k = max(1, int(np.argmax(fires))) if fires.any() else 100
        low, high = grid[k - 1], grid[k]
    return float(high)


def f_i_curve(model: NeuronModel, dt: float, up_to: float = 0.0) -> Curve:
    """Return the f-I curve of a neuron, from below its rheobase to four times its rheobase.

    For a neuron without a leak, the curve extends to a current with more than a fifth of the highest rate.

    model : model whose parameters are single numbers; see `parameters_of`
    up_to : current to which the curve must extend, at least
    """
    edge = rheobase(model, dt)
    if math.isnan(edge):
        ends = 0.0, 4.0
    elif edge == 0:
        found = firing_rates(model, SPANS, dt)
        most = min(found.max(), 1 / dt)  # one spike in a step, for neurons that can fire several times
        ends = 0.0, SPANS[np.argmax(found > 0.2 * most)]
    else:
        ends = edge - abs(edge), edge + 3 * abs(edge)
    current = np.linspace(ends[0], max(ends[1], up_to), POINTS)
    return Curve(current, firing_rates(model, current, dt), edge, measurement_steps(model, dt) * dt)


def closed_form(model: NeuronModel, current: np.ndarray) -> np.ndarray | None:
    """Return the firing rates of a neuron in continuous time from a formula, (k,) [Hz], for currents (k,).

    The result is None unless the neuron is IF, LIF, CubaLIF or stochastic. For LIF see `snn_control.nef.rates`. Without
    a leak, the rate is 1 / (refractory + (v_threshold - v_reset) / (r I)). For a reset by subtraction, v_reset is 0.
    """
    if type(model) in (LIF, CubaLIF):
        return rates(model, current)  # type: ignore[arg-type]
    if isinstance(model, Bernoulli | Poisson):
        return np.maximum(model.rate * np.asarray(current, np.float64), 0.0)
    if type(model) is not IF:
        return None
    drive = model.r * np.asarray(current, np.float64)
    way = model.v_threshold - (model.v_reset if model.reset == "value" else 0.0)
    return np.where(drive > 0, 1 / (model.refractory + way / np.where(drive > 0, drive, 1.0)), 0.0)


def _alone(spec: ValueInput | EventsInput, dt: float) -> Controller:
    """Return a controller that consists of a single input with its encoder."""
    alone = replace(spec, stale=math.inf, required=False)
    source: Any = MembraneDecoder(spec.name, 0.0)
    if getattr(spec.encoder, "neuron", None) is not None:
        source = SpikeDecoder(spec.name, 0.0, 1.0)
    return Controller(build(Network(), (alone,), (Output("none", (source,)),), dt=dt, period=dt))


def tuning(spec: ValueInput, dt: float, most: int = 60) -> list[TuningCurve]:
    """Return the tuning curves of an input's encoder, one `TuningCurve` for each dimension.

    For each curve, the other dimensions are constant, in the middle of their range. For a `FieldsEncoder`, they are at
    the centre of the field nearest to the middle, because neurons may not respond elsewhere.

    most : maximum number of neurons in a curve
    """
    if spec.encoder is None:
        return []
    low, high = value_range(spec)
    controller = _alone(replace(spec, plausible=(-math.inf, math.inf)), dt)
    drive = controller.bound.array(f"{spec.name}.drive")
    found, held = [], (low + high) / 2
    if isinstance(spec.encoder, FieldsEncoder):
        centres = controller.bound.array(f"{spec.name}.centres").reshape(-1, spec.size).astype(np.float64)
        held = centres[np.argmin((((centres - held) / (high - low)) ** 2).sum(1))]
    for d in range(spec.size):
        x = np.linspace(low[d], high[d], POINTS)
        response: np.ndarray = np.empty((POINTS, drive.size))
        for k in range(POINTS):
            value = held.copy()
            value[d] = x[k]
            controller.step({spec.name: value})
            response[k] = drive
        swing = np.ptp(response, axis=0)
        responding = np.flatnonzero((swing > 0) & (swing >= 0.1 * swing.max()))
        chosen = responding[sample(len(responding), most)] if len(responding) else responding
        response = response[:, chosen]
        if spec.encoder.neuron is not None and len(chosen):
            model = parameters_of(spec.encoder.neuron, np.tile(chosen, POINTS))
            response = firing_rates(model, response.reshape(-1), dt).reshape(response.shape)
        found.append(TuningCurve(d, x, response, chosen, len(responding), held))
    return found


def pooled(spec: EventsInput, dt: float, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the output of an events encoder for the events x, y, p of one tick, (channels, rows, columns) float32."""
    controller = _alone(replace(spec, filters=()), dt)
    controller.step({spec.name: (np.zeros(len(x), np.int64), x, y, p)})
    columns, lines = spec.encoder.grid
    return controller.bound.array(f"{spec.name}.pooled").reshape(-1, lines, columns).copy()
