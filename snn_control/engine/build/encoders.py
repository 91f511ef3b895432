"""Lowerings of the encoders: convert each encoder to operations that compute currents from numbers or events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ... import coding
from ...errors import BuildError
from .. import registry
from .filters import event_columns
from .projections import product
from .builder import Builder, matrix, vector
from ..lowering import EncoderLowering
from ..kernels.encoders import RESPONSES
from ..program import PRE, Place, element

__all__ = ["ENCODERS"]


def _currents(b: Builder, spec: coding.ValueInput, n: int) -> Place:
    return b.layout.state(f"{spec.name}.drive", "float32", n)


def _numbers(b: Builder, spec: coding.ValueInput, key: str) -> Place:
    """Allocate the encoder's field ``key`` as (size,) float32 constants: one number for each element of the input."""
    return b.layout.constant("", matrix(f"inputs.{spec.name}.encoder.{key}", getattr(spec.encoder, key), (spec.size,)))


def _direct(b: Builder, spec: coding.ValueInput, held: Place) -> Place:
    n, drive = spec.size, _currents(b, spec, spec.size)
    b.emit(PRE, "copy", n=n, y=drive, x=_numbers(b, spec, "bias"), label=spec.name)
    words = {"weights": _numbers(b, spec, "gain"), "counter": b.counter(spec.name, n, once=False, steps=False)}
    b.emit(PRE, "one_to_one_graded", n_post=n, y=drive, **b.vector(held), **words, label=spec.name)
    return drive


def _linear(b: Builder, spec: coding.ValueInput, held: Place) -> Place:
    encoder: Any = spec.encoder
    n, where = spec.size, f"inputs.{spec.name}.encoder"
    weights = np.asarray(encoder.weights, np.float64)
    if weights.ndim != 2 or weights.shape[0] != n:
        raise BuildError(f"{where}.weights", f"shape {weights.shape}", f"must be ({n}, neurons)")
    m = weights.shape[1]
    drive = _currents(b, spec, m)
    bias = b.layout.constant("", matrix(f"{where}.bias", encoder.bias, (m,)))
    b.emit(PRE, "copy", n=m, y=drive, x=bias, label=spec.name)
    product(b, PRE, drive, matrix(f"{where}.weights", weights, (n, m)), held, spec.name)
    return drive


def _span(spec: coding.ValueInput, encoder: Any) -> tuple[np.ndarray, np.ndarray]:
    where, ends = f"inputs.{spec.name}.encoder", zip(("low", "high"), (encoder.low, encoder.high), spec.range)
    low, high = (vector(f"{where}.{key}", own if end is None else end, spec.size) for key, end, own in ends)
    if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
        raise BuildError(f"{where}.low", low.tolist(), "low < high must be finite", "give the input a range")
    return low, high


def _population(b: Builder, spec: coding.ValueInput, held: Place) -> Place:
    encoder: Any = spec.encoder
    n, m, where, (low, high) = spec.size, encoder.neurons, f"inputs.{spec.name}.encoder", _span(spec, encoder)
    centres = np.linspace(low, high, m, axis=1)
    sigma = encoder.width * (high - low) / (m - 1) if encoder.sigma is None else encoder.sigma
    sigma = vector(f"{where}.sigma", sigma, n)
    if not (sigma > 0).all():
        raise BuildError(f"{where}.sigma", encoder.sigma, "must be > 0")
    params = np.stack([1 / sigma, np.full(n, encoder.drive)], axis=1).astype(np.float32)
    drive = _currents(b, spec, n * m)
    fields = b.layout.constant(f"{spec.name}.centres", centres.astype(np.float32))
    words = {"values": held, "out": drive, "centres": fields, "params": b.layout.constant("", params)}
    words["cutoff"] = b.layout.floats(encoder.cutoff)
    b.emit(PRE, "population", dimensions=n, m=m, **words, label=spec.name)
    return drive


def _fields(b: Builder, spec: coding.ValueInput, held: Place) -> Place:
    encoder: Any = spec.encoder
    n, where, sigma = spec.size, f"inputs.{spec.name}.encoder", encoder.sigma
    if encoder.grid is None:
        centres = np.asarray(encoder.centres, np.float64)
        if centres.shape[1] != n:
            raise BuildError(f"{where}.centres", f"shape {centres.shape}", f"must be (fields, {n})")
    else:
        if len(encoder.grid) != n:
            raise BuildError(f"{where}.grid", encoder.grid, f"must be {n} numbers, one per dimension")
        low, high = _span(spec, encoder)
        axes = [np.linspace(low[d], high[d], m) for d, m in enumerate(encoder.grid)]
        centres = np.stack([c.reshape(-1) for c in np.meshgrid(*axes, indexing="ij")], axis=1)
        sigma = (high - low) / (np.array(encoder.grid) - 1) if sigma is None else sigma
    m, lay = len(centres), b.layout
    drive, inverse = _currents(b, spec, m), (1 / vector(f"{where}.sigma", sigma, n)).astype(np.float32)
    b.emit(
        PRE, "fields", dimensions=n, m=m, values=held, out=drive,
        centres=lay.constant(f"{spec.name}.centres", centres.astype(np.float32)), inverse=lay.constant("", inverse),
        numbers=lay.floats(encoder.drive, encoder.cutoff), label=spec.name,
    )  # fmt: skip
    return drive


