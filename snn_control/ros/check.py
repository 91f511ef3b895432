"""Whether a controller file's ``ros`` section fits the message types, as far as that can be said without a node."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.serialization import serialize_message
from rclpy.validate_full_topic_name import validate_full_topic_name

from ..coding import ValueInput
from ..controller_file import ControllerSpec, RosTopic
from ..errors import DescriptionError
from .ports import check_size
from .template import make_template
from .topics import check_events, command_bounds, fixed_values, groups, message_class
from .wire import compile_path

__all__ = ["check_topics", "need_types"]

_IN_CHECKOUT = Path(__file__).resolve().parents[2] / "tests/ros/interfaces/__main__.py"


def need_types(spec: ControllerSpec) -> None:
    """Raise DescriptionError for the first message type of the ``ros`` section that is not installed here: to be
    called before processes start that would end at it."""
    for where, topic in _ends(spec):
        try:
            message_class(where, topic.type)
        except DescriptionError as error:
            fix = error.fix + _from_checkout(topic)
            raise DescriptionError(error.path, error.value, error.rule, fix).in_file(spec.path) from None


def check_topics(spec: ControllerSpec) -> list[str]:
    """A line for each type whose package is not installed here, so that its fields could not be checked: the file may
    be for another machine. Raises DescriptionError for the first topic, type or field that any node would refuse; that
    one is missing is for `snn_control.analysis.lint`."""
    inputs, outputs = {i.name: i for i in spec.inputs}, {o.name: o for o in spec.outputs}
    groups(spec.ros_inputs, "inputs")  # two types on one topic are refused
    for name, topic in spec.ros_inputs.items():
        where, one = f"ros.inputs.{name}", inputs[name]
        if not isinstance(one, ValueInput):
            check_events(where, topic)
        _check_name(where, topic)
        if not _installed(topic):
            continue
        cls = message_class(where, topic.type)
        if not isinstance(one, ValueInput):
            continue
        try:
            check_size(compile_path(cls, topic.field), one.size, topic.reduce)
        except DescriptionError as error:
            raise error.within(where) from None
    for names in groups(spec.ros_outputs, "outputs").values():
        where, topic = f"ros.outputs.{names[0]}", spec.ros_outputs[names[0]]
        _check_name(where, topic)
        if not _installed(topic):
            continue
        cls = message_class(where, topic.type)
        fields = [(spec.ros_outputs[name].field, outputs[name].size) for name in names]
        values = fixed_values(spec.ros_outputs, names)
        try:
            make_template(cls, fields, values, serialize_message)
            command_bounds(spec, names, cls)
        except DescriptionError as error:
            raise (error if error.path.startswith("outputs.") else error.within(where)) from None
    return [_not_installed(where, topic) for where, topic in _ends(spec) if not _installed(topic)]


def _ends(spec: ControllerSpec) -> Iterator[tuple[str, RosTopic]]:
    for kind, topics in (("inputs", spec.ros_inputs), ("outputs", spec.ros_outputs)):
        for name, topic in topics.items():
            yield f"ros.{kind}.{name}", topic


def _installed(topic: RosTopic) -> bool:
    """Whether the package of a topic's type is there; a type that it does not have is a mistake."""
    try:
        importlib.import_module(f"{topic.type.partition('/')[0]}.msg")
    except ImportError:
        return False
    return True


def _not_installed(where: str, topic: RosTopic) -> str:
    try:
        message_class(where, topic.type)
    except DescriptionError as error:
        fix = error.fix + _from_checkout(topic)
        return (
            f"{error.path} = {topic.type}: not installed here: its fields are not checked, no node would start; {fix}"
        )
    return ""


def _from_checkout(topic: RosTopic) -> str:
    """How a checkout makes the packages of event cameras, which no index of wheels has."""
    folder = _IN_CHECKOUT.parent / topic.type.partition("/")[0]
    return ', or in this checkout: eval "$(python -m tests.ros.interfaces)"' if folder.is_dir() else ""


def _check_name(where: str, topic: RosTopic) -> None:
    try:
        validate_full_topic_name(expand_topic_name(topic.topic, "controller", "/"))
    except (NameValidationException, ValueError) as error:
        reason = str(error).partition(":")[0]
        raise DescriptionError(f"{where}.topic", topic.topic, f"is not a topic name: {reason}") from None
