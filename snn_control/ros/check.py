"""Whether a controller file's ``ros`` section fits the message types, as far as that can be said without a node."""

from __future__ import annotations

from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.serialization import serialize_message
from rclpy.validate_full_topic_name import validate_full_topic_name

from ..coding import ValueInput
from ..errors import DescriptionError
from ..spec import ControllerSpec, RosTopic
from .template import make_template
from .topics import EVENTS_TYPE, fixed_values, groups, message_class, need_topics
from .wire import compile_path

__all__ = ["check_topics"]


def check_topics(spec: ControllerSpec) -> None:
    """Raise DescriptionError for the first topic, type or field that a node would refuse."""
    inputs, outputs = {i.name: i for i in spec.inputs}, {o.name: o for o in spec.outputs}
    need_topics("inputs", list(inputs), spec.ros_inputs)
    need_topics("outputs", list(outputs), spec.ros_outputs)
    groups(spec.ros_inputs, "inputs")  # two types on one topic are refused
    for name, topic in spec.ros_inputs.items():
        where, one = f"ros.inputs.{name}", inputs[name]
        cls = message_class(where, topic.type)
        _check_name(where, topic)
        if not isinstance(one, ValueInput):
            if topic.type != EVENTS_TYPE:
                raise DescriptionError(f"{where}.type", topic.type, f"events come as {EVENTS_TYPE}")
            continue
        try:
            size = compile_path(cls, topic.field).size
        except DescriptionError as error:
            raise error.within(where) from None
        if size not in (-1, one.size):
            rule = f"names {size} numbers, the input has {one.size}"
            raise DescriptionError(f"{where}.field", topic.field, rule, "change size or field")
    for names in groups(spec.ros_outputs, "outputs").values():
        where, topic = f"ros.outputs.{names[0]}", spec.ros_outputs[names[0]]
        cls = message_class(where, topic.type)
        _check_name(where, topic)
        fields = [(spec.ros_outputs[name].field, outputs[name].size) for name in names]
        values = fixed_values(spec.ros_outputs, names)
        try:
            make_template(cls, fields, values, serialize_message)
        except DescriptionError as error:
            raise error.within(where) from None


def _check_name(where: str, topic: RosTopic) -> None:
    try:
        validate_full_topic_name(expand_topic_name(topic.topic, "controller", "/"))
    except (NameValidationException, ValueError) as error:
        reason = str(error).partition(":")[0]
        raise DescriptionError(f"{where}.topic", topic.topic, f"is not a topic name: {reason}") from None
