"""The topics of a world node: publish the environment's observations, and receive the commands for its actions."""

from __future__ import annotations

import array
import time
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ...coding import EventsInput, ValueInput
from ...controller_file import ControllerSpec, RosTopic
from ...engine.camera.frame_taker import encoding_of
from ...engine.program import aligned
from ...engine.slots import EMPTY, SLOT_WORDS
from ...errors import DescriptionError, RuntimeFault, within
from ...events import Events
from ...events.codecs import codec
from ...events.files.messages import CLOUD_TYPE
from ...events.packets import PACKET_TYPES, packet_cdr
from ..messages.clouds import events_cdr
from ..messages.path_program import compile_path
from ..ports.numeric import CommandOutput, NumericInput
from ..ports.topics import input_type, message_class, qos_of, resolved, value_field

__all__ = ["Camera", "Commands", "Frames", "Pictures", "Sensors"]


class Commands:
    """Receives the commands of one output for the world node, with the numeric port that a control loop uses."""

    def __init__(self, node: Node, io: Node, name: str, spec: ControllerSpec, size: int, lockstep: bool) -> None:
        topic, where = spec.ros_outputs[name], f"ros.outputs.{name}"
        cls, program = value_field(where, topic, size)
        self.name, self.topic, self.qos = name, topic, qos_of(topic, lockstep)
        full = resolved(node, where, topic.topic)
        subscription = io.create_subscription(cls, full, lambda message: None, self.qos)
        self.memory = aligned(8 * (SLOT_WORDS + size))
        self.slot = self.memory[: 8 * SLOT_WORDS].view(np.int64)
        self.values = self.memory[8 * SLOT_WORDS :].view(np.float64)
        self.slot[:] = EMPTY
        at = int(self.slot.ctypes.data)
        self.port = NumericInput(subscription, program, at, at + 8 * SLOT_WORDS, size, name=name)

    def take(self, mode: int) -> int:
        """Read the waiting messages as a loop in this ``mode`` does, see `realtime.port`. Return their number."""
        return self.port(time.monotonic_ns(), mode)


def _numbers(observation: Any, name: str, size: int) -> np.ndarray:
    """Return the numbers of the entry ``name`` of an observation, (size,) float64.

    Raises RuntimeFault if the entry has another size.
    """
    numbers = np.asarray(observation[name], np.float64).reshape(-1)
    if numbers.size != size:
        raise RuntimeFault(f"the observation's '{name}' has {numbers.size} numbers, the input takes {size}")
    return numbers


