"""NIR files -> flat graphs whose shapes are known.

Exporters leave traps: parameters without dimensions, batch dimensions, shapes that are missing or wrong, nested
graphs. So the library's own type check is never asked, and `snn_control.nir.shapes` infers the shapes.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from ..errors import NO_VALUE, DescriptionError, SnnControlError, how_to_install
from .graph import Graph, Node, natural
from .shapes import infer

__all__ = ["flatten", "library", "read_graph"]


def library() -> Any:
    """The ``nir`` package; raises SnnControlError with the command that installs it."""
    try:
        return importlib.import_module("nir")
    except ModuleNotFoundError as error:
        raise SnnControlError(f"NIR files need {error.name}: {how_to_install('nir')}") from None


def read_graph(path: str | os.PathLike) -> Graph:
    """The graph of a NIR file; raises DescriptionError, in one line, whatever is wrong with it."""
    nir = library()
    h5py, serialization = importlib.import_module("h5py"), importlib.import_module("nir.serialization")
    if not os.path.isfile(path):
        raise DescriptionError("FILE", str(path), "there is no such file")
    if not h5py.is_hdf5(path):
        raise DescriptionError("FILE", str(path), "is not an HDF5 file, which NIR files are")
    try:
        with h5py.File(path, "r") as opened:
            content = serialization.hdf2dict(opened["node"])
        _without_check(content)
        graph = nir.dict2NIRNode(content)
        if not isinstance(graph, nir.NIRGraph):
            raise ValueError(f"it holds a {type(graph).__name__}, not a graph")
    except Exception as error:  # h5py, the library's assertions and NumPy each have their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DescriptionError(str(path), NO_VALUE, f"cannot be read as a NIR file: {reason}") from None
    return flatten(graph)


def _without_check(content: Any) -> None:
    """The library does not hand ``type_check`` down to nested graphs: say it to each."""
    if isinstance(content, dict):
        for value in content.values():
            _without_check(value)
        if content.get("type") == "NIRGraph":
            content["type_check"] = False


def flatten(graph: Any) -> Graph:
    """A `nir.NIRGraph` as a `Graph`."""
    nodes: dict[str, Node] = {}
    edges: set[tuple[str, str]] = set()
    _splice(graph, "", nodes, edges)
    # files have nodes in alphabetical order and edges in any, some of them twice
    nodes = dict(sorted(nodes.items(), key=lambda item: natural(item[0])))
    order = sorted(edges, key=lambda edge: (natural(edge[0]), natural(edge[1])))
    flat = Graph(nodes, order, {str(k): _plain(v) for k, v in (graph.metadata or {}).items()})
    infer(flat)
    return flat


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _splice(graph: Any, prefix: str, nodes: dict[str, Node], edges: set[tuple[str, str]]) -> None:
    """Add what a graph holds; its own Input and Output only hand on if it is nested."""
    for name, node in graph.nodes.items():
        kind = type(node).__name__
        if kind == "NIRGraph":
            _splice(node, f"{prefix}{name}.", nodes, edges)
            continue
        values = {k: v for k, v in vars(node).items() if k not in ("input_type", "output_type", "metadata")}
        if kind in ("Input", "Output"):
            values = {"shape": next(iter((node.input_type or {}).values()), None)}
            kind = "Pass" if prefix else kind
        metadata = {str(k): _plain(v) for k, v in (node.metadata or {}).items()}
        nodes[prefix + name] = Node(prefix + name, kind, values, metadata)
    for a, b in graph.edges:
        for name in (a, b):
            if name not in graph.nodes:
                known = ", ".join(sorted(graph.nodes))
                raise DescriptionError(f"edges.{prefix}{a} -> {b}", name, f"is not a node; there are {known}")
        edges.add((_end(graph, prefix, a, "Output"), _end(graph, prefix, b, "Input")))


def _end(graph: Any, prefix: str, name: str, kind: str) -> str:
    """The node that an edge means: of a nested graph its Input or Output."""
    node = graph.nodes[name]
    if type(node).__name__ != "NIRGraph":
        return prefix + name
    ends = [inner for inner, n in node.nodes.items() if type(n).__name__ == kind]
    if len(ends) != 1:
        raise DescriptionError(f"nodes.{prefix}{name}", sorted(node.nodes), f"a nested graph must have one {kind}")
    return f"{prefix}{name}.{ends[0]}"
