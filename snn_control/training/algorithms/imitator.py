"""Train a controller to imitate a policy: for the command ``import``, and for ``train`` with a policy file as teacher.

Updates use the spikes that the engine computes. Each spike has a price. A feedback loop adjusts the price so that the
number of spikes falls to a target. Episodes, validation and result use the running means of the trained values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..gradients.parameters import Parameters
from ..gradients.student import Sequences, Student
from .networks import Adam

__all__ = ["CHOICE_SPIKES", "ROUNDS", "UPDATES", "Imitator", "Loss", "TrainingPlan", "adjusted_price"]

LAST_RATE = 0.02  # share of the learning rate that is left at the end (cosine)
MEMORY = 0.99  # of the running means, for each update
FIRST_PRICE = 0.02  # of all spikes, as a share of the first loss
LEAST_PRICE = 4e-4  # of all spikes, as a share of the loss, so that it is soon high again when it is needed
ROUNDS, UPDATES = 12, 700  # rounds; updates in a round
BELOW = 0.97  # target of the updates, in units of the wanted spikes
REACHED = 1.05  # a controller with at most this many times the target has reached it
CHOICE_SPIKES = 1 / 3  # target, if none is given and all outputs choose: choices need less precision than numbers
RAMP = 0.6  # share of the updates in which spikes fall to their target

#: function (output -> head, labels) -> loss, and output -> derivative of the loss by the head
Loss = Callable[[dict[str, np.ndarray], Any], tuple[float, dict[str, np.ndarray]]]


def adjusted_price(price: float, spikes: float, wanted: float) -> float:
    """Return the price of a spike for the next update: higher if there are more ``spikes`` than ``wanted``."""
    return price * float(np.clip(1 + 0.1 * (spikes / max(wanted, 1e-9) - 1), 0.98, 1.02))


class TrainingPlan(NamedTuple):
    """The number of updates, the learning rate and the target for the spikes of an `Imitator`.

    updates : total number of updates
    learning_rate : initial learning rate of Adam; it falls to a 50th along a cosine
    spikes : target for the number of spikes of all neurons in a step; 0: the fraction ``share`` of the number in the
        first update
    """

    updates: int
    learning_rate: float
    spikes: float
    share: float


class Imitator:
    """Trains the parameters of a controller to imitate a policy, while the number of spikes falls to a target.

    scales : factor for each parameter; the controller file holds the trained value times this factor. With good
        factors, one learning rate suits all parameters
    values : the trained values, see ``scales``
    means : running means of ``values``
    """

    def __init__(
        self, parameters: Parameters, student: Student, loss: Loss, plan: TrainingPlan, scales: Sequence[Any] = ()
    ) -> None:
        self.parameters, self.student, self.plan, self._loss = parameters, student, plan, loss
        self._scales = list(scales) or [np.float32(1)] * len(parameters.parameters)
        self.values = [p.values / s for p, s in zip(parameters.parameters, self._scales, strict=True)]
        self.means = [v.copy() for v in self.values]
        self.adam = Adam(self.values, plan.learning_rate)
        #: updates so far; price of a spike; running mean of spikes and of the loss; spikes of the first update
        self.numbers = np.zeros(5)

    @property
    def state(self) -> dict[str, Any]:
        """The objects that a checkpoint stores, see `snn_control.training.progress.arrays_of`."""
        return {"values": self.values, "means": self.means, "adam": self.adam, "numbers": self.numbers}

    @property
    def loss(self) -> float:
        """Running mean of the loss."""
        return float(self.numbers[3])

    @property
    def reached(self) -> bool:
        """Whether the number of spikes has fallen to at most `REACHED` times its target."""
        updates, _, spikes, _, first = self.numbers
        return bool(updates and spikes <= REACHED * self._target(first))

    def use(self, values: list[np.ndarray]) -> None:
        """Multiply these trained values by their scales, and write the products into the controller."""
        for p, v, s in zip(self.parameters.parameters, values, self._scales, strict=True):
            p.values[...] = v * s
        self.parameters.write()
        self.student.settle()

    def _target(self, first: float) -> float:
        """Return the target for the number of spikes of all neurons in a step.

        first : number of spikes of all neurons in a step, in the first update

        The target is a little lower than the setting, because the controller fires more often in its own episodes than
        in the data of all rounds.
        """
        return BELOW * self.plan.spikes or first * self.plan.share

    def update(self, data: Sequences, labels: Any) -> None:
        """Make one gradient update of the trained values.

        labels : labels of the sequences, the second argument of the loss
        """
        student, n, share = self.student, data.starts.size, float(self.numbers[0]) / self.plan.updates
        heads, tape = student.run(*data)
        loss, g = self._loss(heads, labels)
        fired = sum(float(tape.values[one].sum()) for one in student.trained_spikes) / n
        price = self._price(loss, fired, share)
        for one in student.trained_spikes:
            tape.gradient(one)[:] += np.float32(price / n)
        gradients = self.parameters.gradients(student.backward(tape, g))
        rate = LAST_RATE + (1 - LAST_RATE) * (1 + np.cos(np.pi * share)) / 2
        self.adam.learning_rate = self.plan.learning_rate * rate
        self.adam.step([one * scale for one, scale in zip(gradients, self._scales, strict=True)])
        self.use(self.values)
        for mean, value in zip(self.means, self.values, strict=True):
            mean += np.float32(1 - MEMORY) * (value - mean)
        self.numbers[0] += 1

    def _price(self, loss: float, fired: float, share: float) -> float:
        """Adjust and return the price of a spike, so that the spikes fall to the target along a geometric ramp."""
        updates, price, spikes, mean, first = self.numbers.tolist()
        if updates == 0:
            price, spikes, mean, first = FIRST_PRICE * loss / max(fired, 1e-9), fired, loss, max(fired, 1e-9)
        spikes, mean = spikes + 0.1 * (fired - spikes), mean + 0.02 * (loss - mean)
        target = min(self._target(first), first)
        wanted = max(target, first * (target / first) ** min(1.0, share / RAMP))
        price = max(adjusted_price(price, spikes, wanted), LEAST_PRICE * mean / max(spikes, 1e-9))
        self.numbers[1:] = price, spikes, mean, first
        return price

    def silent(self, parts: Iterable[Sequences]) -> dict[str, np.ndarray]:
        """Return the neurons that never fire in these sequences: spiking population -> (n,) bool."""
        spiking = [p for p in self.parameters.program.facts.populations if p.spiking]
        fired = {p.name: np.zeros(p.size, bool) for p in spiking}
        for data in parts:
            _, tape = self.student.run(*data)
            for name, spikes in self.student.spikes_in(tape).items():
                fired[name] |= spikes.reshape(-1, spikes.shape[-1]).any(0)
        return {name: ~one for name, one in fired.items()}
