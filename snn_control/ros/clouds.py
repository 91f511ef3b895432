"""Events and spikes as sensor_msgs/msg/PointCloud2: standard messages that every tool can show.

Events: ``x``, ``y`` UINT16 [pixel], ``p`` UINT8 (1: brighter), ``t`` UINT32 [ns after header.stamp].
Spikes: ``x``, ``y``, ``z`` FLOAT32 (a place to draw at), ``neuron`` UINT32, ``t`` UINT32 [ns after header.stamp];
frame_id is the population's name. One message a batch. The reader takes the fields in any order, at any
offset, among others; the writers make one packed layout.

`parse_events` is compiled and bounded; `events_cdr` and `spikes_cdr` make the bytes of a whole message,
which rclpy publishes as they are: setting the fields of a PointCloud2 object costs a hundred times more.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import load_u8, load_u16, load_u32, store_i64, store_u8, store_u16
from ..errors import InputError
from .cdr import ENCAPSULATION, MISSING, TRUNCATED, get_stamp, get_u32

__all__ = [
    "BAD_LAYOUT",
    "EVENT",
    "EVENT_SCRATCH_WORDS",
    "SPIKE",
    "events_cdr",
    "pack_events",
    "pack_spikes",
    "parse_events",
    "parse_events_message",
    "spikes_cdr",
]

#: one event, one spike, as they stand in the data of a cloud
EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "u1"), ("t", "<u4")])  # 9 bytes, packed
SPIKE = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("neuron", "<u4"), ("t", "<u4")])

#: `parse_events` returns this for a cloud whose layout is not that of events, beside the codes of `cdr`
BAD_LAYOUT = -5
#: scratch memory of `parse_events` in int64 words: the stamp [ns]
EVENT_SCRATCH_WORDS = 1

_UINT8, _UINT16, _UINT32, _FLOAT32 = 2, 4, 6, 7  # sensor_msgs/msg/PointField
_DATATYPES = {"|u1": _UINT8, "<u2": _UINT16, "<u4": _UINT32, "<f4": _FLOAT32}
_LAST_T = 2**32 - 1
_X, _Y, _P, _T = 120, 121, 112, 116  # the letters


@register_jitable
def parse_events(address, length, capacity, x, y, p, t, scratch):
    """Read the events of a serialized PointCloud2; all arguments are int64.

    Parameters
    ----------
    address, length : the message, encapsulation included [bytes]
    capacity : most events to write; those after it are counted only
    x, y, p, t : addresses of uint16[capacity], uint16[capacity], uint8[capacity], int64[capacity] (t = stamp + t, ns)
    scratch : int64[EVENT_SCRATCH_WORDS]: the stamp [ns]

    Returns
    -------
    The number of events in the message, which may exceed ``capacity``; or negative: ENCAPSULATION, TRUNCATED,
    MISSING (a field), BAD_LAYOUT. Nothing is written then but ``scratch``.
    """
    store_i64(scratch, -1)
    if length < 4 or load_u8(address) != 0 or load_u8(address + 1) > 1:
        return ENCAPSULATION
    big = load_u8(address + 1) == 0
    base = address + 4
    end = length - 4
    if end < 12:
        return TRUNCATED
    stamp = get_stamp(base, big)
    n = get_u32(base + 8, big)  # frame_id
    o = 12
    if n > end - o:
        return TRUNCATED
    o = (o + n + 3) & -4
    if o + 12 > end:
        return TRUNCATED
    rows = get_u32(base + o, big)
    columns = get_u32(base + o + 4, big)
    fields = get_u32(base + o + 8, big)
    o += 12
    if fields * 13 > end - o:
        return TRUNCATED

    at_x = at_y = at_p = at_t = np.int64(-1)
    reach = np.int64(0)  # bytes of a point that the four fields need
    good = True
    for _ in range(fields):
        o = (o + 3) & -4
        if o + 4 > end:
            return TRUNCATED
        n = get_u32(base + o, big)
        o += 4
        if n > end - o:
            return TRUNCATED
        letter = np.int64(0)
        if n == 2 and load_u8(base + o + 1) == 0:
            letter = load_u8(base + o)
        o = (o + n + 3) & -4
        if o + 5 > end:
            return TRUNCATED
        offset = get_u32(base + o, big)
        datatype = load_u8(base + o + 4)
        o = (o + 5 + 3) & -4
        if o + 4 > end:
            return TRUNCATED
        count = get_u32(base + o, big)
        o += 4
        if letter == _X:
            good = good and at_x < 0 and datatype == _UINT16 and count == 1
            at_x = offset
            reach = max(reach, offset + 2)
        elif letter == _Y:
            good = good and at_y < 0 and datatype == _UINT16 and count == 1
            at_y = offset
            reach = max(reach, offset + 2)
        elif letter == _P:
            good = good and at_p < 0 and datatype == _UINT8 and count == 1
            at_p = offset
            reach = max(reach, offset + 1)
        elif letter == _T:
            good = good and at_t < 0 and datatype == _UINT32 and count == 1
            at_t = offset
            reach = max(reach, offset + 4)

    if o + 1 > end:
        return TRUNCATED
    big_data = load_u8(base + o)
    o = (o + 1 + 3) & -4
    if o + 12 > end:
        return TRUNCATED
    step = get_u32(base + o, big)
    row_step = get_u32(base + o + 4, big)
    n = get_u32(base + o + 8, big)
    o += 12
    if n + 1 > end - o:  # the data and is_dense
        return TRUNCATED
    if rows == 0 or columns == 0:
        store_i64(scratch, stamp)
        return np.int64(0)
    if at_x < 0 or at_y < 0 or at_p < 0 or at_t < 0:
        return MISSING
    if not good or big_data != 0 or step < reach or step > n or columns > n or row_step > n:
        return BAD_LAYOUT
    if columns * step > row_step or rows > n // row_step:  # so the last point of the last row ends within the data
        return BAD_LAYOUT

    store_i64(scratch, stamp)
    found = np.int64(0)
    for row in range(rows):
        point = base + o + row * row_step
        for column in range(columns):
            if found >= capacity:
                break
            event = point + column * step
            store_u16(x + 2 * found, load_u16(event + at_x))
            store_u16(y + 2 * found, load_u16(event + at_y))
            store_u8(p + found, 1 if load_u8(event + at_p) != 0 else 0)
            store_i64(t + 8 * found, stamp + load_u32(event + at_t))
            found += 1
        if found >= capacity:
            break
    return rows * columns


def parse_events_message(address, length, capacity, x, y, p, t, scratch):
    """`parse_events` as a function of its own, for ``compile_function`` with eight int64 arguments."""
    return parse_events(address, length, capacity, x, y, p, t, scratch)


# --- writing ----------------------------------------------------------------------------------------


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


def _cloud_cdr(data: np.ndarray, stamp_ns: int, frame_id: str) -> bytes:
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
    return _cloud_cdr(pack_events(t, x, y, p, stamp_ns), stamp_ns, frame_id)


def spikes_cdr(t: Any, neuron: Any, position: Any, stamp_ns: int, population: str) -> bytes:
    """A serialized PointCloud2 of spikes, to be given to ``publisher.publish``; arguments as in `pack_spikes`."""
    return _cloud_cdr(pack_spikes(t, neuron, position, stamp_ns), stamp_ns, population)
