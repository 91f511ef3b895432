"""Run a policy that another library trained: a multilayer perceptron, computed with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ...gym_adapter.spaces import numbers_of

__all__ = ["LARGEST_WEIGHT", "MOST_LAYERS", "MOST_WEIGHTS", "Normalization", "TrainedPolicy"]

MOST_LAYERS = 32
MOST_WEIGHTS = 1 << 21  # of all layers
LARGEST_WEIGHT = 1e9  # no trained network has such weights; their products would overflow
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
}


class Normalization(NamedTuple):
    """The normalisation of an observation o: ``(o - mean) / std``, clipped to the interval from -``clip`` to ``clip``.

    mean : (n,) float64
    std : (n,) float64
    """

    mean: np.ndarray
    std: np.ndarray
    clip: float

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        return ((observations - self.mean) / self.std).clip(-self.clip, self.clip)


@dataclass(frozen=True)
class TrainedPolicy:
    """A policy that another library trained: a multilayer perceptron. It acts without exploration noise.

    layers : weights (outputs, inputs) and biases (outputs,) of each layer, float32
    activation : "tanh", "relu" or "elu", applied after each layer except the last
    head : conversion of the last layer's values to an action: "argmax" is the index of the largest value, "clip" clips
        the values to the bounds, "tanh" squashes and scales them to the bounds, and "linear" does not change them
    shape : shape of the action; not used for "argmax"
    low : lower bounds of the action, float32; not used for "argmax". For "tanh", None stands for the bounds of the
        environment's action space (`for_space`)
    high : upper bounds of the action, as ``low``
    bound : for "tanh", the values of the last layer are first clipped to the interval from -``bound`` to ``bound``
    one_hot : whether an observation is one whole number. The first layer then has one input for each possible value
    path : path of the policy's file
    normalization : normalisation of an observation before the first layer; None: there is no normalisation
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
    normalization: Normalization | None = None

    @property
    def inputs(self) -> int:
        return self.layers[0][0].shape[1]

    @property
    def outputs(self) -> int:
        return self.layers[-1][0].shape[0]

    def raw(self, observations: Any) -> np.ndarray:
        """Return the values of the last layer for k observations before the head, (k, outputs) float32.

        observations : (k, inputs), or k whole numbers if ``one_hot``
        """
        x: np.ndarray = np.asarray(observations).reshape(-1, 1 if self.one_hot else self.inputs)
        if self.one_hot:
            x = np.arange(self.inputs) == x
        if self.normalization is not None:
            x = self.normalization(x.astype(np.float64))
        x = x.astype(np.float32)
        for k, (weights, biases) in enumerate(self.layers):
            x = (ACTIVATIONS[self.activation](x) if k else x) @ weights.T + biases
        return x

    def __call__(self, observation: Any) -> Any:
        """Return the action for one observation.

        The action is a whole number if ``head`` is "argmax", otherwise a float32 array of shape ``shape``.
        """
        if self.head == "argmax":
            return int(self.raw(observation).argmax())
        return self.actions(observation).reshape(self.shape)

    def actions(self, observations: Any) -> np.ndarray:
        """Return the actions for k observations, (k, outputs) float32, of a policy without "argmax"; see `raw`."""
        x = self.raw(observations)
        if self.head == "tanh":
            low, high = (-1, 1) if self.low is None else (self.low, self.high)
            x = low + (high - low) * (np.tanh(x.clip(-self.bound, self.bound)) + 1) / 2
        return x if self.low is None else x.clip(self.low, self.high)

    def for_space(self, action_space: Any) -> TrainedPolicy:
        """Return the policy with its head adapted to an action space. `check` then tests whether the policy fits.

        The head "linear" becomes "clip" with the bounds of a Box, or "argmax" for discrete actions. The head "tanh"
        without bounds gets the bounds of the Box. Raises ValueError if the Box has no bounds.
        """
        kind = type(action_space).__name__
        if kind == "Discrete" and self.head == "linear":
            return replace(self, head="argmax", shape=())
        if kind != "Box" or self.head == "argmax" or numbers_of(action_space) != self.outputs:
            return self
        if self.low is not None:
            return replace(self, shape=action_space.shape)
        low, high = (np.ravel(bound).astype(np.float32) for bound in (action_space.low, action_space.high))
        if self.head == "tanh" and not np.isfinite([low, high]).all():
            raise ValueError("it ends with a tanh, which is scaled to bounds; the environment's actions have none")
        head = "clip" if self.head == "linear" else self.head
        return replace(self, head=head, shape=action_space.shape, low=low, high=high)

    def check(self, observation_space: Any, action_space: Any) -> None:
        """Raise ValueError if the policy cannot act in an environment with these spaces."""
        n = getattr(observation_space, "n", None) if self.one_hot else numbers_of(observation_space)
        if n != self.inputs:
            there = type(observation_space).__name__ if n is None else n
            fix = "" if n is None else "; give it the wrappers of the training, such as a frame stack or a time feature"
            raise ValueError(f"it was trained for {self.inputs} observed values, the environment has {there}{fix}")
        kind = type(action_space).__name__
        n = int(action_space.n) if kind == "Discrete" else numbers_of(action_space)
        fits = {"argmax": ("Discrete",), "linear": ("Discrete", "Box")}.get(self.head, ("Box",))
        if kind not in fits or n != self.outputs:
            own = f"{self.outputs} {'choices' if self.head == 'argmax' else 'numbers'}"
            raise ValueError(f"its actions are {own}, the environment takes {kind} ({n})")
