"""Infer the shapes of all signals in a NIR graph from its inputs, and convert convolutions and poolings."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DescriptionError, within
from ..network.convolution import Convolution, pooling
from .graph import PASSING, Graph, Node

__all__ = ["infer", "matrix_of", "picture_of"]

Shape = tuple[int, ...]
#: number of dimensions of a node's input
DIMENSIONS = {"Conv1d": 2, "Conv2d": 3, "SumPool2d": 3, "AvgPool2d": 3}
#: the parameter of each kind that determines the size of its input
SIZED_BY = {
    "IF": "v_threshold", "LIF": "v_threshold", "CubaLIF": "v_threshold", "Threshold": "threshold", "LI": "r",
    "CubaLI": "r", "I": "r", "Scale": "scale", "Delay": "delay",
}  # fmt: skip


def infer(graph: Graph) -> None:
    """Set the shapes of every node's signals. Raises DescriptionError if sizes of connected nodes do not match."""
    inputs = graph.of_kind("Input")
    if not inputs:
        raise DescriptionError("nodes", sorted(graph.nodes), "has no Input")
    for node in inputs:
        node.shape = node.shape_in = _input_shape(graph, node)
    _walk(graph, [n.name for n in inputs])
    for node in graph.nodes.values():  # nodes that no input reaches
        if not node.shape:
            if not node.neuron:
                raise node.wrong("", node.kind, "cannot be reached from an Input")
            node.shape = node.shape_in = node.numbers(SIZED_BY[node.kind]).shape or (1,)
            _walk(graph, [node.name])
    for a, b in graph.edges:
        gives, takes = graph.nodes[a].size, int(np.prod(graph.nodes[b].shape_in, dtype=np.int64))
        if gives != takes:
            raise graph.nodes[b].wrong("", f"takes {takes} numbers", f"must take the {gives} of {a}")


def _walk(graph: Graph, names: list[str]) -> None:
    while names:
        a = names.pop(0)
        for b in graph.after[a]:
            node = graph.nodes[b]
            if not node.shape:
                node.shape_in = graph.nodes[a].shape
                node.shape = _shape_out(node)
                names.append(b)


def _input_shape(graph: Graph, node: Node) -> Shape:
    """Return the shape of an Input node's signal without batch and time dimensions, which some exporters add.

    The nodes after the Input determine the number of remaining dimensions.
    """
    declared = node.values["shape"]
    whole = declared is not None and np.size(declared) and np.all(np.isfinite(declared))
    if not whole or np.any(np.asarray(declared) < 1) or np.any(np.rint(declared) != np.asarray(declared)):
        raise node.wrong("shape", declared, "must be whole numbers >= 1")
    shape = tuple(int(n) for n in np.ravel(declared))
    keep = next((k for b in graph.after[node.name] if (k := _taken(graph, b, shape))), 0)
    while not keep and len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    left, shape = shape[: len(shape) - (keep or len(shape))], shape[-(keep or len(shape)) :]
    if any(n != 1 for n in left):
        graph.notes.append(f"{node.name}: leading dimensions {left} of its shape left out (batch or time)")
    return shape


def _taken(graph: Graph, name: str, shape: Shape) -> int:
    """Return the number of trailing dimensions of a signal that the node ``name`` uses; 0 if it accepts any number.

    shape : shape of the signal that reaches the node
    """
    node = graph.nodes[name]
    if node.kind in DIMENSIONS:
        return min(DIMENSIONS[node.kind], len(shape))
    if node.kind in PASSING:
        return next((k for b in graph.after[name] if (k := _taken(graph, b, shape))), 0)
    size = 1
    if node.kind in ("Affine", "Linear"):
        size = matrix_of(node).shape[1]
    elif node.kind in SIZED_BY:
        size = node.numbers(SIZED_BY[node.kind]).size
    fits = [k for k in range(1, len(shape) + 1) if np.prod(shape[-k:], dtype=np.int64) == size]
    return fits[0] if size > 1 and fits else 0


