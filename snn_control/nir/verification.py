"""Compare an imported network, step by step, with activity that was recorded in the original framework.

The module can also search for the dialects and options that reproduce the recorded activity.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

import numpy as np

from ..coding import MembraneDecoder, Output, SpikeDecoder
from ..engine.bound import Bound
from ..engine.build import build
from ..engine.spike_ring import SpikeRing
from ..errors import NO_VALUE, DescriptionError, SnnControlError
from ..files import Arrays, reason
from .dialects import DIALECTS
from .graph import Graph
from .importing import Imported, import_graph
from .options import ASK
from .reading import read_graph
from .wrapping import value_inputs

__all__ = [
    "Difference", "SearchResult", "Verdict", "fitting_dialects", "load_activity", "other_readings", "run",
    "search_dialects", "verify",
]  # fmt: skip

MAX_READINGS = 200  # limit of readings to try; a framework's file has about 30, and most fail at their first spikes
STEPS = (1e-3, 1e-4)  # s: defaults of the frameworks
TOLERANCE = 1e-6  # of graded values; spikes must agree exactly


@dataclass(frozen=True)
class Difference:
    """The first difference between recorded and actual activity.

    step : index of the step, from 0
    expected : number of spikes, or graded value, of the neuron in the recording
    got : number of spikes, or graded value, of the neuron in the imported network
    """

    step: int
    population: str
    neuron: int
    expected: float
    got: float


@dataclass(frozen=True)
class Verdict:
    """Result of comparing an imported network with a recording.

    steps : number of compared steps
    first : the first difference; None if there is none
    wrong : number of values that differ
    compared : total number of compared values
    """

    steps: int
    first: Difference | None
    wrong: int
    compared: int

    @property
    def identical(self) -> bool:
        return self.first is None


def load_activity(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Load a recorded activity, the arrays ``input``, ``hidden`` and ``output`` (see `verify`), from an .npz file.

    Raises DescriptionError.
    """
    try:
        with Arrays(path) as file:
            found = {key: file[key] for key in ("input", "hidden", "output") if key in file}
            names = list(file)
    except (OSError, ValueError) as error:
        raise DescriptionError(str(path), NO_VALUE, f"cannot be read as arrays: {reason(error)}") from None
    if "input" not in found or len(found) < 2:
        raise DescriptionError(str(path), names, "must hold the arrays input, and hidden or output or both")
    for key, array in found.items():
        if array.ndim < 2 or array.dtype.kind not in "fiub" or not len(array):
            rule = "must be numbers of shape (steps, n), one row for each step"
            raise DescriptionError(f"{path}#{key}", f"shape {array.shape}, dtype {array.dtype}", rule)
        wrong = ~(np.abs(array.astype(np.float64)) <= np.finfo(np.float32).max)
        if wrong.any():  # the network would reject it, and keep its last input
            where = tuple(int(k) for k in np.argwhere(wrong)[0])
            rule = "must be finite numbers of float32"
            raise DescriptionError(f"{path}#{key}{list(where)}", float(array[where]), rule)
    return found


def _activity(bound: Bound, population: str) -> Callable[[], np.ndarray]:
    """Return a function that reads the activity in the last step, (n,) float32: spike counts or graded values."""
    facts = next(p for p in bound.program.facts.populations if p.name == population)
    if not facts.spiking:
        return bound.array(f"{population}.v").copy
    ring, clock = SpikeRing(bound, facts), bound.array("clock")

    def spikes() -> np.ndarray:
        times = np.zeros(facts.size, np.float32)
        end = int(clock[1])
        _, neurons, multiplicity = ring.read(end - 1, end)
        times[neurons] = multiplicity
        return times

    return spikes


def _unread(imported: Imported) -> list[Output]:
    """Return a dummy output, because a controller needs one.

    The comparison reads activity from the state, and does not use the output.
    """
    last = imported.network.populations[-1]
    term = MembraneDecoder(last.name, 0.0) if last.neuron.graded else SpikeDecoder(last.name, 0.0, imported.dt)
    return [Output("unread", (term,))]


