"""Interpret the parameters of a controller node that select the loop's trigger and its supervision."""

from __future__ import annotations

from typing import Any

from ...controller import Controller
from ...controller_file import ControllerSpec
from ...errors import NO_VALUE, DescriptionError, close_match

__all__ = ["heartbeat_limit", "trigger_of"]

AGE = 0.05  # s


def trigger_of(node: Any, spec: ControllerSpec) -> Any:
    """Return the port whose messages start the loop's ticks; None if a clock starts them. Raises DescriptionError."""
    name = node.given.trigger
    if node.mode != "event":
        if name:
            raise DescriptionError("trigger", name, "is for mode event", "leave it out, or add mode:=event")
        return None
    smooth = [f"outputs.{o.name}.{o.smooth}" for o in spec.outputs if o.smooth]
    if smooth:
        rule = "needs ticks of one length, which mode event does not have"
        raise DescriptionError(f"{node.file}: {smooth[0]}", NO_VALUE, rule, "mode:=realtime")
    waking = [one.name for one in spec.inputs if not getattr(one, "stop_when", "")]
    if name not in waking and (name or len(waking) != 1):
        rule = f"must be an input that does not stop the commands: {', '.join(waking) or 'there is none'}"
        raise DescriptionError("trigger", name or NO_VALUE, rule, close_match(name, waking))
    return node.inputs[[one.name for one in spec.inputs].index(name or waking[0])]


def heartbeat_limit(node: Any, controller: Controller) -> float:
    """Return the age of the loop's heartbeat at which the supervisor takes over [s]; 0: no supervisor takes over.

    A parameter ``supervise`` below 0 selects `AGE`, or two control periods if they are longer.

    Raises DescriptionError if the parameter is shorter than two control periods.
    """
    limit = node.given.supervise
    if node.mode == "lockstep" or not limit:
        return 0.0
    least = 2 * controller.period_ns * 1e-9
    if limit < 0:
        return max(AGE, least)
    if limit < least:
        raise DescriptionError("supervise", limit, f"must be at least two periods: {least:g} s")
    return limit
