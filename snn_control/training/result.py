"""Results of training, after each phase and at the end; and the seeds of the training episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..controller_file import ControllerSpec
from ..findings import Finding
from .environments.evaluation import Evaluation

__all__ = ["FINAL", "PHASE_SEEDS", "VALIDATION", "Phase", "Trained", "first_episode"]

#: First seeds of episodes: of the validation, which selects a candidate, and of the evaluation at the end, whose seeds
#: are used for nothing else. Seeds of training count from 0.
VALIDATION, FINAL = 1_000_000_000, 1_500_000_000
PHASE_SEEDS = 10_000  # number of seeds reserved for one phase


def first_episode(seed: int, number: int) -> int:
    """Return the seed of the first episode of a phase. ``seed``: of the training; ``number``: of the phase."""
    return (seed * 7919 + number) * PHASE_SEEDS % VALIDATION


@dataclass(frozen=True)
class Phase:
    """Results of a phase of training that has ended, for a callback that shows progress.

    score : mean return of this phase's validation
    best : highest mean return of a validation up to this phase
    steps : environment steps since training began
    total_timesteps : value of ``steps`` at which the present stage ends at the latest
    stage : "learning", then "reducing spikes" or "adjusting gains"
    seconds : time since this call of `train` started [s]
    report : measures that the learner reports, such as losses: name -> number
    warnings : new findings about obstacles to learning (`LearningDiagnosis`)
    why : reason why the stage ends with this phase; the best controllers of the stage are then compared in new
        episodes. "": the stage goes on
    """

    number: int
    steps: int
    total_timesteps: int
    score: float
    best: float
    spikes: float
    seconds: float
    report: Mapping[str, float]
    warnings: Sequence[Finding] = ()
    stage: str = "learning"
    why: str = ""


@dataclass(frozen=True)
class Trained:
    """A trained controller and the results of its training.

    spec : description of the controller
    how : name of the learner: a key of `LEARNERS`, or "adapt"
    ended : whether Ctrl-C stopped the training; such a training can be resumed
    evaluation : results of episodes whose seeds were used for neither training nor selection
    validation : mean return by which the controller was selected; -inf if there was no validation. The validation
        episodes do not depend on the seed of the training. "adapt" does not select a controller; its value is the score
        of the last phase
    history : results, one row for each phase
    steps : number of environment steps of the training
    warnings : findings about obstacles to learning
    resumed : number of ``steps`` that an earlier, interrupted call trained
    fixed : for "adapt", results of the same episodes with learning switched off; None for other learners
    """

    spec: ControllerSpec
    how: str
    evaluation: Evaluation
    history: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    ended: bool = False
    validation: float = -math.inf
    warnings: Sequence[Finding] = ()
    resumed: int = 0
    fixed: Evaluation | None = None
