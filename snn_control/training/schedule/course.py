"""Decisions during a training run: when the task is learned, when to stop, what spikes cost, which values to keep.

A price of spikes can hide a reward that is rare or noisy. Reinforcement learning therefore pays none; it is followed by
`SpikeReduction`, in which the controller imitates itself with fewer and fewer spikes. What some episodes still
miss may be a matter of a few gains: `GainSearch`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Candidate", "GainSearch", "Learning", "Schedule", "SpikeReduction"]

PATIENCE = 3  # smallest number of phases without improvement after which the score has converged
STEADY = 3  # the task is learned when so many phases in a row reach the environment's threshold
LATE = 0.65  # fraction of all phases after which a learner that cools does so in any case
COOLING = 6  # number of phases that it takes
SLOW = 0.15  # share of the learning rate in these phases
SAME = 8  # phases in a row in which every episode has the same return, at the threshold or above, end learning too
ALIKE, FEW_SAME = 0.5, 3  # fewer are enough in a search in which, in the mean, so many of the candidates had it too
SMALL = 0.01  # fraction of the spread of all scores below which an improvement is ignored
HELD = 0.1  # a score below the threshold has not converged whose median lately is lower than the best by this fraction
LONGER = 3  # of that spread, unless for so many times as many phases
RISEN = 3.0  # standard errors of the best score by which it must be above chance for anything to be learned
SPARING = 20  # largest number of phases in which spikes are saved by imitation
FIRST, RISE, FALL = 3.0, 1.3, 0.8  # factor of the price in the first of them; its change while spikes are many, and few
SLACK = 0.4  # while spikes are saved a score may be lower by this fraction of what is above the environment's threshold
TOLERANCE = 0.3  # standard errors of what was learned by which a score may be lower in these phases
GOAL, CLOSE = 11, 1.1  # it falls where there are GOAL times fewer spikes
FEW = 1.6  # near the goal is what has at most so many times its spikes
THERE = 8  # these phases end when so many in a row are within CLOSE of that; the learning rate falls until then
CANDIDATES = 4  # largest number of candidates that are compared at the end
WORTH = 0.15  # as good is what is lower by at most this fraction of the spread of the episodes, times the price
MARGIN, MOST = 1.0, 2.0  # where spikes are saved, by these fractions of what is above the threshold, or of the spread
ERRORS = 0.9  # so is what is lower by at most so many standard errors
FEWER = 0.8  # such a candidate is preferred if it needs at most this many times the spikes of the best


@dataclass(frozen=True)
class Candidate:
    """Values that may be selected.

    score, error, spikes : mean return, its standard error, and spikes in a step, in their validation
    values : by the name of the parameter
    """

    score: float
    error: float
    spikes: float
    values: dict[str, np.ndarray]

    def beats(self, other: Candidate) -> bool:
        return self.score > other.score and self.spikes <= other.spikes


class Schedule:
    """The state of a run after each validation, and the decisions that follow from it.

    phases : largest number of phases
    searches : a phase compares whole candidates: spikes have no price, and its row has the candidates' mean return
        (training_return) and which share of them had the best one (alike)

    Attributes
    ----------
    history : a row for each phase
    candidates : the best first
    """

    stage, mark = "learning", ""  # as `Phase` names it; the key of its rows in the history

    def __init__(self, phases: int, searches: bool = False) -> None:
        self.phases, self.searches = phases, searches
        self.history: list[dict[str, Any]] = []
        self.candidates: list[Candidate] = []

    @property
    def is_over(self) -> bool:
        return len(self.history) >= self.phases

    @property
    def is_at_the_top(self) -> bool:
        """Whether no validation has told episodes apart for so long that none will."""
        return False

    @property
    def best(self) -> Candidate | None:
        """The candidate to be kept if the run ended now."""
        return self.candidates[0] if self.candidates else None

    @property
    def to_adjust(self) -> Candidate:
        """The candidate whose gains are searched."""
        return self.candidates[0]

    def is_improved_by(self, adjusted: Candidate) -> bool:
        """Whether `to_adjust` with other gains is to be kept if the run ended now."""
        return adjusted.score > self.to_adjust.score

    @property
    def cost_share(self) -> float:
        """Factor of the price of spikes in the next phase."""
        return 1.0

    @property
    def cooled(self) -> int:
        """Number of phases since a learner that cools had learned the task, including the next one; otherwise 0."""
        return 0

    def left(self, number: int) -> float:
        """Share of the initial learning rate when phase ``number`` begins."""
        return 1 - number / self.phases

    def _scores(self) -> list[float]:
        return [row["score"] for row in self.history]

    def consider(self, new: Candidate) -> None:
        """Add a candidate unless another has a better score with as few spikes. If there are too many, the worst score
        goes; if all scores are equal, as at the maximum of a task, see `_thinned`. In a search, the oldest of equal
        scores goes."""
        kept: list[Candidate] = []
        for one in sorted([new, *self.candidates], key=lambda c: (-c.score, c.spikes * (not self.searches))):
            if not any(other.beats(one) for other in kept):
                kept.append(one)
        if len(kept) > CANDIDATES:
            kept = _thinned(kept) if not self.searches and kept[-1].score == kept[0].score else kept[:-1]
        self.candidates = kept

    def choice(self, returns: Callable[[int], np.ndarray], price: float) -> int:
        """Index of the selected candidate: the best one, or one that needs clearly fewer spikes and is as good. In a
        search, the first one whose episodes have all had the same return.

        returns : those of a candidate, by its index, in new episodes, the same for all
        price : of spikes; the higher, the lower may the score be
        """
        of = []
        for k, one in enumerate(self.candidates):
            of.append(returns(k))
            if self.searches and (of[k] == one.score).all():
                return k  # in no episode could another be better
        spikes, best = [one.spikes for one in self.candidates], int(np.argmax([one.mean() for one in of]))
        for k in np.argsort(spikes, kind="stable"):
            if spikes[k] <= FEWER * spikes[best] and _as_good(of[k], of[best], price):
                return int(k)
        return best


def _as_good(returns: np.ndarray, best: np.ndarray, price: float, threshold: float = math.inf) -> bool:
    """Whether returns are as high as others in the same episodes, or near enough."""
    behind, spread = best - returns, best.std()
    worth = price * max(WORTH * spread, min(MARGIN * (best.mean() - threshold), MOST * spread))
    return bool(behind.mean() <= max(worth, ERRORS * behind.std() / math.sqrt(len(behind))))


def _thinned(candidates: list[Candidate]) -> list[Candidate]:
    """Candidates in the order of their spikes without the one whose number of spikes is nearest to those of its
    neighbours, so that some with few and some with many spikes remain."""
    spikes = [max(one.spikes, 1) for one in candidates]
    ratios = [max(a, b) / min(a, b) for a, b in zip(spikes[:-2], spikes[2:], strict=True)]
    drop = 1 + int(np.argmin(ratios))
    return candidates[:drop] + candidates[drop + 1 :]


class Learning(Schedule):
    """The course of a learner.

    threshold : score at which the environment counts as solved; None if it names none
    patience : fraction of all phases without improvement after which the score has converged
    cools : once the task is learned, COOLING phases with a small learning rate follow
    least : smallest number of such phases if there is no threshold to tell a converged score from one that has not yet
        begun to rise
    chance : gives the score of random actions, for the same purpose
    """

    def __init__(
        self, phases: int, threshold: float | None, patience: float, cools: bool, least: int = PATIENCE,
        searches: bool = False, chance: Callable[[], float] = lambda: -math.inf,
    ) -> None:  # fmt: skip
        super().__init__(phases, searches)
        self.threshold, self.cools, self.chance = threshold, cools, chance
        self.patience = max(PATIENCE if threshold is not None else least, int(phases * patience))

    @property
    def cooled(self) -> int:
        learned = self._learned() if self.cools else None
        return 0 if learned is None else 1 + len(self.history) - learned

    def left(self, number: int) -> float:
        """See `Course.left`. It falls linearly to 0 at the end; of a learner that cools, to SLOW after LATE of the
        phases."""
        return max(SLOW, 1 - number / (LATE * self.phases)) if self.cools else super().left(number)

    @property
    def is_over(self) -> bool:
        """Whether to stop: after the last phase, or when the task is learned and the score has converged."""
        if super().is_over:
            return True
        if self.threshold is not None and max(self._scores(), default=-math.inf) < self.threshold:
            return False
        return (not self.cools or self.cooled > COOLING) and (self._converged(self.history) or self.is_at_the_top)

    @property
    def has_risen(self) -> bool:
        """Whether anything was learned."""
        return self._risen(self.history)

    def _risen(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the best score is above that of chance by more than luck in its episodes."""
        best = max(rows, key=lambda row: row["score"], default=None)
        return best is not None and best["score"] > self.chance() + RISEN * best.get("error", 0.0)

    @property
    def is_at_the_top(self) -> bool:
        least = FEW_SAME if self.searches else SAME
        lately = self.history[-least:]
        top = {row[key] for row in lately for key in ("score", "worst")}
        alike = not self.searches or sum(row["alike"] for row in lately) >= ALIKE * least
        return self.threshold is not None and len(lately) == least and len(top) == 1 and alike

    def _converged(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the score has risen and does not any more. A good validation that those after it do not come near was
        luck."""
        n = self.patience
        if len(rows) <= n:
            return False
        # of a search, the mean of all candidates says more than a few episodes of their mean
        scores = [row["training_return" if self.searches else "score"] for row in rows]
        spread = max(scores) - min(scores)
        enough = max(scores) - HELD * spread
        if np.median(scores[-n:]) < (enough if self.threshold is None else min(enough, self.threshold)):
            n *= LONGER
        stays = len(scores) > n and max(scores[-n:]) <= max(scores[:-n]) + SMALL * spread
        return spread > 0 and stays and self._risen(rows)

    def _learned(self) -> int | None:
        """Number of phases that it took to learn the task; None while it is not learned. The threshold may be reached
        in the validation or in the episodes of training."""
        scores = self._scores()
        returns = [max(row["score"], row.get("training_return", -math.inf)) for row in self.history]
        for k in range(1, len(scores) + 1):
            if self.threshold is None:
                good = self._converged(self.history[:k])
            else:
                good = k >= STEADY and min(returns[k - STEADY : k]) >= self.threshold
            if good or k >= LATE * self.phases:
                return k
        return None


class GainSearch(Schedule):
    """The course of a controller whose gains are searched.

    before : the course that has ended, of which all candidates stay; the last one is the newest mean of the search
    """

    stage, mark = "adjusting gains", "adjusts"

    def __init__(self, before: Schedule, generations: int) -> None:
        super().__init__(generations, searches=True)
        self.before, self.candidates = before, list(before.candidates)
        self.origin = next(k for k, one in enumerate(before.candidates) if one is before.to_adjust)

    @property
    def is_over(self) -> bool:
        """Whether to stop: after the last phase, or when all that was tried had the same return."""
        return super().is_over or bool(self.history and self.history[-1]["alike"] == 1)

    @property
    def best(self) -> Candidate | None:
        """The newest mean, or what would have been kept before."""
        new = self.candidates[len(self.before.candidates) :]
        return new[0] if new and self.before.is_improved_by(new[0]) else self.before.best

    def consider(self, new: Candidate) -> None:
        """Take the newest mean: it says more than a few episodes do."""
        self.candidates = [*self.before.candidates, new]

    def choice(self, returns: Callable[[int], np.ndarray], price: float) -> int:
        """That of the course before, in which the mean of the search, for which its episodes speak, takes the place of
        what it began with, unless it is clearly worse, or has more of the spikes that were saved."""
        new, origin = len(self.candidates) - 1, self.origin
        behind = returns(origin) - returns(new)
        worse = behind.mean() > ERRORS * behind.std() / math.sqrt(len(behind))
        more = self.candidates[new].spikes > self.candidates[origin].spikes / FEWER
        if worse or (more and isinstance(self.before, SpikeReduction)):
            new = origin
        chosen = self.before.choice(lambda k: returns(new if k == origin else k), price)
        return new if chosen == origin else chosen


class SpikeReduction(Schedule):
    """The course of a controller that has learned its task and saves spikes. Their price rises until they are few,
    whatever the score is meanwhile: it returns where they stay few.

    learned : what it begins with, and at the end chooses if nothing else is as good
    threshold : score at which the environment counts as solved; None if it names none. A score is good enough if it is
        near that of ``learned``, or lower by a fraction of what that is above the threshold
    """

    stage, mark = "saving spikes", "saves"

    def __init__(self, learned: Candidate, threshold: float | None, phases: int = SPARING) -> None:
        super().__init__(phases)
        self.threshold = math.inf if threshold is None else threshold
        self.candidates = [learned]
        self.near = learned.score - TOLERANCE * learned.error
        self.goal = learned.spikes / GOAL
        self.enough = self.near - SLACK * max(0.0, self.near - self.threshold)

    @property
    def best(self) -> Candidate:
        return min((c for c in self.candidates if c.score >= self.near), key=lambda c: c.spikes)

    @property
    def to_adjust(self) -> Candidate:
        """The best one at the goal, or that with the fewest spikes."""
        at_goal = [one for one in self.candidates if one.spikes <= CLOSE * self.goal]
        return max(at_goal, key=lambda one: one.score) if at_goal else self.candidates[-1]

    def is_improved_by(self, adjusted: Candidate) -> bool:
        return adjusted.score >= self.near

    @property
    def cost_share(self) -> float:
        share = FIRST
        for row in self.history:
            share *= RISE if row["spikes_a_step"] > self.goal else FALL
        return share

    @property
    def is_over(self) -> bool:
        """Whether to stop: after the last phase; when the goal has been reached for THERE phases in a row; or when a
        good score with FEW times as many spikes has not come with fewer for THERE phases."""
        spikes = self._good_spikes
        before, lately = min(spikes[:-THERE], default=math.inf), min(spikes[-THERE:], default=math.inf)
        settled = before <= FEW * self.goal and before <= CLOSE * lately
        return super().is_over or self._there >= THERE or settled

    @property
    def _good_spikes(self) -> list[float]:
        """Spikes after each phase, infinite where the score is not near that of what was learned."""
        return [row["spikes_a_step"] if row["score"] >= self.near else math.inf for row in self.history]

    @property
    def _there(self) -> int:
        """For how many phases in a row the goal has been reached."""
        near = CLOSE * self.goal
        return len(list(itertools.takewhile(lambda spikes: spikes <= near, reversed(self._good_spikes))))

    def left(self, number: int) -> float:
        """See `Course.left`. It is smaller, the longer the goal has been reached."""
        return min(super().left(number), 1 - self._there / THERE)

    def consider(self, new: Candidate) -> None:
        """Add a candidate whose score is good enough. At the goal those with the best scores are kept, because few
        episodes tell little; with more spikes those that no other beats, with various numbers of spikes."""
        if new.score < self.enough:
            return
        learned, *others = every = [*self.candidates, new]
        few, more = ([one for one in others if (one.spikes <= CLOSE * self.goal) is at] for at in (True, False))
        few = sorted(few, key=lambda one: -one.score)[:CANDIDATES]
        more = [one for one in more if not any(other.beats(one) for other in every)]
        more.sort(key=lambda one: -one.spikes)
        more = _thinned(more) if len(more) >= CANDIDATES else more
        self.candidates = [learned, *more, *sorted(few, key=lambda one: -one.spikes)]

    def choice(self, returns: Callable[[int], np.ndarray], price: float) -> int:
        """Index of the one with the fewest spikes that is as good as what was learned, or of a better one with hardly
        more spikes. See `Course.choice`."""
        learned, spikes = returns(0), [one.spikes for one in self.candidates]
        for k in range(len(spikes) - 1, 0, -1):
            if _as_good(returns(k), learned, price, self.threshold):
                similar = [one for one in range(k, 0, -1) if spikes[one] <= spikes[k] / FEWER]
                return max(similar, key=lambda one: returns(one).mean())
        return 0
