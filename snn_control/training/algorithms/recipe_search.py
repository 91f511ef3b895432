"""Search the parameters of a recipe by CMA-ES (Hansen 2016, arXiv:1604.00772; the ``cma`` package).

A run can be stopped at any time and resumed. The file ``checkpoint.npz`` in its folder stores the candidates of the
search and their costs. It does not store the state of the package ``cma``, which could only be pickled: opening a
pickle runs code. The seed and the costs determine the search, so replaying them restores its state exactly, within
milliseconds.
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
from ...files import Arrays, reason, replace_file
from ..environments.play_episode import episode
from ..progress import locked_folder
from ..recipes import Recipe

__all__ = ["Search", "evaluate", "evolve"]

FORMAT = "snn_control search 1"

_environments: dict[tuple[str, str], list] = {}


class Search:
    """A search by CMA-ES over the scaled parameters of a recipe. It starts at 0 with standard deviation 1.

    made : description of the search as plain JSON data, with the entries ``parameters`` (their names), ``population``
        (candidates per generation) and ``seed``
    """

    def __init__(self, made: Mapping[str, Any]) -> None:
        import cma

        self.made = json.loads(json.dumps(made, default=str))
        # a private generator, seeded as cma would seed it: other users of the global one must not change a replay
        options = {"popsize": made["population"], "randn": np.random.RandomState(made["seed"]).randn, "seed": np.nan}
        self._strategy = cma.CMAEvolutionStrategy(np.zeros(len(made["parameters"])), 1.0, options | {"verbose": -9})
        self._asked: list[np.ndarray] = []
        self._costs: list[Sequence[float]] = []

    @property
    def generations(self) -> int:
        return len(self._costs)

    @property
    def mean(self) -> np.ndarray:
        """The current mean of the search, which is its best estimate, as a (parameters,) float64 array."""
        return self._strategy.mean

    def ask(self) -> np.ndarray:
        """Return the candidates of the next generation as a (population, parameters) float64 array."""
        return np.array(self._strategy.ask())

    def tell(self, candidates: np.ndarray, costs: Sequence[float]) -> None:
        self._strategy.tell(list(candidates), list(costs))
        self._asked.append(candidates)
        self._costs.append(costs)

    def save(self, path: Path) -> None:
        """Write the candidates and costs of the search atomically to an .npz file."""
        arrays = {"format": np.array(FORMAT), "made": np.array(json.dumps(self.made))}
        arrays |= {"candidates": np.array(self._asked), "costs": np.array(self._costs, np.float64)}
        replace_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike) -> Search:
        """Read a file written by `save`.

        Raises FileNotFoundError if there is no file. Raises DescriptionError if the file was not written by `save`, or
        if replaying it gives other candidates.
        """
        try:
            with Arrays(path) as file:
                if str(file["format"]) != FORMAT:
                    raise ValueError(f"its format is {str(file['format'])[:40]!r}")
                made, asked, costs = json.loads(str(file["made"])), file["candidates"], file["costs"]
            shape = (len(costs), int(made["population"]), len(made["parameters"]))
            if asked.shape != shape or costs.shape != shape[:2] or {asked.dtype, costs.dtype} != {np.dtype(float)}:
                raise ValueError("its arrays do not fit together")
            search = cls(made)
        except FileNotFoundError:
            raise
        except Exception as error:  # the file may hold anything, and cma may raise any exception
            rule = f"is not a checkpoint that this version can read ({reason(error)})"
            raise DescriptionError("--run", str(path), rule, "choose another folder") from None
        for candidates, told in zip(asked, costs, strict=True):
            if not np.array_equal(search.ask(), candidates):
                rule = "was made by another release of cma or NumPy: this one cannot continue it to the same result"
                raise DescriptionError("--run", str(path), rule, "choose another folder")
            search.tell(candidates, told.tolist())
        return search


def evaluate(recipe: Recipe, values: Mapping[str, float], seeds: Sequence[int]) -> float:
    """Return the mean cost of the controller that a recipe makes from these parameter values.

    The mean covers all settings of the recipe, and all ``seeds``. The cost is infinite if the controller cannot be
    built.
    """
    import gymnasium

    key = recipe.name, repr(recipe.settings)
    if key not in _environments:
        make = functools.partial(gymnasium.make, recipe.environment, disable_env_checker=True)
        _environments[key] = [make(**setting) for setting in recipe.settings]
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
    """Return the search that a checkpoint stores; None if there is no checkpoint.

    population : required number of candidates per generation; None: any
    seed : required seed of the search; None: any

    Raises DescriptionError if the checkpoint stores another search.
    """
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
    """Run the search and return the best parameters. Resume from ``folder/checkpoint.npz`` if this file exists.

    population : number of candidates in a generation; None: that of the checkpoint, or 12 if there is none
    seed : seed of the search; None: that of the checkpoint, or 1 if there is none
    episodes : number of episodes that a candidate plays in each setting. Every generation has new seeds, which are
        10,000 or above and are never used for evaluation
    progress : called after each generation with the number, the best cost and the mean cost of the generation
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
                tasks = [(recipe, candidate, seeds) for candidate in values]
                costs = pool.starmap(evaluate, tasks, chunksize=1)
                search.tell(candidates, costs)
                search.save(checkpoint)
                progress(search.generations, min(costs), float(np.mean(costs)))
    return dict(zip(names, (start + scale * search.mean).tolist(), strict=True))