def _forms(shape: tuple[int, ...], steps: int | str) -> str:
    """Return a text, for errors, that lists the allowed shapes of recorded activity for a signal of ``shape``."""
    forms = dict.fromkeys([(int(np.prod(shape)),), shape])
    return " or ".join(f"({steps}, {', '.join(map(str, form))})" for form in forms)


def _rows(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Reshape recorded activity to (steps, n). Return None if its shape is not allowed.

    Allowed shapes are (steps, n) and (steps, *shape), also with a batch axis of length 1 after the steps.
    """
    n = int(np.prod(shape))
    if array.shape[1:] in ((n,), shape, (1, n), (1, *shape)):
        return array.reshape(len(array), n)
    return None


def _the_input(imported: Imported, inputs: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the name of the network's only input, and the recorded values of this input, (steps, n).

    Raises DescriptionError.
    """
    if len(imported.inputs) != 1:
        raise DescriptionError("inputs", list(imported.inputs), "must be one, for an activity with one input")
    name, size = next(iter(imported.inputs.items()))
    rows = _rows(inputs, imported.shapes[name])
    if rows is None:
        fix = f"it must be {_forms(imported.shapes[name], 'steps')}, or so with a batch of one"
        if inputs.shape == (size, inputs.shape[-1]):
            fix = "transposed?"
        elif inputs.shape[0] == 1:
            fix += "; batch first? take array[0]"
        raise DescriptionError("input", inputs.shape, f"the network takes {size} numbers per step as '{name}'", fix)
    return name, rows


def _compared(imported: Imported, arrays: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray, float]]:
    """Check the recorded arrays. Return the list of comparisons, each (population, expected activity, tolerance).

    An expected activity is a (steps, n) float64 array.
    """
    _, given = _the_input(imported, arrays["input"])
    names = {"hidden": imported.hidden} if "hidden" in arrays else {}
    if "output" in arrays:
        if len(imported.outputs) != 1:
            raise DescriptionError("outputs", list(imported.outputs), "must be one, to compare it")
        names["output"] = next(iter(imported.outputs.values()))
    populations, steps, found = {p.name: p for p in imported.network.populations}, len(given), []
    for key, name in names.items():
        if name not in populations:
            raise DescriptionError(key, arrays[key].shape, "the network has no neurons to compare it with")
        rows = _rows(arrays[key], imported.shapes[name])
        if rows is None or len(rows) != steps:
            forms = _forms(imported.shapes[name], steps)
            rule = f"must be {forms}: the steps of input, and the neurons of '{name}'"
            raise DescriptionError(key, arrays[key].shape, rule)
        found.append((name, rows.astype(np.float64), TOLERANCE if populations[name].neuron.graded else 0.0))
    return found


def run(imported: Imported, inputs: np.ndarray, populations: Sequence[str]) -> Iterator[list[np.ndarray]]:
    """Run the network on an input, (steps, n). Yield the activities of the populations after each step, (n,) each."""
    name, rows = _the_input(imported, inputs)
    program = build(imported.network, value_inputs(imported), _unread(imported), dt=imported.dt, period=imported.dt)
    bound = Bound(program)
    step, activities = bound.stepper(name), [_activity(bound, population) for population in populations]
    for row in np.ascontiguousarray(rows, np.float64):
        step(row)
        yield [activity() for activity in activities]


