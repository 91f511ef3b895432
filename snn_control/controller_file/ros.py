"""The ``ros`` section of a controller file: on which topics inputs come and commands go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..coding import EventsInput, Input, Output
from ..errors import DescriptionError
from .reader import Reader, nearest

__all__ = ["RosTopic", "read_topics", "usual_depth"]


@dataclass(frozen=True)
class RosTopic:
    """One end on a ROS topic.

    topic : relative topic name
    type : message type, e.g. ``sensor_msgs/msg/JointState``
    field : path of the numbers in it, e.g. ``position[:]``; empty for event messages
    reliability : "best_effort" or "reliable"
    depth : queue length; in a file, without it, `usual_depth`
    age : of an input, from when its age counts in real time: "arrival", when the message was published as far as the
        middleware knows; "stamp", its own stamp; "older", the earlier of the two
    pace : of an events input, when an event is due: "arrival", as soon as its packet is there, or "sensor", when its
        own time has come, so that a long packet spreads over the ticks it covers
    late : of an events input: an event older by more than this than the newest one given counts as late [s]
    reduce : of a value input: "min", "mean" or "max": the numbers that the field names, as many as they are, become
        the input's by equal sectors; empty: they are the input's
    values : of a command: what its message says beside the numbers, field -> value, e.g. ``name: [pan, tilt]``
    """

    topic: str
    type: str
    field: str = ""
    reliability: str = "best_effort"
    depth: int = 5
    age: str = "arrival"
    pace: str = "arrival"
    late: float = 0.01
    reduce: str = ""
    values: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for key in self.values or ():
            if not isinstance(key, str):
                raise DescriptionError("values", key, "must be the name of a field, e.g. 'name' or 'header.frame_id'")
        if not re.fullmatch(r"\w+/msg/\w+", self.type):
            raise DescriptionError("type", self.type, "must look like 'sensor_msgs/msg/JointState'")
        if self.reliability not in ("best_effort", "reliable"):
            raise DescriptionError("reliability", self.reliability, "must be 'best_effort' or 'reliable'")
        if not isinstance(self.depth, int) or isinstance(self.depth, bool) or not 1 <= self.depth <= 1000:
            raise DescriptionError("depth", self.depth, "must be a whole number in [1, 1000]")
        if self.age not in ("arrival", "stamp", "older"):
            raise DescriptionError("age", self.age, "must be 'arrival', 'stamp' or 'older'")
        if self.pace not in ("arrival", "sensor"):
            raise DescriptionError("pace", self.pace, "must be 'arrival' or 'sensor'")
        if self.reduce not in ("", "min", "mean", "max"):
            raise DescriptionError("reduce", self.reduce, "must be 'min', 'mean' or 'max'")
        if not 0 <= self.late <= 3600:
            raise DescriptionError("late", self.late, "must be from 0 to 3600 s")


def usual_depth(type: str, output: bool) -> int:
    """Queue length of a topic where the file says none: an event camera's driver sends a packet a millisecond."""
    packets = type.startswith(("event_camera_msgs/", "event_array_msgs/"))
    return 1 if output else 64 if packets else 5


def _topic(r: Reader, output: bool, events: bool = False) -> RosTopic:
    values: dict[str, Any] = {"topic": r.text("topic"), "type": r.text("type"), "field": r.text("field", "")}
    values["reliability"] = r.text("reliability", "reliable" if output else "best_effort")
    if output:
        fixed = r.child("values", {})
        values["values"] = fixed.values
    else:
        values["age"] = r.text("age", RosTopic.age)
    if not (output or events):
        values["reduce"] = r.text("reduce", "")
    if events:
        values |= {"pace": r.text("pace", RosTopic.pace), "late": r.number("late", RosTopic.late)}
    return r.make(RosTopic, depth=r.take("depth", usual_depth(values["type"], output)), **values)


def read_topics(r: Reader, key: str, ends: Sequence[Input | Output]) -> dict[str, RosTopic]:
    """``ros.inputs`` or ``ros.outputs``, for these inputs or outputs."""
    found, by_name = {}, {end.name: end for end in ends}
    for name, child in r.children(key, {}):
        if name not in by_name:
            fix = nearest(name, list(by_name))
            raise DescriptionError(child.path, name, f"is not one of the controller's {key}", fix)
        found[name] = _topic(child, key == "outputs", isinstance(by_name[name], EventsInput))
    return found
