"""Tunable numbers, which may be changed while the controller runs: ``{value: 0.5, tunable: [0.1, 2]}`` instead of 0.5.

An array is tuned by a factor that multiplies the array and is 1 at first. The name of a tunable number is its path in
the file, for example ``network.populations.hidden.neuron.v_threshold`` or ``outputs.speed.decoder.weights``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

import numpy as np

from ..errors import NO_VALUE, DescriptionError, close_match
from .keys import keys, may_be_tuned
from .reader import FLOAT_MAX

__all__ = ["Tunable", "change", "mark", "parameter_name", "take_tunable", "value_at"]

#: what may be tuned; safety settings (limits, ages, the guard) do not change at run time
ALLOWED = re.compile(r"network\.|inputs\.\w+\.(encoder|filters)\b|outputs\.\w+\.(decoder|bias)\b")
STEP = re.compile(r"\[(\d+)\]|([^.\[]+)")

Path = str


@dataclass(frozen=True)
class Tunable:
    """Range of a tunable number, or of the factor of a tunable array.

    low, high : smallest and largest value
    """

    low: float
    high: float


def take_tunable(values: Any, path: Path = "") -> tuple[Any, dict[Path, Tunable]]:
    """Remove the marks ``tunable`` from a parsed YAML document. Return the document, and path -> tunable range.

    Raises DescriptionError for a mark that is not allowed.
    """
    if isinstance(values, Mapping) and "tunable" in values:
        return _take(values, path)
    if isinstance(values, Mapping) and len(values) == 2 and "value" in values:
        key = next(key for key in values if key != "value")
        if near := close_match(key, ["tunable"]):
            raise DescriptionError(f"{path}.{key}", values[key], "is not a known key", near)
    if isinstance(values, Mapping):
        parts = {key: take_tunable(value, f"{path}.{key}" if path else str(key)) for key, value in values.items()}
        plain: Any = {key: part for key, (part, _) in parts.items()}
    elif isinstance(values, list):
        parts = {k: take_tunable(value, f"{path}[{k}]") for k, value in enumerate(values)}
        plain = [part for part, _ in parts.values()]
    else:
        return values, {}
    return plain, {name: tunable for _, inner in parts.values() for name, tunable in inner.items()}


def _take(values: Mapping[Any, Any], path: Path) -> tuple[Any, dict[Path, Tunable]]:
    if set(values) != {"value", "tunable"}:
        raise DescriptionError(path or "file", dict(values), "must be {value: ..., tunable: [low, high]}")
    if not ALLOWED.match(path):
        rule = "cannot be tuned: only numbers of the network, encoders, filters, decoders and biases can"
        raise DescriptionError(f"{path}.tunable", values["tunable"], rule, "safety settings do not change at run time")
    ends = values["tunable"]
    numbers = isinstance(ends, list) and len(ends) == 2 and all(type(one) in (int, float) for one in ends)
    if not numbers or not -FLOAT_MAX <= ends[0] < ends[1] <= FLOAT_MAX:
        raise DescriptionError(f"{path}.tunable", ends, "must be [low, high], finite numbers with low < high")
    value = values["value"]
    factor = isinstance(value, str | list)
    if type(value) not in (int, float) and not factor:
        raise DescriptionError(f"{path}.value", value, "must be a number or an array")
    if not ends[0] <= (1.0 if factor else value) <= ends[1]:
        rule = "must hold 1, the factor of the array at first" if factor else f"must hold the value, {value}"
        raise DescriptionError(f"{path}.tunable", ends, rule)
    return value, {path: Tunable(float(ends[0]), float(ends[1]))}


def parameter_name(path: Path) -> str:
    """Convert a path to the name of a ROS node's parameter: ``projections[0]`` becomes ``projections_0``."""
    return re.sub(r"\[(\d+)\]", r"_\1", path)


def value_at(described: Any, path: Path) -> Any:
    """Return the number or array at a path in a description. Raises DescriptionError if this value cannot be tuned."""
    for place in _places(described, path):
        last, described = described, _at(described, place)
    known = keys(type(last)) if is_dataclass(last) else ()  # type: ignore[arg-type]
    tuned = any(key.field == place and may_be_tuned(type(last), key) for key in known)
    if not tuned or np.asarray(described).dtype.kind not in "iuf":
        rule = "cannot be tuned: it is neither a number with fractions nor an array"
        raise DescriptionError(f"{path}.tunable", described, rule)
    return described


def change(described: Any, path: Path, number: float) -> Any:
    """Return a copy of a description in which the value at ``path`` is changed.

    number : the new value or, if the value at ``path`` is an array, a factor by which the array is multiplied

    Raises DescriptionError.
    """
    old = value_at(described, path)
    if isinstance(old, int) and float(number).is_integer():  # a whole number stays one
        number = int(number)
    return _changed(described, _places(described, path), np.asarray(old) * number if np.ndim(old) else number)


def _changed(described: Any, places: Sequence[int | str], value: Any) -> Any:
    if not places:
        return value
    first = places[0]
    part = _changed(_at(described, first), places[1:], value)
    if isinstance(first, int):
        return (*described[:first], part, *described[first + 1 :])
    return replace(described, **{first: part})


def _at(described: Any, place: int | str) -> Any:
    return described[place] if isinstance(place, int) else getattr(described, place)


def _places(described: Any, path: Path) -> list[int | str]:
    """Convert a path in the file to the field names and tuple indices that lead to the value in a description."""
    found: list[int | str] = []
    for number, word in STEP.findall(path):
        named = isinstance(described, tuple) and not number
        if named and len(described) == 1 and not hasattr(described[0], "name"):  # an output's only decoder
            found.append(0)
            described = described[0]
        place = _place(described, number, word)
        if place is None:
            rule, fix = "cannot be tuned: it is not a number of a description", ""
            if isinstance(described, list | np.ndarray):
                rule, fix = "cannot be tuned alone", "declare the whole array, which is tuned by a factor"
            raise DescriptionError(f"{path}.tunable", NO_VALUE, rule, fix)
        found.append(place)
        described = _at(described, place)
    return found


def _place(described: Any, number: str, word: str) -> int | str | None:
    """Return the tuple index or field name for one component of a path; None if ``described`` has no such element.

    number : the path component if it is an index, otherwise empty
    word : the path component if it is a name, otherwise empty
    """
    if isinstance(described, tuple):
        if number:
            return int(number) if int(number) < len(described) else None
        return next((k for k, one in enumerate(described) if getattr(one, "name", None) == word), None)
    if number or not is_dataclass(described):
        return None
    return next((key.field for key in keys(type(described)) if key.name == word), None)  # type: ignore[arg-type]


def mark(document: Any, spec: Any) -> None:
    """Mark the tunable numbers of a ControllerSpec in its YAML document, in the form that `take_tunable` reads."""
    for path, ends in spec.tunable.items():
        at, steps = document, [int(number) if number else word for number, word in STEP.findall(path)]
        for k, step in enumerate(steps[:-1]):
            if isinstance(steps[k + 1], int) and not isinstance(at[step], list):  # the only decoder of an output
                at[step] = [at[step]]
            at = at[step]
        last: Any = steps[-1]
        value = at[last] if last in at else value_at(spec, path)  # a default is not in the document
        reached = [1.0 if isinstance(value, str | list) else value]  # training may have moved it out of its range
        at[last] = {"value": value, "tunable": [min(ends.low, *reached), max(ends.high, *reached)]}
