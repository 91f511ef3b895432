"""Signs that a controller cannot learn: silent populations, outputs stuck at their limits, ranges that do not fit
the values that arrive, returns that are always the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..analysis.conduct import commands_of
from ..analysis.diagnosis import neurons_of
from ..analysis.health import Arrivals, arrived, at_limits, findings
from ..controller_file import ControllerSpec
from ..errors import counted
from .evaluation import Evaluation

__all__ = ["Watch"]

PHASES = 3  # phases after which constant returns and unused ranges are reported
USED = 0.1  # share of a range: it is seen by one of eight Gaussian fields


class Watch:
    """Inspects each validation and reports each finding once.

    threshold : return at which the environment counts as solved, or None
    said : kind and path -> the finding that was reported, also in an earlier part of a run that was resumed
    """

    def __init__(self, threshold: float | None) -> None:
        self.threshold = threshold
        self.said: dict[str, str] = {}
        self._seen: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def look(
        self, spec: ControllerSpec, found: Evaluation, history: Sequence[Mapping[str, Any]],
        not_finite: Mapping[str, int] = {},
    ) -> list[str]:  # fmt: skip
        """New findings, one line each: path, what was seen, what to do.

        found : a validation
        not_finite : `Environments.not_finite` of the phase before it
        history : one row for each phase: steps, and score and worst of its validation; the last is that of ``found``
        """
        healths = [health for one in found.arrivals.values() if (health := one.health()) is not None]
        outputs = [replace(o, rest=np.nan) for o in commands_of(spec, found.conduct)]  # also outputs that rest there
        lines = {
            "silent": list(_silent(spec, found)),
            "at a limit": findings(outputs, at_limits),
            "arrived": [
                *(line for health in healths for line in arrived(health)),
                *(
                    f"inputs.{name}: not finite in {counted(n, 'step')} of this phase of training: correct the "
                    "environment, or the sensor"
                    for name, n in not_finite.items()
                ),
            ],
            "unused": [line for one in found.arrivals.values() for line in self._unused(one, len(history))],
            "same": list(self._same(history)),
        }
        new = {}
        for kind, line in ((kind, line) for kind, some in lines.items() for line in some):
            where = re.split(r"[\[,:]", line)[0]  # report an input or output once, whichever of its numbers it is
            key = f"{kind} {where}"
            if key not in self.said:
                new[key] = f"after {history[-1]['steps']:,} steps: {line}"
        self.said |= new
        return list(new.values())

    def _unused(self, one: Arrivals, phases: int) -> Iterator[str]:
        """Numbers of an input that use little of their range, in all validations."""
        name, nan = one.spec.name, np.full(one.spec.size, np.nan)
        lowest, highest = self._seen.get(name, (nan, nan))
        lowest, highest = np.fmin(lowest, one.lowest), np.fmax(highest, one.highest)
        self._seen[name] = lowest, highest
        with np.errstate(invalid="ignore"):
            used = (highest - lowest) / (one.high - one.low)
        little = np.flatnonzero((used > 0) & (used < USED))  # a number that never changes would use little of any range
        if phases >= PHASES and little.size:
            j = little[np.argmin(used[little])]
            which = f"inputs.{name}" if one.spec.size == 1 else f"inputs.{name}[{j}]"
            more = f", as {counted(little.size - 1, 'more number')} of {name}" if little.size > 1 else ""
            yield (
                f"{which}: was within {lowest[j]:.3g} and {highest[j]:.3g}, {used[j]:.0%} of its range "
                f"[{one.low[j]:g}, {one.high[j]:g}]{more}: narrow `range` to what occurs"
            )

    def _same(self, history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """A finding if all episodes had the same return."""
        returns = [row[key] for row in history for key in ("score", "worst", "training_return") if key in row]
        if len(history) < PHASES or not np.allclose(returns, returns[0], rtol=1e-9, atol=1e-9):
            return
        if self.threshold is None or returns[0] < self.threshold:
            yield (
                f"returns: each episode of {len(history)} phases gave {returns[0]:.6g}, so there is nothing to "
                "learn from: rewards on the way (in a wrapper), a --teacher, --how evolve, or more --steps"
            )


def _silent(spec: ControllerSpec, found: Evaluation) -> Iterator[str]:
    """Populations in which no neuron fired in any episode."""
    paths = neurons_of(spec)
    for name, spikes in found.spikes_of.items():
        if not spikes.any():
            path = paths[name][0]
            fix = (
                "a larger bias, or larger weights into it" if "populations" in path else "more drive, or another range"
            )
            yield (
                f"{path}: no neuron of it fired in {counted(len(spikes), 'episode')}, so nothing that it leads to can "
                f"learn: {fix} ('snn_control check FILE --env ID' says by how much)"
            )
