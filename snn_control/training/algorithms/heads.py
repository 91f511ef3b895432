"""Labels and losses for a controller that imitates a trained policy.

The labels are computed from the values of the policy's last layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Head"]

FLAT = 0.02  # added to the slope of tanh, so that a saturated command can still be corrected
GAPS = 2.0  # temperature of values of actions, in median differences of the two largest values


class Head:
    """The labels and the loss for a controller that imitates a policy.

    kind : how values become an action: "argmax", "clip" or "tanh", as ``head`` of `TrainedPolicy`
    low : (k,) float32, lower bounds of the action; not used for "argmax"
    high : (k,) float32, upper bounds of the action; not used for "argmax"
    bound : limit to which values are clipped before the tanh
    temperature : temperature of the softmax that converts the values of "argmax" to probabilities
    """

    def __init__(self, policy: Any) -> None:
        self.kind, self.bound, self.temperature = policy.head, float(getattr(policy, "bound", np.inf)), 1.0
        if self.kind != "argmax":
            self.low, self.high = (np.asarray(side, np.float32).reshape(-1) for side in (policy.low, policy.high))
            self.half, self.middle = (self.high - self.low) / 2, (self.high + self.low) / 2

    def fit(self, values: np.ndarray) -> None:
        """Fit the temperature of the softmax to values of discrete actions, because values of Q-learning may have any
        scale.

        values : (k, choices), values in k observations
        """
        if self.kind == "argmax":
            best = np.sort(values, axis=-1)
            self.temperature = max(GAPS * float(np.median(best[:, -1] - best[:, -2])), 1e-6)

    def labels(self, values: np.ndarray) -> np.ndarray:
        """Return labels for a controller, (k, n) float32, from the values of the policy's last layer, (k, n).

        The labels for "argmax" are probabilities of the actions. All other labels are commands, scaled to -1 .. 1.
        """
        if self.kind == "argmax":
            return self._probabilities(values / np.float32(self.temperature))
        if self.kind == "clip":
            return np.clip((values - self.middle) / self.half, -1, 1).astype(np.float32)
        return np.tanh(np.clip(values, -self.bound, self.bound)).astype(np.float32)

    def labels_of_actions(self, actions: np.ndarray, choices: int) -> np.ndarray:
        """Return the labels, see `labels`, for actions (k, ...) of a policy whose last layer is not known."""
        if self.kind == "argmax":
            return (actions.reshape(-1, 1) == np.arange(choices)).astype(np.float32)
        return np.clip((actions.reshape(len(actions), -1) - self.middle) / self.half, -1, 1).astype(np.float32)

    def loss(self, values: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean loss of a controller's values, (k, n), and the derivative of the loss by the values, (k, n).

        The loss is the cross entropy for "argmax", and the squared error of the scaled command otherwise.
        """
        k = len(values)
        if self.kind == "argmax":
            p = self._probabilities(values)
            return float(-(labels * np.log(p + 1e-9)).sum() / k), ((p - labels) / k).astype(np.float32)
        if self.kind == "clip":
            u = (values - self.middle) / self.half
            right = ((u > 1) & (labels >= 1)) | ((u < -1) & (labels <= -1))  # beyond the same bound
            error = np.where(right, 0, u - labels)
            return float((error**2).sum() / k), (2 * error / self.half / k).astype(np.float32)
        u = np.tanh(values)
        error = u - labels
        return float((error**2).sum() / k), (2 * error * (1 - u * u + FLAT) / k).astype(np.float32)

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """Return how much the action depends on each value of the last layer, (k, n).

        The conversion to spikes chooses its thresholds by these slopes.
        """
        if self.kind == "tanh":
            found = self.half * (1 - np.tanh(np.clip(values, -self.bound, self.bound)) ** 2)
        elif self.kind == "clip":
            found = ((values > self.low) & (values < self.high)) + FLAT
        else:  # near decisions, in units of the spread of the values
            best = np.sort(values, axis=-1)
            gap = best[:, -1] - best[:, -2]
            near = 1 / (1 + (gap / (np.median(gap) + 1e-9)) ** 2)
            spread = (values - values.mean(-1, keepdims=True)).std()
            found = np.repeat(near[:, None], values.shape[1], axis=1) / (spread + 1e-9)
        return np.maximum(found, FLAT * found.max())

    @staticmethod
    def _probabilities(values: np.ndarray) -> np.ndarray:
        e = np.exp(values - values.max(-1, keepdims=True))
        return (e / e.sum(-1, keepdims=True)).astype(np.float32)
