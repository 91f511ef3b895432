"""The view node: it shows events and spikes as an image and point clouds, in RViz, Foxglove and rqt.

The node does not disturb a control loop. It runs in its own process at ordinary priority, subscribes with best-effort
reliability, and drops messages that it has no time to process.
"""

from __future__ import annotations

import array
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2

from ...events import Events
from ...events.files.messages import CLOUD_TYPE, EVENT_TYPES, reader_of
from ...events.frames import OFF, ON, STYLES, fitting, likely_size, painter
from ..messages.clouds import SPIKE, cloud_cdr
from ..ports.topics import message_class, resolved
from .process import Parameter, ProcessNode, Stop, dds_threads, run_node

__all__ = ["EventReader", "ViewNode", "event_points", "main", "read_spikes", "spike_points"]

#: a point of the clouds: position [m], and the colour 0x00RRGGBB in the bytes of a float, as viewers expect it
POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<f4")])
DEPTH = 0.5  # m along x for the time of one image; the sensor is 1 m wide
SPIKE_COLOURS = ((86, 180, 233), (240, 180, 40), (0, 178, 135), (224, 140, 185))
WAITING = 2000  # messages of spikes between two images; older ones are dropped
EVENTS_DEPTH = 200


class EventReader:
    """Reads the serialized messages of one topic as events. Malformed messages are counted, but raise no error.

    kind : message type, one of `EVENT_TYPES`
    width : number of columns of the sensor [pixel]; 0: use the size in the messages or, if they have none, a likely
        sensor size for the events received so far
    height : number of rows of the sensor [pixel]; 0: as for ``width``
    """

    def __init__(self, kind: str, width: int = 0, height: int = 0) -> None:
        self.counters: Counter[str] = Counter()
        self._seen = (0, 0)
        self._reader = reader_of(kind, self.counters, width, height)

    @property
    def size(self) -> tuple[int, int] | None:
        """Size (width, height) of the sensor [pixel]; None before the first event.

        If the messages do not contain the size, it is an estimate, which may grow.
        """
        width, height = self._reader.size
        if width and height:
            return width, height
        return likely_size(*self._seen) if self._seen[0] else None

    def read(self, message: bytes) -> Events:
        """Return the events of a serialized message. A malformed message is counted, and the result is empty.

        The times of the events are in the unit of the message's encoding.
        """
        columns = self._reader.read(message)
        if columns is None:
            return Events()
        t, x, y, p = columns
        events = Events(t, x, y, p, self._reader.unit)
        if len(events):
            self._seen = max(self._seen[0], int(events.x.max()) + 1), max(self._seen[1], int(events.y.max()) + 1)
        return events


