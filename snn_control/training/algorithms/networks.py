"""Building blocks that only training needs: perceptrons for critics, frame stacking, running statistics, Adam."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

__all__ = ["Adam", "FrameStack", "Perceptron", "RunningMeanStd", "set_array"]


def set_array(array: np.ndarray, values: np.ndarray) -> None:
    """Copy ``values`` into an array in place. Raises ValueError if their shapes or types differ."""
    if values.shape != array.shape or values.dtype != array.dtype:
        raise ValueError(f"an array is {values.dtype} {values.shape}, not {array.dtype} {array.shape}")
    array[...] = values


class Adam:
    """The optimiser Adam (Kingma and Ba 2015, arXiv:1412.6980); it changes a list of arrays in place.

    max_grad_norm : maximum norm of all gradients together; larger gradients are scaled down
    """

    def __init__(self, values: Sequence[np.ndarray], learning_rate: float, max_grad_norm: float = np.inf) -> None:
        self.values, self.steps = list(values), np.array(0)
        self.learning_rate, self.max_grad_norm = learning_rate, max_grad_norm
        self.mean = [np.zeros(v.shape, np.float32) for v in values]
        self.square = [np.zeros(v.shape, np.float32) for v in values]

    def step(self, gradients: Sequence[np.ndarray], rates: Sequence[float] | None = None) -> float:
        """Move the values by one step against the gradients. Return the norm of the gradients.

        If this norm is not finite, the values stay unchanged.

        rates : for each array the factor by which its learning rate is multiplied; None: 1 for all arrays
        """
        self.steps += 1
        steps = int(self.steps)
        norm = float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradients)))
        if not np.isfinite(norm):  # the step would make all weights useless
            return norm
        scale = np.float32(min(1.0, self.max_grad_norm / norm) if norm > 0 else 1.0)
        rate = self.learning_rate * np.sqrt(1 - 0.999**steps) / (1 - 0.9**steps)
        for k, (value, g, m, s) in enumerate(zip(self.values, gradients, self.mean, self.square, strict=True)):
            g = g * scale
            m += np.float32(0.1) * (g - m)
            s += np.float32(0.001) * (g * g - s)
            step = np.float32(rate if rates is None else rate * rates[k]) * m / (np.sqrt(s) + np.float32(1e-8))
            value -= step.astype(value.dtype)
        return norm

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The arrays that a checkpoint stores: name -> array."""
        parts = ("mean", self.mean), ("square", self.square)
        return {"steps": self.steps} | {f"{name}_{k}": x for name, arrays in parts for k, x in enumerate(arrays)}


class FrameStack:
    """Concatenates the ``count`` newest observations of each environment, the newest last.

    At the start of an episode, all of them are copies of the first observation.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.seen = np.zeros((0, 0), np.float32)

    def add(self, features: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Add observations, and return the stacked observations as an (n, count * k) array.

        features : (n, k), the new observation of each environment
        start : (n,) bool, whether an episode starts with this observation
        """
        self.seen = self.with_next(features, start)
        return self.seen

    def with_next(self, features: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
        """Return the result that `add` would have, without storing the observations."""
        repeated = np.tile(features, (1, self.count))
        if not self.seen.size:
            return repeated
        found = np.concatenate([self.seen[:, features.shape[1] :], features], axis=1)
        return found if start is None else np.where(start[:, None], repeated, found)


class RunningMeanStd:
    """Running mean and standard deviation of numbers that are added in batches.

    state : (3,) float64: the mean, the variance, and the number of added numbers
    """

    def __init__(self) -> None:
        self.state = np.array([0.0, 1.0, 1e-4])

    @property
    def std(self) -> np.float32:
        return np.float32(np.sqrt(self.state[1] + 1e-8))

    def add(self, values: np.ndarray) -> None:
        mean, variance, count = self.state
        n, d = values.size, values.mean() - mean
        total = count + n
        variance = (variance * count + values.var() * n + d * d * count * n / total) / total
        self.state[:] = mean + d * n / total, variance, total


class Perceptron:
    """A multilayer perceptron in float32.

    sizes : number of inputs, of neurons in each hidden layer, and of outputs
    relu : whether the hidden layers use ReLU instead of tanh
    """

    def __init__(self, sizes: Sequence[int], rng: np.random.Generator, relu: bool = False) -> None:
        self.relu, gain = relu, 2.0 if relu else 1.0
        self.weights = [rng.normal(0, np.sqrt(gain / a), (a, b)).astype(np.float32) for a, b in pairwise(sizes)]
        self.biases = [np.zeros(b, np.float32) for b in sizes[1:]]

    @property
    def values(self) -> list[np.ndarray]:
        return [*self.weights, *self.biases]

    state = values  # for a checkpoint

    def copy(self) -> Perceptron:
        other = object.__new__(Perceptron)
        other.relu = self.relu
        other.weights, other.biases = [w.copy() for w in self.weights], [b.copy() for b in self.biases]
        return other

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs (k, outputs) for the inputs ``x`` (k, inputs)."""
        return self.layers(x)[-1]

    def layers(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the list that `gradients` needs: the input, (k, inputs), then the outputs of all layers."""
        found, last = [x], len(self.weights) - 1
        for k, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ w + b
            if k < last:
                x = np.maximum(x, 0) if self.relu else np.tanh(x)
            found.append(x)
        return found

    def gradients(self, layers: list[np.ndarray], g: np.ndarray) -> list[np.ndarray]:
        """Return the derivatives of a loss by the weights and biases, in the order of `values`.

        layers : result of the method `layers`
        g : (k, outputs), derivative of the loss by the outputs
        """
        weights, biases, _ = self._back(layers, g, by_weights=True)
        return [*weights, *biases]

    def gradient_of_input(self, layers: list[np.ndarray], g: np.ndarray) -> np.ndarray:
        return self._back(layers, g, by_weights=False)[2]

    def _back(self, layers: list[np.ndarray], g: np.ndarray, by_weights: bool) -> tuple[list, list, np.ndarray]:
        weights, biases = [], []
        for k in range(len(self.weights) - 1, -1, -1):
            if k < len(self.weights) - 1:
                g = g * (layers[k + 1] > 0) if self.relu else g * (1 - layers[k + 1] ** 2)
            if by_weights:
                weights.append(layers[k].T @ g)
                biases.append(g.sum(0))
            if k or not by_weights:
                g = g @ self.weights[k].T
        return weights[::-1], biases[::-1], g
