"""Run one or several nodes in a process: start rclpy, read parameters, spin, and terminate on signals.

The threads of DDS inherit the scheduling of the thread that creates them. They run at a real-time priority below that
of the node's loop, which the parameter ``priority`` sets; 0 means ordinary scheduling. The main thread stays at
ordinary priority.
"""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import rclpy
import yaml
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from rclpy.validate_node_name import InvalidNodeNameException, validate_node_name

from ...errors import DescriptionError, SnnControlError, close_match, nearest
from ...files import writing
from ...findings import Finding, warning
from ...realtime.rights import priority_of_new_threads
from ...realtime.watchdog import GRACE_S, MOST_LOOPS, Watchdog
from ...record.run_folder import is_file_of
from .. import block_stop_signals
from ..ports.transport import remove_profile, shared_memory, use_udp

__all__ = [
    "DDS_PRIORITY", "Parameter", "ProcessNode", "Stop", "dds_threads", "declare", "given_priority", "io_node",
    "missing_rights", "run_node", "start_rclpy",
]  # fmt: skip

DDS_PRIORITY = 60  # at most
SAVES_WITHIN = 600.0  # s
STARTS_WITHIN = 0.5  # s: time for an orderly end of a node that has not published a command yet
NEARLY = 0.85  # similarity at which a name counts as a misspelt other one
SWITCH_INTERVAL = 2e-4  # s: rclpy's threads get the interpreter quickly even beside a busy one
MAY_BLOCK = (
    "messages still use shared memory of Fast DDS: a reader that is killed may block the commands for "
    "ever; take it out of DEFAULT_FASTDDS_PROFILES.xml, or set FASTDDS_BUILTIN_TRANSPORTS=UDPv4"
)


class Stop(Watchdog):
    """A flag that SIGINT, SIGTERM, SIGHUP and SIGQUIT set. The nodes then publish the final safe command and shut down.

    A running loop reads the flag through `halt`, even while the Python interpreter is busy. Further signals are
    ignored. Before `begins` is called, the process ends at most `STARTS_WITHIN` after a signal, even in a compilation.

    priority : SCHED_FIFO priority of the thread that waits for signals; 0: ordinary scheduling
    """

    def __init__(self, priority: int = 0) -> None:
        super().__init__(block_stop_signals(), priority)
        self.allow(STARTS_WITHIN, 0)

    def __call__(self) -> bool:
        return self.halted

    def begins(self) -> None:
        """Declare that commands may be published from now on. A later signal leaves time for the safe command."""
        self.allow(GRACE_S)


class _Dds:
    """The requested SCHED_FIFO priority of this process's DDS threads, and the priority that was granted last."""

    wanted, granted = DDS_PRIORITY, DDS_PRIORITY


@contextmanager
def dds_threads() -> Iterator[None]:
    """Context manager in which new threads start with the SCHED_FIFO priority of DDS, if the system grants it.

    This priority is below that of the node's loop. Use the context only around code that creates DDS threads, such as
    the creation of the first node.
    """
    with priority_of_new_threads(_Dds.wanted) as _Dds.granted:
        yield


