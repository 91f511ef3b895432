"""Find the inputs and outputs that a controller needs for the spaces of a Gymnasium environment.

For an unsupported space, an error explains the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import DescriptionError

__all__ = ["MAX_OBSERVATION_NUMBERS", "SpaceInput", "SpaceOutput", "inputs_of", "outputs_of"]

MAX_OBSERVATION_NUMBERS = 1024  # largest size of an observation
MOST_ACTIONS = 512  # largest count of numbers or choices; a decoder has a row of weights for each
UNBOUNDED = 1e6  # bounds of an action beyond this count as infinite

WRAP = "register one that is wrapped"  # the wrappers that docs/explanation/training.md describes
FLATTEN = f"{WRAP} in gymnasium.wrappers.FlattenObservation (docs/explanation/training.md)"
CHANGE_ACTION = f"{WRAP} in gymnasium.wrappers.TransformAction (docs/explanation/training.md)"
CHANGE = f"{WRAP} in gymnasium.wrappers.TransformObservation (docs/explanation/training.md)"
SHRINK = (
    f"{WRAP} in gymnasium.wrappers.GrayscaleObservation and ResizeObservation, to (32, 32) or less; or let it see "
    "numbers, or a camera's events ('snn_control new --events')"
)


@dataclass(frozen=True)
class SpaceInput:
    """An input of the controller file, for one part of the observation space.

    key : key in a Dict observation; None if the observation is one array
    kind : "numbers", "choices" or "events"
    low : (size,) float64, lower bounds of the space
    high : (size,) float64, upper bounds of the space; for events, the last column and the last row of the camera
    """

    name: str
    key: str | None
    kind: str
    space: Any
    low: np.ndarray
    high: np.ndarray

    @property
    def size(self) -> int:
        return self.low.size

    @property
    def picture(self) -> bool:
        """Whether the input is a picture. For the pixels of a picture, measured ranges would mean little."""
        return self.kind == "numbers" and self.space.dtype == np.uint8 and len(self.space.shape) > 1


@dataclass(frozen=True)
class SpaceOutput:
    """An output of the controller file, for one part of the action space.

    neurons : number of read-out neurons of the output, one for each number of a Box or each discrete action
    limits : low and high limits of an output for a Box, two (neurons,) float64 arrays; None for discrete actions
    whose : a comment for the file that names the source of the limits
    """

    name: str
    neurons: int
    limits: tuple[np.ndarray, np.ndarray] | None = None
    whose: str = ""


def inputs_of(space: Any) -> tuple[list[SpaceInput], dict[str, Any]]:
    """Return two values: the inputs for an observation space, and the ignored parts of a Dict space by their keys."""
    from gymnasium import spaces

    unseen = {}
    if not isinstance(space, spaces.Dict):
        found = [_value("observation", None, space)]
    else:
        cameras = [key for key, part in space.spaces.items() if _is_events(part) and f"{key}_count" in space.spaces]
        others = {key: part for key, part in space.spaces.items() if key.removesuffix("_count") not in cameras}
        unseen = {key: part for key, part in others.items() if _bounds(part) is None}
        if not cameras and len(unseen) == len(others):
            unseen = {}  # no part fits: `_value` refuses the first one and names what is wrong
        kept = [key for key in space.spaces if key in cameras or (key in others and key not in unseen)]
        found = [_camera(key, space[key]) if key in cameras else _value(key, key, space[key]) for key in kept]
    numbers = [one for one in found if one.kind != "events"]
    size = sum(one.size for one in numbers)
    if len(found) == len(numbers) and size == 0:
        raise DescriptionError("observation_space", space, "must have at least one number")
    if size > MAX_OBSERVATION_NUMBERS:
        pictures = any(one.picture for one in numbers)
        rule = f"must be at most {MAX_OBSERVATION_NUMBERS:,} numbers, and has {size:,}"
        raise DescriptionError("observation_space", space, rule, SHRINK if pictures else CHANGE)
    return found, unseen


def _bounds(space: Any) -> tuple[Any, Any] | None:
    """Return the lower and upper bounds of the numbers of a space; None if the space does not consist of numbers."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return space.low, space.high
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return space.start, space.start + (space.n if isinstance(space, spaces.Discrete) else space.nvec) - 1
    if isinstance(space, spaces.MultiBinary):
        return np.zeros(space.shape), np.ones(space.shape)
    if isinstance(space, spaces.Tuple):
        parts = [found for part in space if (found := _bounds(part)) is not None]
        if len(parts) == len(space.spaces) > 0:
            return np.concatenate([np.ravel(low) for low, _ in parts]), np.concatenate([np.ravel(h) for _, h in parts])
    return None


