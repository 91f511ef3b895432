"""The inputs of a build: io slots, checks and encoders."""

from __future__ import annotations

import math

import numpy as np

from ..coding import EventsInput, Input, LinearEncoder, PoolEncoder, PopulationEncoder, ValueInput
from ..errors import BuildError
from ..network import NeuronModel, Population
from .build_projections import product
from .builder import Builder, Node, bounded, matrix, vector
from .kernels import encoders
from .program import PRE, Place

__all__ = ["add_input"]

NO_LIMIT = 1 << 62  # ns


def add_input(b: Builder, spec: Input, validity: Place) -> None:
    """Slot, check and encoder of one input, and the node that the network sees."""
    lay, name = b.layout, spec.name
    if name in b.nodes:
        raise BuildError("inputs", name, "every name must be there once")
    slot = lay.io(f"{name}.slot", "int64", encoders.SLOT_WORDS)
    counters = lay.state(f"{name}.counters", "int64", 4)
    stale = NO_LIMIT if math.isinf(spec.stale) else round(spec.stale * 1e9)
    if isinstance(spec, EventsInput):
        b.emit(PRE, "sample", 0, slot, 0, 0, validity, 0, stale, counters, label=name)
        drive, model = _pooled(b, spec, slot)
    elif isinstance(spec, ValueInput):
        n = spec.size
        data, held = lay.io(f"{name}.data", "float64", n), lay.state(f"{name}.held", "float32", n)
        limits = np.stack([bounded(f"inputs.{name}.range", side, n) for side in (*spec.range, *spec.plausible)])
        operands = (n, slot, data, held, validity, lay.constant("", limits), stale, counters)
        b.emit(PRE, "sample", *operands, label=name)
        drive, model = _encoded(b, spec, held)
    else:
        raise BuildError(f"inputs.{name}", type(spec).__name__, "must be a ValueInput or an EventsInput")
    if model is None:
        node = Node(name, drive.shape[0], True, drive)
        slots = b.longest_delay(name)
        if slots > 0:
            node.line = b.delay_line(node, slots)
        b.nodes[name] = node
        return
    if model.size not in (None, drive.shape[0]):
        rule = f"must be for {drive.shape[0]} neurons"
        raise BuildError(f"inputs.{name}.encoder.neuron", f"parameters for {model.size} neurons", rule)
    node = b.population(Population(name, drive.shape[0], model), driven=True)
    node.drive = drive


def _encoded(b: Builder, spec: ValueInput, held: Place) -> tuple[Place, NeuronModel | None]:
    lay, n, encoder, where = b.layout, spec.size, spec.encoder, f"inputs.{spec.name}.encoder"
    if encoder is None:
        return held, None
    if isinstance(encoder, LinearEncoder):
        weights = np.asarray(encoder.weights, np.float64)
        if weights.ndim != 2 or weights.shape[0] != n:
            raise BuildError(f"{where}.weights", f"shape {weights.shape}", f"must be ({n}, neurons)")
        m = weights.shape[1]
        drive = lay.state(f"{spec.name}.drive", "float32", m)
        bias = lay.constant("", matrix(f"{where}.bias", encoder.bias, (m,)))
        b.emit(PRE, "copy", m, drive, bias, label=spec.name)
        product(b, PRE, drive, matrix(f"{where}.weights", weights, (n, m)), held, spec.name)
        return drive, encoder.neuron
    if not isinstance(encoder, PopulationEncoder):
        raise BuildError(where, type(encoder).__name__, "a value input takes a population or a linear encoder")
    low = vector(f"{where}.low", spec.range[0] if encoder.low is None else encoder.low, n)
    high = vector(f"{where}.high", spec.range[1] if encoder.high is None else encoder.high, n)
    if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
        raise BuildError(f"{where}.low", low.tolist(), "low < high must be finite", "give the input a range")
    m = encoder.neurons
    centres = np.linspace(low, high, m, axis=1)
    sigma = vector(f"{where}.sigma", (high - low) / (m - 1) if encoder.sigma is None else encoder.sigma, n)
    if not (sigma > 0).all():
        raise BuildError(f"{where}.sigma", encoder.sigma, "must be > 0")
    params = np.stack([1 / sigma, np.full(n, encoder.drive)], axis=1).astype(np.float32)
    drive = lay.state(f"{spec.name}.drive", "float32", n * m)
    constants = lay.constant(f"{spec.name}.centres", centres.astype(np.float32)), lay.constant("", params)
    b.emit(PRE, "population", n, m, held, drive, *constants, label=spec.name)
    return drive, encoder.neuron


def _pooled(b: Builder, spec: EventsInput, slot: Place) -> tuple[Place, NeuronModel | None]:
    lay, name, encoder = b.layout, spec.name, spec.encoder
    if not isinstance(encoder, PoolEncoder):
        raise BuildError(f"inputs.{name}.encoder", type(encoder).__name__, "an events input takes a pool encoder")
    (width, height), (columns, rows), cells = spec.size, encoder.grid, encoder.grid[0] * encoder.grid[1]
    lay.io(f"{name}.t", "int64", spec.capacity)
    x, y = (lay.io(f"{name}.{key}", "uint16", spec.capacity) for key in "xy")
    p = lay.io(f"{name}.p", "uint8", spec.capacity)
    column = lay.constant("", (np.arange(width, dtype=np.int64) * columns // width).astype(np.uint32))
    line = lay.constant("", (np.arange(height, dtype=np.int64) * rows // height * columns).astype(np.uint32))
    on, off = (encoder.on_weight, -encoder.off_weight) if encoder.polarity == "signed" else (1.0, 1.0)
    weights = lay.constant("", np.array([on, off], np.float32))
    split = cells if encoder.polarity == "split" else 0
    out = lay.state(f"{name}.pooled", "float32", cells + split)
    counters = lay.state(f"{name}.events", "int64", 2)
    operands = (
        cells + split, out, slot, x, y, p, width, height, column, line, weights, split, spec.capacity, counters,
    )  # fmt: skip
    b.emit(PRE, "pool", *operands, label=name)
    return out, encoder.neuron
