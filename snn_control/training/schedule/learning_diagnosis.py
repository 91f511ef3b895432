"""Find the reasons why a controller does not learn, during its training.

Such reasons are silent populations, outputs that stay at their limits, inputs whose values do not fit their ranges, and
episodes that all have the same return.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...analysis.diagnosis import neurons_of
from ...analysis.episode_statistics import commands_of
from ...analysis.health import InputStatistics, at_limits, findings, input_findings
from ...controller_file import ControllerSpec
from ...errors import counted
from ...findings import Finding, warning
from ..environments.evaluation import Evaluation

__all__ = ["LearningDiagnosis"]

PHASES = 3  # phases after which constant returns and unused ranges are reported
USED = 0.1  # share of a range; a number that uses less is seen by only one of eight Gaussian fields


class LearningDiagnosis:
    """Examines each validation of a training run for reasons that prevent learning. Each finding is reported once.

    threshold : return at which the environment counts as solved; None if the environment names none
    widened : names of the inputs whose ranges training widens; values outside are no reason to report
    reported : kind and path -> finding, including the findings from before a run was resumed
    """

    def __init__(self, threshold: float | None, widened: Collection[str] = ()) -> None:
        self.threshold, self.widened = threshold, widened
        self.reported: dict[str, Finding] = {}
        self._seen: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def new_findings(
        self, spec: ControllerSpec, found: Evaluation, history: Sequence[Mapping[str, Any]],
        not_finite: Mapping[str, int] = {},
    ) -> list[Finding]:  # fmt: skip
        """Return the new findings about a validation.

        found : results of the validation
        not_finite : `VectorEnv.not_finite` of the phase before this validation
        history : one row for each phase; ``found`` belongs to the last row. A row contains the steps of its phase, and
            the score and the worst return of its validation
        """
        healths = [
            replace(health, clamped=0.0) if name in self.widened else health
            for name, one in found.arrivals.items()
            if (health := one.health()) is not None
        ]
        outputs = [replace(o, rest=np.nan) for o in commands_of(spec, found.statistics)]  # also those at rest
        by_kind = {
            "silent": list(_silent(spec, found)),
            "at a limit": findings(outputs, at_limits),
            "arrived": [
                *(one for health in healths for one in input_findings(health)),
                *(
                    warning(
                        f"inputs.{name}",
                        f"not finite in {counted(n, 'step')} of this phase of training",
                        "correct the environment, or the sensor",
                    )
                    for name, n in not_finite.items()
                ),
            ],
            "unused": [two for one in found.arrivals.values() for two in self._unused(one, len(history))],
            "same": list(self._same(history)),
        }
        after, new = f" (after {counted(history[-1]['steps'], 'step')})", {}
        for kind, one in ((kind, one) for kind, some in by_kind.items() for one in some):
            key = f"{kind} {one.path.partition('[')[0]}"  # once for each input or output, not for each number
            if key not in self.reported:
                new[key] = replace(one, text=one.text + after)
        self.reported |= new
        return list(new.values())

    def _unused(self, one: InputStatistics, phases: int) -> Iterator[Finding]:
        """Yield a finding if some values of an input used only a small part of their range in all validations."""
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
            text = f"was within {lowest[j]:.3g} and {highest[j]:.3g}, {used[j]:.0%} of its range "
            yield warning(which, f"{text}[{one.low[j]:g}, {one.high[j]:g}]{more}", "narrow `range` to what occurs")

    def _same(self, history: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
        """Yield a finding if all episodes had the same return."""
        returns = [row[key] for row in history for key in ("score", "worst", "training_return") if key in row]
        if len(history) < PHASES or not np.allclose(returns, returns[0], rtol=1e-9, atol=1e-9):
            return
        if self.threshold is None or returns[0] < self.threshold:
            text = f"each episode of {len(history)} phases gave {returns[0]:.6g}, so there is nothing to learn from"
            fix = "give rewards on the way (in a wrapper), a --teacher, --how evolve, or more --steps"
            yield warning("returns", text, fix)


def _silent(spec: ControllerSpec, found: Evaluation) -> Iterator[Finding]:
    """Yield a finding for each population in which no neuron fired in any episode."""
    paths = neurons_of(spec)
    for name, spikes in found.spikes_of.items():
        if not spikes.any():
            path = paths[name][0]
            fix = (
                "a larger bias, or larger weights into it" if "populations" in path else "more drive, or another range"
            )
            text = f"no neuron of it fired in {counted(len(spikes), 'episode')}, so nothing after it can learn"
            yield warning(path, text, f"{fix} ('snn_control check FILE --env ID' says by how much)")
