"""Evolve the trained numbers of a controller by CMA-ES (Hansen 2016, arXiv:1604.00772; the ``cma`` package).

The engine plays whole episodes to score a candidate. In a search over many values, only the diagonal of the covariance
is adapted (sep-CMA-ES, Ros and Hansen 2008, PPSN X, LNCS 5199:296).

The values that are searched depend on the controller and the settings:

- few trained numbers: the numbers themselves
- many trained numbers: steps along the `directions` in which the outputs change most. The directions are computed again
  after TURN generations, because a better controller reaches other states
- a controller that another learner has trained: one factor per array, or one gain per number of an input
  (`snn_control.training.algorithms.gains`)

A search that has converged restarts from other values. The result is the average of the means of the last generations,
which is less noisy than the mean of one generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ...controller import Batch
from ...controller_file import ControllerSpec, Limits
from ...errors import DescriptionError, optional
from ...network.checks import Flag, Whole
from ..environments.evaluation import played
from ..environments.gymnasium_calls import LIMIT
from ..environments.vector_env import VectorEnv
from ..gradients.parameters import Parameters
from .directions import DEVIATION, contrasts, directions
from .distributions import distributions
from .learner import Learner, Settings

__all__ = ["Evolution", "EvolutionSettings", "near_the_output"]

MANY = 400  # numbers above which only the diagonal of the covariance is adapted
FACTOR = 0.4  # change of a factor by one unit of the search
AVERAGED = 6  # generations whose means are averaged
TURN = 25  # generations along the same directions
FLAT = 5  # generations of equal costs after which a search begins again


@dataclass(frozen=True)
class EvolutionSettings(Settings):
    """Settings of `Evolution`.

    n_envs : number of episodes that are played at the same time
    episodes : number of episodes that each candidate plays; every generation plays new episodes
    population : number of candidates in a generation; 0: 4 + 3 ln(number of searched values)
    factors : search one factor for each trained array, instead of the numbers of the array
    gains : search only gains: one for each number of the inputs with receptive fields
    directions : number of searched directions for each independent value of the outputs; 0: search the numbers
        themselves
    sigma : standard deviation of the first candidates. Its unit depends on the values that are searched: for
        directions, the root mean square of the present outputs; for numbers, the standard deviation of their array; for
        factors and gains, FACTOR
    episode_steps : number of environment steps that count for each episode, whatever its length
    total_timesteps : number of environment steps after which training ends
    """

    n_envs: int = 20
    episodes: int = 6
    population: int = 0
    factors: Flag = False
    gains: Flag = False
    directions: Annotated[int, Whole(0)] = 32
    sigma: float = 0.5
    episode_steps: int = 500
    total_timesteps: int = 4_000_000

    @classmethod
    def defaults_for(cls, spec: ControllerSpec, limit: int | None) -> dict[str, Any]:
        return {"episode_steps": limit or LIMIT}


def near_the_output(spec: ControllerSpec) -> dict[str, Limits]:
    """Return patterns that match the parameters near the outputs, which are evolved by default.

    If the outputs read graded populations, these parameters are the biases of the populations and the weights of their
    incoming projections. Otherwise they are the weights and biases of the outputs. Earlier layers stay random, because
    they have too many numbers to evolve, and because a read-out can compute much from their activity.
    """
    read = {term.source for output in spec.outputs for term in output.terms}
    graded = {p.name for p in spec.network.populations if p.neuron.graded and p.name in read}
    names = [f"*->{name}.weights" for name in sorted(graded)] + [f"{name}.bias" for name in sorted(graded)]
    return dict.fromkeys(names or [f"{output.name}.*" for output in spec.outputs], Limits())


class Evolution(Learner):
    """The learner of the training method ``evolve`` (CMA-ES). One phase is one generation."""

    settings: EvolutionSettings
    confirms = True
    checkpointed: tuple[str, ...] = ("origin", "ways", "told")

    def __init__(self, parameters: Parameters, settings: EvolutionSettings) -> None:
        super().__init__(parameters, settings)
        try:  # it tries actions while directions are found; it is empty if an output has no limits to try them in
            self.policy = distributions(parameters.spec.outputs, DEVIATION)
        except DescriptionError:
            self.policy = []
        self.size, self.turns = self._space()
        self.population = settings.population or 4 + int(3 * np.log(self.size))

    def _space(self) -> tuple[int, bool]:
        """Return the number of searched values, and whether each value is a step along one of the `directions`."""
        if self.settings.factors:
            return len(self.parameters.parameters), False
        numbers = sum(p.values.size for p in self.parameters.parameters)
        along = self.settings.directions * contrasts(self.policy)
        turns = 0 < along < numbers
        return along if turns else numbers, turns

    @property
    def improves(self) -> bool:
        return self.settings.factors or self.settings.gains

    @property
    def steps_of_a_phase(self) -> int:
        return self.population * self.settings.episodes * self.settings.episode_steps

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        parameters = self.parameters.parameters
        start = self.parameters.flat.astype(np.float64)
        self.origin: dict[str, Any] = {"values": start, "seed": int(rng.integers(1 << 31))}
        if self.settings.factors:
            owners = np.repeat(np.arange(self.size), [p.values.size for p in parameters])
            self.ways = FACTOR * start[:, None] * (owners[:, None] == np.arange(self.size))
        elif self.turns:
            self.ways = directions(self.student, self.parameters, self.policy, envs, rng, self.size)
        else:
            # the unit of an array's changes is its standard deviation, or 0.1 if that is 0
            self.ways = np.concatenate([np.full(p.values.size, float(p.values.std()) or 0.1) for p in parameters])
        self._begin()

    def _begin(self) -> None:
        """Create a new search that starts at the values of ``origin``, with random numbers from its seed."""
        self._draws = np.random.RandomState(int(self.origin["seed"]))  # used by the search alone
        self._search = self._new_search(np.zeros(self.size))
        self._means: list[np.ndarray] = []  # of the last generations
        self._told: dict[str, np.ndarray] = {}

    def _new_search(self, mean: np.ndarray) -> Any:
        cma = optional("cma", "evolution needs cma", "training")
        options = {"popsize": self.population, "randn": self._draws.randn, "seed": np.nan, "verbose": -9}
        options |= {"CMA_diagonal": self.size > MANY, "tolflatfitness": FLAT, "tolfun": 0, "tolfunhist": 0}
        return cma.CMAEvolutionStrategy(mean, self.settings.sigma, options)

    def phase(self, envs: VectorEnv, seed: int, rng: np.random.Generator, remaining: float) -> dict[str, float]:
        if self.turns and len(self._told.get("costs", ())) == TURN:
            self.begin(envs, rng)
        candidates = np.array(self._search.ask())
        returns, spikes = (found.mean(axis=1) for found in self._played(candidates, envs, seed))
        sigma = float(self._search.sigma)
        self._tell(candidates, self._costs(returns, spikes))
        envs.finished = returns.tolist()
        return {"best_candidate": float(returns.max()), "sigma": sigma}

    def _costs(self, returns: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        """Return the costs, (candidates,), that the search minimises.

        returns : (candidates,), mean return of each candidate
        spikes : (candidates,), mean number of spikes per step of each candidate
        """
        return -returns

    def _played(self, candidates: np.ndarray, envs: VectorEnv, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Play the same episodes with all candidates in parallel. A batch row has the constants of one candidate.

        Return two (candidates, episodes) arrays: the returns of the episodes, and their mean number of spikes per step.
        """
        program, n, numbers = self.parameters.program, self.settings.episodes, []
        for one in candidates:
            self._put(one)
            self.student.settle()
            numbers.append((program.constants.copy(), program.initial_state.copy()))
        seeds = [seed + k for k in range(n)] * len(candidates)
        returns, spikes = np.zeros((len(candidates), n)), np.zeros((len(candidates), n))
        batch = Batch(program, min(envs.n, len(seeds)), program.facts.repeat, own_numbers=True)

        def begins(row: int, episode: int) -> None:
            batch.bound.constants[row], batch.bound.initial[row] = numbers[episode // n]

        for row, episode, gained, steps in played(batch, envs.interface, envs.envs, seeds, begins=begins):
            returns.flat[episode] = gained
            spikes.flat[episode] = batch.array("spike_counts")[row, : len(program.facts.spiking)].sum() / steps
        return returns, spikes

    def _put(self, candidate: np.ndarray) -> None:
        change = self.ways @ candidate if self.ways.ndim == 2 else self.ways * candidate
        self.parameters.flat = self.origin["values"] + change
        self.parameters.write()

    def _tell(self, candidates: np.ndarray, costs: np.ndarray) -> None:
        self._search.tell(list(candidates), costs.tolist())
        for name, value in (("candidates", candidates), ("costs", costs)):
            self._told[name] = np.stack([*self._told.get(name, ()), value])
        self._means = [*self._means[1 - AVERAGED :], self._search.mean]
        self._put(np.mean(self._means, axis=0))
        if self._search.stop():
            self._means = []
            self._search = self._new_search(self.settings.sigma * self._draws.randn(self.size))

    @property
    def told(self) -> dict[str, np.ndarray]:
        """The arrays of a search for a checkpoint: all candidates since the search began, and their costs.

        Together with the seed of the search, these arrays determine the state of the search.
        """
        return dict(self._told)

    @told.setter
    def told(self, arrays: dict[str, np.ndarray]) -> None:
        self._begin()
        for candidates, costs in zip(arrays["candidates"], arrays["costs"], strict=True):
            self._search.ask()
            self._tell(candidates, costs)
