"""The stages of a training run: when each stage ends, the target for the spikes, and the selection of parameter values.

1. **Score**: The score of a phase is the mean return of its validation (with ``ppo``, of its training episodes),
   averaged over three phases.
2. **Learning** ends when the best score and the best validation have reached the environment's threshold, and no new
   best score has appeared for the learner's ``patience``. If the environment has no threshold, the best validation must
   instead be three standard errors above the score of random actions; if its episodes are also long, the patience is
   five times as long, because standing still may be better than random actions, and the score does not tell whether
   more can be learned.
3. **Reducing spikes**: After ``ppo`` or ``sac``, the controller imitates itself with fewer spikes. The target for the
   number of spikes falls by a fifth from phase to phase, down to a twelfth of the spikes after learning. It stays after
   a phase whose score is clearly lower than after learning: by more than two standard errors of the difference, and by
   more than 1 % of the distance to the score of random actions. The other phases give the candidates. The stage ends
   after six of these phases with about a tenth of the spikes, or after twenty phases at the latest.
4. **Selection**: The four best candidates play the same new episodes. The candidate with the fewest spikes is
   selected from those whose score is as good as the best: lower by at most two standard errors of the best score, or by
   at most 1 % as in rule 3. After the reduction of spikes, the four candidates with the fewest spikes are compared with
   the learned one; if none of them is selected, the next four are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..environments.evaluation import standard_error

__all__ = ["Candidate", "GainSearch", "Learning", "SpikeReduction", "Stage", "select"]

RECENT = 3  # phases whose scores are averaged, because a single validation of ten episodes may be luck
ERRORS = 2.0  # standard errors; a larger difference is luck once in twenty times
CLEARLY = 3.0  # standard errors above random actions; luck puts the best of many validations one or two above
LONG_PATIENCE = 5  # factor of the patience in long episodes of an environment without a threshold
ANNEALING = 6  # phases after the task is learned, in which learning rate and temperature of sampled choices fall
REDUCTION = 20  # largest number of phases in which spikes are reduced
FALL = 0.8  # factor of the target for the spikes from phase to phase; with larger steps the score would be lost
GOAL = 12  # the goal is this many times fewer spikes than learned: with SIMILAR, about a tenth
AT_GOAL = 6  # phases at the goal, so that the score recovers and there are candidates to compare
CANDIDATES = 4  # number of candidates compared at the end of a stage; each costs 40 or 100 episodes
FAIR = 0.9  # share of the best score, counted from random actions, that a target for the spikes may leave
SLIGHT = 0.01  # differences below this share of what was learned above random actions do not count
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


def select(returns: Sequence[np.ndarray], spikes: Sequence[float], chance: float) -> int:
    """Select a candidate by rule 4 of this module: few spikes, and a score close to the best. Return its index.

    If several accepted candidates have nearly the fewest spikes, the candidate with the highest score is selected.

    returns : returns of each candidate, all from the same episodes
    spikes : spikes per step of each candidate
    chance : score of random actions
    """
    score = [float(one.mean()) for one in returns]
    best = returns[int(np.argmax(score))]
    least = max(score) - max(ERRORS * standard_error(best), SLIGHT * (max(score) - chance))
    good = [k for k, one in enumerate(score) if one >= least]
    fewest = min(spikes[k] for k in good)
    return max((k for k in good if spikes[k] <= SIMILAR * fewest), key=lambda k: score[k])


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
    def groups(self) -> list[list[Candidate]]:
        """The candidates to compare. The next group is compared only if this group's last candidate is selected."""
        return [self.candidates]

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
        least RECENT phases
    anneals : whether learning ends with ANNEALING phases, to which the patience does not apply. These phases begin once
        the task is learned; if it is not learned, they are the last phases. During them the learning rate falls to 0,
        and sampled actions approach the actions of the controller
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
        """Return whether the last ``patience`` phases brought no clearly better score than the phases before them."""
        n, means = self.patience, self._means(rows)
        if len(means) <= n:
            return False
        best = max(means[:-n])
        return all(mean <= best + ERRORS * row["error"] for mean, row in zip(means[-n:], rows[-n:], strict=True))

    def _learned(self, rows: Sequence[dict[str, Any]]) -> bool:
        return self._solved(rows) and (self.threshold is not None or self._settled(rows))


class SpikeReduction(Stage):
    """The stage in which a controller that has learned its task imitates itself with fewer spikes.

    When the target for the spikes falls, the score may fall. While the target then stays constant, the score recovers.

    learned : the candidate with which the stage begins; it remains the last element of the list of candidates
    chance : score of random actions
    """

    name, key = "reducing spikes", "saves"

    def __init__(self, learned: Candidate, chance: float, phases: int = REDUCTION) -> None:
        super().__init__(phases)
        self.candidates = [learned]
        self.few = SIMILAR * learned.spikes / GOAL
        self.slight = SLIGHT * (learned.score - chance)

    @property
    def spike_target(self) -> float:  # type: ignore[override]
        kept = sum(self._keeps_the_score(row["score"], row["error"]) for row in self.history)
        return max(1 / GOAL, FALL ** (1 + kept))

    @property
    def has_ended(self) -> bool:
        return super().has_ended or self._phases_at_goal >= AT_GOAL

    def _keeps_the_score(self, score: float, error: float) -> bool:
        learned = self.candidates[-1]
        return score >= learned.score - max(ERRORS * math.hypot(learned.error, error), self.slight)

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

    @property
    def groups(self) -> list[list[Candidate]]:
        *others, learned = self.candidates
        firsts = range(0, max(1, len(others)), CANDIDATES)
        return [[*others[k : k + CANDIDATES], learned] for k in firsts]


class GainSearch(Stage):
    """The stage that searches for better gains of the best candidate, by an evolution strategy.

    candidates : the candidates of the previous stage, followed by the newest mean of the search distribution
    """

    name, key = "adjusting gains", "adjusts"

    def __init__(self, before: Stage, generations: int) -> None:
        super().__init__(generations)
        self.before, self.candidates = before, list(before.candidates)

    @property
    def best(self) -> Candidate | None:
        """The newest mean of the search, or the best candidate of the previous stage if this has a higher score."""
        new = self.candidates[len(self.before.candidates) :]
        return max((one for one in (self.before.best, *new) if one), key=lambda one: one.score, default=None)

    @property
    def groups(self) -> list[list[Candidate]]:
        first, *others = self.before.groups
        return [[*self.candidates[len(self.before.candidates) :], *first], *others]

    def consider(self, new: Candidate) -> None:
        """Replace the mean of the search by the newest one, even if its score in the validation is lower.

        The search itself plays many more episodes than a validation, so its judgement is more reliable.
        """
        self.candidates = [*self.before.candidates, new]
