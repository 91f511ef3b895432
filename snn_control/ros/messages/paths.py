"""Parse a path, which selects numbers in a message: field names joined by dots, with selections of sequence elements.

| form | elements |
|---|---|
| ``[2]``, ``[-1]`` | one element, counted from the start or from the end |
| ``[2:10]``, ``[-60:]``, ``[0:360:4]``, ``[::-1]`` | a slice by Python's rules, but all its elements must exist |
| ``[name=pan,tilt]`` | the elements with these names in the message's field ``name``, in the given order |
| ``[-30deg:30deg]`` | the beams of a scan within these angles, from the first to the second |
| ``[angle=-1.57:1.57]`` | the beams of a scan within these angles in rad |
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ...errors import DescriptionError

__all__ = ["MOST_NAMES", "Angles", "Elements", "Named", "Segment", "parse_path"]

_PART = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[([^\[\]]*)\])?")
_INDEX = re.compile(r"-?\d+")
_SLICE = re.compile(r"(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*(-?\d*))?")
_KEYED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_DEGREES = re.compile(r"([^=]*)deg\s*:([^=]*)deg")
_LONGEST = 2**31 - 1  # a longer slice could not fit into any message
_FAR = 2**33
MOST_NAMES = 64


@dataclass(frozen=True)
class Elements:
    """The selection ``[start:stop:step]`` of a sequence's elements. A number that the path omits is None."""

    start: int | None = None
    stop: int | None = None
    step: int = 1

    @property
    def count(self) -> int:
        """Number of selected elements if the sequence is long enough; -1 if the number depends on its length."""
        few, more = (len(range(n)[self.start : self.stop : self.step]) for n in (_FAR, _FAR + abs(self.step)))
        return few if few == more else -1


@dataclass(frozen=True)
class Named:
    """The selection ``[key=one,other]`` of elements by name. The message's field ``key`` lists the elements' names."""

    key: str
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Angles:
    """The selection of a scan's beams by angle, from ``low`` to ``high`` [rad].

    count : -1, because the number of beams depends on the message
    """

    low: float
    high: float
    count: int = -1


@dataclass(frozen=True)
class Segment:
    """One segment of a path: the name of a field and, optionally, a selection of the field's elements."""

    name: str
    pick: Elements | Named | Angles | None = None


def _elements(field: str, index: str) -> Elements:
    if _INDEX.fullmatch(index):
        only = int(index)
        one = Elements(only, only + 1 if only != -1 else None)
    elif several := _SLICE.fullmatch(index):
        start, stop, step = (int(text) if text else None for text in several.groups())
        one = Elements(start, stop, 1 if step is None else step)
    else:
        fix = "write [2], [2:10], [-60:], [0:360:4], [name=pan,tilt] or [-30deg:30deg]"
        raise DescriptionError("field", field, f"[{index}] is not an index", fix)
    if max(abs(n) for n in (one.start or 0, one.stop or 0, one.step)) > _LONGEST:
        raise DescriptionError("field", field, f"[{index}] is longer than any message", "count from 0")
    if one.step == 0:
        raise DescriptionError("field", field, f"[{index}] has a step of 0", "leave it out, or give 1 or more")
    if one.count == 0:
        raise DescriptionError("field", field, f"[{index}] selects nothing", "the end must lie after the start")
    return one


def _named(field: str, key: str, text: str) -> Named:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise DescriptionError("field", field, f"[{key}={text}] lacks a name", f"write [{key}=pan] or [{key}=pan,tilt]")
    if len(set(names)) < len(names):
        raise DescriptionError("field", field, f"[{key}={text}] says a name twice", "name each once")
    if len(names) > MOST_NAMES:
        raise DescriptionError("field", field, f"picks {len(names)} names", f"at most {MOST_NAMES} fit one input")
    return Named(key, names)


def _angles(field: str, index: str, ends: list[str], unit: float) -> Angles:
    """Return the selection of a scan's beams between two angles.

    ends : the two angles, as written in the path
    unit : unit of the written angles [rad]
    """
    try:
        low, high = (float(end) * unit for end in ends)
    except ValueError:
        low = high = math.nan
    if not 0 < high - low <= 2 * math.pi + 1e-6 or max(abs(low), abs(high)) > 2 * math.pi + 1e-6:
        rule = f"[{index}] must be two angles, the first below the second, a turn apart at most"
        raise DescriptionError("field", field, rule, "for example [-30deg:30deg], or [angle=-1.57:1.57] in rad")
    return Angles(low, high)


def parse_path(field: str) -> tuple[Segment, ...]:
    """Parse a path such as ``a.b[2].c[1:3]`` into its segments. Raises DescriptionError."""
    if not isinstance(field, str) or not field.strip():
        raise DescriptionError("field", field, "must be a path to a number", "for example angular_velocity.z")
    segments = []
    for part in re.split(r"\.(?![^\[\]]*\])", field.strip()):  # a dot in brackets belongs to a name or a number
        match = _PART.fullmatch(part)
        if not match:
            fix = "write names joined by dots, with [i] or [i:j] after a sequence"
            raise DescriptionError("field", field, f"{part!r} is not a field", fix)
        name, index = match[1], match[2] and match[2].strip()
        if index is None:
            segments.append(Segment(name))
        elif degrees := _DEGREES.fullmatch(index):
            segments.append(Segment(name, _angles(field, index, [*degrees.groups()], math.pi / 180)))
        elif not (keyed := _KEYED.fullmatch(index)):
            segments.append(Segment(name, _elements(field, index)))
        elif keyed[1] == "angle":
            segments.append(Segment(name, _angles(field, index, keyed[2].split(":"), 1.0)))
        else:
            segments.append(Segment(name, _named(field, keyed[1], keyed[2])))
    if sum(isinstance(segment.pick, Named | Angles) for segment in segments) > 1:
        raise DescriptionError("field", field, "selects by name or angle more than once", "do so once in a path")
    return tuple(segments)
