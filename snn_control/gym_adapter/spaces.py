"""Check and convert the inputs and outputs of a controller against Gymnasium spaces, without importing Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ..errors import DescriptionError, InputError, counted, in_line
from .flat import flattened

__all__ = [
    "as_action", "as_actions", "as_command", "check_action", "check_image", "check_observation", "image_input",
    "inputs_of", "numbers_of", "parts_of", "released",
]  # fmt: skip


def check_action(outputs: Mapping[str, tuple[int, int | None]], space: Any) -> None:
    """Raise DescriptionError if the outputs cannot be an action of ``space``.

    outputs : name of an output -> (number of values, number of actions); the number of actions is None unless the
        output is an arg-max
    space : a ``gymnasium.spaces.Space``, recognised by its attributes as Box, Discrete, MultiDiscrete or MultiBinary
    """
    if space.shape is None:  # a space with parts: Dict, Tuple, ...
        rule = f"must be one array, the environment takes {_short(space)}"
        raise DescriptionError("outputs", list(outputs), rule, "wrap it: gymnasium.wrappers.TransformAction")
    size = int(np.prod(space.shape, dtype=np.int64))
    choices = _choices(space, size)
    if sum(numbers for numbers, _ in outputs.values()) != size:
        names = ", ".join(f"{name} ({numbers})" for name, (numbers, _) in outputs.items())
        rule = f"must be as many numbers as the environment's action: {size}"
        fix = "one argmax output for each choice" if choices else "set size and decoder"
        raise DescriptionError("outputs", names, rule, f"{fix}; it takes {_short(space)}")
    for k, (name, (_, actions)) in enumerate(outputs.items()):
        where = f"outputs.{name}.decoder"
        if choices and actions is None:
            rule = f"must be argmax: the environment takes one of {choices[k]} actions"
            raise DescriptionError(where, "a sum of decoders", rule)
        if choices and actions != choices[k]:
            raise DescriptionError(f"{where}.actions", actions, f"must be the environment's: {choices[k]}")
        if not choices and actions is not None:
            rule = f"must be a sum of decoders: the environment takes {_short(space)}, not the index of an action"
            raise DescriptionError(where, "argmax", rule)


def as_action(command: np.ndarray, space: Any) -> Any:
    """Convert a controller's command, (k,), to an action of a space.

    For a Box, the action is an array with the space's shape and dtype. The array is clipped to the bounds, because
    rounding can exceed them. For a Discrete space, the action is an integer; for all other spaces, an array of
    integers. Integers count from the space's first action.
    """
    return _actions(command, space, space.shape)


def as_actions(commands: np.ndarray, space: Any) -> list[Any]:
    """Convert the commands of n controllers, (n, k), to a list of n actions, as `as_action` does for one command."""
    actions = _actions(commands, space, (-1, *space.shape))
    if not hasattr(space, "low"):
        return list(actions)
    return [actions[k, ...] for k in range(len(actions))]  # arrays, even if the shape is ()


def _actions(numbers: np.ndarray, space: Any, shape: tuple[int, ...]) -> Any:
    if not hasattr(space, "low"):
        return numbers.astype(np.int64).reshape(shape) + getattr(space, "start", 0)
    whole = np.rint(numbers) if space.dtype.kind in "iu" else numbers
    actions = whole.astype(space.dtype).reshape(shape)
    return actions.clip(space.low, space.high, out=actions)


def as_command(action: Any, space: Any) -> np.ndarray:
    """Convert an action of a space to a command, (k,) float32. The function is the inverse of `as_action`."""
    return (np.asarray(action, np.float32) - getattr(space, "start", 0)).astype(np.float32).reshape(-1)


def inputs_of(observation: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an observation to samples for a controller: name of an input -> values or events.

    inputs : as in `check_observation`

    Raises InputError if a required input is missing.
    """
    if type(observation) is tuple and (parts := flattened(observation)):
        observation = parts
    if type(observation) is not dict and not isinstance(observation, Mapping):
        if getattr(observation, "ndim", 1) > 1 and (name := image_input(inputs, observation.shape)):
            return {name: observation}
        return _cut(observation, inputs)
    given = _given(observation, inputs)
    if len(given) < len(inputs):
        given = _given(flattened(observation), inputs)
    for name, one in inputs.items() if len(given) < len(inputs) else ():
        if name not in given and (one.required or not given):
            raise InputError(f"observation has {list(observation)}: no '{name}'; the inputs are {', '.join(inputs)}")
    return given


