"""Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905) of a spiking controller with numbers as outputs.

The replay memory stores with every step the engine's state before it. Sequences of a few steps are run again from these
states, so that membranes are those of the current weights. The critics, and the network that gives the deviation of the
sampled actions, are perceptrons that exist in training only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ..controller_file import ControllerSpec
from ..errors import DescriptionError
from ..network.checks import Flag, Positive, Whole
from .environments import Environments
from .learner import LONG, Learner, Settings
from .networks import Adam, Frames, Perceptron, Variance
from .policy import LOG_ROOT, Gaussian, distributions

__all__ = ["SAC", "SACSettings"]

LOW, HIGH = np.float32(-4), np.float32(0.5)  # limits of the logarithm of the deviation
LARGEST = 4 << 30  # bytes of the replay memory, at most


@dataclass(frozen=True)
class SACSettings(Settings):
    """Settings of `SAC`; ``budget`` counts steps of the environment.

    steps : steps in a phase
    length : steps of a sequence
    rows : sequences in an update
    every : steps of the environment between updates
    random : first steps, with random actions
    correlation : correlation from step to step of the noise in every second environment, which explores further than
        independent noise
    discount, follow : gamma, and the rate at which the target critics follow
    temperature : initial value; it is adapted to an entropy of -1 for each output
    rate, critic_rate : learning rates of Adam
    norm : largest norm of the gradients
    reward_spread : standard deviation to which discounted rewards are scaled
    spike_price : price of the mean number of spikes of a neuron in a step in the phases that save spikes; 0 omits them
    critic : sizes of the critics' hidden layers
    frames : number of newest observations that the critics see
    capacity : size of the memory, in steps
    adjust : as in `snn_control.training.imitation.ImitationSettings`
    fit_ranges : fit the ranges of inputs with receptive fields to what the first phase meets
    """

    fit_ranges: Flag = False
    adjust: Annotated[int, Whole(0)] = 8
    environments: int = 4
    length: int = 4
    rows: int = 32
    every: Positive = 3.0
    random: int = 3000
    correlation: float = 0.97
    discount: float = 0.99
    follow: float = 0.01
    temperature: float = 0.1
    rate: float = 1e-3
    critic_rate: float = 1e-3
    norm: float = 1.0
    reward_spread: float = 10.0
    spike_price: float = 0.3
    critic: tuple[int, ...] = (128, 128)
    deviation_layers: tuple[int, ...] = (64,)
    frames: int = 1
    capacity: int = 50_000
    steps: int = 1000
    budget: int = 100_000

    @classmethod
    def suited(cls, spec: ControllerSpec, limit: int) -> dict[str, Any]:
        """A phase holds whole episodes, and the discount makes rewards within a quarter of an episode count. Where the
        network looks back by a period, as the present is not enough, the critics do too."""
        steps = cls.environments * int(np.clip(limit, 250, 1600))
        found = {"discount": float(np.clip(1 - 4 / limit, 0.9, 0.999)), "steps": steps}
        if any(np.max(one.delay, initial=0) >= spec.period for one in spec.network.projections):
            found["frames"] = 3
        return found | {"budget": 600_000} if limit >= LONG else found


class SAC(Learner):
    """The learner for ``sac``."""

    settings: SACSettings
    patience, least, spares = 0.08, 8, True
    kept = (
        "actor",
        "deviation",
        "spread",
        "critics",
        "targets",
        "judges",
        "log_temperature",
        "heat",
        "returns",
        "count",
        "replay",
    )

    @property
    def steps_of_a_phase(self) -> int:
        return self.settings.steps

    def begin(self, envs: Environments, rng: np.random.Generator) -> None:
        s = self.settings
        found = distributions(self.parameters.spec.outputs, 1.0)
        if not all(isinstance(one, Gaussian) for one in found):
            rule = "is for outputs of numbers alone"
            raise DescriptionError("--how", "sac", rule, "leave it out: a learner that suits the actions is then used")
        self.policy: list[Gaussian] = found  # type: ignore[assignment]
        nothing = {name: np.zeros((1, *shape), np.float32) for name, shape in self.student.seen_shapes.items()}
        k = envs.interface.features(nothing).shape[1]
        self.features, self.m = k * s.frames, sum(one.n for one in self.policy)
        self.actor = Adam([p.values for p in self.parameters.parameters], s.rate, s.norm)
        self.deviation = Perceptron((self.features, *s.deviation_layers, self.m), rng)
        self.deviation.weights[-1] *= 0.1
        self.deviation.biases[-1] -= 0.5
        self.spread = Adam(self.deviation.values, s.rate, s.norm)
        self.critics = [Perceptron((self.features + self.m, *s.critic, 1), rng, relu=True) for _ in range(2)]
        self.targets = [critic.copy() for critic in self.critics]
        self.judges = [Adam(critic.values, s.critic_rate, s.norm * 10) for critic in self.critics]
        self.log_temperature = np.full(1, np.log(s.temperature), np.float32)
        self.heat = Adam([self.log_temperature], 3e-3)
        self.returns = Variance()
        self.count = 0
        self.memory: dict[str, np.ndarray] = {}

    # collecting --------------------------------------------------------------------------------------------------
    def phase(self, envs: Environments, seed: int, rng: np.random.Generator, left: float) -> dict[str, float]:
        s, n = self.settings, envs.n
        inputs, start, batch = envs.reset(seed), np.ones(n, bool), self.student.batch(n)
        self.student.refresh(batch)
        batch.reset()
        keep = np.where(np.arange(n) % 2, 0, s.correlation)[:, None]
        frames = Frames(s.frames)
        noise, sums, owed, report = np.zeros((n, self.m), np.float32), np.zeros(n), 0.0, {}
        for k in range(s.steps // n):
            before = self.student.remember(batch)
            heads, seen = self.student.step(batch, inputs, start)
            features = frames.add(envs.interface.features(seen), start)
            fresh = rng.normal(size=noise.shape).astype(np.float32)
            noise = np.where(start[:, None], fresh, keep * noise + np.sqrt(1 - keep**2) * fresh).astype(np.float32)
            if self.count * n < s.random:
                tried = np.tanh(1.5 * noise)
            else:
                tried = self.try_out(self.mean(heads), features, noise)[0]
            found = envs.step(self.commands(tried))
            ahead = self.student.look(batch, found.last, np.zeros(n, bool))
            last_of_phase = k == s.steps // n - 1  # the next phase resets the environments
            self.keep(
                n,
                before=before,
                start=start,
                features=features,
                next_features=frames.with_next(envs.interface.features(ahead)),
                tried=tried,
                reward=found.reward,
                terminated=found.terminated,
                over=found.over | last_of_phase,
                **{f"inputs.{name}": value for name, value in seen.items()},
            )
            sums = s.discount * sums + found.reward
            self.returns.add(sums)
            sums[found.over] = 0
            inputs, start = found.inputs, found.over
            if self.count * n >= s.random:
                owed += n / s.every
                while owed >= 1:
                    owed -= 1
                    report = self.update(rng, n)
                self.student.refresh(batch)
        return report

    def mean(self, heads: dict[str, np.ndarray]) -> np.ndarray:
        """(..., m), the heads of all outputs in units of half their limits."""
        return np.concatenate([one.mean(heads[one.name]) for one in self.policy], axis=-1)

    def commands(self, tried: np.ndarray) -> list[np.ndarray]:
        cuts = np.cumsum([one.n for one in self.policy])[:-1]
        return [one.centre + one.half * part for one, part in zip(self.policy, np.split(tried, cuts, axis=-1))]

    def try_out(self, mean: np.ndarray, features: np.ndarray, noise: np.ndarray) -> tuple[Any, ...]:
        """Sample actions within -1 .. 1; returns them, their log density, and the layers and log deviation for the
        gradient."""
        layers = self.deviation.layers(features.reshape(-1, self.features))
        raw = layers[-1].reshape(mean.shape)
        log = np.clip(raw, LOW, HIGH)
        tried = np.tanh(mean + np.exp(log) * noise)
        density = (-0.5 * noise**2 - log - LOG_ROOT - np.log(1 - tried**2 + 1e-6)).sum(-1)
        return tried, density, layers, log, raw

    @property
    def replay(self) -> dict[str, np.ndarray]:
        """The contents of the memory, for a checkpoint."""
        return {name: value[: self.count] for name, value in self.memory.items()}

    @replay.setter
    def replay(self, arrays: dict[str, np.ndarray]) -> None:
        self.memory = {}
        for name, value in arrays.items():
            self.memory[name] = np.zeros((self.settings.capacity // value.shape[1], *value.shape[1:]), value.dtype)
            self.memory[name][: len(value)] = value

    def keep(self, n: int, **step: np.ndarray) -> None:
        size = self.settings.capacity // n
        if not self.memory:
            self._check_size(sum(value.nbytes for value in step.values()) // n)
        for name, value in step.items():
            if name not in self.memory:
                self.memory[name] = np.zeros((size, *value.shape), value.dtype)
            self.memory[name][self.count % size] = value
        self.count += 1

    def _check_size(self, step: int) -> None:
        """Check that the memory is not too large; ``step``: bytes of one step."""
        capacity = self.settings.capacity
        if step * capacity > LARGEST:
            rule = f"would need {step * capacity / 1e9:.1f} GB: {step:,} bytes per step, cells of events included"
            fix = f"take at most {LARGEST // step:,}, fewer neurons or a coarser grid, or --how imitate"
            raise DescriptionError("settings.capacity", capacity, rule, fix)

    # updating ----------------------------------------------------------------------------------------------------
    def update(self, rng: np.random.Generator, n: int) -> dict[str, float]:
        s, m = self.settings, self.memory
        size, length, rows = s.capacity // n, s.length, s.rows
        held = min(self.count, size)
        first = rng.integers(0, max(held - length - 1, 1), rows)
        if self.count > size:
            first = (first + self.count) % size
        column = rng.integers(0, n, rows)
        at = (first + np.arange(length + 1)[:, None]) % size
        inputs = {k[7:]: v[at, column] for k, v in m.items() if k.startswith("inputs.")}
        starts = m["start"][at, column]
        heads, tape = self.student.run(inputs, starts, m["before"][first, column])
        mean, features = self.mean(heads), m["features"][at, column]
        noise = rng.normal(size=mean.shape).astype(np.float32)
        tried, density, layers, log, raw = self.try_out(mean, features, noise)
        temperature = float(np.exp(self.log_temperature[0]))
        seen = slice(0, length)
        ended, terminated = m["over"][at, column][seen], m["terminated"][at, column][seen]
        use = (~ended | terminated).astype(np.float32).reshape(-1)
        flat = features[seen].reshape(length * rows, -1)
        ahead = np.concatenate([m["next_features"][at, column][seen], tried[1:]], axis=-1).reshape(length * rows, -1)
        worth = np.minimum(*(target(ahead)[:, 0] for target in self.targets)) - temperature * density[1:].reshape(-1)
        scale = np.float32(s.reward_spread) / self.returns.deviation
        goal = m["reward"][at, column][seen].reshape(-1) * scale
        goal = goal + np.float32(s.discount) * np.where(terminated.reshape(-1), 0, worth)
        done = np.concatenate([flat, m["tried"][at, column][seen].reshape(length * rows, -1)], axis=1)
        for critic, target, judge in zip(self.critics, self.targets, self.judges, strict=True):
            found = critic.layers(done)
            error = ((found[-1][:, 0] - goal) * use / use.size).astype(np.float32)
            judge.step(critic.gradients(found, error[:, None]))
            for old, new in zip(target.values, critic.values, strict=True):
                old += np.float32(s.follow) * (new - old)
        slope = self.slope_of_worth(flat, tried[seen].reshape(length * rows, -1)).reshape(length, rows, -1)
        a, size_of = tried[seen], np.float32(length * rows)
        by_sum = (temperature * 2 * a - slope * (1 - a * a)) / size_of  # derivative by the sampled sum, before tanh
        by_log = by_sum * np.exp(log[seen]) * noise[seen] - np.float32(temperature) / size_of
        by_log = np.where(((raw[seen] > LOW) | (by_log < 0)) & ((raw[seen] < HIGH) | (by_log > 0)), by_log, 0)
        far = np.float32(1e-3) / size_of * mean[seen] * (np.abs(mean[seen]) > 2)  # keeps means where tanh has a slope
        by_mean = np.zeros_like(mean)
        by_mean[seen] = by_sum + far
        cuts = np.cumsum([one.n for one in self.policy])[:-1]
        parts = np.split(by_mean, cuts, axis=-1)
        by_head = {one.name: (g / one.unit).astype(np.float32) for one, g in zip(self.policy, parts, strict=True)}
        self.actor.step(self.parameters.gradients(self.student.backward(tape, by_head)))
        self.parameters.write()
        whole = np.zeros_like(raw)
        whole[seen] = by_log
        self.spread.step(self.deviation.gradients(layers, whole.reshape(-1, self.m).astype(np.float32)))
        self.heat.step([np.array([-(density.mean() - self.m) * temperature], np.float32)])
        return {"temperature": temperature, "worth": float(goal.mean())}

    def slope_of_worth(self, features: np.ndarray, tried: np.ndarray) -> np.ndarray:
        """Derivative of the lower of the two critics with respect to the action."""
        x = np.concatenate([features, tried], axis=1)
        a, b = (critic.layers(x) for critic in self.critics)
        lower = (a[-1] < b[-1]).astype(np.float32)
        g = self.critics[0].gradient_of_input(a, lower) + self.critics[1].gradient_of_input(b, 1 - lower)
        return g[:, features.shape[1] :]
