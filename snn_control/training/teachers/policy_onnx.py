"""Read a multilayer perceptron from an ONNX file: convert the chain of operations to steps of `teachers.steps`.

All shapes are shapes for one observation. No operation may change the order of the numbers or add numbers. Each step
therefore needs only the number of elements of its input, not its shape.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .onnx_graph import Graph, read_graph, shown
from .perceptron import MOST_WEIGHTS, TrainedPolicy
from .steps import Step, perceptron

__all__ = ["read_policy_onnx"]

FLOATS = (1, 10, 11)  # types of numbers
MOST_VALUES = 1 << 14  # of an observation or a layer


def read_policy_onnx(path: str | os.PathLike) -> TrainedPolicy:
    """Return the policy in an ONNX file. The first output of the file must be the action.

    Raises OSError if the file cannot be read, and any other exception if it is not a multilayer perceptron.
    """
    graph = read_graph(path)
    chain = _Chain(graph)
    for node in graph.nodes:
        chain.add(node)
    return perceptron(chain.steps, int(np.prod(graph.shape)))


class _Chain:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.shape, self.steps = graph, graph.shape, list[Step]()
        self.weights = 0
        if self.size > MOST_VALUES:
            raise ValueError(f"it has {self.size:,} observed values: must be at most {MOST_VALUES:,}")

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def add(self, node: Any) -> None:
        if any(step.kind == "argmax" for step in self.steps):
            if node.op_type not in ("Identity", "Cast", "Reshape", "Flatten"):
                raise ValueError(f"the operation {shown(node)} follows an ArgMax")
            return
        given = {one.name: one for one in node.attribute}
        match node.op_type:
            case "Gemm" | "MatMul":
                self.matrix(node, given)
            case "Add" | "Sub" | "Mul" | "Div":
                self.elementwise(node)
            case "Relu" | "Tanh":
                self.steps.append(Step(node.op_type.lower(), shown(node)))
            case "Elu":
                if "alpha" in given and given["alpha"].f != 1:
                    raise ValueError(f"the operation {shown(node)} has alpha = {given['alpha'].f:g}: must be 1")
                self.steps.append(Step("elu", shown(node)))
            case "Clip":
                self.clip(node, given)
            case "Flatten" | "Reshape":
                self.reshape(node, given)
            case "Cast":
                if "to" not in given or given["to"].i not in FLOATS:
                    raise ValueError(f"the operation {shown(node)} makes numbers that are not floats")
            case "ArgMax":
                self.argmax(node, given)

    def matrix(self, node: Any, given: dict[str, Any]) -> None:
        """Add the steps of an operation MatMul or Gemm: a product with a matrix, and the bias of a Gemm."""
        number = {name: given[name].f if name in given else 1.0 for name in ("alpha", "beta")}
        turned = {name: bool(given[name].i) if name in given else False for name in ("transA", "transB")}
        weights = self.graph.constant(node.input[1]) if len(node.input) > 1 else None
        if weights is None or turned["transA"]:
            raise ValueError(f"the operation {shown(node)} must be (observation) x (constant)")
        if turned["transB"]:
            weights = weights.T
        rows = self.shape[-1]
        if weights.ndim != 2 or weights.shape[0] != rows or self.size != rows or not weights.size:
            raise ValueError(f"the operation {shown(node)} multiplies {list(self.shape)} by {list(weights.shape)}")
        if node.op_type == "Gemm" and len(self.shape) != 2:
            raise ValueError(f"the operation {shown(node)} has an input with {len(self.shape)} axes: must be 2")
        self.weights += weights.size
        if weights.dtype.kind != "f" or self.weights > MOST_WEIGHTS or weights.shape[1] > MOST_VALUES:
            raise ValueError(f"the operation {shown(node)} has weights that are too many, or not floats")
        self.shape = (*self.shape[:-1], weights.shape[1])
        self.steps.append(Step("matrix", shown(node), _times(weights.T, number["alpha"])))
        if len(node.input) > 2 and node.input[2]:
            biases = self.operand(node, node.input[2]) * number["beta"]
            self.steps.append(Step("scale", shown(node), np.ones(self.size), biases))

    def operand(self, node: Any, name: str) -> np.ndarray:
        """Return a constant operand, broadcast to the size of the operation's variable input, as (n,) float64."""
        found = self.graph.constant(name)
        if found is None or found.dtype.kind != "f" or found.size > self.size:
            raise ValueError(f"the operation {shown(node)} needs a constant of at most {self.size} numbers")
        try:
            if np.broadcast_shapes(found.shape, self.shape) == self.shape:
                return np.broadcast_to(found, self.shape).reshape(-1).astype(np.float64)
        except ValueError:
            pass
        raise ValueError(f"the operation {shown(node)} joins {list(self.shape)} and {list(found.shape)}")

    def elementwise(self, node: Any) -> None:
        first = len(node.input) == 2 and self.graph.is_constant(node.input[0])
        if len(node.input) != 2 or (first and node.op_type == "Div"):
            raise ValueError(f"the operation {shown(node)} must be of the observation and a constant")
        c = self.operand(node, node.input[0 if first else 1])
        one, zero = np.ones(self.size), np.zeros(self.size)
        with np.errstate(all="ignore"):  # `perceptron` checks the numbers
            s, t = {
                "Add": (one, c),
                "Sub": (-one, c) if first else (one, -c),
                "Mul": (c, zero),
                "Div": (1 / c, zero),
            }[node.op_type]
        self.steps.append(Step("scale", shown(node), s, t))

    def clip(self, node: Any, given: dict[str, Any]) -> None:
        low, high = -np.inf, np.inf
        if "min" in given:
            low = given["min"].f
        if "max" in given:
            high = given["max"].f
        bounds = [self.graph.constant(name, finite=False) if name else None for name in node.input[1:]]
        for name, found in zip(node.input[1:], bounds):
            if name and (found is None or found.size != 1 or found.dtype.kind != "f"):
                raise ValueError(f"the operation {shown(node)} has a bound that is not one number")
        if bounds and bounds[0] is not None:
            low = bounds[0].item()
        if len(bounds) > 1 and bounds[1] is not None:
            high = bounds[1].item()
        if not low < high:
            raise ValueError(f"the operation {shown(node)} has the bounds {low} and {high}")
        self.steps.append(Step("clip", shown(node), np.full(self.size, low), np.full(self.size, high)))

    def reshape(self, node: Any, given: dict[str, Any]) -> None:
        if node.op_type == "Flatten":
            axis = given["axis"].i if "axis" in given else 1
            axis += len(self.shape) if axis < 0 else 0
            if not 0 <= axis <= len(self.shape):
                raise ValueError(f"the operation {shown(node)} has the axis {axis}")
            self.shape = int(np.prod(self.shape[:axis])), int(np.prod(self.shape[axis:]))
            return
        wanted = self.graph.constant(node.input[1]) if len(node.input) == 2 else None
        if wanted is None or wanted.dtype.kind != "i" or wanted.ndim != 1 or not 0 < wanted.size <= 2:
            raise ValueError(f"the operation {shown(node)} needs a constant shape of one or two axes")
        keeps = not ("allowzero" in given and given["allowzero"].i)
        axes = [self.shape[k] if n == 0 and keeps and k < len(self.shape) else int(n) for k, n in enumerate(wanted)]
        rest = self.size // max(int(np.prod([n for n in axes if n != -1])), 1)
        shape = tuple(rest if n == -1 else n for n in axes)
        if axes.count(-1) > 1 or min(shape) < 1 or shape[0] * (shape[1:] or (1,))[0] != self.size:
            raise ValueError(f"the operation {shown(node)} makes {axes} of {list(self.shape)}")
        self.shape = shape

    def argmax(self, node: Any, given: dict[str, Any]) -> None:
        axis = given["axis"].i if "axis" in given else 0
        last = self.shape[-1] == self.size and axis in (-1, len(self.shape) - 1)
        if not last or ("select_last_index" in given and given["select_last_index"].i):
            raise ValueError(f"the operation {shown(node)} must be of the last axis, and take the first maximum")
        self.steps.append(Step("argmax", shown(node)))


def _times(weights: np.ndarray, factor: float) -> np.ndarray:
    return weights if factor == 1 else weights * factor
