"""The memory of an input, and a subscriber at the other side."""

from __future__ import annotations

import time

import numpy as np
from rclpy.qos import QoSProfile

from tests.ros.node_processes import wait

QOS = QoSProfile(depth=200)


class Slot:
    """The memory of one input, as the engine lays it out."""

    def __init__(self, n: int) -> None:
        self.header = np.array([9, -1, 9, 9, -1, -1, 0, 0], np.int64)
        self.values = np.full(n, np.nan)
        self.x, self.y = np.zeros(n, np.uint16), np.zeros(n, np.uint16)
        self.p, self.t = np.zeros(n, np.uint8), np.zeros(n, np.int64)

    @property
    def address(self) -> int:
        return self.header.ctypes.data

    def state(self) -> tuple:
        return (*self.header.tolist(), *self.values.tolist(), *self.x.tolist(), *self.t.tolist())


class Reader:
    """An ordinary rclpy subscriber at the other side."""

    def __init__(self, nodes, message_class, topic="command") -> None:
        io, other = nodes
        self.got, self.other = [], other
        self.publisher = io.create_publisher(message_class, topic, QOS)
        self.subscription = other.create_subscription(message_class, topic, self.got.append, QOS)
        wait(lambda: self.publisher.get_subscription_count() == 1 and self.subscription.get_publisher_count() == 1)

    def next(self):
        import rclpy

        n = len(self.got)
        end = time.monotonic() + 30
        while len(self.got) == n:
            rclpy.spin_once(self.other, timeout_sec=0.1)
            assert time.monotonic() < end, "no command came"
        return self.got[-1]
