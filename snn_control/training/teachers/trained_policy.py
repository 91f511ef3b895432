"""Load and run policies trained by stable-baselines3 or sb3-contrib: multilayer perceptrons, computed with NumPy."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ...errors import DescriptionError
from ...files import reason
from ...gym_adapter.spaces import numbers_of
from .policy_zip import read_policy_zip

__all__ = ["TrainedPolicy", "load_policy"]


@dataclass(frozen=True)
class TrainedPolicy:
    """A policy that was trained elsewhere; it acts without noise.

    layers : for each layer its weights (outputs, inputs) and biases (outputs,), float32
    activation : "tanh" or "relu", applied after each layer except the last
    head : how the last layer gives an action: for "argmax" the action is the index of the largest value, for "clip" the
        values are clipped to the bounds, for "tanh" they are squashed and scaled to the bounds
    shape, low, high : shape and float32 bounds of the action; not used if the action is an index
    bound : limit to which the values of the last layer are clipped before the tanh
    one_hot : whether an observation is one whole number. The first layer then has one input for each possible value
    path : path of the policy's file
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    activation: str
    head: str
    shape: tuple[int, ...] = ()
    low: Any = None
    high: Any = None
    bound: float = np.inf
    one_hot: bool = False
    path: str = ""

    @property
    def inputs(self) -> int:
        return self.layers[0][0].shape[1]

    @property
    def outputs(self) -> int:
        return self.layers[-1][0].shape[0]

    def __call__(self, observation: Any) -> Any:
        """Return the action for one observation. It is a whole number if ``head`` is "argmax", otherwise a float32
        array of shape ``shape``."""
        x: np.ndarray = np.asarray(observation, np.float32).reshape(-1)
        if self.one_hot:
            x = (np.arange(self.inputs) == x).astype(np.float32)
        for k, (weights, biases) in enumerate(self.layers):
            if k:
                x = np.maximum(x, 0) if self.activation == "relu" else np.tanh(x)
            x = weights @ x + biases
        if self.head == "argmax":
            return int(x.argmax())
        if self.head == "tanh":
            x = self.low + (self.high - self.low) * (np.tanh(x.clip(-self.bound, self.bound)) + 1) / 2
        return x.clip(self.low, self.high).reshape(self.shape)

    def check(self, observation_space: Any, action_space: Any) -> None:
        """Raise ValueError if the policy cannot act in an environment with these spaces."""
        n = getattr(observation_space, "n", None) if self.one_hot else numbers_of(observation_space)
        if n != self.inputs:
            raise ValueError(f"it was trained for {self.inputs} observed values, the environment has {n}")
        kind = type(action_space).__name__
        n = int(action_space.n) if kind == "Discrete" else numbers_of(action_space)
        if (kind == "Discrete") != (self.head == "argmax") or n != self.outputs:
            own = f"{self.outputs} {'choices' if self.head == 'argmax' else 'numbers'}"
            raise ValueError(f"its actions are {own}, the environment takes {kind} ({n})")


class _Family(NamedTuple):
    """How a family of algorithms names the weights of its policies.

    layers : beginnings of the names of the layers, in the order of the layers
    others : beginnings of the names of weights that do not contribute to actions
    """

    activation: str
    layers: tuple[str, ...]
    others: tuple[str, ...]
    head: str


_SAC = _Family("relu", ("actor.latent_pi", "actor.mu"), ("actor.log_std", "critic", "critic_target"), "tanh")
_TD3 = _Family("relu", ("actor.mu",), ("actor_target", "critic", "critic_target"), "tanh")
_COMMON = "mlp_extractor.shared_net", "mlp_extractor.policy_net", "action_net"
_NOT_ACTING = "mlp_extractor.value_net", "value_net", "log_std"
#: module of a policy's class -> names of its weights; `ALGORITHMS` use these modules
FAMILIES = {
    "stable_baselines3.common.policies": _Family("tanh", _COMMON, _NOT_ACTING, "clip"),
    "stable_baselines3.sac.policies": _SAC,
    "sb3_contrib.tqc.policies": _SAC,
    "stable_baselines3.td3.policies": _TD3,
    "stable_baselines3.dqn.policies": _Family("relu", ("q_net.q_net",), ("q_net_target",), "argmax"),
    "sb3_contrib.qrdqn.policies": _Family("relu", ("quantile_net.quantile_net",), ("quantile_net_target",), "argmax"),
}
ALGORITHMS = "PPO, A2C, TRPO, SAC, TQC, TD3, DDPG, DQN, QR-DQN"


def load_policy(path: str | os.PathLike) -> TrainedPolicy:
    """Read a .zip of stable-baselines3, without running anything in it. Raises DescriptionError unless the file holds a
    multilayer policy of one of `ALGORITHMS` whose observations are an array or one whole number."""
    try:
        return replace(_policy(*read_policy_zip(path)), path=str(path))
    except Exception as error:  # the file may be damaged or hostile in any way
        rule = f"is not a policy of stable-baselines3 that can be read: {reason(error)}"
        raise DescriptionError("--teacher", str(path), rule) from None


