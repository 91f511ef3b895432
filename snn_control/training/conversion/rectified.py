"""Represent a policy as layers of rectified linear units (ReLU) on standardised observations.

The conversion turns these layers into spiking layers.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

__all__ = ["LEAST_STD", "Layer", "Rectified", "rectified"]

LEAST_STD = 1e-3  # of an observed number
DRAWN = 128, 128  # sizes of the layers that are drawn for a policy whose own layers cannot be converted
LAST = 0.1  # factor of the weights of the last drawn layer, so that the first commands are small
SLOPE, END = 0.95, 1.05  # of the hard tanh: SLOPE * z until its argument reaches END, then constant


class Layer(NamedTuple):
    """A fully connected layer.

    weights : (outputs, inputs) float64
    biases : (outputs,) float64
    """

    weights: np.ndarray
    biases: np.ndarray


class Rectified(NamedTuple):
    """A network with a ReLU after each layer except the last.

    mean : (n,) float64, mean for standardising observations
    std : (n,) float64, standard deviation for standardising observations
    clip : limit of the standardised observations
    learned : whether the layers compute (nearly) the same as the policy; otherwise their weights are random
    """

    layers: tuple[Layer, ...]
    mean: np.ndarray
    std: np.ndarray
    clip: float
    learned: bool

    def prepared(self, observations: np.ndarray) -> np.ndarray:
        """Return observations (k, n), standardised and clipped, as float64."""
        return np.clip((observations - self.mean) / self.std, -self.clip, self.clip)

    def activations(self, x: np.ndarray) -> list[np.ndarray]:
        """Return a list: the activations of each hidden layer, (k, outputs), then the values of the last layer.

        x : (k, n), standardised observations
        """
        found = []
        for k, (weights, biases) in enumerate(self.layers):
            x = x @ weights.T + biases
            x = x if k == len(self.layers) - 1 else np.maximum(x, 0)
            found.append(x)
        return found


def rectified(policy: Any, observations: np.ndarray, rng: np.random.Generator) -> Rectified:
    """Return the network of ReLUs from which the conversion of a policy starts.

    policy : a `TrainedPolicy`, or a policy of which only the actions are known (``layers`` is then empty)
    observations : (k, n) observed numbers, from episodes of the policy

    The layers depend on the activation function of the policy:

    - ReLU: the layers of the policy
    - tanh: the layers of the policy, with a hard tanh of four ReLUs in place of each tanh
    - another activation, or only the actions are known: random layers of the sizes `DRAWN`, drawn with ``rng``
    """
    given = getattr(policy, "normalization", None)
    if given is not None:
        mean, std, clip = np.asarray(given.mean, np.float64), np.asarray(given.std, np.float64), float(given.clip)
    else:
        mean = observations.mean(0, np.float64)
        std, clip = np.maximum(observations.std(0, dtype=np.float64), LEAST_STD), np.inf
    layers = [Layer(w.astype(np.float64), b.astype(np.float64)) for w, b in policy.layers]
    learned = bool(layers) and policy.activation in ("relu", "tanh")
    if not learned:
        return Rectified(_drawn((len(mean), *DRAWN, policy.outputs), rng), mean, std, clip, False)
    if given is None:
        weights, biases = layers[0]
        layers[0] = Layer(weights * std, biases + weights @ mean)
    if policy.head == "argmax":  # only differences count
        weights, biases = layers[-1]
        layers[-1] = Layer(weights - weights.mean(0), biases - biases.mean())
    if policy.activation == "tanh":
        layers = _hard_tanh(layers)
    return Rectified(tuple(layers), mean, std, clip, True)


def _hard_tanh(layers: list[Layer]) -> list[Layer]:
    """Return layers in which each tanh is replaced by four ReLUs.

    tanh(z) is nearly SLOPE (max(z, 0) - max(-z, 0) - max(z - END, 0) + max(-z - END, 0)).
    """
    found, signs = [], SLOPE * np.array([1.0, -1.0, -1.0, 1.0])
    for k, (weights, biases) in enumerate(layers):
        if k:
            weights = np.concatenate([sign * weights for sign in signs], axis=1)
        if k < len(layers) - 1:
            weights = np.concatenate([weights, -weights, weights, -weights])
            biases = np.concatenate([biases, -biases, biases - END, -biases - END])
        found.append(Layer(weights, biases))
    return found


def _drawn(sizes: tuple[int, ...], rng: np.random.Generator) -> tuple[Layer, ...]:
    found = [Layer(rng.normal(0, np.sqrt(2 / a), (b, a)), np.zeros(b)) for a, b in pairwise(sizes)]
    weights, biases = found[-1]
    return (*found[:-1], Layer(LAST * weights, biases))
