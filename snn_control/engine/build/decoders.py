"""Lowerings of the decoders: convert each decoder to operations that compute an output from spikes or membranes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import coding
from ...errors import BuildError
from .projections import fan_out, product, zeros
from .builder import Builder, Node, matrix, whole_steps
from ..lowering import DecoderLowering
from ..program import POST, STEP, Place

__all__ = ["DECODERS", "rate_factor"]


def _values(path: str, term: coding.MembraneDecoder, dt: float) -> int:
    return 1 if term.window is None else whole_steps(f"{path}.window", term.window, dt)


def _weights(path: str, values: Any, node: Node, m: int) -> np.ndarray:
    """Return the weights of a decoder from the population ``node`` to ``m`` output numbers, (neurons, m) float32."""
    return matrix(path, values, (node.size, m), (node.size,) if m == 1 else ())


def rate_factor(dt: float, tau: float) -> float:
    """Return the firing rate [Hz] that one spike adds to an exponential filter with the time constant ``tau`` [s]."""
    return (1 - math.exp(-dt / tau)) / dt


def _filtered(b: Builder, path: str, weights: np.ndarray, node: Node, tau: float) -> Place:
    """Emit the operation that computes weighted sums of a population's filtered firing rates [Hz] in each step.

    weights : (neurons, m) float32
    tau : time constant of the exponential filter [s]

    Return the `Place` of the weighted sums, (m,) float32.
    """
    decay, m = b.decay(tau), weights.shape[1]
    scaled = (weights.astype(np.float64) * rate_factor(b.dt, tau)).astype(np.float32)
    y, lay = b.layout.state("", "float32", m), b.layout
    values, decay_ = lay.constant("", scaled), lay.floats(decay)
    counter = b.counter(path, scaled.size, once=node.multiplicity == 0, zeros=zeros(scaled))
    words = {"y": y, "weights": values, "decay": decay_, "counter": counter, "fan_out": fan_out(b, scaled)}
    b.emit(STEP, "trace", m=m, **b.spikes(node), **words, label=path)
    b.updates += m
    return y


def _rates(b: Builder, path: str, term: coding.SpikeDecoder, node: Node, into: Place) -> None:
    weights = _weights(f"{path}.weights", term.weights, node, into.shape[0])
    y = _filtered(b, path, weights, node, term.tau)
    b.emit(POST, "add", n=into.shape[0], y=into, x=y, label=path)


def _membrane(b: Builder, path: str, term: coding.MembraneDecoder, node: Node, into: Place) -> None:
    weights = _weights(f"{path}.weights", term.weights, node, into.shape[0])
    if b.steps > 1 and node.operation is None and node.pulse is not None:
        rule = "its pulses are 0 again when outputs are decoded"
        raise BuildError(f"{path}.from", term.source, rule, "let a li population read it")
    x, steps = node.signal, _values(path, term, b.dt)
    if steps > 1:
        x = b.layout.state("", "float32", node.size)
        b.emit(POST, "window_mean", n=node.size, **b.line(node), steps=steps, x=x, label=path)
    product(b, POST, into, weights, x, path)


SILENT = math.exp(-5)  # below this fraction of what one spike adds to the sum of rates, nothing has fired


def _population_vector(b: Builder, path: str, term: coding.PopulationVectorDecoder, node: Node, into: Place) -> None:
    lay, m = b.layout, into.shape[0]
    directions = _weights(f"{path}.directions", term.directions, node, m)
    y = _filtered(b, path, np.hstack([directions, np.ones((node.size, 1), np.float32)]), node, term.tau)
    least = lay.floats(SILENT * rate_factor(b.dt, term.tau))
    words: dict[str, int | Place] = {
        "out": into, "y": y, "last": lay.state("", "float32", m), "least": least, "hold": term.hold,
    }  # fmt: skip
    b.emit(POST, "population_vector", m=m, **words, label=path)


def _window(path: str, term: coding.SpikeCountDecoder, dt: float) -> int:
    return whole_steps(f"{path}.window", term.window, dt) + 1


def _spike_count(b: Builder, path: str, term: coding.SpikeCountDecoder, node: Node, into: Place) -> None:
    lay, n, steps = b.layout, node.size, _window(path, term, b.dt) - 1
    weights = _weights(f"{path}.weights", term.weights, node, into.shape[0])
    counts, x = lay.state("", "int64", n), lay.state("", "float32", n)
    b.emit(STEP, "window_counts", n=n, **b.spikes(node), steps=steps, counts=counts, x=x, label=path)
    product(b, POST, into, weights, x, path)


def _first_spike(b: Builder, path: str, term: coding.FirstSpikeDecoder, node: Node, into: Place) -> None:
    lay, n, m, weights = b.layout, node.size, into.shape[0], term.weights
    if weights is None:
        if m not in (1, n):
            rule = f"are needed: {m} outputs, {n} neurons"
            raise BuildError(f"{path}.weights", None, rule, "give the weights of each neuron")
        weights = np.arange(n) if m == 1 else np.eye(n)
    values = lay.constant("", _weights(f"{path}.weights", weights, node, m))
    window = whole_steps(f"{path}.window", term.window, b.dt)
    state = lay.state("", "int64", 2, np.array([-1, 0]))
    words = b.spikes(node) | {"out": into, "weights": values, "steps": b.steps, "window": window, "state": state}
    del words["multiplicity"]
    b.emit(POST, "first_spike", m=m, n=n, **words, label=path)


DECODERS = {
    "linear": (coding.SpikeDecoder, DecoderLowering(_rates)),
    "membrane": (coding.MembraneDecoder, DecoderLowering(_membrane, graded=True, lists=_values)),
    "population_vector": (coding.PopulationVectorDecoder, DecoderLowering(_population_vector)),
    "spike_count": (coding.SpikeCountDecoder, DecoderLowering(_spike_count, lists=_window)),
    "first_spike": (coding.FirstSpikeDecoder, DecoderLowering(_first_spike)),
}