def _policy(data: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> TrainedPolicy:
    module = str(data["policy_class"].get("__module__"))
    if module not in FAMILIES:
        raise ValueError(f"its policy is of {module}; known are multilayer policies of {ALGORITHMS}")
    family, options = FAMILIES[module], data.get("policy_kwargs") or {}
    layers = _layers(weights, family)
    inputs, one_hot = _observations(data["observation_space"])
    head, shape, low, high = _actions(data["action_space"], family, bool(options.get("squash_output")))
    outputs = math.prod(shape) if low is not None else int(data["action_space"]["n"])
    if module == "sb3_contrib.qrdqn.policies":  # the value of an action is the mean of its quantiles
        w, b = layers[-1]
        layers[-1] = w.reshape(-1, outputs, w.shape[1]).mean(0), b.reshape(-1, outputs).mean(0)
    sizes = [inputs, *(len(b) for _, b in layers)]
    if [w.shape for w, _ in layers] != [(b, a) for a, b in itertools.pairwise(sizes)] or sizes[-1] != outputs:
        shapes = ", ".join(str(w.shape) for w, _ in layers)
        raise ValueError(f"its layers {shapes} do not lead from {inputs} observed values to {outputs} numbers")
    bound = float(options.get("clip_mean", 2.0)) if "actor.mu.0.weight" in weights and family is _SAC else np.inf
    activation = _activation(options, family.activation)
    return TrainedPolicy(tuple(layers), activation, head, shape, low, high, bound, one_hot)


def _layers(weights: Mapping[str, np.ndarray], family: _Family) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (weights, biases) of each layer that contributes to actions. Raises ValueError if there are weights whose
    use is not known."""
    left = {name for name in weights if not any(name == one or name.startswith(f"{one}.") for one in family.others)}
    found = []
    for first in family.layers:
        names = [first] if f"{first}.weight" in left else (f"{first}.{k}" for k in itertools.count(0, 2))
        for name in names:
            if f"{name}.weight" not in left:
                break
            left -= {f"{name}.weight", f"{name}.bias"}
            w, b = weights[f"{name}.weight"], weights[f"{name}.bias"]
            if w.ndim != 2 or b.shape != w.shape[:1] or not 0 < w.size or {w.dtype.kind, b.dtype.kind} != {"f"}:
                raise ValueError(f"{name} has weights {w.dtype} {w.shape} and biases {b.dtype} {b.shape}")
            if not (np.isfinite(w).all() and np.isfinite(b).all()):
                raise ValueError(f"{name} has weights that are not finite")
            found.append((w.astype(np.float32), b.astype(np.float32)))
    if left:
        raise ValueError(f"{min(left)[:80]} is not a layer of a multilayer policy; known: MlpPolicy of {ALGORITHMS}")
    if not found:
        raise ValueError(f"it has no {family.layers[-1]}")
    return found


def _class(value: Any) -> str:
    """Return the name of a class from its text in the file: ``Box`` for ``<class 'gymnasium.spaces.box.Box'>``."""
    return str(value).rpartition(".")[2].rstrip("'>")


def _shape(space: Mapping[str, Any]) -> tuple[int, ...]:
    shape = tuple(int(n) for n in (space.get("_shape") or space.get("shape") or ()))
    if min(shape, default=1) < 1:
        raise ValueError(f"it has a space of shape {shape}")
    return shape


def _observations(space: Mapping[str, Any]) -> tuple[int, bool]:
    """Return the number of inputs of the first layer, and whether an observation is one whole number."""
    kind, shape = _class(space[":type:"]), _shape(space)
    if kind == "Discrete":
        return int(space["n"]), True
    if kind != "Box" or len(shape) == 3:  # stable-baselines3 takes three axes for a picture
        raise ValueError(f"its observations are {kind} {list(shape)}: must be an array of numbers or one whole number")
    return math.prod(shape), False


def _actions(space: Mapping[str, Any], family: _Family, squash: bool) -> tuple[str, tuple[int, ...], Any, Any]:
    kind, shape = _class(space[":type:"]), _shape(space)
    if kind == "Discrete" and family.head != "tanh":
        return "argmax", (), None, None
    if kind != "Box" or family.head == "argmax":
        raise ValueError(f"its actions are {kind}, which {family.layers[-1]} cannot give")
    low, high = (_numbers(str(space[side]), math.prod(shape)) for side in ("low", "high"))
    head = "tanh" if squash else family.head
    if head == "tanh" and not np.isfinite([low, high]).all():
        raise ValueError("its actions have no bounds")
    return head, shape, low, high


def _numbers(text: str, n: int) -> np.ndarray:
    """Return the numbers of an array that NumPy printed."""
    found = [float(word) for word in re.sub(r"[\[\],]", " ", text).split()]
    if len(found) != n:
        raise ValueError(f"its actions have bounds of {len(found)} numbers, not {n}")
    return np.array(found, np.float32)


def _activation(options: Mapping[str, Any], usual: str) -> str:
    name = _class(options.get("activation_fn", usual))
    known = {"relu": "relu", "tanh": "tanh", "ReLU": "relu", "Tanh": "tanh"}
    if name not in known:
        raise ValueError(f"its activation is {name[:40]}; known are ReLU and Tanh")
    extractor = str(options.get("features_extractor_class", "FlattenExtractor"))
    if _class(extractor) != "FlattenExtractor":
        raise ValueError(f"it extracts features with {extractor[:80]}; known is FlattenExtractor")
    return known[name]
