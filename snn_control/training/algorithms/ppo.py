"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) of a spiking controller.

The engine runs the controller, and the steps are recorded. The recorded steps are divided into sequences. Each sequence
starts from the state that the engine had before its first step. After every update the engine runs the sequences again,
so that spikes and gradients fit the current weights. The critic is a perceptron that exists only in training.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ...controller_file import ControllerSpec
from ...network.checks import Flag, Whole
from ..environments.vector_env import VectorEnv
from .distributions import COLD, Categorical, distributions
from .learner import Learner, Settings, discount
from .networks import Adam, FrameStack, Perceptron, RunningMeanStd

__all__ = ["PPO", "PPOSettings"]

#: Factor of the temperature in each phase once the task is learned, down to COLD. The softmax that samples actions then
#: comes close to the controller, which always takes the action with the largest score.
COOLING = np.float32(0.8)


@dataclass(frozen=True)
class PPOSettings(Settings):
    """Settings of `PPO`, named as in stable-baselines3.

    rollouts : number of rollouts in a phase; the weights are updated after each rollout
    n_envs : number of environments
    n_steps : number of steps of each environment in a rollout
    sequence_length : number of steps in a sequence
    batch_size : number of steps in an update, a multiple of ``sequence_length``
    n_epochs : number of passes over a rollout
    gamma : discount factor of rewards
    gae_lambda : factor lambda of generalised advantage estimation
    clip_range : distance from 1 to which the probability ratio is clipped
    target_kl : Kullback-Leibler divergence from the old policy at which the passes over a rollout stop
    ent_coef : initial weight of the entropy; the weight falls like the learning rates
    learning_rate : initial learning rate of Adam for the controller; it falls in proportion to
        `Stage.progress_remaining`
    critic_learning_rate : initial learning rate of Adam for the critic; it falls in the same way
    max_grad_norm : maximum norm of the gradients
    std_init : initial standard deviation of the sampled actions, in units of half the distance between the limits
    spike_cost : initial weight of the mean spikes per neuron and step in the loss of the spike-reduction phases, which
        adjust it; 0 skips these phases
    score_loss : score that the reduction of spikes may cost, as a fraction of the way from the score of random actions
        to the learned score
    critic_layers : sizes of the critic's hidden layers
    n_stack : number of newest observations that the critic sees
    gain_generations : see `snn_control.training.algorithms.imitation.ImitationSettings`
    total_timesteps : number of environment steps after which training ends
    widen_ranges : after each phase, widen the ranges of inputs with receptive fields from which more than 1 % of the
        observed values were outside
    """

    widen_ranges: Flag = True
    gain_generations: Annotated[int, Whole(0)] = 8
    n_envs: int = 16
    n_steps: int = 128
    sequence_length: int = 16
    batch_size: int = 256
    n_epochs: int = 10
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    target_kl: float = 0.03
    ent_coef: float = 0.01
    learning_rate: float = 1e-3
    critic_learning_rate: float = 1e-3
    max_grad_norm: float = 0.5
    std_init: float = 0.6
    spike_cost: float = 0.3
    score_loss: float = 0.01
    critic_layers: tuple[int, ...] = (64, 64)
    n_stack: int = 3
    rollouts: int = 5
    total_timesteps: int = 400_000

    @classmethod
    def defaults_for(cls, spec: ControllerSpec, limit: int | None) -> dict[str, Any]:
        return {"gamma": discount(limit)}


def _in_sequences(value: np.ndarray, parts: int, length: int) -> np.ndarray:
    """Divide an array of steps into sequences: (parts * length, n, ..) becomes (length, parts * n, ..)."""
    n, rest = value.shape[1], value.shape[2:]
    return value.reshape(parts, length, n, *rest).swapaxes(0, 1).reshape(length, parts * n, *rest)


