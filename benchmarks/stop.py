"""From an emergency stop to the safe command on the wire: a controller at 1 kHz, a button of another process.

The time runs from just before the button's message is published until the safe command was handed to the middleware of
the controller's process (its source time stamp). The button is pressed at random moments, 1,000 times.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from snn_control.realtime.rights import set_fifo
from snn_control.ros.nodes.launching import NodeProcess, command_line, environment_of_child

from .processes import NO_FIFO, exit_code, fifo_granted, steal, stolen

PERIOD_NS = 1_000_000
BAR_P99_MS, BAR_WORST_TICKS = 1.5, 2
COUNT, SAFE = 1000, -1.0
CONTROLLER = {
    "version": 1, "period": PERIOD_NS * 1e-9, "dt": PERIOD_NS * 1e-9,
    "inputs": {
        "sensor": {"kind": "value", "size": 1, "encoder": {"type": "direct"}},
        "estop": {"kind": "value", "stop_when": "nonzero", "stale": 10.0, "latched": False},
    },
    "network": {},
    "outputs": {"drive": {"decoder": {"type": "membrane", "from": "sensor", "weights": 1.0}, "safe": SAFE}},
    "guard": {"release": 1},
    "ros": {
        "inputs": {
            "sensor": {"topic": "sensor", "type": "std_msgs/msg/Float64", "field": "data", "reliability": "reliable"},
            "estop": {"topic": "estop", "type": "std_msgs/msg/Bool", "field": "data", "reliability": "reliable"},
        },
        "outputs": {"drive": {"topic": "drive", "type": "geometry_msgs/msg/TwistStamped", "field": "twist.linear.x"}},
    },
}  # fmt: skip


class Button:
    """The button's process, with the sensor, and the commands that it receives: (source time [ns], command)."""

    def __init__(self, domain: str) -> None:
        import rclpy
        from geometry_msgs.msg import TwistStamped
        from rclpy.executors import SingleThreadedExecutor
        from std_msgs.msg import Bool, Float64

        context = rclpy.Context()
        rclpy.init(context=context, domain_id=int(domain))
        node = rclpy.create_node("button", context=context, enable_rosout=False)
        self._message, self._number = Bool, Float64
        self._stop, self._sensor = (
            node.create_publisher(Bool, "estop", 10),
            node.create_publisher(Float64, "sensor", 10),
        )
        self.heard: list[tuple[int, float]] = []
        node.create_subscription(TwistStamped, "drive", self._hear, 1000)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        threading.Thread(target=executor.spin, daemon=True).start()

    def _hear(self, message: Any, info: Any) -> None:
        self.heard.append((info["source_timestamp"], message.twist.linear.x))

    def press(self, pressed: bool) -> int:
        """Publish the button's state; returns the time before [ns]."""
        message, begin = self._message(data=pressed), time.time_ns()
        self._stop.publish(message)
        return begin

    def feed(self) -> None:
        self._sensor.publish(self._number(data=1.0))

    def first(self, safe: bool, since: int, seconds: float = 5.0) -> int:
        """Return the source time of the first command after a moment that is safe, or not safe [ns]; 0 if none came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [t for t, command in self.heard if t > since and (command == SAFE) == safe]
            if found:
                del self.heard[:]
                return found[0]
            time.sleep(0.002)
        return 0


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="benchmarks stop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--quick", action="store_true", help="50 times, no verdict")
    options = parser.parse_args(arguments)
    count, random_ = 50 if options.quick else options.count, random.Random(1)
    if not fifo_granted(80):
        print(NO_FIFO)
    child = environment_of_child() | {"ROS_DOMAIN_ID": str(20 + os.getpid() % 80)}
    before = steal()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stop.yaml"
        file.write_text(yaml.safe_dump(CONTROLLER))
        node = subprocess.Popen(
            command_line(NodeProcess("controller_node", "controller", {"controller_file": str(file)})), env=child
        )
        button = Button(child["ROS_DOMAIN_ID"])
        time.sleep(4.0)
        set_fifo(70)  # for the thread that presses the button
        button.feed()
        times = []
        for _ in range(count):
            released = button.press(False)
            if not button.first(safe=False, since=released):
                button.feed()
                continue
            time.sleep(random_.uniform(0.005, 0.02))
            pressed = button.press(True)
            times.append((button.first(safe=True, since=pressed) - pressed) * 1e-6)
        node.terminate()
        code = node.wait(30)
    return judge(np.array(times), code, stolen(before))


def judge(times: np.ndarray, code: int, taken: float) -> dict[str, Any]:
    """Print the times [ms], and whether they are within the bars."""
    p50, p99 = (float(np.percentile(times, q)) for q in (50, 99))
    worst, ticks = float(times.max()), PERIOD_NS * 1e-6 * BAR_WORST_TICKS
    print(f"stop to the safe command on the wire, {len(times)} times at 1 kHz: ", end="")
    print(f"p50 {p50:.2f}, p99 {p99:.2f}, worst {worst:.2f} ms")
    late = int((times > ticks).sum())
    print(
        f"  {late} later than {BAR_WORST_TICKS} ticks; the hypervisor took {taken:.1f} % of the time; exit code {code}"
    )
    passed = p99 <= BAR_P99_MS and worst <= ticks and code == 0 and times.min() > 0
    print(f"  bars: p99 {BAR_P99_MS} ms, worst {ticks:g} ms: {'PASS' if passed else 'FAIL'}")
    return {"p50": p50, "p99": p99, "worst": worst, "passed": passed if len(times) >= COUNT else None}


if __name__ == "__main__":
    sys.exit(exit_code(main()))
