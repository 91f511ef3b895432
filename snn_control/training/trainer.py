"""Training of any controller file in any Gymnasium environment, as ``snn_control train`` does it.

>>> from snn_control.training import train
>>> result = train("my.yaml", "CartPole-v1")
>>> result.spec.save("trained.yaml")
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..controller import build_program
from ..controller_file import ControllerSpec, Limits, Reader, Surrogate, load_spec, nearest
from ..controller_file.descriptions import read_limits
from ..engine.program import Program
from ..errors import DescriptionError, in_file
from ..resources import controller_path
from .adaptation import AdaptationSettings
from .adapting import adapt
from .calls import LIMIT, longest, make
from .course import BEFORE, LEAST, POLISHING, SHARE, SPARING, Adjusting, Candidate, Course, Learning, Sparing
from .environments import Environments
from .evaluation import Evaluation, evaluate, with_environments
from .evolution import Evolution, EvolutionSettings, near_the_output
from .gains import MOST, Gains, gains_of
from .imitation import Imitation, ImitationSettings
from .learner import Learner, Settings
from .parameters import DEFAULT, Parameters
from .ppo import PPO, PPOSettings
from .progress import Folder, arrays_of, restore
from .readout import ReadOut
from .result import FINAL, PHASE_SEEDS, VALIDATION, Phase, Trained, first_episode
from .rollout import play
from .sac import SAC, SACSettings
from .sparing import SelfImitation, sparing_settings
from .watch import Watch

__all__ = ["LEARNERS", "train"]

#: name -> (learner, settings)
LEARNERS: dict[str, tuple[type[Learner], type[Settings]]] = {
    "ppo": (PPO, PPOSettings),
    "sac": (SAC, SACSettings),
    "imitate": (Imitation, ImitationSettings),
    "evolve": (Evolution, EvolutionSettings),
}
SHORT, MIDDLE, LONG = 10, 40, 100  # episodes of a validation, of the comparison of candidates, of the evaluation
SURE = 10  # times LONG: largest number of episodes that confirm the end of a search
STEPS, FEWEST = 2_000, 4  # mean budget of steps for such an episode (long ones are fewer), and fewest episodes


def train(
    controller: str | Path | ControllerSpec,
    env: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    how: str | None = None,
    teacher: Any = None,
    seed: int = 1,
    trainable: Mapping[str, Any] | None = None,
    surrogate: Surrogate | None = None,
    run: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[Phase], object] = lambda phase: None,
) -> Trained:
    """Train a controller; see ``docs/training.md``.

    env, arguments : id of a Gymnasium environment (``module:ID`` imports the module first) and its keyword arguments;
        if it names no ``max_episode_steps``, episodes are cut after 1,000 steps
    how : "ppo", "sac", "rl" (whichever suits the actions), "imitate", "evolve" or "adapt"; None takes "imitate" if
        there is a teacher, otherwise that of the file, otherwise "rl"
    teacher : as `snn_control.training.teachers.teacher_of` takes it
    seed : of everything that is drawn
    trainable : pattern of names -> ``low`` and ``high``; None takes that of the file, otherwise all weights and biases
        after the encoders
    surrogate : surrogate derivative of spikes; None takes that of the file
    run : folder of checkpoints, from which the same call resumes and gives the same bits
    settings : settings of the learner, by name; they take precedence over those of the file, which are for the way
        that the file names
    progress : called after each phase

    Raises DescriptionError, naming what does not fit.
    """
    spec = controller if isinstance(controller, ControllerSpec) else load_spec(controller_path(controller))
    given = dict(arguments or {})
    made = functools.partial(make, env, given, disable_env_checker=True)
    probe = made()
    if longest(probe) is None:
        given["max_episode_steps"] = LIMIT
        probe.close()
        probe = made()
    with in_file(spec.path, "--", "settings", "trainable"):
        how = _way(how, teacher, spec.training.how, probe.action_space)
        learner: Learner | None = None
        if how == "adapt":
            chosen = _settings(how, AdaptationSettings, spec.training.settings, settings or {})
        else:
            learner, chosen = _learner(spec, how, probe, seed, trainable, settings or {}, teacher)
    probe.close()
    asked = {"env": env, "arguments": given, "how": how, "seed": seed, "settings": asdict(chosen)}
    asked["controller"] = _digest(spec)
    if learner is not None:
        learner.surrogate = surrogate or spec.training.surrogate
        asked |= {"teacher": str(teacher), "surrogate": asdict(learner.surrogate)}
        asked["trainable"] = {pattern: str(limits) for pattern, limits in learner.parameters.chosen.items()}
    folder = Folder(run, asked) if run is not None else None
    if learner is None:
        return adapt(spec, made, chosen, seed, folder, LONG, progress)
    return _Run(learner, chosen, made, folder, seed, how, progress).to_the_end()


def _way(how: str | None, teacher: Any, of_file: str, space: Any) -> str:
    """Select the name of a learner; raises DescriptionError."""
    found = how or ("imitate" if teacher is not None else of_file or "rl")
    if found == "rl":
        found = "sac" if type(space).__name__ == "Box" else "ppo"
    if found not in (*LEARNERS, "adapt"):
        path = "training.how" if found == of_file and not how else "--how"
        raise DescriptionError(path, found, "is not known", nearest(found, ["rl", *LEARNERS, "adapt"]))
    if found == "imitate" and teacher is None:
        raise DescriptionError("--teacher", None, "is needed to imitate", "name one, or choose another --how")
    return found


def _learner(
    spec: ControllerSpec, how: str, env: Any, seed: int, trainable: Any, given: Mapping[str, Any], teacher: Any
) -> tuple[Learner, Any]:
    """The learner and its settings."""
    cls, kind = LEARNERS[how]
    suited = kind.suited(spec, longest(env) or LIMIT)
    own = spec.training.settings if spec.training.how in ("", "rl", how) else {}  # those of another way are not its
    chosen = _settings(how, kind, {**suited, **own}, given)
    usual = near_the_output(spec) if isinstance(chosen, EvolutionSettings) and not chosen.factors else DEFAULT
    limits = _limits(trainable) if trainable else spec.training.trainable or usual
    cls = ReadOut if getattr(chosen, "solve", False) else Gains if getattr(chosen, "gains", False) else cls
    made = cls(Parameters(spec, limits, np.random.default_rng([seed, 0])), chosen)
    if isinstance(made, Imitation):
        made.teacher = teacher
    return made, chosen


def _settings(how: str, kind: Any, before: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """A learner's settings: ``given`` takes precedence over the file's, these over the learner's suited defaults."""
    known, found = [one.name for one in fields(kind)], {**before, **given}
    try:
        for name, value in found.items():
            if name not in known:
                raise DescriptionError(f"settings.{name}", value, f"is not a setting of {how}", nearest(name, known))
        return kind(**found)
    except DescriptionError as error:
        raise (error if error.path.partition(".")[2] in given else error.within("training")) from None


