"""List, publish and echo topics, call services and set parameters, on computers without the command ``ros2``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import rclpy
import yaml
from rclpy.exceptions import NameValidationException
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rosidl_parser.definition import AbstractNestedType, BasicType, NamespacedType

from ..errors import DescriptionError, RuntimeFault, SnnControlError, nearest
from .messages.message_types import class_of, fields_of
from .messages.template import assign
from .ports.topics import message_class

__all__ = ["call_service", "echo", "fill", "list_topics", "plain", "publish", "set_parameter"]

NAME = "snn_control_ros"
PATIENCE = 5.0  # s, time to discover the other side
#: s from the discovery of a service to the request. A server that has not discovered the client yet after 0.1 s drops
#: its response (rmw_fastrtps)
MUTUAL = 0.3


@contextmanager
def _node() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)  # Ctrl-C stays a KeyboardInterrupt
    node = rclpy.create_node(NAME, context=context, enable_rosout=False, start_parameter_services=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node
    except NameValidationException as error:
        raise SnnControlError(" ".join(str(error).split()).rstrip(" ^")) from None
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def _wait(node: Any, condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Spin the node until ``condition()`` is true, at most for ``seconds``. Return the condition's last value."""
    end = time.monotonic() + seconds
    while not (value := condition()) and (left := end - time.monotonic()) > 0:
        node.executor.spin_once(min(left, 0.05))
    return value


def _is_offered(node: Any, is_ready: Callable[[], bool]) -> bool:
    """Wait until a service is offered, and until its server has discovered this node, too."""
    if not _wait(node, is_ready):
        return False
    _wait(node, lambda: False, MUTUAL)
    return True


def _response(node: Any, future: Any, is_ready: Callable[[], bool]) -> Any:
    """Wait for the response of a service. Raises RuntimeFault if its server ends before."""
    _wait(node, lambda: future.done() or not is_ready(), float("inf"))
    if not future.done():
        raise RuntimeFault("the server of the service ended before it responded")
    return future.result()


def _converted(kind: Any, value: Any) -> Any:
    """Convert a value from YAML to the Python type that a field of the rosidl type ``kind`` accepts."""
    if isinstance(kind, NamespacedType):
        return fill(class_of(kind)(), value)
    if isinstance(kind, AbstractNestedType) and isinstance(value, list):
        return [_converted(kind.value_type, one) for one in value]
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and isinstance(kind, BasicType) and kind.typename in ("float", "double") else value


def fill(message: Any, values: Any) -> Any:
    """Set fields of a message, and return the message.

    values : mapping from a field's name to its value; other fields are not changed

    Raises DescriptionError.
    """
    if not isinstance(values, Mapping):
        rule = f"must be a mapping of the fields of {type(message).__name__}"
        raise DescriptionError("VALUES", values, rule, f"its fields: {', '.join(fields_of(type(message)))}")
    for name, value in values.items():
        assign(message, str(name), _converted(fields_of(type(message)).get(name), value))
    return message


def _filled(message: Any, text: str) -> Any:
    try:
        return fill(message, yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        rule = f"is not YAML: {' '.join(str(error).split())}"
        raise DescriptionError("VALUES", text, rule, "for example '{data: true}'") from None


def plain(value: Any) -> Any:
    """Convert a message to mappings, lists, numbers and texts, so that it can be printed as YAML."""
    if hasattr(value, "SLOT_TYPES"):
        return {name: plain(getattr(value, name)) for name in fields_of(type(value))}
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):  # an octet
        return value[0]
    return value.tolist() if hasattr(value, "tolist") else [plain(one) for one in value]


def _print(message: Any) -> None:
    print(yaml.safe_dump(plain(message), sort_keys=False, default_flow_style=None), end="", flush=True)


def list_topics() -> None:
    """Print all topics and their types."""
    with _node() as node:
        _wait(node, lambda: False, 1.0)  # discovery
        for topic, types in node.get_topic_names_and_types():
            print(f"{topic} [{', '.join(types)}]")


def publish(topic: str, kind: str, values: str, rate: float, once: bool) -> None:
    """Publish a message ``rate`` times per second, until the user interrupts the command.

    If ``once`` is true, wait for a subscriber, and publish the message only once.
    """
    message = _filled(message_class("topic", kind)(), values)
    with _node() as node:
        publisher = node.create_publisher(type(message), topic, 10)
        _wait(node, publisher.get_subscription_count, PATIENCE if once else 0.0)
        if once and not publisher.get_subscription_count():
            raise DescriptionError("TOPIC", topic, f"nobody has subscribed to it within {PATIENCE:g} s as a {kind}")
        begin, k = time.monotonic(), 0
        while not (once and k):
            publisher.publish(message)
            k += 1
            _wait(node, lambda: False, begin + k / rate - time.monotonic() if not once else 0.2)


def echo(topic: str, kind: str, once: bool) -> None:
    """Print the messages of a topic, with the quality of service of the topic's publishers."""
    with _node() as node:
        name = node.resolve_topic_name(topic)
        found = _wait(node, lambda: node.get_publishers_info_by_topic(name), PATIENCE if not kind else 0.5)
        if not (kind or found):
            known = [one for one, _ in node.get_topic_names_and_types()]
            raise DescriptionError("TOPIC", topic, "nobody publishes on it", nearest(name, known))
        qos, theirs = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT), [f.qos_profile for f in found]
        if found and all(one.reliability == ReliabilityPolicy.RELIABLE for one in theirs):
            qos.reliability = ReliabilityPolicy.RELIABLE
        if found and all(one.durability == DurabilityPolicy.TRANSIENT_LOCAL for one in theirs):
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        heard: list[Any] = []
        node.create_subscription(message_class("topic", kind or found[0].topic_type), topic, heard.append, qos)
        while True:
            _wait(node, lambda: heard)
            for message in heard[: 1 if once else None]:
                _print(message)
                print("---", flush=True)
            if heard and once:
                return
            heard.clear()


def call_service(service: str, kind: str, values: str) -> None:
    """Call a service and print its response."""
    cls = message_class("service", kind, "srv")
    request = _filled(cls.Request(), values)
    with _node() as node:
        client = node.create_client(cls, service)
        if not _is_offered(node, client.service_is_ready):
            name = node.resolve_service_name(service)
            known = [one for one, _ in node.get_service_names_and_types() if one != name]  # our client is among them
            raise DescriptionError("SERVICE", service, f"nobody offers it as {kind}", nearest(name, known))
        _print(_response(node, client.call_async(request), client.service_is_ready))


def set_parameter(target: str, name: str, text: str) -> None:
    """Set a parameter of a node. Raises DescriptionError with the node's reason if the node refuses the value."""
    from rclpy.parameter_client import AsyncParameterClient  # not in ROS 2 Humble

    value = yaml.safe_load(text)
    with _node() as node:
        client = AsyncParameterClient(node, target)
        if not _is_offered(node, client.services_are_ready):
            known = [f"{space.rstrip('/')}/{one}" for one, space in node.get_node_names_and_namespaces() if one != NAME]
            raise DescriptionError("NODE", target, "there is no such node with parameters", nearest(target, known))
        found = _response(node, client.set_parameters([Parameter(name, value=value)]), client.services_are_ready)
        (result,) = found.results
        if not result.successful:
            raise DescriptionError(name, value, result.reason)
        print("Set parameter successful")
