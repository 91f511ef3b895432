"""Publish a running controller's activity for ``snn_control watch --node``, on ``~/live/scene`` and ``~/live/frames``.

While there is a subscriber, the loop copies spikes and inputs into ring buffers. The main thread composes at most 30
frames per second from the ring buffers. The web server runs in another process, so it cannot disturb the loop.
"""

from __future__ import annotations

import array
import json
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String, UInt8MultiArray

from ...controller import Controller
from ...controller_file import ControllerSpec
from ...record.run_folder import plain
from ...watch import protocol
from ...watch.feed import Feed
from ...watch.scene import scene_of

__all__ = ["ACTIONS", "FRAMES", "FRAMES_QOS", "LOOKS", "SCENE", "SCENE_QOS", "LivePage"]

SCENE, FRAMES, LOOKS = "live/scene", "live/frames", "live/look"
SCENE_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
FRAMES_QOS = QoSProfile(depth=4, reliability=ReliabilityPolicy.RELIABLE)
RATE = 30.0  # Hz
#: actions of a page -> what does them: a service of the node, or its parameters
ACTIONS = ("tune", "learning", "restart", "release", "stop", "snapshot")


class LivePage:
    """Publishes the data that the live page of a configured node shows: its scene and its frames.

    The loop must call ``feed.observer`` after each tick.
    """

    def __init__(self, node: Any, controller: Controller, spec: ControllerSpec, title: str) -> None:
        self.feed = Feed(controller, spec)
        self._node, self._on = node, False
        self._scene = node.create_publisher(String, f"~/{SCENE}", SCENE_QOS)
        self._frames = node.create_publisher(UInt8MultiArray, f"~/{FRAMES}", FRAMES_QOS)
        self._looks = node.create_subscription(String, f"~/{LOOKS}", self._look, SCENE_QOS)
        scene = scene_of(controller, spec, title) | {"kind": "node", "actions": ACTIONS}
        self._scene.publish(String(data=json.dumps(plain(scene, "scene"))))
        self._timer = node.steady_timer(1 / RATE, self._publish)

    def _look(self, message: String) -> None:
        names = [one for one in message.data.split(",") if one]
        self.feed.looked_at = names[: protocol.MAX_LOOKS]

    def _publish(self) -> None:
        wanted = self._frames.get_subscription_count() > 0
        if wanted != self._on:
            self.feed.watch(wanted)
            self._on = wanted
        if wanted and self._node.loop is not None and self._node.loop.running:
            header, arrays = self.feed.take()
            data = array.array("B", protocol.encode({"op": "frame", **header}, arrays))
            self._frames.publish(UInt8MultiArray(data=data))

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._looks)
        for publisher in (self._scene, self._frames):
            self._node.destroy_publisher(publisher)
