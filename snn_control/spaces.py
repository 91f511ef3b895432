"""Whether the outputs of a controller are an action of a Gymnasium environment; Gymnasium itself is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import DescriptionError

__all__ = ["check_action"]


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
