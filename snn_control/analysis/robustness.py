"""Robustness of a controller: its score as a function of each perturbation of its environment.

The score is the mean return of an actor, the controller or a baseline. The *share* of a score relates it to the actor's
score in the unperturbed environment, for which the share is 1. If this unperturbed score is negative, it is a cost, and
the share is the unperturbed cost divided by the cost: a half if the cost doubles. Otherwise the share is linear in the
score, and 0 for the score of random actions in the unperturbed environment.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["GRID", "HALF", "NEUTRAL", "UNITS", "Robustness", "Sweep"]

HALF = 0.5
SMALL = (0.01, 0.02, 0.05, 0.1, 0.2)
STEPS = (1, 2, 4, 8, 16)
FACTORS = (0.5, 0.8, 0.9, 1.1, 1.2, 1.5, 2.0)
#: name of a perturbation -> values that are tried, each alone
GRID: dict[str, tuple[float, ...]] = {
    "observation_delay": STEPS, "action_delay": STEPS, "observation_noise": SMALL, "bias": SMALL,
    "dropout": (0.1, 0.3, 0.5, 0.7, 0.9), "freeze": (2, 5, 10, 20, 50), "action_gain": FACTORS, "action_noise": SMALL,
    "rate": (0.1, 0.2, 0.33, 0.5, 0.75), "mass": FACTORS, "friction": (0.2, 0.5, 2.0, 5.0),
    "motor_strength": FACTORS, "push": (0.1, 0.2, 0.5, 1.0, 2.0),
}  # fmt: skip
#: value that changes nothing; 0 for all others
NEUTRAL = dict.fromkeys(("action_gain", "rate", "mass", "friction", "motor_strength"), 1.0)
UNITS = {
    "observation_delay": "steps", "action_delay": "steps", "observation_noise": "of the range", "bias": "of the range",
    "dropout": "probability", "freeze": "steps", "action_gain": "factor", "action_noise": "of the range",
    "rate": "of the rate", "mass": "factor", "friction": "factor", "motor_strength": "factor", "push": "1/s",
}  # fmt: skip


@dataclass(frozen=True)
class Sweep:
    """Scores for several values of one perturbation.

    name : name of the perturbation
    values : values of the perturbation, ascending
    scores : actor -> mean return for each value
    """

    name: str
    values: Sequence[float]
    scores: Mapping[str, Sequence[float]]

    @property
    def neutral(self) -> float:
        return NEUTRAL.get(self.name, 0.0)


@dataclass(frozen=True)
class Robustness:
    """Scores of a controller and of the environment's baselines for all perturbations.

    title : names of controller and environment
    episodes : number of episodes for each score
    chance : mean return of random actions in the unperturbed environment
    nominal : actor -> mean return in the unperturbed environment; the controller is first
    """

    title: str
    episodes: int
    chance: float
    nominal: Mapping[str, float]
    sweeps: Sequence[Sweep]

    def shares(self, sweep: Sweep, actor: str) -> list[float] | None:
        """Return the share of an actor's score for each value; None if the actor is not better than chance."""
        nominal, chance, scores = self.nominal[actor], self.chance, sweep.scores[actor]
        if nominal <= chance:
            return None
        if nominal < 0:
            return [nominal / score if score < 0 else math.inf for score in scores]
        return [(score - chance) / (nominal - chance) for score in scores]

    def below_half(self, sweep: Sweep, actor: str) -> tuple[float | None, float | None]:
        """Return the values, below and above the neutral value, at which an actor's share falls below a half.

        The values are interpolated linearly between the tried ones. A value is None if the share stays above a half.
        """
        shares = self.shares(sweep, actor)
        if shares is None:
            return None, None
        points = [*zip(sweep.values, shares, strict=True)]
        low = [(value, share) for value, share in reversed(points) if value < sweep.neutral]
        high = [(value, share) for value, share in points if value > sweep.neutral]
        start = sweep.neutral, 1.0
        return _crossing([start, *low]), _crossing([start, *high])

    def as_json(self) -> dict[str, Any]:
        def of(sweep: Sweep, actor: str) -> dict[str, Any]:
            below, above = self.below_half(sweep, actor)
            return {
                "return": list(sweep.scores[actor]), "share": self.shares(sweep, actor),
                "falls_below_half": {"below": below, "above": above},
            }  # fmt: skip

        return {
            "episodes": self.episodes, "chance": self.chance, "nominal": dict(self.nominal),
            "perturbations": {
                one.name: {"unit": UNITS[one.name], "values": list(one.values)}
                | {"actors": {actor: of(one, actor) for actor in self.nominal}}
                for one in self.sweeps
            },
        }  # fmt: skip


def _crossing(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the first value at which the piecewise linear curve through points (value, share) falls below a half."""
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y1 < HALF:
            return x0 + (x1 - x0) * (y0 - HALF) / (y0 - y1)
    return None
