"""What a recipe is, and how its result is written."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ...files import replace_file, replace_text

__all__ = ["Recipe", "recipes", "write_controller"]


@dataclass(frozen=True)
class Recipe:
    """A family of controllers.

    parameters : name -> (start, scale): where a search begins and how far it reaches at first
    make : values by name -> (controller file as plain data, arrays that it refers to as ``NAME.npz#key``)
    environment : Gymnasium id
    settings : keyword arguments of the environment, one episode each
    horizon : steps of one training episode
    score : (rewards of an episode, last info) -> cost, to be made small
    """

    name: str
    parameters: Mapping[str, tuple[float, float]]
    make: Callable[[Mapping[str, float]], tuple[dict[str, Any], dict[str, np.ndarray]]]
    environment: str
    settings: tuple[Mapping[str, Any], ...]
    horizon: int
    score: Callable[[np.ndarray, Mapping[str, Any]], float]
    comment: str = ""


def recipes() -> dict[str, Recipe]:
    """The shipped recipes by name."""
    modules = [importlib.import_module(f"{__package__}.{name}") for name in ("cartpole", "pan_tilt")]
    return {m.RECIPE.name: m.RECIPE for m in modules}


class _Dumper(yaml.SafeDumper):
    """Nested mappings in block style, lists and the innermost mappings in one line."""


def _flow(dumper: yaml.SafeDumper, data: dict) -> yaml.Node:
    node = yaml.SafeDumper.represent_dict(dumper, data)
    leaf = not any(
        isinstance(v, dict) or (isinstance(v, list) and any(isinstance(e, dict) for e in v)) for v in data.values()
    )
    node.flow_style = leaf
    return node


def _line(dumper: yaml.SafeDumper, data: list) -> yaml.Node:
    flow = not any(isinstance(e, dict) for e in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


_Dumper.add_representer(dict, _flow)
_Dumper.add_representer(list, _line)


def write_controller(recipe: Recipe, values: Mapping[str, float], folder: str | os.PathLike, command: str = "") -> Path:
    """Write ``NAME.yaml`` (and ``NAME.npz``, if it has arrays) whole; returns the path of the controller file.

    command : what made it, for the file's head
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    document, arrays = recipe.make(values)
    if arrays:
        replace_file(folder / f"{recipe.name}.npz", lambda file: np.savez_compressed(file, **arrays))  # type: ignore
    head = f"# {recipe.comment}\n" + (f"# Made by: {command}\n" if command else "")
    shown = ", ".join(f"{k} {v:.4g}" for k, v in values.items()) if len(values) <= 24 else ""
    head += f"# Parameters: {shown}\n" if shown else ""
    text = head + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)
    path = folder / f"{recipe.name}.yaml"
    replace_text(path, text)
    return path
