"""Convert the values of a policy's last layer to labels for a controller, and compute the loss of the controller's
values."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Head"]

FLAT = 0.02  # added to the slope of tanh, so that a saturated command can still be corrected
GAPS = 2.0  # temperature of values of actions, in median differences of the two largest values


class Head:
    """The loss of a controller that imitates a policy.

    kind : "argmax", "clip" or "tanh", as in `TrainedPolicy`
    low : (k,) float32, lower bounds of the action, if it is not a choice
    high : (k,) float32, upper bounds of the action, if it is not a choice
    bound : limit to which values are clipped before the tanh
    temperature : temperature of the softmax that converts the values of choices to probabilities
    """

    def __init__(self, policy: Any) -> None:
        self.kind, self.bound, self.temperature = policy.head, float(getattr(policy, "bound", np.inf)), 1.0
        if self.kind != "argmax":
            self.low, self.high = (np.asarray(side, np.float32).reshape(-1) for side in (policy.low, policy.high))
            self.half, self.middle = (self.high - self.low) / 2, (self.high + self.low) / 2

    def fit(self, values: np.ndarray) -> None:
        """Choose the temperature for the values of choices, (k, choices), because those of Q-learning have any
        scale."""
        if self.kind == "argmax":
            best = np.sort(values, axis=-1)
            self.temperature = max(GAPS * float(np.median(best[:, -1] - best[:, -2])), 1e-6)

    def labels(self, values: np.ndarray) -> np.ndarray:
        """Return the labels that a controller should reproduce, (k, n) float32, for the values of the policy's last
        layer.

        The labels of choices are probabilities. All other labels are commands, scaled to -1 .. 1.
        """
        if self.kind == "argmax":
            return self._probabilities(values / np.float32(self.temperature))
        if self.kind == "clip":
            return np.clip((values - self.middle) / self.half, -1, 1).astype(np.float32)
        return np.tanh(np.clip(values, -self.bound, self.bound)).astype(np.float32)

    def labels_of_actions(self, actions: np.ndarray, choices: int) -> np.ndarray:
        """Return the labels for actions of a policy of which only the actions are known; see `labels`."""
        if self.kind == "argmax":
            return (actions.reshape(-1, 1) == np.arange(choices)).astype(np.float32)
        return np.clip((actions.reshape(len(actions), -1) - self.middle) / self.half, -1, 1).astype(np.float32)

    def loss(self, values: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean loss of a controller's values, and the derivative of the loss by the values, (k, n).

        The loss is the cross-entropy for choices, and the squared error of the scaled command otherwise.
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
        """Return how much the action depends on each value, (k, n). The thresholds of the first conversion depend on
        this."""
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
