"""Show a running controller node on the live page: the node publishes the frames, and buttons call its services."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import rclpy
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String, UInt8MultiArray
from std_srvs.srv import SetBool, Trigger

from ..controller_file.tunable import parameter_name
from ..errors import InputError, RuntimeFault, nearest
from ..watch import protocol
from ..watch.source import number_in
from .nodes.live_page import ACTIONS, FRAMES, FRAMES_QOS, LOOKS, SCENE, SCENE_QOS

__all__ = ["WatchedNode"]

FOUND_WITHIN, ANSWERS_WITHIN = 10.0, 3.0  # s
LISTS = {"populations", "inputs", "outputs", "edges", "tunable", "rules", "actions"}  # of a scene
WAITING = 4  # frames; older ones are dropped and counted


class WatchedNode:
    """The live page's `Source` for a controller node. If the node restarts, the page starts from the beginning.

    name : name of the node, with its namespace if it has one

    Raises RuntimeFault if no node has this name.
    """

    data = b""

    def __init__(self, name: str) -> None:
        self.changes = 0
        self.name = "/" + name.strip("/")
        self._lock = threading.Lock()
        self._scene: dict[str, Any] = {}
        self._frames: deque[bytes] = deque(maxlen=WAITING)
        self._lost, self._asked_at = 0, 0.0  # frames that came while a page was open
        self._looked, self._there = "", threading.Event()
        self._context = rclpy.Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = node = rclpy.create_node(
            "snn_control_watch", context=self._context, enable_rosout=False, start_parameter_services=False,
        )  # fmt: skip
        node.create_subscription(String, f"{self.name}/{SCENE}", self._take_scene, SCENE_QOS)
        node.create_subscription(UInt8MultiArray, f"{self.name}/{FRAMES}", self._take_frame, FRAMES_QOS)
        self._look = node.create_publisher(String, f"{self.name}/{LOOKS}", SCENE_QOS)  # also a node that comes later
        triggers = ("restart", "release", "stop", "snapshot")
        self._services: dict[str, Any] = {one: node.create_client(Trigger, f"{self.name}/{one}") for one in triggers}
        self._learning: Any = node.create_client(SetBool, f"{self.name}/learning")
        self._parameters: Any = node.create_client(SetParameters, f"{self.name}/set_parameters")
        self._thread = threading.Thread(target=self._spin, name="watched node", daemon=True)
        self._thread.start()
        try:
            if not self._there.wait(FOUND_WITHIN):
                rule = f"{self.name}: no controller node of this name publishes its scene within {FOUND_WITHIN:g} s"
                raise RuntimeFault(f"{rule}; {self._others()}")
        except BaseException:  # also KeyboardInterrupt: a thread of rclpy that outlives Python would abort it
            self.close()
            raise

    def _others(self) -> str:
        suffix = f"/{SCENE}"
        found = [topic for topic, _ in self._node.get_topic_names_and_types() if topic.endswith(suffix)]
        names = sorted(t.removesuffix(suffix) for t in found if self._node.get_publishers_info_by_topic(t))
        return f"those that do: {', '.join(names)}" if names else "no node does: is ROS_DOMAIN_ID the same here?"

    def _spin(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self._node)
        try:
            while self._context.ok():
                executor.spin_once(timeout_sec=0.2)
        except ExternalShutdownException:
            return

    def _take_scene(self, message: String) -> None:
        try:
            scene = json.loads(message.data)
        except (ValueError, RecursionError):  # a message of something else
            return
        if not isinstance(scene, dict) or not LISTS.issubset(k for k, one in scene.items() if isinstance(one, list)):
            return
        with self._lock:
            self._scene = scene
            self._frames.clear()
            self.changes += 1
        self._there.set()

    def _take_frame(self, message: UInt8MultiArray) -> None:
        with self._lock:
            self._lost += len(self._frames) == WAITING and time.monotonic() < self._asked_at + 1.0
            self._frames.append(message.data.tobytes())

    # a source -------------------------------------------------------------------------------------------------------
    def scene(self) -> dict[str, Any]:
        with self._lock:
            return dict(self._scene)

    def frames(self) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        with self._lock:
            waiting = [self._frames.popleft() for _ in range(len(self._frames))]
            lost, self._asked_at = self._lost, time.monotonic()
        found = []
        for frame in waiting:
            with suppress(InputError):  # a message of something else
                found.append(protocol.decode(frame))
        for header, _ in found:
            header["lost"] = lost
        return found

    def look(self, names: set[str]) -> None:
        wanted = ",".join(sorted(names))
        if wanted != self._looked:
            self._looked = wanted
            self._look.publish(String(data=wanted))

    def act(self, action: str, values: Mapping[str, Any]) -> str:
        if action not in ACTIONS:
            raise InputError(f"action {action!r:.40}: must be one of {', '.join(ACTIONS)}")
        if action == "tune":
            return self._tune(str(values.get("path")), number_in(values, "value", -1e308, 1e308))
        if action == "learning":
            answer = self._ask(self._learning, SetBool.Request(data=bool(values.get("on"))))
        else:
            answer = self._ask(self._services[action], Trigger.Request())
        if not answer.success:
            raise InputError(f"{action}: {answer.message}")
        return str(answer.message)

    def _tune(self, path: str, value: float) -> str:
        known = [one["path"] for one in self.scene()["tunable"]]
        if path not in known:
            known_ones = nearest(path, known) if known else "the file declares nothing tunable"
            raise InputError(f"tune '{path:.80}': is not tunable; {known_ones}")
        double = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        one = Parameter(name=parameter_name(path), value=double)
        answer = self._ask(self._parameters, SetParameters.Request(parameters=[one])).results[0]
        if not answer.successful:
            raise InputError(f"tune {path}: {answer.reason}")
        return ""

    def _ask(self, client: Any, request: Any) -> Any:
        """Call a service, and return its response. Raises InputError if no response arrives in time."""
        done, future = threading.Event(), client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        if not done.wait(ANSWERS_WITHIN):
            client.remove_pending_request(future)
            raise InputError(f"{client.srv_name}: no answer within {ANSWERS_WITHIN:g} s")
        return future.result()

    def close(self) -> None:
        rclpy.try_shutdown(context=self._context)
        self._thread.join(2.0)
        self._node.destroy_node()
