"""Teachers: anything that gives the action that a controller should imitate."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..controller import Controller
from ..controller_file import nearest
from ..errors import DescriptionError

__all__ = ["BaselineTeacher", "ControllerTeacher", "Teacher", "teacher_of"]

#: (environment, observation, info) -> the teacher's action
Teacher = Callable[[Any, Any, Any], Any]


class ControllerTeacher:
    """A controller as a teacher, to be reset at the start of each episode."""

    def __init__(self, controller: Controller) -> None:
        self.controller, self.reset = controller, controller.reset

    def __call__(self, env: Any, observation: Any, info: Any) -> Any:
        return self.controller.act(observation, env.action_space)


class BaselineTeacher:
    """A baseline of the environment as a teacher, to be reset at the start of each episode."""

    def __init__(self, baseline: Any) -> None:
        self.baseline, self.reset = baseline, baseline.reset

    def __call__(self, env: Any, observation: Any, info: Any) -> Any:
        return self.baseline.predict(observation, info)[0]


ALGORITHMS = ("PPO", "SAC", "TD3", "DDPG", "A2C", "DQN")


def teacher_of(what: Any, env: Any) -> Teacher:
    """A teacher for one environment, with a state of its own if it needs one.

    what : a controller file (.yaml, or a saved Program .npz); a model of stable-baselines3 (.zip, e.g. ``sac.zip``);
        the name of a baseline of the environment; ``module:function``; or a callable. A function takes (observation),
        (observation, info) or (env, observation), which are told apart by the parameters' names; with ``env`` it can
        use the simulator's state

    Raises DescriptionError if it is none of these.
    """
    if callable(what) and not isinstance(what, str):
        return _of_callable(what)
    text = str(what)
    baselines = env.unwrapped.baselines() if hasattr(env.unwrapped, "baselines") else {}
    if text in baselines:
        return BaselineTeacher(baselines[text])
    if text.endswith(".zip"):
        return _of_predict(_stable_baselines(text))
    if text.endswith((".yaml", ".yml", ".npz")):
        return ControllerTeacher(Controller.load(text))
    if ":" in text:
        module, _, name = text.partition(":")
        try:
            return _of_callable(getattr(importlib.import_module(module), name))
        except (ImportError, AttributeError) as error:
            raise DescriptionError("--teacher", text, f"cannot be imported: {error}") from None
    rule = "must be a .yaml controller, a .zip of stable-baselines3, module:function, or a baseline of the environment"
    raise DescriptionError("--teacher", text, rule, nearest(text, baselines) if baselines else "")


def _of_callable(function: Callable[..., Any]) -> Teacher:
    names = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    if names[:1] == ["env"]:
        return lambda env, observation, info: function(env.unwrapped, observation)
    if len(names) > 1:
        return lambda env, observation, info: function(observation, info)
    return lambda env, observation, info: function(observation)


def _of_predict(model: Any) -> Teacher:
    return lambda env, observation, info: model.predict(observation, deterministic=True)[0]


def _stable_baselines(path: str) -> Any:
    try:
        import stable_baselines3  # type: ignore[import-not-found]
    except ImportError:
        rule = "needs stable-baselines3"
        raise DescriptionError("--teacher", path, rule, "pip install stable-baselines3") from None
    if not Path(path).is_file():
        raise DescriptionError("--teacher", path, "is no file")
    for name in sorted(ALGORITHMS, key=lambda name: name.lower() not in Path(path).name.lower()):
        try:
            return getattr(stable_baselines3, name).load(path, device="cpu")
        except Exception:  # a model of another algorithm may raise any exception
            continue
    raise DescriptionError("--teacher", path, f"is not a model of {', '.join(ALGORITHMS)}")
