"""Events and spikes as sensor_msgs/msg/PointCloud2: standard messages that every tool can show.

Events: ``x``, ``y`` UINT16 [pixel], ``p`` UINT8 (1: brighter), ``t`` UINT32 [ns after header.stamp].
Spikes: ``x``, ``y``, ``z`` FLOAT32 (a place to draw at), ``neuron`` UINT32, ``t`` UINT32 [ns after header.stamp];
frame_id is the population's name. One message a batch. The writers make one packed layout.

`events_cdr` and `spikes_cdr` make the bytes of a whole message, which rclpy publishes as they are: setting the fields
of a PointCloud2 object costs a hundred times more. The reader of events is `snn_control.events.clouds`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError

__all__ = [
    "EVENT",
    "SPIKE",
    "cloud_cdr",
    "events_cdr",
    "pack_events",
    "pack_spikes",
    "spikes_cdr",
]

#: one event, one spike, as they stand in the data of a cloud
EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "u1"), ("t", "<u4")])  # 9 bytes, packed
SPIKE = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("neuron", "<u4"), ("t", "<u4")])

_UINT8, _UINT16, _UINT32, _FLOAT32 = 2, 4, 6, 7  # sensor_msgs/msg/PointField
_DATATYPES = {"|u1": _UINT8, "<u2": _UINT16, "<u4": _UINT32, "<f4": _FLOAT32}
_LAST_T = 2**32 - 1


def _offsets(t: Any, stamp_ns: int) -> np.ndarray:
    """Times as ns after the stamp, checked to fit a uint32."""
    after = np.asarray(t, np.int64) - stamp_ns
    if len(after) and (after.min() < 0 or after.max() > _LAST_T):
        raise InputError(
            f"t = {after.min()} .. {after.max()} ns after the stamp: must lie within 0 .. {_LAST_T}; split the batch"
        )
    return after


def _same_length(**columns: Any) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"lengths = {lengths}: must be equal")


def _in_range(name: str, values: Any, high: int) -> np.ndarray:
    values = np.asarray(values)
    if len(values) and (values.min() < 0 or values.max() > high):
        raise InputError(f"{name} = {values.min()} .. {values.max()}: must lie within 0 .. {high}")
    return values


def pack_events(t: Any, x: Any, y: Any, p: Any, stamp_ns: int = 0) -> np.ndarray:
    """Events as the data of a cloud: (n,) `EVENT`.

    ``t`` (n,) int64 [ns], from ``stamp_ns`` to 4.29 s after it; ``x``, ``y`` (n,) [pixel]; ``p`` (n,), 0 or not.
    """
    _same_length(t=t, x=x, y=y, p=p)
    data = np.empty(len(t), EVENT)
    data["x"], data["y"] = _in_range("x", x, 65535), _in_range("y", y, 65535)
    data["p"] = np.asarray(p) > 0
    data["t"] = _offsets(t, stamp_ns)
    return data


def pack_spikes(t: Any, neuron: Any, position: Any, stamp_ns: int = 0) -> np.ndarray:
    """Spikes as the data of a cloud: (n,) `SPIKE`.

    ``t`` (n,) int64 [ns]; ``neuron`` (n,) indices; ``position`` (neurons, 3) float32, where each neuron is drawn.
    """
    _same_length(t=t, neuron=neuron)
    position = np.asarray(position, np.float32).reshape(-1, 3)
    neuron = _in_range("neuron", neuron, len(position) - 1).astype(np.int64)
    data = np.empty(len(t), SPIKE)
    data["x"], data["y"], data["z"] = position[neuron].T
    data["neuron"] = neuron
    data["t"] = _offsets(t, stamp_ns)
    return data


def _string(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<I", len(raw)) + raw + b"\0" * (-len(raw) % 4)


def cloud_cdr(data: np.ndarray, stamp_ns: int, frame_id: str) -> bytes:
    """A serialized PointCloud2 of one row around packed records."""
    step = data.dtype.itemsize
    names: Sequence[str] = data.dtype.names or ()
    fields = b"".join(
        _string(name)
        + struct.pack("<IBxxxI", data.dtype.fields[name][1], _DATATYPES[data.dtype.fields[name][0].str], 1)  # type: ignore[index]
        for name in names
    )
    seconds, rest = divmod(stamp_ns, 1_000_000_000)
    head = b"\0\1\0\0" + struct.pack("<iI", seconds, rest) + _string(frame_id)
    size = len(data) * step
    return b"".join(
        [
            head,
            struct.pack("<III", 1, len(data), len(names)),
            fields,
            struct.pack("<BxxxIII", 0, step, size, size),
            data.tobytes(),
            b"\1",  # is_dense
        ]
    )


def events_cdr(t: Any, x: Any, y: Any, p: Any, stamp_ns: int, frame_id: str = "") -> bytes:
    """A serialized PointCloud2 of events, to be given to ``publisher.publish``; arguments as in `pack_events`."""
    return cloud_cdr(pack_events(t, x, y, p, stamp_ns), stamp_ns, frame_id)


def spikes_cdr(t: Any, neuron: Any, position: Any, stamp_ns: int, population: str) -> bytes:
    """A serialized PointCloud2 of spikes, to be given to ``publisher.publish``; arguments as in `pack_spikes`."""
    return cloud_cdr(pack_spikes(t, neuron, position, stamp_ns), stamp_ns, population)