def _value(name: str, key: str | None, space: Any) -> SpaceInput:
    from gymnasium import spaces

    if (bounds := _bounds(space)) is None:
        path = "observation_space" if key is None else f"observation_space[{key!r}]"
        dict_of = ", or a Dict of these" if key is None else ""
        rule = f"must be a Box, Discrete, MultiDiscrete or MultiBinary{dict_of}"
        raise DescriptionError(path, space, rule, FLATTEN if space.is_np_flattenable else CHANGE)
    parts = space.spaces if isinstance(space, spaces.Tuple) else [space]
    kind = "numbers" if any(isinstance(part, spaces.Box) for part in parts) else "choices"
    return SpaceInput(name, key, kind, space, *(np.array(side, np.float64).reshape(-1) for side in bounds))


def _is_events(space: Any) -> bool:
    return space.shape is not None and len(space.shape) == 2 and space.shape[1] == 4 and hasattr(space, "high")


def _camera(key: str, space: Any) -> SpaceInput:
    last = np.array(space.high[0, 1:3], np.float64)
    if not (last < 65535).all():
        rule = "must have bounds that give the camera's numbers of columns and rows"
        fix = "'snn_control new FILE --events WIDTHxHEIGHT' writes a file to start from"
        raise DescriptionError(f"observation_space[{key!r}]", space, rule, fix)
    return SpaceInput(key, key, "events", space, np.zeros(2), last)


def outputs_of(space: Any) -> list[SpaceOutput]:
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return [_commands(space)]
    if isinstance(space, spaces.Discrete):
        choices = {"action": int(space.n)}
    elif isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        each = getattr(space, "nvec", np.full(space.shape, 2))
        choices = {f"action_{k}": int(n) for k, n in enumerate(np.ravel(each))}
    else:
        rule = "must be a Box, Discrete, MultiDiscrete or MultiBinary"
        raise DescriptionError("action_space", space, rule, CHANGE_ACTION)
    if min(choices.values(), default=0) < 2 or sum(choices.values()) > MOST_ACTIONS:
        rule = f"must be choices among 2 actions or more, at most {MOST_ACTIONS} in all"
        raise DescriptionError("action_space", space, rule, CHANGE_ACTION)
    return [SpaceOutput(name, n) for name, n in choices.items()]


def _commands(space: Any) -> SpaceOutput:
    low, high = (np.array(side, np.float64).reshape(-1) for side in (space.low, space.high))
    if not 0 < low.size <= MOST_ACTIONS:
        rule = f"must be 1 to {MOST_ACTIONS} numbers"
        raise DescriptionError("action_space", space, rule, CHANGE_ACTION)
    bounded = [np.abs(side) < UNBOUNDED for side in (low, high)]
    limits = np.where(bounded[0], low, np.minimum(-1.0, high - 2)), np.where(bounded[1], high, np.maximum(1.0, low + 2))
    if not (limits[0] < limits[1]).all():
        rule = "must have low < high"
        raise DescriptionError("action_space", space, rule, CHANGE_ACTION)
    whose = "from the space" if np.all(bounded) else "the space has no bounds: write those of the task"
    if space.dtype.kind in "iu":
        whose += "; `run` and `train` round commands to whole numbers"
    return SpaceOutput("action", low.size, limits, whose)
