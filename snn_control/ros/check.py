"""Check a controller file's ``ros`` section against the installed message types, without starting a node."""

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
from .ports import topics

__all__ = ["check_topics", "need_types"]


def need_types(spec: ControllerSpec) -> None:
    """Raise DescriptionError for the first message type of the ``ros`` section that is not installed here.

    Call this function before starting processes, which would fail without the type.
    """
    for where, topic in _ends(spec):
        topics.message_class(where, topic.type)


def check_topics(spec: ControllerSpec) -> list[Finding]:
    """Check the topics of a controller, and return a finding for each message type that is not installed here.

    The fields of a type that is not installed cannot be checked. This is not an error, because the file may be meant
    for another machine. Raises DescriptionError for the first topic, type or field that any node would refuse.
    `snn_control.analysis.lint` reports missing topics.
    """
    inputs, outputs = {i.name: i for i in spec.inputs}, {o.name: o for o in spec.outputs}
    missing: dict[str, str] = {}  # type -> how to install it
    topics.groups(spec.ros_inputs, "inputs")  # raises if a topic has two types
    for name, topic in spec.ros_inputs.items():
        where, one = f"ros.inputs.{name}", inputs[name]
        _check_name(where, topic)
        try:
            size, frames = one.size if isinstance(one, ValueInput) else None, bool(getattr(one, "numbers", ()))
            topics.input_type(where, topic, size, frames)
        except topics.NotInstalled as error:
            missing[topic.type] = error.fix
    for names in topics.groups(spec.ros_outputs, "outputs").values():
        where, topic = f"ros.outputs.{names[0]}", spec.ros_outputs[names[0]]
        _check_name(where, topic)
        fields = [(spec.ros_outputs[name].field, outputs[name].size) for name in names]
        try:
            cls = topics.message_class(where, topic.type)
            with within(where, "ros.", "outputs."):
                options = topics.command_options(spec, names, cls)
                make_template(cls, fields, options["values"], serialize_message, options["stamp_field"])
        except topics.NotInstalled as error:
            missing[topic.type] = error.fix
    rule = "is not installed here: its fields are not checked, no node would start"
    return [warning(f"{at}.type", f"{t.type} {rule}", missing[t.type]) for at, t in _ends(spec) if t.type in missing]


def _ends(spec: ControllerSpec) -> Iterator[tuple[str, RosTopic]]:
    yield from ((f"ros.inputs.{name}", topic) for name, topic in spec.ros_inputs.items())
    yield from ((f"ros.outputs.{name}", topic) for name, topic in spec.ros_outputs.items())


def _check_name(where: str, topic: RosTopic) -> None:
    try:
        validate_full_topic_name(expand_topic_name(topic.topic, "controller", "/"))
    except (NameValidationException, ValueError) as error:
        reason = str(error).partition(":")[0]
        raise DescriptionError(f"{where}.topic", topic.topic, f"is not a topic name: {reason}") from None
