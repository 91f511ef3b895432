"""Recipes: how the shipped controllers are made, one module each. A recipe turns parameters into a controller."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...controller_file import ControllerSpec

__all__ = ["Recipe", "Taught", "file_of", "recipes", "write_controller"]


@dataclass(frozen=True)
class Recipe:
    """A family of controllers.

    parameters : name -> (start, scale): where a search starts, and its initial deviation
    make : values by name -> controller
    environment : Gymnasium id
    settings : keyword arguments of the environment, for one episode each
    horizon : steps of one training episode
    score : (rewards of an episode, last info) -> cost, to be minimised
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
class Taught:
    """A controller that a procedure of its own teaches.

    environment : Gymnasium id
    teach : (seed, folder of its checkpoint, processes, progress) -> controller; it resumes from the checkpoint, and
        calls ``progress`` with the number of a round, the number of all, and what it gave
    """

    name: str
    comment: str
    environment: str
    teach: Callable[[int, Path, int, Callable[[int, int, str], object]], ControllerSpec]


def recipes() -> dict[str, Recipe | Taught]:
    """The shipped recipes by name: the ``RECIPE`` of each module in this package."""
    found = [importlib.import_module(f"{__name__}.{module.name}").RECIPE for module in pkgutil.iter_modules(__path__)]
    return {recipe.name: recipe for recipe in found}


def file_of(name: str, out: str | os.PathLike) -> Path:
    """The controller file ``out``, or ``NAME.yaml`` in the folder ``out``."""
    path = Path(out)
    return path if path.suffix in (".yaml", ".yml") else path / f"{name}.yaml"


def write_controller(recipe: Recipe, values: Mapping[str, float], out: str | os.PathLike, command: str = "") -> Path:
    """Write a controller file (and its ``.npz``, if it has arrays) atomically; returns its path.

    out : see `file_of`
    command : the command that made it, for the head of the file
    """
    head = [recipe.comment] + ([f"Made by: {command}"] if command else [])
    if len(values) <= 24:
        head.append("Parameters: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
    return recipe.make(values).save(file_of(recipe.name, out), "\n".join(head))
