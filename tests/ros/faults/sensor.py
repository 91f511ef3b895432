"""A sensor process that can be told to fail: ``python -m tests.ros.faults.sensor ZERO``.

It publishes JointState: the time since ZERO [s], which the controller echoes, and a target that jumps. Each line of its
standard input is a mode; its answer is a JSON object, when the mode has begun: ``last``, the time of the last good
sample before it, and ``first``, that of the first sample of the new mode [s since 1970].
"""

from __future__ import annotations

import json
import os
import random
import select
import sys
import time

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String

TOPIC, PERIOD, DEPTH = "echo_in", 0.002, 10
LARGE = 200_000  # numbers of an oversized message


class Sensor:
    def __init__(self, zero: float) -> None:
        self.zero, self.random, self.k = zero, random.Random(os.getpid()), 0
        self.node = rclpy.create_node(f"sensor_{os.getpid()}", enable_rosout=False)
        self.publisher = self._publisher(JointState, ReliabilityPolicy.RELIABLE)
        self.other: object = None  # of another type or quality of service
        self.frozen = self.sample()
        self.kept: list[JointState] = []

    def _publisher(self, kind: type, reliability: ReliabilityPolicy) -> object:
        qos = QoSProfile(depth=DEPTH, reliability=reliability, durability=DurabilityPolicy.VOLATILE)
        return self.node.create_publisher(kind, TOPIC, qos)

    def sample(self, ahead: float = 0.0) -> JointState:
        """The time, as number and as stamp, and a target that jumps four times a second."""
        now = time.time() + ahead
        target = random.Random(int(now * 4)).uniform(-1.2, 1.2)
        message = JointState(position=[now - self.zero, target])
        message.header.stamp.sec, message.header.stamp.nanosec = int(now), int(now % 1 * 1e9)
        return message

    def raw(self, data: bytes) -> None:
        self.publisher.publish(data)

    # modes: each publishes what is due in one period -------------------------------------------------------------
    def good(self) -> None:
        self.frozen = self.sample()
        self.publisher.publish(self.frozen)

    def silent(self) -> None:
        pass

    def nan(self) -> None:
        self._with(float("nan"))

    def inf(self) -> None:
        self._with(float("inf"))

    def implausible(self) -> None:
        self._with(1e7)

    def _with(self, number: float) -> None:
        message = self.sample()
        message.position[self.random.randrange(2)] = number
        self.publisher.publish(message)

    def frozen_(self) -> None:
        message = self.sample()
        message.position = self.frozen.position  # a fresh stamp with old numbers
        self.publisher.publish(message)

    def late(self) -> None:
        self.publisher.publish(self.sample(-0.3))

    def early(self) -> None:
        self.publisher.publish(self.sample(0.5))

    def reordered(self) -> None:
        self.kept.append(self.sample())
        if len(self.kept) == 4:
            for message in self.random.sample(self.kept, 4):
                self.publisher.publish(message)
            self.kept.clear()

    def duplicated(self) -> None:
        message = self.sample()
        for _ in range(3):
            self.publisher.publish(message)

    def oversized(self) -> None:
        self.k += 1
        if self.k % 50 == 0:
            message = self.sample()
            message.position = [0.5] * LARGE
            self.publisher.publish(message)

    def truncated(self) -> None:
        data = serialize_message(self.sample())  # behind the positions: two lengths, and eight bytes of padding
        self.raw(data[: self.random.randrange(4, len(data) - 16)])

    def bytes_(self) -> None:
        self.raw(b"\0\1\0\0" + self.random.randbytes(self.random.randrange(1, 200)))

    def layout(self) -> None:
        self.raw(serialize_message(Float64MultiArray(data=[time.time() - self.zero, 0.5])))

    def empty(self) -> None:
        message = self.sample()
        message.position = []
        self.publisher.publish(message)

    def flood(self) -> None:
        for _ in range(100):
            self.publisher.publish(self.sample())

    def silent_type(self) -> None:
        self._otherwise(String, ReliabilityPolicy.RELIABLE, String(data="no joints"))

    def silent_qos(self) -> None:
        self._otherwise(JointState, ReliabilityPolicy.BEST_EFFORT, self.sample())

    def _otherwise(self, kind: type, reliability: ReliabilityPolicy, message: object) -> None:
        if self.other is None:  # in place of the good one: a participant has one type for a topic
            self.node.destroy_publisher(self.publisher)
            self.other = self._publisher(kind, reliability)
        self.other.publish(message)  # type: ignore[attr-defined]

    # -------------------------------------------------------------------------------------------------------------
    def run(self) -> None:
        mode, last, due = self.good, time.time(), time.monotonic()
        while True:
            if select.select([sys.stdin], [], [], 0)[0]:
                line = sys.stdin.readline()
                if not line:
                    return
                mode = getattr(self, line.strip())
                if mode == self.good and self.other is not None:
                    self.node.destroy_publisher(self.other)
                    self.other, self.publisher = None, self._publisher(JointState, ReliabilityPolicy.RELIABLE)
                first = time.time()
                mode()
                print(json.dumps({"last": last, "first": first}), flush=True)
            else:
                before = time.time()
                mode()
                last = before if mode == self.good else last
            due = max(due + PERIOD, time.monotonic() - PERIOD)
            time.sleep(max(0.0, due - time.monotonic()))


def main() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(70))  # not held up between a sample and its publication
    rclpy.init()
    Sensor(float(sys.argv[1])).run()


if __name__ == "__main__":
    main()
