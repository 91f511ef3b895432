"""Make, reset and step a Gymnasium environment, and convert its exceptions to errors with one-line messages."""

from __future__ import annotations

import importlib
import math
import os
import sys
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from ...errors import DescriptionError, RuntimeFault, describe_exception, message_of
from ...gym_adapter.flat import flat_environment

__all__ = [
    "LIMIT",
    "PERTURB",
    "baselines_of",
    "drawn_in",
    "episode_limit",
    "import_installed",
    "import_module",
    "make",
    "name_of",
    "reset",
    "step",
]

MOST_REWARD = 1e12  # sums over episodes and squares of these stay finite in float32
PERTURB = "--perturb"  # key of the perturbations among the arguments; no argument of an environment can have this name
LIMIT = 1000  # steps after which an episode is cut, if the environment names no limit


def import_module(name: str) -> ModuleType:
    """Import a module. If it is not found elsewhere, look in the current folder, as ``python -m`` does."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
    sys.path.append(os.getcwd())
    return importlib.import_module(name)


def import_installed(name: str, said_in: str) -> None:
    """Import a module that a file of data names. A module in the current folder is not imported.

    The data may come from other people, and importing a module runs its code. So the module must have been installed.

    said_in : the file, for the error

    Raises DescriptionError if the module cannot be imported.
    """
    path, here = sys.path.copy(), os.path.realpath(os.getcwd())
    sys.path[:] = [folder for folder in path if os.path.realpath(folder) != here]  # ``python -m`` puts it there
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:
        rule = f"is a module that could not be imported ({message_of(error)}); only installed ones are, from a file"
        raise DescriptionError(
            said_in, name, rule, "if you trust it, install it, or name it on the command line"
        ) from None
    finally:
        sys.path[:] = path


def make(identity: str, arguments: Mapping[str, Any], **more: Any) -> Any:
    """Make an environment, and name the parts of its observations (`snn_control.gym_adapter.flat`).

    identity : id of the environment for ``gymnasium.make``
    arguments : keyword arguments of the user for ``gymnasium.make``; the entry `PERTURB` contains perturbations, see
        `snn_control.training.environments.perturbed.apply.perturbed`
    more : keyword arguments of the calling function for ``gymnasium.make``

    Raises DescriptionError with a one-line message for any exception.
    """
    import gymnasium

    try:
        if ":" in identity:
            import_module(identity.partition(":")[0])
        own = {name: value for name, value in arguments.items() if name != PERTURB}
        _warn_once(gymnasium.registry.get(identity.rpartition(":")[2]))
        return flat_environment(_perturbed(gymnasium.make(identity, **own, **more), arguments.get(PERTURB)))
    except DescriptionError as error:
        raise (error if error.path.startswith(PERTURB) else error.within(f"--env {identity}")) from None
    except (Exception, SystemExit) as error:  # environments raise any exception for a wrong argument
        raise DescriptionError("--env", identity, f"cannot be made: {message_of(error)}") from None


def _warn_once(spec: Any) -> None:
    """Show each warning of MuJoCo once. MuJoCo itself shows it for every environment, and appends it to a file."""
    if spec is not None and str(spec.entry_point).startswith("gymnasium.envs.mujoco"):
        import mujoco

        mujoco.set_mju_user_warning(lambda text: warnings.warn(f"MuJoCo: {text}", stacklevel=2))


def _perturbed(env: Any, perturbations: Mapping[str, Any] | None) -> Any:
    if not perturbations:
        return env
    from .perturbed.apply import perturbed

    return perturbed(env, perturbations)


def drawn_in(env: Any) -> dict[str, Any]:
    """Return the values that the perturbations drew for the present episode: name -> number or list."""
    found: dict[str, Any] = {}
    while (inner := getattr(env, "env", None)) is not None:
        found |= env.told if hasattr(env, "told") else {}
        env = inner
    return found


def episode_limit(env: Any) -> int | None:
    """Return the maximum number of steps of an episode, ``max_episode_steps``; None if the environment has no limit.

    The limit comes from the registration of the environment, or from an attribute.
    """
    return env.spec.max_episode_steps or getattr(env.unwrapped, "max_episode_steps", None)


def baselines_of(env: Any) -> dict[str, Any]:
    """Return the classical controllers of an environment: name -> controller.

    They come from its method ``baselines()`` or, without one, are made from the classes in its attribute ``BASELINES``.
    A controller has a method ``predict(observation, info)``, which returns a pair (action, anything), as in
    stable-baselines3, and may have a method ``reset()``, which is called at the start of an episode.
    """
    own = env.unwrapped
    if hasattr(own, "baselines"):
        return dict(own.baselines())
    return {one.__name__: one() for one in getattr(own, "BASELINES", ())}


def reset(env: Any, seed: int | None = None) -> tuple[Any, Any]:
    """Call ``env.reset``. Raises RuntimeFault for any exception of the environment."""
    try:
        observation, info = env.reset(seed=seed)
    except (Exception, SystemExit) as error:
        raise _trouble(env, "reset", error) from error
    return observation, info


def step(env: Any, action: Any) -> tuple[Any, float, bool, bool, Any]:
    """Call ``env.step``. Raises RuntimeFault in these cases:

    - the environment raises any exception
    - the reward is not one finite number, or is too large
    - ``terminated`` or ``truncated`` is not True or False
    """
    try:
        observation, reward, terminated, truncated, info = env.step(action)
    except (Exception, SystemExit) as error:
        raise _trouble(env, "step", error) from error
    try:
        reward = float(reward)
    except (TypeError, ValueError):
        rule = "must be one number; add up its parts in a wrapper"
        raise _wrong(env, f"a reward of {reward!r}", rule) from None
    if not math.isfinite(reward):
        raise _wrong(env, f"a reward of {reward}", "nothing can be learned from it")
    if abs(reward) > MOST_REWARD:
        raise _wrong(env, f"a reward of {reward:.3g}", f"must be within +-{MOST_REWARD:g}; scale it in a wrapper")
    return observation, reward, _flag(env, "terminated", terminated), _flag(env, "truncated", truncated), info


def _flag(env: Any, name: str, value: Any) -> bool:
    if type(value) is bool:
        return value
    if np.size(value) != 1 or np.asarray(value).dtype.kind not in "biu":
        raise _wrong(env, f"{name} = {value!r}", "must be True or False")
    return bool(value)


def _wrong(env: Any, what: str, rule: str) -> RuntimeFault:
    return RuntimeFault(f"{name_of(env)}: gave {what}: {rule}")


def _trouble(env: Any, what: str, error: BaseException) -> RuntimeFault:
    return RuntimeFault(f"{name_of(env)}: its {what} raised {describe_exception(error)}")


def name_of(env: Any) -> str:
    return getattr(env.spec, "id", type(env.unwrapped).__name__)
