"""Recipes: Python files that make and train controllers for one task.

``examples/recipes`` contains the recipes of the shipped controllers.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..controller_file import ControllerSpec
from ..errors import DescriptionError, nearest
from ..resources import shipped, shipped_names

__all__ = ["Recipe", "TaughtRecipe", "controller_file", "load_recipe", "write_controller"]

FOLDER, SUFFIX = "examples/recipes", ".py"


@dataclass(frozen=True)
class Recipe:
    """A recipe for a family of controllers with few parameters, whose values CMA-ES searches.

    name : name of the recipe's file, and of the controller file that the recipe writes
    parameters : name -> (start, scale): the value at which a search starts, and its initial standard deviation
    make : function (parameter values by name) -> controller
    environment : Gymnasium id
    settings : sets of keyword arguments for the environment; a candidate plays one episode for each set and seed
    horizon : maximum number of steps of a training episode
    score : function (rewards of an episode, info of its last step) -> cost, which the search minimises
    """

    name: str
    parameters: Mapping[str, tuple[float, float]]
    make: Callable[[Mapping[str, float]], ControllerSpec]
    environment: str
    settings: tuple[Mapping[str, Any], ...]
    horizon: int
    score: Callable[[np.ndarray, Mapping[str, Any]], float]
    comment: str = ""


@dataclass(frozen=True)
class TaughtRecipe:
    """A recipe with a training procedure, a Python function, in place of CMA-ES.

    environment : Gymnasium id
    teach : function (seed, folder of the checkpoint, number of processes, progress) -> controller. The function resumes
        from the checkpoint. After each round of training it calls ``progress`` with the number of the round, the total
        number of rounds, and a text about the result
    """

    name: str
    comment: str
    environment: str
    teach: Callable[[int, Path, int, Callable[[int, int, str], object]], ControllerSpec]


def load_recipe(file: str) -> Recipe | TaughtRecipe:
    """Return the object ``RECIPE`` of a Python file. The file is imported as a module, which runs its code.

    file : path of a file (.py), or name of a shipped recipe

    Raises DescriptionError if there is no such file, if it defines no ``RECIPE``, or if another module has its name.
    """
    try:
        path = Path(file).absolute() if file.endswith(SUFFIX) else shipped(file, FOLDER, SUFFIX)
    except DescriptionError:
        raise DescriptionError("RECIPE", file, "is not known", nearest(file, shipped_names(FOLDER, SUFFIX))) from None
    if not path.is_file():
        raise DescriptionError("RECIPE", file, "is not a file")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # worker processes import it from there, too
    module = importlib.import_module(path.stem)
    if Path(str(module.__file__)) != path:
        rule = f"has the name of another module, {module.__file__}"
        raise DescriptionError("RECIPE", file, rule, "choose another name for the file")
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe | TaughtRecipe):
        raise DescriptionError("RECIPE", file, "holds no RECIPE", f"see {FOLDER}/cartpole.py")
    return recipe


def controller_file(name: str, out: str | os.PathLike) -> Path:
    """Return the path for a new controller file.

    The path is ``out`` itself if this ends with .yaml or .yml, otherwise ``NAME.yaml`` in the folder ``out``.
    """
    path = Path(out)
    return path if path.suffix in (".yaml", ".yml") else path / f"{name}.yaml"


def write_controller(recipe: Recipe, values: Mapping[str, float], out: str | os.PathLike, command: str = "") -> Path:
    """Write a recipe's controller file atomically, with an ``.npz`` file if it has arrays. Return the path of the file.

    values : parameter values of the recipe by name
    out : see `controller_file`
    command : the command that made the controller, for the comment at the top of the file
    """
    head = [recipe.comment] + ([f"Made by: {command}"] if command else [])
    if len(values) <= 24:
        head.append("Parameters: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
    return recipe.make(values).save(controller_file(recipe.name, out), "\n".join(head))
