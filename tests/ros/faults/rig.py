"""A node, a sensor that fails on request, and a listener that judges every command that it hears."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from snn_control.ros.nodes.launching import NodeProcess, command_line
from tests.motion_judge import heard_beyond
from tests.ros.forks import die_with_the_parent
from tests.ros.node_processes import CHECKOUT, child_environment

PERIOD, STALE, SAFE, FROZEN = 0.002, 0.05, -1.0, 0.04
LOW, HIGH, SLEW, ACCELERATION, JERK = -0.8, 0.8, 2.0, 20.0, 800.0
DELIVERY = 0.001  # s: how long a message may take from process to process, beside stalls of the machine
CONTROLLER: dict[str, Any] = {
    "version": 1, "period": PERIOD, "dt": PERIOD,
    "inputs": {
        "sensor": {
            "kind": "value", "size": 2, "encoder": {"type": "direct"}, "stale": STALE, "frozen": FROZEN,
            "plausible": [-2.0, 1e6],
        }
    },
    "network": {},
    "outputs": {
        "echo": {
            "decoder": {"type": "membrane", "from": "sensor", "weights": [[1.0], [0.0]]}, "limits": [-1, 1e6],
            "safe": SAFE,
        },
        "arm": {
            "decoder": {"type": "membrane", "from": "sensor", "weights": [[0.0], [1.0]]}, "limits": [LOW, HIGH],
            "slew": SLEW, "acceleration": ACCELERATION, "jerk": JERK, "safe": 0.0, "ramp": True,
        },
    },
    "guard": {"release": 2},
    "ros": {
        "inputs": {
            "sensor": {
                "topic": "echo_in", "type": "sensor_msgs/msg/JointState", "field": "position[:]", "age": "older",
                "reliability": "reliable",
            }
        },
        "outputs": {
            "echo": {"topic": "drive", "type": "geometry_msgs/msg/TwistStamped", "field": "twist.linear.x"},
            "arm": {"topic": "drive", "type": "geometry_msgs/msg/TwistStamped", "field": "twist.linear.y"},
        },
    },
}  # fmt: skip


class Stalls(threading.Thread):
    """Intervals in which a thread at SCHED_FIFO 95 slept longer than requested: (begin, end) [s since 1970]."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.found: list[tuple[float, float]] = []
        self.start()

    def run(self) -> None:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(95))
        before = time.time()
        while True:
            time.sleep(0.001)
            now = time.time()
            if now - before > 0.0018:
                self.found.append((before + 0.001, now))
            before = now

    def within(self, begin: float, end: float) -> float:
        """Seconds of [begin, end] in which the machine was stalled."""
        return sum(max(0.0, min(end, b) - max(begin, a)) for a, b in self.found)


