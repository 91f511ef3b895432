"""Events and spikes in point clouds: the compiled reader against numpy, and against hostile bytes."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import PointCloud2, PointField

from snn_control.engine.compile import compile_function
from snn_control.errors import InputError
from snn_control.events import cdr
from snn_control.events import packets as reader
from snn_control.ros.messages import clouds
from tests.guarded import Guarded
from tests.ros.reference import encode
from tests.ros.test_path_program import mutate

STAMP = 5_000_000_123
EVENT_TYPES = {"x": (PointField.UINT16, "<u2"), "y": (PointField.UINT16, "<u2"), "p": (PointField.UINT8, "u1")}
EVENT_TYPES["t"] = (PointField.UINT32, "<u4")


def parser():
    return compile_function(reader.parse_events, "int64(" + ",".join(["int64"] * 8) + ")")


class Events:
    """Room for events, each column at a guard page."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.rooms = [Guarded(8 * capacity + 8) for _ in range(4)]
        self.addresses = [room.put(bytes(size * capacity)) for room, size in zip(self.rooms, (2, 2, 1, 8))]
        self.scratch = np.zeros(reader.EVENT_SCRATCH_WORDS, np.int64)

    def parse(self, data: bytes, room: Guarded | None = None) -> int:
        room = room or Guarded(len(data))
        return parser()(room.put(data), len(data), self.capacity, *self.addresses, self.scratch.ctypes.data)

    def columns(self, n: int) -> list[np.ndarray]:
        import ctypes

        dtypes = (np.uint16, np.uint16, np.uint8, np.int64)
        raw = [ctypes.string_at(a, n * np.dtype(d).itemsize) for a, d in zip(self.addresses, dtypes)]
        return [np.frombuffer(r, d) for r, d in zip(raw, dtypes)]


def cloud(random: Random, rows: int, columns: int, **changes) -> tuple[PointCloud2, np.ndarray]:
    """A cloud of events in some layout -> message, its points."""
    names = list(EVENT_TYPES)
    random.shuffle(names)
    offset, offsets = 0, {}
    for name in names:
        offset += random.randrange(3)
        offsets[name] = offset
        offset += np.dtype(EVENT_TYPES[name][1]).itemsize
    step = offset + random.randrange(4)
    layout = np.dtype(
        {
            "names": names,
            "formats": [EVENT_TYPES[n][1] for n in names],
            "offsets": [offsets[n] for n in names],
            "itemsize": step,
        }
    )
    rng = np.random.default_rng(random.randrange(2**32))
    points = np.zeros((rows, columns), layout)
    for name, high in {"x": 640, "y": 480, "p": 3, "t": 2**32}.items():
        points[name] = rng.integers(0, high, (rows, columns))
    row_step = columns * step + random.randrange(5)
    data = np.zeros((rows, row_step), np.uint8)
    data[:, : columns * step] = points.view(np.uint8).reshape(rows, columns * step)
    fields = [PointField(name=n, offset=offsets[n], datatype=EVENT_TYPES[n][0], count=1) for n in names]
    fields.insert(random.randrange(5), PointField(name="distance", offset=0, datatype=PointField.FLOAT64, count=2))
    message = PointCloud2(height=rows, width=columns, fields=fields, point_step=step, row_step=row_step)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(STAMP, 10**9)
    message.header.frame_id = "camera"[: random.randrange(7)]
    message.data = data.tobytes()
    for name, value in changes.items():
        setattr(message, name, value)
    return message, points.ravel()


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 3), columns=st.integers(1, 20), capacity=st.integers(0, 40))
@settings(max_examples=80, deadline=None)
def test_any_layout_is_read(seed, rows, columns, capacity):
    message, points = cloud(Random(seed), rows, columns)
    for big in (False, True):
        events = Events(capacity)
        data = encode(message, big)
        assert events.parse(data) == len(points)
        assert events.scratch.tolist() == [STAMP]
        n = min(len(points), capacity)
        x, y, p, t = events.columns(n)
        np.testing.assert_array_equal(x, points["x"][:n])
        np.testing.assert_array_equal(y, points["y"][:n])
        np.testing.assert_array_equal(p, points["p"][:n] > 0)
        np.testing.assert_array_equal(t, STAMP + points["t"][:n].astype(np.int64))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_hostile_clouds_stay_within_the_message(seed):
    random = Random(seed)
    message, points = cloud(random, random.randrange(1, 3), random.randrange(1, 6))
    events = Events(len(points))
    for big in (False, True):
        whole = encode(message, big)
        room = Guarded(len(whole))
        assert all(events.parse(whole[:cut], room) < 0 for cut in range(len(whole)))
        for _ in range(200):
            data = mutate(whole, random)
            n = events.parse(data, room)
            assert reader.BAD_LAYOUT <= n <= len(data)


