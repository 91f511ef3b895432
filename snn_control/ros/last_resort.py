"""The safe command from a separate process, after the controller's process hung in its middleware and was ended.

The controller's watchdog starts it; it needs neither the controller nor its file, only the messages that were made when
the controller was activated: ``python -m snn_control.ros.last_resort JSON``. It publishes them for `SECONDS`, reports
on /diagnostics what happened, and ends. It inherits the watchdog's blocked signals, so nothing except SIGKILL
interrupts it. An actuator still needs a time-out of its own: this process takes a second to start, and nothing helps if
the machine fails.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any

from ..errors import DescriptionError

__all__ = ["main", "program"]

SECONDS, EVERY = 5.0, 0.02
CAUSE = "the control loop hung and its process was ended; this is the safe command of a process of its own"


def program(node: Any, ports: Sequence[Any], topics: Sequence[Any]) -> list[str]:
    """The command line for a node's commands: ``ports`` with their RosTopic; call it while the commands are the safe
    values."""
    messages = []
    for port, topic in zip(ports, topics, strict=True):
        data, stamp = port.final_message()
        messages.append(
            {
                "topic": port.topic, "type": topic.type, "reliability": topic.reliability,
                "data": base64.b64encode(data).decode(), "stamp": stamp,
            }
        )  # fmt: skip
    given = {"name": node.get_name(), "namespace": node.get_namespace(), "messages": messages}
    return [sys.executable, "-m", __name__, json.dumps(given)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish the messages until `SECONDS` have passed."""
    from .transport import VARIABLES, use_udp

    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the parent process has blocked some signals
    given = json.loads((sys.argv[1:] if arguments is None else arguments)[0])
    try:
        use_udp()
    except DescriptionError:  # the profile was in a folder of temporary files that is gone
        for name in VARIABLES:
            os.environ.pop(name, None)
        use_udp()

    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from rclpy.node import Node
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    rclpy.init(args=[])
    node = Node(f"{given['name']}_last_resort", namespace=given["namespace"], use_global_arguments=False)
    ends = []
    for one in given["messages"]:
        package, _, kind = one["type"].split("/")
        cls = getattr(importlib.import_module(f"{package}.msg"), kind)
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[one["reliability"].upper()])
        ends.append(
            (node.create_publisher(cls, one["topic"], qos), bytearray(base64.b64decode(one["data"])), one["stamp"])
        )
    reports = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
    name = f"{given['namespace'].rstrip('/')}/{given['name']}: guard"
    report = DiagnosticArray(status=[DiagnosticStatus(level=DiagnosticStatus.ERROR, name=name, message=CAUSE)])
    node.get_logger().error(CAUSE)
    end = time.monotonic() + SECONDS
    while (now := time.monotonic()) < end:
        for publisher, data, stamp in ends:
            if stamp >= 0:
                struct.pack_into("<iI", data, stamp, *divmod(time.time_ns(), 10**9))
            publisher.publish(bytes(data))
        report.header.stamp = node.get_clock().now().to_msg()
        reports.publish(report)
        time.sleep(max(0.0, now + EVERY - time.monotonic()))
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
