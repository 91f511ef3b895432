"""Recordings for tests: events at random, bags around them, and what the recorded files are known to hold."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from snn_control.events import Events
from snn_control.events.codecs import codec
from snn_control.events.packets import PACKET_TYPES, packet_cdr

PACKET = PACKET_TYPES[0]


def some_events(n=1000, seed=1, unit="us", step=50):
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.integers(0, step, n))
    x, y = rng.integers(0, 640, n).astype(np.uint16), rng.integers(0, 480, n).astype(np.uint16)
    return Events(t, x, y, rng.integers(0, 2, n).astype(np.uint8), unit, 640, 480)


def same(a, b):
    return all(np.array_equal(getattr(a, c), getattr(b, c)) for c in "txyp")


def told(recording):
    """The counters that are not 0."""
    return {name: n for name, n in recording.counters.items() if n}


#: encoding, unit, events, first and last time, digest, width, height: counts of independent decoders
TABLE = {
    "ecpy_test_events_1.db3": ("evt3", "us", 343474, 7139845, 9218023, "ed39d7471dfc8ed2", 640, 480),
    "ecpy_test_events_2_0.mcap": (
        "libcaer_cmp", "ns", 571266, 1744227144732712000, 1744227145732708000, "26291a633b87d6a4", 346, 260,
    ),
    "libcaer_rollover_0.db3": (
        "libcaer", "ns", 334331, 1702309120762236018, 1702309122762222018, "287b8cbd4cbe38bf", 640, 480,
    ),
    "mono_cd_0.db3": ("mono", "ns", 100, 0, 99000, "4f8d99429b5a1268", 640, 480),
    "expelliarmus_evt2_sample.raw": ("evt2", "us", 539481, 1317888, 1367888, "191b55337d65deee", None, None),
    "tonic_sample.aedat4": ("aedat4", "us", 111954, 1605537493718345, 1605537494308262, "d7dac50b4cb58e39", 320, 240),
}  # fmt: skip
MESSAGES = {
    "ecpy_test_events_1.db3": 517,
    "ecpy_test_events_2_0.mcap": 100,
    "libcaer_rollover_0.db3": 201,
    "mono_cd_0.db3": 2,
}


def packets(events, encoding="evt3", size=100, first=0):
    """EventPackets of ``size`` events each, as (log time, bytes)."""
    rows = []
    for k, begin in enumerate(range(0, len(events), size)):
        part = events[begin : begin + size]
        log = int(part.ns[-1])
        base = (int(part.ns[0]),) if encoding == "mono" else ()
        rows.append((log, packet_cdr(codec(encoding).encode(part, *base), encoding, 640, 480, first + k, log, *base)))
    return rows


def write_db3(path, topics):
    """topics: name -> (type, rows of log time and bytes)."""
    bag = sqlite3.connect(path)
    bag.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, q TEXT)")
    bag.execute("CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)")
    bag.execute("CREATE INDEX timestamp_idx ON messages (timestamp ASC)")
    for k, (name, (kind, rows)) in enumerate(topics.items()):
        bag.execute("INSERT INTO topics VALUES (?, ?, ?, 'cdr', '')", (k + 1, name, kind))
        bag.executemany(
            "INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)", [(k + 1, *row) for row in rows]
        )
    bag.commit()
    bag.close()


def write_bag(path, topics, compression="zstd", chunk=1024 * 1024, **more):
    writer = pytest.importorskip("mcap.writer")
    with open(path, "wb") as file:
        kind = {"zstd": writer.CompressionType.ZSTD, "lz4": writer.CompressionType.LZ4, "": writer.CompressionType.NONE}
        bag = writer.Writer(file, compression=kind[compression], chunk_size=chunk, **more)
        bag.start(profile="ros2")
        for name, (message_type, rows) in topics.items():
            schema = bag.register_schema(name=message_type, encoding="ros2msg", data=b"")
            channel = bag.register_channel(topic=name, message_encoding="cdr", schema_id=schema)
            for log, data in rows:
                bag.add_message(channel, log_time=log, data=data, publish_time=log)
        bag.finish()


WRITERS = {".db3": write_db3, ".mcap": write_bag}
