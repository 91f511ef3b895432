"""JSON Schemas of the messages in Foxglove's protocol: excerpts of Foxglove's schemas, and schemas of snn_control.

Foxglove publishes its full schemas in https://github.com/foxglove/foxglove-sdk/tree/main/schemas/jsonschema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["LASER_SCAN", "LOG", "NUMBER", "NUMBERS", "POINT_CLOUD", "RAW_IMAGE", "STATUS", "VALUES", "Schema", "record"]

Schema = dict[str, Any]


def record(title: str, properties: Mapping[str, Schema]) -> Schema:
    return {"title": title, "type": "object", "properties": dict(properties), "required": list(properties)}


def _choice(title: str, *names: str) -> Schema:
    return {"title": title, "oneOf": [{"title": name, "const": number} for number, name in enumerate(names)]}


NUMBER, TEXT, FLAG = ({"type": kind} for kind in ("number", "string", "boolean"))
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBERS: Schema = {"type": "array", "items": NUMBER}
BYTES = {"type": "string", "contentEncoding": "base64"}
TIME = {"title": "time", "type": "object", "properties": {"sec": COUNT, "nsec": {**COUNT, "maximum": 999_999_999}}}
POSE = record("foxglove.Pose", {
    "position": record("foxglove.Vector3", dict.fromkeys("xyz", NUMBER)),
    "orientation": record("foxglove.Quaternion", dict.fromkeys("xyzw", NUMBER)),
})  # fmt: skip
NUMERIC_TYPE = _choice(
    "foxglove.NumericType", "UNKNOWN", "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "FLOAT32", "FLOAT64"
)
LEVEL = _choice("foxglove.LogLevel", "UNKNOWN", "DEBUG", "INFO", "WARNING", "ERROR", "FATAL")
FIELD = record("foxglove.PackedElementField", {"name": TEXT, "offset": COUNT, "type": NUMERIC_TYPE})
RAW_IMAGE = record("foxglove.RawImage", {
    "timestamp": TIME, "frame_id": TEXT, "width": COUNT, "height": COUNT, "encoding": TEXT, "step": COUNT,
    "data": BYTES,
})  # fmt: skip
POINT_CLOUD = record("foxglove.PointCloud", {
    "timestamp": TIME, "frame_id": TEXT, "pose": POSE, "point_stride": COUNT,
    "fields": {"type": "array", "items": FIELD}, "data": BYTES,
})  # fmt: skip
LASER_SCAN = record("foxglove.LaserScan", {
    "timestamp": TIME, "frame_id": TEXT, "pose": POSE, "start_angle": NUMBER, "end_angle": NUMBER, "ranges": NUMBERS,
    "intensities": NUMBERS,
})  # fmt: skip
LOG = record("foxglove.Log", {
    "timestamp": TIME, "level": LEVEL, "message": TEXT, "name": TEXT, "file": TEXT, "line": COUNT,
})  # fmt: skip
VALUES = record("snn_control.Values", {"values": NUMBERS, "age": NUMBER})
STATUS = record("snn_control.Status", {
    "tick": NUMBER, "t": NUMBER, "safe": FLAG, "faulted": FLAG, "causes": TEXT, "microwatt": NUMBER, "faults": NUMBER,
    "safe_ticks": NUMBER, "clamped": NUMBER, "slew_limited": NUMBER, "left_out": NUMBER, "dropped": NUMBER,
})  # fmt: skip
