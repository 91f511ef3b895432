"""Check a controller file's ``ros`` section against the message types, as far as possible without a node."""

from __future__ import annotations

from collections.abc import Iterator

from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.serialization import serialize_message
from rclpy.validate_full_topic_name import validate_full_topic_name

from ..coding import ValueInput
from ..controller_file import ControllerSpec, RosTopic
from ..errors import DescriptionError, within
from ..findings import Finding, warning
from .messages.template import make_template
from .ports.topics import (
    NotInstalled,
    command_bounds,
    common_stay,
    fixed_values,
    groups,
    input_type,
    message_class,
    stamp_field,
)

__all__ = ["check_topics", "need_types"]


def need_types(spec: ControllerSpec) -> None:
    """Raise DescriptionError for the first message type of the ``ros`` section that is not installed here; call it
    before starting processes that would fail without it."""
    for where, topic in _ends(spec):
        message_class(where, topic.type)


def check_topics(spec: ControllerSpec) -> list[Finding]:
    """A finding for each type whose package is not installed here, so that its fields could not be checked: the file
    may be for another machine. Raises DescriptionError for the first topic, type or field that any node would
    refuse; missing topics are reported by `snn_control.analysis.lint`."""
    inputs, outputs = {i.name: i for i in spec.inputs}, {o.name: o for o in spec.outputs}
    missing: dict[str, str] = {}  # type -> how to install it
    groups(spec.ros_inputs, "inputs")  # raises if a topic has two types
    for name, topic in spec.ros_inputs.items():
        where, one = f"ros.inputs.{name}", inputs[name]
        _check_name(where, topic)
        try:
            input_type(where, topic, one.size if isinstance(one, ValueInput) else None)
        except NotInstalled as error:
            missing[topic.type] = error.fix
    for names in groups(spec.ros_outputs, "outputs").values():
        where, topic = f"ros.outputs.{names[0]}", spec.ros_outputs[names[0]]
        _check_name(where, topic)
        fields = [(spec.ros_outputs[name].field, outputs[name].size) for name in names]
        try:
            cls = message_class(where, topic.type)
            with within(where, "ros.", "outputs."):
                make_template(
                    cls, fields, fixed_values(spec.ros_outputs, names), serialize_message,
                    stamp_field(spec.ros_outputs, names),
                )  # fmt: skip
                command_bounds(spec, names, cls)
                common_stay(spec, names)
        except NotInstalled as error:
            missing[topic.type] = error.fix
    rule = "is not installed here: its fields are not checked, no node would start"
    return [warning(f"{at}.type", f"{t.type} {rule}", missing[t.type]) for at, t in _ends(spec) if t.type in missing]


def _ends(spec: ControllerSpec) -> Iterator[tuple[str, RosTopic]]:
    for kind, topics in (("inputs", spec.ros_inputs), ("outputs", spec.ros_outputs)):
        for name, topic in topics.items():
            yield f"ros.{kind}.{name}", topic


def _check_name(where: str, topic: RosTopic) -> None:
    try:
        validate_full_topic_name(expand_topic_name(topic.topic, "controller", "/"))
    except (NameValidationException, ValueError) as error:
        reason = str(error).partition(":")[0]
        raise DescriptionError(f"{where}.topic", topic.topic, f"is not a topic name: {reason}") from None