def missing_rights(missing: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings about the real-time rights that the system did not grant to the loop or to the DDS threads.

    missing : findings about the loop's thread
    """
    if _Dds.granted == _Dds.wanted:
        return tuple(missing)
    text = f"priority {_Dds.wanted} of the DDS threads was not granted"
    return (*missing, warning("SCHED_FIFO", text, "it is granted as the loop's is"))


def given_priority(arguments: Sequence[str], name: str, default: int) -> int:
    """Read the parameter ``priority`` of the node ``name`` from command-line arguments, before the node exists.

    An unreadable value is ignored here, because the node reports it later.
    """
    pairs = list(zip(arguments, [*arguments[1:], ""], strict=False))
    for option, value in pairs:
        if option in ("-r", "--remap") and value.startswith("__node:="):
            name = value.removeprefix("__node:=")
    found: Any = default
    for option, value in pairs:  # the last value given is valid
        key, _, text = value.partition(":=")
        if option == "--params-file":
            found = [found, *_priorities_in(value, name)][-1]
        elif option in ("-p", "--param") and key in ("priority", f"{name}:priority") and text.isdigit():
            found = int(text)
    return found if type(found) is int else default


def _priorities_in(file: str, name: str) -> list[Any]:
    try:
        nodes = yaml.safe_load(Path(file).read_text(encoding="utf-8")).items()
        found = [v["ros__parameters"] for node, v in nodes if str(node).rpartition("/")[2] in ("*", "**", name)]
        return [parameters["priority"] for parameters in found if "priority" in parameters]
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError):
        return []


@contextmanager
def _readable(given: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # a long message from rcl
        reason = " ".join(str(error).split()).partition(", at ")[0]
        raise DescriptionError("arguments", given, f"cannot be read: {reason}") from None


def start_rclpy(given: Sequence[str], names: Sequence[str], priority: int) -> Stop:
    """Initialise rclpy with our own signal handlers, and choose a priority of the DDS threads below that of every node.

    given : command-line arguments, which may set the priority of a node
    names : names of the nodes
    priority : default priority of a node

    Raises DescriptionError for arguments that rclpy cannot parse.
    """
    lowest = min(given_priority(given, name, priority) for name in names)
    _Dds.wanted = _Dds.granted = max(0, min(DDS_PRIORITY, lowest - 1))
    # before rclpy, whose default handler would shut the context down before the final safe command
    stop = Stop(_Dds.wanted)
    for what in use_udp():
        print(f"snn_control: {what} is overridden: nodes use no shared memory, which can block them", file=sys.stderr)
    with _readable(given), dds_threads():
        rclpy.init(args=list(given), signal_handler_options=SignalHandlerOptions.NO)
    sys.setswitchinterval(SWITCH_INTERVAL)
    return stop


def io_node(node: Any) -> Any:
    """Return a new node ``<name>_io`` for the subscriptions and publishers of a loop.

    No executor spins the new node, because the loop takes the messages itself. The new node ignores command-line
    arguments. Therefore pass it topic names from ``node.resolve_topic_name``, which applies the remappings.
    """
    with dds_threads():
        return Node(
            f"{node.get_name()}_io", namespace=node.get_namespace(), context=node.context, use_global_arguments=False,
            start_parameter_services=False, enable_rosout=False,
        )  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """Declaration of a ROS parameter of a node. The parameter is read-only unless ``changes`` is true.

    low : smallest permitted number; None: no limit
    high : largest permitted number; None: no limit
    words : permitted texts; empty: any text
    required : text of the error if the parameter's value is empty; "": the parameter is optional
    """

    default: Any
    description: str
    low: Any = None
    high: Any = None
    words: Sequence[str] = ()
    required: str = ""
    changes: bool = False


class ProcessNode(Node):
    """Base class of our nodes: it declares a node's parameters and stores their values in ``given``.

    NAME : default name of the node
    PRIORITY : default SCHED_FIFO priority of the node's loop
    SEVERAL : whether a process may run several of these nodes; their names are then command-line arguments
    PARAMETERS : declarations of the parameters: name -> `Parameter`
    EXAMPLE : example of arguments after ``--ros-args``, for --help
    DECLARES_MORE : whether the node declares further parameters later, and then calls `warn_of_unknown`
    """

    NAME, PRIORITY, EXAMPLE, SEVERAL = "", 0, "", False
    PARAMETERS: Mapping[str, Parameter] = {}
    DECLARES_MORE = False
    #: (name of a node of this process, parameter) -> file that the node writes
    _written: ClassVar[dict[tuple[str, str], Path]] = {}

    def __init__(self, stop: Stop, name: str = "", **options: Any) -> None:
        with dds_threads():
            super().__init__(name or self.NAME, **options)
        remove_profile()
        self._stop, self.exit_code, self.finished = stop, 0, False
        self.given: Any = SimpleNamespace(**{name: declare(self, name, one) for name, one in self.PARAMETERS.items()})
        missing = [name for name, one in self.PARAMETERS.items() if one.required and not getattr(self.given, name)]
        if missing or not self.DECLARES_MORE:
            self.warn_of_unknown()  # a missing parameter may be a misspelt one
        for name in missing:
            raise DescriptionError(name, "", self.PARAMETERS[name].required, f"write --ros-args -p {name}:=...")

    def warn_of_unknown(self) -> None:
        """Log a warning for each parameter that the user set but the node does not declare; rclpy logs nothing.

        An unknown name is not an error, because a parameter file may serve several nodes. Raises DescriptionError if an
        unknown name resembles the name of a declared parameter.
        """
        known = sorted(self.get_parameters_by_prefix(""))
        for name, one in getattr(self, "_parameter_overrides", {}).items():
            if name not in known and not name.startswith("qos_overrides."):
                if near := difflib.get_close_matches(name, known, 1, NEARLY):
                    raise DescriptionError(name, one.value, "is not a parameter", f"did you mean '{near[0]}'?")
                self.get_logger().warning(f"parameter {name} is not known; {nearest(name, known)}")

    def steady_timer(self, seconds: float, callback: Callable[[], Any]) -> Any:
        """Create a timer on CLOCK_MONOTONIC. With use_sim_time, a timer on ROS time does not fire without /clock."""
        return self.create_timer(seconds, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def check_written(self, parameter: str) -> None:
        """Raise DescriptionError before the run if this node cannot write to the file whose path is in a parameter."""
        path = getattr(self.given, parameter)
        if not path:
            return
        file = Path(path)
        with writing(parameter, path):
            file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir() or not os.access(file.parent, os.W_OK):
            raise DescriptionError(parameter, path, "must be a file in a folder that can be written to")
        mine, file = (self.get_name(), parameter), file.resolve()
        for (node, other), theirs in self._written.items():
            record, state = (file, theirs) if parameter == "record" else (theirs, file)
            if (node, other) != mine and (file == theirs or (other != parameter and is_file_of(record, state))):
                rule = f"is written by {node}, in the same process: {other} = {theirs}"
                raise DescriptionError(parameter, path, rule, f"-p {mine[0]}:{parameter}:=FILE")
        self._written[mine] = file

    @contextmanager
    def saving(self, file: str | Path, parameter: str = "record") -> Iterator[None]:
        """Context manager for writing a file. If writing fails, the error is logged and the exit code becomes 1.

        parameter : parameter that contains the file's path, for the log
        """
        self._stop.allow(SAVES_WITHIN)
        try:
            yield
        except OSError as error:
            self.get_logger().error(f"{parameter} = {file}: cannot be written: {error.strerror}")
            self.exit_code = 1
        self._stop.allow(GRACE_S)

    def finish(self) -> None:
        """Shut the node down before it is destroyed; subclasses override this method."""


def help_of(node: type[ProcessNode]) -> str:
    """Return the text for --help: the node's purpose, its parameters with their defaults, and an example."""
    width, lines = max(map(len, node.PARAMETERS), default=0), ""
    for name, one in node.PARAMETERS.items():
        default = str(one.default).lower() if isinstance(one.default, bool) else one.default
        shown = "needed" if one.required else f"default {'empty' if default == '' else default}"
        lines += f"  {name:<{width}}  {one.description} ({shown})\n"
    command, names = f"{node.NAME}_node", "[NAME ...] " if node.SEVERAL else ""
    return (
        f"usage: {command} {names}[--ros-args -p NAME:=VALUE ... -r FROM:=TO ... --params-file FILE]\n\n"
        f"{(sys.modules[node.__module__].__doc__ or '').strip()}\n\n"
        f"parameters:\n{lines}\nexample:\n  {command} --ros-args {node.EXAMPLE}\n"
    )


KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def declare(node: Node, name: str, one: Parameter) -> Any:
    """Declare a parameter at a node, and return the parameter's value.

    A floating-point parameter also accepts an integer. Raises DescriptionError for any other wrong type, for a number
    out of range, and for a text that is not permitted.
    """
    given = node.declare_parameter(name, None, ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(name)
    value = one.default if given is None else given
    if isinstance(one.default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(one.default) or (one.low is not None and not one.low <= value <= one.high):
        limits = "" if one.low is None else f" in [{one.low:g}, {one.high:g}]"
        fix = f"write {name}:=\"'{given}'\"" if isinstance(one.default, str) else ""
        raise DescriptionError(name, given, f"must be {KINDS[type(one.default)]}{limits}", fix)
    if one.words and value not in one.words:
        rule = f"is not known: it must be {' or '.join(map(repr, one.words))}"
        raise DescriptionError(name, value, rule, close_match(value, one.words))
    descriptor = ParameterDescriptor(description=one.description, read_only=not one.changes, dynamic_typing=one.changes)
    if one.low is not None and isinstance(one.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=one.low, to_value=one.high)]
    elif one.low is not None:
        descriptor.integer_range = [IntegerRange(from_value=one.low, to_value=one.high)]
    node.declare_parameter(name, value, descriptor, ignore_override=True)
    return value


def run_node(make: type[ProcessNode], arguments: Sequence[str] | None = None) -> int:
    """Run one node, or one node for each name in the arguments, until a signal arrives. Return the exit code.

    The function also returns when a node sets its attribute ``finished``. With --help, it only prints the help.

    make : class of the nodes
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if {"-h", "--help"} & set(given):
        print(help_of(make), end="")
        return 0
    stop, nodes = None, list[ProcessNode]()
    try:
        names = _names(make, given)
        stop = start_rclpy(given, names, make.PRIORITY)
        with ExitStack() as ends:  # each node that was made ends in order, also after an exception
            executor = SingleThreadedExecutor()
            for name in names:
                if stop() or any(node.finished for node in nodes):  # a signal may come during the imports
                    break
                node = make(stop, name=name)
                ends.callback(_end, node, executor)
                nodes.append(node)
                executor.add_node(node)
            if nodes:
                stop.begins()
                if shared_memory():
                    nodes[0].get_logger().error(MAY_BLOCK)
                _spin(nodes, executor, stop)
    except SnnControlError as error:
        print(f"snn_control: {error}", file=sys.stderr)
        return 2
    finally:
        rclpy.try_shutdown()
        if stop is not None:
            stop.close()
    return max((node.exit_code for node in nodes), default=0)


def _end(node: Any, executor: Any) -> None:
    node.finish()
    executor.remove_node(node)
    node.destroy_node()


def _names(make: type[ProcessNode], given: Sequence[str]) -> list[str]:
    fix = "write --ros-args -p NAME:=VALUE; see --help"
    with _readable(given):
        names = remove_ros_args(given)
    if not names:
        return [make.NAME]
    try:
        known = make.SEVERAL and all(map(validate_node_name, names))
    except InvalidNodeNameException:
        known = False
    if not known:
        raise DescriptionError("arguments", names, "are not known", fix)
    if len(set(names)) < len(names) or len(names) > MOST_LOOPS:
        raise DescriptionError("arguments", names, f"must be at most {MOST_LOOPS} names, each of them once")
    if any(word.startswith("__node:=") for word in given):
        fix = "leave it out: the names of the nodes are the arguments"
        raise DescriptionError("arguments", "__node:=", "would give all nodes one name", fix)
    return names


def _spin(nodes: Sequence[Any], executor: Any, stop: Stop) -> None:
    """Spin until ``stop()`` is true or a node has finished. An exception in a callback is only logged."""
    told = ""
    while not stop() and not any(node.finished for node in nodes):
        try:
            executor.spin_once(timeout_sec=0.05)
        except ExternalShutdownException:
            return
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            if text != told:  # a faulty message may come a thousand times a second
                nodes[0].get_logger().error(f"a callback failed, the node continues: {text}")
                told = text
