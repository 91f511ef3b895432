"""Pictures of the weights of the projections onto a population. Averages make them small enough for the live page."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.synapses import MAX_SYNAPSES, sizes_of, synapse_arrays
from ..coding import PoolEncoder
from ..controller import Controller
from ..controller_file import ControllerSpec
from ..network import OneToOne, Projection
from ..network.convolution import Convolution

__all__ = ["Weights"]

MOST_ROWS, MOST_COLUMNS = 96, 1024  # of a picture, for targets and sources; larger matrices are averaged
MOST_PICTURES = 8  # of a population


class Weights:
    """Makes pictures of the weights of a controller's projections. Each call reads the plastic weights again."""

    def __init__(self, controller: Controller, spec: ControllerSpec) -> None:
        self._controller, self._projections = controller, spec.network.projections
        self._sizes = sizes_of(controller.program)
        facts = controller.program.facts
        self._rules = dict(zip((k for k, p in enumerate(self._projections) if p.learning), facts.learning))
        self._grids = _grids(spec)
        self._kept: dict[int, np.ndarray] = {}  # pictures of projections that do not learn

    def onto(self, population: str, learned: bool) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """Return pictures of the projections onto a population: their descriptions, and their arrays by name.

        There are at most `MOST_PICTURES`. A picture is a (targets, sources) float32 array, whose name is the ``key`` of
        its description. In a large matrix a cell is the mean of several weights; a cell without a synapse is 0.

        learned : whether to return only projections with a learning rule
        """
        told: list[dict[str, Any]] = []
        arrays: dict[str, np.ndarray] = {}
        for k, p in enumerate(self._projections):
            if p.post != population or (learned and k not in self._rules) or len(told) >= MOST_PICTURES:
                continue
            picture = self._picture(k, p)
            if picture is not None:
                key = f"weights.{k}"
                arrays[key] = picture
                told.append({
                    "key": key, "pre": p.pre, "post": p.post, "learns": k in self._rules,
                    "sources": self._sizes[p.pre], "targets": self._sizes[p.post],
                    "grid": self._grids.get(p.pre), "kernels": isinstance(p.connector, Convolution),
                })  # fmt: skip
        return told, arrays

    def _picture(self, k: int, p: Projection) -> np.ndarray | None:
        if k in self._kept:
            return self._kept[k]
        n_pre, n_post = self._sizes[p.pre], self._sizes[p.post]
        if k in self._rules:
            learned = self._controller.rule_weights(self._rules[k])
            if not isinstance(learned, tuple):
                return _pooled_matrix(learned)
            pre, post, weights = learned
            return _pooled(pre, post, weights, n_pre, n_post)
        if isinstance(p.connector, Convolution):
            kernels = np.asarray(p.weights, np.float32)  # (channels out, channels in, rows, columns), side by side
            out, into, rows, columns = kernels.shape
            picture = kernels.transpose(0, 2, 1, 3).reshape(out * rows, into * columns)[:MOST_ROWS, :MOST_COLUMNS]
        elif self._controller.program.facts.projections[k].synapses > MAX_SYNAPSES:
            return None
        else:
            pre, post, weights, _ = synapse_arrays(p, n_pre, n_post)
            picture = _pooled(pre, post, weights, n_pre, n_post)
        self._kept[k] = np.ascontiguousarray(picture)
        return self._kept[k]


def _grids(spec: ControllerSpec) -> dict[str, tuple[int, int]]:
    """Return the grid size of the inputs and populations whose neurons form a picture: name -> (columns, rows).

    If there are several channels or polarities, the pictures of the channels follow one another.
    """
    found = {name: topic.grid for name, topic in spec.ros_inputs.items() if topic.grid}
    encoders: list[tuple[str, Any]] = [(one.name, getattr(one, "encoder", None)) for one in spec.inputs]
    found |= {name: encoder.grid for name, encoder in encoders if isinstance(encoder, PoolEncoder)}
    for p in spec.network.projections:
        if isinstance(p.connector, Convolution):
            _, rows, columns = p.connector.shape
            _, rows_out, columns_out = p.connector.output_shape(np.shape(p.weights))
            found |= {p.pre: (columns, rows), p.post: (columns_out, rows_out)}
        elif isinstance(p.connector, OneToOne) and p.pre in found:
            found.setdefault(p.post, found[p.pre])
    return {name: (columns, rows) for name, (columns, rows) in found.items() if columns > 1 and rows > 1}


def _pooled(pre: np.ndarray, post: np.ndarray, weights: np.ndarray, n_pre: int, n_post: int) -> np.ndarray:
    """Return the mean weight of the synapses in each cell of a picture, (rows, columns) float32.

    With R rows and n postsynaptic neurons, row r begins at neuron floor(r n / R); columns are divided likewise.

    pre, post, weights : (k,) source, target and weight of each synapse
    n_pre, n_post : numbers of presynaptic and postsynaptic neurons
    """
    columns, rows = min(n_pre, MOST_COLUMNS), min(n_post, MOST_ROWS)
    row, column = post.astype(np.int64) + 1, pre.astype(np.int64) + 1
    place = (row * rows - 1) // n_post * columns + (column * columns - 1) // n_pre
    total, number = (np.bincount(place, of, rows * columns) for of in (weights.astype(np.float64), None))
    return (total / np.maximum(number, 1)).astype(np.float32).reshape(rows, columns)


def _pooled_matrix(weights: np.ndarray) -> np.ndarray:
    """Return the mean weight in each cell of a picture, as `_pooled` does, from a weight matrix (sources, targets)."""
    n_pre, n_post = weights.shape
    columns, rows = min(n_pre, MOST_COLUMNS), min(n_post, MOST_ROWS)
    starts = [np.arange(k) * n // k for k, n in ((columns, n_pre), (rows, n_post))]
    total = np.add.reduceat(np.add.reduceat(weights.astype(np.float64), starts[0], 0), starts[1], 1)
    sizes = [np.diff(np.append(start, n)) for start, n in zip(starts, weights.shape, strict=True)]
    return np.ascontiguousarray((total / np.outer(*sizes)).T, np.float32)
