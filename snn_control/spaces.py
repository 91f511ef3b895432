"""Whether a controller fits a Gymnasium environment: its inputs and outputs; Gymnasium itself is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import DescriptionError

__all__ = ["check_action", "check_observation"]


def check_action(outputs: Mapping[str, tuple[int, int | None]], space: Any) -> None:
    """Raise DescriptionError where the outputs cannot be an action of ``space``.

    outputs : name -> (how many numbers, how many actions where it is an arg-max output, else None)
    space : a ``gymnasium.spaces.Space``, known by its attributes
    """
    if space.shape is None:  # of parts: Dict, Tuple, ...
        raise DescriptionError("outputs", list(outputs), f"must be one array, the environment takes {space}")
    discrete = space.shape == () and hasattr(space, "n")
    size = int(np.prod(space.shape, dtype=np.int64))
    if sum(numbers for numbers, _ in outputs.values()) != size:
        names = ", ".join(f"{name} ({numbers})" for name, (numbers, _) in outputs.items())
        raise DescriptionError("outputs", names, f"must be as many numbers as the environment's action: {size}")
    for name, (_, actions) in outputs.items():
        where = f"outputs.{name}.decoder"
        if discrete and actions is None:
            rule = f"must be argmax: the environment takes one of {space.n} actions"
            raise DescriptionError(where, "a sum of decoders", rule)
        if discrete and actions != space.n:
            raise DescriptionError(f"{where}.actions", actions, f"must be the environment's: {space.n}")
        if not discrete and actions is not None:
            rule = f"must be a sum of decoders: the environment takes {space}, not the index of an action"
            raise DescriptionError(where, "argmax", rule)


def check_observation(inputs: Mapping[str, Mapping[str, Any]], space: Any) -> None:
    """Raise DescriptionError where `Controller.predict` could not take an observation of ``space``.

    inputs : name -> what a Program's facts say of it: ``kind``, ``size`` (how many values, or the width and height
        of a sensor) and ``required``
    space : a ``gymnasium.spaces.Space``, known by its attributes; of a Dict the parts that are inputs are looked at
    """
    parts = getattr(space, "spaces", None)
    if isinstance(parts, Mapping):
        for name, one in inputs.items():
            if name not in parts and one["required"]:
                raise DescriptionError(f"inputs.{name}", None, f"is not in the observation, which has {list(parts)}")
            shape = getattr(parts.get(name), "shape", None)
            if one["kind"] == "value" and shape is not None:
                _check_size(f"inputs.{name}.size", one["size"], f"environment's observation['{name}']", shape)
            elif one["kind"] == "events" and shape is not None:
                _check_sensor(f"inputs.{name}.size", one["size"], parts[name])
    elif space.shape is not None:
        for name, one in inputs.items():
            if one["kind"] != "value":
                rule = f"cannot be part of an observation that is one array of shape {space.shape}"
                raise DescriptionError(f"inputs.{name}.kind", one["kind"], rule)
        names = list(inputs)
        where, sizes = f"inputs.{names[0]}.size" if len(names) == 1 else "inputs", [i["size"] for i in inputs.values()]
        _check_size(where, sum(sizes), "environment's observation", space.shape, dict(zip(names, sizes)))


def _check_sensor(where: str, size: Sequence[int], space: Any) -> None:
    """Events beyond the sensor would be left out, tick after tick; 65535 stands for a place that is not known."""
    high = np.asarray(getattr(space, "high", np.zeros((0, 4))))
    if high.ndim != 2 or high.shape[1] < 3 or not len(high):
        return
    last = high[0, 1:3].astype(float).tolist()
    if any(side < far < 65535 for side, far in zip(size, last)):
        rule = f"must hold the environment's events, up to column {last[0]:.0f} and row {last[1]:.0f}"
        raise DescriptionError(where, list(size), rule)


def _check_size(where: str, size: int, what: str, shape: tuple[int, ...], each: Any = ()) -> None:
    numbers = int(np.prod(shape, dtype=np.int64))
    if size != numbers:
        raise DescriptionError(where, each if len(each) > 1 else size, f"must be {numbers} numbers, as the {what}")
