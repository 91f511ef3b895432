"""The other side of the nodes' tests: a robot with its topics, and a controller for it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from tests.ros.node_processes import CHECKOUT, child_environment, wait

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
SAFE = 0.25  # of the controller below; never what it computes for the inputs used here

#: two numbers through a leaky integrator: the command for (1, 0) goes to 1 and is never `SAFE` on the way; its input
#: is patient, so that a busy machine, on which a test's own feeder pauses, makes no faults
CONTROLLER = {
    "version": 1,
    "period": 0.01,
    "dt": 0.005,
    "inputs": {"sensor": {"kind": "value", "size": 2, "range": [-2, 2], "plausible": [-10, 10], "stale": 10.0}},
    "network": {
        "populations": {"slow": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.02}}},
        "projections": [{"pre": "sensor", "post": "slow", "weights": [[1.0], [0.5]]}],
    },
    "outputs": {
        "drive": {
            "decoder": {"type": "membrane", "from": "slow", "weights": [[1.0]]},
            "limits": [-1.5, 1.5],
            "safe": SAFE,
        }
    },
    "guard": {"release": 3},
    "ros": {
        "inputs": {"sensor": {"topic": "joints", "type": "sensor_msgs/msg/JointState", "field": "position[:]"}},
        "outputs": {"drive": {"topic": "drive", "type": "geometry_msgs/msg/TwistStamped", "field": "twist.linear.x"}},
    },
}


def changed(values: Any, path: str, value: Any) -> Any:
    """A copy of a document with another value at ``a.b.c``; None takes the key away."""
    head, _, rest = path.partition(".")
    copy = deepcopy(values)
    if rest:
        copy[head] = changed(values.get(head, {}), rest, value)
    elif value is None:
        copy.pop(head)
    else:
        copy[head] = value
    return copy


STALE = 0.05  # s
IMPATIENT = changed(CONTROLLER, "inputs.sensor.stale", STALE)


def write(folder: Path, values: Any = CONTROLLER, name: str = "controller.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def stamp_of(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def joints(*position: float, stamp_ns: int | None = None) -> JointState:
    message = JointState(position=[float(p) for p in position])
    ns = time.time_ns() if stamp_ns is None else stamp_ns
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(ns, 10**9)
    return message


class Robot:
    """A node that is spun in a thread of its own, with helpers to listen, to send and to ask."""

    def __init__(self, ros: Any) -> None:
        self.node = ros.create_node("robot", enable_rosout=False, start_parameter_services=False)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.diagnostics: list[DiagnosticArray] = []
        self._feeders: list[Feeder] = []
        self._over = threading.Event()
        self.listen(DiagnosticArray, "/diagnostics", self.diagnostics.append)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._over.is_set():
            try:
                self.executor.spin_once(0.02)
            except ExternalShutdownException:
                return

    def close(self) -> None:
        for feeder in self._feeders:
            feeder.stop()
        self._over.set()
        self._thread.join()
        self.executor.remove_node(self.node)
        self.node.destroy_node()

    def listen(self, kind: Any, topic: str, callback: Callable[[Any], None], qos: Any = 1000) -> Any:
        return self.node.create_subscription(kind, topic, callback, qos)

    def commands(self, topic: str = "drive") -> list[tuple[int, float]]:
        """A list that grows by (stamp [ns], command) with each message."""
        found: list[tuple[int, float]] = []
        self.listen(TwistStamped, topic, lambda m: found.append((stamp_of(m), m.twist.linear.x)))
        return found

    def publisher(self, kind: Any = JointState, topic: str = "joints", qos: Any = 100) -> Any:
        return self.node.create_publisher(kind, topic, qos)

    def feed(self, publisher: Any, *position: float) -> Feeder:
        self._feeders.append(Feeder(publisher, position))
        return self._feeders[-1]

    def ask(self, kind: Any, name: str, request: Any, seconds: float = 60.0) -> Any:
        """The answer of a service."""
        client = self.node.create_client(kind, name)
        wait(client.service_is_ready, seconds, name)
        future = client.call_async(request)
        wait(future.done, seconds, f"the answer of {name}")
        answer = future.result()
        self.node.destroy_client(client)
        return answer

    def status(self, name: str, after: float = 0.0, seconds: float = 60.0, **expected: Any) -> DiagnosticStatus:
        """Wait for a status as `find` finds it."""
        try:
            return wait(lambda: self.find(name, after, **expected), seconds)
        except AssertionError:
            seen = [(s.name, s.level, s.message) for array in self.diagnostics[-2:] for s in array.status]
            raise AssertionError(f"{name} {expected}: not among {seen}") from None

    def find(self, name: str, after: float = 0.0, **expected: Any) -> DiagnosticStatus | None:
        """The newest status of a name, reported after a time [s, of `time.monotonic`]; its ``level``, a ``text`` in it
        or the whole ``message`` may be given."""
        since = time.time_ns() - round((time.monotonic() - after) * 1e9) if after else 0
        for array in reversed(self.diagnostics):
            for status in array.status:
                if status.name == name and stamp_of(array) >= since and self._fits(status, **expected):
                    return status
        return None

    @staticmethod
    def _fits(status: DiagnosticStatus, level: bytes | None = None, text: str = "", message: str | None = None) -> bool:
        fits = (level is None or status.level == level) and text in status.message
        return fits and (message is None or status.message == message)

    def meets(self, name: str, publisher: Any) -> None:
        """Wait until the controller's input ``name`` and our publisher have discovered each other, and we its commands.

        Messages sent earlier are lost, reliable or not.
        """
        wait(lambda: publisher.get_subscription_count() and self.node.count_publishers("drive"), what="the controller")
        self.status(f"/controller: input {name}", message="no message yet")


class Feeder:
    """Publishes a JointState every 10 ms, with the time as its stamp."""

    def __init__(self, publisher: Any, position: Sequence[float]) -> None:
        self.position = position
        self._publisher, self._over, self._lock = publisher, threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            with self._lock:  # nothing of before follows what `set` sends
                self._publisher.publish(joints(*self.position))

    def set(self, *position: float) -> int:
        """Send this from now on; the time just after its first message [ns]."""
        with self._lock:
            self.position = position
            self._publisher.publish(joints(*position))
            return time.time_ns()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def sensor_main() -> None:
    """A sensor process: (1, 0) every 5 ms on ``joints`` until it is killed."""
    import rclpy

    rclpy.init()
    node = rclpy.create_node("sensor")
    publisher = node.create_publisher(JointState, "joints", QoSProfile(depth=10))
    while True:
        publisher.publish(joints(1.0, 0.0))
        time.sleep(0.005)


def start_sensor() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "tests.ros.robot"], env=child_environment(), cwd=CHECKOUT)


def fifo_is_granted() -> bool:
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, before, os.sched_param(0))
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sensor_main()


class Button:
    """A button that publishes its state every 20 ms."""

    def __init__(self, publisher):
        self.publisher, self.pressed, self._over = publisher, False, threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._over.wait(0.02):
            with self._lock:  # nothing of before follows what `press` sends
                self.publisher.publish(Bool(data=self.pressed))

    def press(self, pressed=True):
        """Returns the time of the first message that says so [ns]."""
        with self._lock:
            self.pressed = pressed
            begin = time.time_ns()
            self.publisher.publish(Bool(data=pressed))
            return begin

    def dies(self):
        self._over.set()
        self._thread.join()
