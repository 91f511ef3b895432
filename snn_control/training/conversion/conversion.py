"""Convert a trained policy: play its first episodes, make and train a controller, and compare both in new episodes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...coding import ValueInput
from ...controller import Batch, build_program
from ...controller.pruning import without
from ...controller_file import ControllerSpec, Limits, Surrogate
from ...errors import DescriptionError, RuntimeFault, SnnControlError, describe_exception
from ...gym_adapter.spaces import as_command
from ..algorithms.heads import Head
from ..algorithms.imitator import CHOICE_SPIKES, Imitator, TrainingPlan
from ..environments.evaluation import Evaluation, evaluate, played, standard_error
from ..environments.gymnasium_calls import name_of
from ..environments.play_episode import play
from ..environments.vector_env import Interface
from ..gradients.parameters import Parameters
from ..gradients.student import Sequences, Student
from ..progress import Folder, arrays_of, history_in, part_of, restore
from ..result import FINAL, VALIDATION, Phase
from .rectified import LEAST_STD, Rectified, rectified
from .settings import ConversionSettings
from .spiking import INPUT, OUTPUT, SAMPLES, Written, spiking_controller, thresholds

__all__ = ["Comparison", "Conversion", "Converted"]

CALIBRATION, NOISY, NOISE = 5, 3, 0.1  # episodes of the policy before the conversion; with noise; its share of actions
FIRST_SPIKES = 100.0  # of each layer in a step, of the first conversion
NUMBER_SPIKES = 0.5  # target for the spikes, if none is given, as a share of those of the first conversion
FIRST_SEED, NOISY_SEED, ROUND_SEED = 0, 500, 20_000
CANDIDATES, STAGE = 4, 80  # controllers of the last rounds that are compared; episodes of a stage of the comparison
PRECISE = 0.005  # standard error of the best mean return, as a share of it, which needs no further episodes
RANDOM = 20  # episodes with random actions
EVALUATED = 100  # episodes of the comparison
TOGETHER = 20  # environments
BEYOND = 0.5  # margin of the input's range, as a share of what was observed
RESAMPLED = 2_000  # bootstrap samples
STRAIGHT = Surrogate("triangle", 2.0)  # the derivative of a count: 1 at each step of the staircase, 1/2 between
TRAINED = {"hidden_*.bias": Limits(), "readout.bias": Limits(), "*->*.weights": Limits()}


@dataclass(frozen=True)
class Comparison:
    """Comparison of policy and controller in the same episodes, whose seeds were not used before.

    policy : (episodes,), returns of the policy
    controller : (episodes,), returns of the controller
    chance : mean return of random actions
    share : mean return of the controller, on a scale where random actions have 0 and the policy has 1
    low : lower end of the 95 % confidence interval of ``share`` (bootstrap over episodes)
    """

    policy: np.ndarray
    controller: np.ndarray
    chance: float
    share: float
    low: float


@dataclass(frozen=True)
class Converted:
    """The result of a conversion.

    evaluation : results of the controller in the episodes of ``comparison``
    skip_share : mean fraction of the last layer's values that comes through graded skip projections instead of spikes
    difference : mean absolute difference between the commands of policy and controller, in units of half their range;
        for "argmax", the fraction of steps in which they differ. It is measured for observations from the controller's
        episodes
    ended : whether the conversion was interrupted
    """

    spec: ControllerSpec
    evaluation: Evaluation
    comparison: Comparison
    skip_share: float
    difference: float
    history: list[dict[str, Any]]
    ended: bool


class Conversion:
    """Converts a policy for one environment to a spiking controller.

    policy : a `TrainedPolicy` that fits the environment's spaces. If only the actions of a policy are known, an object
        with the same attributes and empty ``layers``
    make : function that makes the environment
    period : duration of a step of the environment [s]
    """

    def __init__(
        self, policy: Any, make: Callable[[], Any], period: float, settings: ConversionSettings, seed: int,
        folder: Folder | None = None, progress: Callable[[Phase], object] = lambda phase: None,
    ) -> None:  # fmt: skip
        self.head = Head(policy)
        self.policy, self.settings = policy, settings
        self.seed, self.period, self.folder, self.progress = seed, period, folder, progress
        self.envs = [make() for _ in range(TOGETHER)]
        self.begun = time.monotonic()
        self.history: list[dict[str, Any]] = []
        self.candidates: list[list[np.ndarray]] = []  # values of the last controllers with few enough spikes

    # episodes of the policy ----------------------------------------------------------------------------------
    def _play(self, episodes: int, seed: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Play episodes with the policy. Return the observations, (k, n) float32, and the returns of the episodes.

        noise : strength of disturbances of the actions. For "argmax", the fraction of random actions; for numbers, the
            standard deviation of added noise, in units of half their range
        """
        rng, seen = np.random.default_rng([self.seed, seed]), []

        def choose(observation: Any, info: Any) -> Any:
            seen.append(np.asarray(observation, np.float32).reshape(-1))
            action = self.policy(observation)
            return self._noisy(action, noise, rng) if noise else action

        returns = [self._return_of(choose, seed + k) for k in range(episodes)]
        return np.array(seen), np.array(returns)

    def _return_of(self, choose: Callable[[Any, Any], Any], seed: int) -> float:
        try:
            return float(play(self.envs[0], choose, seed)[0].sum())
        except SnnControlError:
            raise
        except (Exception, SystemExit) as error:  # environments raise any exception
            raise RuntimeFault(f"{name_of(self.envs[0])}: raised {describe_exception(error)}") from error

    def _noisy(self, action: Any, noise: float, rng: np.random.Generator) -> Any:
        if self.head.kind == "argmax":
            return int(rng.integers(self.policy.outputs)) if rng.random() < noise else action
        flat: np.ndarray = np.asarray(action, np.float64).reshape(-1)
        flat = flat + noise * self.head.half * rng.normal(size=flat.size)
        return np.clip(flat, self.head.low, self.head.high).astype(np.float32).reshape(np.shape(action))

    def _labels(self, observations: np.ndarray) -> np.ndarray:
        if self.policy.layers:
            return self.head.labels(self.policy.raw(observations))
        space = self.envs[0].action_space
        actions = np.array([as_command(np.asarray(self.policy(one)), space) for one in observations])
        return self.head.labels_of_actions(actions, self.policy.outputs)

    # the run -------------------------------------------------------------------------------------------------
    def run(self) -> Converted:
        """Convert the policy, train the controller to imitate it, and compare both.

        Ctrl-C ends the training; the best controller so far is then compared.
        """
        self._begin()
        ended = False
        try:
            while len(self.history) < self.settings.n_rounds:
                self._round()
        except KeyboardInterrupt:
            ended = True
        spec = self._chosen()
        return self._compared(spec, ended)

    def _begin(self) -> None:
        seen, _ = self._play(CALIBRATION, FIRST_SEED)
        noisy, _ = self._play(NOISY, NOISY_SEED, NOISE)
        observations = np.concatenate([seen, noisy])
        if not np.isfinite(observations).all():
            raise DescriptionError("--env", str(self.envs[0].spec.id), "gives observations that are not finite")
        rng = np.random.default_rng([self.seed, 0])
        self.source: Rectified = rectified(self.policy, observations, rng)
        if self.policy.layers:
            self.head.fit(self.policy.raw(observations))
        rows = rng.permutation(len(observations))[:SAMPLES]
        x = self.source.prepared(observations[rows].astype(np.float64))
        theta = thresholds(self.source, self.head, x, FIRST_SPIKES)
        scale = 1 / self.head.temperature if self.source.learned else 1.0
        written = spiking_controller(self.source, self.head, theta, self.period, self.settings.skip, scale)
        self.imitator = self._imitator(written)
        self.interface = Interface(
            written.spec, self.envs[0].observation_space, self.envs[0].action_space, self.envs[0].spec.id
        )
        self.data = {"observations": observations, "labels": self._labels(observations)}
        self._resume()

    def _imitator(self, written: Written) -> Imitator:
        """Return the `Imitator`, which trains weights and biases in the units of the network with ReLUs."""
        s, parameters = self.settings, Parameters(written.spec, TRAINED, np.random.default_rng(0))
        student = Student(parameters.program, parameters.places)
        student.gradient.use(STRAIGHT)
        share = CHOICE_SPIKES if self.head.kind == "argmax" else NUMBER_SPIKES
        plan = TrainingPlan(s.n_rounds * s.gradient_steps, s.learning_rate, s.spikes, share)
        scales = [written.scale(p.name) for p in parameters.parameters]
        return Imitator(parameters, student, self._loss, plan, scales)

    def _loss(self, heads: dict[str, np.ndarray], labels: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        loss, g = self.head.loss(heads[OUTPUT][0], labels)
        return loss, {OUTPUT: g[None]}

    def _sequences(self, rows: np.ndarray) -> Sequences:
        """Return the observations with the indices ``rows`` as sequences of one step: the network keeps no state."""
        return Sequences({INPUT: self.data["observations"][rows][None]}, np.ones((1, len(rows)), bool))

    def _episodes(self, seeds: Sequence[int]) -> tuple[np.ndarray, float, np.ndarray]:
        """Play episodes with the running means of the trained values.

        Return three values: the returns of the episodes, the mean number of spikes per step, and the observations.
        """
        self.imitator.use(self.imitator.means)
        program = self.imitator.parameters.program
        batch = Batch(program, min(len(self.envs), len(seeds)), program.facts.repeat)
        returns, spikes, steps, seen = np.zeros(len(seeds)), 0.0, 0, []

        def sees(inputs: Mapping[str, Any], rows: list[int]) -> None:
            seen.append(inputs[INPUT][rows].copy())

        ends = played(batch, self.interface, self.envs, seeds, sees=sees)
        for k, episode, total, length in ends:
            returns[episode] = total
            spikes += float(batch.array("spike_counts")[k].sum())
            steps += length
        return returns, spikes / steps, np.concatenate(seen)

    def _round(self) -> None:
        s, number = self.settings, len(self.history)
        first = ROUND_SEED + 100 * number + 10_000 * self.seed
        returns, spikes, seen = self._episodes(range(first, first + s.n_envs))
        self.data["observations"] = np.concatenate([self.data["observations"], seen])
        self.data["labels"] = np.concatenate([self.data["labels"], self._labels(seen)])
        rng = np.random.default_rng([self.seed, 1, number])
        self.imitator.use(self.imitator.values)
        for _ in range(s.gradient_steps):
            rows = rng.integers(0, len(self.data["labels"]), s.batch_size)
            self.imitator.update(self._sequences(rows), self.data["labels"][rows])
        row: dict[str, Any] = {"phase": number + 1, "steps": len(self.data["labels"]), "score": float(returns.mean()),
               "worst": float(returns.min()), "spikes_a_step": spikes, "loss": self.imitator.loss}  # fmt: skip
        self.history.append(row)
        if self.imitator.reached or number == s.n_rounds - 1:
            self.candidates = [*self.candidates, [mean.copy() for mean in self.imitator.means]][-CANDIDATES:]
        self._save()
        best, seconds = max(one["score"] for one in self.history), time.monotonic() - self.begun
        told = {"loss": self.imitator.loss}
        self.progress(
            Phase(number + 1, number + 1, s.n_rounds, row["score"], best, spikes, seconds, told, (), "imitation")
        )

    # the result ----------------------------------------------------------------------------------------------
    def _chosen(self) -> ControllerSpec:
        """Return the best candidate, without neurons that never fire.

        The best is found by sequential halving: in each stage all candidates that are left play the same episodes, then
        the better half stays (Karnin, Koren and Somekh 2013, "Almost optimal exploration in multi-armed bandits").
        """
        candidates = self.candidates or [self.imitator.means]
        returns, first = [np.zeros(0)] * len(candidates), VALIDATION
        left = list(range(len(candidates)))
        while len(left) > 1:
            seeds = range(first, first + STAGE // len(left))
            for k in left:
                self.imitator.means = candidates[k]
                returns[k] = np.concatenate([returns[k], self._episodes(seeds)[0]])
            first = seeds.stop
            left.sort(key=lambda k: (-returns[k].mean(), -k))  # of equal candidates, the one trained longest
            best = returns[left[0]]
            left = left[: 1 if standard_error(best) <= PRECISE * abs(best.mean()) else (len(left) + 1) // 2]
        self.imitator.means = candidates[left[0]]
        self.imitator.use(self.imitator.means)
        rows, size = np.arange(len(self.data["observations"])), self.settings.batch_size
        parts = (self._sequences(rows[k : k + size]) for k in range(0, len(rows), size))
        return self._within_seen(without(self.imitator.parameters.spec, self.imitator.silent(parts)))

    def _within_seen(self, spec: ControllerSpec) -> ControllerSpec:
        """Return the controller with the input's ``range``: what was observed, and `BEYOND` of it on each side.

        The controller imitates the policy only there. Beyond, the guard limits the numbers and counts them.
        """
        low, high = (end(self.data["observations"], axis=0).astype(np.float64) for end in (np.min, np.max))
        beyond = np.maximum(BEYOND * (high - low), LEAST_STD)
        (one,) = spec.inputs
        assert isinstance(one, ValueInput)
        within = np.maximum(one.range[0], low - beyond), np.minimum(one.range[1], high + beyond)
        return replace(spec, inputs=(replace(one, range=within),))

    def _compared(self, spec: ControllerSpec, ended: bool) -> Converted:
        seeds = range(FINAL, FINAL + EVALUATED)
        evaluation = evaluate(build_program(spec), self.interface, self.envs, seeds)
        policy = np.concatenate([self._play(1, seed)[1] for seed in seeds])
        space = self.envs[0].action_space
        space.seed(self.seed)
        drawn = range(VALIDATION, VALIDATION + RANDOM)
        chance = float(np.mean([self._return_of(lambda *_: space.sample(), seed) for seed in drawn]))
        rng = np.random.default_rng(self.seed)
        picks = rng.integers(0, EVALUATED, (RESAMPLED, EVALUATED))
        way = policy[picks].mean(1) - chance
        shares = (evaluation.returns[picks].mean(1) - chance) / np.where(way == 0, np.nan, way)
        share = float((evaluation.score - chance) / (policy.mean() - chance)) if policy.mean() != chance else np.nan
        low = float(np.nanpercentile(shares, 2.5)) if np.isfinite(shares).any() else np.nan
        comparison = Comparison(policy, evaluation.returns, chance, share, low)
        skip_share, difference = self._through(spec)
        return Converted(spec, evaluation, comparison, skip_share, difference, self.history, ended)

    def _through(self, spec: ControllerSpec) -> tuple[float, float]:
        """Compare a controller with the policy for the newest observations.

        Return the share of the commands that comes through the skip connection (`Converted.skip_share`), and the mean
        difference between the commands of controller and policy (`Converted.difference`).
        """
        observations = self.data["observations"][-SAMPLES:]
        labels = self.data["labels"][-SAMPLES:]
        batch = Batch(build_program(spec), len(observations))
        commands = batch.step({INPUT: observations})["action"]
        if self.head.kind == "argmax":
            difference = float((commands[:, 0] != labels.argmax(1)).mean())
        else:
            difference = float(np.abs((commands - self.head.middle) / self.head.half - labels).mean())
        parts = {p.pre: np.asarray(p.weights) for p in spec.network.projections if p.post == "readout"}
        if INPUT not in parts:
            return 0.0, difference
        past = batch.array(f"{INPUT}.drive") @ parts[INPUT]
        through = batch.array("readout.v") - past
        past, through = np.abs(past).mean(), np.abs(through).mean()
        return float(past / (past + through + 1e-12)), difference

    # checkpoints ---------------------------------------------------------------------------------------------
    def _save(self) -> None:
        if self.folder is None:
            return
        arrays = {f"data/{name}": one for name, one in self.data.items()}
        arrays |= {f"learner{rest}": a for rest, a in arrays_of(self.imitator).items()}
        for k, one in enumerate(self.candidates):
            arrays |= {f"candidate/{k}/{j}": array for j, array in enumerate(one)}
        arrays["history"] = np.array(json.dumps(self.history))
        self.folder.save(arrays, self.history)
        self.imitator.use(self.imitator.means)
        self.folder.keep_newest(lambda: self.imitator.parameters.spec)

    def _resume(self) -> None:
        if self.folder is None or (arrays := self.folder.load()) is None:
            return
        with self.folder.reading():
            self.data = {name: arrays[f"data/{name}"] for name in self.data}
            restore(self.imitator, part_of(arrays, "learner"))
            self.history = history_in(arrays)
            count = len({k.split("/")[1] for k in arrays if k.startswith("candidate/")})
            n = len(self.imitator.means)
            self.candidates = [[arrays[f"candidate/{k}/{j}"] for j in range(n)] for k in range(count)]
