"""Build the outputs: emit the operations that add up the decoders of each output, for the guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import coding
from ...errors import BuildError
from .. import registry
from .builder import Builder, blamed, lowering_of, vector
from ..program import POST, Place

__all__ = ["add_output", "look_back"]


def look_back(outputs: Sequence[coding.Output], dt: float) -> dict[str, int]:
    """Return a dict: name of a population -> number of past network steps that the decoders read."""
    lists: dict[str, int] = {}
    for output in outputs:
        for k, term in enumerate(output.terms):
            path = f"outputs.{output.name}.decoder[{k}]"
            if lowering := registry.lowering("decoders", type(term)):
                with blamed(path, "decoders", term):
                    lists[term.source] = max(lists.get(term.source, 0), lowering.lists(path, term, dt))
    return lists


def _terms(b: Builder, where: str, terms: Sequence[Any], bias: np.ndarray, into: Place) -> None:
    """Emit the operations that compute an output: the bias plus the terms of its decoders.

    where : path of the output in the controller file, for errors
    into : `Place` of the result, (size,) float32
    """
    b.emit(POST, "copy", n=bias.size, y=into, x=b.layout.constant("", bias.astype(np.float32)), label=where)
    for k, term in enumerate(terms):
        path = f"{where}.decoder[{k}]"
        lowering = lowering_of(path, term, "decoders", "is not a decoder that can be built")
        if term.source not in b.nodes:
            raise BuildError(f"{path}.from", term.source, f"must be a population: {', '.join(b.nodes)}")
        node = b.nodes[term.source]
        if node.graded and not lowering.graded:
            raise BuildError(f"{path}.from", term.source, "is graded, not spiking", "use a membrane decoder")
        if lowering.graded and not node.graded:
            raise BuildError(f"{path}.from", term.source, "is spiking, not graded", "use a linear decoder")
        with blamed(path, "decoders", term):
            lowering.build(b, path, term, node, into)


def squashed_to(spec: coding.Output) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre and the half width of an output's limits, two (size,) float32 arrays.

    Both are rounded so that centre - half width and centre + half width stay within the limits.
    """
    low, high = (vector(f"outputs.{spec.name}.limits", side, spec.size).astype(np.float64) for side in spec.limits)
    centre = (low + (high - low) / 2).astype(np.float32)
    half = ((high - low) / 2).astype(np.float32)
    for _ in range(4):  # each rounding may exceed a limit by a last digit
        beyond = (centre + half > high) | (centre - half < low)
        half = np.where(beyond, half - np.spacing(np.maximum(np.abs(centre), half)), half)
    return centre, np.maximum(half, np.float32(0))


def add_output(b: Builder, spec: coding.Output, raw: Place) -> None:
    where = f"outputs.{spec.name}"
    if isinstance(spec.decoder, coding.ArgmaxDecoder):
        scores = b.layout.state(f"{spec.name}.scores", "float32", spec.decoder.actions)
        _terms(b, where, spec.terms, np.zeros(spec.decoder.actions), scores)
        b.emit(POST, "argmax", n=spec.decoder.actions, x=scores, y=raw, label=where)
        return
    total = b.layout.state(f"{spec.name}.sum", "float32", spec.size) if spec.squash else raw
    _terms(b, where, spec.terms, vector(f"{where}.bias", spec.bias, spec.size), total)
    if spec.squash:
        centre, half = (b.layout.constant("", one) for one in squashed_to(spec))
        b.emit(POST, "squash", n=spec.size, x=total, y=raw, centre=centre, half=half, label=where)
