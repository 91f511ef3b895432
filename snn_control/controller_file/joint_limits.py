"""Read the limits of joints from a robot's own files: ``joint_limits.yaml`` of ros2_control and MoveIt, or a URDF.

These files are read together with the controller file. They can only tighten the limits of an output, not widen them.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml

from ..coding import MOTION_LIMITS
from ..errors import DescriptionError, nearest
from ..files import read_text, reason
from ..network.checks import Checked, OneOf
from .reader import Loader, Reader

__all__ = ["JointLimits", "take_joint_limits"]

MOTION = {key: limit.joint for key, limit in MOTION_LIMITS.items() if limit.joint}  # velocity, acceleration, ...
KEYS = ("limits", *MOTION)  # of an output
DERIVATIVES = ("position", *MOTION.values())
#: quantity of a command -> the quantity that each of `KEYS` limits
LIMITED = {"position": DERIVATIVES, "velocity": DERIVATIVES[1:], "effort": ("effort",)}
USED = (*DERIVATIVES, "effort")
NAMES = (*USED, "deceleration")
KNOWN = [
    *(f"has_{one}_limits" for one in (*NAMES, "soft")),
    *(f"{end}_{one}" for end in ("min", "max") for one in NAMES),
]
NO_LIMIT = (-math.inf, math.inf)

Limits = dict[str, tuple[float, float]]  # quantity -> its limits (low, high)


@dataclass(frozen=True)
class JointLimits(Checked):
    """Limits that an output takes from the robot's own files: the file, the joints, and which limits to apply.

    file : joint_limits.yaml, or a URDF (.urdf), relative to the controller file
    joints : names of the joints, one for each element of the output
    of : quantity that the output commands: "position", "velocity" or "effort"
    use : limits to apply: any of position, velocity, acceleration, jerk and effort; by default all limits in the file
    """

    file: str
    joints: tuple[str, ...]
    of: Annotated[str, OneOf(*LIMITED)] = "position"
    use: tuple[str, ...] = USED

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, known in (("joints", None), ("use", USED)):
            value = getattr(self, key)
            names = isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value)
            if not names or (known is not None and not set(value) <= set(known)):
                what = "names" if known is None else ", ".join(USED)
                raise self.wrong(key, f"must be a list of {what}", value=value)


def take_joint_limits(r: Reader) -> None:
    """Remove the key ``joint_limits`` from an output's mapping, and tighten the other limits of the output accordingly.

    Raises DescriptionError.
    """
    if not r.has("joint_limits"):
        return
    inner = r.child("joint_limits")
    given = {key: inner.take(key) for key in ("file", "joints")}
    given |= {key: inner.take(key) for key in ("of", "use") if inner.has(key)}
    chosen = inner.make(JointLimits, **given)
    if (size := r.values.get("size", 1)) != len(chosen.joints):
        raise DescriptionError(inner.at("joints"), list(chosen.joints), f"must be as many as the output's size: {size}")
    known = _read(inner, r.folder / str(chosen.file))
    rows = [_of(inner, known, name) for name in chosen.joints]
    wanted = [what for what in LIMITED[chosen.of] if what in chosen.use]
    for name, row in zip(chosen.joints, rows, strict=True):
        if not set(wanted) & set(row):
            rule = f"has no limit of {' or '.join(wanted)} in {chosen.file}" if wanted else "has no limit in `use`"
            raise DescriptionError(
                inner.at("joints"), name, rule, "see `has_..._limits` there, and `of` and `use` here"
            )
    for key, what in zip(KEYS, LIMITED[chosen.of], strict=False):
        if what not in wanted or not any(what in row for row in rows):
            continue
        _tighten(r, key, np.array([row.get(what, NO_LIMIT) for row in rows]), str(chosen.file))


def _tighten(r: Reader, key: str, ends: np.ndarray, file: str) -> None:
    """Tighten one limit of an output's mapping, for each element whose limit in the file is tighter.

    key : name of the limit
    ends : (joints, 2), low and high limits from the file
    file : name of the file, for errors
    """
    own = r.values.get(key)
    try:
        if key == "limits":
            low, high = NO_LIMIT if own is None else own
            ends = np.stack([np.maximum(ends[:, 0], low), np.minimum(ends[:, 1], high)])
            r.values[key] = ends.tolist()
        else:
            r.values[key] = np.minimum(ends[:, 1], math.inf if own is None else own).tolist()
    except (TypeError, ValueError):
        rule = f"must be numbers, or {len(ends)} of them, to be tightened by joint_limits"
        raise DescriptionError(r.at(key), own, rule) from None
    if key == "limits" and not (ends[0] < ends[1]).all():
        rule = f"must overlap the limits of {file}; together they are {ends.tolist()}"
        raise DescriptionError(r.at(key), own, rule, "change one of them")


def _of(r: Reader, known: Mapping[str, Limits], name: str) -> Limits:
    if name not in known:
        raise DescriptionError(r.at("joints"), name, "is not a joint of the file", nearest(name, known))
    return known[name]


def _read(r: Reader, file: Path) -> dict[str, Limits]:
    """Return the limits of each joint in a file: name of the joint -> limits. Raises DescriptionError."""
    if file.suffix == ".xacro":
        fix = f"first: xacro {file.name} > {file.stem.removesuffix('.urdf')}.urdf"
        raise DescriptionError(r.at("file"), str(file), "is a xacro file, from which a URDF is made", fix)
    try:
        text = read_text(file)
        return _of_urdf(text) if file.suffix in (".urdf", ".xml") else _of_yaml(text)
    except (OSError, ValueError, ET.ParseError, yaml.YAMLError, RecursionError) as error:
        why = reason(error) if isinstance(error, OSError) else " ".join(str(error).split())
        raise DescriptionError(r.at("file"), str(file.absolute()), f"cannot be read: {why}") from None


def _number(where: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if "${" in str(value):
        raise ValueError(f"{where} = {value!r}: is an expression of xacro; write a URDF with it first")
    if isinstance(value, bool) or math.isnan(number):
        raise ValueError(f"{where} = {value!r}: must be a number")
    return number


def _of_yaml(text: str) -> dict[str, Limits]:
    """Return the limits of each joint in a joint_limits.yaml.

    The file has the form ``joint_limits: JOINT: {has_velocity_limits: true, max_velocity: 1.0, ...}``.
    """
    joints = _found(yaml.load(text, Loader))
    if joints is None:
        raise ValueError("it has no mapping joint_limits")
    return {str(name): _of_joint(str(name), one) for name, one in joints.items()}


def _found(values: Any) -> Mapping[Any, Any] | None:
    """Return the mapping ``joint_limits`` at the top of a YAML document or among a node's parameters; otherwise
    None."""
    if not isinstance(values, Mapping):
        return None
    if isinstance(values.get("joint_limits"), Mapping):
        return values["joint_limits"]
    return next((found for one in values.values() if (found := _found(one)) is not None), None)


def _of_joint(name: str, values: Any) -> Limits:
    if not isinstance(values, Mapping):
        raise ValueError(f"joint_limits.{name}: must be a mapping")
    for key, value in values.items():
        if str(key).startswith(("has_", "max_", "min_")) and key not in KNOWN:
            raise ValueError(f"joint_limits.{name}.{key}: is not a known key; {nearest(key, KNOWN)}")
        if str(key).startswith("has_") and not isinstance(value, bool):
            raise ValueError(f"joint_limits.{name}.{key} = {value!r}: must be true or false")

    def at(key: str) -> float:
        if key not in values:
            raise ValueError(f"joint_limits.{name}.{key}: is missing")
        return _number(f"joint_limits.{name}.{key}", values[key])

    def has(what: str) -> bool:
        return bool(values.get(f"has_{what}_limits", False))

    found = {what: (-at(f"max_{what}"), at(f"max_{what}")) for what in USED[1:] if has(what)}
    if has("position"):
        found["position"] = at("min_position"), at("max_position")
    if has("deceleration"):  # commands speed up and brake by one limit
        most = min(at("max_deceleration"), found.get("acceleration", NO_LIMIT)[1])
        found["acceleration"] = -most, most
    return found


def _of_urdf(text: str) -> dict[str, Limits]:
    """Return the limits of each joint in a URDF, ``<joint name=...><limit lower= upper= velocity= effort=/></joint>``.

    A continuous joint has no position limit. Joint elements inside ros2_control and transmission elements only refer to
    joints, and are ignored.
    """
    found: dict[str, Limits] = {}
    for joint in ET.fromstring(text).findall("joint"):
        limit, name = joint.find("limit"), joint.get("name", "")
        if limit is None or not name:
            found[name] = {}
            continue
        numbers = {key: _number(f"{name}.{key}", value) for key, value in limit.attrib.items()}
        one: Limits = {key: (-numbers[key], numbers[key]) for key in ("velocity", "effort") if key in numbers}
        if joint.get("type") != "continuous" and {"lower", "upper"} & set(numbers):
            one["position"] = numbers.get("lower", 0.0), numbers.get("upper", 0.0)
        found[name] = one
    return found