class PPO(Learner):
    """The learner of the training method ``ppo`` (proximal policy optimisation).

    Differences from stable-baselines3
    ----------------------------------
    - **Recurrence**: a minibatch consists of sequences of steps, which the engine runs again from recorded states.
    - **Critic**: a network of its own with its own Adam, in place of ``vf_coef``. It sees the ``n_stack`` newest
      observations. Its minibatches are drawn independently of the controller's.
    - **Rewards** are divided by the running standard deviation of discounted returns, as VecNormalize does it.
    - **Learning rates and the weight of the entropy** fall linearly to 0; in stable-baselines3 they are constant.
    - **Passes** over a rollout stop when the Kullback-Leibler divergence of a minibatch exceeds ``target_kl``; in
      stable-baselines3, by default never, or at 1.5 times this setting.
    - **Discrete actions**: once the task is learned, the temperature of the softmax falls with the learning rate, so
      that sampled actions approach those of the finished controller, which takes the largest score.
    - **Squashed outputs**: actions are sampled before the tanh.
    - **Defaults**: ``learning_rate`` 0.001 is that of Adam's paper. Minibatches of 256 steps, rollouts of 128 steps,
      and ``ent_coef`` 0.01 are those for Atari in the paper of PPO. ``gamma`` depends on the length of episodes
      (`discount`). All others are those of stable-baselines3.
    """

    settings: PPOSettings
    anneals, judged_by, reduces_spikes = True, "training_return", True
    checkpointed = ("policy", "actor_optimizer", "critic", "critic_optimizer", "return_stats")

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        s = self.settings
        self.policy = distributions(self.parameters.spec.outputs, s.std_init)
        own = [value for one in self.policy for value in one.state]
        trained = [p.values for p in self.parameters.parameters] + own
        self.actor_optimizer = Adam(trained, s.learning_rate, s.max_grad_norm)
        k = self.n_features(envs)
        self.critic = Perceptron((k * s.n_stack, *s.critic_layers, 1), rng)
        self.critic_optimizer = Adam(self.critic.values, s.critic_learning_rate, s.max_grad_norm)
        self.return_stats = RunningMeanStd()  # of discounted returns; rewards are divided by their deviation

    @property
    def steps_of_a_phase(self) -> int:
        return self.settings.n_envs * self.settings.n_steps * self.rollouts

    @property
    def rollouts(self) -> int:
        """Number of rollouts in a phase: the setting ``rollouts``, or fewer if this exceeds ``total_timesteps``."""
        s = self.settings
        return min(s.rollouts, max(1, s.total_timesteps // (s.n_envs * s.n_steps)))

    def phase(self, envs: VectorEnv, seed: int, rng: np.random.Generator, remaining: float) -> dict[str, float]:
        s = self.settings
        self.inputs, self.start = envs.reset(seed), np.ones(envs.n, bool)
        self.batch = self.student.started(envs.n)
        self.sums = np.zeros(envs.n)
        self.frames = FrameStack(s.n_stack)
        for one in self.policy:
            if isinstance(one, Categorical):
                one.temperature = max(COLD, COOLING**self.annealing_phase)
        for k in range(self.rollouts):
            here = remaining - (remaining - self.remaining_after) * k / self.rollouts
            self.actor_optimizer.learning_rate = s.learning_rate * here
            self.critic_optimizer.learning_rate = s.critic_learning_rate * here
            report = self.update(self.collect_rollout(envs, rng), rng, s.ent_coef * here)
        return report

    def collect_rollout(self, envs: VectorEnv, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Play the steps of a rollout with the current policy. Return the recorded data: name -> (steps, n, ...) array.

        The data include the advantages and the returns.
        """
        s, n = self.settings, envs.n
        kept: dict[str, list[np.ndarray]] = defaultdict(list)
        self.student.refresh(self.batch)
        for t in range(s.n_steps):
            if t % s.sequence_length == 0:
                kept["memory"].append(self.student.remember(self.batch))
            heads, given = self.student.step(self.batch, self.inputs, self.start)
            seen = self.frames.add(envs.interface.features(given), self.start)
            log, commands = np.zeros(n, np.float32), []
            for one in self.policy:
                action = one.sample(heads[one.name], rng)
                log += one.log_probability(heads[one.name], action)
                kept[f"tried.{one.name}"].append(action)
                commands.append(one.command(action))
            for name, value in given.items():
                kept[f"inputs.{name}"].append(value)
            found = envs.step(commands)
            cut = np.zeros(n, np.float32)
            if (rows := np.flatnonzero(found.truncated & ~found.terminated)).size:
                ends = self.student.peek(self.batch, found.last, np.zeros(n, bool))
                cut[rows] = self.critic(self.frames.with_next(envs.interface.features(ends))[rows])[:, 0]
            now = {"start": self.start, "features": seen, "reward": found.reward, "done": found.done}
            for key, value in (now | {"terminated": found.terminated, "log": log, "bootstrap": cut}).items():
                kept[key].append(value.copy())
            self.inputs, self.start = found.inputs, found.done
            self.sums = s.gamma * self.sums + found.reward
            self.return_stats.add(self.sums)
            self.sums[found.done] = 0
        data = {key: np.array(value) for key, value in kept.items()}
        ahead = self.student.peek(self.batch, self.inputs, self.start)
        next_value = self.critic(self.frames.with_next(envs.interface.features(ahead), self.start))[:, 0]
        self.compute_returns_and_advantages(data, next_value)
        return data

    def compute_returns_and_advantages(self, data: dict[str, np.ndarray], next_value: np.ndarray) -> None:
        """Add ``advantages`` and ``returns``, (steps, n), to the data of a rollout.

        The advantages are generalised advantages (Schulman et al. 2016, arXiv:1506.02438). The critic learns to predict
        the returns.

        next_value : (n,), the critic's value of the state after the rollout
        """
        s, steps = self.settings, len(data["reward"])
        value = self.critic(data["features"].reshape(-1, data["features"].shape[-1])).reshape(steps, -1)
        reward = data["reward"] / self.return_stats.std
        advantages, last = np.zeros_like(value), np.zeros(value.shape[1], np.float32)
        for t in range(steps - 1, -1, -1):
            ahead = value[t + 1] if t + 1 < steps else next_value
            ahead = np.where(data["done"][t], np.where(data["terminated"][t], 0, data["bootstrap"][t]), ahead)
            goes_on = np.where(data["done"][t], 0, last)
            last = reward[t] + s.gamma * ahead - value[t] + s.gamma * s.gae_lambda * goes_on
            advantages[t] = last
        data["advantages"], data["returns"] = advantages, advantages + value

    def update(self, data: dict[str, np.ndarray], rng: np.random.Generator, ent_coef: float) -> dict[str, float]:
        s, n = self.settings, data["reward"].shape[1]
        parts = len(data["reward"]) // s.sequence_length
        cut = {key: _in_sequences(value, parts, s.sequence_length) for key, value in data.items() if key != "memory"}
        memory = data["memory"].reshape(parts * n, -1)
        features, returns = data["features"].reshape(-1, data["features"].shape[-1]), data["returns"].reshape(-1)
        report = {"approx_kl": 0.0}
        for _ in range(s.n_epochs):
            order = rng.permutation(parts * n)
            for first in range(0, parts * n, s.sequences):
                rows = order[first : first + s.sequences]
                report = self.update_actor({k: v[:, rows] for k, v in cut.items()}, memory[rows], ent_coef)
                self.update_critic(features, returns, rng.integers(0, returns.size, rows.size * s.sequence_length))
                if report["approx_kl"] > s.target_kl:
                    return report
        return report

    def update_actor(self, part: dict[str, np.ndarray], memory: np.ndarray, ent_coef: float) -> dict[str, float]:
        s = self.settings
        inputs = {name[7:]: value for name, value in part.items() if name.startswith("inputs.")}
        heads, tape = self.student.run(inputs, part["start"], memory)
        advantages = part["advantages"]
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        new = np.zeros_like(part["log"])
        for one in self.policy:
            new += one.log_probability(heads[one.name], part[f"tried.{one.name}"])
        # L = -mean(min(r A, clip(r, 1 - clip_range, 1 + clip_range) A)), r = exp(new - old), equation 7 of the paper.
        # dr/dnew = r, so dL/dnew = -A r / N, and 0 where the clipped product is the smaller one.
        ratio = np.exp(new - part["log"])
        clipped = ((advantages > 0) & (ratio > 1 + s.clip_range)) | ((advantages < 0) & (ratio < 1 - s.clip_range))
        g = np.where(clipped, 0, -advantages * ratio / ratio.size).astype(np.float32)
        by_head, own = {}, []
        for one in self.policy:
            by_head[one.name], more = one.gradients(g, ent_coef / ratio.size)
            own += more
        found = self.parameters.gradients(self.student.backward(tape, by_head))
        self.actor_optimizer.step([*found, *own])
        self.parameters.write()
        return {"approx_kl": float((ratio - 1 - (new - part["log"])).mean())}

    def update_critic(self, features: np.ndarray, returns: np.ndarray, rows: np.ndarray) -> None:
        layers = self.critic.layers(features[rows])
        error = (layers[-1] - returns[rows, None]) / rows.size
        self.critic_optimizer.step(self.critic.gradients(layers, error.astype(np.float32)))
