"""A flat NIR graph: nodes with their parameters as the file has them, and edges."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DescriptionError
from .neurons import NEURONS

__all__ = ["PASSING", "WEIGHTS", "Graph", "Node", "natural", "reached"]

WEIGHTS = ("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d")
#: nodes that pass their input on; "Pass" is an Input or Output of a nested graph
PASSING = ("Flatten", "Pass")


@dataclass
class Node:
    """One node of a graph.

    kind : NIR's name of its type
    shape_in, shape : of the signals in and out, without batch and time; numbers are counted row by row
    """

    name: str
    kind: str
    values: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    shape_in: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()

    @property
    def neuron(self) -> bool:
        """It becomes a population: a neuron, or a Scale that represents a Relay in our own files."""
        return self.kind in NEURONS or self.metadata.get("model") == "relay"

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def wrong(self, key: str, value: Any, rule: str, fix: str = "") -> DescriptionError:
        return DescriptionError(f"nodes.{self.name}.{key}" if key else f"nodes.{self.name}", value, rule, fix)

    def numbers(self, key: str) -> np.ndarray:
        """A parameter as an array of numbers."""
        value = np.asarray(self.values.get(key))
        if value.dtype.kind not in "fiu":
            raise self.wrong(key, self.values.get(key), "must be numbers")
        return value

    def each(self, key: str) -> np.ndarray:
        """(size,) float64: a parameter, one number for each number of the output."""
        return spread(self, key, self.shape)


def spread(node: Node, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """A parameter in row-major order, for a signal of ``shape``: exporters omit dimensions, or add some of size 1."""
    value = node.numbers(key).astype(np.float64)
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value[0]
    if value.size == np.prod(shape, dtype=np.int64):
        return value.reshape(-1).copy()
    try:
        return np.broadcast_to(value, shape).reshape(-1).copy()
    except ValueError:
        raise node.wrong(key, f"shape {value.shape}", f"must fit what arrives, of shape {shape}") from None


@dataclass
class Graph:
    """A graph without nesting.

    metadata : the file's
    notes : corrections made while reading, a line each
    before, after : neighbours of each node
    """

    nodes: dict[str, Node]
    edges: list[tuple[str, str]]
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    before: dict[str, list[str]] = field(init=False)
    after: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.before, self.after = {name: [] for name in self.nodes}, {name: [] for name in self.nodes}
        for a, b in self.edges:
            self.after[a].append(b)
            self.before[b].append(a)

    def of_kind(self, *kinds: str) -> list[Node]:
        return [n for n in self.nodes.values() if n.kind in kinds]

    def on_a_cycle(self, name: str) -> bool:
        return name in reached(self.after[name], lambda node: self.after[node])


def reached(starts: Iterable[str], after: Callable[[str], Iterable[str]]) -> set[str]:
    """The starts, and what comes after them, directly or not."""
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += after(name)
    return seen


def natural(name: str) -> list[Any]:
    """A key by which "2" comes before "10"."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
