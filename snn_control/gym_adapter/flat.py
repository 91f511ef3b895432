"""Convert nested Gymnasium observations to a flat dictionary: name -> array.

For example, ``{"arm": {"joint pos": x}}`` becomes ``{"arm_joint_pos": x}``. The name of an array joins the keys on its
path by ``_``, and ``_`` replaces each character that is not allowed in a name. A name that would not begin with a
letter gets the prefix ``observation_``. The elements of a tuple are joined to one array if they have the same shape;
otherwise their keys are their indices from 0.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import NO_VALUE, DescriptionError
from ..network.checks import NAME

__all__ = ["flat_environment", "flattened", "unflattened"]

Path = tuple[Any, ...]


def _name(path: Path) -> str:
    text = re.sub("[^A-Za-z0-9_]", "_", "_".join(map(str, path)))
    return text if NAME.fullmatch(text) else f"observation_{text}"


def _parts(whole: Any) -> Iterator[tuple[Any, Any]] | None:
    if isinstance(whole, Mapping):
        return iter(whole.items())
    if isinstance(whole, tuple) and (
        any(isinstance(part, Mapping | tuple) for part in whole) or len({np.shape(part) for part in whole}) > 1
    ):
        return enumerate(whole)
    return None


def _leaves(whole: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if (parts := _parts(whole)) is None:
        yield path, whole
        return
    for key, part in parts:
        yield from _leaves(part, (*path, key))


def flattened(observation: Any) -> dict[str, Any]:
    """Return all arrays in a nested observation: name -> array; an empty dict for an observation that is not nested.

    An entry whose key is a valid name is also returned under its key.
    """
    if _parts(observation) is None:
        return {}
    own = observation if isinstance(observation, Mapping) else {}
    if own and not any(isinstance(part, Mapping | tuple) or not NAME.fullmatch(str(key)) for key, part in own.items()):
        return dict(own)
    return {_name(path): part for path, part in _leaves(observation)} | dict(own)


def unflattened(env: Any, observation: Any) -> Any:
    """Return an observation of `flat_environment` in the form of the environment without the wrapper."""
    return getattr(env, "unflattened", observation)


def flat_environment(env: Any) -> Any:
    """Return ``env`` in a wrapper that makes its observations flat, with valid names, or ``env`` if they already are.

    Observations that are nested, or have keys that are not valid names, need the wrapper. Raises DescriptionError if
    two arrays would have the same name.
    """
    from gymnasium import ObservationWrapper, spaces

    def parts_in(space: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(space, spaces.Dict):
            yield from space.spaces.items()
        elif isinstance(space, spaces.Tuple):
            shapes = {part.shape for part in space.spaces}
            if len(shapes) > 1 or None in shapes:  # no array can hold it
                yield from enumerate(space.spaces)

    def ends(space: Any, path: Path) -> Iterator[tuple[Path, Any]]:
        for key, part in parts_in(space):
            inner = list(ends(part, (*path, key)))
            yield from inner or [((*path, key), part)]

    found = list(ends(env.observation_space, ()))
    if all(len(path) == 1 and isinstance(path[0], str) and NAME.fullmatch(path[0]) for path, _ in found):
        return env
    paths: dict[str, Path] = {}
    for path, _ in found:
        if (other := paths.setdefault(_name(path), path)) != path:
            rule = f"has the parts {other} and {path}, which would both be called {_name(path)}"
            raise DescriptionError("observation_space", NO_VALUE, rule, "wrap the environment to rename its keys")

    class Flat(ObservationWrapper):
        def __init__(self) -> None:
            super().__init__(env)
            self.observation_space = spaces.Dict({_name(path): part for path, part in found})

        def observation(self, observation: Any) -> dict[str, Any]:
            self.unflattened = observation
            return {name: functools.reduce(operator.getitem, path, observation) for name, path in paths.items()}

    return Flat()
