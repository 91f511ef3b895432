"""Reduce the spikes of a trained controller: it learns to imitate itself while the number of its spikes falls.

The trained controller is the teacher. It labels the steps of the controller in training (distillation, Hinton, Vinyals
and Dean 2015, arXiv:1503.02531). For an arg-max output the label rates all actions, not only the chosen action. With
such labels the controller keeps its return even if spikes cost more than rewards are worth. Each spike has a price,
which a feedback loop adjusts so that the number of spikes follows its target (`Stage.spike_target`).
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
from .imitator import adjusted_price

__all__ = ["SelfImitation", "spike_reduction_settings"]

#: Settings that differ from those of `Imitation`: more environments, because every new target needs more data; and an
#: average over most updates, without which a controller fails once in a hundred episodes.
CHANGED = {"n_envs": 16, "averaging": 1.5}
#: Steps for each update. Numbers need more updates: their small errors add up, while choices can be without error.
OF_CHOICES, OF_NUMBERS = 40, 16
ROUND = 4096  # longest round, in steps
MOST = 1 << 17  # newest steps that are kept as data
LEAST_PRICE = 0.01  # as a share of the first price, so that it is soon high again when it is needed
GROUP = 2  # environments that take the same commands


def spike_reduction_settings(spec: ControllerSpec, limit: int, cost: float) -> ImitationSettings:
    """Return the settings of the stage in which `SelfImitation` reduces spikes.

    A round is at least as long as an episode, so that its data contain the states at the end of episodes.

    limit : maximum number of steps of an episode
    cost : first price of spikes, the setting ``spike_cost``
    """
    found = ImitationSettings.defaults_for(spec, limit) | CHANGED | {"spike_cost": cost}
    length = found["sequence_length"]
    found["n_steps"] = max(found["n_steps"], min(limit, ROUND) // length * length)
    found["gradient_steps"] = found["n_envs"] * found["n_steps"] // (OF_CHOICES if only_chooses(spec) else OF_NUMBERS)
    return ImitationSettings(**found)


class SelfImitation(Imitation):
    """The learner that reduces spikes: the controller imitates its behaviour before this stage.

    learned : Program of the trained controller, the teacher
    numbers : price of spikes; running mean of the spikes per neuron and step; spikes in the first update
    """

    checkpointed = (*Imitation.checkpointed, "numbers")
    learned: Program

    @property
    def spike_price(self) -> float:
        return float(self.numbers[0])

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        super().begin(envs, rng)
        self.numbers = np.array([self.settings.spike_cost, 0.0, 0.0])
        for one in self.policy:
            if isinstance(one, Categorical):
                one.temperature = COLD

    def collect(self, envs: VectorEnv, seed: int, rng: np.random.Generator) -> None:
        """Add the steps of a round to the data, of which the newest `MOST` steps are kept."""
        super().collect(envs, seed, rng)
        self.data = {key: value[-(MOST // self.settings.sequence_length) :] for key, value in self.data.items()}

    def update(self, rows: np.ndarray) -> tuple[float, float]:
        loss, rate = super().update(rows)
        price, mean, first = self.numbers.tolist()
        mean, first = (mean + 0.1 * (rate - mean), first) if first else (rate, rate)
        price = adjusted_price(price, mean, first * self.spike_target)
        self.numbers[:] = max(price, LEAST_PRICE * self.settings.spike_cost), mean, first
        return loss, rate

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