def _coloured(places: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return coloured points for a PointCloud2, (n,) POINT.

    places : (n, 3), positions of the points [m]
    colours : (n, 3), red, green and blue of the points, 0 to 255
    """
    points = np.empty(len(places), POINT)
    points["x"], points["y"], points["z"] = places.T
    codes = np.asarray(colours, np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    points["rgb"] = codes.astype("<u4").view("<f4")
    return points


def event_points(events: Events, size: tuple[int, int], seconds: float, most: int) -> np.ndarray:
    """Return points that show events, (n,) POINT: at most ``most`` of the events, evenly selected.

    In the picture, the sensor is 1 m wide and stands upright before the viewer. An event of age ``seconds`` [s] lies
    ``DEPTH`` m behind the sensor, older events lie further behind it.
    """
    n = len(events)
    rows = np.arange(0, n, max(1, -(-n // most))) if most else np.arange(0)
    age = (int(events.ns.max()) - events.ns[rows]) * 1e-9 if n else np.zeros(0)
    across, down = (events.x[rows] + 0.5) / size[0] - 0.5, (events.y[rows] + 0.5 - size[1] / 2) / size[0]
    places = np.stack([np.minimum(age / seconds, 10.0) * DEPTH, -across, -down], axis=1)
    return _coloured(places, np.where((events.p[rows] != 0)[:, None], ON, OFF))


def read_spikes(message: bytes) -> np.ndarray:
    """Return the spikes in a serialized PointCloud2, (n,) SPIKE.

    The result is empty for a message with another layout than that of `ros.ports.spikes`.
    """
    length = int.from_bytes(message[12:16], "little")  # length of the frame's name, NUL included
    name = message[16 : 16 + max(0, length - 1)].decode("latin-1")
    start = len(cloud_cdr(np.empty(0, SPIKE), 0, name)) - 1  # index of the first record; is_dense is the last byte
    size = int.from_bytes(message[start - 4 : start], "little")  # size of the data, which may be followed by padding
    if len(message) <= start + size or size % SPIKE.itemsize:
        return np.empty(0, SPIKE)
    return np.frombuffer(message, SPIKE, size // SPIKE.itemsize, start)


def spike_points(spikes: np.ndarray, place: int) -> np.ndarray:
    """Return points that show the spikes of a population, (n,) POINT, to the right of the sensor.

    place : index of the population's square, counted from the top; a square is 0.4 m wide
    """
    places = np.stack([np.zeros(len(spikes)), -0.6 - 0.4 * spikes["x"], 0.5 - 0.5 * place - 0.4 * spikes["y"]], axis=1)
    return _coloured(places, np.tile(SPIKE_COLOURS[place % len(SPIKE_COLOURS)], (len(spikes), 1)))


class ViewNode(ProcessNode):
    """Node that shows a camera's events and spikes. It publishes ``~/image`` (rgb8), ``~/cloud`` and ``~/spikes``."""

    NAME = "view"
    EXAMPLE = "-p topic:=event_camera/events -p type:=event_camera_msgs/msg/EventPacket"
    PARAMETERS: Mapping[str, Parameter] = {
        "topic": Parameter("events", "Topic of the camera's events"),
        "type": Parameter(CLOUD_TYPE, f"Type of its messages: {', '.join(EVENT_TYPES)}", words=EVENT_TYPES),
        "rate": Parameter(30.0, "Rate of the images [Hz]", 0.1, 240.0),
        "style": Parameter("polarity", f"Style of the image: {', '.join(STYLES)}", words=list(STYLES)),
        "width": Parameter(0, "Width of the sensor [pixel]; 0: as stated in messages, or else estimated", 0, 65535),
        "height": Parameter(0, "Height of the sensor [pixel]; 0: as stated in messages, or else estimated", 0, 65535),
        "image_width": Parameter(640, "Maximum width of the image [pixel]; larger sensors are pooled", 16, 65535),
        "points": Parameter(20000, "Maximum number of points in a cloud of events; 0: no cloud", 0, 1000000),
        "spikes": Parameter("", "Topics of spikes to show beside the events, separated by commas"),
        "frame": Parameter("snn_view", "frame_id of image and clouds"),
    }

    def __init__(self, stop: Stop, **options: Any) -> None:
        super().__init__(stop, **options)
        given = self.given
        self.reader = EventReader(given.type, given.width, given.height)
        self.seconds = 1.0 / given.rate
        self._painter: Any = None
        self._size: tuple[int, int] | None = None
        self._kept: list[Events] = []
        self._newest = self._came = 0
        names = given.spikes.replace(",", " ").split()
        self._spikes: list[deque[bytes]] = [deque(maxlen=WAITING) for _ in names]
        qos = QoSProfile(depth=EVENTS_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        with dds_threads():
            cls, full = message_class("view", given.type), resolved(self, "view", given.topic)
            self.create_subscription(cls, full, self._take, qos, raw=True)
            for name, waiting in zip(names, self._spikes, strict=True):
                full = resolved(self, "view.spikes", name)
                self.create_subscription(PointCloud2, full, lambda m, to=waiting: to.append(m), qos, raw=True)
            self._images = self.create_publisher(Image, "~/image", 2)
            self._clouds = self.create_publisher(PointCloud2, "~/cloud", 2)
            self._spike_clouds = self.create_publisher(PointCloud2, "~/spikes", 2)
        self.steady_timer(self.seconds, self._publish)
        self.get_logger().info(f"{given.topic} -> {self.get_name()}/image, {given.rate:g} images/s")

    def _take(self, message: bytes) -> None:
        events = self.reader.read(message)
        if not len(events):
            return
        if self.reader.size != self._size:
            self._size = self.reader.size
            assert self._size is not None
            pooled = fitting(*self._size, (self.given.image_width, self._size[1]))[0]
            self._painter = painter(self.given.style, *self._size, pooled)
        self._painter.add(events)
        self._newest, self._came = int(events.ns.max()), time.monotonic_ns()
        if self.given.points:
            self._kept.append(events)
            if sum(map(len, self._kept)) > 4 * self.given.points and len(self._kept) > 1:
                self._kept = [Events.concatenate(self._kept)[::2]]

    def _publish(self) -> None:
        stamp = self.get_clock().now()
        if self._painter is not None:
            # without events the sensor's clock advances with ours, so that old events fade
            picture = self._painter.image(self._newest + time.monotonic_ns() - self._came)
            message = Image(height=picture.shape[0], width=picture.shape[1], encoding="rgb8", step=3 * picture.shape[1])
            message.header.stamp, message.header.frame_id = stamp.to_msg(), self.given.frame
            message.data = array.array("B", picture.tobytes())  # an array is copied once, bytes one by one
            self._images.publish(message)
        if self._kept and self._size is not None:
            points = event_points(Events.concatenate(self._kept), self._size, self.seconds, self.given.points)
            self._clouds.publish(cloud_cdr(points, stamp.nanoseconds, self.given.frame))
            self._kept.clear()
        parts = []
        for place, waiting in enumerate(self._spikes):
            messages = [waiting.popleft() for _ in range(len(waiting))]
            parts += [spike_points(read_spikes(message), place) for message in messages]
        if parts:
            self._spike_clouds.publish(cloud_cdr(np.concatenate(parts), stamp.nanoseconds, self.given.frame))

    def finish(self) -> None:
        """Log the number of malformed messages."""
        if self.reader.counters:
            said = ", ".join(f"{name} {n}" for name, n in self.reader.counters.items())
            self.get_logger().info(f"event message errors: {said}")


#: entry point of the executable ``view_node``; returns the exit code
main = partial(run_node, ViewNode)

if __name__ == "__main__":
    sys.exit(main())
