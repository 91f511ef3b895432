"""The dialect of files that snn_control writes: NIR parameters, and metadata for everything that NIR cannot express.

The metadata contain:

- of a neuron node: ``model``, ``order``, ``bias`` and ``v_init`` of the population, and model fields that the node
  lacks
- of a weight node: ``order``, ``connection`` and the parameters of the connection
- of the graph: ``dialect`` and ``dt``
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from ..network import NeuronModel
from ..network.convolution import Convolution
from .dialects import Cell, Dialect, Reading, plain
from .graph import FIELDS, NEURONS, Graph, Node

__all__ = ["DIALECT", "MODELS", "NAME", "projection"]

NAME = "snn_control"
MODELS: dict[str, type[NeuronModel]] = {cls.__name__.lower(): cls for cls in FIELDS}


def _given(node: Node, key: str) -> Any:
    value = node.metadata[key]
    return plain(value.reshape(-1)) if isinstance(value, np.ndarray) else value


def _cell(reading: Reading, node: Node) -> Cell:
    model = node.metadata.get("model")
    if model not in MODELS or FIELDS[MODELS[model]][0] != node.kind:
        rule = f"must be a model that is stored as {node.kind}: the metadata were changed"
        raise node.wrong("metadata.model", model, rule, "choose another dialect")
    cls = MODELS[model]
    values = {field: plain(node.each(key)) for field, key in FIELDS[cls][1].items()}
    values |= {name: _given(node, name) for name in cls.names() if name in node.metadata}
    bias, v_init = (_given(node, key) if key in node.metadata else None for key in ("bias", "v_init"))
    return Cell(cls(**values), v_init, 0.0 if bias is None else bias)


def projection(node: Node, values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a projection: ``values``, read from the node, and the fields in the node's metadata."""
    m, weights = node.metadata, values["weights"]
    connection = m.get("connection", "dense")
    if connection == "sparse":
        pre, post = (np.atleast_1d(m[key]).astype(np.int64) for key in ("pre_index", "post_index"))
        values |= {"connection": "sparse", "pre_index": pre, "post_index": post, "weights": weights[pre, post]}
    elif connection == "one_to_one" and np.ndim(weights) == 2:
        values |= {"connection": "one_to_one", "weights": np.diagonal(weights).copy()}
    elif connection == "convolution" and "kernel" in m:  # it was stored as a matrix
        values["connection"] = Convolution(**{f.name: m[f.name] for f in fields(Convolution)})
        values["weights"] = m["kernel"]
    if "scale" in m:
        values |= {"precision": "int8", "scale": float(m["scale"])}
    return values | ({"receptor": m["receptor"]} if "receptor" in m else {})


def _dt(graph: Graph) -> float | None:
    return float(graph.metadata["dt"]) if "dt" in graph.metadata else None


DIALECT = Dialect(_cell, (*NEURONS, "Scale"), {}, file_dt=_dt)
