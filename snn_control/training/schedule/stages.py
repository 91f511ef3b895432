"""The stages of a training run: learn, reduce spikes, search gains. They decide when a stage ends and what to compare.

1. **Learn** until the score has had no new best for a quarter of the phases, or all steps are used. The score is the
   mean return of a phase's validation (with ``ppo``, of its training episodes), averaged over three phases. The quarter
   begins at the earliest when the task counts as learned: when the score has reached the environment's threshold or,
   without a threshold, is clearly above random actions.
2. **Reduce spikes** after ``ppo`` and ``sac``: the controller imitates itself, and the target for its spikes falls by a
   fifth after each phase that keeps the score.
3. **Choose**: the candidate with the highest score in new episodes; after the reduction, the one with the fewest spikes
   that loses at most ``score_loss`` of the way from random actions to the learned score, in the same new episodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import counted

__all__ = ["Candidate", "GainSearch", "Learning", "SpikeReduction", "Stage"]

RECENT = 3  # phases whose scores are averaged, because a single validation of ten episodes may be luck
ERRORS = 2.0  # standard errors; a larger difference is luck once in twenty times
CLEARLY = 3.0  # standard errors above random actions; luck puts the best of many validations one or two above
ANNEALING = 6  # phases after the task is learned, in which learning rate and temperature of sampled choices fall
REDUCTION = 20  # largest number of phases in which spikes are reduced
FALL = 0.8  # factor of the target for the spikes from phase to phase; with larger steps the score would be lost
GOAL = 12  # the goal is this many times fewer spikes than learned: with SIMILAR, about a tenth
AT_GOAL = 6  # phases at the goal, so that the score recovers and there are candidates to compare
CANDIDATES = 4  # number of candidates compared after learning; each costs 40 episodes
FAIR = 0.9  # share of the best score, counted from random actions, that a target for the spikes may leave
SIMILAR = 1.25  # numbers of spikes within this ratio count as equal, because they vary so much from phase to phase


@dataclass(frozen=True)
class Candidate:
    """Values of the trained parameters, from among which the result of a stage is selected.

    score : mean return in the validation of these values
    error : standard error of this mean return
    spikes : spikes per step in the same validation
    values : name of a parameter -> its values
    """

    score: float
    error: float
    spikes: float
    values: dict[str, np.ndarray]


class Stage:
    """A stage of a training run. It decides when the stage ends, and stores the best candidates.

    phases : maximum number of phases

    Attributes
    ----------
    history : results, one row for each phase
    candidates : the best candidates, the best one first
    """

    name = "learning"  # as `Phase` names it
    key = ""  # key that marks this stage's rows of the history
    annealing_phase = 0  # number of the next phase in the annealing, from 1; 0 before it
    spike_target = 1.0  # target for the spikes in the next phase, as a share of the spikes before this stage

    def __init__(self, phases: int) -> None:
        self.phases = phases
        self.history: list[dict[str, Any]] = []
        self.candidates: list[Candidate] = []

    @property
    def has_ended(self) -> bool:
        return len(self.history) >= self.phases

    @property
    def best(self) -> Candidate | None:
        """The candidate that becomes the result if the run is interrupted now; None if there is no candidate."""
        return self.candidates[0] if self.candidates else None

    @property
    def why(self) -> str:
        """The reason why the stage has ended, for the console; "" if it goes on."""
        return "its steps are used" if self.has_ended else ""

    def progress_remaining(self, number: int) -> float:
        """Return the learning rate at the beginning of phase ``number``, as a fraction of the initial learning rate."""
        return 1 - number / self.phases

    def consider(self, new: Candidate) -> None:
        """Add a candidate, and keep the `CANDIDATES` candidates with the highest scores, of equal scores the newest."""
        self.candidates = sorted([new, *self.candidates], key=lambda one: -one.score)[:CANDIDATES]


class Learning(Stage):
    """The stage in which the controller learns the task.

    threshold : score at which the environment counts as solved; None if the environment has no such score
    patience : number of phases without a new best score after which learning ends, as a fraction of ``phases``; at
        least RECENT phases. They are counted from the phase in which the task is learned, or a later one
    anneals : whether learning ends with ANNEALING more phases, in which the learning rate falls to 0, and sampled
        actions approach the actions of the controller. If the task is not learned, they are the last of all phases
    judged_by : key of a second score in the history. Learning ends only if this score and the score of the validation
        have reached the threshold
    confirms : whether the worst episode must also reach the threshold before learning ends
    chance : function that returns the score of random actions
    """

    def __init__(
        self, phases: int, threshold: float | None, patience: float, anneals: bool = False, judged_by: str = "score",
        confirms: bool = False, chance: Callable[[], float] = lambda: -math.inf,
    ) -> None:  # fmt: skip
        super().__init__(phases)
        self.threshold, self.anneals, self.judged_by, self.chance = threshold, anneals, judged_by, chance
        self.confirms = confirms and threshold is not None
        self.patience = max(RECENT, int(phases * patience))

    @property
    def has_ended(self) -> bool:
        return super().has_ended or self._has_settled

    @property
    def _has_settled(self) -> bool:
        if self.anneals:
            return 0 < self._annealed_from <= len(self.history) - ANNEALING
        return self._settled(self.history) and (not self.confirms or self.history[-1]["worst"] >= self.threshold)

    @property
    def why(self) -> str:
        if not (self.has_ended and self._has_settled and self._settled(self.history)):
            return super().why
        learned = "above random actions" if self.threshold is None else f"at least {self.threshold:g}"
        return f"the score is {learned}, and no new best came in {counted(self.patience, 'phase')}"

    @property
    def _annealed_from(self) -> int:
        """Number of phases before the annealing; 0: it has not begun."""
        phases = range(1, len(self.history) + 1)
        return next((k for k in phases if self._settled(self.history[:k]) or k >= self.phases - ANNEALING), 0)

    @property
    def annealing_phase(self) -> int:  # type: ignore[override]
        first = self._annealed_from if self.anneals else 0
        return first and 1 + len(self.history) - first

    def progress_remaining(self, number: int) -> float:
        annealed = max(0, self.annealing_phase + number - len(self.history) - 1) if self.annealing_phase else 0
        return super().progress_remaining(number) * max(0.0, 1 - annealed / ANNEALING)

    @property
    def above_chance(self) -> bool:
        """Whether the best validation is better than random actions by more than `CLEARLY` standard errors."""
        return self._above_chance(self.history)

    def _above_chance(self, rows: Sequence[dict[str, Any]]) -> bool:
        best = max(rows, key=lambda row: row["score"], default=None)
        return best is not None and best["score"] > self.chance() + CLEARLY * best["error"]

    def consider(self, new: Candidate) -> None:
        """Keep the candidates with the highest scores.

        If the learner has a target for the number of spikes, candidates that reach the target replace all others. Until
        a candidate reaches the target, only the candidate with the fewest spikes is kept. Candidates below the fraction
        FAIR of the best score are dropped, so that the task is still solved if the target is too low.
        """
        if not self.history or "reached" not in self.history[-1]:
            super().consider(new)
            return
        best = max(self.history, key=lambda row: row["score"])
        fair = self.chance() + FAIR * (best["score"] - self.chance())
        least = min(fair, best["score"] - ERRORS * best["error"])
        *before, row = self.history
        others = any(row["reached"] and row["score"] >= least for row in before)
        kept = [one for one in self.candidates if one.score >= least]
        self.candidates = kept
        if new.score < least:
            return
        if row["reached"]:
            self.candidates = kept if others else []
            super().consider(new)
        elif not others:
            self.candidates = [min([*kept, new], key=lambda one: one.spikes)]

    def _means(self, rows: Sequence[dict[str, Any]], judged_by: str = "") -> list[float]:
        """Return the moving average of the scores, each over RECENT consecutive phases.

        judged_by : key of the score in the rows; "": `self.judged_by`
        """
        scores = [row.get(judged_by or self.judged_by, row["score"]) for row in rows]
        return [sum(scores[k - RECENT : k]) / RECENT for k in range(RECENT, len(scores) + 1)]

    def _solved(self, rows: Sequence[dict[str, Any]]) -> bool:
        if self.threshold is None:
            return self._above_chance(rows)
        # sampled actions may solve a task that the controller's own actions do not solve
        scores = {self.judged_by, "score"}
        return all(max(self._means(rows, one), default=-math.inf) >= self.threshold for one in scores)

    def _settled(self, rows: Sequence[dict[str, Any]]) -> bool:
        """Return whether the task was learned, and the best score set, at least ``patience`` phases ago."""
        before = len(rows) - self.patience
        if before < RECENT or not self._solved(rows[:before]):
            return False
        means = self._means(rows)
        return int(np.argmax(means)) < len(means) - self.patience


class SpikeReduction(Stage):
    """The stage in which a controller that has learned its task imitates itself with fewer spikes.

    When the target for the spikes falls, the score may fall. While the target then stays constant, the score recovers.

    learned : the candidate with which the stage begins; it remains the last element of the list of candidates
    loss : return that may be lost
    """

    name, key = "reducing spikes", "saves"

    def __init__(self, learned: Candidate, loss: float, phases: int = REDUCTION) -> None:
        super().__init__(phases)
        self.candidates = [learned]
        self.few = SIMILAR * learned.spikes / GOAL
        self.loss = loss

    @property
    def why(self) -> str:
        few = self._phases_at_goal >= AT_GOAL
        return f"a tenth of the spikes keeps the score in {counted(AT_GOAL, 'phase')}" if few else super().why

    @property
    def spike_target(self) -> float:  # type: ignore[override]
        kept = sum(self._keeps_the_score(row["score"], row["error"]) for row in self.history)
        return max(1 / GOAL, FALL ** (1 + kept))

    @property
    def has_ended(self) -> bool:
        return super().has_ended or self._phases_at_goal >= AT_GOAL

    def _keeps_the_score(self, score: float, error: float) -> bool:
        learned = self.candidates[-1]
        return score >= learned.score - max(ERRORS * math.hypot(learned.error, error), self.loss)

    @property
    def _phases_at_goal(self) -> int:
        at_goal = (row for row in self.history if row["spikes_a_step"] <= self.few)
        return sum(self._keeps_the_score(row["score"], row["error"]) for row in at_goal)

    def progress_remaining(self, number: int) -> float:
        return min(super().progress_remaining(number), 1 - self._phases_at_goal / AT_GOAL)

    def consider(self, new: Candidate) -> None:
        """Keep a candidate if its score is not clearly lower than after learning.

        Candidates are ordered by their numbers of spikes, the fewest first. Candidates that reach the goal for spikes
        come first, ordered by their scores.
        """
        *others, learned = self.candidates
        if self._keeps_the_score(new.score, new.error):
            others = sorted([new, *others], key=lambda one: (max(one.spikes, self.few), -one.score))
        self.candidates = [*others, learned]


class GainSearch(Stage):
    """The stage that searches for better gains of a candidate, by an evolution strategy.

    start : the candidate; the list of candidates holds it and the newest mean of the search
    """

    name, key = "adjusting gains", "adjusts"

    def __init__(self, start: Candidate, generations: int) -> None:
        super().__init__(generations)
        self.candidates = [start]

    @property
    def best(self) -> Candidate:
        return max(self.candidates, key=lambda one: one.score)

    def consider(self, new: Candidate) -> None:
        """Replace the mean of the search by the newest one, even if its score in the validation is lower.

        The search itself plays many more episodes than a validation, so its judgement is more reliable.
        """
        self.candidates = [self.candidates[0], new]
