"""Train the controller of any controller file in any Gymnasium environment, as ``snn_control train`` does it.

>>> from snn_control.training import train
>>> result = train("my.yaml", "CartPole-v1")
>>> result.spec.save("trained.yaml")
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..controller import build_program
from ..controller.int8 import with_int8
from ..controller_file import ControllerSpec, Limits, Reader, Surrogate, load_spec, nearest
from ..controller_file.descriptions import read_limits
from ..controller_file.perturbations import Perturbations
from ..controller_file.reader import read_yaml
from ..errors import DescriptionError, in_file, optional
from ..files import digest_of, read_text, reason
from ..resources import controller_path
from . import training_run
from .algorithms.evolution import Evolution, EvolutionSettings, near_the_output
from .algorithms.gains import Gains
from .algorithms.imitation import Imitation, ImitationSettings
from .algorithms.learner import Learner, Settings
from .algorithms.online import AdaptationSettings, adapt
from .algorithms.policy_imitation import PolicyImitation, PolicyImitationSettings
from .algorithms.ppo import PPO, PPOSettings
from .algorithms.ridge_readout import ReadOut
from .algorithms.sac import SAC, SACSettings
from .environments.gymnasium_calls import LIMIT, PERTURB, episode_limit, make
from .gradients.parameters import DEFAULT, Parameters
from .progress import Folder, locked_folder
from .result import Phase, Trained
from .teachers.teacher import check_teacher, policy_for
from .teachers.trained_policy import policy_in
from .training_run import TrainingRun

__all__ = ["LEARNERS", "settings_of", "train"]

#: name -> (learner, settings)
LEARNERS: dict[str, tuple[type[Learner], type[Settings]]] = {
    "ppo": (PPO, PPOSettings),
    "sac": (SAC, SACSettings),
    "imitate": (Imitation, ImitationSettings),
    "evolve": (Evolution, EvolutionSettings),
}
HOW = ("rl", *LEARNERS, "adapt")  #: values of the argument ``how`` of `train`


def train(
    controller: str | Path | ControllerSpec,
    env: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    how: str | None = None,
    teacher: Any = None,
    seed: int = 1,
    perturb: Mapping[str, Any] | None = None,
    trainable: Mapping[str, Any] | None = None,
    surrogate: Surrogate | None = None,
    run: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    settings_file: str | Path | None = None,
    progress: Callable[[Phase], object] = lambda phase: None,
) -> Trained:
    """Train a controller in a Gymnasium environment. See ``docs/explanation/training.md``.

    controller : path of a controller file, name of a shipped controller, or description
    env : id of the environment; ``module:ID`` imports the module first. Episodes without a limit end after 1,000 steps
    arguments : keyword arguments of the environment
    perturb : perturbations of the environment: name -> number or (low, high), which take precedence over those in the
        controller file, see `snn_control.controller_file.perturbations.Perturbations`
    how : the learner: "ppo", "sac", "rl", "imitate", "evolve" or "adapt". "rl" selects "sac" for a Box of actions,
        otherwise "ppo". None selects "imitate" if there is a teacher, otherwise the learner that the controller file
        names, otherwise "rl"
    teacher : a source of actions, see `snn_control.training.teachers.teacher.teacher_of`
    seed : seed of all random numbers
    trainable : pattern of parameter names -> limits ``low`` and ``high``. None: the patterns in the controller file, by
        default all weights and biases after the encoders, for "evolve" those of `near_the_output`
    surrogate : surrogate derivative of spikes; None: the surrogate derivative in the controller file
    run : folder of checkpoints, from which the same call resumes an interrupted training with the same bits
    settings : name -> setting of the learner. They take precedence over those in the settings file, and these over the
        settings in the controller file, which apply only if it names this learner or no learner. ``weights`` is
        "float32" or "int8", see `snn_control.controller_file.Training`
    settings_file : YAML file with names and values of settings, and optionally ``how``
    progress : function that is called after each phase

    Raises DescriptionError if an argument or a file is invalid.
    """
    threads = optional("threadpoolctl", "training needs threadpoolctl", "training")
    spec = controller if isinstance(controller, ControllerSpec) else load_spec(controller_path(controller))
    own = dict(settings or {})
    how, of_file = (how, {}) if settings_file is None else _settings_in(settings_file, how)
    settings = {**of_file, **own}
    given, limit, probe = _environment(spec, env, arguments or {}, perturb or {})
    made = functools.partial(make, env, given, disable_env_checker=True)
    with _naming(settings_file, of_file.keys() - own.keys()), in_file(spec.path, "--", "settings", "trainable"):
        if _precision(settings.pop("weights", spec.training.weights)) == "int8":
            spec = with_int8(spec)
        how = _way(how, teacher, spec.training.how, probe.action_space)
        learner, chosen = _learner(spec, how, probe, limit, seed, trainable, settings, teacher)
    probe.close()
    asked = {"env": env, "arguments": given, "how": how, "seed": seed, "settings": asdict(chosen)}
    asked["controller"] = _digest(spec)
    if learner is not None:
        learner.surrogate = surrogate or spec.training.surrogate
        asked |= {"teacher": _named(teacher), **_asked_of(learner)}
    # more threads are slower for matrices this small, and their number would change the bits
    with locked_folder(run) if run is not None else nullcontext(), threads.threadpool_limits(1):
        folder = Folder(run, asked) if run is not None else None
        if learner is None:
            return adapt(spec, made, chosen, seed, folder, training_run.EVALUATION_EPISODES, progress)
        return TrainingRun(learner, chosen, made, folder, seed, how, progress).to_the_end()


def _settings_in(file: str | Path, how: str | None) -> tuple[str | None, dict[str, Any]]:
    """Read a settings file. Return the name of the learner, and the settings: name -> value.

    how : as in `train`; the file must be for this learner, unless this is None

    Raises DescriptionError if the file cannot be read, or is for another learner.
    """
    try:
        text = read_text(Path(file))
    except (OSError, ValueError) as error:
        raise DescriptionError("--settings", str(file), f"cannot be read: {reason(error)}") from None
    values = read_yaml(text, str(file))
    with in_file(str(file)):
        r = Reader(values, "", Path())
        of_file = r.plain("how", str, "") or how
        if of_file not in (None, *HOW):
            raise DescriptionError("how", of_file, "is not known", nearest(of_file, HOW))
    if how not in (None, of_file):
        raise DescriptionError("--how", how, f"{file} has settings of {of_file}", "leave --how or --settings out")
    return of_file, {str(name): value for name, value in r.values.items()}


@contextmanager
def _naming(file: str | Path | None, names: Collection[str]) -> Iterator[None]:
    """Context that names the settings file in a DescriptionError about one of its settings ``names``."""
    try:
        yield
    except DescriptionError as error:
        name = error.path.removeprefix("settings.")
        if name not in names:
            raise
        raise DescriptionError(f"{file}: {name}", error.value, error.rule, error.fix) from None


def _environment(
    spec: ControllerSpec, env: str, arguments: Mapping[str, Any], perturb: Mapping[str, Any]
) -> tuple[dict[str, Any], int | None, Any]:
    """Return the environment's arguments, the limit of an episode's steps that it names, and the environment.

    The arguments include perturbations. If the environment names no limit, they include `LIMIT`.
    """
    given = dict(arguments)
    asked_for = Perturbations.of({**given.get(PERTURB, {}), **perturb}, PERTURB)
    if perturbations := spec.training.perturb.replaced_by(asked_for).plain:
        given[PERTURB] = perturbations
    probe = make(env, given, disable_env_checker=True)
    limit = episode_limit(probe)
    if limit is None:
        given["max_episode_steps"] = LIMIT
        probe.close()
        probe = make(env, given, disable_env_checker=True)
    return given, limit, probe


def _precision(value: Any) -> str:
    if value not in ("float32", "int8"):
        raise DescriptionError("settings.weights", value, "must be float32 or int8")
    return str(value)


def _way(how: str | None, teacher: Any, of_file: str, space: Any) -> str:
    """Return the name of the learner. Raises DescriptionError if it is unknown, or if its teacher is missing.

    how, teacher : as in `train`
    of_file : name of the learner in the controller file; "": none
    space : action space of the environment
    """
    found = how or ("imitate" if teacher is not None else of_file or "rl")
    if found == "rl":
        found = "sac" if type(space).__name__ == "Box" else "ppo"
    if found not in HOW:
        path = "training.how" if found == of_file and not how else "--how"
        raise DescriptionError(path, found, "is not known", nearest(found, HOW))
    if found == "imitate" and teacher is None:
        raise DescriptionError("--teacher", None, "is needed to imitate", "name one, or choose another --how")
    return found


def _learner(
    spec: ControllerSpec, how: str, env: Any, limit: int | None, seed: int, trainable: Any, given: Mapping[str, Any],
    teacher: Any,
) -> tuple[Learner | None, Any]:  # fmt: skip
    """Return the learner ``how`` for an environment, and the learner's settings. For "adapt", the learner is None.

    limit : the limit of an episode's steps that the environment names
    trainable, teacher : as in `train`
    given : settings that take precedence over those in the controller file
    """
    if how == "adapt":
        return None, settings_of(how, AdaptationSettings, spec.training.settings, given)
    cls, kind = LEARNERS[how]
    own = spec.training.settings if spec.training.how in ("", "rl", how) else {}  # not those of another learner
    if how == "imitate" and not {**own, **given}.get("solve") and (policy := policy_in(teacher)) is not None:
        cls, kind, teacher = PolicyImitation, PolicyImitationSettings, policy_for(policy, env)
    defaults = kind.defaults_for(spec, limit)
    chosen = settings_of(how, kind, {**defaults, **own}, given)
    spec = replace(spec, reset_each_tick=getattr(chosen, "reset_each_tick", spec.reset_each_tick))
    gains = getattr(chosen, "gains", False)
    usual = near_the_output(spec) if isinstance(chosen, EvolutionSettings) and not chosen.factors else DEFAULT
    limits = _limits(trainable) if trainable else spec.training.trainable or usual
    cls = ReadOut if getattr(chosen, "solve", False) else Gains if gains else cls
    made = cls(Parameters(spec, {} if gains else limits, np.random.default_rng([seed, 0])), chosen)
    if isinstance(made, Imitation):
        made.teacher = teacher
        check_teacher(teacher, env, seed)  # before anything is written
    return made, chosen


def settings_of(how: str, kind: Any, before: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """Return the settings of a learner as an object of the class ``kind``.

    how : name of the learner, for errors
    kind : class of the settings
    before : settings from the controller file, and defaults
    given : settings that take precedence over ``before``
    """
    known, found = [one.name for one in fields(kind)], {**before, **given}
    try:
        for name, value in found.items():
            if name not in known:
                raise DescriptionError(f"settings.{name}", value, f"is not a setting of {how}", nearest(name, known))
        return kind(**found)
    except DescriptionError as error:
        raise (error if error.path.partition(".")[2] in given else error.within("training")) from None


def _limits(trainable: Mapping[str, Any]) -> Mapping[str, Limits]:
    """Convert the limits in the argument ``trainable`` of `train` to `Limits`.

    As in a controller file, they may be mappings with the keys ``low`` and ``high``.
    """
    plain = {name: asdict(one) if isinstance(one, Limits) else one for name, one in trainable.items()}
    return read_limits(Reader({"trainable": plain}, "", Path()))


def _named(teacher: Any) -> str:
    """Return the name of a teacher, by which `Folder` identifies a run. The name of a file includes its digest."""
    if isinstance(teacher, str | Path) and Path(teacher).is_file():
        return f"{teacher}, SHA-256 {digest_of(teacher)[:16]}"
    return str(teacher)


def _asked_of(learner: Learner) -> dict[str, Any]:
    """Return the surrogate and the names of trained parameters as JSON data, by which `Folder` identifies a run."""
    trainable = {pattern: str(limits) for pattern, limits in learner.parameters.chosen.items()}
    return {"surrogate": asdict(learner.surrogate), "trainable": trainable}


def _digest(spec: ControllerSpec) -> str:
    return hashlib.sha256(build_program(spec).digest.encode()).hexdigest()[:16]
