"""Make subscriptions, publishers and ports from the section ``ros`` of a controller file.

An *io node* is a node that no executor spins, because the loop takes its messages itself.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rclpy.exceptions import NameValidationException
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.utilities import get_rmw_implementation_identifier

from ...controller_file import ControllerSpec, RosTopic
from ...engine.bound import Bound
from ...errors import NO_VALUE, DescriptionError, nearest, within
from ...events.files.messages import CLOUD_TYPE, EVENT_TYPES
from ...events.packets import PACKET_TYPES
from ...realtime.port import LOCKSTEP
from ...realtime.ports.columns import addresses_of
from ...realtime.ports.packet_receiver import Pacing, PacketReceiver
from ..messages.field_limits import fit_bounds
from ..messages.images import COMPRESSED, IMAGE_TYPE
from ..messages.path_program import PathProgram, compile_path
from ..messages.reduction import rules_of
from .frames import FramesPort
from .numeric import CommandOutput, EventsPort, NumericInput, check_size
from .packets import PacketInput

__all__ = [
    "NotInstalled", "at_rate", "command_options", "command_ports", "drain", "ends_of", "for_dry_run", "groups",
    "host_of", "input_ports", "input_type", "message_class", "need_topics", "qos_of", "resolved", "value_field",
]  # fmt: skip

#: packages of event cameras, which have no wheels and must be built from source
IN_CHECKOUT = Path(__file__).resolve().parents[3] / "tests/ros/interfaces"


REPUBLISH = f"publish it as {IMAGE_TYPE}: ros2 run image_transport republish compressed raw"
EXAMPLES = {"msg": "std_msgs/msg/Bool", "srv": "std_srvs/srv/Trigger"}


class NotInstalled(DescriptionError):
    """Raised if the package of a message type is not installed here."""


def for_dry_run(spec: ControllerSpec) -> ControllerSpec:
    """Return a copy of the controller description with command topics that no robot uses, e.g. ``dry_run/cmd_vel``."""

    def shadow(topic: str) -> str:
        root = next((root for root in ("~/", "/") if topic.startswith(root)), "")
        return f"{root}dry_run/{topic.removeprefix(root)}"

    topics = {n: dataclasses.replace(one, topic=shadow(one.topic)) for n, one in spec.ros_outputs.items()}
    return dataclasses.replace(spec, ros_outputs=topics)


def at_rate(spec: ControllerSpec, rate: float) -> ControllerSpec:
    """Return a copy of the controller description with another control rate [Hz]; 0: the rate is not changed.

    Raises DescriptionError if the control period would not be a whole number of network steps ``dt``.
    """
    if rate == 0:
        return spec
    steps = max(1, round(1.0 / (rate * spec.dt)))
    if abs(steps * spec.dt * rate - 1.0) > 1e-4:  # 333.333 is good enough for 3 steps
        rule = f"its period must be a whole number of the file's dt = {spec.dt:g} s"
        raise DescriptionError("rate", rate, rule, f"the nearest is {1.0 / (steps * spec.dt):.7g}")
    return dataclasses.replace(spec, period=steps * spec.dt)


def resolved(node: Any, where: str, topic: str) -> str:
    """Return the full name of a topic of ``node`` after remapping. Raises DescriptionError if the name is not valid."""
    try:
        return node.resolve_topic_name(topic)
    except (NameValidationException, RuntimeError) as error:  # the latter comes from rcl
        reason = str(error).partition("name: ")[2].partition(", at ")[0]
        raise DescriptionError(f"{where}.topic", topic, f"is not a topic name: {reason or error}") from None


def message_class(path: str, name: str, interface_kind: str = "msg") -> Any:
    """Return the Python class of ``package/msg/Type``, or of ``package/srv/Type`` if ``interface_kind`` is "srv".

    Raises DescriptionError if the class is not installed.
    """
    package, kind = (parts := name.split("/"))[0], parts[-1]
    if parts != [package, interface_kind, kind]:
        rule, fix = f"must be package/{interface_kind}/Type", f"for example {EXAMPLES[interface_kind]}"
        raise DescriptionError(f"{path}.type", name, rule, fix)
    try:
        module = importlib.import_module(f"{package}.{interface_kind}")
        return getattr(module, kind)
    except AttributeError:
        fix = nearest(kind, (name for name, one in vars(module).items() if isinstance(one, type)))
        rule = f"{package} is installed and has no message {kind!r}"
        raise DescriptionError(f"{path}.type", name, rule, fix) from None
    except ImportError:
        fix = f"install {package}"
        if name in EVENT_TYPES:
            distribution = os.environ.get("ROS_DISTRO", "<distro>")
            fix = f"install ros-{distribution}-{package.replace('_', '-')}, or publish {CLOUD_TYPE}"
        if (IN_CHECKOUT / package).is_dir():
            fix += ', or in this checkout: eval "$(python -m tests.ros.interfaces)"'
        raise NotInstalled(f"{path}.type", name, "is not an installed message type", fix) from None


def value_field(where: str, topic: RosTopic, size: int) -> tuple[Any, PathProgram]:
    """Return a topic's message class, and the program that reads ``size`` numbers from the field named for the topic.

    Raises DescriptionError.
    """
    cls = message_class(where, topic.type)
    if topic.type == IMAGE_TYPE and not topic.field:
        raise DescriptionError(f"{where}.grid", NO_VALUE, "is missing", "write grid: [columns, rows]")
    with within(where):
        program = compile_path(cls, topic.field)
        check_size(program, size, topic.reduce)
    return cls, program


def check_events(path: str, topic: RosTopic) -> None:
    """Raise DescriptionError if events cannot be read from messages of this topic's type."""
    if topic.type not in EVENT_TYPES:
        fix = "write source: frames at the input" if topic.type in (IMAGE_TYPE, COMPRESSED) else ""
        raise DescriptionError(f"{path}.type", topic.type, f"events come as one of {', '.join(EVENT_TYPES)}", fix)
    for key in ("pace", "late"):
        if topic.type not in PACKET_TYPES and (value := getattr(topic, key)) != getattr(RosTopic, key):
            rule = f"is for packets only: {', '.join(PACKET_TYPES)}"
            raise DescriptionError(f"{path}.{key}", value, rule, "leave it out, or take packets")


