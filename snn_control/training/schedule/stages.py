"""The stages of a training run: when each stage ends, what spikes cost in it, and which values are kept.

1. The score of a phase is the mean return of its validation (with ``ppo``, of its training episodes), averaged over
   three phases.
2. Learning ends when the best score and the best validation have reached the environment's threshold, and no new best
   score has appeared for the learner's ``patience``. If the environment names no threshold, the best validation must
   instead be three standard errors above the score of random actions.
3. ``ppo`` and ``sac`` then save spikes: the controller imitates itself. From phase to phase, the price of spikes rises
   by 30 % while the score is as good as after learning, and stays while it is lower. The price falls by 30 % when the
   controller has less than a twelfth of the spikes that it had after learning. The stage ends after six phases with
   about a tenth of these spikes and a score as good as after learning, or after twenty phases at the latest.
4. A score is as good as another score if it is lower by at most two standard errors of that other score, or by at most
   1 % of the distance between the other score and the score of random actions.
5. Up to four candidates of each stage are compared in the same new episodes. A candidate is accepted if its score is
   below the best score by at most one standard error (Breiman et al. 1984, Classification and Regression Trees, section
3.4.3), or by at most the 1 % of rule 4. The accepted candidate with the fewest spikes is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Candidate", "GainSearch", "Learning", "SpikeReduction", "Stage", "select"]

RECENT = 3  # phases whose scores are averaged, because a single validation of ten episodes may be luck
ERRORS = 2.0  # standard errors; a larger difference is luck once in twenty times
CLEARLY = 3.0  # standard errors above random actions; luck puts the best of many validations one or two above
ANNEALING = 6  # phases after the task is learned, in which learning rate and temperature of sampled choices fall
REDUCTION = 20  # largest number of phases in which spikes are reduced
FIRST_PRICE = 3.0  # factor of the price of spikes in the first of these phases; the number of spikes falls at once
RISE = 1.3  # change of this factor from phase to phase; a larger change would lose the score
GOAL = 12  # the goal is this many times fewer spikes than learned: with SIMILAR, about a tenth
AT_GOAL = 6  # phases at the goal, so that the score recovers and there are candidates to compare
CANDIDATES = 4  # number of candidates compared at the end of a stage; each costs 40 or 100 episodes
FAIR = 0.9  # share of the best score, counted from random actions, that a target for the spikes may leave
SLIGHT = 0.01  # differences below this share of what was learned above random actions do not count
SIMILAR = 1.25  # numbers of spikes within this ratio count as equal, because they vary so much from phase to phase


@dataclass(frozen=True)
class Candidate:
    """Values of the trained parameters that may become the result.

    score : mean return in the validation of these values
    error : standard error of this mean return
    spikes : spikes per step in the same validation
    values : parameter -> values
    """

    score: float
    error: float
    spikes: float
    values: dict[str, np.ndarray]


def select(returns: Sequence[np.ndarray], spikes: Sequence[float], chance: float) -> int:
    """Return the index of the candidate to keep: among those whose score is close to the best, the one with the fewest
    spikes.

    Rule 5 of this module defines "close". If several candidates have nearly the fewest spikes, the one with the highest
    score is kept.

    returns : returns of each candidate, in the same episodes
    spikes : spikes per step of each candidate
    chance : score of random actions
    """
    score = [float(one.mean()) for one in returns]
    best = returns[int(np.argmax(score))]
    error = float(best.std(ddof=1)) / math.sqrt(len(best))
    good = [k for k, one in enumerate(score) if one >= max(score) - max(error, SLIGHT * (max(score) - chance))]
    fewest = min(spikes[k] for k in good)
    return max((k for k in good if spikes[k] <= SIMILAR * fewest), key=lambda k: score[k])


class Stage:
    """A stage of a training run, which decides when it ends, and keeps its best candidates.

    phases : maximum number of phases

    Attributes
    ----------
    history : a row for each phase
    candidates : candidates that are kept, the best one first
    """

    name = "learning"  # as `Phase` names it
    key = ""  # key that marks this stage's rows of the history
    annealing_phase = 0  # number of the next phase in the annealing, from 1; 0 before it
    spike_cost_factor = 1.0  # factor of the price of spikes in the next phase

    def __init__(self, phases: int) -> None:
        self.phases = phases
        self.history: list[dict[str, Any]] = []
        self.candidates: list[Candidate] = []

    @property
    def has_ended(self) -> bool:
        return len(self.history) >= self.phases

    @property
    def best(self) -> Candidate | None:
        """The candidate that is kept if the run is interrupted now."""
        return self.candidates[0] if self.candidates else None

    def progress_remaining(self, number: int) -> float:
        """Return the share of the initial learning rate at the beginning of phase ``number``."""
        return 1 - number / self.phases

    def consider(self, new: Candidate) -> None:
        """Add a candidate, and keep only the candidates with the highest scores. Among equal scores, the newest ones
        are kept."""
        self.candidates = sorted([new, *self.candidates], key=lambda one: -one.score)[:CANDIDATES]


class Learning(Stage):
    """The stage in which the task is learned.

    threshold : score at which the environment counts as solved; None if the environment names none
    patience : learning ends after this many phases (at least RECENT) without a new best score, given as a share of all
        phases
    anneals : whether learning ends with ANNEALING phases, to which the patience does not apply. They begin once the
        task is learned; if it is not learned, they are the last phases. Meanwhile the learning rate falls to 0, and
        sampled actions come close to the actions of the controller
    judged_by : which score of a history row decides, beside that of the validation, when learning ends
    confirms : whether the worst episode, too, must reach the threshold before learning ends
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
        if super().has_ended:
            return True
        if self.anneals:
            return self.annealing_phase > ANNEALING
        if not (self._solved(self.history) and self._settled(self.history)):
            return False
        return not self.confirms or self.history[-1]["worst"] >= self.threshold

    @property
    def annealing_phase(self) -> int:  # type: ignore[override]
        phases = range(1, len(self.history) + 1)
        learned = (k for k in phases if self._learned(self.history[:k]) or k >= self.phases - ANNEALING)
        first = next(learned, None) if self.anneals else None
        return 0 if first is None else 1 + len(self.history) - first

    def progress_remaining(self, number: int) -> float:
        annealed = max(0, self.annealing_phase + number - len(self.history) - 1) if self.annealing_phase else 0
        return super().progress_remaining(number) * max(0.0, 1 - annealed / ANNEALING)

    @property
    def above_chance(self) -> bool:
        """Whether the best validation is clearly better than random actions."""
        return self._above_chance(self.history)

    def _above_chance(self, rows: Sequence[dict[str, Any]]) -> bool:
        best = max(rows, key=lambda row: row["score"], default=None)
        return best is not None and best["score"] > self.chance() + CLEARLY * best["error"]

    def consider(self, new: Candidate) -> None:
        """Keep the candidates with the highest scores.

        If the learner has a target for the spikes, those that have reached it replace those that have not. Before, only
        the one with the fewest spikes is kept. A candidate counts only with a FAIR share of the best score, so that a
        target which is too low does not cost the task.
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
        """Return the mean score of every RECENT consecutive phases."""
        scores = [row.get(judged_by or self.judged_by, row["score"]) for row in rows]
        return [sum(scores[k - RECENT : k]) / RECENT for k in range(RECENT, len(scores) + 1)]

    def _solved(self, rows: Sequence[dict[str, Any]]) -> bool:
        if self.threshold is None:
            return self._above_chance(rows)
        # sampled actions may solve a task that the controller's own actions do not solve
        scores = {self.judged_by, "score"}
        return all(max(self._means(rows, one), default=-math.inf) >= self.threshold for one in scores)

    def _settled(self, rows: Sequence[dict[str, Any]]) -> bool:
        """Return whether the best score is older than the number of phases that ``patience`` allows."""
        n, means = self.patience, self._means(rows)
        if len(means) <= n:
            return False
        best = max(means[:-n])
        return all(mean <= best + ERRORS * row["error"] for mean, row in zip(means[-n:], rows[-n:], strict=True))

    def _learned(self, rows: Sequence[dict[str, Any]]) -> bool:
        return self._solved(rows) and (self.threshold is not None or self._settled(rows))


class SpikeReduction(Stage):
    """The stage in which a controller that has learned its task imitates itself with fewer spikes.

    When the price of spikes rises, the score may fall. It recovers at the same price, while the number of spikes stays
    low.

    learned : the candidate with which the stage begins; it stays in the list of candidates, as the last one
    chance : score of random actions
    """

    name, key = "saving spikes", "saves"

    def __init__(self, learned: Candidate, chance: float, phases: int = REDUCTION) -> None:
        super().__init__(phases)
        self.candidates = [learned]
        self.goal = learned.spikes / GOAL
        self.least = learned.score - max(ERRORS * learned.error, SLIGHT * (learned.score - chance))

    @property
    def spike_cost_factor(self) -> float:  # type: ignore[override]
        rises = (row["score"] >= self.least if row["spikes_a_step"] > self.goal else -1 for row in self.history)
        return FIRST_PRICE * RISE ** sum(rises)

    @property
    def has_ended(self) -> bool:
        return super().has_ended or self._phases_at_goal >= AT_GOAL

    @property
    def _phases_at_goal(self) -> int:
        few = SIMILAR * self.goal
        return sum(row["spikes_a_step"] <= few and row["score"] >= self.least for row in self.history)

    def progress_remaining(self, number: int) -> float:
        return min(super().progress_remaining(number), 1 - self._phases_at_goal / AT_GOAL)

    def consider(self, new: Candidate) -> None:
        """Keep a candidate if its score is as good as the learned one (rule 4).

        Candidates are ordered by their spikes, the fewest first. Candidates that reach the goal for spikes are ordered
        by their scores.
        """
        *others, learned = self.candidates
        if new.score >= self.least:
            least = SIMILAR * self.goal
            others = sorted([new, *others], key=lambda one: (max(one.spikes, least), -one.score))[:CANDIDATES]
        self.candidates = [*others, learned]


class GainSearch(Stage):
    """The stage in which the gains of the best candidate are searched.

    candidates : the candidates of the previous stage, followed by the newest mean of the search
    """

    name, key = "adjusting gains", "adjusts"

    def __init__(self, before: Stage, generations: int) -> None:
        super().__init__(generations)
        self.before, self.candidates = before, list(before.candidates)

    @property
    def best(self) -> Candidate | None:
        """The newest mean of the search, or the best candidate of the stage before if its score is higher."""
        new = self.candidates[len(self.before.candidates) :]
        return max((one for one in (self.before.best, *new) if one), key=lambda one: one.score, default=None)

    def consider(self, new: Candidate) -> None:
        """Replace the mean of the search by the newest one, even if its score in the validation is lower.

        The search itself plays many more episodes than a validation, so its judgement is more reliable.
        """
        self.candidates = [*self.before.candidates, new]
