"""Recordings in the formats of other programs, written from the formats' descriptions."""

from __future__ import annotations

import bz2
import struct

import numpy as np

from snn_control.events import Events

__all__ = [
    "EVENT_ARRAY", "aedat2", "aedat3", "bag1", "bag1_of_events", "event_stream", "record1", "ros1_event_array",
    "write_dsec", "write_mvsec",
]  # fmt: skip


def event_stream(events: Events, atis=False) -> bytes:
    """An Event Stream file. Every other event of an ATIS is followed by a measurement of brightness."""
    out = [b"Event Stream\x02\x00\x00", bytes([2 if atis else 1]), struct.pack("<HH", events.width, events.height)]
    most, last = 63 if atis else 127, 0
    for k, (t, x, y, p) in enumerate(zip(*(getattr(events, name).tolist() for name in "txyp"))):
        step, last, y = t - last, t, events.height - 1 - y
        while step >= most:
            times = min(step // most, 3 if atis else 1)
            out.append(bytes([0xFC | times if atis else 0xFF]))
            step -= most * times
        first = step << 2 | p << 1 if atis else step << 1 | p
        out.append(struct.pack("<BHH", first, x, y))
        if atis and k % 2:
            out.append(struct.pack("<BHH", p << 1 | 1, x, y))
        elif not atis and k % 7 == 0:
            out.append(b"\xfe")
    return b"".join(out)


def aedat2(events: Events, chip: str, more=()) -> bytes:
    """An AEDAT 2 file of jAER. ``more``: other records, as (address, time), which are put in after the first event."""
    t, x, y, p = (getattr(events, name).astype(np.int64) for name in "txyp")
    x, y = events.width - 1 - x, events.height - 1 - y
    address = x << 1 | y << 8 | 1 - p if "DVS128" in chip else x << 12 | y << 22 | p << 11
    rows = np.stack([address, t & 0xFFFFFFFF], axis=1)
    rows = np.concatenate([rows[:1], np.reshape(more, (-1, 2)).astype(np.int64), rows[1:]])
    header = f"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n# AEChip: {chip}\r\n"
    return header.encode() + rows.astype(">u4").tobytes()


def aedat3(events: Events, size=100, source=1, name="DAVIS240C", extra=b"") -> bytes:
    """An AEDAT 3.1 file of cAER, in packets of ``size`` events. ``extra``: packets before the first one."""
    out = [f"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source {source}: {name}\r\n#!END-HEADER\r\n".encode(), extra]
    for k in range(0, len(events), size):
        t, x, y, p = (getattr(events, column)[k : k + size].astype(np.int64) for column in "txyp")
        for over in np.unique(t >> 31):
            mine = t >> 31 == over
            n = int(mine.sum())
            out.append(struct.pack("<hhiiiiii", 1, source, 8, 4, over, n, n, n))
            rows = np.stack([x[mine] << 17 | y[mine] << 2 | p[mine] << 1 | 1, t[mine] & 0x7FFFFFFF], axis=1)
            out.append(rows.astype("<u4").tobytes())
    return b"".join(out)


# --- HDF5 --------------------------------------------------------------------------------------------


def write_dsec(path, events: Events, offset=49_000_000_000, **how):
    """The layout of DSEC; ``how``: chunks and compression."""
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("events")
        for name, kind in zip("txyp", ("u4", "u2", "u2", "u1")):
            group.create_dataset(name, data=getattr(events, name).astype(kind), **how)
        file["t_offset"] = np.int64(offset)
        file["ms_to_idx"] = np.searchsorted(events.t, np.arange(events.t[-1] // 1000 + 1) * 1000).astype("u8")


def write_mvsec(path, left: Events, right: Events, **how):
    """The layout of MVSEC: tables of float64 with x, y, time in s, and -1 or 1."""
    import h5py

    with h5py.File(path, "w") as file:
        for name, events in (("left", left), ("right", right)):
            columns = (events.x, events.y, events.t * 1e-6, events.p * 2.0 - 1)
            file.create_dataset(f"davis/{name}/events", data=np.stack(columns, axis=1).astype(float), **how)
            file.create_dataset(f"davis/{name}/imu", data=np.zeros((5, 6)))
            file.create_dataset(f"davis/{name}/image_raw_ts", data=np.arange(5.0))


# --- bags of ROS 1 -----------------------------------------------------------------------------------

RULE = "=" * 80
HEADER = f"{RULE}\nMSG: std_msgs/Header\n# a header\nuint32 seq\ntime stamp\nstring frame_id\n"
EVENT_ARRAY = (
    "# an array of events\nHeader header\n\nuint32 height         # rows\nuint32 width\nEvent[] events\n"
    f"{HEADER}{RULE}\nMSG: dvs_msgs/Event\nuint16 x\nuint16 y\ntime ts\nbool polarity\n"
)


def ros1_event_array(events: Events, seq=0) -> bytes:
    record = np.dtype([("x", "<u2"), ("y", "<u2"), ("s", "<u4"), ("ns", "<u4"), ("p", "u1")])
    rows = np.zeros(len(events), record)
    rows["x"], rows["y"], rows["p"] = events.x, events.y, events.p
    rows["s"], rows["ns"] = events.ns // 10**9, events.ns % 10**9
    head = struct.pack("<III", seq, int(events.ns[-1]) // 10**9, 0) + struct.pack("<I", 3) + b"cam"
    return head + struct.pack("<III", events.height, events.width, len(rows)) + rows.tobytes()


def record1(data: bytes, **fields: bytes) -> bytes:
    """A record of a bag."""
    head = b"".join(
        struct.pack("<I", len(name) + 1 + len(value)) + name.encode() + b"=" + value for name, value in fields.items()
    )
    return struct.pack("<I", len(head)) + head + struct.pack("<I", len(data)) + data


def _lz4(data: bytes) -> bytes:
    import lz4.frame

    return lz4.frame.compress(data)


def bag1(topics, compression="none", per_chunk=3, index=True) -> bytes:
    """A bag. ``topics``: name -> (type, definition, rows of time [ns] and bytes)."""
    connections, rows = [], []
    for number, (name, (kind, definition, messages)) in enumerate(topics.items()):
        fields = {"topic": name, "type": kind, "md5sum": "*", "message_definition": definition}
        inner = b"".join(
            struct.pack("<I", len(key) + 1 + len(value.encode())) + key.encode() + b"=" + value.encode()
            for key, value in fields.items()
        )
        connection = struct.pack("<I", number)
        connections.append(record1(inner, op=b"\x07", conn=connection, topic=name.encode()))
        rows += [
            (t, record1(data, op=b"\x02", conn=connection, time=struct.pack("<II", *divmod(t, 10**9))))
            for t, data in messages
        ]
    rows.sort(key=lambda row: row[0])
    chunks = []
    for k in range(0, len(rows), per_chunk):
        data = b"".join([*(connections if k == 0 else ()), *(row for _, row in rows[k : k + per_chunk])])
        packed = {"none": bytes, "bz2": bz2.compress, "lz4": _lz4}[compression](data)
        chunks.append(record1(packed, op=b"\x05", compression=compression.encode(), size=struct.pack("<I", len(data))))
        chunks.append(record1(b"", op=b"\x04", ver=struct.pack("<I", 1), conn=bytes(4), count=bytes(4)))
    counts = b"".join(struct.pack("<II", k, len(messages)) for k, (_, _, messages) in enumerate(topics.values()))
    body = b"".join(chunks)
    head = {"op": b"\x03", "conn_count": struct.pack("<I", len(topics)), "chunk_count": struct.pack("<I", 1)}
    size = 13 + len(record1(bytes(100), **head, index_pos=bytes(8)))
    head["index_pos"] = struct.pack("<Q", size + len(body) if index else 0)
    end = b"".join([*connections, record1(counts, op=b"\x06", ver=struct.pack("<I", 1))]) if index else b""
    return b"#ROSBAG V2.0\n" + record1(b" " * 100, **head) + body + end


def bag1_of_events(events: Events, size=100, **how) -> bytes:
    """A bag of dvs_msgs/EventArray, ``size`` events each."""
    parts = [events[k : k + size] for k in range(0, len(events), size)]
    rows = [(int(part.ns[-1]), ros1_event_array(part, k)) for k, part in enumerate(parts)]
    return bag1({"/dvs/events": ("dvs_msgs/EventArray", EVENT_ARRAY, rows)}, **how)
