"""Events and spikes as an image and point clouds, which RViz, Foxglove and rqt show as they are.

A process of its own at ordinary priority, which takes what comes, best effort, and drops what it cannot keep up with:
it does not disturb a control loop.
"""

from __future__ import annotations

import array
import sys
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2

from ..controller_file import nearest
from ..errors import DescriptionError
from ..events import Decoder, Events
from ..events.files.messages import EVENT_TYPES, reader_of
from ..events.frames import OFF, ON, STYLES, fitting, likely_size, painter
from .clouds import SPIKE, cloud_cdr, spikes_cdr
from .process import Stop, dds_threads, declare, run_node, steady_timer, warn_of_unknown_parameters
from .topics import message_class, resolved

__all__ = ["EventReader", "ViewNode", "event_points", "main", "read_spikes", "spike_points"]

#: a point of the clouds: place [m], and 0x00RRGGBB in the bytes of a float, as viewers want it
POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<f4")])
DEPTH = 0.5  # m of x that the time of one image takes; the sensor is 1 m wide
SPIKE_COLOURS = ((86, 180, 233), (240, 180, 40), (0, 178, 135), (224, 140, 185))
WAITING = 2000  # messages of spikes between two images; older ones go
EVENTS_DEPTH = 200


class EventReader:
    """Serialized messages of one topic -> events; what is malformed is counted, not raised.

    kind : message type, of `EVENT_TYPES`
    width, height : of the sensor [pixel]; 0: what the messages say, else a likely size of what was seen
    """

    def __init__(self, kind: str, width: int = 0, height: int = 0) -> None:
        self.counters: dict[str, int] = {}
        self._given, self._seen = (width, height), (0, 0)
        self._reader = reader_of(kind, self._count, lambda encoding: Decoder(encoding, *self._known()))

    def _count(self, name: str, n: int) -> None:
        self.counters[name] = self.counters.get(name, 0) + n

    def _known(self) -> tuple[int | None, int | None]:
        said = self._reader.size()
        return self._given[0] or said[0], self._given[1] or said[1]

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of the sensor; None as long as nothing was seen. May grow where nobody says it."""
        width, height = self._known()
        if width and height:
            return width, height
        return likely_size(*self._seen) if self._seen[0] else None

    def read(self, message: bytes) -> Events:
        """The events of a message; their t is in the unit of its encoding."""
        columns = self._reader.read(0, message)
        if columns is None:
            return Events()
        t, x, y, p = columns
        events = Events(t, x, y, p, self._reader.unit)
        if len(events):
            self._seen = max(self._seen[0], int(events.x.max()) + 1), max(self._seen[1], int(events.y.max()) + 1)
        return events


def _coloured(places: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """(n,) POINT of (n, 3) places [m] and (n, 3) colours."""
    points = np.empty(len(places), POINT)
    points["x"], points["y"], points["z"] = places.T
    codes = np.asarray(colours, np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    points["rgb"] = codes.astype("<u4").view("<f4")
    return points


def event_points(events: Events, size: tuple[int, int], seconds: float, most: int) -> np.ndarray:
    """(n,) POINT of at most ``most`` of the events, evenly chosen: the sensor 1 m wide and upright before the viewer,
    older events ``DEPTH`` m behind the newest for each ``seconds`` of age."""
    n = len(events)
    rows = np.arange(0, n, max(1, -(-n // most))) if most else np.arange(0)
    age = (int(events.ns.max()) - events.ns[rows]) * 1e-9 if n else np.zeros(0)
    across, down = (events.x[rows] + 0.5) / size[0] - 0.5, (events.y[rows] + 0.5 - size[1] / 2) / size[0]
    places = np.stack([np.minimum(age / seconds, 10.0) * DEPTH, -across, -down], axis=1)
    return _coloured(places, np.where((events.p[rows] != 0)[:, None], ON, OFF))


def read_spikes(message: bytes) -> np.ndarray:
    """(n,) SPIKE of a serialized message of ours (`ros.spikes`); none where it is another."""
    length = int.from_bytes(message[12:16], "little")  # of the frame's name, NUL included
    name = message[16 : 16 + max(0, length - 1)].decode("latin-1")
    start = len(spikes_cdr([], [], np.zeros((0, 3)), 0, name)) - 1  # before is_dense
    size = int.from_bytes(message[start - 4 : start], "little")  # of the data; behind it there may be padding
    if len(message) <= start + size or size % SPIKE.itemsize:
        return np.empty(0, SPIKE)
    return np.frombuffer(message, SPIKE, size // SPIKE.itemsize, start)


def spike_points(spikes: np.ndarray, place: int) -> np.ndarray:
    """(n,) POINT of spikes, in a square of 0.4 m right of the sensor, the ``place``-th from the top."""
    places = np.stack([np.zeros(len(spikes)), -0.6 - 0.4 * spikes["x"], 0.5 - 0.5 * place - 0.4 * spikes["y"]], axis=1)
    return _coloured(places, np.tile(SPIKE_COLOURS[place % len(SPIKE_COLOURS)], (len(spikes), 1)))


class ViewNode(Node):
    """Subscribes to a camera's events and to spikes; publishes ``~/image`` (rgb8), ``~/cloud`` and ``~/spikes``."""

    NAME, PRIORITY = "view", 0

    def __init__(self, stop: Stop, **options: Any) -> None:
        with dds_threads():
            super().__init__(self.NAME, **options)
        self.exit_code, self.finished = 0, False
        topic = declare(self, "topic", "events", "Topic of the camera's events")
        kind = declare(self, "type", "sensor_msgs/msg/PointCloud2", f"Its type: {', '.join(EVENT_TYPES)}")
        rate = declare(self, "rate", 30.0, "Images a second [Hz]", 0.1, 240.0)
        self.style = declare(self, "style", "polarity", f"Of the image: {', '.join(STYLES)}")
        width = declare(self, "width", 0, "Of the sensor [pixel]; 0: as the messages say, else a likely one", 0, 65535)
        height = declare(
            self, "height", 0, "Of the sensor [pixel]; 0: as the messages say, else a likely one", 0, 65535
        )
        self.columns = declare(
            self, "image_width", 640, "Columns of the image at most [pixel]: larger sensors are pooled", 16, 65535
        )
        self.points = declare(self, "points", 20000, "Most points of the cloud of an image; 0: no cloud", 0, 1000000)
        spikes = declare(self, "spikes", "", "Topics of spikes to show beside the events, separated by commas")
        self.frame = declare(self, "frame", "snn_view", "frame_id of image and clouds")
        warn_of_unknown_parameters(self)
        for name, value, known in (("style", self.style, list(STYLES)), ("type", kind, EVENT_TYPES)):
            if value not in known:
                raise DescriptionError(name, value, "is not known", nearest(value, known))
        self.reader = EventReader(kind, width, height)
        self.seconds = 1.0 / rate
        self._painter: Any = None
        self._size: tuple[int, int] | None = None
        self._kept: list[Events] = []
        self._newest = self._came = 0
        self._spikes: list[deque[bytes]] = []
        self._listen(topic, message_class("view", kind), [name for name in spikes.replace(",", " ").split() if name])
        steady_timer(self, self.seconds, self._publish)
        self.get_logger().info(f"{topic} -> {self.get_name()}/image, {rate:g} images/s")

    def _listen(self, topic: str, cls: Any, spikes: Sequence[str]) -> None:
        qos = QoSProfile(depth=EVENTS_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        with dds_threads():
            full = resolved(self, "view", topic)
            self.create_subscription(cls, full, self._take, qos, raw=True)
            for name in spikes:
                waiting: deque[bytes] = deque(maxlen=WAITING)
                full = resolved(self, "view.spikes", name)
                self.create_subscription(PointCloud2, full, lambda m, to=waiting: to.append(m), qos, raw=True)
                self._spikes.append(waiting)
            self._images = self.create_publisher(Image, "~/image", 2)
            self._clouds = self.create_publisher(PointCloud2, "~/cloud", 2)
            self._spike_clouds = self.create_publisher(PointCloud2, "~/spikes", 2)

    def _take(self, message: bytes) -> None:
        events = self.reader.read(message)
        if not len(events):
            return
        if self.reader.size != self._size:
            self._size = self.reader.size
            assert self._size is not None
            self._painter = painter(self.style, *self._size, fitting(*self._size, (self.columns, self._size[1]))[0])
        self._painter.add(events)
        self._newest, self._came = int(events.ns.max()), time.monotonic_ns()
        if self.points:
            self._kept.append(events)
            if sum(map(len, self._kept)) > 4 * self.points and len(self._kept) > 1:
                self._kept = [Events.concatenate(self._kept)[::2]]

    def _publish(self) -> None:
        stamp = self.get_clock().now()
        if self._painter is not None:
            # without events the sensor's clock goes on as ours does: what is old fades
            picture = self._painter.image(self._newest + time.monotonic_ns() - self._came)
            message = Image(height=picture.shape[0], width=picture.shape[1], encoding="rgb8", step=3 * picture.shape[1])
            message.header.stamp, message.header.frame_id = stamp.to_msg(), self.frame
            message.data = array.array("B", picture.tobytes())  # of an array it is one copy, of bytes very many
            self._images.publish(message)
        if self._kept and self._size is not None:
            points = event_points(Events.concatenate(self._kept), self._size, self.seconds, self.points)
            self._clouds.publish(cloud_cdr(points, stamp.nanoseconds, self.frame))
            self._kept.clear()
        parts = []
        for place, waiting in enumerate(self._spikes):
            messages = [waiting.popleft() for _ in range(len(waiting))]
            parts += [spike_points(read_spikes(message), place) for message in messages]
        if parts:
            self._spike_clouds.publish(cloud_cdr(np.concatenate(parts), stamp.nanoseconds, self.frame))

    def finish(self) -> None:
        """Say what could not be read."""
        if self.reader.counters:
            said = ", ".join(f"{name} {n}" for name, n in self.reader.counters.items())
            self.get_logger().info(f"of the events' messages: {said}")


#: entry point of the executable ``view_node``: exit code
main = partial(run_node, ViewNode)

if __name__ == "__main__":
    sys.exit(main())
