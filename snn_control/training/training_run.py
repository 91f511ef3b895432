"""A training run: up to three stages, each of several phases. Each phase ends with a validation and a checkpoint."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from ..controller import build_program
from ..controller.pruning import without
from ..controller_file import ControllerSpec
from ..engine.program import Program
from ..errors import RuntimeFault, describe_exception, how_to_install
from ..findings import Finding, warning
from .algorithms.evolution import EvolutionSettings
from .algorithms.gains import MOST_GAINS, Gains, gains_of
from .algorithms.imitation import ImitationSettings
from .algorithms.learner import Learner
from .algorithms.networks import set_array
from .algorithms.self_imitation import SelfImitation, spike_reduction_settings
from .environments.evaluation import Evaluation, evaluate, standard_error, with_environments
from .environments.gymnasium_calls import LIMIT, episode_limit, name_of
from .environments.play_episode import play
from .environments.vector_env import VectorEnv
from .progress import Folder, arrays_of, history_in, restore
from .result import FINAL, PHASE_SEEDS, VALIDATION, Phase, Trained, first_episode
from .schedule.learning_diagnosis import LearningDiagnosis
from .schedule.stages import REDUCTION, Candidate, GainSearch, Learning, SpikeReduction, Stage

__all__ = ["TrainingRun"]

VALIDATION_EPISODES, COMPARISON_EPISODES, EVALUATION_EPISODES = 10, 40, 100  # of a phase, a candidate, the result
CONFIRMING = 1000  # episodes that confirm the end of a search; without them, one in a hundred may still fail
MOST_LOOKS = 4  # times the episodes of the evaluation, in which a candidate is compared with the learned one
STAGE_SEEDS = 100_000_000  # seeds of the comparisons of a stage
TIMES = 10  # a search for gains may take this many times the steps of learning
STEPS, FEWEST = 2_000, 4  # if episodes are longer than STEPS, fewer are played, but at least FEWEST


class Best(NamedTuple):
    """The chosen candidate of a stage, and its results in the episodes in which the candidates were compared.

    score : mean return
    worst : lowest return
    steps : mean number of steps of an episode
    silent : neurons that did not fire: population -> (n,) bool
    """

    candidate: Candidate
    score: float
    worst: float
    steps: int
    silent: dict[str, np.ndarray]


class TrainingRun:
    """Trains a controller with one learner, in up to three stages:

    1. Learning of the task.
    2. After reinforcement learning, reduction of spikes: the controller imitates itself with fewer spikes.
    3. A search for better gains, if some episodes still miss the environment's threshold.

    If spikes were reduced, or if the learner prunes, neurons that never fire are removed from the result.
    """

    def __init__(
        self, learner: Learner, settings: Any, make: Any, folder: Folder | None, seed: int, how: str, progress: Any
    ) -> None:
        self.learner, self.reduces_spikes, self.prunes = learner, learner.reduces_spikes, learner.prunes
        self.settings, self.make, self.folder = settings, make, folder
        self.seed, self.how, self.progress = seed, how, progress
        self.envs = VectorEnv(make, settings.n_envs, learner.parameters.spec)
        self.limit = episode_limit(self.envs.envs[0]) or LIMIT
        episodes = VALIDATION_EPISODES, COMPARISON_EPISODES, EVALUATION_EPISODES
        self.n_validation, self.n_comparison, self.n_evaluation = map(self._episodes, episodes)
        self.validate = with_environments(make, [VALIDATION + k for k in range(self.n_validation)])
        self.threshold = getattr(self.envs.envs[0].spec, "reward_threshold", None)
        phases = max(1, settings.total_timesteps // learner.steps_of_a_phase)
        rules = learner.patience, learner.anneals, learner.judged_by, learner.confirms
        self.stage: Stage = Learning(phases, self.threshold, *rules, lambda: self.chance)
        self.before: list[dict[str, Any]] = []  # the history of earlier stages
        self.total_timesteps = settings.total_timesteps
        ranges = self.learner.parameters.ranges.values
        self.diagnosis = LearningDiagnosis(self.threshold, tuple(ranges) if self.learner.widens_ranges else ())
        self.untrained = learner.parameters.values()
        self.begun = time.monotonic()

    def _episodes(self, most: int) -> int:
        return min(most, max(FEWEST, most * STEPS // self.limit))

    @functools.cached_property
    def chance(self) -> float:
        """Mean return of random actions in the episodes of the validation."""
        env = self.make()
        env.action_space.seed(self.seed)
        try:
            seeds = range(VALIDATION, VALIDATION + self.n_validation)
            found = [play(env, lambda *_: env.action_space.sample(), seed)[0].sum() for seed in seeds]
        except (Exception, SystemExit) as error:  # environments raise any exception
            raise RuntimeFault(f"{name_of(env)}: raised {describe_exception(error)}") from error
        env.close()
        return float(np.mean(found))

    @property
    def history(self) -> list[dict[str, Any]]:
        return self.before + self.stage.history

    @property
    def steps(self) -> int:
        return self.history[-1]["steps"] if self.history else 0

    def to_the_end(self) -> Trained:
        self.learner.begin(self.envs, np.random.default_rng([self.seed, 1]))
        self._resume()
        if self.folder is not None:
            self.folder.keep_newest(lambda: self.learner.parameters.spec)
        resumed, ended, chosen = self.steps, False, None
        silent: dict[str, np.ndarray] = {}
        try:
            if self.learner.improves and not self.history:
                found = self.validate(self._program(), self.envs.interface)
                self.stage.consider(self._candidate(found))
            while chosen is None:
                while not self.stage.has_ended:
                    self._phase()
                best = self._best()
                if self._can_reduce_spikes():
                    self._reduce_spikes(best.candidate)
                elif self._can_adjust(best):
                    self._adjust(best.candidate, best.steps)
                else:
                    chosen, validation = best.candidate, best.score
                    silent = best.silent if self._removes_silent else {}
            spec, final = self._evaluated(chosen, self.n_evaluation, silent)
        except KeyboardInterrupt:
            ended = True
            if chosen is None:
                chosen = self._best_so_far()
                validation = chosen.score
            spec, final = self._evaluated(chosen, self.n_validation, silent)
        warnings = list(self.diagnosis.reported.values())
        return Trained(spec, self.how, final, self.history, self.steps, ended, validation, warnings, resumed)

    def _evaluated(
        self, candidate: Candidate, episodes: int, silent: Mapping[str, np.ndarray]
    ) -> tuple[ControllerSpec, Evaluation]:
        """Evaluate a candidate without its silent neurons in new episodes. Return the controller and the results.

        silent : neurons to remove: population -> (n,) bool
        """
        self._take(candidate.values)
        spec = without(self.learner.parameters.spec, silent)
        play = with_environments(self.make, [FINAL + k for k in range(episodes)])
        return spec, play(build_program(spec), self.envs.interface)

    def _candidate(self, found: Evaluation) -> Candidate:
        """Return the present values of the parameters as a candidate. ``found``: results of their validation."""
        spikes = float(found.spikes.mean())
        return Candidate(found.score, standard_error(found.returns), spikes, self.learner.parameters.values())

    def _take(self, values: dict[str, np.ndarray]) -> Program:
        """Set the parameters to ``values``, parameter -> array. Return the Program with these values."""
        self.learner.parameters.take(values)
        return self._program()

    def _phase(self) -> None:
        learner, number, first = self.learner, len(self.stage.history), len(self.history) == 0
        learner.spike_target, learner.annealing_phase = self.stage.spike_target, self.stage.annealing_phase
        remaining = self.stage.progress_remaining(number)
        learner.remaining_after = self.stage.progress_remaining(number + 1)
        share = 0 if self.before else 1 - number / self.stage.phases
        learner.student.gradient.use(learner.surrogate.at(share))
        rng = np.random.default_rng([self.seed, 2, len(self.history)])
        widens = learner.widens_ranges and not self.before
        self.envs.keeps = widens or (first and learner.fits_ranges)
        report = learner.phase(self.envs, first_episode(self.seed, len(self.history)), rng, remaining)
        if widens:
            ranges = learner.parameters.ranges
            report["ranges_widened"] = ranges.widen(self.envs.met(ranges.values))
        report |= {"training_return": float(np.mean(self.envs.finished))} if self.envs.finished else {}
        found = self.validate(self._program(), self.envs.interface)
        score, spikes, returns = found.score, float(found.spikes.mean()), found.returns
        phase = len(self.history) + 1
        row = {"phase": phase, "steps": self.steps + learner.steps_of_a_phase, "score": score}
        row |= {"worst": float(returns.min()), "error": standard_error(returns), "spikes_a_step": spikes, **report}
        if self.stage.key:
            row[self.stage.key] = 1
        self.stage.history.append(row)
        if learner.confirms and self.threshold is not None and self.stage.has_ended and not self.before:
            returns = self._confirm(phase, returns, self.threshold)
            score = float(returns.mean())
            row |= {"score": score, "worst": float(returns.min()), "error": standard_error(returns)}
        self.stage.consider(Candidate(score, standard_error(returns), spikes, learner.parameters.values()))
        unseen = self.envs.not_finite
        look = self.diagnosis.new_findings
        warnings = [] if self.before else look(learner.parameters.spec, found, self.history, unseen)
        if first and self.steps > self.total_timesteps:
            text = f"one phase has {self.steps:,} steps, and was trained although the limit is {self.total_timesteps:,}"
            self.diagnosis.reported["steps"] = warning("--steps", text)
            warnings.append(self.diagnosis.reported["steps"])
        self._save()
        best, seconds = self._best_so_far().score, time.monotonic() - self.begun
        done = len(self.history), self.steps, self.total_timesteps
        where = self.stage.name, self.stage.why
        self.progress(Phase(*done, score, best, spikes, seconds, report, warnings, *where))

    def _confirm(self, phase: int, returns: np.ndarray, threshold: float) -> np.ndarray:
        """Play up to CONFIRMING more episodes, until the return of one is below the threshold. Return all returns.

        returns : returns of the validation, which are part of the result
        """
        program, envs, first = self.learner.parameters.program, self.envs, VALIDATION + PHASE_SEEDS * phase
        for k in range(first, first + CONFIRMING, self.n_evaluation):
            if returns.min() < threshold:
                break
            more = evaluate(program, envs.interface, envs.envs, list(range(k, k + self.n_evaluation))).returns
            returns = np.concatenate([returns, more])
        return returns

    def _program(self) -> Program:
        """Return the Program with the present values of the parameters and the present ranges of the inputs."""
        self.learner.student.settle()
        self.envs.interface.inputs = {one.name: one for one in self.learner.parameters.spec.inputs}
        return self.learner.parameters.program

    def _best_so_far(self) -> Candidate:
        return self.stage.best or Candidate(-math.inf, 0.0, math.inf, self.untrained)

    def _best(self) -> Best:
        """Choose a candidate of the stage in new episodes (rule 3 of `snn_control.training.schedule.stages`)."""
        if isinstance(self.stage, SpikeReduction):
            return self._fewest_spikes(self.stage)
        n = self.n_evaluation if self.reduces_spikes and self.before else self.n_comparison
        look = with_environments(self.make, range(self._fresh, self._fresh + n))
        candidates = self.stage.candidates or [self._best_so_far()]
        results = [look(self._take(one.values), self.envs.interface) for one in candidates]
        k = max(range(len(results)), key=lambda k: (results[k].score, -results[k].spikes.mean()))
        return self._chosen(candidates[k], results[k : k + 1])

    def _fewest_spikes(self, stage: SpikeReduction) -> Best:
        """Return the candidate with the fewest spikes that keeps the learned score, else the learned one.

        Each candidate plays the same new episodes as the learned one, until the difference of the returns is known:
        until it is above or below the accepted loss by its standard error, but in at most MOST_LOOKS times the episodes
        of the result's evaluation. A candidate that is still in doubt then is not accepted.
        """
        n = self.n_evaluation
        looks = [with_environments(self.make, range(first, first + n)) for first in
                 range(self._fresh, self._fresh + MOST_LOOKS * n, n)]  # fmt: skip
        *others, learned = stage.candidates
        results: dict[int, list[Evaluation]] = {id(one): [] for one in stage.candidates}

        def returns(one: Candidate, count: int) -> np.ndarray:
            found = results[id(one)]
            for look in looks[len(found) : count]:
                found.append(look(self._take(one.values), self.envs.interface))
            return np.concatenate([result.returns for result in found[:count]])

        for one in others:
            for count in range(1, MOST_LOOKS + 1):
                lost = returns(learned, count) - returns(one, count)
                error = standard_error(lost)
                if lost.mean() + error <= stage.loss:
                    return self._chosen(one, results[id(one)])
                if lost.mean() - error > stage.loss:
                    break
        returns(learned, 1)
        return self._chosen(learned, results[id(learned)])

    def _chosen(self, one: Candidate, found: Sequence[Evaluation]) -> Best:
        """Return a candidate with its results in the episodes of the comparison."""
        returns, steps = (np.concatenate([getattr(each, name) for each in found]) for name in ("returns", "steps"))
        silent = [each.silent(self.learner.parameters.program) for each in found]
        never = {name: np.all([each[name] for each in silent], axis=0) for name in silent[0]}
        return Best(one, float(returns.mean()), float(returns.min()), int(steps.mean()), never)

    @property
    def _fresh(self) -> int:
        """First of the seeds of episodes that choose a candidate of this stage, and were used for nothing before."""
        return VALIDATION + STAGE_SEEDS * (1 + (Learning, SpikeReduction, GainSearch).index(type(self.stage)))

    @property
    def _removes_silent(self) -> bool:
        return self.prunes or any(SpikeReduction.key in row for row in self.history)

    # reducing spikes -----------------------------------------------------------------------------------------
    def _can_reduce_spikes(self) -> bool:
        """Return whether the next stage is the reduction of spikes."""
        learner = self.learner
        wanted = learner.reduces_spikes and self.settings.spike_cost > 0 and bool(learner.student.trained_spikes)
        ready = wanted and self._reduction()[1] > 0
        return ready and isinstance(self.stage, Learning) and self.stage.above_chance

    def _reduction(self) -> tuple[ImitationSettings, int]:
        """Return the settings of the imitation that reduces spikes, and its maximum number of phases.

        Together these phases have at most as many environment steps as the limit of the learning stage.
        """
        found = spike_reduction_settings(self.learner.parameters.spec, self.limit, self.settings.spike_cost)
        return found, min(REDUCTION, self.settings.total_timesteps // (found.n_envs * found.n_steps))

    def _reduce_spikes(self, learned: Candidate) -> None:
        """Begin the reduction of spikes, in which the learner imitates the candidate ``learned``."""
        program = self._take(learned.values)
        # validate again in twice as many new episodes: the score of the best of many candidates is luck in part
        first = self._fresh + STAGE_SEEDS // 2
        self.validate = with_environments(self.make, range(first, first + 2 * self.n_validation))
        learned = self._candidate(self.validate(program, self.envs.interface))
        settings, phases = self._reduction()
        learner = SelfImitation(self.learner.parameters, settings)
        learner.learned = build_program(self.learner.parameters.spec)
        loss = self.settings.score_loss * (learned.score - self.chance)
        self._go_on(learner, SpikeReduction(learned, loss, phases))

    # adjusting gains -----------------------------------------------------------------------------------------
    def _can_adjust(self, best: Best) -> bool:
        """Return whether the next stage is the search for gains. The reason is a return below the threshold."""
        gains, most = gains_of(self.learner.parameters), getattr(self.settings, "gain_generations", 0)
        if self.threshold is None or not (0 < gains <= MOST_GAINS and most > 0) or isinstance(self.stage, GainSearch):
            return False
        if best.worst >= self.threshold or (isinstance(self.stage, Learning) and not self.stage.above_chance):
            return False
        if importlib.util.find_spec("cma") is None:
            text = "were not searched (this needs cma)"
            self.diagnosis.reported["gains"] = warning("gains", text, how_to_install("training"))
            return False
        return True

    def _adjust(self, start: Candidate, steps: int) -> None:
        """Begin the stage that searches for gains of the candidate ``start``.

        steps : mean number of steps of its episodes
        """
        self._take(start.values)
        learner = Gains(self.learner.parameters, EvolutionSettings(gains=True, episode_steps=steps))
        learner.counts_spikes = any(SpikeReduction.key in row for row in self.history)
        most = TIMES * self.settings.total_timesteps // learner.steps_of_a_phase
        self._go_on(learner, GainSearch(start, min(self.settings.gain_generations, max(1, most))))

    def _go_on(self, learner: Learner, stage: Stage) -> None:
        """Begin ``stage`` with its learner, in new environments."""
        learner.surrogate = self.learner.surrogate
        self.envs.close()
        self.envs = VectorEnv(self.make, learner.settings.n_envs, self.learner.parameters.spec)
        learner.begin(self.envs, np.random.default_rng([self.seed, 3]))
        history = self.history
        # Python looks for signals at calls and jumps, so Ctrl-C cannot come between these assignments
        self.learner, self.before, self.stage = learner, history, stage
        self.total_timesteps = self.steps + stage.phases * learner.steps_of_a_phase

    # checkpoints ---------------------------------------------------------------------------------------------
    def _save(self) -> None:
        if self.folder is None:
            return
        learner = self.learner
        arrays = {f"parameter/{name}": value for name, value in learner.parameters.values().items()}
        for name in learner.checkpointed:
            arrays |= {f"learner/{name}{rest}": a for rest, a in arrays_of(getattr(learner, name)).items()}
        for k, one in enumerate(self.stage.candidates):
            arrays[f"candidate/{k}"] = np.array([one.score, one.error, one.spikes])
            arrays |= {f"candidate/{k}/{name}": value for name, value in one.values.items()}
        arrays["history"] = np.array(json.dumps(self.history))
        arrays["episode_steps"] = np.array(getattr(learner.settings, "episode_steps", 0))
        arrays["reported"] = np.array(json.dumps({key: asdict(one) for key, one in self.diagnosis.reported.items()}))
        self.folder.save(arrays, self.history)
        self.folder.keep_newest(lambda: learner.parameters.spec)

    def _resume(self) -> None:
        if self.folder is None or (arrays := self.folder.load()) is None:
            return
        with self.folder.reading():
            self._restore(arrays)

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        candidates = []
        for k in itertools.takewhile(lambda k: f"candidate/{k}" in arrays, itertools.count()):
            score, error, spikes = arrays[f"candidate/{k}"].tolist()
            candidates.append(Candidate(score, error, spikes, self._values_in(arrays, f"candidate/{k}")))
        history = history_in(arrays)
        reducing, adjusting = ([row for row in history if kind.key in row] for kind in (SpikeReduction, GainSearch))
        learning = history[: len(history) - len(reducing) - len(adjusting)]
        self.stage.history, self.stage.candidates = learning, candidates
        if reducing:
            self._reduce_spikes(candidates[0 if adjusting else -1])
            self.stage.history, self.stage.candidates = reducing, candidates
        if adjusting:
            self._adjust(candidates[0], int(arrays["episode_steps"]))
            self.stage.history, self.stage.candidates = adjusting, candidates
        self._take(self._values_in(arrays, "parameter"))
        for name in self.learner.checkpointed:
            start = f"learner/{name}"
            inner = {k[len(start) :]: a for k, a in arrays.items() if k == start or k.startswith(start + "/")}
            setattr(self.learner, name, restore(getattr(self.learner, name), inner))
        reported = json.loads(str(arrays["reported"]))
        self.diagnosis.reported = {key: Finding(**one) for key, one in reported.items()}

    def _values_in(self, arrays: Mapping[str, np.ndarray], first: str) -> dict[str, np.ndarray]:
        """Return the values of the parameters in a checkpoint: parameter -> array.

        first : beginning of the names of these arrays in the checkpoint
        """
        values = self.learner.parameters.values()
        for name, value in values.items():
            set_array(value, arrays[f"{first}/{name}"])
        return values
