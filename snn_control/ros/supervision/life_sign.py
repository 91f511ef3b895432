"""Signs of life of a controller's loop: the topic ``~/alive``, a bond as in Nav2, and systemd's watchdog.

The process's main thread sends these signs only while the loop's heartbeat is recent. A systemd unit with
``Type=notify`` and ``WatchdogSec`` waits for the node's first activation, and restarts the node if its loop hangs, see
sd_notify(3). Without ``$NOTIFY_SOCKET`` the node sends nothing to systemd.
"""

from __future__ import annotations

import os
import socket
import uuid
from contextlib import suppress
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from ..ports.topics import message_class

__all__ = ["ACKNOWLEDGED", "LifeSign", "alive_every", "notify"]

PERIOD_S, TIMEOUT_S = 0.1, 4.0  # period and time-out of a bond, as in bondcpp and nav2_util
ACKNOWLEDGED = Duration(seconds=1.0)  # for readers to acknowledge the last message; a killed reader does not


def notify(text: str) -> bool:
    """Send a text such as ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1`` or ``STATUS=...`` to systemd.

    Return whether the text was sent. It is not sent if systemd did not start this process.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
        end.connect("\0" + address[1:] if address.startswith("@") else address)
        end.sendall(text.encode())
        return True
    return False


def alive_every() -> float:
    """Return the interval at which to send ``WATCHDOG=1`` to systemd [s]; 0: do not send it.

    The interval is half the watchdog time-out of the systemd unit.
    """
    try:
        if int(os.environ.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return 0.0
        return int(os.environ.get("WATCHDOG_USEC", "0")) * 0.5e-6
    except ValueError:
        return 0.0


class LifeSign:
    """Publishes signs of life while the loop of a node runs and does not hang.

    bond : topic of a bond; Nav2's lifecycle manager needs "bond"; empty: no bond

    Raises DescriptionError if ``bond`` is not empty and the bond's message type is not installed.
    """

    def __init__(self, node: Any, bond: str) -> None:
        self._node, self._instance, self._bonded = node, str(uuid.uuid4()), False
        self._alive = node.create_publisher(Header, "~/alive", QoSProfile(depth=1))
        self._status, self._bond = None, None
        if bond:
            self._status = message_class("bond", "bond/msg/Status")
            self._bond = node.create_publisher(self._status, bond, QoSProfile(depth=100))
        node.steady_timer(PERIOD_S, self._publish)
        if (every := alive_every()) > 0:
            node.steady_timer(every, self._tell_systemd)

    def _publish(self) -> None:
        alive = self._node.commanding
        if alive:
            stamp = self._node.get_clock().now().to_msg()
            self._alive.publish(Header(stamp=stamp, frame_id=self._node.get_fully_qualified_name()))
        if alive or self._bonded:  # the last message reports that the bond is broken
            self._publish_bond(alive)
        self._bonded = alive

    def _publish_bond(self, active: bool) -> None:
        if self._bond is None or self._status is None:
            return
        message = self._status(id=self._node.get_name(), instance_id=self._instance, active=active)
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.heartbeat_timeout, message.heartbeat_period = TIMEOUT_S, PERIOD_S
        self._bond.publish(message)

    def end(self) -> None:
        """Break the bond, so that its other side notices the end; call this after the loop has ended."""
        if self._bonded and self._bond is not None:
            self._publish_bond(False)
            self._bonded = False
            self._bond.wait_for_all_acked(ACKNOWLEDGED)

    def _tell_systemd(self) -> None:
        """Send ``WATCHDOG=1`` to systemd, which resets its watchdog, except while the loop hangs."""
        if self._node.commanding or self._node.loop is None or not self._node.loop.running:
            notify("WATCHDOG=1")
