"""How good a controller is: whole episodes of the controller itself, on seeds of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..batch import Batch
from ..engine.program import Program
from .environments import Interface

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """What episodes gave, an array an episode.

    seeds : of the episodes; returns : undiscounted; steps : of the environment; spikes, operations : in such a step
    """

    seeds: np.ndarray
    returns: np.ndarray
    steps: np.ndarray
    spikes: np.ndarray
    operations: np.ndarray

    @property
    def score(self) -> float:
        return float(self.returns.mean())


def evaluate(program: Program, interface: Interface, envs: Sequence[Any], seeds: Sequence[int]) -> Evaluation:
    """An episode for each seed, side by side in as many environments; commands are those of the engine."""
    n = len(seeds)
    batch = Batch(program, n, program.facts.repeat)
    observations = [env.reset(seed=int(seed))[0] for env, seed in zip(envs, seeds, strict=True)]
    returns, steps, alive = np.zeros(n), np.zeros(n, np.int64), np.ones(n, bool)
    counters = np.zeros((2, n))
    while alive.any():
        commands = batch.step(interface.observe_list(observations))
        actions = interface.act([commands[one.name] for one in interface.outputs])
        for k in np.flatnonzero(alive):
            observations[k], reward, terminated, truncated, _ = envs[k].step(actions[k])
            returns[k] += float(reward)
            steps[k] += 1
            if terminated or truncated:
                alive[k] = False
                counters[:, k] = batch.array("spike_counts")[k].sum(), batch.array("synaptic_operations")[k].sum()
    return Evaluation(np.array(seeds), returns, steps, *(counters / steps))


def in_parts(
    make: Callable[[], Any], seeds: Sequence[int], most: int = 20
) -> Callable[[Program, Interface], Evaluation]:
    """``evaluate`` for many seeds with at most ``most`` environments, which are kept."""
    envs = [make() for _ in range(min(most, len(seeds)))]

    def run(program: Program, interface: Interface) -> Evaluation:
        parts = [
            evaluate(program, interface, envs[: len(seeds[k : k + most])], seeds[k : k + most])
            for k in range(0, len(seeds), most)
        ]
        return Evaluation(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Evaluation)))

    return run