def verify(imported: Imported, arrays: Mapping[str, np.ndarray], whole: bool = True) -> Verdict:
    """Run a network on recorded input, and compare its activity with the recorded activity.

    The recorded arrays are ``input``, ``hidden`` (activity of the first population of neurons) and ``output``; either
    ``hidden`` or ``output`` may be missing.

    arrays : the recorded arrays, (steps, n) or (steps, *shape) with the shape in `Imported.shapes`; a batch axis of
        length 1 after the steps is allowed
    whole : whether to compare all steps; otherwise the comparison ends at the first difference

    Raises DescriptionError if shapes do not fit.
    """
    compared = _compared(imported, arrays)
    first: Difference | None = None
    step = wrong = 0
    for step, activity in enumerate(run(imported, arrays["input"], [name for name, _, _ in compared])):
        for (name, expected, tolerance), got in zip(compared, activity, strict=True):
            with np.errstate(invalid="ignore"):
                far = np.flatnonzero(~(np.abs(expected[step] - got) <= tolerance))
            wrong += far.size
            if far.size and first is None:
                neuron = int(far[0])
                first = Difference(step, name, neuron, float(expected[step, neuron]), float(got[neuron]))
        if first and not whole:
            break
    return Verdict(step + 1, first, wrong, sum(expected.size for _, expected, _ in compared))


# a search for the dialects and options with which a file reproduces the activity of the original -------------------
@dataclass(frozen=True)
class SearchResult:
    """A combination of dialect and options with which a file can be read, as arguments of `import_nir`."""

    dialect: str
    dt: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the combination as options of the command line."""
        options = "".join(f" --option {key}={value}" for key, value in self.options.items())
        return f"--dialect {self.dialect}" + (f" --dt {self.dt:g}" if self.dt else "") + options


def other_readings(graph: Graph, dialect: str, dt: float | None, options: Mapping[str, Any]) -> Iterator[SearchResult]:
    """Yield all combinations of dialects and options that affect the nodes of a file, beginning with ``dialect``."""
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
        if name == "snntorch":  # a last layer whose membranes were recorded has no reset
            for node in graph.of_kind(*table.options["reset_mechanism"].kinds):
                if all(graph.nodes[after].kind == "Output" for after in graph.after[node.name]):
                    words[f"{node.name}.reset_mechanism"] = {None: None, "none": None}
        for step in (dt,) if table.counts else dict.fromkeys((dt, *STEPS)):
            for chosen in product(*words.values()):
                said = {key: value for key, value in zip(words, chosen, strict=True) if value is not None}
                yield SearchResult(name, step, said)


def fitting_dialects(path: str | os.PathLike) -> list[str]:
    """Return the dialects in which a file can be read without error, for some combination of options and step."""
    found: list[str] = []
    graph = read_graph(path)
    for trial in islice(other_readings(graph, "", None, {}), MAX_READINGS):
        if trial.dialect in found:
            continue
        try:
            import_graph(copy.deepcopy(graph), trial.dialect, trial.dt, trial.options)
        except SnnControlError:
            continue
        found.append(trial.dialect)
    return found


def search_dialects(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], dialect: str, dt: float | None,
    options: Mapping[str, Any], most: int = MAX_READINGS,
) -> tuple[list[SearchResult], str]:  # fmt: skip
    """Search for the dialects and options with which a file reproduces a recorded activity exactly.

    Return the combinations that reproduce it, and a text with the number of tried combinations, e.g. "30 of 30".

    dialect, dt, options : arguments of `import_nir` that did not reproduce the activity
    arrays : the arrays that `snn_control.nir.verification.load_activity` returns
    most : maximum number of combinations to try
    """
    graph = read_graph(path)
    trials = list(islice(other_readings(graph, dialect, dt, options), most + 1))
    found: list[SearchResult] = []
    for trial in trials[:most]:
        if any((other.dialect, other.options) == (trial.dialect, trial.options) for other in found):
            continue  # differs only in the step
        try:
            imported = import_graph(copy.deepcopy(graph), trial.dialect, trial.dt, trial.options)
            if verify(imported, arrays, whole=False).identical:
                found.append(trial)
        except SnnControlError:  # this dialect's exporter did not write the file
            continue
    return found, f"{len(trials)} of {len(trials)}" if len(trials) <= most else f"{most} of more than {most}"
