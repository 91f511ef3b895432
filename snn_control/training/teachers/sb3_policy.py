"""Make a perceptron from a policy of stable-baselines3 or sb3-contrib. The names of the weights identify the layers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .perceptron import LARGEST_WEIGHT, MOST_LAYERS, MOST_WEIGHTS, TrainedPolicy

__all__ = ["ALGORITHMS", "sb3_policy"]

MOST_AXES = 8
MOST_CHOICES = 1 << 16


class _Family(NamedTuple):
    """The names of the weights in the policies of a family of algorithms, such as SAC and TQC.

    layers : beginnings of the names of the layers, in the order of the layers
    others : beginnings of the names of weights that do not contribute to actions, such as weights of critics
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


#: module of a policy's class -> why its policies cannot be read
OTHERS = {
    "sb3_contrib.common.recurrent.policies": "it is recurrent (LSTM), so an action depends on earlier observations",
    "sb3_contrib.common.maskable.policies": "it needs a mask of the actions that are allowed",
}


def sb3_policy(data: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> TrainedPolicy:
    """Return the policy in a .zip file of stable-baselines3. The arguments are the two values of `read_policy_zip`.

    The policy must be a multilayer perceptron of one of `ALGORITHMS`, and its observations an array or one whole
    number. Otherwise the function raises an exception.
    """
    module = str(data["policy_class"].get("__module__"))[:80]
    if module not in FAMILIES:
        why = OTHERS.get(module, "it is of another kind")
        raise ValueError(f"its policy is of {module}: {why}; train an MlpPolicy of {ALGORITHMS}")
    family, options = FAMILIES[module], data.get("policy_kwargs") or {}
    inputs, one_hot = _observations(data["observation_space"])
    layers = _layers(weights, family)
    head, shape, low, high = _actions(data["action_space"], family, bool(options.get("squash_output")))
    outputs = math.prod(shape) if low is not None else _choices(data["action_space"])
    if module == "sb3_contrib.qrdqn.policies":  # the value of an action is the mean of its quantiles
        w, b = layers[-1]
        layers[-1] = w.reshape(-1, outputs, w.shape[1]).mean(0), b.reshape(-1, outputs).mean(0)
    sizes = [inputs, *(len(b) for _, b in layers)]
    if [w.shape for w, _ in layers] != [(b, a) for a, b in itertools.pairwise(sizes)] or sizes[-1] != outputs:
        shapes = ", ".join(str(w.shape) for w, _ in layers)
        raise ValueError(f"its layers {shapes} do not lead from {inputs} observed values to {outputs} numbers")
    bound = float(options.get("clip_mean", 2.0)) if "actor.mu.0.weight" in weights and family is _SAC else np.inf
    if not bound > 0:
        raise ValueError(f"its clip_mean is {bound}: must be > 0")
    activation = _activation(options, family.activation)
    return TrainedPolicy(tuple(layers), activation, head, shape, low, high, bound, one_hot)


def _layers(weights: Mapping[str, np.ndarray], family: _Family) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the weights and biases of each layer that contributes to actions.

    Raises ValueError if the file has weights whose use is unknown.
    """
    left = {name for name in weights if not any(name == one or name.startswith(f"{one}.") for one in family.others)}
    found: list[tuple[np.ndarray, np.ndarray]] = []
    total = 0
    for first in family.layers:
        names = [first] if f"{first}.weight" in left else (f"{first}.{k}" for k in itertools.count(0, 2))
        for name in names:
            if f"{name}.weight" not in left:
                break
            left -= {f"{name}.weight", f"{name}.bias"}
            if len(found) == MOST_LAYERS:
                raise ValueError(f"it has more than {MOST_LAYERS} layers")
            w, b = weights[f"{name}.weight"], weights[f"{name}.bias"]
            if w.ndim != 2 or b.shape != w.shape[:1] or not 0 < w.size or {w.dtype.kind, b.dtype.kind} != {"f"}:
                raise ValueError(f"{name} has weights {w.dtype} {w.shape} and biases {b.dtype} {b.shape}")
            if (total := total + w.size) > MOST_WEIGHTS:
                raise ValueError(f"its layers have more than {MOST_WEIGHTS:,} weights")
            found.append(_float32(w, b, name))
    if left:
        raise ValueError(f"{min(left)[:80]} is not a layer of a multilayer policy; train an MlpPolicy of {ALGORITHMS}")
    if not found:
        raise ValueError(f"it has no {family.layers[-1]}")
    return found


def _float32(weights: np.ndarray, biases: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(over="ignore"):
        found = weights.astype(np.float32), biases.astype(np.float32)
    if not all((np.abs(one) <= LARGEST_WEIGHT).all() for one in found):
        raise ValueError(f"{name} has weights that are not finite, or beyond {LARGEST_WEIGHT:g}")
    return found


def _class(value: Any) -> str:
    """Return the name of a class in the file without its module: ``Box`` for ``<class 'gymnasium.spaces.box.Box'>``."""
    return str(value).rpartition(".")[2].rstrip("'>")


def _shape(space: Mapping[str, Any]) -> tuple[int, ...]:
    given = space.get("_shape") or space.get("shape") or ()
    shape = tuple(int(n) for n in given[:MOST_AXES])
    if len(given) > MOST_AXES or min(shape, default=1) < 1 or math.prod(shape) > MOST_WEIGHTS:
        raise ValueError(f"it has a space of shape {list(shape)}")
    return shape


def _choices(space: Mapping[str, Any]) -> int:
    """Return the number of values of a Discrete space. Raises ValueError if the values do not begin at 0."""
    n = int(space["n"])
    if not 0 < n <= MOST_CHOICES or int(space.get("start") or 0):
        raise ValueError(f"it has a space of {n:,} whole numbers from {space.get('start') or 0}")
    return n


def _observations(space: Mapping[str, Any]) -> tuple[int, bool]:
    """Return the number of inputs of a policy's first layer, and whether an observation is one whole number."""
    kind, shape = _class(space[":type:"]), _shape(space)
    if kind == "Discrete":
        return _choices(space), True
    if kind != "Box" or len(shape) == 3:  # stable-baselines3 takes three axes for a picture
        policy = {"Box": " (CnnPolicy)", "Dict": " (MultiInputPolicy)"}.get(kind, "")
        fix = "train with numbers" if kind == "Box" else "train with gymnasium.wrappers.FlattenObservation"
        rule = f"must be an array of numbers or one whole number; {fix}"
        raise ValueError(f"its observations are {kind[:40]} {list(shape)}{policy}: {rule}")
    return math.prod(shape), False


def _actions(space: Mapping[str, Any], family: _Family, squash: bool) -> tuple[str, tuple[int, ...], Any, Any]:
    kind, shape = _class(space[":type:"]), _shape(space)
    if kind == "Discrete" and family.head != "tanh":
        return "argmax", (), None, None
    if kind != "Box" or family.head == "argmax":
        rule = f"{family.layers[-1]} gives {'one of several choices' if family.head == 'argmax' else 'numbers'}"
        raise ValueError(f"its actions are {kind[:40]}, but {rule}; train with Box or Discrete actions")
    low, high = (_numbers(str(space[side]), math.prod(shape)) for side in ("low", "high"))
    head = "tanh" if squash else family.head
    if head == "tanh" and not np.isfinite([low, high]).all():
        raise ValueError("its actions have no bounds")
    return head, shape, low, high


def _numbers(text: str, n: int) -> np.ndarray:
    """Return an (n,) float32 array, such as bounds of actions, from the text with which NumPy printed it."""
    if len(text) > MOST_CHOICES:
        raise ValueError("its actions have too many bounds")
    found = [float(word) for word in re.sub(r"[\[\],]", " ", text).split()]
    if len(found) != n or any(math.isnan(one) for one in found):
        raise ValueError(f"its actions have bounds of {len(found)} numbers, not {n}")
    with np.errstate(over="ignore"):
        return np.array(found).astype(np.float32)


def _activation(options: Mapping[str, Any], usual: str) -> str:
    name = _class(options.get("activation_fn", usual))
    known = {"relu": "relu", "tanh": "tanh", "ReLU": "relu", "Tanh": "tanh", "ELU": "elu"}
    if name not in known:
        raise ValueError(f"its activation is {name[:40]}; known are ReLU, Tanh and ELU")
    extractor = str(options.get("features_extractor_class", "FlattenExtractor"))
    if _class(extractor) != "FlattenExtractor":
        raise ValueError(f"it extracts features with {extractor[:80]}; known is FlattenExtractor")
    return known[name]
