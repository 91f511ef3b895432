"""What belongs to a node's process: how rclpy starts, how signals end it, and the loop that spins.

The threads of DDS inherit the scheduling of the thread that starts rclpy: they get a real-time priority
below the control loop's, so that a busy machine does not delay messages on their way (docs/architecture.md).
The main thread, which compiles, answers services and reports, stays at ordinary priority.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from ..errors import DescriptionError, SnnControlError
from ..realtime.rights import priority_of_new_threads
from ..spec import nearest

__all__ = [
    "DDS_PRIORITY",
    "Stop",
    "check_record",
    "dds_threads",
    "declare",
    "io_node",
    "run_node",
    "start_rclpy",
    "steady_timer",
    "warn_of_unknown_parameters",
]

DDS_PRIORITY = 60
SWITCH_INTERVAL = 2e-4  # s: rclpy's threads get the interpreter quickly even beside a busy one


class Stop:
    """Set by SIGINT and SIGTERM. The nodes end in order, the parting safe command included."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._event.set())

    def __call__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()


def dds_threads() -> Any:
    """A context: threads that begin in it, those of DDS, get SCHED_FIFO `DDS_PRIORITY` where that is granted.

    Only what makes them stands in it, the first node above all: a thread of another purpose would inherit it too.
    """
    return priority_of_new_threads(DDS_PRIORITY)


def start_rclpy(arguments: Sequence[str] | None = None) -> Stop:
    """Initialise rclpy with our own signal handlers; raises DescriptionError for arguments it cannot read."""
    from rclpy.utilities import remove_ros_args

    stop = Stop()  # before rclpy, whose default handler would shut the context down before the parting command
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        others = remove_ros_args(given)
        if others:
            raise DescriptionError("arguments", others, "are not known", "write --ros-args -p controller_file:=FILE")
        with dds_threads():
            rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # of rcl, which says it at length
        reason = " ".join(str(error).split()).partition(", at ")[0]
        raise DescriptionError("arguments", given, f"cannot be read: {reason}") from None
    sys.setswitchinterval(SWITCH_INTERVAL)
    return stop


def io_node(node: Any) -> Any:
    """A node ``<name>_io`` that is never spun, for what a loop takes from and publishes to.

    It takes no command-line arguments: give it names from ``node.resolve_topic_name``, which remaps them once.
    """
    from rclpy.node import Node

    with dds_threads():
        return Node(
            f"{node.get_name()}_io",
            namespace=node.get_namespace(),
            context=node.context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )


def steady_timer(node: Any, seconds: float, callback: Callable[[], None]) -> Any:
    """A timer on CLOCK_MONOTONIC: one of the node's clock would never fire where use_sim_time waits for a /clock."""
    from rclpy.clock import Clock, ClockType

    return node.create_timer(seconds, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))


KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def declare(node: Any, name: str, default: Any, description: str, low: Any = None, high: Any = None) -> Any:
    """Declare a read-only parameter with its description and range; returns its value.

    A whole number is taken for a floating-point parameter. Raises DescriptionError for any other type, and for
    a value out of the range.
    """
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

    descriptor = ParameterDescriptor(description=description, read_only=True)
    if low is not None and isinstance(default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif low is not None:
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    try:
        return node.declare_parameter(name, default, descriptor).value
    except (InvalidParameterTypeException, InvalidParameterValueException):
        value = _given(node, name)
    if isinstance(default, float) and type(value) is int and (low is None or low <= value <= high):
        return node.declare_parameter(name, float(value), descriptor, ignore_override=True).value
    limits = "" if low is None else f" in [{low:g}, {high:g}]"
    fix = f"write {name}:=\"'{value}'\"" if isinstance(default, str) else ""
    raise DescriptionError(name, value, f"must be {KINDS[type(default)]}{limits}", fix)


def _given(node: Any, name: str) -> Any:
    """What was given for a parameter, of whatever type."""
    from rcl_interfaces.msg import ParameterDescriptor

    value = node.declare_parameter(name, None, ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(name)
    return value


def warn_of_unknown_parameters(node: Any) -> None:
    """Say which given parameters nobody declared: rclpy is silent about a misspelt one."""
    known = sorted(node.get_parameters_by_prefix(""))
    # a file may hold parameters for several nodes, so this is no error
    for name in getattr(node, "_parameter_overrides", {}):
        if name not in known and not name.startswith("qos_overrides."):
            node.get_logger().warning(f"parameter {name} is not known; {nearest(name, known)}")


def check_record(path: str) -> None:
    """Raise DescriptionError now if a record could not be written at the end."""
    if not path:
        return
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DescriptionError(
            "record", path, f"cannot be written: {error.strerror}", "choose another folder"
        ) from None
    if file.is_dir() or not os.access(file.parent, os.W_OK):
        raise DescriptionError("record", path, "must be a file in a folder that can be written to")


def run_node(make: Callable[[Stop], Any], arguments: Sequence[str] | None = None) -> int:
    """Start rclpy, make a node, spin it until a signal or ``node.finished``; returns the exit code.

    The node has ``finish()``, which ends it in order, and ``exit_code``.
    """
    try:
        stop = start_rclpy(arguments)
        node = make(stop)
    except SnnControlError as error:
        print(f"snn_control: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 2
    try:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            while not stop() and not node.finished:
                executor.spin_once(timeout_sec=0.05)
        finally:
            node.finish()
            executor.remove_node(node)
            node.destroy_node()
        return node.exit_code
    finally:
        rclpy.try_shutdown()
