"""Imitation of a trained policy: the learner of ``imitate`` if the teacher is a policy file.

The policy computes its values for a whole batch of observations at once. The rounds are those of `Imitation` (DAgger).
The updates are those of `Imitator`, as in the conversion of a policy. In the first round only the policy acts, and the
ranges of the inputs are fitted to the values that it observes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from ...coding import EventsInput
from ...controller_file import ControllerSpec
from ...errors import RuntimeFault
from ...network.checks import Flag, Whole
from ..environments.vector_env import VectorEnv
from ..teachers.trained_policy import TrainedPolicy
from .distributions import Categorical, DiagGaussian, only_chooses
from .heads import Head
from .imitation import SEQUENCE, Imitation
from .imitator import CHOICE_SPIKES, ROUNDS, Imitator, TrainingPlan
from .learner import Settings

__all__ = ["PolicyImitation", "PolicyImitationSettings"]

STEPS, MOST_STEPS = 256, 1024  # of an environment in a round; an episode, if it is not shorter or longer
ROWS, UPDATES, CHOICE_UPDATES = 256, 1_000, 300  # steps in an update; updates in a round, for numbers, for choices


@dataclass(frozen=True)
class PolicyImitationSettings(Settings):
    """Settings of `PolicyImitation`. Settings that also exist in `ConversionSettings` or `ImitationSettings` have the
    same names.

    spikes : target for the number of spikes of all neurons in a step; 0: as many as before training, or a third
        of these if all outputs choose, because choices need less precision than numbers
    n_envs : number of environments
    n_steps : number of steps of each environment in a round
    gradient_steps : number of updates in a round
    batch_size : number of steps in an update, a multiple of ``sequence_length``
    sequence_length : number of steps in a sequence. The loss ignores the first ``burn_in`` steps, because the initial
        state of a sequence comes from older weights
    learning_rate : initial learning rate of Adam; it falls to a 50th along a cosine
    beta_decay : the policy takes a fraction of the actions, which is multiplied by this factor after each round
    fit_ranges : set the ranges of inputs with receptive fields to the values observed in the first round
    reset_each_tick : reset the populations at the start of each tick, as the key of the same name in the controller
        file does. A policy sees only the newest observation, so traces of older observations in the membranes cause
        errors
    gain_generations : see `snn_control.training.algorithms.imitation.ImitationSettings`
    total_timesteps : number of environment steps after which training ends
    """

    spikes: float = 0.0
    n_envs: int = 8
    n_steps: int = MOST_STEPS
    gradient_steps: int = UPDATES
    batch_size: int = ROWS
    sequence_length: int = 1
    burn_in: Annotated[int, Whole(0)] = 0
    learning_rate: float = 8e-3
    beta_decay: float = 0.5
    fit_ranges: Flag = True
    reset_each_tick: Flag = True
    gain_generations: Annotated[int, Whole(0)] = 0
    total_timesteps: int = 100_000

    @classmethod
    def defaults_for(cls, spec: ControllerSpec, limit: int | None) -> dict[str, Any]:
        """Return the default settings that depend on the controller or on the length of episodes.

        A controller with delays, events or learning rules should remember its past, so its state is not reset in each
        tick. It is trained with sequences of 0.2 s, but of 16 to 256 steps.
        """
        projections = spec.network.projections
        remembers = any(isinstance(one, EventsInput) for one in spec.inputs)
        remembers |= any(np.any(p.delay) or p.learning is not None for p in projections)
        length = int(np.clip(SEQUENCE / spec.period, 16, 256)) // 8 * 8 if remembers else 1
        steps = int(np.clip(limit or MOST_STEPS, STEPS, MOST_STEPS)) // length * length
        return {
            "reset_each_tick": not remembers or spec.reset_each_tick,
            "n_steps": steps,
            "sequence_length": length,
            "burn_in": length // 8,
            "batch_size": max(16, 32 * 16 // length) * length if remembers else ROWS,
            "gradient_steps": CHOICE_UPDATES if only_chooses(spec) else UPDATES,
            "total_timesteps": ROUNDS * cls.n_envs * steps,
        }


class PolicyImitation(Imitation):
    """The learner of the training method ``imitate`` if the teacher is a trained policy.

    teacher : the trained policy
    temperature : temperature of the softmax that converts the policy's "argmax" values to probabilities
    """

    settings: PolicyImitationSettings  # type: ignore[assignment]
    checkpointed = ("imitator", "data", "rounds", "temperature")
    prunes = True
    patience = 1.0  # the number of spikes falls along a plan for all rounds
    teacher: TrainedPolicy

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        self.meet(envs)
        self.begin_data()
        s, self.temperature = self.settings, 1.0
        self.heads = {one.name: self._head(one) for one in self.policy}
        rounds = max(1, s.total_timesteps // self.steps_of_a_phase)
        share = CHOICE_SPIKES if only_chooses(self.parameters.spec) else 1.0
        plan = TrainingPlan(rounds * s.gradient_steps, s.learning_rate, s.spikes, share)
        self.imitator = Imitator(self.inner.parameters, self.inner.student, self._loss, plan)

    def _head(self, one: Categorical | DiagGaussian) -> Head:
        if isinstance(one, Categorical):
            return Head(self.teacher)
        kind = "tanh" if one.squash else "clip"
        return Head(replace(self.teacher, head=kind, low=one.low, high=one.high))

    def phase(self, envs: VectorEnv, seed: int, rng: np.random.Generator, remaining: float) -> dict[str, float]:
        self.collect(envs, seed, rng)
        if envs.keeps:  # before anything is learned
            self.fit_ranges(envs)
        imitator = self.imitator
        self._set_temperature()
        self.inner.student.gradient.use(self.student.gradient.surrogate)
        imitator.use(imitator.values)
        for _ in range(self.settings.gradient_steps):
            imitator.update(*self.sequences(rng.integers(0, len(self.data["memory"]), self.settings.sequences)))
        imitator.use(imitator.means)
        self.parameters.write()
        self.rounds += 1
        return {"loss": imitator.loss, "reached": float(imitator.reached)}

    def _set_temperature(self) -> None:
        for name, head in self.heads.items():
            if head.kind == "argmax":
                if self.rounds == 0:
                    values = self.data[f"label.{name}"]
                    head.fit(values.reshape(-1, values.shape[-1]).astype(np.float32))
                    self.temperature = head.temperature
                head.temperature = self.temperature

    def _loss(self, heads: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> tuple[float, dict[str, np.ndarray]]:
        loss, gradients, first = 0.0, {}, self.settings.burn_in
        for name, head in self.heads.items():
            values, wanted = (x[first:].reshape(-1, x.shape[-1]) for x in (heads[name], labels[name]))
            choices = head.kind == "argmax"
            cost, g = head.loss(values, head.labels(wanted) if choices else head.labels_of_actions(wanted, 0))
            gradients[name] = np.zeros_like(heads[name])
            gradients[name][first:] = g.reshape(heads[name][first:].shape)
            loss += cost
        return loss, gradients

    def mixed_actions(
        self, one: Categorical | DiagGaussian, own: np.ndarray, wanted: np.ndarray, drives: np.ndarray
    ) -> np.ndarray:
        chosen = wanted.argmax(1)[:, None].astype(np.float32) if isinstance(one, Categorical) else wanted
        return super().mixed_actions(one, own, chosen, drives)

    def expert_labels(self, envs: VectorEnv) -> Callable[[dict[str, Any], np.ndarray], dict[str, np.ndarray]]:
        """Return the function that labels the steps of a round.

        The labels are the values of the last layer for an "argmax" policy, and the actions for any other policy.
        """
        policy, outputs = self.teacher, envs.interface.outputs
        ends = np.cumsum([one.size for one in outputs])[:-1]

        def teach(inputs: dict[str, Any], start: np.ndarray) -> dict[str, np.ndarray]:
            observations = np.array([np.asarray(envs.current(k)[1]) for k in range(envs.n)])
            if not np.isfinite(observations).all():
                rule = "the environment gave an observation that is not finite: the policy has no action for it"
                raise RuntimeFault(f"--teacher: {rule}")
            if policy.head == "argmax":
                return {outputs[0].name: policy.raw(observations)}
            actions = np.split(policy.actions(observations), ends, axis=1)
            return {one.name: part for one, part in zip(outputs, actions, strict=True)}

        return teach
