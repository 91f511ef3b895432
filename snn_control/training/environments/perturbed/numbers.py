"""Find and change the numbers in an observation to which noise and offsets are added, and measure their ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import ObservationWrapper, spaces

from ...starting_point.space_parts import UNBOUNDED, outputs_of
from ..observation_statistics import actions_of, observe, ranges

__all__ = ["UNBOUNDED", "Numbers", "boxes_in", "changed", "copy_of", "numbers_in", "rest_of"]

MEASURED_STEPS = 1_000  # with random actions, and as many with held ones
Path = tuple[Any, ...]
_measured: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}  # environment and arguments -> ranges


class Numbers(NamedTuple):
    """One array of numbers in an observation.

    path : keys and indices that lead to the array in nested Dict and Tuple observations
    width : width of the range of each number, in the shape of the array
    """

    path: Path
    space: spaces.Box
    width: np.ndarray

    def seen(self, value: np.ndarray) -> np.ndarray:
        """Return numbers clipped to the space of the array, with its dtype; for integer spaces, numbers are rounded."""
        space = self.space
        clipped = np.minimum(np.maximum(value, space.low), space.high)
        return (np.rint(clipped) if space.dtype.kind in "iu" else clipped).astype(space.dtype)


def boxes_in(space: Any, path: Path = ()) -> list[tuple[Path, spaces.Box]]:
    """Return the arrays of numbers in a space, except the events of cameras, as a list of (path, space)."""
    if isinstance(space, spaces.Dict):
        cameras = [key for key in space.spaces if f"{key}_count" in space.spaces]
        skipped = {*cameras, *(f"{key}_count" for key in cameras)}
        return [one for key, part in space.items() if key not in skipped for one in boxes_in(part, (*path, key))]
    if isinstance(space, spaces.Tuple):
        return [one for key, part in enumerate(space.spaces) for one in boxes_in(part, (*path, key))]
    return [(path, space)] if isinstance(space, spaces.Box) and space.dtype.kind in "fiu" else []


def numbers_in(env: Any) -> list[Numbers]:
    """Return the arrays of numbers in the observations of an environment.

    The range of a number is that of its space. If the space has no bound there, or a bound beyond +-1e6, the range is
    measured, as ``snn_control new`` measures it for a controller file. The measurement plays the environment, always
    with the same seeds.
    """
    boxes, found = boxes_in(env.observation_space), []
    measured: list[tuple[np.ndarray, np.ndarray]] | None = None
    for k, (path, box) in enumerate(boxes):
        low, high = box.low.astype(np.float64), box.high.astype(np.float64)
        bounded = (low > -UNBOUNDED) & (high < UNBOUNDED)
        if not bounded.all():
            measured = _measure(env, boxes) if measured is None else measured
            low, high = (np.where(bounded, own, other) for own, other in zip((low, high), measured[k], strict=True))
        found.append(Numbers(path, box, high - low))
    return found


def _measure(env: Any, boxes: Sequence[tuple[Path, spaces.Box]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the measured ranges of all arrays: a list of (low, high), both in the shape of the array."""
    key = ""
    if env.spec is not None:
        kwargs = {name: value for name, value in env.spec.kwargs.items() if name != "render_mode"}
        key = f"{env.spec.id} {sorted(kwargs.items())}"
        if key in _measured:
            return _measured[key]

    class Boxes(ObservationWrapper):
        def observation(self, observation: Any) -> dict[str, Any]:
            return {str(k): _at(observation, path) for k, (path, _) in enumerate(boxes)}

    sizes: dict[str | None, int] = {str(k): box.low.size for k, (_, box) in enumerate(boxes)}
    actions = actions_of(env.action_space, outputs_of(env.action_space)[0].limits)
    seen = observe(Boxes(env), sizes, actions, MEASURED_STEPS, 0)[0]
    found = []
    for k, (_, box) in enumerate(boxes):
        bounds = box.low.astype(np.float64).ravel(), box.high.astype(np.float64).ravel()
        low, high, _ = ranges(*bounds, seen[str(k)])
        found.append((low.reshape(box.shape), high.reshape(box.shape)))
    if key:
        _measured[key] = found
    return found


def _at(observation: Any, path: Path) -> Any:
    for key in path:
        observation = observation[key]
    return observation


def replaced(observation: Any, changes: Mapping[Path, Any]) -> Any:
    """Return a copy of an observation in which the arrays at some paths are replaced.

    changes : path -> new array
    """
    if () in changes:
        return changes[()]
    inner: dict[Any, dict[Path, Any]] = {}
    for path, value in changes.items():
        inner.setdefault(path[0], {})[path[1:]] = value
    if isinstance(observation, tuple):
        return tuple(replaced(part, inner[k]) if k in inner else part for k, part in enumerate(observation))
    return {key: replaced(part, inner[key]) if key in inner else part for key, part in observation.items()}


def changed(observation: Any, numbers: Sequence[Numbers], change: Callable[[int, Any], Any]) -> Any:
    """Return a copy of an observation in which the numbers are changed and then clipped to their spaces.

    change : function (index in ``numbers``, array) -> new array
    """
    return replaced(
        observation, {one.path: one.seen(change(k, _at(observation, one.path))) for k, one in enumerate(numbers)}
    )


def copy_of(observation: Any) -> Any:
    """Return a copy of an observation, which stays the same if the environment later changes its arrays in place."""
    if isinstance(observation, Mapping):
        return {key: copy_of(part) for key, part in observation.items()}
    if isinstance(observation, tuple):
        return tuple(map(copy_of, observation))
    return observation.copy() if isinstance(observation, np.ndarray) else observation


def rest_of(space: Any) -> Any:
    """Return the neutral action before the first delayed one: zeros clipped to the space, or the first choice."""
    if isinstance(space, spaces.Box):
        return np.minimum(np.maximum(np.zeros(space.shape), space.low), space.high).astype(space.dtype)
    start = np.asarray(getattr(space, "start", 0))
    return int(start) if space.shape == () else np.broadcast_to(start, space.shape).astype(space.dtype)
