"""Import a NIR file as a network: read the file, and convert its numbers according to the dialect of a framework."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import NO_VALUE, DescriptionError, close_match
from ..network import Network, Relay
from . import native as own
from .contraction import Contraction
from .dialects import DIALECTS as FRAMEWORKS
from .dialects import Reading
from .graph import Graph
from .options import Choices
from .reading import read_graph

__all__ = ["DIALECTS", "Imported", "import_graph", "import_nir"]

DIALECTS = FRAMEWORKS | {own.NAME: own.DIALECT}


@dataclass(frozen=True)
class Imported:
    """A network that was read from a NIR file.

    dt : step of the network [s]
    inputs : name of an input -> its size
    outputs : name of an Output node -> name of the population whose signal it outputs
    hidden : name of the first population of neurons
    names : node of the file -> name of the corresponding input or population
    shapes : name of an input or population -> shape of its signal; elements are in row-major order
    defaults : option that the user did not set -> default value used
    notes : warnings, one line each
    """

    dialect: str
    dt: float
    network: Network
    inputs: Mapping[str, int]
    outputs: Mapping[str, str]
    hidden: str
    names: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    defaults: Mapping[str, Any]
    notes: tuple[str, ...]


def import_nir(
    path: str | os.PathLike, dialect: str = "", dt: float | None = None, options: Mapping[str, Any] | None = None
) -> Imported:
    """Read a NIR file as a network.

    dialect : one of `DIALECTS`; empty: the dialect in the file's metadata, which only files of snn_control have
    dt : step of the original simulation [s]
    options : name of an option -> value; options have the framework's own names

    Raises DescriptionError; the error names file, path, value, rule and fix.
    """
    try:
        return import_graph(read_graph(path), dialect, dt, options)
    except DescriptionError as error:
        in_file = error.path.startswith(("nodes", "edges", "projections", "populations"))
        raise (error.in_file(str(path)) if in_file else error) from None


def import_graph(
    graph: Graph, dialect: str = "", dt: float | None = None, options: Mapping[str, Any] | None = None
) -> Imported:
    """Convert a graph to a network, as `import_nir` does for a file. Errors do not contain the name of the file."""
    dialect = dialect or str(graph.metadata.get("dialect", ""))
    known = f"one of {', '.join(DIALECTS)}"
    if not dialect:
        rule = "is missing, and the file does not say what its numbers mean"
        raise DescriptionError("dialect", None, rule, known)
    if dialect not in DIALECTS:
        raise DescriptionError("dialect", dialect, f"must be {known}", close_match(dialect, DIALECTS))
    table = DIALECTS[dialect]
    if dialect != own.NAME:
        for node in graph.nodes.values():
            node.metadata = {}
    choices = Choices(dialect, table.options, options or {}, graph.nodes)
    for node in graph.nodes.values():
        if node.neuron and node.kind not in table.kinds:
            rule = f"is not written by {dialect}, which has {', '.join(table.kinds)}"
            raise node.wrong("", node.kind, rule, "another dialect fits")
    reading = _reading(graph, dialect, dt, choices)
    found = Contraction(graph, lambda node: table.cell(reading, node), reading.dt)
    network = found.network()
    unused = [name for name in choices.given if name not in choices.used]
    notes = [*graph.notes, *(f"option {name} affects nothing in this file" for name in unused)]
    inputs = sorted(graph.of_kind("Input"), key=lambda node: node.metadata.get("order", 0))
    sizes = {found.names[node.name]: node.size for node in inputs}
    hidden = next((p.name for p in network.populations if not isinstance(p.neuron, Relay)), "")
    shapes: dict[str, tuple[int, ...]] = {p.name: (p.size,) for p in network.populations}
    shapes |= {name: graph.nodes[node].shape for node, name in found.names.items()}
    return Imported(
        dialect, reading.dt, network, sizes, found.outputs, hidden, found.names, shapes, choices.defaults,
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _reading(graph: Graph, dialect: str, dt: float | None, choices: Choices) -> Reading:
    """Return the settings for converting a graph in a dialect, with the steps of the file and of the network."""
    table = DIALECTS[dialect]
    if dt is not None and not (math.isfinite(dt) and dt > 0):
        raise DescriptionError("dt", dt, "must be > 0 s")
    file_dt = table.file_dt(graph)
    step = dt or file_dt or table.dt
    if not step:
        rule = f"is missing: with {dialect} it changes the spikes, and this file does not say it"
        raise DescriptionError("dt", NO_VALUE, rule, "give --dt, the step of the original simulation [s]")
    if not dt and not file_dt:
        choices.defaults["dt"] = step
    if dt and file_dt and not table.counts and not math.isclose(dt, file_dt, rel_tol=1e-4):
        graph.notes.append(f"the file was written with a step of {file_dt:.6g} s; a step lasts {dt:g} s here")
    return Reading(graph, choices, step, file_dt or step)
