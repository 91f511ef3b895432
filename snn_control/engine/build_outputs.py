"""The outputs of a build: decoders, and the guard that ends every tick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..coding import ArgmaxDecoder, Input, Output, SpikeDecoder
from ..errors import BuildError
from .build_projections import product
from .builder import Builder, matrix, vector
from .kernels import outputs
from .layout import element
from .program import POST, STEP, Place

__all__ = ["add_guard", "add_output"]


def _terms(b: Builder, where: str, terms: Sequence[Any], bias: np.ndarray, into: Place) -> None:
    """into = bias + the sum of the decoders' terms."""
    lay, m = b.layout, bias.size
    b.emit(POST, "copy", m, into, lay.constant("", bias.astype(np.float32)), label=where)
    for k, term in enumerate(terms):
        path = f"{where}.decoder[{k}]"
        if term.source not in b.nodes:
            raise BuildError(f"{path}.from", term.source, f"must be a population: {', '.join(b.nodes)}")
        node = b.nodes[term.source]
        weights = matrix(f"{path}.weights", term.weights, (node.size, m), (node.size,) if m == 1 else ())
        if isinstance(term, SpikeDecoder):
            if node.graded:
                raise BuildError(f"{path}.from", term.source, "is graded, not spiking", "use a membrane decoder")
            decay = math.exp(-b.dt / term.tau)
            scaled = (weights.astype(np.float64) * ((1 - decay) / b.dt)).astype(np.float32)
            y = lay.state("", "float32", m)
            ring = (node.signal, node.stride, node.slots, b.clock, node.many)
            constants = lay.constant("", scaled), lay.constant("", np.array([decay], np.float32))
            counter = b.counter(path, weights.size, once=node.many == 0)
            b.emit(STEP, "trace", m, y, constants[0], *ring, constants[1], counter, label=path)
            b.emit(POST, "add", m, into, y, label=path)
        else:
            if not node.graded:
                raise BuildError(f"{path}.from", term.source, "is spiking, not graded", "use a linear decoder")
            if b.steps > 1 and node.operation is None and f"{node.name}.pooled" in lay.names:
                fix = "let a li population read them"
                raise BuildError(f"{path}.from", term.source, "events are gone after a tick's first step", fix)
            product(b, POST, into, weights, node.signal, path)


def add_output(b: Builder, spec: Output, raw: Place) -> None:
    where = f"outputs.{spec.name}"
    if isinstance(spec.decoder, ArgmaxDecoder):
        scores = b.layout.state(f"{spec.name}.scores", "float32", spec.decoder.actions)
        _terms(b, where, spec.decoder.terms, np.zeros(spec.decoder.actions), scores)
        b.emit(POST, "argmax", spec.decoder.actions, scores, raw, label=where)
    else:
        _terms(b, where, spec.decoder, vector(f"{where}.bias", spec.bias, spec.size), raw)


def add_guard(
    b: Builder, inputs: Sequence[Input], specs: Sequence[Output], validity: Place, raw: Place, release: int
) -> None:
    lay, m = b.layout, raw.shape[0]
    command = lay.io("command", "float64", m)
    columns = []
    for spec in specs:
        low, high = spec.limits
        if isinstance(spec.decoder, ArgmaxDecoder):
            low, high = 0, spec.decoder.actions - 1
        slew = vector(f"outputs.{spec.name}.slew", spec.slew, spec.size) * b.dt * b.steps
        columns.append([vector(f"outputs.{spec.name}.limits", v, spec.size) for v in (low, high, slew, spec.safe)])
    limits = np.concatenate([np.stack(c) for c in columns], axis=1)
    ramp = np.concatenate([np.full(s.size, s.ramp, np.uint8) for s in specs])
    safe = lay.constant("safe", limits[3])
    first = 0
    for spec in specs:
        lay.names[f"{spec.name}.command"] = element(command, first, spec.size)
        lay.names[f"{spec.name}.safe"] = element(safe, first, spec.size)
        first += spec.size
    previous = lay.state("previous", "float64", m, limits[3])
    words = lay.state("guard", "int64", outputs.GUARD_WORDS)
    required = lay.constant("", np.array([int(i.required) for i in inputs] or [0], np.int64))
    b.emit(
        POST, "guard", len(inputs), validity, required, m, raw, command, previous,
        lay.constant("", limits), lay.constant("", ramp), words, release, label="guard",
    )  # fmt: skip