@dataclass
class Listener:
    """What is heard of the commands: stamp [s since 1970], echo, arm, number of the publication."""

    topic: str = "drive"
    heard: list[tuple[float, float, float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        import rclpy
        from geometry_msgs.msg import TwistStamped
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import QoSProfile

        def hear(m: Any, info: Any) -> None:
            stamp = m.header.stamp.sec + m.header.stamp.nanosec * 1e-9
            self.heard.append((stamp, m.twist.linear.x, m.twist.linear.y, info["publication_sequence_number"]))

        if not rclpy.ok():
            rclpy.init()
        self.node = rclpy.create_node("listener", enable_rosout=False)
        self.node.create_subscription(TwistStamped, self.topic, hear, QoSProfile(depth=2000))
        executor = SingleThreadedExecutor()
        executor.add_node(self.node)
        threading.Thread(target=executor.spin, daemon=True).start()

    def since(self, begin: float, end: float = np.inf) -> np.ndarray:
        """(k, 4) what was heard with stamps in [begin, end)."""
        rows = np.array(self.heard, np.float64).reshape(-1, 4)
        return rows[(rows[:, 0] >= begin) & (rows[:, 0] < end)]


class Rig:
    """A node and a sensor, whose processes are its own."""

    def __init__(self, folder: Path, values: dict[str, Any] | None = None, **parameters: object) -> None:
        self.folder, self.zero = folder, time.time()
        self.file = folder / "echo.yaml"
        self.file.write_text(yaml.safe_dump(values or CONTROLLER))
        self.parameters = {"controller_file": str(self.file), **parameters}
        self.all: list[subprocess.Popen] = []
        self.current: subprocess.Popen | None = None  # the sensor, where another one took its place
        self.log = folder / "node.log"

    def process(self, line: list[str], **options: Any) -> subprocess.Popen:
        environment = child_environment() | options.pop("env", {})
        options = {"cwd": self.folder, "preexec_fn": die_with_the_parent} | options
        self.all.append(subprocess.Popen(line, env=environment, **options))
        return self.all[-1]

    def python(self, script: str, *words: object, **options: Any) -> subprocess.Popen:
        return self.process([sys.executable, "-c", script, *map(str, words)], **options)

    def sensor(self, transport: str = "") -> subprocess.Popen:
        line = [sys.executable, "-m", "tests.ros.faults.sensor", str(self.zero)]
        env = {"FASTDDS_BUILTIN_TRANSPORTS": transport} if transport else {}
        return self.process(line, env=env, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def node(self, *arguments: str, **options: Any) -> subprocess.Popen:
        line = command_line(NodeProcess("controller_node", "controller", self.parameters)) + list(arguments)
        with self.log.open("a") as log:
            return self.process(line, stderr=log, stdout=log, **options)

    def active(self, times: int = 1, seconds: float = 60.0) -> None:
        """Wait until the node's loop has begun to run for the given time, and its first commands are due."""
        end = time.monotonic() + seconds
        while self.log.read_text().count(" Hz, realtime") < times:
            if time.monotonic() > end:
                raise TimeoutError(f"the node is not active:\n{self.log.read_text()}")
            time.sleep(0.02)

    def close(self) -> None:
        for process in self.all:
            process.kill()
            process.wait()


def tell(sensor: subprocess.Popen, mode: str) -> dict[str, float]:
    """Let a sensor begin a mode: the times of its last good and its first new sample [s since 1970]."""
    assert sensor.stdin
    assert sensor.stdout
    sensor.stdin.write(mode + "\n")
    sensor.stdin.flush()
    return json.loads(sensor.stdout.readline())


@dataclass
class Verdict:
    """What was found of a fault.

    times : how often it was injected
    late : from the moment at which the safe command was due to the last other command, the largest [s]
    oldest : of the data behind a command, the largest age [s]
    broken : commands beyond their limits of position, velocity, acceleration or jerk
    commands : how many were heard
    grown : by how much the resident memory of the node grew [bytes]
    wrong : what else went wrong
    """

    times: int = 0
    late: float = -np.inf
    oldest: float = 0.0
    broken: int = 0
    commands: int = 0
    grown: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, late: float) -> None:
        self.late = max(self.late, late)

    @property
    def good(self) -> bool:
        late = self.late <= PERIOD + DELIVERY
        return late and self.oldest <= STALE + PERIOD + DELIVERY and not self.broken and not self.wrong


def beyond(rows: np.ndarray, stalls: Stalls, **more: float) -> int:
    """Number of commands of the arm beyond a limit."""
    stamps, arm, numbers = rows[:, 0], rows[:, 2], rows[:, 3]
    found = int((~(arm >= LOW) | ~(arm <= HIGH)).sum())
    return found + heard_beyond(stamps, arm, PERIOD, SLEW, ACCELERATION, JERK, stalls.found, numbers=numbers, **more)


def age_of(rows: np.ndarray, zero: float, stalls: Stalls) -> float:
    """The largest age of the data behind a command that is not the safe one [s], without stalls of the machine."""
    live = rows[rows[:, 1] != SAFE]
    ages = live[:, 0] - zero - live[:, 1]
    worst = 0.0
    for k in np.argsort(ages)[-20:]:
        stamp = live[k, 0]
        worst = max(worst, float(ages[k]) - stalls.within(stamp - float(ages[k]), stamp))
    return worst
