"""The course of a training run: when the task is learned, what spikes cost, when the run is over, what is kept.

The price of spikes hides a reward that is rare or noisy. A learner that needs it (`Learner.learns_first`) pays nothing
until the task is learned. From then on the price rises while the score holds and falls while it does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Candidate", "Course"]

PATIENCE, PART = 5, 4  # phases without a better validation, and 1 / PART of all phases, after which a score stands
STEADY = 3  # phases in a row that reach the threshold of an environment that is learned
LATE = 0.65  # of all phases: from then on spikes cost, whatever was learned
PRICED = 10  # phases, at least, in which spikes cost
SLOW = 0.15  # of the rate of learning that is left for them
FIRST, LEAST = 0.3, 0.1  # share of the price in the first of them, and the least one
FACTOR = 2.0  # by what it rises or falls from phase to phase
HOLDS = 0.05  # of the spread of all scores: how far below the best a score still holds
SMALL = 0.01  # of the spread of all scores: a smaller improvement is none
CANDIDATES = 4  # that are compared at the end
FEWER = 0.8  # times the spikes of the best, from which on another is chosen for them
ERRORS = 0.5  # standard errors by which its score may then be lower


@dataclass(frozen=True)
class Candidate:
    """Values that may be chosen.

    score, spikes : of their validation, spikes of a step
    values : by the name of the parameter
    """

    score: float
    spikes: float
    values: dict[str, np.ndarray]


class Course:
    """What the validations of the phases say.

    phases : most of them
    threshold : score at which the environment is solved, None if it does not say
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
        """What times the price of spikes the next phase pays."""
        if not self.learns_first:
            return 1.0
        learned = self._learned()
        if learned is None:
            return 0.0
        share, scores = FIRST, self._scores()
        for k in range(learned, len(scores)):
            share = max(LEAST, share * (FACTOR if self._holds(scores[: k + 1]) else 1 / FACTOR))
        return share

    @property
    def priced(self) -> int:
        """How many phases, with the next one, a learner that learns first has had since the task was learned."""
        learned = self._learned() if self.learns_first else None
        return 0 if learned is None else 1 + len(self.history) - learned

    def left(self, number: int) -> float:
        """Share of the rate of learning that is left when phase ``number`` begins: it falls evenly, to 0 at the end, or
        to what is left for the priced phases of a learner that learns first."""
        if self.learns_first:
            return max(SLOW, 1 - number / (LATE * self.phases))
        return 1 - number / self.phases

    @property
    def is_over(self) -> bool:
        """The task is learned, spikes have cost for some phases, and the validation improves no more."""
        scores = self._scores()
        if self.threshold is not None and max(scores, default=-math.inf) < self.threshold:
            return False
        if self.learns_first:
            learned = self._learned()
            if learned is None or len(scores) < learned + PRICED:
                return False
        return self._stands(scores)

    def _scores(self) -> list[float]:
        return [row["score"] for row in self.history]

    def _stands(self, scores: Sequence[float]) -> bool:
        if len(scores) <= self.patience:
            return False
        before, spread = max(scores[: -self.patience]), max(scores) - min(scores)
        return spread > 0 and max(scores[-self.patience :]) <= before + SMALL * spread

    def _holds(self, scores: Sequence[float]) -> bool:
        """Whether the last score is as good as it needs to be."""
        best, least = max(scores), min(scores)
        enough = best - HOLDS * (best - least)
        return scores[-1] >= (enough if self.threshold is None else min(enough, self.threshold))

    def _learned(self) -> int | None:
        """How many phases it took to learn the task; None while it is not learned. The threshold may be reached by the
        controller alone or by what is tried around it."""
        scores = self._scores()
        returns = [max(row["score"], row.get("training_return", -math.inf)) for row in self.history]
        for k in range(1, len(scores) + 1):
            if self.threshold is None:
                good = self._stands(scores[:k])
            else:
                good = k >= STEADY and min(returns[k - STEADY : k]) >= self.threshold
            if good or k >= LATE * self.phases:
                return k
        return None

    def consider(self, score: float, spikes: float, values: dict[str, np.ndarray]) -> None:
        """Keep values if they are among the best, unless others have a better score with as few spikes. Where all have
        the same score, as at the most that can be got, some with few spikes and some with many are kept."""
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
        """Which candidate is taken, by the returns of each in the same new episodes: the best, or one that needs
        clearly fewer spikes and is as good within the error."""
        best = int(np.argmax([one.mean() for one in returns]))
        for k in sorted(range(len(returns)), key=lambda k: self.candidates[k].spikes):
            behind = returns[best] - returns[k]
            near = behind.mean() <= ERRORS * behind.std() / math.sqrt(len(behind))
            if near and self.candidates[k].spikes <= FEWER * self.candidates[best].spikes:
                return k
        return best
