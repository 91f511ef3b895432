"""Base classes of all learners and of their settings.

A learner trains parameters in phases; a run can be resumed after each phase.
"""

from __future__ import annotations

import functools
from dataclasses import fields
from typing import Any

import numpy as np

from ...controller_file import ControllerSpec, Surrogate
from ...errors import DescriptionError
from ...network.checks import Checked, Numbers, Rule, Whole
from ..environments.vector_env import VectorEnv
from ..gradients.parameters import Parameters
from ..gradients.student import Student

__all__ = ["Learner", "Settings", "discount"]


def check_layers(path: str, value: Any) -> None:
    """Raise DescriptionError unless a value is a list of layer sizes of a perceptron: whole numbers >= 1."""
    if not isinstance(value, list | tuple) or not all(type(size) is int and size > 0 for size in value):
        raise DescriptionError(path, value, "must be a list of whole numbers >= 1")


def discount(limit: int | None) -> float:
    """Return the discount factor for episodes of at most ``limit`` steps; None: the environment names no limit.

    Rewards within the next quarter of an episode count: the horizon 1 / (1 - gamma) is a quarter of the limit, but 10
    to 1,000 steps. Without a limit it is that of stable-baselines3, 0.99.
    """
    return 0.99 if limit is None else float(np.clip(1 - 4 / limit, 0.9, 0.999))


class Settings(Checked):
    """Base of a learner's settings.

    For a field without its own rule, the type of the default decides which values are valid:

    - a float must be >= 0
    - a whole number must be >= 1, or >= 0 if the default is 0
    - a tuple must be a list of the sizes of a perceptron's layers
    """

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
        """Number of sequences in an update."""
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
    def defaults_for(cls, spec: ControllerSpec, limit: int | None) -> dict[str, Any]:
        """Return the default settings that depend on the controller or on the length of episodes.

        limit : maximum number of steps of an episode; None: the environment names no limit
        """
        return {}


class Learner:
    """Base of learners, which train the parameters of a controller phase by phase.

    A phase starts with reset environments and its own random numbers. The result of a phase depends only on the seed
    and on the phases before it. To resume a run, only the parameters and the attributes named in `checkpointed` are
    needed.
    """

    #: names of the attributes that a checkpoint holds, see `snn_control.training.progress.arrays_of`
    checkpointed: tuple[str, ...] = ()
    #: arguments of `snn_control.training.schedule.stages.Learning`
    patience, anneals, judged_by, confirms = 0.25, False, "score", False
    prunes = False  # whether the result lacks the neurons that no longer fire
    reduces_spikes = False  # whether `snn_control.training.schedule.stages.SpikeReduction` follows
    surrogate = Surrogate()

    def __init__(self, parameters: Parameters, settings: Any) -> None:
        self.parameters, self.settings = parameters, settings
        self.student = Student(parameters.program, parameters.places)
        self.remaining_after = 1.0
        self.spike_target = 1.0  # `Stage.spike_target` of this phase
        self.annealing_phase = 0  # `Stage.annealing_phase` of this phase

    @property
    def improves(self) -> bool:
        """Whether the learner starts from a trained controller, which is the result if it finds no better one."""
        return False

    @property
    def steps_of_a_phase(self) -> int:
        """Number of environment steps in a phase."""
        raise NotImplementedError

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        """Create the objects that only training needs, such as critics and optimisers."""
        raise NotImplementedError

    def phase(self, envs: VectorEnv, seed: int, rng: np.random.Generator, remaining: float) -> dict[str, float]:
        """Train for one phase, and return named numbers for the report on this phase.

        A learner with a target for the number of spikes also returns ``reached``: 1 if the controller has reached the
        target, otherwise 0; see `snn_control.training.schedule.stages.Learning.consider`.

        remaining : fraction of the initial learning rate at the start of the phase; the attribute ``remaining_after``
            is the fraction at its end
        """
        raise NotImplementedError

    def n_features(self, envs: VectorEnv) -> int:
        """Return the number of features that a critic gets from one observation, after scaling and one-hot coding."""
        nothing = {name: np.zeros((1, *shape), np.float32) for name, shape in self.student.seen_shapes.items()}
        return envs.interface.features(nothing).shape[1]

    @property
    def fits_ranges(self) -> bool:
        """Whether the learner sets the ranges of inputs to the values observed in its first phase."""
        return getattr(self.settings, "fit_ranges", False)

    @property
    def widens_ranges(self) -> bool:
        """Whether ranges of inputs are widened after each phase in which observed values were outside."""
        return getattr(self.settings, "widen_ranges", False) and bool(self.parameters.ranges.values)

    def fit_ranges(self, envs: VectorEnv) -> None:
        """Fit the ranges of inputs to the values observed since the environments were reset."""
        ranges = self.parameters.ranges
        if ranges.fit(envs.met(ranges.values)):
            envs.interface.inputs = {one.name: one for one in self.parameters.spec.inputs}
