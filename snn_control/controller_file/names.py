"""Names of the elements of inputs and outputs, as labels in figures, tables and videos."""

from __future__ import annotations

import re

from ..coding import ArgmaxDecoder, Input, Output, ValueInput
from . import ControllerSpec
from .ros import RosTopic

__all__ = ["number_names", "output_names"]

#: names in a selector of a field: ``position[name=pan, tilt]``
SELECTED = re.compile(r"\[\s*\w+\s*=\s*([^\]]+)\]")


def number_names(spec: ControllerSpec, end: Input | Output) -> list[str]:
    """Return a name for each element of an input or output ``end``.

    The names come from the ``ros`` section if it names each element, in a selector (``position[name=pan]``) or in a
    list in ``values`` (``name: [pan, tilt]``). Otherwise they are made of the name of the input or output; for several
    elements, an index is appended: ``joints[0]``.
    """
    size = end.size if isinstance(end, ValueInput | Output) else 1
    topic = (spec.ros_outputs if isinstance(end, Output) else spec.ros_inputs).get(end.name)
    named = _named(topic, size) if topic is not None else []
    if named:
        return named
    return [end.name] if size == 1 else [f"{end.name}[{k}]" for k in range(size)]


def _named(topic: RosTopic, size: int) -> list[str]:
    """Return the names in a ROS topic for the ``size`` elements of its field; an empty list unless it names all."""
    selected = SELECTED.search(str(topic.field))
    names = [part.strip(" '\"") for part in selected.group(1).split(",")] if selected else []
    lists = [value for value in (topic.values or {}).values() if isinstance(value, list | tuple)]
    for found in (names, *lists):
        if len(found) == size and all(isinstance(name, str) and name for name in found):
            return list(found)
    return []


def output_names(spec: ControllerSpec, units: bool = False) -> list[str]:
    """Return a name for each element of the commands of all outputs, e.g. ``pan`` or ``arm[2]``.

    units : whether to append the unit, e.g. ``pan [rad/s]``
    """
    names = []
    for output in spec.outputs:
        unit = f" [{output.unit}]" if units and output.unit else ""
        names += [name + unit for name in number_names(spec, output)]
    return names


def term_names(spec: ControllerSpec, output: Output) -> list[str]:
    """Return a name for each decoded number of an output: as in `number_names`, or ``action 0``, ... for an arg-max."""
    if isinstance(output.decoder, ArgmaxDecoder):
        return [f"action {k}" for k in range(output.decoder.actions)]
    return number_names(spec, output)
