"""Serialize events and spikes as sensor_msgs/msg/PointCloud2, a standard message that every tool can show.

Fields of an event: ``x``, ``y`` UINT16 [pixel], ``p`` UINT8 (1: brighter), ``t`` UINT32 [ns after header.stamp].

Fields of a spike: ``x``, ``y``, ``z`` FLOAT32 (position at which to draw the neuron), ``neuron`` UINT32, ``t`` UINT32
[ns after header.stamp]. The message's frame_id is the population's name.

Each batch of events or spikes becomes one serialized message, which rclpy publishes unchanged.
`snn_control.events.packets` reads the events.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from ...errors import InputError

__all__ = ["EVENT", "SPIKE", "cloud_cdr", "events_cdr"]

#: records of one event and of one spike in the data of a cloud
EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "u1"), ("t", "<u4")])  # 9 bytes, packed
SPIKE = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("neuron", "<u4"), ("t", "<u4")])

_DATATYPES = {"|u1": 2, "<u2": 4, "<u4": 6, "<f4": 7}  # values of sensor_msgs/msg/PointField


def _string(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<I", len(raw)) + raw + b"\0" * (-len(raw) % 4)


def cloud_cdr(data: np.ndarray, stamp_ns: int, frame_id: str) -> bytes:
    """Return a serialized PointCloud2 with height 1, one point for each event or spike.

    data : (n,) EVENT or SPIKE
    """
    names, step = data.dtype.names or (), data.dtype.itemsize
    head = b"\0\1\0\0" + struct.pack("<iI", *divmod(stamp_ns, 1_000_000_000)) + _string(frame_id)
    head += struct.pack("<III", 1, len(data), len(names))
    for name in names:
        kind, offset = data.dtype.fields[name][:2]  # type: ignore[index]
        head += _string(name) + struct.pack("<IBxxxI", offset, _DATATYPES[kind.str], 1)
    head += struct.pack("<BxxxIII", 0, step, data.nbytes, data.nbytes)
    return b"".join([head, data.tobytes(), b"\1"])  # the last is is_dense


def events_cdr(t: Any, x: Any, y: Any, p: Any, stamp_ns: int, frame_id: str = "") -> bytes:
    """Return a serialized PointCloud2 of events, for ``publisher.publish``.

    t : (n,) int64, times [ns], from ``stamp_ns`` to 4.29 s after it
    x : (n,), columns [pixel]
    y : (n,), rows [pixel]
    p : (n,), polarities, > 0 for brighter

    Raises InputError for arrays of different lengths and for values out of range.
    """
    after = np.asarray(t, np.int64) - stamp_ns
    columns = {"x": np.asarray(x), "y": np.asarray(y), "p": np.asarray(p) > 0, "t": after}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"lengths = {lengths}: must be equal")
    data = np.empty(len(after), EVENT)
    for name, column in columns.items():
        most = np.iinfo(EVENT[name]).max
        if len(column) and not 0 <= column.min() <= column.max() <= most:
            unit, fix = (" ns after the stamp", "; split the batch") if name == "t" else ("", "")
            raise InputError(f"{name} = {column.min()} .. {column.max()}{unit}: must lie within 0 .. {most}{fix}")
        data[name] = column
    return cloud_cdr(data, stamp_ns, frame_id)
