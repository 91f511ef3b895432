"""Fit read-outs to the commands of a teacher by ridge regression, in the rounds of imitation (DAgger).

If commands depend linearly on all trained weights, ridge regression finds the best weights without gradient descent.
This holds for the read-out of a reservoir of spiking neurons (Maass, Natschlaeger and Markram 2002, Neural Computation
14:2531) and of any fixed front end.

Each trained projection gets a *tap* in the controller that acts: an additional population with the dynamics of the
projection's target. The source of the projection drives the tap one to one, with the same delay and synaptic current.
The value of a tap neuron, multiplied by a weight, is the contribution of this weight to the command. So the engine
itself computes the values that the regression needs. A tap changes no command.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...coding import MembraneDecoder
from ...controller_file import ControllerSpec
from ...errors import DescriptionError
from ...network import LI, Network, OneToOne, Population, Projection
from ...network.convolution import Convolution
from ..environments.vector_env import VectorEnv
from ..gradients.parameter import Parameter
from ..gradients.parameters import Parameters
from ..gradients.student import Student
from .distributions import Categorical, DiagGaussian
from .imitation import Imitation

__all__ = ["ReadOut"]

KEPT = 0.9  # factor of the sums of earlier rounds in each new round
PASSES = 2  # regressions in a round; each weights the steps by the errors of the one before
HALF_WEIGHT_ERROR = 1.0  # half limits: error at which a step counts half
ROOM = 2**23  # largest count of numbers held of a round; of a longer round, only steps at equal distances are held
DISTURBED = 0.07  # half limits: standard deviation of the noise in the teacher's commands when they act
MAX_SOLVED_WEIGHTS = 4_000


#: Name of a tap, a population whose neurons filter one presynaptic neuron each, as the target of the trained weights
#: does; and the outputs' derivatives by the weights, per unit of these neurons: output -> (weights, size, n_pre) f32
Tap = tuple[str, dict[str, np.ndarray]]


class ReadOut(Imitation):
    """The learner of the training method ``imitate`` with ``solve: true``.

    It trains the weights of projections into graded populations. Only outputs may read these populations, linearly and
    without squashing. Each regression uses the data of all rounds up to the present one. Three rules make it robust:

    - A command beyond a limit is no error if the teacher's command is at that limit.
    - A step with a large remaining error counts less, because the teacher may have used something that the controller
      cannot observe.
    - Slow disturbances are added to the teacher's commands, because a teacher that makes no errors never shows how to
      correct them (Laskey et al. 2017, arXiv:1703.09327).

    Raises DescriptionError if other parameters are to be trained.
    """

    checkpointed = ("square", "product", "rounds")
    policy: Sequence[DiagGaussian]

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        self.meet(envs)
        if any(isinstance(one, Categorical) for one in self.policy):
            raise DescriptionError("settings.solve", True, "needs outputs that are numbers", "leave it out")
        if self.fits_ranges:
            raise DescriptionError("settings.fit_ranges", True, "cannot be combined with solve", "leave one out")
        size = sum(p.values.size for p in self.parameters.parameters)
        if size > MAX_SOLVED_WEIGHTS:
            rule = f"solves for at most {MAX_SOLVED_WEIGHTS}"
            raise DescriptionError("settings.solve", f"{size} weights", rule, "train fewer")
        self.square, self.product = np.zeros((size, size)), np.zeros(size)
        spec, self.taps = _tapped(self.parameters)
        self.tapped = Parameters(spec, self.parameters.chosen, np.random.default_rng(0))
        for one, own in zip(self.tapped.parameters, self.parameters.parameters, strict=True):
            one.values = own.values
        self.acts = Student(self.tapped.program, self.tapped.places)

    def phase(self, envs: VectorEnv, seed: int, rng: np.random.Generator, remaining: float) -> dict[str, float]:
        self.tapped.write()
        weights = self.parameters.flat
        slopes, own, wanted = (np.concatenate(part) for part in zip(*self._sequences(envs, seed, rng), strict=True))
        self.rounds += 1
        if not slopes.any():
            return {"loss": 0.0}
        asked = wanted - own + slopes @ weights  # what the trained weights alone should give
        square, product, counts = self.square, self.product, np.ones(len(asked))
        for _ in range(PASSES):
            counted = slopes * counts[:, None]
            self.square = KEPT * square + counted.T @ slopes
            self.product = KEPT * product + counted.T @ asked
            ridge = self.settings.ridge * np.trace(self.square) / len(weights)
            solved = np.linalg.solve(self.square + ridge * np.eye(len(weights)), self.product)
            errors = asked - slopes @ solved
            beyond = (np.abs(wanted) >= 1) & (errors * wanted < 0)
            # Cauchy's weights (Holland and Welsch 1977, Commun. Stat. A6:813)
            counts = 1 / (1 + (errors / HALF_WEIGHT_ERROR) ** 2)
            counts[beyond] = 0
        self.parameters.flat = solved
        self.parameters.write()
        return {"loss": float(np.mean((wanted - own) ** 2)), "unexplained": float(np.mean(errors**2 * counts))}

    def mixed_actions(
        self, one: Categorical | DiagGaussian, own: np.ndarray, wanted: np.ndarray, drives: np.ndarray
    ) -> np.ndarray:
        assert isinstance(one, DiagGaussian)
        noise, rng = self._noise[one.name], self._rng
        left = math.exp(-2 / self.settings.sequence_length)
        noise[...] = left * noise + math.sqrt(1 - left**2) * rng.normal(0, DISTURBED, noise.shape)
        return super().mixed_actions(one, own, wanted + (one.half * noise).astype(np.float32), drives)

    def _sequences(self, envs: VectorEnv, seed: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, ...]]:
        """Play a round, and yield the data of the regression from each sequence, which has k output values.

        The data are three arrays, in units of half the distance between the limits:

        1. the derivatives of the outputs by the weights, (k, weights)
        2. the values of the outputs, (k,)
        3. the teacher's values, (k,)
        """
        self._noise, self._rng = {one.name: np.zeros((envs.n, one.n)) for one in self.policy}, rng
        held: list[Any] = []
        numbers = self.steps_of_a_phase * sum(one.n for one in self.policy) * len(self.product)
        every = -(-numbers // ROOM)
        for t, now in enumerate(self.play(self.acts, envs, seed, rng)):
            if t % every == 0:
                array = now.batch.bound.array
                own = [one.mean(array(self.acts.heads[one.name])) for one in self.policy]
                held.append(([array(f"{name}.v").copy() for name, _ in self.taps], own, now.wanted))
            if held and (t + 1) % self.settings.sequence_length == 0:
                yield self._joined(held)
                held = []

    def _joined(self, held: list[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        taps = [np.concatenate(values) for values in zip(*(values for values, _, _ in held))]
        slopes, own, wanted = [], [], []
        for k, one in enumerate(self.policy):
            asked = np.concatenate([labels[one.name] for _, _, labels in held])
            asked = (one.command_of(asked) - one.centre) / one.half
            values = np.concatenate([values[k] for _, values, _ in held])
            for j in range(one.n):
                parts = [x @ ways[one.name][:, j].T for x, (_, ways) in zip(taps, self.taps, strict=True)]
                slopes.append(np.concatenate(parts, axis=1) / np.broadcast_to(one.unit, one.n)[j])
                own.append(values[:, j])
                wanted.append(asked[:, j])
        return np.concatenate(slopes), np.concatenate(own), np.concatenate(wanted)


def _tapped(parameters: Parameters) -> tuple[ControllerSpec, list[Tap]]:
    """Return a copy of the controller with one tap for each trained parameter, and the list of these taps.

    Raises DescriptionError if the commands do not depend linearly on a parameter.
    """
    spec, taps = parameters.spec, []
    populations, projections = list(spec.network.populations), list(spec.network.projections)
    sizes = parameters.sizes
    for k, p in enumerate(parameters.parameters):
        one = _projection_of(spec, p)
        post = next(q for q in spec.network.populations if q.name == one.post)
        name, neuron = f"tap_{k}", post.neuron
        if isinstance(neuron, LI):
            neuron = replace(neuron, v_leak=0.0)
        populations.append(Population(name, sizes[one.pre], neuron))
        own = replace(one, post=name, weights=1.0, connection=OneToOne(), pre_index=None, post_index=None, bias=None)
        projections.append(own)
        taps.append((name, _ways(spec, p, one, sizes)))
    network = Network(tuple(populations), tuple(projections))
    return replace(spec, network=network), taps


def _projection_of(spec: ControllerSpec, p: Parameter) -> Projection:
    """Return the projection to which the weights of a parameter belong.

    Raises DescriptionError if the commands do not depend linearly on these weights.
    """
    changed = p.put(spec, p.numbers.copy()).network.projections
    found = next((a for a, b in zip(spec.network.projections, changed) if a is not b), None)
    if found is None or not p.name.endswith(".weights"):
        rule = "cannot be solved for: only weights of projections can"
        raise DescriptionError("training.trainable", p.name, rule, "leave it out, or solve: false")
    post = next(q for q in spec.network.populations if q.name == found.post)
    read = [term for o in spec.outputs for term in o.terms if term.source == post.name]
    onward = any(q.pre == post.name for q in spec.network.projections)
    plain = all(isinstance(term, MembraneDecoder) and term.window is None for term in read)
    squashed = any(getattr(o, "squash", False) for o in spec.outputs)
    alike = post.neuron.size is None and not np.isfinite(getattr(post.neuron, "v_min", -np.inf))
    if not (post.neuron.graded and alike and read and plain) or onward or squashed or np.ndim(found.delay):
        rule = (
            f"cannot be solved for: {post.name} must be graded, of one kind and without v_min, and read only by "
            "membrane decoders that do not squash"
        )
        raise DescriptionError("training.trainable", p.name, rule, "leave it out, or solve: false")
    return found


def _ways(spec: ControllerSpec, p: Parameter, one: Projection, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    n_pre, n_post, shape = sizes[one.pre], sizes[one.post], p.values.shape
    if isinstance(one.connector, Convolution):
        pre, post, weight = one.connector.synapses(np.arange(1.0, p.values.size + 1).reshape(shape))
        weight = weight.astype(np.int64) - 1
    else:
        pre, post = one.connector.pairs(n_pre, n_post)
        weight = np.arange(pre.size)
    found = {}
    for output in spec.outputs:
        found[output.name] = np.zeros((p.values.size, output.size, n_pre), np.float32)
        for term in output.terms:
            if isinstance(term, MembraneDecoder) and term.source == one.post:
                given = np.asarray(term.weights, np.float32) * np.float32(p.unit)
                read = np.broadcast_to(given if given.ndim == 2 else given.reshape(-1, 1), (n_post, output.size))
                for j in range(output.size):
                    np.add.at(found[output.name][:, j], (weight, pre), read[post, j])
    return found