class Sensors:
    """Publishes one message with the values of all numeric inputs that share a topic."""

    def __init__(self, node: Node, io: Node, names: list[str], spec: ControllerSpec, lockstep: bool) -> None:
        topic, where = spec.ros_inputs[names[0]], f"ros.inputs.{names[0]}"
        cls = message_class(where, topic.type)
        self.names, self.topic, self.qos = names, topic, qos_of(topic, lockstep)
        self._sizes = {one.name: one.size for one in spec.inputs if isinstance(one, ValueInput)}
        rooms = {n: self._sizes[n] for n in names}
        with within(where):
            for n in names:
                if spec.ros_inputs[n].reduce:  # the field may have more numbers than the input
                    rooms[n] = max(rooms[n], compile_path(cls, spec.ros_inputs[n].field).size)
        self.values = {name: aligned(8 * room).view(np.float64) for name, room in rooms.items()}
        self._class, self.publisher = cls, io.create_publisher(cls, resolved(node, where, topic.topic), self.qos)
        fields = [(spec.ros_inputs[n].field, int(self.values[n].ctypes.data), rooms[n]) for n in names]
        with within(where):
            self.port = CommandOutput(self.publisher, cls, fields, name=",".join(names))
        self.stamped = hasattr(cls(), "header")

    def publish(self, observation: Any, stamp_ns: int) -> None:
        if any(observation.get(name) is None for name in self.names):  # nothing is due, but lockstep needs a message
            message = self._class()  # its sequences are empty
            if self.stamped:
                message.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
            self.publisher.publish(message)
            return
        for name, values in self.values.items():
            numbers = _numbers(observation, name, self._sizes[name])
            k = np.arange(values.size)  # if the field is reduced, repeat each number over its sector
            values[:] = numbers[((k + 1) * numbers.size - 1) // values.size]
        code = self.port(stamp_ns)
        if code != 0:
            raise RuntimeFault(f"publishing on {self.topic.topic} failed with rcl code {code}")


class Pictures:
    """Publishes numbers of a simulated sensor as an Image, one number per pixel, for a controller that reads Images."""

    stamped = True

    def __init__(self, node: Node, io: Node, one: ValueInput, topic: RosTopic, lockstep: bool) -> None:
        where = f"ros.inputs.{one.name}"
        input_type(where, topic, one.size)
        self.name, self.topic, self.size, self.qos = one.name, topic, one.size, qos_of(topic, lockstep)
        self.publisher = io.create_publisher(Image, resolved(node, where, topic.topic), self.qos)

    def publish(self, observation: Any, stamp_ns: int) -> None:
        message = Image(header=Header(stamp=Time(nanoseconds=stamp_ns).to_msg(), frame_id=self.name), encoding="mono8")
        if observation.get(self.name) is not None:  # else nothing is due
            pixels = np.clip(np.rint(_numbers(observation, self.name, self.size)), 0, 255).astype(np.uint8)
            message.width, message.height = self.topic.grid or (0, 0)
            message.step, message.data = message.width, array.array("B", pixels.tobytes())
        self.publisher.publish(message)


class Frames:
    """Publishes the environment's images as Images, for an events input whose source is frames."""

    stamped = True

    def __init__(self, node: Node, io: Node, one: EventsInput, topic: RosTopic, lockstep: bool) -> None:
        where = f"ros.inputs.{one.name}"
        input_type(where, topic, None, frames=True)
        self.name, self.topic, self.size, self.qos = one.name, topic, one.size, qos_of(topic, lockstep)
        self.publisher = io.create_publisher(Image, resolved(node, where, topic.topic), self.qos)

    def publish(self, observation: Any, stamp_ns: int) -> None:
        message = Image(header=Header(stamp=Time(nanoseconds=stamp_ns).to_msg(), frame_id=self.name))
        if observation.get(self.name) is not None:  # else nothing is due
            image = np.ascontiguousarray(observation[self.name])
            image = image.astype(np.float32) if image.dtype.kind == "f" else image
            message.encoding = encoding_of(image.shape, image.dtype) or ""
            if not message.encoding or image.shape[:2] != tuple(self.size[::-1]):
                raise RuntimeFault(f"the observation's '{self.name}' is {image.shape} {image.dtype}, not an image")
            message.height, message.width = image.shape[:2]
            message.step, message.data = image.strides[0], array.array("B", image.tobytes())
        self.publisher.publish(message)


class Camera:
    """Publishes the events of an events input as PointCloud2 or, if the topic has a packet type, as EventPacket.

    encoding : encoding of the packets, "evt3" or "mono"
    """

    stamped = True

    def __init__(self, node: Node, io: Node, one: EventsInput, topic: RosTopic, encoding: str, lockstep: bool) -> None:
        where = f"ros.inputs.{one.name}"
        self.name, self.topic, self.size, self.qos = one.name, topic, one.size, qos_of(topic, lockstep)
        if topic.type not in (CLOUD_TYPE, *PACKET_TYPES):
            fix = f"use {CLOUD_TYPE} or {PACKET_TYPES[0]}"
            raise DescriptionError(f"{where}.type", topic.type, "is not what this node publishes", fix)
        cls = message_class(where, topic.type)
        self.encoding, self._seq = encoding if topic.type in PACKET_TYPES else "", 0
        if self.encoding:
            none = np.zeros(0, np.int64)
            self._packet(none, none, none, none, 0)  # compiles the encoder before the first step
        self.publisher = io.create_publisher(cls, resolved(node, where, topic.topic), self.qos)

    def publish(self, observation: Any, stamp_ns: int) -> None:
        rows = observation[self.name]
        if f"{self.name}_count" in observation:
            rows = rows[: int(observation[f"{self.name}_count"][0])]
        t, x, y, p = rows.T
        t = np.rint(t.astype(np.float64) * 1e9).astype(np.int64) + stamp_ns
        if self.encoding:
            self.publisher.publish(self._packet(t, x, y, p, stamp_ns))
        else:
            self.publisher.publish(events_cdr(t, x, y, p, stamp_ns, self.name))

    def _packet(self, t: Any, x: Any, y: Any, p: Any, stamp_ns: int) -> bytes:
        """Return a serialized EventPacket with times in microseconds (encoding evt3) or nanoseconds (encoding mono)."""
        columns = (x.astype(np.uint16), y.astype(np.uint16), (p > 0).astype(np.uint8))
        if self.encoding == "evt3":
            data, base = codec("evt3").encode(Events(t // 1000, *columns)), 0
        else:
            data, base = codec("mono").encode(Events(t, *columns, unit="ns"), stamp_ns), stamp_ns
        self._seq += 1
        return packet_cdr(data, self.encoding, *self.size, self._seq, stamp_ns, base, self.name)
