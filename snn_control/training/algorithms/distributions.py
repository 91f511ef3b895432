"""Stochastic policies: training samples a controller's actions at random, so that it can explore other actions.

The *head* of an output is the value around which actions are sampled: for an arg-max output, the scores of its actions;
for any other output, the means of its numbers. An arg-max output samples an action from the softmax of its scores. An
output of numbers samples from a Gaussian around its head, in units of half the distance between its limits. The sample
is drawn before the output is squashed or, if it is not squashed, before it is limited.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...coding import ArgmaxDecoder, Output
from ...controller_file import ControllerSpec
from ...errors import DescriptionError

__all__ = ["Categorical", "DiagGaussian", "distributions", "only_chooses"]

COLD = np.float32(0.3)  # temperature at which a softmax nearly always samples the largest score
TINY = np.float32(1e-12)  # keeps a logarithm finite
LOG_ROOT = np.float32(0.5 * np.log(2 * np.pi))


class Categorical:
    """Categorical distribution over the ``n`` actions of an arg-max output."""

    def __init__(self, output: Output) -> None:
        assert isinstance(output.decoder, ArgmaxDecoder)
        self.name, self.n = output.name, output.decoder.actions
        self.state: list[np.ndarray] = []  # parameters that are learned
        self.temperature = np.float32(1)  # of the softmax; see `COLD`

    def sample(self, head: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Sample an action index for each row of scores ``head`` (rows, n). Return the indices as (rows, 1) float32."""
        return (head + self.temperature * rng.gumbel(size=head.shape)).argmax(-1)[..., None].astype(np.float32)

    def command(self, tried: np.ndarray) -> np.ndarray:
        return tried

    def command_of(self, action: np.ndarray) -> np.ndarray:
        """Return a teacher's action indices, (rows, 1), unchanged: they are the commands of an arg-max output."""
        return action

    def label(self, head: np.ndarray) -> np.ndarray:
        """Return the action probabilities that a controller is to imitate, (..., n), from a teacher's scores ``head``.

        They are the average of two probability vectors: the softmax of the scores, which shows the worth of all
        actions, and the one-hot vector of the action with the largest score.
        """
        return (self._softmax(head) + self._alone(head.argmax(-1)[..., None])) / 2

    def _alone(self, action: np.ndarray) -> np.ndarray:
        """Convert action indices, (..., 1), to one-hot vectors, (..., n) bool."""
        return action.astype(np.int64) == np.arange(self.n)

    def _softmax(self, head: np.ndarray) -> np.ndarray:
        p = np.exp((head - head.max(-1, keepdims=True)) / self.temperature)
        return p / p.sum(-1, keepdims=True)

    def imitate(self, head: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of the cross entropy by the scores ``head``, (..., n), and the cross entropy, (...,).

        wanted : a teacher's action indices (..., 1), or its action probabilities (..., n)
        """
        if wanted.shape[-1] == 1:
            wanted = self._alone(wanted).astype(np.float32)
        p = self._softmax(head)
        return (p - wanted) / self.temperature, -(wanted * np.log(p + TINY)).sum(-1)

    def log_probability(self, head: np.ndarray, tried: np.ndarray) -> np.ndarray:
        """Return the log probability (...,) of sampled actions ``tried`` (..., 1), for scores ``head`` (..., n)."""
        self._log = (head - head.max(-1, keepdims=True)) / self.temperature
        self._log = self._log - np.log(np.exp(self._log).sum(-1, keepdims=True))
        self._one = self._alone(tried)
        return np.where(self._one, self._log, 0).sum(-1)

    def gradients(self, g: np.ndarray, entropy: float) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the derivatives of the loss sum(g log p - entropy H) by the head, and by the arrays of ``state``.

        The sum runs over the samples. p is the probability of a sampled action, and H the entropy of its distribution.
        Call `log_probability` first.

        g : (...,), weight of each log probability
        entropy : weight of the entropy H
        """
        p = np.exp(self._log)
        h = -(p * self._log).sum(-1, keepdims=True)
        by_score = g[..., None] * (self._one - p) + np.float32(entropy) * p * (self._log + h)
        return by_score / self.temperature, []


class DiagGaussian:
    """Independent Gaussian distributions of an output's numbers: the means are the head, the deviations are learned.

    std : initial standard deviation, in units of half the distance between the limits
    """

    def __init__(self, output: Output, std: float) -> None:
        low, high = (np.broadcast_to(np.asarray(v, np.float32), (output.size,)) for v in output.limits)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            rule = "must be finite on both sides, for a range in which to try actions"
            raise DescriptionError(f"outputs.{output.name}.limits", list(output.limits), rule)
        self.name, self.n, self.low, self.high = output.name, output.size, low, high
        self.centre, self.half = (low + high) / 2, (high - low) / 2
        self.squash = bool(getattr(output, "squash", False))
        self.unit = np.float32(1) if self.squash else self.half
        self.offset = np.float32(0) if self.squash else self.centre
        self.log_std = np.full(output.size, np.log(std), np.float32)
        self.state = [self.log_std]

    def mean(self, head: np.ndarray) -> np.ndarray:
        return (head - self.offset) / self.unit

    def sample(self, head: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = rng.normal(size=head.shape).astype(np.float32)
        return self.mean(head) + np.exp(self.log_std) * noise

    def command(self, tried: np.ndarray) -> np.ndarray:
        """Convert a sample to a command: squash it if the output is squashed, scale it, and clip it to the limits."""
        tried = np.tanh(tried) if self.squash else tried
        return np.clip(self.centre + self.half * tried, self.low, self.high)

    def command_of(self, action: np.ndarray) -> np.ndarray:
        return np.clip(action, self.low, self.high)

    def label(self, head: np.ndarray) -> np.ndarray:
        """Return the commands that a controller is to imitate, (..., n), from the head of a teacher, (..., n)."""
        return self.command(self.mean(head))

    def imitate(self, head: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of the imitation loss by the head, (..., n), and the loss, (...,).

        The loss is the squared distance between the commands of controller and teacher, in units of half the distance
        between the limits. If the teacher's action is at a limit and the head is beyond this limit, the loss is 0,
        because the commands are equal. For a squashed output, the gradient is that of another loss: the cross entropy
        of the two outcomes "low" and "high". The slope of this cross entropy does not vanish where tanh saturates.
        """
        mean, wanted = self.mean(head), (np.clip(action, self.low, self.high) - self.centre) / self.half
        if self.squash:
            error = np.tanh(mean) - wanted
            return error / self.unit, (error**2).sum(-1)
        error = mean - wanted
        error = np.where((np.abs(wanted) >= 1) & (error * wanted > 0), np.float32(0), error)
        return 2 * error / self.unit, (error**2).sum(-1)

    def log_probability(self, head: np.ndarray, tried: np.ndarray) -> np.ndarray:
        self._std = np.exp(self.log_std)
        self._z = (tried - self.mean(head)) / self._std
        return (-0.5 * self._z**2 - self.log_std - LOG_ROOT).sum(-1)

    def gradients(self, g: np.ndarray, entropy: float) -> tuple[np.ndarray, list[np.ndarray]]:
        by_head = g[..., None] * self._z / self._std / self.unit
        axes = tuple(range(g.ndim))
        by_std = (g[..., None] * (self._z**2 - 1)).sum(axes) - entropy * g.size
        return by_head, [by_std.astype(np.float32)]


def distributions(outputs: Sequence[Output], std: float) -> list[Categorical | DiagGaussian]:
    """Return a `Categorical` for each arg-max output, and a `DiagGaussian` for each output of numbers.

    Raises DescriptionError if an output of numbers has no finite limits.
    """
    return [Categorical(o) if isinstance(o.decoder, ArgmaxDecoder) else DiagGaussian(o, std) for o in outputs]


def only_chooses(spec: ControllerSpec) -> bool:
    """Return whether all outputs of a controller are arg-max outputs, which choose an action."""
    return all(isinstance(one.decoder, ArgmaxDecoder) for one in spec.outputs)
