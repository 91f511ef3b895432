"""A search for the dialects and options with which a file reproduces the activity of the original."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

import numpy as np

from ..errors import SnnControlError
from .dialects import DIALECTS
from .graph import Graph
from .importing import import_nir
from .options import ASK
from .reading import read_graph
from .verification import verify

__all__ = ["SearchResult", "fitting_dialects", "other_readings", "search_dialects"]

MOST = 200  # readings that are tried; files of the frameworks have about 30, and most end at their first spikes
STEPS = (1e-3, 1e-4)  # s: defaults of the frameworks


@dataclass(frozen=True)
class SearchResult:
    """A way to read a file: arguments of `import_nir`."""

    dialect: str
    dt: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The trial as options of the command line."""
        options = "".join(f" --option {key}={value}" for key, value in self.options.items())
        return f"--dialect {self.dialect}" + (f" --dt {self.dt:g}" if self.dt else "") + options


def other_readings(graph: Graph, dialect: str, dt: float | None, options: Mapping[str, Any]) -> Iterator[SearchResult]:
    """All dialects with all options that affect a file's nodes, the given dialect first."""
    kinds = {node.kind for node in graph.nodes.values()}
    for name in sorted(DIALECTS, key=lambda name: name != dialect):
        table = DIALECTS[name]
        words: dict[str, dict[Any, None]] = {}
        for key, option in table.options.items():
            here = sorted(kinds.intersection(option.kinds)) if option.tried else []
            # options without a default may differ from one kind of node to another
            each = option.default is ASK and len(here) > 1
            for target in [f"{kind}.{key}" for kind in here] if each else [key] * bool(here):
                given = [options[target]] if name == dialect and target in options else []
                words[target] = dict.fromkeys([*given, *option.tried])
        if name == "snntorch":  # if the membranes of a last layer were recorded, it has no reset
            for node in graph.of_kind(*table.options["reset_mechanism"].kinds):
                if all(graph.nodes[after].kind == "Output" for after in graph.after[node.name]):
                    words[f"{node.name}.reset_mechanism"] = {None: None, "none": None}
        for step in (dt,) if table.counts else dict.fromkeys((dt, *STEPS)):
            for chosen in product(*words.values()):
                said = {key: value for key, value in zip(words, chosen, strict=True) if value is not None}
                yield SearchResult(name, step, said)


def fitting_dialects(path: str | os.PathLike) -> list[str]:
    """The dialects that a file can be in: with some option and step, nothing in it contradicts them."""
    found: list[str] = []
    for trial in islice(other_readings(read_graph(path), "", None, {}), MOST):
        if trial.dialect in found:
            continue
        try:
            import_nir(path, trial.dialect, trial.dt, trial.options)
        except SnnControlError:
            continue
        found.append(trial.dialect)
    return found


def search_dialects(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], dialect: str, dt: float | None,
    options: Mapping[str, Any], most: int = MOST,
) -> tuple[list[SearchResult], str]:  # fmt: skip
    """The readings of a file that reproduce an activity exactly, and how many of how many were tried.

    dialect, dt, options : the reading that differed
    arrays : as `snn_control.nir.verification.load_activity` returns them
    """
    trials = list(islice(other_readings(read_graph(path), dialect, dt, options), most + 1))
    found: list[SearchResult] = []
    for trial in trials[:most]:
        if any((other.dialect, other.options) == (trial.dialect, trial.options) for other in found):
            continue  # only the step differs
        try:
            verdict = verify(import_nir(path, trial.dialect, trial.dt, trial.options), arrays, whole=False)
            if verdict.identical:
                found.append(trial)
        except SnnControlError:  # the dialect's exporter cannot have written the file
            continue
    return found, f"{len(trials)} of {len(trials)}" if len(trials) <= most else f"{most} of more than {most}"