def _limits(trainable: Mapping[str, Any]) -> Mapping[str, Limits]:
    """The limits given in Python, which may be mappings as in a file."""
    plain = {name: asdict(one) if isinstance(one, Limits) else one for name, one in trainable.items()}
    return read_limits(Reader({"trainable": plain}, "", Path()))


def _digest(spec: ControllerSpec) -> str:
    return hashlib.sha256(build_program(spec).digest.encode()).hexdigest()[:16]


def _error(returns: np.ndarray) -> float:
    """Standard error of the mean."""
    return float(returns.std() / math.sqrt(len(returns)))


class _Run:
    """A training run: phase after phase, each with a validation and a checkpoint. After reinforcement learning the
    controller imitates itself, to save spikes, and then its learner may polish it."""

    def __init__(
        self, learner: Learner, settings: Any, make: Any, folder: Folder | None, seed: int, how: str, progress: Any
    ) -> None:
        self.first = self.learner = learner
        self.settings, self.make, self.folder = settings, make, folder
        self.seed, self.how, self.progress = seed, how, progress
        self.envs = Environments(make, settings.environments, learner.parameters.spec)
        self.limit = longest(self.envs.envs[0]) or LIMIT
        self.short, self.middle, self.long = (self._episodes(n) for n in (SHORT, MIDDLE, LONG))
        self.validate = with_environments(make, [VALIDATION + k for k in range(self.short)])
        self.threshold = getattr(self.envs.envs[0].spec, "reward_threshold", None)
        phases = max(1, settings.budget // learner.steps_of_a_phase)
        rules = learner.patience, learner.cools, learner.least, learner.searches
        self.course: Course = Learning(phases, self.threshold, *rules, lambda: self.chance)
        self.before: list[dict[str, Any]] = []  # while spikes are saved: the history of learning
        self.budget = settings.budget
        self.watch = Watch(self.threshold)
        self.untrained = learner.parameters.values()
        self.begun = time.monotonic()

    def _episodes(self, most: int) -> int:
        return min(most, max(FEWEST, most * STEPS // self.limit))

    @functools.cached_property
    def chance(self) -> float:
        """Mean return of random actions in the episodes of a validation."""
        env = self.make()
        env.action_space.seed(self.seed)
        found = [play(env, lambda *_: env.action_space.sample(), VALIDATION + k)[0].sum() for k in range(self.short)]
        env.close()
        return float(np.mean(found))

    @property
    def history(self) -> list[dict[str, Any]]:
        return self.before + self.course.history

    @property
    def steps(self) -> int:
        return self.history[-1]["steps"] if self.history else 0

    def to_the_end(self) -> Trained:
        self.learner.begin(self.envs, np.random.default_rng([self.seed, 1]))
        self._resume()
        resumed, ended, chosen = self.steps, False, None
        try:
            while chosen is None:
                while not self.course.is_over:
                    self._phase()
                if self._can_adjust():
                    self._adjust()
                    continue
                chosen, validation = self._best()
                if self._can_save():
                    self._save_spikes(chosen)
                    chosen = None
            final = self._evaluated(chosen, self.long)
        except KeyboardInterrupt:
            ended = True
            if chosen is None:
                chosen = self._best_so_far()
                validation = chosen.score
            final = self._evaluated(chosen, self.short)
        spec, warnings = self.learner.parameters.spec, list(self.watch.said.values())
        return Trained(spec, self.how, final, self.history, self.steps, ended, validation, warnings, resumed)

    def _evaluated(self, candidate: Candidate, episodes: int) -> Evaluation:
        """Set the values of a candidate, and evaluate them in new episodes."""
        self._take(candidate.values)
        play = with_environments(self.make, [FINAL + k for k in range(episodes)])
        return play(build_program(self.learner.parameters.spec), self.envs.interface)

    def _take(self, values: dict[str, np.ndarray]) -> None:
        self.learner.parameters.take(values)
        self.envs.interface.inputs = {one.name: one for one in self.learner.parameters.spec.inputs}

    def _phase(self) -> None:
        if isinstance(self.course, Sparing) and self.course.polishes and not self.first.polishing:
            self._polish()
        learner, number, first = self.learner, len(self.course.history), len(self.history) == 0
        learner.price_share, learner.cooled = self.course.price_share, self.course.cooled
        left = self.course.left(number)
        learner.left_after = self.course.left(number + 1)
        share = 0 if self.before else 1 - number / self.course.phases
        learner.student.gradient.use(learner.surrogate.at(share))
        rng = np.random.default_rng([self.seed, 2, len(self.history)])
        self.envs.keeps = first and learner.fits_ranges
        report = learner.phase(self.envs, first_episode(self.seed, len(self.history)), rng, left)
        if self.envs.keeps:
            learner.fit_ranges(self.envs)
        report |= {"training_return": float(np.mean(self.envs.finished))} if self.envs.finished else {}
        found = self.validate(self._program(), self.envs.interface)
        score, spikes, returns = found.score, float(found.spikes.mean()), found.returns
        phase = len(self.history) + 1
        row = {"phase": phase, "steps": self.steps + learner.steps_of_a_phase, "score": score}
        error = _error(returns)
        row |= {"worst": float(returns.min()), "error": error, "spikes_a_step": spikes, **report}
        if self.before:
            row["saves" if self.first.spares else "adjusts"] = 1
        if learner.polishing:
            row["polishes"] = 1
        self.course.history.append(row)
        if learner.searches and self.course.is_at_the_top:  # by few episodes
            returns = np.concatenate([returns, *self._confirming(phase, score)])
            if (returns != score).any():
                score, error = float(returns.mean()), _error(returns)
                row |= {"score": score, "worst": float(returns.min()), "error": error}
        self.course.consider(Candidate(score, error, spikes, learner.parameters.values()))
        warnings = [] if self.before else self.watch.look(learner.parameters.spec, found, self.history)
        self._save()
        best, seconds = self._best_so_far().score, time.monotonic() - self.begun
        done = len(self.history), self.steps, self.budget
        stage = "learning" if not self.before else "saving spikes" if self.first.spares else "adjusting gains"
        self.progress(Phase(*done, score, best, spikes, seconds, report, warnings, stage))

    def _confirming(self, phase: int, top: float) -> Iterator[np.ndarray]:
        """Returns in other episodes, until one of them differs from the ``top``."""
        program, envs, n = self.learner.parameters.program, self.envs, self.long
        for first in range(0, SURE * n, n):
            seeds = [VALIDATION + PHASE_SEEDS * phase + first + k for k in range(n)]
            yield (found := evaluate(program, envs.interface, envs.envs, seeds).returns)
            if (found != top).any():
                return

    def _program(self) -> Program:
        self.learner.student.settle()
        return self.learner.parameters.program

    def _best_so_far(self) -> Candidate:
        return self.course.best or Candidate(-math.inf, 0.0, math.inf, self.untrained)

    def _best(self) -> tuple[Candidate, float]:
        """The best of the candidates, compared on more episodes, and its mean return in these."""
        candidates = self.course.candidates
        if len(candidates) < 2:
            best = self._best_so_far()
            return best, best.score
        first, n = VALIDATION + self.short, self.middle
        if self.before:  # other episodes than those that selected what was learned
            first, n = first + n, self.long if self.first.spares else n
        look = with_environments(self.make, [first + k for k in range(n)])

        @functools.cache
        def returns(k: int) -> np.ndarray:
            self._take(candidates[k].values)
            return look(self._program(), self.envs.interface).returns

        chosen = self.course.choice(returns, getattr(self.settings, "spike_price", 0.0))
        return candidates[chosen], float(returns(chosen).mean())

    # adjusting gains -----------------------------------------------------------------------------------------
    def _can_adjust(self) -> bool:
        """Whether learning has ended and gains are to be searched, because some episodes stay below the threshold."""
        if not self.learner.adjusts or self.threshold is None or not isinstance(self.course, Learning):
            return False
        wanted = self.settings.adjust > 0 and 0 < gains_of(self.learner.parameters) <= MOST
        if not wanted or not self.course.has_risen:
            return False
        return bool(self._learned.returns.min() < self.threshold)

    @functools.cached_property
    def _learned(self) -> Evaluation:
        """Evaluation of what was learned, when learning has ended."""
        self._take(self._best_so_far().values)
        look = with_environments(self.make, [VALIDATION + self.short + k for k in range(self.middle)])
        return look(self._program(), self.envs.interface)

    def _adjust(self) -> None:
        """Begin to search gains for what was learned."""
        learned, settings = self._best_so_far(), EvolutionSettings(gains=True, longest=int(self._learned.steps.mean()))
        learner = Gains(self.learner.parameters, settings)
        learner.surrogate = self.learner.surrogate
        self._meet(settings.environments)
        learner.begin(self.envs, np.random.default_rng([self.seed, 3]))
        self.learner, self.before = learner, self.course.history
        self.course = Adjusting(learned, self.settings.adjust)
        self.budget = self.steps + self.settings.adjust * learner.steps_of_a_phase

    # saving spikes -------------------------------------------------------------------------------------------
    def _can_save(self) -> bool:
        """Whether learning has ended and spikes are to be saved."""
        wanted = self.learner.spares and self.settings.spike_price > 0 and bool(self.learner.student.trained_spikes)
        ready = wanted and self._saving()[1] > 0
        return ready and isinstance(self.course, Learning) and self.course.has_risen

    def _saving(self) -> tuple[ImitationSettings, int, int]:
        """Settings of the imitation that saves spikes, its phases, with at most as many steps as learning may take, and
        those of polishing."""
        first = self.first
        found = sparing_settings(first.parameters.spec, self.limit, self.settings.spike_price)
        steps, budget, polishing = first.steps_of_a_phase, self.settings.budget, 0
        if first.polishes:
            most = min(POLISHING, max(LEAST, math.ceil(SHARE * self.steps / steps)), budget // steps)
            polishing = most if most > 1 else 0  # in the first one only the critic learns
        imitating = min(BEFORE if polishing else SPARING, budget // (found.environments * found.steps))
        return found, imitating, polishing

    def _save_spikes(self, learned: Candidate) -> None:
        """Begin to save spikes: the learner is now one that imitates ``learned``."""
        self._take(learned.values)
        # twice as many episodes, in which it was not selected, tell more: the score of the best of many is luck in part
        first, n = VALIDATION + self.short + self.middle + self.long, 2 * self.short
        self.validate = with_environments(self.make, [first + k for k in range(n)])
        found = self.validate(self._program(), self.envs.interface)
        learned = replace(learned, score=found.score, error=_error(found.returns), spikes=float(found.spikes.mean()))
        parameters, (settings, imitating, polishing) = self.learner.parameters, self._saving()
        learner = SelfImitation(parameters, settings)
        learner.learned, learner.surrogate = build_program(parameters.spec), self.learner.surrogate
        self._meet(settings.environments)
        learner.begin(self.envs, np.random.default_rng([self.seed, 3]))
        self.learner, self.before = learner, self.course.history
        self.course = Sparing(learned, self.threshold, imitating, polishing)
        most = imitating * learner.steps_of_a_phase + polishing * self.first.steps_of_a_phase
        self.budget = self.steps + most

    def _polish(self) -> None:
        """Begin to polish: the learner is the first one again."""
        self._meet(self.settings.environments)
        self.learner = self.first
        self.learner.polish()

    def _meet(self, environments: int) -> None:
        """Go on in so many new environments, seen by a critic as before, though ranges may have been fitted since."""
        self.envs.close()
        scales = self.envs.interface.scales
        self.envs = Environments(self.make, environments, self.learner.parameters.spec)
        self.envs.interface.scales = scales

    # checkpoints ---------------------------------------------------------------------------------------------
    def _save(self) -> None:
        if self.folder is None:
            return
        learner = self.learner
        arrays = {f"parameter/{name}": value for name, value in learner.parameters.values().items()}
        for start, owner, name in self._kept():
            arrays |= {start + rest: a for rest, a in arrays_of(getattr(owner, name)).items()}
        for k, one in enumerate(self.course.candidates):
            arrays[f"candidate/{k}"] = np.array([one.score, one.error, one.spikes])
            arrays |= {f"candidate/{k}/{name}": value for name, value in one.values.items()}
        arrays["history"] = np.array(json.dumps(self.history))
        arrays["learning"] = np.array(len(self.before))  # phases of the history before spikes were saved
        arrays["said"] = np.array(json.dumps(self.watch.said))
        self.folder.save(arrays, self.history)

    def _kept(self) -> list[tuple[str, Learner, str]]:
        """Of what a checkpoint holds of learners: name in it, the learner, and name of the attribute."""
        found = [(f"learner/{name}", self.learner, name) for name in self.learner.kept]
        if self.learner is not self.first and self.first.polishes:  # later
            found += [(f"first/{name}", self.first, name) for name in self.first.kept]
        return found

    def _resume(self) -> None:
        arrays = self.folder.load() if self.folder is not None else None
        if arrays is None:
            return
        names = list(self.learner.parameters.values())
        candidates = []
        for k in itertools.takewhile(lambda k: f"candidate/{k}" in arrays, itertools.count()):
            values = {name: arrays[f"candidate/{k}/{name}"] for name in names}
            score, error, spikes = arrays[f"candidate/{k}"].tolist()
            candidates.append(Candidate(score, error, spikes, values))
        history, learning = json.loads(str(arrays["history"])), int(arrays["learning"])
        if learning:
            self.course.history = history[:learning]
            self.course.candidates = candidates[:1]
            if self.first.spares:
                self._save_spikes(candidates[0])
            else:
                self._adjust()
        self.course.history, self.course.candidates = history[learning:], candidates
        if any("polishes" in row for row in self.course.history):
            self._polish()
        self._take({name: arrays[f"parameter/{name}"] for name in names})
        for start, owner, name in self._kept():
            inner = {k[len(start) :]: a for k, a in arrays.items() if k == start or k.startswith(start + "/")}
            setattr(owner, name, restore(getattr(owner, name), inner))
        self.watch.said = json.loads(str(arrays["said"]))
