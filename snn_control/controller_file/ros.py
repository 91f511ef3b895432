"""The ``ros`` section of a controller file, which maps inputs and outputs to ROS topics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from ..coding import EventsInput, Input, Output
from ..coding.reduction import REDUCTIONS
from ..errors import DescriptionError
from ..network.checks import Checked, Numbers, OneOf, Size, Whole
from .descriptions import read_fields
from .reader import Reader, nearest

__all__ = ["ONLY_WITH", "OUTPUTS", "RosTopic", "end_kind", "read_topics", "usual_values"]

VALUES, EVENTS, OUTPUTS = "value inputs", "events inputs", "outputs"
#: keys that only some inputs or outputs have
ONLY_WITH = {"age": (VALUES, EVENTS), "reduce": (VALUES,), "pace": (EVENTS,), "late": (EVENTS,)}
ONLY_WITH |= {"values": (OUTPUTS,), "stamp": (OUTPUTS,), "grid": (VALUES,)}
TYPE = re.compile(r"\w+/msg/\w+")


def check_type(path: str, value: Any) -> None:
    if not isinstance(value, str) or not TYPE.fullmatch(value):
        parts = str(value).split("/")
        fix = f"did you mean '{parts[0]}/msg/{parts[1]}'?" if len(parts) == 2 else ""
        raise DescriptionError(path, value, "must look like 'sensor_msgs/msg/JointState'", fix)


@dataclass(frozen=True)
class RosTopic(Checked):
    """The ROS topic of one input or output: its name, its message type, and the message field with the numbers.

    topic : relative topic name
    type : message type, e.g. ``sensor_msgs/msg/JointState``
    field : path of the numbers in the message, e.g. ``position[:]``; empty for event messages
    reliability : "best_effort" or "reliable"
    depth : maximum number of messages in the queue (QoS history depth); a file's default is the depth that
        `usual_values` returns
    age : for an input, the reference time for the age of its messages on a robot. "arrival": the time at which the
        message was published, as far as the middleware knows. "stamp": the stamp in the message. "older": the earlier
        of the two
    pace : for an events input, the time at which the controller processes an event. "arrival": as soon as the packet
        has arrived. "sensor": at the event's own time, so that a long packet is spread over the ticks that it covers
    late : for an events input, the time [s] by which an event may be older than the newest event; beyond it, the event
        counts as late
    reduce : for a value input, the reduction of the field's numbers, e.g. "mean". The numbers are divided into equal
        sectors, and each sector is reduced to one number of the input. Empty: no reduction
    grid : for a value input from images (sensor_msgs/msg/Image), (columns, rows) of a grid. The input has the mean
        brightness of each cell, 0 to 255. Cells are ordered row by row from the top left
    values : for a command, constant values of other fields of the message, field -> value, e.g. ``name: [pan, tilt]``
    stamp : for a command, a message field for the time in whole microseconds, such as ``timestamp`` of px4_msgs; a
        header is always stamped
    """

    topic: str
    type: Annotated[str, check_type]
    field: str = ""
    reliability: Annotated[str, OneOf("best_effort", "reliable")] = "best_effort"
    depth: Annotated[int, Whole(1, 1000)] = 5
    age: Annotated[str, OneOf("arrival", "stamp", "older")] = "arrival"
    pace: Annotated[str, OneOf("arrival", "sensor")] = "arrival"
    late: Annotated[float, Numbers(least=0, most=3600, unit="s")] = 0.01
    reduce: Annotated[str, OneOf(*REDUCTIONS)] = ""
    grid: tuple[Size, Size] | None = None
    values: Mapping[str, Any] | None = None
    stamp: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grid is not None:
            self._check_grid()
        for key in self.values or ():
            if not isinstance(key, str):
                raise self.wrong("values", "must be the name of a field, e.g. 'name' or 'header.frame_id'", value=key)

    def _check_grid(self) -> None:
        if self.type == "sensor_msgs/msg/CompressedImage":
            fix = "use the topic of 'ros2 run image_transport republish compressed raw'"
            raise self.wrong("type", "is compressed, and its pixels are not read", fix)
        for key, allowed in (("type", "sensor_msgs/msg/Image"), ("field", ""), ("reduce", "")):
            if (value := getattr(self, key)) != allowed:
                rule = f"must be {allowed} with grid" if allowed else "does not go with grid"
                raise self.wrong(key, rule, value=value)


def end_kind(end: Input | Output) -> str:
    """Return the kind of a description as a word of `ONLY_WITH`: value input, events input or output."""
    return OUTPUTS if isinstance(end, Output) else EVENTS if isinstance(end, EventsInput) else VALUES


def usual_values(kind: str, type: str) -> dict[str, Any]:
    """Return the default values of a topic's keys ``reliability`` and ``depth``.

    kind : kind of input or output, a word in `ONLY_WITH`
    type : message type

    Topics with packets of events have a longer queue, because the driver of an event camera sends a packet each
    millisecond.
    """
    if kind == OUTPUTS:
        return {"reliability": "reliable", "depth": 1}
    packets = type.startswith(("event_camera_msgs/", "event_array_msgs/"))
    return {"reliability": "best_effort", "depth": 64 if packets else 5}


def read_topics(r: Reader, key: str, ends: Sequence[Input | Output]) -> dict[str, RosTopic]:
    """Read the topics of inputs or outputs from the section ``ros``. Return name of an input or output -> topic.

    key : "inputs" or "outputs"
    ends : all inputs or all outputs of the controller

    Raises DescriptionError.
    """
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
