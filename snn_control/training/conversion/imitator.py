"""Imitation of a policy by its spiking conversion: rounds of episodes (DAgger) and updates on the engine's own spikes.

The number of spikes falls to a target, because each spike has a price, which a feedback loop adjusts. Episodes,
validation and result use the running means of the trained values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from ...controller_file import Limits, Surrogate
from ...network.checks import OneOf
from ..algorithms.learner import Settings
from ..algorithms.networks import Adam
from ..gradients.parameters import Parameters
from ..gradients.student import Student
from .heads import Head
from .spiking import INPUT, OUTPUT, SKIPS, Written

__all__ = ["ConversionSettings", "Imitator"]

STRAIGHT = Surrogate("triangle", 2.0)  # the derivative of a count: 1 at each step of the staircase, 1/2 between
LAST_RATE = 0.02  # share of the learning rate that is left at the end (cosine)
MEMORY = 0.99  # of the running means, for each update
FIRST_PRICE = 0.02  # of all spikes, as a share of the first loss
CHOICE_STEPS, STEPS = 300, 700  # updates in a round
BELOW = 0.97  # target of the updates, in units of the wanted spikes
RAMP = 0.6  # share of the updates in which spikes fall to their target


@dataclass(frozen=True)
class ConversionSettings(Settings):
    """Settings of the conversion of a policy.

    spikes : target for the number of spikes of all neurons in a step; 0: a third of the number after the first
        conversion
    skip : graded projections from the observation past the spikes: "none"; "linear": to later layers; "fields": from
        its numbers and Gaussian fields of them, to all layers
    n_envs : number of episodes in a round
    n_rounds : number of rounds, each with episodes and updates
    gradient_steps : number of updates in a round; 0: 300 for choices, 700 for numbers
    batch_size : number of observations in an update
    learning_rate : initial learning rate of Adam; it falls to a 50th along a cosine
    """

    spikes: float = 0.0
    skip: Annotated[str, OneOf(*SKIPS)] = "linear"
    n_envs: int = 8
    n_rounds: int = 12
    gradient_steps: int = 0
    batch_size: int = 256
    learning_rate: float = 3e-3


class Imitator:
    """Trains the values of a converted controller, scaled such that one learning rate suits all of them.

    values : the trained arrays, in the units of the network with ReLUs. A weight is multiplied by theta of its target
        neuron and divided by theta of its source neuron
    """

    #: names of what a checkpoint holds
    checkpointed = ("values", "means", "adam", "numbers")

    def __init__(self, written: Written, head: Head, settings: ConversionSettings) -> None:
        steps = settings.gradient_steps or (CHOICE_STEPS if head.kind == "argmax" else STEPS)
        self.head, self.settings = head, replace(settings, gradient_steps=steps)
        chosen = {"hidden_*.bias": Limits(), "readout.bias": Limits(), "*->*.weights": Limits()}
        self.parameters = Parameters(written.spec, chosen, np.random.default_rng(0))
        self.student = Student(self.parameters.program, self.parameters.places)
        self.student.gradient.use(STRAIGHT)
        self._scales = [_scale(p.name, written.theta) for p in self.parameters.parameters]
        self.values = [p.values / s for p, s in zip(self.parameters.parameters, self._scales, strict=True)]
        self.means = [v.copy() for v in self.values]
        self.adam = Adam(self.values, settings.learning_rate)
        #: updates so far; price of a spike; running mean of spikes and of the loss; spikes of the first update
        self.numbers = np.zeros(5)
        self._starts = np.ones((1, settings.batch_size), bool)

    @property
    def loss(self) -> float:
        """Running mean of the loss."""
        return float(self.numbers[3])

    def use(self, values: list[np.ndarray]) -> None:
        """Write these trained values into the controller."""
        for p, v, s in zip(self.parameters.parameters, values, self._scales, strict=True):
            p.values[...] = v * s
        self.parameters.write()
        self.student.settle()

    def target(self, first: float) -> float:
        """Return the target for the number of spikes in a step.

        first : number of spikes in a step after the first conversion

        The target is a little lower than the setting, because the controller fires more often where it acts than in the
        data of all rounds.
        """
        return BELOW * self.settings.spikes or first / 3

    def round(self, observations: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> None:
        """Make the updates of a round from observations (k, n) and labels (k, m), both float32."""
        self.use(self.values)
        for _ in range(self.settings.gradient_steps):
            rows = rng.integers(0, len(observations), self.settings.batch_size)
            self._update(observations[rows], labels[rows])

    def _update(self, observations: np.ndarray, labels: np.ndarray) -> None:
        s, student, n = self.settings, self.student, len(observations)
        heads, tape = student.run({INPUT: observations[None]}, self._starts)
        loss, g = self.head.loss(heads[OUTPUT][0], labels)
        fired = sum(float(tape.values[one].sum()) for one in student.trained_spikes) / n
        share = self.numbers[0] / (s.n_rounds * s.gradient_steps)
        price = self._price(loss, fired, share)
        for one in student.trained_spikes:
            tape.gradient(one)[:] += np.float32(price / n)
        gradients = self.parameters.gradients(student.backward(tape, {OUTPUT: g[None]}))
        self.adam.learning_rate = s.learning_rate * (LAST_RATE + (1 - LAST_RATE) * (1 + np.cos(np.pi * share)) / 2)
        self.adam.step([one * scale for one, scale in zip(gradients, self._scales, strict=True)])
        self.use(self.values)
        for mean, value in zip(self.means, self.values, strict=True):
            mean += np.float32(1 - MEMORY) * (value - mean)
        self.numbers[0] += 1

    def _price(self, loss: float, fired: float, share: float) -> float:
        """Adjust the price of a spike so that the number of spikes falls along a geometric ramp to the target. Return
        the price."""
        updates, price, spikes, mean, first = self.numbers.tolist()
        if updates == 0:
            price, spikes, mean, first = FIRST_PRICE * loss / max(fired, 1e-9), fired, loss, max(fired, 1e-9)
        spikes, mean = spikes + 0.1 * (fired - spikes), mean + 0.02 * (loss - mean)
        target = min(self.target(first), first)
        wanted = max(target, first * (target / first) ** min(1.0, share / RAMP))
        price *= float(np.clip(1 + 0.1 * (spikes / wanted - 1), 0.98, 1.02))
        self.numbers[1:] = price, spikes, mean, first
        return price

    def silent(self, observations: np.ndarray) -> dict[str, np.ndarray]:
        """Return which neurons fire for none of the observations (k, n): population -> (n,) bool."""
        student, size = self.student, self.settings.batch_size
        spiking = [p for p in self.parameters.program.facts.populations if p.spiking]
        fired = {p.name: np.zeros(p.size, bool) for p in spiking}
        for first in range(0, len(observations), size):
            rows = np.arange(first, first + size) % len(observations)
            _, tape = student.run({INPUT: observations[rows][None]}, self._starts)
            for name, spikes in student.spikes_in(tape).items():
                fired[name] |= spikes.reshape(-1, spikes.shape[-1]).any(0)
        return {name: ~one for name, one in fired.items()}


def _scale(name: str, theta: dict[str, np.ndarray]) -> np.ndarray:
    """Return the factor that converts a trained array to the array of the controller file.

    name : name of the array, ``pre->post.weights`` or ``population.bias``
    """
    of = name.rpartition(".")[0]
    pre, _, post = of.partition("->")
    if post:
        return (theta[pre][:, None] / theta[post]).astype(np.float32)
    return (1 / theta[of]).astype(np.float32)
