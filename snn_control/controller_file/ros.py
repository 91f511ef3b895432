"""The ``ros`` section of a controller file: on which topics inputs come and commands go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from ..coding import EventsInput, Input, Output
from ..errors import DescriptionError
from ..network.checks import Checked, Numbers, OneOf, Whole
from .descriptions import read_fields
from .reader import Reader, nearest

__all__ = ["ONLY_WITH", "OUTPUTS", "RosTopic", "end_kind", "read_topics", "usual_values"]

VALUES, EVENTS, OUTPUTS = "value inputs", "events inputs", "outputs"
#: keys that only some ends have
ONLY_WITH = {"age": (VALUES, EVENTS), "reduce": (VALUES,), "pace": (EVENTS,), "late": (EVENTS,), "values": (OUTPUTS,)}
TYPE = re.compile(r"\w+/msg/\w+")


def check_type(path: str, value: Any) -> None:
    """A type of messages."""
    if not isinstance(value, str) or not TYPE.fullmatch(value):
        raise DescriptionError(path, value, "must look like 'sensor_msgs/msg/JointState'")


@dataclass(frozen=True)
class RosTopic(Checked):
    """One end on a ROS topic.

    topic : relative topic name
    type : message type, e.g. ``sensor_msgs/msg/JointState``
    field : path of the numbers in it, e.g. ``position[:]``; empty for event messages
    reliability : "best_effort" or "reliable"
    depth : how many messages may wait; in a file, without it, as `usual_values` has it
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
    type: Annotated[str, check_type]
    field: str = ""
    reliability: Annotated[str, OneOf("best_effort", "reliable")] = "best_effort"
    depth: Annotated[int, Whole(1, 1000)] = 5
    age: Annotated[str, OneOf("arrival", "stamp", "older")] = "arrival"
    pace: Annotated[str, OneOf("arrival", "sensor")] = "arrival"
    late: Annotated[float, Numbers(least=0, most=3600, unit="s")] = 0.01
    reduce: Annotated[str, OneOf("", "min", "mean", "max")] = ""
    values: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in self.values or ():
            if not isinstance(key, str):
                raise self.wrong("values", "must be the name of a field, e.g. 'name' or 'header.frame_id'", value=key)


def end_kind(end: Input | Output) -> str:
    """Which of the ends named in `ONLY_WITH` an input or output is."""
    return OUTPUTS if isinstance(end, Output) else EVENTS if isinstance(end, EventsInput) else VALUES


def usual_values(kind: str, type: str) -> dict[str, Any]:
    """Fields of a topic that the file does not say, where they depend on the end: an event camera's driver sends a
    packet a millisecond."""
    if kind == OUTPUTS:
        return {"reliability": "reliable", "depth": 1}
    packets = type.startswith(("event_camera_msgs/", "event_array_msgs/"))
    return {"reliability": "best_effort", "depth": 64 if packets else 5}


def read_topics(r: Reader, key: str, ends: Sequence[Input | Output]) -> dict[str, RosTopic]:
    """``ros.inputs`` or ``ros.outputs``, for these inputs or outputs; raises DescriptionError."""
    found, by_name = {}, {end.name: end for end in ends}
    for name, child in r.children(key, {}):
        if name not in by_name:
            fix = nearest(name, list(by_name))
            raise DescriptionError(child.path, name, f"is not one of the controller's {key}", fix)
        kind = end_kind(by_name[name])
        usual = usual_values(kind, str(child.values.get("type")))
        given = {field: child.take(field, value) for field, value in usual.items()}
        if kind == OUTPUTS:
            given["values"] = child.child("values", {}).values
        skip = [field for field, kinds in ONLY_WITH.items() if kind not in kinds]
        found[name] = read_fields(child, RosTopic, skip, **given)
    return found