def image_input(inputs: Mapping[str, Any], shape: Sequence[int] | None) -> str:
    """Return the name of the input for an observation that is one image, without names; "" if no input accepts it.

    inputs : as in `check_observation`
    shape : shape of the observation
    """
    needed = [name for name, one in inputs.items() if one.required]
    names = [name for name, one in inputs.items() if one.camera and needed in ([], [name])]
    return names[0] if len(names) == 1 and shape is not None and len(shape) > 1 else ""


def _given(observation: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    given = {}
    for name, one in inputs.items():
        if name in observation:
            given[name] = observation[name]
            if one.kind == "events" and f"{name}_count" in observation:
                given[name] = given[name][: int(np.asarray(observation[f"{name}_count"]).reshape(-1)[0])]
    return given


def _cut(observation: Any, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    array = np.asarray(observation)
    if array.dtype.kind not in "biuf":
        raise InputError(f"observation = {in_line(repr(observation), 80)}: must be numbers")
    flat = array.astype(np.float64).reshape(-1)
    sizes = parts_of(inputs, flat.size)
    if not sizes:
        need = " + ".join(f"{name} ({one.size})" for name, one in inputs.items())
        raise InputError(f"observation of {counted(flat.size)}: the inputs are {need}")
    ends = accumulate(sizes.values())  # slices: np.split would take longer
    return {name: flat[end - size : end] for (name, size), end in zip(sizes.items(), ends, strict=True)}


def released(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return samples with which the inputs with ``stop_when`` do not stop the commands: name -> (size,) float64."""
    stops = {name: one for name, one in inputs.items() if getattr(one, "stop_when", "")}
    return {name: np.full(one.size, float(one.stop_when == "zero")) for name, one in stops.items()}


def _choices(space: Any, size: int) -> list[int]:
    """Return the number of actions for each element of a discrete space; an empty list for any other space."""
    if hasattr(space, "nvec"):
        return [int(n) for n in np.ravel(space.nvec)]
    if hasattr(space, "n"):
        return [int(space.n)] if space.shape == () else [2] * size
    return []


def check_observation(inputs: Mapping[str, Any], space: Any) -> None:
    """Raise DescriptionError if `Controller.predict` cannot read observations of ``space``.

    inputs : name -> description of the input in the Program (`snn_control.engine.facts.InputFacts`)
    space : a ``gymnasium.spaces.Space``, recognised by its attributes; in a Dict space, only the entries for inputs are
        checked
    """
    parts = getattr(space, "spaces", None)
    if isinstance(parts, Mapping):
        for name, one in inputs.items():
            if name in parts:
                where = f"inputs.{name}.size"
                if one.camera:
                    check_image(where, one.size, f"environment's observation['{name}']", parts[name])
                elif one.kind == "value":
                    _check_size(where, one.size, f"environment's observation['{name}']", parts[name])
                else:
                    _check_sensor(where, one.size, parts[name])
            elif one.required:
                rule = f"is not in the observation, which has {list(parts)}"
                raise DescriptionError(f"inputs.{name}", None, rule, "give inputs the names of its parts")
        return
    if name := image_input(inputs, space.shape):
        check_image(f"inputs.{name}.size", inputs[name].size, "environment's observation", space)
        return
    if parts_of(inputs, numbers_of(space)):
        return
    for name, one in inputs.items():
        if one.kind != "value":
            rule = f"cannot be part of an observation without names: {_short(space)}"
            raise DescriptionError(f"inputs.{name}.kind", one.kind, rule)
    names, sizes = list(inputs), [one.size for one in inputs.values()]
    where = f"inputs.{names[0]}.size" if len(names) == 1 else "inputs"
    _check_size(where, sum(sizes), "environment's observation", space, dict(zip(names, sizes)))


def parts_of(inputs: Mapping[str, Any], numbers: int | None) -> dict[str, int]:
    """Divide an observation that is one array among the inputs. Return the number of elements for each input by name.

    If the sizes of all inputs add up to ``numbers``, all inputs receive elements. Otherwise, if the sizes of the
    required inputs add up to ``numbers``, only these receive elements. Otherwise the result is empty.

    numbers : number of elements of the observation

    inputs : as in `check_observation`
    """
    required = {name: one for name, one in inputs.items() if one.required}
    for taken in (inputs, required):
        if all(one.kind == "value" for one in taken.values()):
            sizes = {name: one.size for name, one in taken.items()}
            if sizes and sum(sizes.values()) == numbers:
                return sizes
    return {}


def _check_sensor(where: str, size: Sequence[int], space: Any) -> None:
    """Raise DescriptionError if a space allows events outside the sensor, because ticks would ignore these events.

    where : name of the input, for the error message
    size : (width, height) of the sensor [pixel]
    space : space of the events; a bound of 65535 means that the camera's size is unknown
    """
    high = np.asarray(getattr(space, "high", np.zeros((0, 4))))
    if high.ndim != 2 or high.shape[1] < 3 or not len(high):
        return
    last = high[0, 1:3].astype(float).tolist()
    if any(side < far < 65535 for side, far in zip(size, last)):
        rule = f"must hold the environment's events, up to column {last[0]:.0f} and row {last[1]:.0f}"
        raise DescriptionError(where, list(size), rule)


def check_image(where: str, size: Sequence[int], what: str, space: Any) -> None:
    """Raise DescriptionError if a space does not contain images of a camera with ``size`` (width, height) pixels.

    where : path of the size, for the error message
    what : name of the space, for the error message
    """
    shape: tuple[int, ...] = getattr(space, "shape", None) or ()
    if len(shape) in (2, 3) and (shape[2:] or (1,))[0] in (1, 3, 4):
        if list(size) != [shape[1], shape[0]]:
            raise DescriptionError(where, list(size), f"must be that of the {what}: [{shape[1]}, {shape[0]}]")
        return
    raise DescriptionError(
        where, list(size), f"takes images of rows, columns and colours; the {what} is {_short(space)}"
    )


def _check_size(where: str, size: int, what: str, space: Any, each: Any = ()) -> None:
    shown = each if len(each) > 1 else size
    numbers = numbers_of(space)
    if numbers is None:
        fix = "wrap the environment: gymnasium.wrappers.FlattenObservation"
        raise DescriptionError(where, shown, f"cannot be given the {what}: it is not an array but {_short(space)}", fix)
    if size != numbers:
        fix = "" if len(each) > 1 else f"write size: {numbers}, and range, encoder and weights to match"
        raise DescriptionError(where, shown, f"must be {counted(numbers)}, as the {what}", fix)


def numbers_of(space: Any) -> int | None:
    """Return the number of values in a space of an array, or a tuple of equal arrays; None for any other space."""
    if space.shape is not None:
        return int(np.prod(space.shape, dtype=np.int64))
    parts = getattr(space, "spaces", None)
    if isinstance(parts, tuple) and parts and len({part.shape for part in parts}) == 1 and parts[0].shape is not None:
        return len(parts) * int(np.prod(parts[0].shape, dtype=np.int64))
    return None


def _short(space: Any) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 80 else text[:77] + "..."
