"""Decisions during a training run: when the task is learned, how much spikes cost, when to stop, which values to keep.

The price of spikes can hide a reward that is rare or noisy. A learner with `Learner.learns_first` therefore pays none
until the task is learned. After that the price rises in each phase whose score is good enough, and falls otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Candidate", "Course"]

PATIENCE, PART = 5, 4  # the score has converged after PATIENCE phases, and 1 / PART of all, without improvement
STEADY = 3  # the task is learned when so many phases in a row reach the environment's threshold
LATE = 0.65  # fraction of all phases after which spikes cost in any case
PRICED = 10  # smallest number of phases in which spikes cost
SLOW = 0.15  # share of the learning rate in these phases
FIRST, LEAST = 0.3, 0.1  # factor of the price in the first of these phases, and its lower limit
FACTOR = 2.0  # by which it rises or falls in each phase
NEAR = 0.05  # a score is good enough if it is below the best by at most this fraction of the spread of all scores
SMALL = 0.01  # fraction of the spread of all scores below which an improvement is ignored
CANDIDATES = 4  # largest number of candidates that are compared at the end
FEWER = 0.8  # another candidate is preferred if it needs at most this many times the spikes of the best
ERRORS = 0.5  # and if its score is lower by at most so many standard errors


@dataclass(frozen=True)
class Candidate:
    """Values that may be selected.

    score, spikes : mean return, and spikes in a step, in their validation
    values : by the name of the parameter
    """

    score: float
    spikes: float
    values: dict[str, np.ndarray]


class Course:
    """The state of a run after each validation, and the decisions that follow from it.

    phases : largest number of phases
    threshold : score at which the environment counts as solved; None if it names none
    learns_first : spikes have no price until the task is learned

    Attributes
    ----------
    history : a row for each phase
    candidates : the best first
    """

    def __init__(self, phases: int, threshold: float | None, learns_first: bool) -> None:
        self.phases, self.threshold, self.learns_first = phases, threshold, learns_first
        self.patience = max(PATIENCE, phases // PART)
        self.history: list[dict[str, Any]] = []
        self.candidates: list[Candidate] = []

    @property
    def price_share(self) -> float:
        """Factor of the price of spikes in the next phase."""
        if not self.learns_first:
            return 1.0
        learned = self._learned()
        if learned is None:
            return 0.0
        share, scores = FIRST, self._scores()
        for k in range(learned, len(scores)):
            share = max(LEAST, share * (FACTOR if self._good(scores[: k + 1]) else 1 / FACTOR))
        return share

    @property
    def priced(self) -> int:
        """Number of phases since the task was learned, including the next one; 0 for a learner without
        ``learns_first``."""
        learned = self._learned() if self.learns_first else None
        return 0 if learned is None else 1 + len(self.history) - learned

    def left(self, number: int) -> float:
        """Share of the initial learning rate when phase ``number`` begins. It falls linearly to 0 at the end; with
        ``learns_first`` to SLOW after LATE of the phases."""
        if self.learns_first:
            return max(SLOW, 1 - number / (LATE * self.phases))
        return 1 - number / self.phases

    @property
    def is_over(self) -> bool:
        """Whether to stop: after the last phase, or when the task is learned, spikes have cost for PRICED phases, and
        the score has converged."""
        scores = self._scores()
        if len(scores) >= self.phases:
            return True
        if self.threshold is not None and max(scores, default=-math.inf) < self.threshold:
            return False
        if self.learns_first:
            learned = self._learned()
            if learned is None or len(scores) < learned + PRICED:
                return False
        return self._converged(scores)

    def _scores(self) -> list[float]:
        return [row["score"] for row in self.history]

    def _converged(self, scores: Sequence[float]) -> bool:
        if len(scores) <= self.patience:
            return False
        before, spread = max(scores[: -self.patience]), max(scores) - min(scores)
        return spread > 0 and max(scores[-self.patience :]) <= before + SMALL * spread

    def _good(self, scores: Sequence[float]) -> bool:
        """Whether the last score reaches the threshold or is close to the best."""
        best, least = max(scores), min(scores)
        enough = best - NEAR * (best - least)
        return scores[-1] >= (enough if self.threshold is None else min(enough, self.threshold))

    def _learned(self) -> int | None:
        """Number of phases that it took to learn the task; None while it is not learned. The threshold may be reached
        in the validation or in the episodes of training."""
        scores = self._scores()
        returns = [max(row["score"], row.get("training_return", -math.inf)) for row in self.history]
        for k in range(1, len(scores) + 1):
            if self.threshold is None:
                good = self._converged(scores[:k])
            else:
                good = k >= STEADY and min(returns[k - STEADY : k]) >= self.threshold
            if good or k >= LATE * self.phases:
                return k
        return None

    def consider(self, score: float, spikes: float, values: dict[str, np.ndarray]) -> None:
        """Add a candidate unless another has a better score with as few spikes. If there are too many, the worst score
        goes; if all scores are equal, as at the maximum of a task, the one whose number of spikes is nearest to those
        of its neighbours goes, so that candidates with few and with many spikes remain."""
        kept: list[Candidate] = []
        for one in sorted([Candidate(score, spikes, values), *self.candidates], key=lambda c: (-c.score, c.spikes)):
            if not any(other.score > one.score and other.spikes <= one.spikes for other in kept):
                kept.append(one)
        while len(kept) > CANDIDATES:
            between = range(1, len(kept) - 1)
            same = kept[-1].score == kept[0].score
            kept.pop(min(between, key=lambda k: kept[k + 1].spikes / max(kept[k - 1].spikes, 1)) if same else -1)
        self.candidates = kept

    def choice(self, returns: Sequence[np.ndarray]) -> int:
        """Index of the selected candidate, given the returns of each in the same new episodes: the best one, or one
        that needs clearly fewer spikes and is as good within the error."""
        best = int(np.argmax([one.mean() for one in returns]))
        for k in sorted(range(len(returns)), key=lambda k: self.candidates[k].spikes):
            behind = returns[best] - returns[k]
            near = behind.mean() <= ERRORS * behind.std() / math.sqrt(len(behind))
            if near and self.candidates[k].spikes <= FEWER * self.candidates[best].spikes:
                return k
        return best
