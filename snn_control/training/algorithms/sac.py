"""Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905) of a spiking controller whose outputs are numbers.

With every step, the replay buffer stores the state of the engine before this step. From such a state the engine runs a
sequence of a few steps again, so that the membranes fit the current weights. Three networks exist only in training, as
perceptrons: two critics, and the network that computes the standard deviation of the sampled actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ...controller_file import ControllerSpec
from ...errors import DescriptionError
from ...network.checks import Flag, Whole
from ..environments.vector_env import VectorEnv
from .distributions import LOG_ROOT, DiagGaussian, distributions
from .learner import Learner, Settings, discount
from .networks import Adam, FrameStack, Perceptron, RunningMeanStd
from .replay_buffer import ReplayBuffer

__all__ = ["SAC", "SACSettings"]

LOW, HIGH = np.float32(-4), np.float32(0.5)  # limits of the logarithm of the deviation


@dataclass(frozen=True)
class SACSettings(Settings):
    """Settings of `SAC`, named as in stable-baselines3.

    n_envs : number of environments
    n_steps : number of steps of each environment in a phase
    sequence_length : number of steps in a sequence
    batch_size : number of steps in an update, a multiple of ``sequence_length``
    train_freq : number of steps between updates, counted over all environments
    gradient_steps : number of updates after every ``train_freq`` steps
    learning_starts : number of steps at the beginning of training in which the actions are random
    noise_correlation : correlation of the exploration noise between consecutive steps, in every second environment;
        correlated noise explores further than independent noise
    gamma : discount factor of rewards
    tau : fraction by which the target critics approach the critics in each update
    ent_coef : initial weight of the entropy. The weight is adapted until the entropy is -1 for each number of the
        outputs
    learning_rate : learning rate of Adam for the controller
    critic_learning_rate : learning rate of Adam for the critics
    max_grad_norm : maximum norm of the gradients; for the critics, the maximum is ten times as large
    reward_std : standard deviation to which discounted rewards are scaled
    spike_cost : initial weight of the mean spikes per neuron and step in the loss of the spike-reduction phases, which
        adjust it; 0 skips these phases
    score_loss : score that the reduction of spikes may cost, as a fraction of the way from the score of random actions
        to the learned score
    critic_layers : sizes of the critics' hidden layers
    std_layers : sizes of the hidden layers of the network that computes the standard deviation of the sampled actions
    n_stack : number of newest observations that the critics and the network of the standard deviation see
    buffer_size : size of the replay buffer, in steps
    gain_generations : see `snn_control.training.algorithms.imitation.ImitationSettings`
    total_timesteps : number of environment steps after which training ends
    widen_ranges : after each phase, widen the ranges of inputs with receptive fields from which more than 1 % of the
        observed values were outside
    """

    widen_ranges: Flag = True
    gain_generations: Annotated[int, Whole(0)] = 8
    n_envs: int = 4
    n_steps: int = 250
    sequence_length: int = 4
    batch_size: int = 128
    train_freq: int = 1
    gradient_steps: int = 1
    learning_starts: int = 3000
    noise_correlation: float = 0.97
    gamma: float = 0.99
    tau: float = 0.01
    ent_coef: float = 0.1
    learning_rate: float = 3e-4
    critic_learning_rate: float = 1e-3
    max_grad_norm: float = 1.0
    reward_std: float = 10.0
    spike_cost: float = 0.3
    score_loss: float = 0.01
    critic_layers: tuple[int, ...] = (128, 128)
    std_layers: tuple[int, ...] = (64,)
    n_stack: int = 1
    buffer_size: int = 50_000
    total_timesteps: int = 100_000

    @classmethod
    def defaults_for(cls, spec: ControllerSpec, limit: int | None) -> dict[str, Any]:
        """Return the default settings that depend on the controller or on the length of episodes.

        A phase lasts one episode, but 250 to 1,600 steps. If the network has delays of at least a control period, the
        critics also see earlier observations, because the present observation is probably not enough.

        limit : maximum number of steps of an episode; None: the environment names no limit
        """
        found = {"gamma": discount(limit), "n_steps": int(np.clip(limit or cls.n_steps, 250, 1600))}
        if any(np.max(one.delay, initial=0) >= spec.period for one in spec.network.projections):
            found["n_stack"] = 3
        return found


class SAC(Learner):
    """The learner of the training method ``sac`` (soft actor-critic).

    Differences from stable-baselines3
    ----------------------------------
    - **Recurrence**: an update runs sequences of ``sequence_length`` steps again, from states in the replay buffer.
    - **Counting**: ``train_freq`` counts the steps of all environments; in stable-baselines3 a step of all
      environments counts as one. One update for each step is what the paper does.
    - **Standard deviation** of the actions: a perceptron of its own, which also sees ``n_stack`` observations.
    - **Exploration**: in every second environment the noise of consecutive steps is correlated
      (``noise_correlation``), as in gSDE, to reach states that independent noise does not reach. Actions before
      ``learning_starts`` are random in the same way.
    - **Rewards** are divided by the running standard deviation of discounted returns, and multiplied by
      ``reward_std``; in stable-baselines3 they are unchanged.
    - **Means** of actions beyond +-2, where tanh is nearly flat, are drawn back by a small penalty.
    - **Gradients** are limited (``max_grad_norm``).
    - **Temperature**: it learns at 3e-3, from ``ent_coef`` 0.1.
    - **Defaults**: the critics learn faster than the controller, because a controller should follow critics that
      have converged (two time-scales, Konda and Tsitsiklis 1999). Critics of 128 neurons a layer, and minibatches of
      32 sequences of 4 steps, take half the time of those of stable-baselines3. ``gamma`` depends on the length of
      episodes (`discount`).
    """

    settings: SACSettings
    reduces_spikes = True
    checkpointed = (
        "actor_optimizer", "std_net", "std_optimizer", "critics", "critic_targets", "critic_optimizers",
        "log_ent_coef", "alpha_optimizer", "return_stats", "stored_count", "stored_steps",
    )  # fmt: skip

    @property
    def steps_of_a_phase(self) -> int:
        return self.settings.n_envs * self.settings.n_steps

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        s = self.settings
        found = distributions(self.parameters.spec.outputs, 1.0)
        if not all(isinstance(one, DiagGaussian) for one in found):
            rule = "needs outputs that are all numbers"
            raise DescriptionError("--how", "sac", rule, "leave it out: a learner that suits the actions is then used")
        self.policy: list[DiagGaussian] = found  # type: ignore[assignment]
        self.features, self.m = self.n_features(envs) * s.n_stack, sum(one.n for one in self.policy)
        trained = [p.values for p in self.parameters.parameters]
        self.actor_optimizer = Adam(trained, s.learning_rate, s.max_grad_norm)
        self.std_net = Perceptron((self.features, *s.std_layers, self.m), rng)
        self.std_net.weights[-1] *= 0.1
        self.std_net.biases[-1] -= 0.5
        self.std_optimizer = Adam(self.std_net.values, s.learning_rate, s.max_grad_norm)
        self.critics = [Perceptron((self.features + self.m, *s.critic_layers, 1), rng, relu=True) for _ in range(2)]
        self.critic_targets = [critic.copy() for critic in self.critics]
        rate, norm = s.critic_learning_rate, s.max_grad_norm * 10
        self.critic_optimizers = [Adam(critic.values, rate, norm) for critic in self.critics]
        self.log_ent_coef = np.full(1, np.log(s.ent_coef), np.float32)
        self.alpha_optimizer = Adam([self.log_ent_coef], 3e-3)
        self.return_stats = RunningMeanStd()
        self.replay_buffer = ReplayBuffer(s.buffer_size)

    # collecting --------------------------------------------------------------------------------------------------
    def phase(self, envs: VectorEnv, seed: int, rng: np.random.Generator, remaining: float) -> dict[str, float]:
        s, n = self.settings, envs.n
        inputs, start, batch = envs.reset(seed), np.ones(n, bool), self.student.started(n)
        keep = np.where(np.arange(n) % 2, 0, s.noise_correlation)[:, None]
        frames = FrameStack(s.n_stack)
        sums, owed, report = np.zeros(n), 0.0, {}
        noise: np.ndarray = np.zeros((n, self.m), np.float32)
        for k in range(s.n_steps):
            before = self.student.remember(batch)
            heads, seen = self.student.step(batch, inputs, start)
            features = frames.add(envs.interface.features(seen), start)
            fresh = rng.normal(size=noise.shape).astype(np.float32)
            noise = np.where(start[:, None], fresh, keep * noise + np.sqrt(1 - keep**2) * fresh).astype(np.float32)
            if self.replay_buffer.count * n < s.learning_starts:
                tried = np.tanh(1.5 * noise)
            else:
                tried = self.sample_actions(self.mean(heads), features, noise)[0]
            commands = [one.centre + one.half * part for one, part in zip(self.policy, self.split(tried))]
            found = envs.step(commands)
            ahead = self.student.peek(batch, found.last, np.zeros(n, bool))
            last_of_phase = k == s.n_steps - 1  # the next phase resets the environments
            self.replay_buffer.add(
                n, before=before, start=start, features=features,
                next_features=frames.with_next(envs.interface.features(ahead)), tried=tried, reward=found.reward,
                terminated=found.terminated, over=found.done | last_of_phase,
                **{f"inputs.{name}": value for name, value in seen.items()},
            )  # fmt: skip
            sums = s.gamma * sums + found.reward
            self.return_stats.add(sums)
            sums[found.done] = 0
            inputs, start = found.inputs, found.done
            if self.replay_buffer.count * n >= s.learning_starts:
                owed += n * s.gradient_steps / s.train_freq
                while owed >= 1:
                    owed -= 1
                    report = self.update(rng)
                self.student.refresh(batch)
        return report

    def mean(self, heads: dict[str, np.ndarray]) -> np.ndarray:
        """Return the heads of all outputs as one (..., m) array, in units of half the distance between their limits."""
        return np.concatenate([one.mean(heads[one.name]) for one in self.policy], axis=-1)

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Split a (..., m) array for all outputs into one array for each output."""
        return np.split(values, np.cumsum([one.n for one in self.policy])[:-1], axis=-1)

    def sample_actions(self, mean: np.ndarray, features: np.ndarray, noise: np.ndarray) -> tuple[Any, ...]:
        """Sample actions between -1 and 1. Return five values, of which the gradient needs the last three:

        1. the actions, (k, m)
        2. their log density, (k,)
        3. the values of all layers of ``std_net``, the network that computes the standard deviation
        4. the logarithm of the standard deviation after limiting, (k, m)
        5. the same logarithm before limiting, (k, m)

        mean : (k, m), the heads of the outputs
        features : (k, features), inputs of the critics
        noise : (k, m), standard normal numbers
        """
        layers = self.std_net.layers(features.reshape(-1, self.features))
        raw = layers[-1].reshape(mean.shape)
        log = np.clip(raw, LOW, HIGH)
        tried = np.tanh(mean + np.exp(log) * noise)
        density = (-0.5 * noise**2 - log - LOG_ROOT - np.log(1 - tried**2 + 1e-6)).sum(-1)
        return tried, density, layers, log, raw

    # in a checkpoint ---------------------------------------------------------------------------------------------
    @property
    def stored_count(self) -> int:
        return self.replay_buffer.count

    @stored_count.setter
    def stored_count(self, count: int) -> None:
        self.replay_buffer.count = count

    @property
    def stored_steps(self) -> dict[str, np.ndarray]:
        return self.replay_buffer.contents

    @stored_steps.setter
    def stored_steps(self, arrays: dict[str, np.ndarray]) -> None:
        self.replay_buffer.contents = arrays

    # updating ----------------------------------------------------------------------------------------------------
    def update(self, rng: np.random.Generator) -> dict[str, float]:
        s, m = self.settings, self.replay_buffer.arrays
        length, rows = s.sequence_length, s.sequences
        at, column = self.replay_buffer.sample(rng, rows, length + 1)
        inputs = {k[7:]: v[at, column] for k, v in m.items() if k.startswith("inputs.")}
        starts = m["start"][at, column]
        heads, tape = self.student.run(inputs, starts, m["before"][at[0], column])
        mean, features = self.mean(heads), m["features"][at, column]
        noise = rng.normal(size=mean.shape).astype(np.float32)
        tried, density, layers, log, raw = self.sample_actions(mean, features, noise)
        ent_coef = float(np.exp(self.log_ent_coef[0]))
        seen = slice(0, length)
        ended, terminated = m["over"][at, column][seen], m["terminated"][at, column][seen]
        use = (~ended | terminated).astype(np.float32).reshape(-1)
        flat = features[seen].reshape(length * rows, -1)
        ahead = np.concatenate([m["next_features"][at, column][seen], tried[1:]], axis=-1).reshape(length * rows, -1)
        next_q = np.minimum(*(target(ahead)[:, 0] for target in self.critic_targets))
        next_q = next_q - ent_coef * density[1:].reshape(-1)
        scale = np.float32(s.reward_std) / self.return_stats.std
        target_q = m["reward"][at, column][seen].reshape(-1) * scale
        target_q = target_q + np.float32(s.gamma) * np.where(terminated.reshape(-1), 0, next_q)
        done = np.concatenate([flat, m["tried"][at, column][seen].reshape(length * rows, -1)], axis=1)
        for critic, target, optimizer in zip(self.critics, self.critic_targets, self.critic_optimizers, strict=True):
            found = critic.layers(done)
            error = ((found[-1][:, 0] - target_q) * use / use.size).astype(np.float32)
            optimizer.step(critic.gradients(found, error[:, None]))
            for old, new in zip(target.values, critic.values, strict=True):
                old += np.float32(s.tau) * (new - old)
        slope = self.gradient_of_q(flat, tried[seen].reshape(length * rows, -1)).reshape(length, rows, -1)
        a, size_of = tried[seen], np.float32(length * rows)
        by_sum = (ent_coef * 2 * a - slope * (1 - a * a)) / size_of  # derivative by the sampled sum, before tanh
        by_log = by_sum * np.exp(log[seen]) * noise[seen] - np.float32(ent_coef) / size_of
        by_log = np.where(((raw[seen] > LOW) | (by_log < 0)) & ((raw[seen] < HIGH) | (by_log > 0)), by_log, 0)
        far = np.float32(1e-3) / size_of * mean[seen] * (np.abs(mean[seen]) > 2)  # keeps means where tanh has a slope
        by_mean = np.zeros_like(mean)
        by_mean[seen] = by_sum + far
        parts = self.split(by_mean)
        by_head = {one.name: (g / one.unit).astype(np.float32) for one, g in zip(self.policy, parts, strict=True)}
        self.actor_optimizer.step(self.parameters.gradients(self.student.backward(tape, by_head)))
        self.parameters.write()
        whole = np.zeros_like(raw)
        whole[seen] = by_log
        self.std_optimizer.step(self.std_net.gradients(layers, whole.reshape(-1, self.m).astype(np.float32)))
        self.alpha_optimizer.step([np.array([-(density.mean() - self.m) * ent_coef], np.float32)])
        return {"ent_coef": ent_coef, "target_q": float(target_q.mean())}

    def gradient_of_q(self, features: np.ndarray, tried: np.ndarray) -> np.ndarray:
        """Return the derivative of the smaller of the two critics' values by the actions, (k, m).

        features : (k, features), inputs of the critics
        tried : (k, m), the actions
        """
        x = np.concatenate([features, tried], axis=1)
        a, b = (critic.layers(x) for critic in self.critics)
        lower = (a[-1] < b[-1]).astype(np.float32)
        g = self.critics[0].gradient_of_input(a, lower) + self.critics[1].gradient_of_input(b, 1 - lower)
        return g[:, features.shape[1] :]
