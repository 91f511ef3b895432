"""What all learners share: parameters that are trained, and phases between which a run can be resumed."""

from __future__ import annotations

import functools
from dataclasses import fields
from typing import Any

import numpy as np

from ...controller_file import ControllerSpec, Surrogate
from ...errors import DescriptionError
from ...network.checks import Checked, Numbers, Rule, Whole
from ..environments.vector import VectorEnv
from ..gradients.parameters import Parameters
from ..gradients.student import Student

__all__ = ["LONG_HORIZON_STEPS", "Learner", "Settings"]

LONG_HORIZON_STEPS = 1000  # steps of an episode from which a learner looks further ahead and may take more steps


def check_layers(path: str, value: Any) -> None:
    """Check the sizes of the layers of a perceptron."""
    if not isinstance(value, list | tuple) or not all(type(size) is int and size > 0 for size in value):
        raise DescriptionError(path, value, "must be a list of whole numbers >= 1")


class Settings(Checked):
    """Base of a learner's settings. A field without a rule of its own is checked against the type of its default: a
    number >= 0, a whole number >= 1 (>= 0 if the default is 0), or layers of a perceptron."""

    def __post_init__(self) -> None:
        super().__post_init__()
        batch, length = getattr(self, "batch_size", 0), getattr(self, "sequence_length", 1)
        if batch % length:
            raise self.wrong("batch_size", f"must be a multiple of sequence_length ({length})")

    @property
    def where(self) -> str:
        return "settings."

    @property
    def sequences(self) -> int:
        """Sequences in an update."""
        return self.batch_size // self.sequence_length  # type: ignore[attr-defined]

    @classmethod
    @functools.cache
    def checks(cls) -> dict[str, Rule]:
        found = dict(super().checks())
        for one in fields(cls):  # type: ignore[arg-type]
            usual: Any = one.default
            rule = Whole(min(1, usual)) if isinstance(usual, int) else Numbers(least=0)
            found.setdefault(one.name, check_layers if isinstance(usual, tuple) else rule)
        return found

    @classmethod
    def defaults_for(cls, spec: ControllerSpec, limit: int) -> dict[str, Any]:
        """Defaults that suit a controller and episodes of at most ``limit`` steps."""
        return {}


class Learner:
    """Trains the parameters of a controller, phase by phase.

    A phase starts with environments that are reset and random numbers of its own. The result of a phase is a function
    of the seed and of the phases before it; the parameters and the attributes in `checkpointed` are all that is needed
    to resume.
    """

    #: names of the attributes that a checkpoint holds, see `snn_control.training.progress.arrays_of`
    checkpointed: tuple[str, ...] = ()
    #: see `snn_control.training.schedule.stages.Learning`
    patience, anneals, judged_by, confirms = 0.1, False, "score", False
    reduces_spikes = False  # after learning (`snn_control.training.schedule.stages.SpikeReduction`)
    surrogate = Surrogate()

    def __init__(self, parameters: Parameters, settings: Any) -> None:
        self.parameters, self.settings = parameters, settings
        self.student = Student(parameters.program, parameters.places)
        self.remaining_after = 1.0
        self.spike_cost_factor = 1.0  # of this phase
        self.annealing_phase = 0  # `Stage.annealing_phase` of this phase

    @property
    def improves(self) -> bool:
        """Whether it begins with a controller that was trained otherwise, and may have to be kept."""
        return False

    @property
    def steps_of_a_phase(self) -> int:
        """Steps of the environment in a phase."""
        raise NotImplementedError

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        """Create what is needed for training only, such as critics and optimisers."""
        raise NotImplementedError

    def phase(self, envs: VectorEnv, seed: int, rng: np.random.Generator, remaining: float) -> dict[str, float]:
        """Train for one phase. ``remaining``: the share of the initial learning rate at its start; `remaining_after`
        is that at its end.

        Returns numbers for a report.
        """
        raise NotImplementedError

    def n_features(self, envs: VectorEnv) -> int:
        """How many numbers a critic sees of one observation."""
        nothing = {name: np.zeros((1, *shape), np.float32) for name, shape in self.student.seen_shapes.items()}
        return envs.interface.features(nothing).shape[1]

    @property
    def fits_ranges(self) -> bool:
        """Whether ranges of inputs are fitted to what the first phase meets."""
        return getattr(self.settings, "fit_ranges", False)

    def fit_ranges(self, envs: VectorEnv) -> None:
        """Fit the ranges of inputs to what was met since the environments were reset."""
        ranges = self.parameters.ranges
        if ranges.fit(envs.met(ranges.values)):
            envs.interface.inputs = {one.name: one for one in self.parameters.spec.inputs}
