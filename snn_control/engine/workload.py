"""The computational cost of a run by the metrics of NeuroBench: synaptic operations, spikes and memory.

Yik et al. 2025, Nature Communications 16:1545; see docs/howto/measuring.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .bound import Bound

__all__ = ["Counted", "counted", "stages", "workload"]


@dataclass(frozen=True)
class Counted:
    """Number of synaptic operations of one projection, linear encoder or decoder since the last reset.

    label, kind, precision : as in `CountedFacts`
    dense : number of operations, including those with a source signal or a weight of 0
    effective : number of operations whose source signal and weight are not 0
    """

    label: str
    kind: str
    precision: str
    dense: int
    effective: int


def counted(bound: Bound) -> list[Counted]:
    """Return the number of synaptic operations of each projection, encoder and decoder since the last reset.

    The list has the order of ``bound.program.facts.counted``.
    """
    ticks, steps = bound.array("clock").tolist()
    times, effective = {"tick": ticks, "step": steps}, bound.array("synaptic_operations").tolist()
    return [
        Counted(c.label, c.kind, c.precision, c.synapses * times[c.each], effective[k])
        for k, c in enumerate(bound.program.facts.counted)
    ]


def workload(bound: Bound) -> dict[str, Any]:
    """Return the algorithm metrics of NeuroBench since the last reset. One execution of the model is one network step.

    footprint : sizes [bytes]: "constants" (weights, connectivity, parameters), "state" and "io" (inputs and commands)
    connection_sparsity : fraction of the weights that are 0; a sparse projection counts as a full matrix with zeros
    activation_sparsity : mean fraction of neurons that do not fire in a step, over the neurons that fire at most once
        in a step. None if there are no such neurons, or before the first step
    synaptic_operations : mean numbers per step: "dense", "accumulates" and "multiply_accumulates"
    """
    program, steps = bound.program, int(bound.array("clock")[1])
    weights = sum(c.weights for c in program.facts.counted)
    zeros = sum(c.zeros for c in program.facts.counted)
    blocks = {"constants": program.constants.size, "state": program.initial_state.size, "io": program.io_bytes}
    return {
        "footprint": {name: int(size) for name, size in blocks.items()},
        "connection_sparsity": zeros / weights if weights else 0.0,
        "activation_sparsity": _activation_sparsity(bound, steps),
        "synaptic_operations": _operations(counted(bound), max(1, steps)),
    }


def _operations(rows: Sequence[Counted], steps: int) -> dict[str, float]:
    return {
        "dense": sum(row.dense for row in rows) / steps,
        "accumulates": sum(row.effective for row in rows if row.kind == "accumulate") / steps,
        "multiply_accumulates": sum(row.effective for row in rows if row.kind != "accumulate") / steps,
    }


def _activation_sparsity(bound: Bound, steps: int) -> float | None:
    facts = bound.program.facts
    once = {p.name: p.size for p in facts.populations if p.spiking and not p.multiplicity}
    spikes = dict(zip(facts.spiking, bound.array("spike_counts").tolist(), strict=False))
    neurons = sum(once.values())
    return 1 - sum(spikes[name] for name in once) / (neurons * steps) if neurons and steps else None


def stages(bound: Bound) -> dict[str, dict[str, Any]]:
    """Return the activity of three stages of the controller since the last reset: "encoder", "network" and "decoder".

    The encoder stage converts numbers and events to currents: the inputs, and projections from inputs without spikes.
    The result for each stage is a dict with these keys:

    neurons : number of spiking neurons
    spikes, dense, accumulates, multiply_accumulates : mean numbers of spikes and of synaptic operations per step
    most : label of the operation with the most effective synaptic operations -> its fraction of the stage's operations
    """
    facts, steps = bound.program.facts, max(1, int(bound.array("clock")[1]))
    inputs, spiking = {one.name for one in facts.inputs}, set(facts.spiking)
    firing = [p for p in facts.populations if p.spiking]
    spikes = dict(zip(facts.spiking, bound.array("spike_counts").tolist(), strict=False))

    def stage_of(label: str) -> str:
        kind, _, rest = label.partition("[")
        source = rest.partition(" -> ")[0]
        if kind == "projections":
            return "encoder" if source in inputs - spiking else "network"
        return "decoder" if kind.startswith("outputs.") else "encoder"

    found = {}
    for stage in ("encoder", "network", "decoder"):
        rows = [row for row in counted(bound) if stage_of(row.label) == stage]
        members = [p for p in firing if stage == ("encoder" if p.name in inputs else "network")]
        done = sum(row.effective for row in rows)
        most = max(rows, key=lambda row: row.effective, default=None)
        found[stage] = {
            "neurons": sum(p.size for p in members),
            "spikes": sum(spikes[p.name] for p in members) / steps,
            **_operations(rows, steps),
            "most": {most.label: most.effective / done} if most is not None and done else {},
        }
    return found
