"""Evolution of a controller's numbers by CMA-ES (Hansen 2016, arXiv:1604.00772; the ``cma`` package).

A candidate is scored by whole episodes in the engine. For many numbers only the diagonal of the covariance is adapted
(sep-CMA-ES, Ros and Hansen 2008, PPSN X, LNCS 5199:296).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..controller_file import ControllerSpec, Limits
from .environments import Environments
from .evaluation import evaluate
from .learner import Learner, Settings

__all__ = ["Evolution", "EvolutionSettings", "near_the_output"]

MANY = 400  # numbers above which only the diagonal of the covariance is adapted


@dataclass(frozen=True)
class EvolutionSettings(Settings):
    """Settings of `Evolution`; ``budget`` is the largest number of steps of the environment.

    environments : episodes of a candidate, new ones in every generation
    population : candidates of a generation; 0: 4 + 3 ln(numbers)
    deviation : of the first candidates, in units of the standard deviation of each array
    longest : steps that an episode is counted as, for the budget
    """

    environments: int = 4
    population: int = 0
    deviation: float = 1.0
    longest: int = 500
    budget: int = 3_000_000

    @classmethod
    def suited(cls, limit: int, period: float) -> dict[str, Any]:
        return {"longest": limit}


def near_the_output(spec: ControllerSpec) -> dict[str, Limits]:
    """What is evolved by default: weights and biases of what the outputs read. The layers before it serve as a
    random code, from which a read-out can compute much; evolving them too would be too many numbers."""
    read = {term.source for output in spec.outputs for term in output.terms}
    graded = {p.name for p in spec.network.populations if p.neuron.graded and p.name in read}
    names = [f"*->{name}.weights" for name in sorted(graded)] + [f"{name}.bias" for name in sorted(graded)]
    return dict.fromkeys(names or [f"{output.name}.*" for output in spec.outputs], Limits())


class Evolution(Learner):
    """The learner for ``evolve``; a phase is one generation."""

    settings: EvolutionSettings
    kept = ("told",)

    @property
    def numbers(self) -> int:
        return sum(p.values.size for p in self.parameters.parameters)

    @property
    def population(self) -> int:
        return self.settings.population or 4 + int(3 * np.log(self.numbers))

    @property
    def steps_of_a_phase(self) -> int:
        return self.population * self.settings.environments * self.settings.longest

    def begin(self, envs: Environments, rng: np.random.Generator) -> None:
        import cma

        self._start = np.concatenate([p.values.ravel() for p in self.parameters.parameters]).astype(np.float64)
        self._unit = np.concatenate([np.full(p.values.size, _spread(p.values)) for p in self.parameters.parameters])
        draws = np.random.RandomState(int(rng.integers(1 << 31)))  # no draws but those of the search
        options = {"popsize": self.population, "randn": draws.randn, "seed": np.nan, "verbose": -9}
        options |= {"CMA_diagonal": self.numbers > MANY}
        self._search = cma.CMAEvolutionStrategy(np.zeros(self.numbers), self.settings.deviation, options)
        self._told: dict[str, np.ndarray] = {}

    def phase(self, envs: Environments, seed: int, rng: np.random.Generator, left: float) -> dict[str, float]:
        candidates = np.array(self._search.ask())
        seeds = [seed + k for k in range(envs.n)]
        costs = np.array([self._cost(one, envs, seeds) for one in candidates])
        self._tell(candidates, costs)
        self._put(self._search.mean)
        return {"best_candidate": -float(costs.min()), "deviation": float(self._search.sigma)}

    def _cost(self, candidate: np.ndarray, envs: Environments, seeds: list[int]) -> float:
        self._put(candidate)
        self.student.refresh(self.student.batch(1))
        return -evaluate(self.parameters.program, envs.interface, envs.envs, seeds).score

    def _put(self, candidate: np.ndarray) -> None:
        values, first = self._start + self._unit * candidate, 0
        for p in self.parameters.parameters:
            p.values[...] = values[first : first + p.values.size].reshape(p.values.shape)
            first += p.values.size
        self.parameters.write()

    def _tell(self, candidates: np.ndarray, costs: np.ndarray) -> None:
        self._search.tell(list(candidates), costs.tolist())
        for name, value in (("candidates", candidates), ("costs", costs)):
            before = self._told.get(name, np.zeros((0, *value.shape)))
            self._told[name] = np.concatenate([before, value[None]])

    @property
    def told(self) -> dict[str, np.ndarray]:
        """All candidates and their costs: a search is a function of its seed and of these."""
        return dict(self._told)

    @told.setter
    def told(self, arrays: dict[str, np.ndarray]) -> None:
        for candidates, costs in zip(arrays["candidates"], arrays["costs"], strict=True):
            self._search.ask()
            self._tell(candidates, costs)
        self._put(self._search.mean)


def _spread(values: np.ndarray) -> float:
    """The unit in which an array is changed: its standard deviation, or 0.1 if that is 0."""
    return float(values.std()) or 0.1
