"""Directions in the space of a controller's numbers in which its outputs change most.

A read-out of many neurons has far more numbers than can be searched for, but most changes of them hardly change an
output: activities of neurons are correlated, and of the scores of an arg-max only differences matter. The directions
are the right singular vectors of the Jacobian of the outputs, so that a search along them is one in a metric between
that of the numbers and that of the outputs (Amari 1998, Neural Computation 10:251).
"""

from __future__ import annotations

import numpy as np

from ..environments.vector import VectorEnv
from ..gradients.parameters import Parameters
from ..gradients.student import Student
from .distributions import Categorical, DiagGaussian

__all__ = ["contrasts", "directions"]

DEVIATION = 0.6  # of the numbers that are tried, in units of half their limits
WINDOWS, LENGTH = 160, 24  # sequences in which outputs are differentiated, and their steps
POWER = 0.5  # 0: a unit step is as long along each direction; 1: it changes the outputs as much
NONE = 1e-6  # along directions of smaller ones, such as those of silent neurons, nothing is searched
SMALL = 1e-3  # singular values below this fraction of the largest count as this

Policy = list[Categorical | DiagGaussian]


def contrasts(policy: Policy) -> int:
    """Number of independent values that the outputs consist of: of an arg-max the differences of its scores."""
    return sum(one.n - isinstance(one, Categorical) for one in policy)


def directions(
    student: Student, parameters: Parameters, policy: Policy, envs: VectorEnv, rng: np.random.Generator, n: int
) -> np.ndarray:
    """(numbers, n) float64, the directions, in the order of ``parameters``. In the states that ``policy`` comes to, a
    unit step along the first changes the outputs by as much as they are now (root mean square; by 1 if they are 0).
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
    """Derivatives (windows * contrasts, numbers) of the contrasts at the ends of sequences, and these,
    (windows, contrasts)."""
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
    """Orthonormal rows: for scores those of their differences, for numbers each in units of half its limits."""
    if not isinstance(one, Categorical):
        return np.eye(one.n) / one.unit
    return np.linalg.qr(np.eye(one.n)[:, 1:] - 1 / one.n)[0].T


def _windows(student: Student, policy: Policy, envs: VectorEnv, rng: np.random.Generator) -> list[tuple]:
    """Sequences of play: input -> (steps, 1, ...), starts of episodes (steps, 1), and the state before."""
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
