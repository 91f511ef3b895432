"""Evolution of a recipe's parameters by CMA-ES (Hansen 2016, arXiv:1604.00772; the ``cma`` package).

A run can be stopped at any time and goes on where it was: its state lies in ``checkpoint.pkl`` of its folder.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..controller import Controller
from ..errors import DescriptionError, SnnControlError
from ..files import replace_file
from .recipes import Recipe, recipes
from .rollout import episode

__all__ = ["evaluate", "evolve"]

_environments: dict[tuple[str, str], list] = {}


def evaluate(
    name: str, settings: Sequence[Mapping[str, Any]], values: Mapping[str, float], seeds: Sequence[int]
) -> float:
    """Mean cost of a recipe's controller over ``settings`` and ``seeds``; infinity where it cannot be built."""
    import gymnasium

    recipe, key = recipes()[name], (name, repr(settings))
    if key not in _environments:
        _environments[key] = [
            gymnasium.make(recipe.environment, disable_env_checker=True, **setting) for setting in settings
        ]
    try:
        controller = Controller.from_spec(recipe.make(values))
    except SnnControlError:
        return float("inf")
    costs = []
    for env in _environments[key]:
        for seed in seeds:
            rewards, info = episode(env, controller, seed, recipe.horizon)
            costs.append(recipe.score(rewards, info))
    return float(np.mean(costs))


def resume(
    checkpoint: Path, recipe: Recipe, population: int | None, seed: int | None
) -> tuple[Any, dict[str, Any]] | None:
    """The search that a checkpoint holds and what it is of; None where there is none, an error if it is another's."""
    try:
        with checkpoint.open("rb") as file:
            saved = pickle.load(file)
        strategy, made = saved["strategy"], saved["made"]
        of = made["recipe"], tuple(made["parameters"]), made["settings"]
    except FileNotFoundError:
        return None
    except Exception:  # pickle raises what the bytes make it raise
        rule = "is not a checkpoint that this version can read"
        raise DescriptionError("--run", str(checkpoint), rule, "choose another folder") from None
    if of[0] != recipe.name:
        rule = f"holds a search of the recipe {of[0]}, not {recipe.name}"
        raise DescriptionError("--run", str(checkpoint.parent), rule, "choose another folder")
    if of[1] != tuple(recipe.parameters):
        rule = f"holds a search of other parameters than those {recipe.name} has now"
        raise DescriptionError("--run", str(checkpoint.parent), rule, "choose another folder")
    if of[2] != recipe.settings:
        rule = f"holds a search in other worlds: {', '.join(map(str, of[2]))}"
        raise DescriptionError("--run", str(checkpoint.parent), rule, "give the same --arg, or choose another folder")
    for key, asked in (("population", population), ("seed", seed)):
        if asked not in (None, made[key]):
            rule = f"must be {made[key]}, as in the search that {checkpoint.parent} holds"
            raise DescriptionError(f"--{key}", asked, rule, "leave it out, or begin anew in another --run folder")
    return strategy, made


def evolve(
    recipe: Recipe,
    folder: str | os.PathLike,
    *,
    generations: int = 40,
    population: int | None = None,
    episodes: int = 2,
    seed: int | None = None,
    progress: Callable[[int, float, float], None] = lambda generation, best, mean: None,
) -> dict[str, float]:
    """Search; returns the best parameters, and goes on from ``folder/checkpoint.pkl`` where there is one.

    population, seed : candidates a generation and seed of the search; None takes those of the checkpoint, or 12 and 1
    episodes : training seeds of each setting, new ones every generation (10,000 and above, never those of a score)
    progress : called after a generation with its number, the best cost and the mean cost of it
    """
    import cma

    names = list(recipe.parameters)
    start = np.array([recipe.parameters[n][0] for n in names])
    scale = np.array([recipe.parameters[n][1] for n in names])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pkl"
    found = resume(checkpoint, recipe, population, seed)
    if found is not None:
        strategy, made = found
    else:
        made = {"recipe": recipe.name, "parameters": names, "settings": recipe.settings}
        made |= {"population": population or 12, "seed": seed or 1}
        options = {"popsize": made["population"], "seed": made["seed"], "verbose": -9}
        strategy = cma.CMAEvolutionStrategy(np.zeros(len(names)), 1.0, options)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        while strategy.countiter < generations:
            seeds = [10_000 + 100 * strategy.countiter + k for k in range(episodes)]
            candidates = strategy.ask()
            values = [dict(zip(names, start + scale * c, strict=True)) for c in candidates]
            tasks = [(recipe.name, recipe.settings, one, seeds) for one in values]
            costs = pool.starmap(evaluate, tasks, chunksize=1)
            strategy.tell(candidates, costs)
            replace_file(checkpoint, partial(pickle.dump, {"made": made, "strategy": strategy}))
            progress(strategy.countiter, min(costs), float(np.mean(costs)))
    return dict(zip(names, (start + scale * strategy.mean).tolist(), strict=True))
