"""Find values in a controller file that are valid but probably unintended, for `snn_control check` and the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from ..coding import ArgmaxDecoder, BackgroundActivity, EventsInput, RateLimit, ValueInput
from ..controller_file import ControllerSpec
from ..findings import Finding, warning
from ..network import NeuronModel, Projection

__all__ = ["lint", "unconnected"]

#: seconds above which a time was probably written in ms: fast times, slow times (adaptation, eligibility), and waits
LONG, SLOW, LONG_WAIT = 2.0, 5.0, 0.5
#: events a second below which a limit blocks almost all of a camera: it was probably written in millions
FEW_EVENTS = 1000.0
#: types of messages with distances, which can be infinite by REP 117
RANGES = tuple(f"sensor_msgs/msg/{name}" for name in ("LaserScan", "MultiEchoLaserScan", "Range"))
MAX_TIMES_S = {
    "tau_adapt": SLOW, "tau_w": SLOW, "tau_e": SLOW, "tau_out": SLOW, "stale": SLOW, "refractory": LONG_WAIT,
    "delay": LONG_WAIT, "period": LONG_WAIT,
}  # fmt: skip


def lint(spec: ControllerSpec) -> list[Finding]:
    """Return findings on values of a controller file that are valid but probably unintended.

    Examples are times that seem to be in ms, rates that seem to be in millions, and unconnected populations. For inputs
    and outputs on ROS topics, the function also finds missing reactions to faults, and limits that would cause faults.
    """
    return [*_too_long(spec), *_alone(spec), *unconnected(spec), *_limited(spec), *_on_topics(spec)]


def unconnected(spec: ControllerSpec) -> list[Finding]:
    """Warn of inputs that are not used, and of inputs and outputs without a topic if others have one."""
    used = _read(spec.network.projections, spec)
    unread = [one.name for one in spec.inputs if one.name not in used and not getattr(one, "stop_when", "")]
    fix = "add a projection from it, or remove it"
    found = [warning(f"inputs.{name}", "nothing reads it", fix) for name in unread]
    ends = [("inputs", one.name, spec.ros_inputs) for one in spec.inputs]
    ends += [("outputs", one.name, spec.ros_outputs) for one in spec.outputs]
    for kind, name, topics in ends if spec.ros_inputs or spec.ros_outputs else ():
        if name not in topics:
            text, fix = "the controller node does not start without it", f"name its topic, or remove {kind}.{name}"
            found.append(warning(f"ros.{kind}.{name}", f"is missing: {text}", fix))
    return found


def _too_long(spec: ControllerSpec) -> Iterator[Finding]:
    for path, value, most in _times(spec):
        longest = float(np.max(value, initial=0.0))
        if longest > most:
            yield warning(path, f"{longest:g} s: times are in seconds", f"{longest:g} ms is {longest / 1e3:g}")


def _alone(spec: ControllerSpec) -> Iterator[Finding]:
    """Warn of populations that are connected to no other population, no decoder and no learning rule."""
    others = [p for p in spec.network.projections if p.pre != p.post]
    used = _read(others, spec) | {p.post for p in others}
    for p in spec.network.populations:
        if p.name not in used:
            text = "nothing reaches it and nothing reads it"
            yield warning(f"network.populations.{p.name}", text, "connect it, or remove it")


def _read(projections: Iterable[Projection], spec: ControllerSpec) -> set[str]:
    """Return the names of all inputs and populations whose signals a projection, decoder or learning rule reads."""
    used = {p.pre for p in projections} | {term.source for output in spec.outputs for term in output.terms}
    rules = [p.learning for p in spec.network.projections if p.learning is not None]
    return used | {getattr(rule, key) for rule in rules for key in rule.signals()}


def _limited(spec: ControllerSpec) -> Iterator[Finding]:
    """Warn of a rate limit that removes almost all events of a camera, and of a capacity that is too small.

    A camera sends 10,000 to 100,000,000 events per second. The rate limit should thin the events evenly, before the
    capacity removes all events at the end of a tick.
    """
    for one in (i for i in spec.inputs if isinstance(i, EventsInput)):
        if one.source == "frames" and one.capacity < (least := one.size[0] * one.size[1] // 4):
            text = f"{one.capacity}: a frame in which much moves has more events, and the rest of them is dropped"
            yield warning(f"inputs.{one.name}.capacity", text, f"raise it to {least} or more")
        for k, used in enumerate(one.filters):
            if not isinstance(used, RateLimit):
                continue
            where, most = f"inputs.{one.name}.filters[{k}]", round(used.rate * spec.period)
            if used.rate < FEW_EVENTS:
                yield warning(
                    f"{where}.rate",
                    f"{used.rate:g} events/s: blocks almost all events: the unit is events a second",
                    f"{used.rate:g} million are {used.rate:g}e+6",
                )
            if used.rate * spec.period >= one.capacity:
                yield warning(
                    f"inputs.{one.name}.capacity",
                    f"{one.capacity}: cuts a tick before {where} can thin it evenly, which lets {most} events through",
                    f"raise it to several times {most}, or lower the rate",
                )


POSITIONS = ("rad", "deg", "m", "mm")  # units


def _on_topics(spec: ControllerSpec) -> Iterator[Finding]:
    """Warn of missing or unsuitable limits and rules of inputs and outputs on ROS topics.

    If a limit is missing, a fault may not stop the robot. If a limit is too tight, normal messages are rejected.
    """
    for one in spec.inputs:
        path, topic = f"inputs.{one.name}", spec.ros_inputs.get(one.name)
        if topic is None:
            continue
        if one.required and not np.isfinite(one.stale):
            yield warning(path, "a dead sensor would not be noticed", "give it a `stale` limit")
        if topic.type in RANGES and isinstance(one, ValueInput) and "reject" in one.rules():
            why = f"a {topic.type.rpartition('/')[2]} is inf where nothing was hit, which rejects the whole sample"
            yield warning(path, why, "give it a `range` and `not_finite: high`")
        if topic.grid is not None and isinstance(one, ValueInput) and np.max(one.range[1]) <= 1.0:
            yield warning(path, "cells of a picture are from 0 to 255, which its `range` cuts", "write [0, 255]")
    for output in spec.outputs:
        limited = all(np.isfinite(np.asarray(side, np.float64)).all() for side in output.limits)
        if output.name not in spec.ros_outputs or isinstance(output.decoder, ArgmaxDecoder):
            continue
        if not limited:
            yield warning(f"outputs.{output.name}", "the command may become any number", "give it finite `limits`")
        jumps = not output.stays and not output.ramp and not (output.safe_numbers.any() or output.given("slew").any())
        if jumps and (output.unit in POSITIONS or "position" in spec.ros_outputs[output.name].field):
            text = "a position that a fault sets to 0 in one step"
            yield warning(f"outputs.{output.name}", text, "give it `safe: hold`, or a `safe` position and `slew`")


def _times(spec: ControllerSpec) -> Iterator[tuple[str, Any, float]]:
    """Yield (path, value [s], plausible maximum [s]) for every time constant, filter, delay and period."""
    yield "period", spec.period, LONG_WAIT
    for room, those in (
        ("inputs", spec.inputs), ("network.populations", spec.network.populations), ("outputs", spec.outputs),
    ):  # fmt: skip
        for one in those:
            yield from _times_of(f"{room}.{one.name}", one)
    for k, q in enumerate(spec.network.projections):
        yield from _times_of(f"network.projections[{k}]", q)
    for name, topic in spec.ros_inputs.items():
        yield f"ros.inputs.{name}.late", topic.late, LONG_WAIT


def _times_of(where: str, described: object) -> Iterator[tuple[str, Any, float]]:
    """Yield (path, value [s], plausible maximum [s]) for all times in a description and its nested descriptions."""
    names = described.names() if isinstance(described, NeuronModel) else vars(described)
    for name in names:
        value = getattr(described, name)
        path = f"{where}.{name}"
        time = name in MAX_TIMES_S or name.partition("_")[0] == "tau" or name in ("window", "pre_tau")
        if is_dataclass(value):
            yield from _times_of(path, value)
        elif isinstance(value, tuple) and any(map(is_dataclass, value)):
            for k, one in enumerate(value):
                yield from _times_of(f"{path}[{k}]" if len(value) > 1 or name != "decoder" else path, one)
        elif time and value is not None and np.isfinite(value).all():
            yield path, value, LONG_WAIT if isinstance(described, BackgroundActivity) else MAX_TIMES_S.get(name, LONG)
