"""Evaluate a controller in whole episodes, with seeds that training does not use."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...analysis.episode_statistics import EpisodeStatistics, Watcher
from ...analysis.health import InputStatistics
from ...coding import ValueInput
from ...controller import Batch
from ...engine.kernels.input_checks import REJECTED
from ...engine.program import Program
from .gymnasium_calls import reset, step
from .vector_env import Interface

__all__ = ["Evaluation", "evaluate", "played", "standard_error", "with_environments"]

TOGETHER = 64  # steps whose inputs enter the statistics together


@dataclass(frozen=True)
class Evaluation:
    """The results of several episodes. Arrays and lists have one element for each episode.

    seeds : seeds of the episodes
    returns : undiscounted returns
    steps : number of steps of the environment
    spikes_of : population -> spikes per step of the environment
    operations_of : synaptic operations per step of the environment. The keys are the labels of projections, linear
        encoders and decoders
    statistics : the commands, and the number of network steps in which each neuron fired
    arrivals : value input -> statistics of the values that the input received in all episodes
    """

    seeds: np.ndarray
    returns: np.ndarray
    steps: np.ndarray
    spikes_of: dict[str, np.ndarray]
    operations_of: dict[str, np.ndarray]
    statistics: list[EpisodeStatistics]
    arrivals: dict[str, InputStatistics]

    @property
    def score(self) -> float:
        return float(self.returns.mean())

    @property
    def spikes(self) -> np.ndarray:
        """Spikes per step of the environment, summed over all populations."""
        return sum(self.spikes_of.values(), np.zeros(len(self.seeds)))

    @property
    def operations(self) -> np.ndarray:
        return sum(self.operations_of.values(), np.zeros(len(self.seeds)))

    def silent(self, program: Program) -> dict[str, np.ndarray]:
        """Return the neurons that fired in none of the episodes: spiking population -> (n,) bool.

        program : the Program that was evaluated
        """
        spiking = [p for p in program.facts.populations if p.spiking]
        fired = sum((one.fired for one in self.statistics), np.zeros(sum(p.size for p in spiking), np.int64))
        parts = np.split(fired == 0, np.cumsum([p.size for p in spiking])[:-1])
        return {p.name: part for p, part in zip(spiking, parts, strict=True)}


def standard_error(returns: np.ndarray) -> float:
    """Return the standard error of the mean of (n,) returns."""
    return float(returns.std(ddof=1) / math.sqrt(len(returns)))


def played(
    batch: Batch,
    interface: Interface,
    envs: Sequence[Any],
    seeds: Sequence[int],
    *,
    begins: Callable[[int, int], object] = lambda row, episode: None,
    sees: Callable[[Mapping[str, Any], list[int]], object] = lambda inputs, rows: None,
) -> Iterator[tuple[int, int, float, int]]:
    """Play one episode for each seed, in parallel, with the commands that the controllers compute.

    When an episode ends, its environment begins the episode with the next seed.

    batch : controllers, one row for each environment
    begins : function (row, index of the episode), called before the row is reset for this episode
    sees : function (inputs of all rows, list of the rows that are playing), called in each step

    Yields four values whenever an episode ends: its row, its index, its return, and its number of steps.
    """
    plays: dict[int, int] = {}  # the episode that each environment plays
    following = iter(enumerate(seeds))
    observations: list[Any] = [None] * batch.n
    returns, steps = [0.0] * len(seeds), [0] * len(seeds)

    def begin(k: int) -> None:
        episode, seed = next(following, (None, 0))
        if episode is None:
            plays.pop(k, None)
            return
        plays[k] = episode
        begins(k, episode)
        batch.reset(k)
        observations[k] = reset(envs[k], int(seed))[0]

    for k in range(batch.n):
        begin(k)
    while plays:
        rows = list(plays)
        inputs = interface.observe(observations)
        sees(inputs, rows)
        commands = batch.step(inputs)
        actions = interface.act([commands[one.name] for one in interface.outputs])
        for k in rows:
            observations[k], reward, terminated, truncated, _ = step(envs[k], actions[k])
            e = plays[k]
            returns[e] += reward
            steps[e] += 1
            if terminated or truncated:
                yield k, e, returns[e], steps[e]
                begin(k)


def evaluate(program: Program, interface: Interface, envs: Sequence[Any], seeds: Sequence[int]) -> Evaluation:
    """Play one episode for each seed with `played`, and return the statistics of the episodes."""
    episodes, facts = len(seeds), program.facts
    batch = Batch(program, min(len(envs), episodes), facts.repeat)
    watcher = Watcher(batch)
    batch.observers.append(watcher)
    returns, steps = np.zeros(episodes), np.zeros(episodes, np.int64)
    spikes, operations = np.zeros((episodes, len(facts.spiking))), np.zeros((episodes, len(facts.counted)))
    statistics: list[EpisodeStatistics] = [None] * episodes  # type: ignore[list-item]
    arrivals = {name: InputStatistics(one) for name, one in interface.inputs.items() if isinstance(one, ValueInput)}
    arrived: dict[str, list[np.ndarray]] = defaultdict(list)  # arrived, but not counted yet

    def sees(inputs: Mapping[str, Any], rows: list[int]) -> None:
        for name in arrivals.keys() & inputs.keys():
            arrived[name].append(inputs[name][rows])
            if len(arrived[name]) == TOGETHER:
                arrivals[name].add(np.concatenate(arrived.pop(name)))

    for k, e, returns[e], steps[e] in played(batch, interface, envs, seeds, sees=sees):
        spikes[e] = batch.array("spike_counts")[k, : len(facts.spiking)] / steps[e]
        operations[e] = batch.array("synaptic_operations")[k, : len(facts.counted)] / steps[e]
        for name, one in arrivals.items():
            one.rejected += int(batch.array(f"{name}.counters")[k, REJECTED])
        statistics[e] = watcher.take(k)
    for name, samples in arrived.items():
        arrivals[name].add(np.concatenate(samples))
    operations_of: dict[str, np.ndarray] = {}
    for fact, column in zip(facts.counted, operations.T, strict=True):
        operations_of[fact.label] = column + operations_of.get(fact.label, 0.0)  # labels may repeat
    spikes_of = dict(zip(facts.spiking, spikes.T, strict=True))
    return Evaluation(np.array(seeds), returns, steps, spikes_of, operations_of, statistics, arrivals)


def with_environments(
    make: Callable[[], Any], seeds: Sequence[int], most: int = 20
) -> Callable[[Program, Interface], Evaluation]:
    """Return a function that evaluates a Program in one episode for each of these seeds, see `evaluate`.

    All calls of the function use the same environments, of which there are at most ``most``.
    """
    envs = [make() for _ in range(min(most, len(seeds)))]
    return lambda program, interface: evaluate(program, interface, envs, seeds)
