"""Make, reset and step a Gymnasium environment; what it raises becomes an error of this project, told in one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import DescriptionError, RuntimeFault, raised, said
from ..flat import flat_environment

__all__ = ["LIMIT", "longest", "make", "reset", "step"]

LIMIT = 1000  # steps after which an episode is cut, if the environment names no limit


def make(identity: str, arguments: Mapping[str, Any], **more: Any) -> Any:
    """Call ``gymnasium.make``, and give the environment's observations by name (`snn_control.flat`); raises
    DescriptionError, in one line, for any exception."""
    import gymnasium

    try:
        return flat_environment(gymnasium.make(identity, **arguments, **more))
    except DescriptionError as error:
        raise error.within(f"--env {identity}") from None
    except Exception as error:  # environments raise any exception for a wrong argument
        raise DescriptionError("--env", identity, f"cannot be made: {said(error)}") from None


def longest(env: Any) -> int | None:
    """The environment's ``max_episode_steps``, from its registration or an attribute; None: episodes may never end."""
    return env.spec.max_episode_steps or getattr(env.unwrapped, "max_episode_steps", None)


def reset(env: Any, seed: int | None = None) -> tuple[Any, Any]:
    """Call ``env.reset``; raises RuntimeFault for any exception of the environment."""
    try:
        observation, info = env.reset(seed=seed)
    except Exception as error:
        raise _trouble(env, "reset", error) from error
    return observation, info


def step(env: Any, action: Any) -> tuple[Any, float, bool, bool, Any]:
    """Call ``env.step``; raises RuntimeFault for any exception of the environment, or a reward that is not finite."""
    try:
        observation, reward, terminated, truncated, info = env.step(action)
    except Exception as error:
        raise _trouble(env, "step", error) from error
    try:
        reward = float(reward)
    except (TypeError, ValueError):
        rule = f"gave a reward of {reward!r}: must be one number; add up what it consists of in a wrapper"
        raise RuntimeFault(f"{_name(env)}: {rule}") from None
    if not math.isfinite(reward):
        raise RuntimeFault(f"{_name(env)}: gave a reward of {reward}: nothing can be learned from it")
    return observation, reward, terminated, truncated, info


def _trouble(env: Any, what: str, error: Exception) -> RuntimeFault:
    return RuntimeFault(f"{_name(env)}: its {what} raised {raised(error)}")


def _name(env: Any) -> str:
    return getattr(env.spec, "id", type(env.unwrapped).__name__)