def _shape_out(node: Node) -> Shape:
    shape, kind = node.shape_in, node.kind
    size = int(np.prod(shape, dtype=np.int64))
    if kind in ("Affine", "Linear"):
        weight = matrix_of(node)
        if weight.shape[1] != size:
            raise node.wrong("weight", f"shape {weight.shape}", f"must take the {size} numbers that arrive")
        return (weight.shape[0],)
    if kind in SIZED_BY:
        value = node.numbers(SIZED_BY[kind])
        node.each(SIZED_BY[kind], shape)
        return value.shape if value.size == size and value.ndim > len(shape) and 1 not in value.shape else shape
    if kind in DIMENSIONS:
        convolution, weights = picture_of(node)
        with within(f"nodes.{node.name}"):
            channels, rows, columns = convolution.output_shape(weights.shape)
        return (channels, columns) if kind == "Conv1d" else (channels, rows, columns)
    if kind == "Flatten":
        n = len(shape)
        first, last = (int(np.ravel(node.values[key])[0]) for key in ("start_dim", "end_dim"))
        first, last = min(first % n if first < 0 else first, n - 1), min(last % n, n - 1)
        return (*shape[:first], int(np.prod(shape[first : last + 1], dtype=np.int64)), *shape[last + 1 :])
    if kind not in ("Output", "Input", *PASSING):
        raise node.wrong("", kind, "is an unknown kind of node")
    return shape


def matrix_of(node: Node) -> np.ndarray:
    """Return the weight matrix of an Affine or Linear node, (size of the output, size of the input)."""
    weight = node.numbers("weight")
    while weight.ndim > 2 and weight.shape[0] == 1:
        weight = weight[0]
    if weight.ndim != 2:
        raise node.wrong("weight", f"shape {weight.shape}", "must be (numbers out, numbers in)")
    return weight


def _pair(node: Node, key: str) -> tuple[int, int]:
    value = node.numbers(key).ravel().astype(int)
    if node.kind == "Conv1d":
        return (0 if key == "padding" else 1), int(value[0])
    return int(value[0]), int(value[-1])


def _padding(node: Node) -> Any:
    word = node.values.get("padding")
    word = word.decode() if isinstance(word, bytes) else word
    if isinstance(word, str):
        return "same" if word == "same" else 0
    return _pair(node, "padding")


def picture_of(node: Node) -> tuple[Convolution, np.ndarray]:
    """Return the convolution of a node, and its weights (channels out, channels in a group, rows, columns)."""
    with within(f"nodes.{node.name}", "nodes."):
        shape = _picture(node)
        if node.kind in ("SumPool2d", "AvgPool2d"):
            kernel, stride = _pair(node, "kernel_size"), _pair(node, "stride")
            return pooling(shape, kernel, stride, _padding(node), node.kind == "AvgPool2d")
        weight = node.numbers("weight")
        if weight.ndim != (3 if node.kind == "Conv1d" else 4):
            raise node.wrong("weight", f"shape {weight.shape}", f"has the wrong number of dimensions for a {node.kind}")
        groups = int(np.ravel(node.values.get("groups", 1))[0])
        convolution = Convolution(shape, _pair(node, "stride"), _padding(node), _pair(node, "dilation"), groups)
    return convolution, weight[:, :, None, :] if node.kind == "Conv1d" else weight


def _picture(node: Node) -> tuple[int, int, int]:
    """Return the number of channels, rows and columns of the input signal of a convolution or pooling."""
    wanted, shape = DIMENSIONS[node.kind], node.shape_in
    if len(shape) != wanted and node.values.get("input_shape") is not None:  # flat: the node may have the shape
        sides = tuple(int(n) for n in np.ravel(node.values["input_shape"]))
        channels = int(np.prod(shape, dtype=np.int64)) // max(1, int(np.prod(sides)))
        shape = (channels, *sides)
    if len(shape) != wanted or np.prod(shape, dtype=np.int64) != np.prod(node.shape_in, dtype=np.int64):
        raise node.wrong("", f"shape {node.shape_in} arrives", f"{node.kind} takes {wanted} dimensions")
    return (shape[0], 1, shape[1]) if wanted == 2 else (shape[0], shape[1], shape[2])