def field(name, offset, datatype, count=1):
    return PointField(name=name, offset=offset, datatype=datatype, count=count)


GOOD = [field("x", 0, 4), field("y", 2, 4), field("p", 4, 2), field("t", 5, 6)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 2),
        ({"is_bigendian": True}, reader.BAD_LAYOUT),
        ({"point_step": 8}, reader.BAD_LAYOUT),
        ({"point_step": 0}, reader.BAD_LAYOUT),
        ({"point_step": 2**32 - 1}, reader.BAD_LAYOUT),
        ({"row_step": 0}, reader.BAD_LAYOUT),
        ({"row_step": 17}, reader.BAD_LAYOUT),
        ({"row_step": 2**32 - 1}, reader.BAD_LAYOUT),
        ({"width": 3}, reader.BAD_LAYOUT),
        ({"width": 2**32 - 1}, reader.BAD_LAYOUT),
        ({"height": 2}, reader.BAD_LAYOUT),
        ({"height": 2**32 - 1, "width": 2**32 - 1}, reader.BAD_LAYOUT),
        ({"width": 0}, 0),
        ({"height": 0}, 0),
        ({"fields": GOOD[:3]}, cdr.MISSING),
        ({"fields": [*GOOD[:3], field("t", 6, 6)]}, reader.BAD_LAYOUT),
        ({"fields": [*GOOD[:3], field("t", 2**32 - 1, 6)]}, reader.BAD_LAYOUT),
        ({"fields": [*GOOD, field("x", 0, 4)]}, reader.BAD_LAYOUT),
        ({"fields": [field("x", 0, 3), *GOOD[1:]]}, reader.BAD_LAYOUT),
        ({"fields": [field("x", 0, 4, 2), *GOOD[1:]]}, reader.BAD_LAYOUT),
        ({"fields": [*GOOD[:3], field("t", 5, 5)]}, reader.BAD_LAYOUT),
    ],
)
def test_layouts(changes, code):
    data = np.array([(3, 5, 0, 1), (4, 6, 1, 2)], clouds.EVENT)
    message = PointCloud2(height=1, width=2, fields=GOOD, point_step=9, row_step=18, data=data.tobytes())
    for name, value in changes.items():
        setattr(message, name, value)
    assert Events(4).parse(encode(message)) == code


def test_the_written_bytes_are_a_point_cloud():
    from rclpy.serialization import deserialize_message

    t, x, y, p = [STAMP, STAMP + 7, STAMP + 2**32 - 1], [1, 2, 65535], [4, 5, 6], [True, False, True]
    data = clouds.events_cdr(t, x, y, p, STAMP, "dvs")
    message = deserialize_message(data, PointCloud2)
    assert (message.header.frame_id, message.header.stamp.sec, message.header.stamp.nanosec) == ("dvs", 5, 123)
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        ("x", 0, PointField.UINT16, 1),
        ("y", 2, PointField.UINT16, 1),
        ("p", 4, PointField.UINT8, 1),
        ("t", 5, PointField.UINT32, 1),
    ]
    assert (message.height, message.width, message.point_step, message.row_step) == (1, 3, 9, 27)
    assert message.is_dense
    assert not message.is_bigendian
    after = [0, 7, 2**32 - 1]
    assert np.frombuffer(bytes(message.data), clouds.EVENT).tolist() == list(zip(x, y, p, after))
    events = Events(3)
    assert events.parse(data) == 3
    assert [column.tolist() for column in events.columns(3)] == [x, y, [1, 0, 1], t]


def test_written_spikes():
    from rclpy.serialization import deserialize_message

    spikes = np.array([(1, 2, 3, 1, 0), (0, 0, 0, 0, 9)], clouds.SPIKE)
    data = clouds.cloud_cdr(spikes, STAMP, "motor")
    message = deserialize_message(data, PointCloud2)
    assert message.header.frame_id == "motor"
    assert [(f.name, f.datatype) for f in message.fields] == [("x", 7), ("y", 7), ("z", 7), ("neuron", 6), ("t", 6)]
    assert bytes(message.data) == spikes.tobytes()
    assert deserialize_message(clouds.cloud_cdr(spikes[:0], 0, "x"), PointCloud2).width == 0


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (([STAMP - 1], [0], [0], [0]), "t ="),
        (([STAMP + 2**32], [0], [0], [0]), "split the batch"),
        (([STAMP], [65536], [0], [0]), "x ="),
        (([STAMP], [0], [-1], [0]), "y ="),
        (([STAMP], [0, 1], [0], [0]), "must be equal"),
    ],
)
def test_events_that_do_not_fit(columns, says):
    with pytest.raises(InputError, match=says):
        clouds.events_cdr(*columns, STAMP)