def check_frames(path: str, topic: RosTopic) -> None:
    """Raise DescriptionError if frames cannot be read from messages of this topic's type in a node."""
    if topic.type == COMPRESSED:
        rule = "is compressed: a node reads pixels, and only a bag may be compressed"
        raise DescriptionError(f"{path}.type", topic.type, rule, REPUBLISH)
    if topic.type != IMAGE_TYPE:
        raise DescriptionError(f"{path}.type", topic.type, f"frames come as {IMAGE_TYPE}")
    if topic.late != RosTopic.late:
        raise DescriptionError(f"{path}.late", topic.late, "is for packets of events only", "leave it out")


def input_type(where: str, topic: RosTopic, size: int | None, frames: bool = False) -> tuple[Any, PathProgram | None]:
    """Return the class of an input's messages, and the program that reads the input's numbers from a message.

    The program is None for Images and for events, which are not read from a field.

    size : how many numbers the input has; None: an events input
    frames : whether the events come from frames

    Raises DescriptionError.
    """
    if size is None:
        (check_frames if frames else check_events)(where, topic)
        return message_class(where, topic.type), None
    if topic.grid is not None:
        if (n := topic.grid[0] * topic.grid[1]) != size:
            raise DescriptionError(f"{where}.grid", list(topic.grid), f"has {n} cells, the input takes {size}")
        return message_class(where, topic.type), None
    if topic.type == COMPRESSED:
        raise DescriptionError(f"{where}.type", topic.type, "is compressed, and its pixels are not read", REPUBLISH)
    cls, program = value_field(where, topic, size)
    if topic.age != "arrival" and not program.stamped:
        rule = f"a {topic.type} has no stamp"
        raise DescriptionError(f"{where}.age", topic.age, rule, "leave it out, or take a message with a header")
    return cls, program


