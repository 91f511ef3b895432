"""Sparse projections of a graded signal: the quickest kernel that their connections allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .builder import Builder
from .connectivity import Rows, weight_words
from ..program import STEP, Place

__all__ = ["deliver_graded_sparse"]

TILE = 256  # numbers of a tile, at least where the signal is shorter: it stays in the first cache


def deliver_graded_sparse(
    b: Builder, index: int, y: Place, source: dict[str, Any], counter: Place, rows: Rows, weights: Any
) -> None:
    """Emit y += x W for a sparse W; ``source``: the words of the signal; ``weights`` of the rows."""
    p, lay, n, n_pre = b.network.projections[index], b.layout, y.shape[0], rows.pointers.size - 1
    name, words = f"{p.pre}->{p.post}.weights", weight_words(f"{p.label}.weights", weights, (rows.size,))
    if rows.size != n or (np.bincount(rows.post, minlength=n) != 1).any():
        synapses = lay.reserve(name, "uint32", (rows.size, 2), lambda pairs: rows.fill(pairs, words))
        own = {"weights": synapses, "counter": counter, "pointers": lay.constant("", rows.pointers)}
        b.emit(STEP, "csr_graded", n_post=n, y=y, **source, **own, label=p.label)
        return
    pairs, fan_out = np.empty((n, 2), np.uint32), np.diff(rows.pointers)
    rows.fill(pairs, words)
    channels, each = np.empty(n, np.uint32), np.empty(n, np.float32)
    channels[pairs[:, 0]] = np.repeat(np.arange(n_pre), fan_out)
    each[pairs[:, 0]] = pairs[:, 1].copy().view(np.float32)
    words = {"n_post": n, "y": y, **source, "counter": counter, "fan_out": lay.constant("", fan_out)}
    words["start"] = _start(b, index, y)
    if (channels == np.arange(n) % n_pre).all() and (each == each[0]).all():
        size = min(max(1, TILE // n_pre), -(-n // n_pre)) * n_pre
        tile = lay.state("", "float32", size)
        weight = lay.constant(name, each[:1])
        b.emit(STEP, "tile_graded", **words, weight=weight, tile=tile, size=size, label=p.label)
    else:
        own = {"weights": lay.constant(name, each), "channels": lay.constant("", channels)}
        b.emit(STEP, "gather_graded", **words, **own, label=p.label)


def _start(b: Builder, index: int, y: Place) -> Place:
    """Where the sum of a projection that reaches every target starts: at y; or at the bias, where it is the first in a
    step that comes to the current. The neurons then need not set the current to the bias, and their row says so."""
    p = b.network.projections[index]
    node = b.nodes[p.post]
    if y is not node.target["current"] or p.bias is not None or node.operation is None:
        return y
    others = enumerate(b.network.projections)
    into = [k for k, q in others if q.post == p.post and q.tau_syn is None and b.receptor(q) == "current"]
    if index != next((k for k in into if b.delays[k] >= 1), into[0]):
        return y
    operands = tuple(y if operand is node.bias else operand for operand in node.operation.operands)
    node.operation = replace(node.operation, operands=operands)
    return node.bias  # type: ignore[return-value]