def _signed(b: Builder, spec: coding.ValueInput, held: Place) -> Place:
    drive = _currents(b, spec, 2 * spec.size)
    b.emit(PRE, "signed", n=spec.size, values=held, out=drive, gain=_numbers(b, spec, "gain"), label=spec.name)
    return drive


def _changes(b: Builder, spec: coding.ValueInput, held: Place) -> Place:
    drive, sent = _currents(b, spec, 2 * spec.size), b.layout.state(f"{spec.name}.sent", "float32", spec.size)
    words = {"values": held, "out": drive, "sent": sent, "threshold": _numbers(b, spec, "threshold")}
    whole = isinstance(spec.encoder, coding.DeltaEncoder)
    b.emit(PRE, "changes", n=spec.size, whole=whole, **words, label=spec.name)
    return drive


def _stack(b: Builder, spec: coding.ValueInput, held: Place) -> Place:
    """Build an input with several encoders: concatenate their currents into one vector.

    Each encoder is built as the encoder of an input of its own, with the name INPUT_1, INPUT_2, ...
    """
    encoder: Any = spec.encoder
    parts = []
    for k, one in enumerate(encoder.encoders):
        lowering, path = registry.lowering("encoders", type(one)), f"inputs.{spec.name}.encoder.encoders[{k}]"
        if lowering is None or lowering.events or lowering.pulse:
            raise BuildError(path, type(one).__name__, "cannot be stacked", "use an encoder of numbers")
        parts.append(lowering.build(b, replace(spec, name=f"{spec.name}_{k + 1}", encoder=one), held))
    drive, first = _currents(b, spec, sum(part.shape[0] for part in parts)), 0
    for part in parts:
        b.emit(PRE, "copy", n=part.shape[0], y=element(drive, first, part.shape[0]), x=part, label=spec.name)
        first += part.shape[0]
    return drive


def _size(encoder: coding.PoolEncoder | coding.SurfaceEncoder) -> int:
    return encoder.grid[0] * encoder.grid[1] * (2 if encoder.polarity == "split" else 1)


def _cells(b: Builder, spec: coding.EventsInput, on: float, off: float) -> dict[str, int | Place]:
    """Return the kernel operands that map events to the cells of a grid over the sensor.

    on, off : weights of an ON event and of an OFF event
    """
    lay, c, encoder = b.layout, event_columns(b, spec), spec.encoder
    (width, height), (columns, rows) = spec.size, encoder.grid
    split, (lines, above) = encoder.polarity == "split", encoder.lines(spec.size)
    weights, scratch = lay.floats(off, on), lay.io("", "uint32", spec.capacity)
    return {
        "slot": c.slot, "kept": c.kept, "capacity": spec.capacity, "x": c.x, "y": c.y, "width": width, "height": height,
        "p": c.p, "cells": scratch, "columns": columns, "rows": rows, "lines": lines, "above": above,
        "of_on": columns * rows * split, "weights": weights, "counters": c.counters, "n": _size(encoder),
    }  # fmt: skip


def _pool(b: Builder, spec: coding.EventsInput, slot: Place) -> Place:
    lay, encoder = b.layout, spec.encoder
    on, off = (encoder.on_weight, -encoder.off_weight) if encoder.polarity == "signed" else (1.0, 1.0)
    n, grid = _size(encoder), _cells(b, spec, on * encoder.share(spec.size), off * encoder.share(spec.size))
    plain = encoder.response == "sum" and encoder.tau is None
    counts = lay.state(f"{spec.name}.pooled" if plain else "", "float32", n)
    b.emit(PRE, "pool", **grid, out=counts, label=spec.name)
    if plain:
        return counts
    out = lay.state(f"{spec.name}.pooled", "float32", n)
    numbers = lay.floats(b.decay(encoder.tau, b.steps) if encoder.tau else 0.0, encoder.ceiling or 0.0)
    response = RESPONSES.index(encoder.response)
    b.emit(PRE, "respond", n=n, sums=counts, out=out, numbers=numbers, response=response, label=spec.name)
    return out


def _surface(b: Builder, spec: coding.EventsInput, slot: Place) -> Place:
    n, grid = _size(spec.encoder), _cells(b, spec, 1.0, -1.0 if spec.encoder.polarity == "signed" else 1.0)
    out = b.layout.state(f"{spec.name}.pooled", "float32", n)
    decay = b.layout.floats(b.decay(spec.encoder.tau, b.steps))
    b.emit(PRE, "surface", **grid, out=out, decay=decay, label=spec.name)
    return out


CURVES = "snn_control.report.curves"
POOL = EncoderLowering(_pool, pulse=lambda e: e.tau is None, events=True, drawing=f"{CURVES}:draw_events")
ENCODERS = {
    "population": (coding.PopulationEncoder, EncoderLowering(_population)),
    "linear": (coding.LinearEncoder, EncoderLowering(_linear, drawing=f"{CURVES}:draw_linear")),
    "direct": (coding.DirectEncoder, EncoderLowering(_direct)),
    "fields": (coding.FieldsEncoder, EncoderLowering(_fields)),
    "signed": (coding.SignedEncoder, EncoderLowering(_signed)),
    "stack": (coding.StackEncoder, EncoderLowering(_stack)),
    "delta": (coding.DeltaEncoder, EncoderLowering(_changes, pulse=True)),
    "step_forward": (coding.StepForwardEncoder, EncoderLowering(_changes, pulse=True)),
    "pool": (coding.PoolEncoder, POOL),
    "surface": (coding.SurfaceEncoder, EncoderLowering(_surface, events=True, drawing=f"{CURVES}:draw_events")),
}
