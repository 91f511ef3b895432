"""Run several copies of a Gymnasium environment, and convert observations and actions for a controller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...coding import ArgmaxDecoder, EventsInput, Input, ValueInput
from ...controller_file import ControllerSpec
from ...errors import RuntimeFault, counted, message_of
from ...gym_adapter.flat import unflattened
from ...gym_adapter.spaces import (
    as_actions,
    check_action,
    check_observation,
    image_input,
    numbers_of,
    parts_of,
    released,
)  # fmt: skip
from .gymnasium_calls import name_of, reset, step

__all__ = ["Interface", "Transition", "VectorEnv"]

MAX_FEATURE = 10.0  # half ranges; a critic's inputs are clipped to this
MOST_CHOICES = 1024  # largest number of discrete values that a critic sees one-hot


class Interface:
    """Converts observations to inputs of a controller, and outputs to actions, for many environments at once.

    environment : name of the environment, for errors

    Raises DescriptionError if the spaces do not fit the inputs and outputs.

    observed : names of the inputs that the environment's observations provide
    choices : for each output the number of actions from which it chooses; 0 if the output gives numbers
    """

    def __init__(
        self, spec: ControllerSpec, observation_space: Any, action_space: Any, environment: str = "the environment"
    ) -> None:
        self.environment = environment
        self.inputs: dict[str, Input] = {one.name: one for one in spec.inputs}
        self.outputs = spec.outputs
        self.choices = [o.decoder.actions if isinstance(o.decoder, ArgmaxDecoder) else 0 for o in spec.outputs]
        kinds = {name: "events" if isinstance(one, EventsInput) else "value" for name, one in self.inputs.items()}
        facts = {
            n: _Fact(one.size, one.needed, kinds[n], getattr(one, "numbers", ()))  # type: ignore[attr-defined]
            for n, one in self.inputs.items()
        }
        check_observation(facts, observation_space)
        check_action({o.name: (o.size, n or None) for o, n in zip(spec.outputs, self.choices)}, action_space)
        self._parts = getattr(observation_space, "spaces", None)
        self._image = "" if isinstance(self._parts, Mapping) else image_input(facts, observation_space.shape)
        if not isinstance(self._parts, Mapping):
            sizes = {self._image: 0} if self._image else parts_of(facts, numbers_of(observation_space))
            ends = np.cumsum([0, *sizes.values()]).tolist()
            self._size = ends[-1]
            self._cuts = {name: slice(*ends[k : k + 2]) for k, name in enumerate(sizes)}
        known = self._parts if isinstance(self._parts, Mapping) else self._cuts
        self.observed = [name for name in self.inputs if name in known]
        self._action, self._space = action_space, observation_space
        self._released = {k: v.astype(np.float32) for k, v in released(self.inputs).items() if k not in self.observed}
        self.scales = [self._scale(name) for name in self.observed]

    def observe(self, observations: Sequence[Any]) -> dict[str, Any]:
        """Return the observations of n environments as inputs of a controller: input -> values.

        A value input gets an (n, size) float32 array, rounded like in the engine. An events input gets a list of n
        arrays (events, 4), in the form that `Batch.step` accepts. Raises RuntimeFault if an observation does not have
        the shape of its space.
        """
        try:
            with np.errstate(over="ignore"):
                absent = {k: np.tile(v, (len(observations), 1)) for k, v in self._released.items()}
                return absent | self._observe(observations)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            rule = f"gave an observation that is not of its own space: {message_of(error)}"
            raise RuntimeFault(f"{self.environment}: {rule}") from error

    def _observe(self, observations: Sequence[Any]) -> dict[str, Any]:
        if isinstance(observations[0], Mapping):
            return {name: self._part(name, observations) for name in self.observed}
        if self._image:
            return {self._image: list(observations)}
        flat = _rows(observations, self._size)
        return {name: np.ascontiguousarray(flat[:, cut]) for name, cut in self._cuts.items()}

    def _part(self, name: str, observations: Sequence[Any]) -> Any:
        one = self.inputs[name]
        if not isinstance(one, EventsInput):
            return _rows([o[name] for o in observations], one.size)  # type: ignore[attr-defined]
        if f"{name}_count" not in observations[0]:
            return [o[name] for o in observations]
        return [o[name][: int(np.asarray(o[f"{name}_count"]).reshape(-1)[0])] for o in observations]

    # what a critic looks at --------------------------------------------------------------------------------------
    def _scale(self, name: str) -> Any:
        """Return the scale of an input for the critic:

        - for numbers, the centre and the half width of the input's range
        - for a Discrete space, the number of values and the first value
        - for events, None
        """
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
        """Return the features that a critic sees, as an (..., k) float32 array.

        seen : input -> values (..., size); for an events input, the output of its encoder in each tick, (..., repeat,
            cells)

        Numbers are scaled by their ranges and clipped to +-`MAX_FEATURE`. Discrete values are one-hot. For events, the
        output of the last tick is used. All features are finite, even if the engine replaces or rejects a value.
        """
        found = []
        for name, scale in zip(self.observed, self.scales, strict=True):
            x = seen[name]
            if scale is None:
                cells = x[..., -1, :]
                found.append(cells / (1 + np.abs(cells)))
                continue
            a, b = scale
            if isinstance(a, int):
                found.append((x[..., :1] - b == np.arange(a)).astype(np.float32))
            else:
                far = np.clip(((x - a) / b).astype(np.float32), -MAX_FEATURE, MAX_FEATURE)
                found.append(np.nan_to_num(far, copy=False))
        return np.concatenate(found, axis=-1)

    # actions -----------------------------------------------------------------------------------------------------
    def act(self, commands: Sequence[np.ndarray]) -> list[Any]:
        """Return the actions for n environments, in the form that `Controller.predict` returns.

        commands : for each output its commands, (n, size)
        """
        whole = np.concatenate([np.asarray(c).reshape(len(c), -1) for c in commands], axis=1)
        return as_actions(whole, self._action)


def _rows(values: Sequence[Any], size: int) -> np.ndarray:
    """Return n values of an observation as an (n, size) float32 array. Raises ValueError if they have another size."""
    found = np.asarray(values, np.float32).reshape(len(values), -1)
    if found.shape[1] != size:
        raise ValueError(f"{counted(found.shape[1])}, not {size}")
    return found


class _Fact(NamedTuple):
    """The properties of an input that `snn_control.gym_adapter.spaces` needs."""

    size: Any
    required: bool
    kind: str
    camera: tuple[float, ...]


class Transition(NamedTuple):
    """The result of one step of n environments.

    inputs : the controller's inputs for the next step. If an episode has ended, they come from the first observation of
        the new episode
    last : the controller's inputs after this step. If an episode has ended, they come from the last observation of this
        episode
    reward : (n,) float32
    terminated : (n,) bool, whether the episode reached a terminal state
    truncated : (n,) bool, whether the episode was cut
    """

    inputs: dict[str, Any]
    last: dict[str, Any]
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray

    @property
    def done(self) -> np.ndarray:
        return self.terminated | self.truncated


class VectorEnv:
    """``n`` copies of an environment in this process. A copy whose episode has ended is reset in the same step.

    make : function that makes one copy
    spec : the controller that acts in the copies
    keeps : whether to record the values of the inputs, for `met`
    not_finite : value input -> number of steps with a rejected observation (with a number that is not finite), of all
        copies since the last reset
    """

    def __init__(self, make: Callable[[], Any], n: int, spec: ControllerSpec) -> None:
        self.envs = [make() for _ in range(n)]
        self.n, first = n, self.envs[0]
        self.interface = Interface(spec, first.observation_space, first.action_space, name_of(first))
        self.returns = [0.0] * n  # of the episodes that are being played
        self.finished: list[float] = []  # returns of the episodes that ended since the last reset, in order
        self.keeps = False
        self.not_finite: Counter[str] = Counter()
        values = (one for one in spec.inputs if isinstance(one, ValueInput))
        self._rejected = {one.name: np.array(one.rules()) == "reject" for one in values}
        self._met: list[dict[str, Any]] = []

    def reset(self, seed: int) -> dict[str, Any]:
        """Reset all copies (copy k with the seed ``seed + k``), and return the inputs for the first step."""
        self.returns, self.finished, self._met = [0.0] * self.n, [], []
        self.not_finite.clear()
        self._now = [reset(env, seed + k) for k, env in enumerate(self.envs)]
        return self.interface.observe([observation for observation, _ in self._now])

    def current(self, k: int) -> tuple[Any, Any, Any]:
        """Return the environment, the present observation and the present info of copy ``k``, for a teacher."""
        observation, info = self._now[k]
        return self.envs[k], unflattened(self.envs[k], observation), info

    def step(self, commands: Sequence[np.ndarray]) -> Transition:
        """Step all copies. ``commands`` is a list with the commands of each output, see `Interface.act`."""
        actions = self.interface.act(commands)
        last, reward, terminated, truncated, infos = zip(*map(step, self.envs, actions), strict=True)
        for k in range(self.n):
            self.returns[k] += reward[k]
            self._now[k] = last[k], infos[k]
            if terminated[k] or truncated[k]:
                self.finished.append(self.returns[k])
                self.returns[k] = 0.0
                self._now[k] = reset(self.envs[k])
        inputs = self.interface.observe([observation for observation, _ in self._now])
        values = {name: x for name, x in inputs.items() if isinstance(x, np.ndarray)}
        self.not_finite.update(name for name, x in values.items() if not np.isfinite(x[:, self._rejected[name]]).all())
        if self.keeps:
            self._met.append(values)
        ends = self.interface.observe(last) if any(terminated) or any(truncated) else inputs
        return Transition(inputs, ends, np.array(reward, np.float32), np.array(terminated), np.array(truncated))

    def met(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return the recorded values of some value inputs since the last reset: name -> (steps of all copies, size)."""
        return {name: np.concatenate([inputs[name] for inputs in self._met if name in inputs]) for name in names}

    def close(self) -> None:
        for env in self.envs:
            env.close()
