"""Evolution of a recipe's parameters by CMA-ES (Hansen 2016, arXiv:1604.00772; the ``cma`` package).

A run can be stopped at any time and resumed: its state is in ``checkpoint.npz`` of its folder.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...controller import Controller
from ...errors import DescriptionError, SnnControlError
from ..environments.rollout import episode
from ..progress import locked_folder
from ..recipes import Recipe, recipes
from .cma_checkpoint import Search

__all__ = ["evaluate", "evolve"]

_environments: dict[tuple[str, str], list] = {}


def evaluate(
    name: str, settings: Sequence[Mapping[str, Any]], values: Mapping[str, float], seeds: Sequence[int]
) -> float:
    """Mean cost of a recipe's controller over ``settings`` and ``seeds``; infinity if it cannot be built."""
    import gymnasium

    recipe, key = recipes()[name], (name, repr(settings))
    assert isinstance(recipe, Recipe)
    if key not in _environments:
        make = functools.partial(gymnasium.make, recipe.environment, disable_env_checker=True)
        _environments[key] = [make(**setting) for setting in settings]
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


def resume(checkpoint: Path, recipe: Recipe, population: int | None, seed: int | None) -> Search | None:
    """The search in a checkpoint, or None if there is no checkpoint. Raises DescriptionError if it is of another
    search."""
    if (old := checkpoint.with_suffix(".pkl")).exists() and not checkpoint.exists():
        rule = "is from an older release and no longer supported: a pickle can run code"
        raise DescriptionError("--run", str(old), rule, "remove it, or choose another folder")
    try:
        search = Search.load(checkpoint)
    except FileNotFoundError:
        return None
    made, rule, fix = search.made, "", "choose another folder"
    if made.get("recipe") != recipe.name:
        rule = f"holds a search of the recipe {made.get('recipe')}, not {recipe.name}"
    elif tuple(made["parameters"]) != tuple(recipe.parameters):
        rule = f"holds a search of other parameters than those {recipe.name} has now"
    elif (worlds := made.get("settings")) != json.loads(json.dumps(recipe.settings, default=str)):
        rule = f"holds a search in other worlds: {', '.join(map(str, worlds or []))}"
        fix = f"give the same --arg, or {fix}"
    if rule:
        raise DescriptionError("--run", str(checkpoint.parent), rule, fix)
    for key, asked in (("population", population), ("seed", seed)):
        if asked not in (None, made[key]):
            rule = f"must be {made[key]}, as in the search that {checkpoint.parent} holds"
            raise DescriptionError(f"--{key}", asked, rule, "leave it out, or start again in another --run folder")
    return search


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
    """Run the search and return the best parameters; resumes from ``folder/checkpoint.npz`` if that exists.

    population, seed : candidates in a generation and seed of the search; None takes those of the checkpoint, or 12 and
        1
    episodes : training seeds of each setting, new ones in every generation (10,000 and above, never those of a score)
    progress : called after each generation with its number, its best cost and its mean cost
    """
    names = list(recipe.parameters)
    start, scale = np.array([recipe.parameters[n][:2] for n in names]).T
    checkpoint = Path(folder) / "checkpoint.npz"
    with locked_folder(folder):
        search = resume(checkpoint, recipe, population, seed)
        if search is None:
            made = {"recipe": recipe.name, "parameters": names, "settings": recipe.settings}
            search = Search(made | {"population": population or 12, "seed": seed or 1})
        with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
            while search.generations < generations:
                seeds = [10_000 + 100 * search.generations + k for k in range(episodes)]
                candidates = search.ask()
                values = [dict(zip(names, start + scale * c, strict=True)) for c in candidates]
                tasks = [(recipe.name, recipe.settings, one, seeds) for one in values]
                costs = pool.starmap(evaluate, tasks, chunksize=1)
                search.tell(candidates, costs)
                search.save(checkpoint)
                progress(search.generations, min(costs), float(np.mean(costs)))
    return dict(zip(names, (start + scale * search.mean).tolist(), strict=True))
