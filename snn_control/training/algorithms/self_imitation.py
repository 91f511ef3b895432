"""Reduce the spikes of a trained controller: it learns to imitate itself while the price of spikes rises.

The trained controller is the teacher. It labels the steps of the controller in training (distillation, Hinton, Vinyals
and Dean 2015, arXiv:1503.02531). For an arg-max output the label rates all actions, not only the chosen action. With
such labels the controller keeps its return even if spikes cost more than rewards are worth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...controller import Batch
from ...controller_file import ControllerSpec
from ...engine.program import Program
from ..environments.vector_env import VectorEnv
from ..gradients.student import heads_of
from .distributions import COLD, Categorical, DiagGaussian, only_chooses
from .imitation import Imitation, ImitationSettings

__all__ = ["SelfImitation", "spike_reduction_settings"]

#: Settings that differ from those of `Imitation`: more environments and updates, because every new price needs them;
#: and an average over most updates, without which a controller fails once in a hundred episodes.
CHANGED = {"n_envs": 16, "gradient_steps": 100, "averaging": 1.5}
NUMBERS = 250  # updates if actions are numbers, whose small errors add up; choices can be without error
GROUP = 2  # environments that take the same commands


def spike_reduction_settings(spec: ControllerSpec, limit: int, cost: float) -> ImitationSettings:
    """Return the settings of the stage in which `SelfImitation` reduces spikes.

    limit : maximum number of steps of an episode
    cost : price of spikes, the setting ``spike_cost``
    """
    changed = CHANGED | ({} if only_chooses(spec) else {"gradient_steps": NUMBERS})
    return ImitationSettings(**{**ImitationSettings.defaults_for(spec, limit), **changed, "spike_cost": cost})


class SelfImitation(Imitation):
    """The learner that reduces spikes: the controller imitates its behaviour before this stage.

    learned : Program of the trained controller, the teacher
    """

    learned: Program

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        super().begin(envs, rng)
        for one in self.policy:
            if isinstance(one, Categorical):
                one.temperature = COLD

    def mixed_actions(
        self, one: Categorical | DiagGaussian, own: np.ndarray, wanted: np.ndarray, drives: np.ndarray
    ) -> np.ndarray:
        """Return commands (n, k): all environments of a group get the command of the group's first controller.

        The other controllers of the group thus reach states that they would avoid themselves, and learn to leave these
        states (compare Laskey et al. 2017, arXiv:1703.09327).
        """
        return own[np.arange(len(own)) // GROUP * GROUP]

    def expert_labels(self, envs: VectorEnv) -> Callable[[dict[str, Any], np.ndarray], dict[str, np.ndarray]]:
        batch = Batch(self.learned, envs.n, self.learned.facts.repeat)
        heads = heads_of(self.learned)

        def teach(inputs: dict[str, Any], start: np.ndarray) -> dict[str, np.ndarray]:
            if start.any():
                batch.reset(start)
            batch.step(inputs)
            return {one.name: one.label(batch.bound.array(heads[one.name])) for one in self.policy}

        return teach
