"""Does an imported network do what the original did? Step by step, spike by spike."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..coding import MembraneDecoder, Output, SpikeDecoder
from ..engine.bound import Bound
from ..engine.build import build
from ..engine.kernels.spikes import HEADER
from ..errors import DescriptionError
from .importing import Imported

__all__ = ["Difference", "Verdict", "activity", "compare", "load_activity", "run", "verify"]

TOLERANCE = 1e-6  # of graded values; spikes must agree exactly


@dataclass(frozen=True)
class Difference:
    """Where two runs part: neuron ``neuron`` of ``population`` in step ``step``, counted from 0."""

    step: int
    population: str
    neuron: int
    expected: float
    got: float


@dataclass(frozen=True)
class Verdict:
    """steps : how many were compared; first : the first difference, or None; wrong, compared : numbers"""

    steps: int
    first: Difference | None
    wrong: int
    compared: int

    @property
    def identical(self) -> bool:
        return self.first is None


def load_activity(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """``input``, ``hidden``, ``output`` of an .npz file, each (steps, n); raises DescriptionError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in ("input", "hidden", "output") if key in file.files}
            names = file.files
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DescriptionError(str(path), None, f"cannot be read as arrays: {reason}") from None
    if "input" not in found or len(found) < 2:
        fix = "input, and hidden or output or both"
        raise DescriptionError(str(path), names, "must hold the arrays input and hidden or output", fix)
    for key, array in found.items():
        if array.ndim != 2 or array.dtype.kind not in "fiub" or len(array) != len(found["input"]) or not len(array):
            rule = f"must be numbers of shape (steps, n), with {len(found['input'])} steps as input has"
            raise DescriptionError(f"{path}#{key}", f"shape {array.shape}, dtype {array.dtype}", rule)
    return found


def activity(bound: Bound, population: str) -> np.ndarray:
    """(n,) float32: how often each neuron of a population fired in the last step, or its graded output."""
    facts = next(p for p in bound.program.facts["populations"] if p["name"] == population)
    if not facts["spiking"]:
        return bound.array(f"{population}.v").copy()
    step = int(bound.array("clock")[1]) - 1
    slot = bound.array(f"{population}.spikes")[step % facts["slots"] * facts["stride"] :][: facts["stride"]]
    count, times = int(slot[:8].view(np.int64)[0]), np.zeros(facts["size"], np.float32)
    many = slot[facts["many"] :].view(np.uint16)[:count] if facts["many"] else 1
    times[slot[HEADER : HEADER + 4 * count].view(np.uint32)] = many
    return times


def _unread(imported: Imported) -> list[Output]:
    """A build needs an output; what is compared is looked up in the state."""
    last = imported.network.populations[-1]
    term = MembraneDecoder(last.name, 0.0) if last.neuron.graded else SpikeDecoder(last.name, 0.0, imported.dt)
    return [Output("unread", (term,))]


def run(imported: Imported, inputs: np.ndarray, populations: Sequence[str]) -> Iterator[list[np.ndarray]]:
    """Step the network of one input on (steps, n) values; the activity of the populations after each step."""
    if len(imported.inputs) != 1:
        raise DescriptionError("inputs", list(imported.inputs), "must be one, for an activity with one input")
    name, size = next(iter(imported.inputs.items()))
    if inputs.shape[1] != size:
        rule = f"must be (steps, {size}): '{name}' takes {size} numbers"
        raise DescriptionError("input", f"shape {inputs.shape}", rule)
    program = build(imported.network, imported.value_inputs(), _unread(imported), dt=imported.dt, period=imported.dt)
    bound = Bound(program)
    step = bound.stepper(name)
    for row in np.ascontiguousarray(inputs, np.float64):
        step(row)
        yield [activity(bound, population) for population in populations]


def verify(imported: Imported, arrays: dict[str, np.ndarray]) -> Verdict:
    """Run on ``input`` and compare ``hidden`` (the first population of neurons) and ``output``, which may be missing.

    Raises DescriptionError where sizes do not fit.
    """
    shown = [("hidden", imported.hidden)] if "hidden" in arrays else []
    if "output" in arrays:
        if len(imported.outputs) != 1:
            raise DescriptionError("outputs", list(imported.outputs), "must be one, to compare it")
        shown.append(("output", next(iter(imported.outputs.values()))))
    populations = {p.name: p for p in imported.network.populations}
    for key, name in shown:
        size = populations[name].size if name in populations else "none"
        if arrays[key].shape[1] != size:
            raise DescriptionError(
                key, f"shape {arrays[key].shape}", f"must be (steps, {size}), the neurons of '{name}'"
            )
    steps = list(run(imported, arrays["input"], [name for _, name in shown]))
    pairs = []
    for k, (key, name) in enumerate(shown):
        tolerance = TOLERANCE if populations[name].neuron.graded else 0.0
        pairs.append((name, arrays[key], np.stack([step[k] for step in steps]), tolerance))
    return compare(pairs)


def compare(pairs: Sequence[tuple[str, np.ndarray, np.ndarray, float]]) -> Verdict:
    """Element by element: population, what was expected, what came, and how far they may be apart. The first
    difference is the earliest one, and in one step that of the pair that stands first."""
    first: Difference | None = None
    wrong = compared = 0
    for name, expected, got, tolerance in pairs:
        with np.errstate(invalid="ignore"):
            bad = np.argwhere(~(np.abs(expected.astype(np.float64) - got) <= tolerance))
        wrong, compared = wrong + len(bad), compared + expected.size
        if len(bad) and (first is None or bad[0][0] < first.step):
            step, neuron = (int(n) for n in bad[0])
            first = Difference(step, name, neuron, float(expected[step, neuron]), float(got[step, neuron]))
    return Verdict(len(pairs[0][1]), first, wrong, compared)
