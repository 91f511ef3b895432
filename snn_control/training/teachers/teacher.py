"""Make teachers: functions that return the actions that a controller imitates."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ...controller import Controller
from ...controller_file import nearest
from ...errors import DescriptionError, RuntimeFault, describe_exception, message_of
from ...gym_adapter.flat import unflattened
from ...gym_adapter.spaces import as_command
from ..environments.gymnasium_calls import baselines_of, import_module, reset
from .trained_policy import POLICY_FILES, TrainedPolicy, load_policy

__all__ = ["Teacher", "check_teacher", "policy_for", "teacher_of"]


class Teacher:
    """A source of actions that a controller imitates in one environment.

    name : name of the teacher, for error messages
    act : function (environment, observation, info) -> action
    reset : function that is called at the start of each episode
    """

    def __init__(self, name: Any, act: Callable[[Any, Any, Any], Any], reset: Any = lambda: None) -> None:
        self.name, self._act, self.reset = name, act, reset

    def __call__(self, env: Any, observation: Any, info: Any) -> Any:
        """Return the teacher's action for an observation. Raises RuntimeFault for any exception of the teacher."""
        try:
            return self._act(env, observation, info)
        except (Exception, SystemExit) as error:
            raise RuntimeFault(f"--teacher {self.name}: raised {describe_exception(error)}") from error

    def command(self, env: Any, observation: Any, info: Any) -> np.ndarray:
        """Return the teacher's action as a command, a (k,) float32 array.

        Raises RuntimeFault if the environment does not accept the action.
        """
        action, space = self(env, observation, info), env.action_space
        try:
            given = np.asarray(action)
            with np.errstate(over="ignore"):
                found = as_command(given, space) if given.dtype.kind in "biuf" else np.zeros(0, np.float32)
        except ValueError:  # lists of different lengths
            found = np.zeros(0, np.float32)
        if found.size != np.prod(space.shape, dtype=int) or not np.isfinite(found).all() or not _chosen(found, space):
            shown = " ".join(repr(action).split())[:80]
            raise RuntimeFault(f"--teacher {self.name}: gave the action {shown}: the environment takes {space}")
        return found


def _chosen(command: np.ndarray, space: Any) -> bool:
    """Return whether a command is a valid action of a discrete space. For a Box, the result is always True."""
    if hasattr(space, "low"):
        return True
    most = getattr(space, "nvec", None if space.shape else space.n)
    most = np.ravel(2 if most is None else most)
    return bool((command == np.rint(command)).all() and (command >= 0).all() and (command < most).all())


def teacher_of(what: Any, env: Any) -> Teacher:
    """Return a teacher for one environment. Teachers from a controller file have a state, which is new for each call.

    what : the source of actions, one of these:

    - a controller file (.yaml), or a saved Program (.npz)
    - a policy of stable-baselines3 (.zip), or a perceptron (.onnx)
    - the result of `snn_control.training.teachers.trained_policy.load_policy`
    - the name of a baseline of the environment
    - ``module:function``, or a callable
    - ``module:Class``, or a class: an object of it is made, with the environment if the class needs an argument. Its
      method ``predict(observation, info)`` returns a pair (action, anything); ``reset()``, if it has this method, is
      called at the start of each episode

    The parameters of a function select its arguments:

    - (env, observation), if the first parameter is named ``env``: the function can use the simulator's state
    - (observation, info), if there are at least two parameters without a default
    - (observation) otherwise

    Raises DescriptionError if ``what`` is none of these sources.
    """
    if isinstance(what, TrainedPolicy):
        return _of_policy(what, env)
    if not isinstance(what, str) and callable(what):
        return _of_function(what, getattr(what, "__name__", what), env)
    text = str(what)
    baselines = baselines_of(env)
    if text in baselines:
        return _of_object(baselines[text], text)
    if text.endswith(POLICY_FILES):
        return _of_policy(load_policy(text), env)
    if text.endswith((".yaml", ".yml", ".npz")):
        one = Controller.load(text)
        return Teacher(text, lambda env, observation, info: one.act(observation, env.action_space), one.reset)
    if ":" in text:
        module, _, name = text.partition(":")
        try:
            function = getattr(import_module(module), name)
        except (Exception, SystemExit) as error:  # a module may raise any exception
            raise DescriptionError("--teacher", text, f"cannot be imported: {message_of(error)}") from None
        if not callable(function):
            raise DescriptionError("--teacher", text, f"is not a function but {function!r}"[:200])
        return _of_function(function, text, env)
    files = "a .yaml controller, a .zip of stable-baselines3, an .onnx perceptron"
    rule = f"must be {files}, module:function, or a baseline of the environment"
    raise DescriptionError("--teacher", text, rule, nearest(text, baselines) if baselines else "")


def check_teacher(what: Any, env: Any, seed: int) -> None:
    """Ask a teacher for one action in a new episode of an environment.

    what : as in `teacher_of`

    Raises DescriptionError if ``what`` is no teacher, and RuntimeFault if the environment does not accept the action.
    """
    teacher = teacher_of(what, env)
    teacher.reset()
    observation, info = reset(env, seed)
    teacher.command(env, unflattened(env, observation), info)


def _of_object(one: Any, name: Any) -> Teacher:
    return Teacher(
        name, lambda env, observation, info: one.predict(observation, info)[0], getattr(one, "reset", lambda: None)
    )


def _of_function(function: Callable[..., Any], name: Any, env: Any) -> Teacher:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # compiled code has no signature
        parameters = {}.values()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variable]
    if inspect.isclass(function):
        if not hasattr(function, "predict"):
            rule = "is a class without a method predict"
            raise DescriptionError("--teacher", str(name), rule, "write predict(self, observation, info)")
        try:
            return _of_object(function(*[env.unwrapped][: len(needed)]), name)
        except (Exception, SystemExit) as error:
            raise DescriptionError("--teacher", str(name), f"cannot be made: {describe_exception(error)}") from None
    if needed[:1] == ["env"]:
        return Teacher(name, lambda env, observation, info: function(env.unwrapped, observation))
    if len(needed) > 1:
        return Teacher(name, lambda env, observation, info: function(observation, info))
    return Teacher(name, lambda env, observation, info: function(observation))


def policy_for(policy: TrainedPolicy, env: Any) -> TrainedPolicy:
    """Return the policy with its head adapted to an environment's actions. Raises DescriptionError for other spaces."""
    try:
        policy = policy.for_space(env.action_space)
        policy.check(env.observation_space, env.action_space)
    except ValueError as error:
        raise DescriptionError("--teacher", policy.path, str(error)) from None
    return policy


def _of_policy(policy: TrainedPolicy, env: Any) -> Teacher:
    policy = policy_for(policy, env)
    return Teacher(policy.path, lambda env, observation, info: policy(observation))
