"""Read NIR files as graphs without nested graphs, with known shapes.

Some exporters write parameters without dimensions, batch dimensions, missing or wrong shapes, and nested graphs.
Therefore the present module skips the type check of the library ``nir``, and `snn_control.nir.shapes` infers the
shapes.
"""

from __future__ import annotations

import importlib
import math
import mmap
import os
import re
import struct
from collections.abc import Iterator
from itertools import count
from typing import IO, Any

import numpy as np

from ..errors import NO_VALUE, DescriptionError, SnnControlError, how_to_install
from ..files import DEFLATED, open_file, reason
from .graph import Graph, Node, natural
from .shapes import infer

__all__ = ["flatten", "library", "read_graph"]

DEEPEST = 100  # deepest nesting of groups
HEAP = b"GCOL\1\0\0\0"


def library() -> Any:
    """Import and return the package ``nir``. Raises SnnControlError with the installation command if it is missing."""
    try:
        return importlib.import_module("nir")
    except ModuleNotFoundError as error:
        raise SnnControlError(f"NIR files need {error.name}: {how_to_install('nir')}") from None


def read_graph(path: str | os.PathLike) -> Graph:
    """Read the graph of a NIR file. Raises a one-line DescriptionError for any problem with the file."""
    nir, h5py = library(), importlib.import_module("h5py")
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            whole = not size or _heaps_are_whole(file)
    except FileNotFoundError:
        raise DescriptionError("FILE", str(path), "there is no such file") from None
    except (OSError, ValueError) as error:
        raise DescriptionError("FILE", str(path), f"cannot be read: {reason(error)}") from None
    if not h5py.is_hdf5(path):
        raise DescriptionError("FILE", str(path), "is not an HDF5 file, which NIR files are")
    try:
        if not whole:
            raise ValueError("one of its heaps of texts is damaged")
        with h5py.File(path, "r") as opened:
            graph = _made(_content(opened, h5py, size, count())["node"])
        if not isinstance(graph, nir.NIRGraph):
            raise ValueError(f"it holds a {type(graph).__name__}, not a graph")
    except Exception as error:  # from h5py, or from `_made`
        rule = f"cannot be read as a NIR file: {_reason(error)}"
        raise DescriptionError(str(path), NO_VALUE, rule, "it may be cut or damaged: write it again") from None
    return flatten(graph)


def _heaps_are_whole(file: IO[bytes]) -> bool:
    """Return whether all objects in the global heaps of an HDF5 file end within their heap.

    If an object exceeds its heap, the HDF5 library never returns from reading the file.

    A heap consists of "GCOL", version, size, and objects. An object consists of uint16 index, uint16 references,
    uint32, uint64 size, and content in multiples of 8 bytes. The free space at the end is an object with the index 0.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        at = raw.find(HEAP)
        while at >= 0:
            (length,) = struct.unpack_from("<Q", raw[at + 8 : at + 16].ljust(8, b"\0"))
            place, end = at + 16, min(at + length, len(raw))
            while place + 16 <= end:
                index, _, _, size = struct.unpack_from("<HHIQ", raw, place)
                if size > end - place - (16 if index else 0) or (index == 0 and size < 16):
                    return False
                place += 16 + (size + 7) // 8 * 8 if index else size
            at = raw.find(HEAP, at + len(HEAP))
    return True


def _content(group: Any, h5py: Any, size: int, objects: Iterator[int]) -> dict[str, Any]:
    """Return the contents of an HDF5 group as nested dictionaries, like the reader of the library ``nir``.

    size : size of the file [bytes], which limits the amount of data to read
    objects : counter that limits the number of objects to read, because hard links can form cycles
    """
    found: dict[str, Any] = {}
    for name in group:
        where = f"{group.name.rstrip('/')}/{name}"
        if next(objects) > size // 8 or where.count("/") > DEEPEST:
            raise ValueError(f"{where}: its groups form a cycle")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{where} is a link to elsewhere")
        try:
            item = group[name]
        except KeyError as error:  # HDF5 gives its reason in quotes
            raise ValueError(f"{where}: {error.args[0]}") from None
        if isinstance(item, h5py.Group):
            found[name] = _content(item, h5py, size, objects)
        elif isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise ValueError(f"{where} has its numbers in another file")
            there = min(item.id.get_storage_size(), size) * DEFLATED
            whole = math.prod(item.shape or ()) * item.dtype.itemsize
            if max(whole, math.prod(item.chunks or ()) * item.dtype.itemsize) > there:
                raise ValueError(f"{where} says that its shape is {item.shape}, for which the file has no room")
            value = item[()]
            found[name] = value.decode() if isinstance(value, bytes) else value
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no '{error.args[0]}'" if " " not in str(error.args[0]) else str(error.args[0])
    missing = re.search(r"missing .* argument.?: ('\w+')", str(error))
    return f"it has no {missing[1]}" if missing else reason(error)


def _made(content: Any, where: str = "") -> Any:
    """Create an object of the library ``nir`` from the contents of an HDF5 group, without the library's type check.

    where : name of the group, for error messages

    Raises ValueError.
    """
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise ValueError(f"{where or 'it'} has no type")
    kind, inner = content["type"], content.get("nodes")
    prefix = f"{where}.nodes." if where else "nodes."
    nodes = {k: _made(node, prefix + k) for k, node in inner.items()} if isinstance(inner, dict) else {}
    nir = library()
    try:
        if kind != "NIRGraph":
            return nir.dict2NIRNode(content)
        edges = [(a.decode(), b.decode()) for a, b in content["edges"]]
        return nir.NIRGraph(nodes, edges, content.get("metadata", {}), type_check=False)
    except Exception as error:  # assertions of the library, errors of NumPy
        raise ValueError(f"{where} ({kind}): {_reason(error)}" if where else _reason(error)) from None


def flatten(graph: Any) -> Graph:
    """Convert a `nir.NIRGraph` to a `Graph`, which has no nested graphs."""
    nodes: dict[str, Node] = {}
    edges: set[tuple[str, str]] = set()
    _splice(graph, "", nodes, edges)
    # files list nodes alphabetically and edges in any order, some of them twice
    nodes = dict(sorted(nodes.items(), key=lambda item: natural(item[0])))
    order = sorted(edges, key=lambda edge: (natural(edge[0]), natural(edge[1])))
    flat = Graph(nodes, order, {str(k): _plain(v) for k, v in (graph.metadata or {}).items()})
    infer(flat)
    return flat


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _splice(graph: Any, prefix: str, nodes: dict[str, Node], edges: set[tuple[str, str]]) -> None:
    """Add the nodes and edges of a graph, and of the graphs nested in it, to ``nodes`` and ``edges``.

    The Input and Output nodes of a nested graph only forward their signal.

    prefix : prefix of the names of the graph's nodes
    """
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
    """Return the name of the node at an end of an edge, in the graph without nested graphs.

    If the edge ends at a nested graph, return the name of the nested graph's Input or Output node.

    kind : "Input" or "Output"
    """
    node = graph.nodes[name]
    if type(node).__name__ != "NIRGraph":
        return prefix + name
    ends = [inner for inner, n in node.nodes.items() if type(n).__name__ == kind]
    if len(ends) != 1:
        raise DescriptionError(f"nodes.{prefix}{name}", sorted(node.nodes), f"a nested graph must have one {kind}")
    return f"{prefix}{name}.{ends[0]}"
