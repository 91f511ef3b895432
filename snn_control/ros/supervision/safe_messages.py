"""Publish the safe commands from the supervisor's process, which does not load the controller or its file."""

from __future__ import annotations

import base64
import importlib
import struct
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...controller import Controller
    from ...controller_file import ControllerSpec, RosTopic
    from ..ports.numeric import CommandOutput

    Heard = tuple[CommandOutput, RosTopic]

__all__ = ["SafeMessages", "messages_of", "published_in_faults"]


def published_in_faults(spec: ControllerSpec, outputs: Sequence[CommandOutput]) -> list[Heard]:
    """Return a pair (port, topic) for each port in ``outputs`` that publishes commands during a fault."""
    silent = {o.name for o in spec.outputs if o.stays and o.safe == "none"}
    names = [port.name.split(",") for port in outputs]
    return [(p, spec.ros_outputs[n[0]]) for p, n in zip(outputs, names, strict=True) if silent.isdisjoint(n)]


def messages_of(node: Any, controller: Controller, heard: Sequence[Heard]) -> dict[str, Any]:
    """Return the argument ``given`` of `SafeMessages`, as JSON data: the safe command messages of a node's ports.

    heard : result of `published_in_faults`

    Do not call this while a loop runs.
    """
    commands = controller.bound.array("command")
    before = commands.copy()
    commands[:] = controller.bound.array("safe")
    address = controller.bound.address("command")
    messages = [
        {"topic": port.topic, "type": topic.type, "reliability": topic.reliability, **port.safe_message(address)}
        for port, topic in heard
    ]
    commands[:] = before
    return {"name": node.get_name(), "namespace": node.get_namespace(), "messages": messages}


class SafeMessages:
    """A node ``NAME_SUFFIX`` that publishes the safe commands of the controller node NAME, and reports on /diagnostics.

    given : result of `messages_of`
    suffix : SUFFIX of the node's name
    data : the bytes of each message
    """

    def __init__(self, given: dict[str, Any], suffix: str) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
        from rclpy.node import Node
        from rclpy.qos import QoSProfile, ReliabilityPolicy

        rclpy.init(args=[])
        self.node = Node(f"{given['name']}_{suffix}", namespace=given["namespace"], use_global_arguments=False)
        self._ends: list[tuple[Any, ...]] = []
        self.data: list[bytearray] = []
        for one in given["messages"]:
            package, _, kind = one["type"].split("/")
            cls = getattr(importlib.import_module(f"{package}.msg"), kind)
            qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[one["reliability"].upper()])
            publisher = self.node.create_publisher(cls, one["topic"], qos)
            self._ends.append((publisher, one["stamp"], one["micros"], one["waits"]))
            self.data.append(bytearray(base64.b64decode(one["data"])))
        self._reports = self.node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        name = f"{given['namespace'].rstrip('/')}/{given['name']}: guard"
        self._report = DiagnosticArray(status=[DiagnosticStatus(level=DiagnosticStatus.ERROR, name=name)])

    @property
    def matched(self) -> bool:
        """Whether each topic has a subscriber."""
        return all(publisher.get_subscription_count() > 0 for publisher, *_ in self._ends)

    def publish(self, begun: bool = True) -> None:
        """Publish the safe command on each topic once.

        begun : whether the loop has already published a command; if false, topics that must stay silent until the
            loop's first command are left out
        """
        for (publisher, stamp, micros, waits), data in zip(self._ends, self.data, strict=True):
            if waits and not begun:
                continue
            now = time.time_ns()
            if stamp >= 0:
                struct.pack_into("<iI", data, stamp, *divmod(now, 10**9))
            if micros >= 0:
                struct.pack_into("<Q", data, micros, now // 1000)
            publisher.publish(bytes(data))

    def report(self, cause: str) -> None:
        """Publish a status of the controller's guard on /diagnostics, with level ERROR and ``cause`` as its message."""
        self._report.status[0].message = cause
        self._report.header.stamp = self.node.get_clock().now().to_msg()
        self._reports.publish(self._report)
