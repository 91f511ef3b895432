"""Find the directions in the space of a controller's parameters along which its outputs change most.

A read-out of many neurons has far more weights than an evolutionary search can handle. But most changes of the weights
hardly change an output. The reason is that the activities of neurons are correlated, and that an arg-max depends only
on the differences of its scores. The directions are the right singular vectors of the Jacobian of the outputs by the
parameters. A search along these directions uses a metric that lies between the metric of the weights and the metric of
the outputs (Amari 1998, Neural Computation 10:251).
"""

from __future__ import annotations

import numpy as np

from ..environments.vector_env import VectorEnv
from ..gradients.parameters import Parameters
from ..gradients.student import Student
from .distributions import Categorical, DiagGaussian

__all__ = ["contrasts", "directions"]

DEVIATION = 0.6  # standard deviation of the actions that are tried, in units of half their limits
WINDOWS, LENGTH = 160, 24  # number of sequences in which outputs are differentiated, and their steps
POWER = 0.5  # 0: a unit step has the same length along each direction; 1: it changes the outputs by the same amount
NONE = 1e-6  # no search along directions with smaller singular values, relative to the largest, as of silent neurons
SMALL = 1e-3  # singular values below this fraction of the largest count as this fraction

Policy = list[Categorical | DiagGaussian]


def contrasts(policy: Policy) -> int:
    """Return the number of independent values, called *contrasts*, that determine the outputs of a policy.

    An arg-max output with n scores has n - 1 contrasts: the differences of its scores. Any other output has one
    contrast for each of its numbers.
    """
    return sum(one.n - isinstance(one, Categorical) for one in policy)


def directions(
    student: Student, parameters: Parameters, policy: Policy, envs: VectorEnv, rng: np.random.Generator, n: int
) -> np.ndarray:
    """Return ``n`` directions as the columns of a (numbers, n) float64 array, with rows as in `Parameters.flat`.

    The length of a direction is the unit step of the search. A step of 1 along the first direction changes the
    contrasts of the outputs by their present root mean square, or by 1 if this is 0. The change is measured in the
    states that ``policy`` reaches in ``envs``.
    """
    slopes, heads = _slopes(student, parameters, policy, envs, rng)
    _, sizes, ways = np.linalg.svd(slopes / np.sqrt(len(heads)), full_matrices=True)
    unit = float(np.sqrt(np.mean(heads**2))) or 1.0
    sizes = np.pad(sizes, (0, max(0, n - sizes.size)))[:n]
    largest = float(sizes[0]) or 1.0
    lengths = unit / largest * np.maximum(sizes / largest, SMALL) ** -POWER
    return ways[:n].T * np.where(sizes > NONE * largest, lengths, 0)


def _slopes(
    student: Student, parameters: Parameters, policy: Policy, envs: VectorEnv, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Play sequences with a policy, and differentiate the contrasts (`contrasts`) at the end of each sequence.

    Return two arrays: the derivatives of the contrasts by the trained numbers, (sequences * contrasts, numbers), and
    the contrasts, (sequences, contrasts).
    """
    bases = [_basis(one) for one in policy]
    slopes, heads = [], []
    for seen, starts, memory in _windows(student, policy, envs, rng):
        ends = []
        for one, basis in zip(policy, bases, strict=True):
            for along in basis:
                found, tape = student.run(seen, starts, memory)  # a tape collects gradients: one for each pass
                ends.append(along @ found[one.name][-1, 0])
                g = {name: np.zeros_like(head) for name, head in found.items()}
                g[one.name][-1, 0] = along
                gradients = parameters.gradients(student.backward(tape, g))
                slopes.append(np.concatenate([part.ravel() for part in gradients]))
        heads.append(ends)
    return np.array(slopes, np.float64), np.array(heads, np.float64)


def _basis(one: Categorical | DiagGaussian) -> np.ndarray:
    """Return a matrix (contrasts, n). Its product with the head of an output, (n,), gives the contrasts of the output.

    For an arg-max output, the rows are orthonormal, and the contrasts are differences of scores. For an output of
    numbers, the contrasts are the numbers themselves, in units of half the distance between their limits.
    """
    if not isinstance(one, Categorical):
        return np.eye(one.n) / one.unit
    return np.linalg.qr(np.eye(one.n)[:, 1:] - 1 / one.n)[0].T


def _windows(student: Student, policy: Policy, envs: VectorEnv, rng: np.random.Generator) -> list[tuple]:
    """Play sequences of `LENGTH` steps with the policy.

    Return a list with three values for each sequence:

    1. the inputs, name -> (steps, 1, ...)
    2. whether an episode starts with a step, (steps, 1) bool
    3. the state of the engine before the first step, as `Student.remember` returns it
    """
    start, inputs = np.ones(envs.n, bool), envs.reset(int(rng.integers(1 << 31)))
    batch, found = student.started(envs.n), []
    for _ in range(-(-WINDOWS // envs.n)):
        memory, seen, starts = student.remember(batch), [], []
        for _ in range(LENGTH):
            heads, given = student.step(batch, inputs, start)
            seen.append(given)
            starts.append(start)
            step = envs.step([one.command(one.sample(heads[one.name], rng)) for one in policy])
            inputs, start = step.inputs, step.done
        whole = {name: np.array([given[name] for given in seen]) for name in seen[0]}
        for k in range(envs.n):
            row = {name: value[:, k : k + 1] for name, value in whole.items()}
            found.append((row, np.array(starts)[:, k : k + 1], memory[k : k + 1]))
    return found
