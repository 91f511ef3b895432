"""Copies of a Gymnasium environment side by side, as a controller sees them: inputs by name, actions by output."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..coding import ArgmaxDecoder, EventsInput, Input
from ..controller_file import ControllerSpec
from ..errors import DescriptionError, RuntimeFault
from ..spaces import as_actions, check_action, check_observation, numbers_of, parts_of

__all__ = ["LIMIT", "Environments", "Interface", "Transition", "longest", "make", "reset", "step"]

LIMIT = 1000  # steps, after which an episode is cut in an environment that is endless
FAR = 10.0  # of an input's range, beyond which a critic is told no more
MOST_CHOICES = 1024  # that a critic sees one by one


def make(identity: str, arguments: Mapping[str, Any], **more: Any) -> Any:
    """``gymnasium.make``; raises DescriptionError, in one line, for whatever that raises."""
    import gymnasium

    try:
        return gymnasium.make(identity, **arguments, **more)
    except Exception as error:  # environments raise any exception for a wrong argument
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DescriptionError("--env", identity, f"cannot be made: {reason}") from None


def longest(env: Any) -> int | None:
    """The ``max_episode_steps`` that an environment names, where it is registered or as an attribute of its own; None:
    its episodes may never end."""
    return env.spec.max_episode_steps or getattr(env.unwrapped, "max_episode_steps", None)


def reset(env: Any, seed: int | None = None) -> tuple[Any, Any]:
    """``env.reset``; raises RuntimeFault where the environment raises anything."""
    try:
        observation, info = env.reset(seed=seed)
    except Exception as error:
        raise _trouble(env, "reset", error) from error
    return observation, info


def step(env: Any, action: Any) -> tuple[Any, float, bool, bool, Any]:
    """``env.step``; raises RuntimeFault where the environment raises anything, or a reward is not finite."""
    try:
        observation, reward, terminated, truncated, info = env.step(action)
        reward = float(reward)
    except Exception as error:
        raise _trouble(env, "step", error) from error
    if not math.isfinite(reward):
        raise RuntimeFault(f"{_name(env)}: gave a reward of {reward}: nothing can be learned from it")
    return observation, reward, terminated, truncated, info


def _trouble(env: Any, what: str, error: Exception) -> RuntimeFault:
    said = " ".join(str(error).split()) or "nothing"
    return RuntimeFault(f"{_name(env)}: its {what} raised {type(error).__name__}: {said[:300]}")


def _name(env: Any) -> str:
    return getattr(env.spec, "id", type(env.unwrapped).__name__)


class Interface:
    """Between the spaces of an environment and the inputs and outputs of a controller, for many rows at once.

    Raises DescriptionError where the two do not fit.

    Attributes
    ----------
    given : inputs that the environment observes
    choices : of each output how many actions it chooses among, 0 where it gives numbers
    """

    def __init__(self, spec: ControllerSpec, observation_space: Any, action_space: Any) -> None:
        self.inputs: dict[str, Input] = {one.name: one for one in spec.inputs}
        self.outputs = spec.outputs
        self.choices = [o.decoder.actions if isinstance(o.decoder, ArgmaxDecoder) else 0 for o in spec.outputs]
        kinds = {name: "events" if isinstance(one, EventsInput) else "value" for name, one in self.inputs.items()}
        facts = {n: _Fact(one.size, one.required, kinds[n]) for n, one in self.inputs.items()}  # type: ignore[attr-defined]
        check_observation(facts, observation_space)
        check_action({o.name: (o.size, n or None) for o, n in zip(spec.outputs, self.choices)}, action_space)
        self._parts = getattr(observation_space, "spaces", None)
        if not isinstance(self._parts, Mapping):
            self._sizes = parts_of(facts, numbers_of(observation_space))
        self.given = [n for n in self.inputs if n in (self._parts if isinstance(self._parts, Mapping) else self._sizes)]
        self._action, self._space = action_space, observation_space
        self._scales = [self._scale(name) for name in self.given]

    def observe(self, observations: Sequence[Any]) -> dict[str, Any]:
        """One observation of each of n environments -> value input -> (n, size) float32, as the engine rounds them;
        events input -> n arrays (events, 4), as `Batch.step` takes them. Raises RuntimeFault where they have not the
        shapes of the space."""
        try:
            with np.errstate(over="ignore"):
                return self._observe(observations)
        except (KeyError, TypeError, ValueError) as error:
            raise RuntimeFault(f"an observation is none of the environment's own space: {error}") from error

    def _observe(self, observations: Sequence[Any]) -> dict[str, Any]:
        if isinstance(observations[0], Mapping):
            return {name: self._part(name, observations) for name in self.given}
        flat = np.asarray(observations, np.float32)
        flat = flat.reshape(len(flat), -1)
        cuts = np.cumsum(list(self._sizes.values()))[:-1]
        return {n: np.ascontiguousarray(x) for n, x in zip(self._sizes, np.split(flat, cuts, axis=1), strict=True)}

    def _part(self, name: str, observations: Sequence[Any]) -> Any:
        one = self.inputs[name]
        if not isinstance(one, EventsInput):
            size = one.size  # type: ignore[attr-defined]
            return np.asarray([o[name] for o in observations], np.float32).reshape(-1, size)
        if f"{name}_count" not in observations[0]:
            return [o[name] for o in observations]
        return [o[name][: int(np.asarray(o[f"{name}_count"]).reshape(-1)[0])] for o in observations]

    # what a critic looks at --------------------------------------------------------------------------------------
    def _scale(self, name: str) -> Any:
        """(centre, half) of an input's range; of a number that counts how many numbers there are, and the first; None
        of events."""
        one: Any = self.inputs[name]
        if isinstance(one, EventsInput):
            return None
        space = self._parts[name] if isinstance(self._parts, Mapping) else self._space
        if hasattr(space, "n") and space.shape == () and space.n <= MOST_CHOICES:
            return int(space.n), int(getattr(space, "start", 0))
        low, high = (np.broadcast_to(np.asarray(side, np.float32), (one.size,)) for side in one.range)
        bounded = np.isfinite(low) & np.isfinite(high)
        low, high = np.where(bounded, low, -1), np.where(bounded, high, 1)
        return (low + high) / 2, (high - low) / 2

    def features(self, seen: Mapping[str, np.ndarray]) -> np.ndarray:
        """What was given to the network, (..., size), of events (..., repeat, cells) -> (..., k) float32.

        All are within -1 .. 1: numbers over their ranges, a choice as one number for each, of events the newest cells;
        and finite, so that a critic survives what the engine replaces or rejects.
        """
        found = []
        for name, scale in zip(self.given, self._scales, strict=True):
            x = seen[name]
            if scale is None:
                cells = x[..., -1, :]
                found.append(cells / (1 + np.abs(cells)))
                continue
            a, b = scale
            if isinstance(a, int):
                found.append((x[..., :1] - b == np.arange(a)).astype(np.float32))
            else:
                far = np.clip(((x - a) / b).astype(np.float32), -FAR, FAR)
                found.append(np.nan_to_num(far, copy=False))
        return np.concatenate(found, axis=-1)

    # actions -----------------------------------------------------------------------------------------------------
    def act(self, commands: Sequence[np.ndarray]) -> list[Any]:
        """What each output commands, (n, size) -> actions of n environments, as `Controller.predict` gives them."""
        whole = np.concatenate([np.asarray(c).reshape(len(c), -1) for c in commands], axis=1)
        return as_actions(whole, self._action)


@dataclass(frozen=True)
class _Fact:
    """What `snn_control.spaces` asks of an input."""

    size: Any
    required: bool
    kind: str


@dataclass(frozen=True)
class Transition:
    """What a step of n environments gave.

    inputs : input -> what `Interface.observe` gives, of the next step: where an episode is over those of a new one
    last : the same, where an episode is over those of its end
    reward, terminated, truncated : (n,) float32 and bool
    """

    inputs: dict[str, Any]
    last: dict[str, Any]
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray

    @property
    def over(self) -> np.ndarray:
        return self.terminated | self.truncated


class Environments:
    """``n`` copies of an environment in this process, each begun anew in the step in which its episode is over.

    make : makes one copy
    spec : of the controller that acts in them

    Attributes
    ----------
    keeps : inputs of numbers are kept for `met`
    """

    def __init__(self, make: Callable[[], Any], n: int, spec: ControllerSpec) -> None:
        self.envs = [make() for _ in range(n)]
        self.n, first = n, self.envs[0]
        self.interface = Interface(spec, first.observation_space, first.action_space)
        self.returns = np.zeros(n)
        self.finished: list[float] = []  # returns of the episodes that were over since the last reset, in their order
        self.keeps = False
        self._met: list[dict[str, Any]] = []

    def reset(self, seed: int) -> dict[str, Any]:
        """All copies begin anew, copy k with ``seed + k``."""
        self.returns[:] = 0
        self.finished, self._met = [], []
        self._now = [reset(env, seed + k) for k, env in enumerate(self.envs)]
        return self.interface.observe([observation for observation, _ in self._now])

    def before(self, k: int) -> tuple[Any, Any, Any]:
        """Environment, observation and info of copy k, before its next step."""
        return self.envs[k], *self._now[k]

    def step(self, commands: Sequence[np.ndarray]) -> Transition:
        """One step of all copies; ``commands`` as `Interface.act` takes them."""
        actions = self.interface.act(commands)
        reward, terminated, truncated = np.zeros(self.n, np.float32), np.zeros(self.n, bool), np.zeros(self.n, bool)
        now, last = [], []
        for k, env in enumerate(self.envs):
            observation, reward[k], terminated[k], truncated[k], info = step(env, actions[k])
            last.append(observation)
            self.returns[k] += reward[k]
            if terminated[k] or truncated[k]:
                self.finished.append(float(self.returns[k]))
                self.returns[k] = 0
                observation, info = reset(env)
            self._now[k] = observation, info
            now.append(observation)
        inputs = self.interface.observe(now)
        if self.keeps:
            self._met.append({name: x for name, x in inputs.items() if isinstance(x, np.ndarray)})
        ends = self.interface.observe(last) if (terminated | truncated).any() else inputs
        return Transition(inputs, ends, reward, terminated, truncated)

    def met(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Inputs of numbers that were kept since the last reset: name -> (steps of all copies, size)."""
        return {name: np.concatenate([inputs[name] for inputs in self._met if name in inputs]) for name in names}

    def close(self) -> None:
        for env in self.envs:
            env.close()