def qos_of(topic: RosTopic, lockstep: bool) -> QoSProfile:
    """Return the quality of service of our subscription or publisher of a topic.

    In lockstep no message may be lost. Therefore the reliability is "reliable", and the queue has room for the messages
    of two ticks.
    """
    reliable = lockstep or topic.reliability == "reliable"
    policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=max(topic.depth, 2) if lockstep else topic.depth, reliability=policy)


def groups(topics: Mapping[str, RosTopic], kind: str) -> dict[str, list[str]]:
    """Group inputs or outputs by topic: topic -> names. Inputs or outputs with the same topic share its messages.

    kind : "inputs" or "outputs"

    Raises DescriptionError if two of them specify different types or QoS for the same topic.
    """
    found: dict[str, list[str]] = {}
    for name, topic in topics.items():
        found.setdefault(topic.topic, []).append(name)
    for full, names in found.items():
        for key in ("type", "reliability", "depth"):
            first = getattr(topics[names[0]], key)
            for name in names[1:]:
                if (other := getattr(topics[name], key)) != first:
                    rule = f"must be the same as that of {names[0]} on the same topic {full}: {first}"
                    raise DescriptionError(f"ros.{kind}.{name}.{key}", other, rule)
    return found


def _fixed_values(topics: Mapping[str, RosTopic], names: Sequence[str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name in names:
        for key, value in (topics[name].values or {}).items():
            if merged.setdefault(key, value) != value:
                rule = f"must be the same in all outputs of the topic {topics[name].topic}: {merged[key]!r}"
                raise DescriptionError(f"ros.outputs.{name}.values.{key}", value, rule)
    return merged


def command_options(spec: ControllerSpec, names: Sequence[str], cls: type, lockstep: bool = False) -> dict[str, Any]:
    """Return the arguments of `CommandOutput` for the message that several outputs share.

    names : names of the outputs
    cls : class of the message

    Raises DescriptionError.
    """
    topics, outputs = spec.ros_outputs, {o.name: o for o in spec.outputs}
    stamps = sorted({topics[name].stamp for name in names} - {""})
    if len(stamps) > 1:
        raise DescriptionError(f"ros.outputs.{names[0]}.stamp", stamps, "must be the same in all outputs of a topic")
    # in lockstep each message needs an answer
    stays = {name: outputs[name].safe if outputs[name].stays and not lockstep else "" for name in names}
    for name in names:
        if stays[name] != stays[names[0]]:
            rule = f"must be as that of {names[0]}, whose message it shares: hold, none, or numbers for both"
            raise DescriptionError(f"outputs.{name}.safe", stays[name] or "a number", rule)
    programs = [(outputs[name], compile_path(cls, topics[name].field)) for name in names]
    bounds = [fit_bounds(output, program.kind, program.field, spec.period) for output, program in programs]
    values = _fixed_values(topics, names)
    return {"bounds": bounds, "stays": stays[names[0]], "values": values, "stamp_field": "".join(stamps)}


def need_topics(kind: str, ends: Iterable[Any], topics: Mapping[str, RosTopic], or_else: str = "") -> None:
    """Raise DescriptionError for the first input or output in ``ends`` that has no topic.

    kind : "inputs" or "outputs"
    """
    for end in ends:
        if end.name not in topics:
            raise DescriptionError(f"ros.{kind}.{end.name}", NO_VALUE, "is missing", f"name its topic{or_else}")


def input_ports(node: Any, io: Any, spec: ControllerSpec, bound: Bound, lockstep: bool) -> list[Any]:
    """Return one port for each input, in the order of the controller file.

    node : node that resolves the names of topics
    io : node on which the subscriptions are created; no executor spins it
    """
    facts = bound.program.facts.inputs
    need_topics("inputs", facts, spec.ros_inputs)
    groups(spec.ros_inputs, "inputs")  # raises if a topic has two types
    ports: list[Any] = []
    described: dict[str, Any] = {one.name: one for one in spec.inputs}
    for fact in facts:
        name, topic, where = fact.name, spec.ros_inputs[fact.name], f"ros.inputs.{fact.name}"
        cls, program = input_type(where, topic, None if fact.kind == "events" else fact.size, bool(fact.camera))
        full = resolved(node, where, topic.topic)
        subscription = io.create_subscription(cls, full, lambda message: None, qos_of(topic, lockstep))
        if topic.type in PACKET_TYPES:
            receiver = PacketReceiver.of(bound, name, Pacing(topic.pace, topic.late))
            ports.append(PacketInput(subscription, receiver, fact.size, name=name))
        elif fact.camera:
            spread = topic.pace == "sensor"
            ports.append(FramesPort(subscription, bound, fact, apart=not lockstep, spread=spread))
        elif fact.kind == "events":
            ports.append(EventsPort(subscription, *addresses_of(bound, name), size=fact.size, name=name))
        else:
            at, rules = (bound.address(f"{name}.slot"), bound.address(f"{name}.data")), rules_of(described[name])
            options: dict[str, Any] = {"columns": (topic.grid or [1])[0], "reduce": topic.reduce, "rules": rules}
            ports.append(NumericInput(subscription, program, *at, fact.size, name=name, **options))
        ports[-1].judge_ages(topic.age, host_of(io, full))
        if described[name].required and math.isfinite(described[name].stale):
            ports[-1].limit_ns = round(described[name].stale * 1e9)
        ports[-1].unawaited = bool(fact.stop_when)
    return ports


def host_of(node: Any, topic: str) -> int:
    """Return this machine's number in the ids of publishers, their first four bytes as an int; -1: not known.

    In Fast DDS, the id of a publisher starts with the number of the vendor and the number of the host. ``node`` must
    subscribe to ``topic``.
    """
    if "fastrtps" in get_rmw_implementation_identifier():
        for one in node.get_subscriptions_info_by_topic(topic):
            if (one.node_name, one.node_namespace) == (node.get_name(), node.get_namespace()):
                return int.from_bytes(bytes(one.endpoint_gid[:4]), "little")
    return -1


def command_ports(node: Any, io: Any, spec: ControllerSpec, bound: Bound, lockstep: bool) -> list[CommandOutput]:
    """Return one port for each command topic. Outputs with the same topic share the port and its message.

    node, io : as in `input_ports`
    """
    sizes = {o.name: o.size for o in bound.program.facts.outputs}
    need_topics("outputs", spec.outputs, spec.ros_outputs)
    ports: list[CommandOutput] = []
    for names in groups(spec.ros_outputs, "outputs").values():
        topic, where = spec.ros_outputs[names[0]], f"ros.outputs.{names[0]}"
        cls = message_class(where, topic.type)
        publisher = io.create_publisher(cls, resolved(node, where, topic.topic), qos_of(topic, lockstep))
        fields = [(spec.ros_outputs[n].field, bound.address(f"{n}.command"), sizes[n]) for n in names]
        with within(where, "ros.", "outputs."):
            options = command_options(spec, names, cls, lockstep)
            guard, name = bound.address("guard"), ",".join(names)
            ports.append(CommandOutput(publisher, cls, fields, guard=guard, name=name, **options))
    return ports


def ends_of(spec: ControllerSpec, bound: Bound) -> list[tuple[int, int, int]]:
    """Return the copy operations with which a loop sets each command to its safe value when the loop ends.

    An entry is (address of the destination, address of the source, number of float64 to copy). A command without a safe
    value stays at its last value, with the limiter's state at rest.
    """
    ends = []
    for output in spec.outputs:
        n, command = output.size, bound.address(f"{output.name}.command")
        place = command - bound.address("command")
        if not output.stays:
            ends.append((command, bound.address(f"{output.name}.safe"), n))
            continue
        ends.append((command, bound.address("previous") + place, n))  # the motion is not smoothed any more
        if "step" in bound.program.names:
            ends.append((bound.address("step") + place, bound.address("rest") + place, n))
    return ends


def drain(ports: Sequence[Any]) -> None:
    """Take and discard the messages that wait in the ports' subscriptions, because these messages may be old.

    Do not call this while a loop runs.
    """
    for port in ports:
        end = time.monotonic() + 0.1  # limits the time if messages keep arriving
        while port(time.monotonic_ns(), LOCKSTEP) > 0 and time.monotonic() < end:
            pass
