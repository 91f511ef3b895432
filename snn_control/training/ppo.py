"""Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) of a spiking controller.

The controller acts in the engine. The recorded steps are cut into sequences; each starts from the engine's state at
that time and is run again by the engine after every update, so that spikes and gradients are those of the current
weights. The critic is a perceptron that exists in training only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ..controller_file import ControllerSpec
from ..network.checks import Flag, Whole
from .environments import Environments
from .learner import LONG, Learner, Settings
from .networks import Adam, Frames, Perceptron, Variance
from .policy import COLD, Choice, distributions

__all__ = ["PPO", "PPOSettings"]

#: A controller always takes the action with the largest score. Once the task is learned, the softmax that samples
#: actions comes close to that: its temperature falls by COOLING in each phase, down to COLD.
COOLING = np.float32(0.8)


@dataclass(frozen=True)
class PPOSettings(Settings):
    """Settings of `PPO`; ``budget`` counts steps of the environment.

    rounds : rounds of collecting and updating in a phase
    steps : steps of each environment between updates
    length : steps of a sequence
    rows : sequences in an update
    epochs : passes over the collected steps
    discount, trace : gamma, and lambda of the advantages
    clip : clipping of the ratio
    divergence : divergence from the old policy at which the passes stop
    entropy : price of the entropy, which falls like the learning rates
    rate, critic_rate : initial learning rates of Adam (`Course.left`)
    norm : largest norm of the gradients
    deviation : initial deviation of the sampled actions
    spike_price : price of the mean number of spikes of a neuron in a step in the phases that save spikes; 0 omits them
    critic : sizes of the critic's hidden layers
    frames : number of newest observations that the critic sees
    adjust : as in `snn_control.training.imitation.ImitationSettings`
    fit_ranges : fit the ranges of inputs with receptive fields to what the first phase meets
    """

    fit_ranges: Flag = False
    adjust: Annotated[int, Whole(0)] = 8
    environments: int = 16
    steps: int = 128
    length: int = 16
    rows: int = 16
    epochs: int = 6
    discount: float = 0.99
    trace: float = 0.95
    clip: float = 0.2
    divergence: float = 0.03
    entropy: float = 0.01
    rate: float = 1e-3
    critic_rate: float = 1e-3
    norm: float = 0.5
    deviation: float = 0.6
    spike_price: float = 0.3
    critic: tuple[int, ...] = (64, 64)
    frames: int = 3
    rounds: int = 5
    budget: int = 400_000

    @classmethod
    def suited(cls, spec: ControllerSpec, limit: int) -> dict[str, Any]:
        """The discount makes rewards within a quarter of an episode count; in long episodes nearly all of it. These
        also need more steps in an update."""
        if limit >= LONG:
            return {"discount": 0.999, "trace": 0.98, "steps": 256, "rounds": 4, "rows": 32, "budget": 650_000}
        return {"discount": float(np.clip(1 - 4 / limit, 0.9, 0.999))}


def _in_sequences(value: np.ndarray, parts: int, length: int) -> np.ndarray:
    """(parts * length, n, ..) -> (length, parts * n, ..)."""
    n, rest = value.shape[1], value.shape[2:]
    return value.reshape(parts, length, n, *rest).swapaxes(0, 1).reshape(length, parts * n, *rest)


class PPO(Learner):
    """The learner for ``ppo``."""

    settings: PPOSettings
    patience, cools, least, spares = 0.15, True, 8, True
    kept = ("policy", "actor", "critic", "judge", "spread")

    def begin(self, envs: Environments, rng: np.random.Generator) -> None:
        s = self.settings
        self.policy = distributions(self.parameters.spec.outputs, s.deviation)
        own = [value for one in self.policy for value in one.parameters]
        self.actor = Adam([p.values for p in self.parameters.parameters] + own, s.rate, s.norm)
        nothing = {name: np.zeros((1, *shape), np.float32) for name, shape in self.student.seen_shapes.items()}
        k = envs.interface.features(nothing).shape[1]
        self.critic = Perceptron((k * s.frames, *s.critic, 1), rng)
        self.judge = Adam(self.critic.values, s.critic_rate, s.norm)
        self.spread = Variance()  # of discounted returns; rewards are divided by its deviation

    @property
    def steps_of_a_phase(self) -> int:
        return self.settings.environments * self.settings.steps * self.rounds

    @property
    def rounds(self) -> int:
        """Rounds in a phase: fewer if the budget is less than one phase."""
        s = self.settings
        return min(s.rounds, max(1, s.budget // (s.environments * s.steps)))

    def phase(self, envs: Environments, seed: int, rng: np.random.Generator, left: float) -> dict[str, float]:
        s = self.settings
        self.inputs, self.start = envs.reset(seed), np.ones(envs.n, bool)
        self.batch = self.student.batch(envs.n)
        self.student.refresh(self.batch)
        self.batch.reset()
        self.sums = np.zeros(envs.n)
        self.frames = Frames(s.frames)
        for one in self.policy:
            if isinstance(one, Choice):
                one.temperature = max(COLD, COOLING**self.cooled)
        for k in range(self.rounds):
            here = left - (left - self.left_after) * k / self.rounds
            self.actor.rate, self.judge.rate = s.rate * here, s.critic_rate * here
            report = self.update(self.collect(envs, rng), rng, s.entropy * here)
        return report

    def collect(self, envs: Environments, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Play steps with the current policy: arrays (steps, n, ..), the critic's values, and states of the engine."""
        s, n = self.settings, envs.n
        kept: dict[str, list] = {
            key: [] for key in ("start", "features", "reward", "over", "terminated", "log", "bootstrap")
        }
        inputs: dict[str, list] = {}
        tried: list[list[np.ndarray]] = [[] for _ in self.policy]
        memories = []
        self.student.refresh(self.batch)
        for t in range(s.steps):
            if t % s.length == 0:
                memories.append(self.student.remember(self.batch))
            heads, given = self.student.step(self.batch, self.inputs, self.start)
            seen = self.frames.add(envs.interface.features(given), self.start)
            log, commands = np.zeros(n, np.float32), []
            for one, into in zip(self.policy, tried, strict=True):
                action = one.sample(heads[one.name], rng)
                log += one.log_probability(heads[one.name], action)
                into.append(action)
                commands.append(one.command(action))
            for name, value in given.items():
                inputs.setdefault(name, []).append(value)
            found = envs.step(commands)
            cut = np.zeros(n, np.float32)
            if (rows := np.flatnonzero(found.truncated & ~found.terminated)).size:
                ends = self.student.look(self.batch, found.last, np.zeros(n, bool))
                cut[rows] = self.critic(self.frames.with_next(envs.interface.features(ends))[rows])[:, 0]
            now = (self.start, seen, found.reward, found.over, found.terminated, log, cut)
            for key, value in zip(kept, now, strict=True):
                kept[key].append(value.copy())
            self.inputs, self.start = found.inputs, found.over
            self.sums = s.discount * self.sums + found.reward
            self.spread.add(self.sums)
            self.sums[found.over] = 0
        data = {key: np.array(value) for key, value in kept.items()}
        data |= {f"inputs.{name}": np.array(value) for name, value in inputs.items()}
        data |= {f"tried.{one.name}": np.array(value) for one, value in zip(self.policy, tried, strict=True)}
        ahead = self.student.look(self.batch, self.inputs, self.start)
        next_value = self.critic(self.frames.with_next(envs.interface.features(ahead), self.start))[:, 0]
        self.advantages(data, next_value)
        data["memory"] = np.array(memories)
        return data

    def advantages(self, data: dict[str, np.ndarray], next_value: np.ndarray) -> None:
        """Add generalised advantages (Schulman et al. 2016, arXiv:1506.02438) and the critic's targets to ``data``."""
        s, steps = self.settings, len(data["reward"])
        value = self.critic(data["features"].reshape(-1, data["features"].shape[-1])).reshape(steps, -1)
        reward = data["reward"] / self.spread.deviation
        found, last = np.zeros_like(value), np.zeros(value.shape[1], np.float32)
        for t in range(steps - 1, -1, -1):
            ahead = value[t + 1] if t + 1 < steps else next_value
            ahead = np.where(data["over"][t], np.where(data["terminated"][t], 0, data["bootstrap"][t]), ahead)
            last = reward[t] + s.discount * ahead - value[t] + s.discount * s.trace * np.where(data["over"][t], 0, last)
            found[t] = last
        data["advantage"], data["target"] = found, found + value

    def update(self, data: dict[str, np.ndarray], rng: np.random.Generator, entropy: float) -> dict[str, float]:
        s, n = self.settings, data["reward"].shape[1]
        parts = len(data["reward"]) // s.length
        cut = {key: _in_sequences(value, parts, s.length) for key, value in data.items() if key != "memory"}
        memory = data["memory"].reshape(parts * n, -1)
        features, target = data["features"].reshape(-1, data["features"].shape[-1]), data["target"].reshape(-1)
        report = {"divergence": 0.0}
        for _ in range(s.epochs):
            order = rng.permutation(parts * n)
            for first in range(0, parts * n, s.rows):
                rows = order[first : first + s.rows]
                report = self.update_actor({k: v[:, rows] for k, v in cut.items()}, memory[rows], entropy)
                self.update_critic(features, target, rng.integers(0, target.size, rows.size * s.length))
                if report["divergence"] > s.divergence:
                    return report
        return report

    def update_actor(self, part: dict[str, np.ndarray], memory: np.ndarray, entropy: float) -> dict[str, float]:
        s = self.settings
        inputs = {name[7:]: value for name, value in part.items() if name.startswith("inputs.")}
        heads, tape = self.student.run(inputs, part["start"], memory)
        advantage = part["advantage"]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        new = np.zeros_like(part["log"])
        for one in self.policy:
            new += one.log_probability(heads[one.name], part[f"tried.{one.name}"])
        ratio = np.exp(new - part["log"])
        clipped = ((advantage > 0) & (ratio > 1 + s.clip)) | ((advantage < 0) & (ratio < 1 - s.clip))
        g = np.where(clipped, 0, -advantage * ratio / ratio.size).astype(np.float32)
        by_head, own = {}, []
        for one in self.policy:
            by_head[one.name], more = one.gradients(g, entropy / ratio.size)
            own += more
        found = self.parameters.gradients(self.student.backward(tape, by_head))
        self.actor.step([*found, *own])
        self.parameters.write()
        return {"divergence": float((ratio - 1 - (new - part["log"])).mean())}

    def update_critic(self, features: np.ndarray, target: np.ndarray, rows: np.ndarray) -> None:
        layers = self.critic.layers(features[rows])
        error = (layers[-1] - target[rows, None]) / rows.size
        self.judge.step(self.critic.gradients(layers, error.astype(np.float32)))
