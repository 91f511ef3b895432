"""What the nodes say about themselves on /diagnostics."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.qos import QoSProfile

from ..engine.kernels import encoders, outputs
from ..engine.kernels.encoders import FAILED, NUMBERS, REPLACED
from ..engine.slots import AGE
from ..realtime.faults import Fault
from .graph import describe_mismatch
from .topics import qos_of

__all__ = ["Reporter", "describe_causes", "guard_reason", "learning_switches", "status", "statuses"]

HISTOGRAMS = ("wake", "tick", "latency")  # of `Loop.stats`
MOST_FAULTS = 10  # of the last ones in a report
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def status(node: Any, part: str, level: bytes, message: str, values: dict[str, Any]) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=f"{v:.6g}" if isinstance(v, float) else str(v)) for key, v in values.items()]
    name = f"{node.get_fully_qualified_name()}: {part}"
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id="", values=pairs)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _with_units(stats: dict[str, Any]) -> dict[str, Any]:
    """Of a loop; ``p50`` of a histogram becomes ``p50_ns``."""
    times = {k: {key if key == "count" else f"{key}_ns": n for key, n in stats[k].items()} for k in HISTOGRAMS}
    return {**stats, **times}


def _loop(node: Any, now: dict, before: tuple[float, dict] | None, time: float) -> DiagnosticStatus:
    values = {k: v for k, v in now.items() if k not in ("inputs", "outputs", "mode")}
    level, message = OK, "runs"
    if before and before[1]:
        seconds = time - before[0]
        values["rate_hz"] = (now["ticks"] - before[1]["ticks"]) / seconds
        missed = now["missed"] - before[1]["missed"]
        message = f"{values['rate_hz']:.1f} Hz, {missed} missed"
        if missed > 0.01 * max(1, now["ticks"] - before[1]["ticks"]):
            level = WARN
    if not now["running"]:
        level, message = WARN, node.held_up or "does not run"
    elif not node.loop.alive(max(0.5, 10e-9 * node.loop.period_ns)):
        level, message = ERROR, f"no sign of life for {now['heartbeat_age_ns'] * 1e-9:.2f} s: a tick or a port hangs"
    elif now["starved"]:
        level, message = ERROR, f"lockstep waits for: {', '.join(now['waiting'])}"
    rights = node.loop.rights
    if now["mode"] == "realtime" and rights.missing:
        values["rights_missing"] = "; ".join(rights.missing)
        level = max(level, WARN)
    values["priority"] = rights.priority
    return status(node, "loop", level, message, _flat(_with_units(values)))


def _since(port: Any, more: dict[str, int], valid: bool) -> list[str]:
    """What went wrong with an input's messages since the last report, by how far its counts grew."""
    problems = []
    for key, what in port.problems.items():
        if more.get(key, 0) and not (valid and key == "empty"):  # nothing was due, and nothing is missed
            why = port.why_malformed() if key == "malformed" else ""
            problems.append(f"{more[key]} {what}" + (f": {why}" if why else ""))
    if more.get("outside", 0):
        problems.append(f"{more['outside']} events out of the frame of {port.frame}")
    if more.get("failed", 0) > more.get("numbers", 0) / 2:
        problems.append(f"{more['failed']} of {more['numbers']} numbers were not finite and replaced")
    return problems


def _input(node: Any, k: int, port: Any, senders: Senders, loop: dict, before: Any, time: float) -> DiagnosticStatus:
    name = port.name
    bound = node.controller.bound
    slot, validity = bound.array(f"{name}.slot"), bound.array("validity")[k]
    counted = node.controller.counters()["inputs"][name]
    values: dict[str, Any] = {**counted, **loop["inputs"][name]}
    age = int(slot[AGE])
    values["age_s"] = age * 1e-9 if age >= 0 else "never"
    if before and before[1]:
        values["rate_hz"] = (loop["inputs"][name]["taken"] - before[1]["inputs"][name]["taken"]) / (time - before[0])
    problems = []
    topic = node.spec.ros_inputs[name]
    valid = bool(validity[encoders.VALID])
    if not valid:
        if age < 0:
            problems.append("nothing has come yet")
        elif not validity[encoders.SAMPLE_GOOD]:
            problems.append("the newest sample is not finite or not plausible")
        else:
            limit = next(i.stale for i in node.spec.inputs if i.name == name)
            problems.append(f"stale: {age * 1e-9:.3g} s old, limit {limit:g} s")
    counts = loop["inputs"][name]
    if before and before[1]:
        earlier = before[1]["inputs"][name]
        problems += _since(port, {key: n - earlier.get(key, 0) for key, n in counts.items()}, valid)
        if "events" in counts:
            values["events_hz"] = (counts["events"] - earlier["events"]) / (time - before[0])
    faults = [fault] if (fault := port.fault()) else []
    failed = faults + _rcl_errors(counts, before[1]["inputs"][name] if before and before[1] else {})
    problems += failed
    mismatch = describe_mismatch(node, topic.topic, topic.type, qos_of(topic, node.mode == "lockstep"))
    rivals = senders.rivals(port, node.get_publishers_info_by_topic(topic.topic))
    problems += [text for text in (mismatch, rivals) if text]
    required = node.controller.program.facts.inputs[k].required
    level = OK if not problems else ERROR if failed or (required and (mismatch or rivals or not valid)) else WARN
    return status(node, f"input {name}", level, "; ".join(problems) or "valid", values)


def _full_name(end: Any) -> str:
    return f"{end.node_namespace.rstrip('/')}/{end.node_name}"


class Senders:
    """Who has been heard on an input. A publisher that was killed stays in the graph for a while (20 s in Fast DDS):
    one that was heard before and is not any more is no rival of the one that took over."""

    def __init__(self) -> None:
        self._heard: set[bytes] = set()
        self._switches = 0

    def rivals(self, port: Any, publishers: Sequence[Any]) -> str:
        """Which publishers share the input, where it is not one alone."""
        newest, switches = port.sender()
        turns, self._switches = switches - self._switches, switches
        self._heard.add(newest)
        silent = set() if turns > 1 else self._heard - {newest}
        found = sorted(_full_name(one) for one in publishers if bytes(one.endpoint_gid[: len(newest)]) not in silent)
        return f"{len(found)} publishers on one input (or until now): {', '.join(found)}" if len(found) > 1 else ""


def _rivals(node: Any, topic: str) -> str:
    """Who commands beside us."""
    found = sorted(_full_name(one) for one in node.get_publishers_info_by_topic(topic))
    if f"{node.get_fully_qualified_name()}_io" in found:
        found.remove(f"{node.get_fully_qualified_name()}_io")
    return f"commanded by {', '.join(found)} too (or until now)" if found else ""


def _rcl_errors(now: dict, before: dict) -> list[str]:
    """What rcl refused since the last report."""
    more = now["errors"] - before.get("errors", 0)
    return [f"{more} errors of rcl, the last with code {now['last_error']}"] if more > 0 else []


def describe_causes(reason: int, invalid: Iterable[str]) -> str:
    """The bits of a reason in words."""
    words = {
        outputs.INPUT_INVALID: f"invalid input: {', '.join(invalid)}",
        outputs.OUTPUT_NOT_FINITE: "an output is not finite",
        outputs.STOPPED: "the loop ends",
        outputs.LATE: "a tick or its publication took too long",
    }
    return ", ".join(text for bit, text in words.items() if reason & bit)


def guard_reason(node: Any) -> str:
    """Why the command is the safe one: the faults of the last tick, or what its end waits for."""
    valid = node.controller.bound.array("validity")[:, encoders.VALID]
    facts = node.controller.program.facts.inputs
    bad = [i.name for i, good in zip(facts, valid, strict=False) if i.required and not good]
    waits = "waits for an operator's release" if node.spec.guard.release == 0 else "waits for valid ticks"
    return describe_causes(int(node.controller.bound.array("guard")[outputs.REASON]), bad) or waits


def _history(faults: Sequence[Fault]) -> dict[str, str]:
    """The last faults, newest first: when (UTC), how long, why."""
    told = {}
    for k, fault in enumerate(faults[:MOST_FAULTS]):
        begin = datetime.fromtimestamp(fault.begin * 1e-9, timezone.utc).isoformat(timespec="milliseconds")
        lasted = f"{(fault.end - fault.begin) * 1e-9:.3g} s" if fault.end >= 0 else "lasts"
        told[f"fault.{k}"] = f"{begin}, {lasted}: {describe_causes(fault.causes, fault.invalid)}"
    return told


def _guard(node: Any, loop: dict) -> DiagnosticStatus:
    words = node.controller.bound.array("guard")
    counted = node.controller.counters()
    values: dict[str, Any] = {**counted["guard"], "synaptic_operations": counted["synaptic_operations"]}
    values |= {f"spikes.{name}": n for name, n in counted["spikes"].items()}
    values |= _history(node.faults.faults())
    if not loop["running"]:
        return status(node, "guard", WARN, "not active", values)
    if not words[outputs.FAULTED]:
        return status(node, "guard", OK, "commands", values)
    return status(node, "guard", ERROR, f"safe command: {guard_reason(node)}", values)


def learning_switches(controller: Any) -> str:
    """``on: x->a, a->b; off: b->c``: the projections that have a learning rule."""
    rules = controller.counters()["learning"]
    sides = (("on", [t for t, r in rules.items() if r["on"]]), ("off", [t for t, r in rules.items() if not r["on"]]))
    return "; ".join(f"{side}: {', '.join(titles)}" for side, titles in sides if titles)


def _learning(node: Any) -> list[DiagnosticStatus]:
    """One status, where a projection learns."""
    rules = node.controller.counters()["learning"]
    values = {f"updates.{title}": rule["updates"] for title, rule in rules.items()}
    return [status(node, "learning", OK, learning_switches(node.controller), values)] if rules else []


def _outputs(node: Any, loop: dict, before: Any) -> list[DiagnosticStatus]:
    found = []
    for port in node.outputs:
        topic = node.spec.ros_outputs[port.name.split(",")[0]]
        qos = qos_of(topic, node.mode == "lockstep")
        mismatch = describe_mismatch(node, topic.topic, topic.type, qos, publishing=True)
        level = OK if not mismatch else WARN if mismatch.endswith("nobody subscribes") else ERROR
        counted = loop["outputs"][port.name]
        problems = _rcl_errors(counted, before[1]["outputs"][port.name] if before and before[1] else {})
        if problems:
            level = ERROR
        rivals = _rivals(node, topic.topic) if node.guarded else ""
        if rivals:
            level = ERROR
        problems += [text for text in (mismatch, rivals) if text]
        found.append(status(node, f"output {port.name}", level, "; ".join(problems) or "matched", counted))
    return found


def statuses(
    node: Any, loop: dict, before: tuple[float, dict] | None, time: float, senders: defaultdict[str, Senders]
) -> list[DiagnosticStatus]:
    """Loop, guard and learning (if there are any), each input and each output; levels OK, WARN, ERROR."""
    if node.loop is None or not loop:
        return [status(node, "loop", WARN, "not configured", {})]
    found = [_loop(node, loop, before, time), *([_guard(node, loop), *_learning(node)] if node.guarded else [])]
    found += [_input(node, k, port, senders[port.name], loop, before, time) for k, port in enumerate(node.inputs)]
    return found + _outputs(node, loop, before)


class Reporter:
    """Publishes on /diagnostics; remembers the last report, for rates and what has come since.

    The node has ``loop``, ``controller``, ``spec``, ``mode``, ``inputs``, ``outputs``, whether it is ``guarded``,
    and why its loop does not run yet in ``held_up``.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", QoSProfile(depth=1))
        self._before: tuple[float, dict] | None = None
        self._senders: defaultdict[str, Senders] = defaultdict(Senders)

    def forget(self) -> None:
        """Begin again, as the loop's counts do."""
        self._before = None
        self._senders.clear()

    def report(self) -> list[DiagnosticStatus]:
        """Publish the statuses of a node with a loop; what was published."""
        node, now = self._node, time.monotonic()
        current = node.loop.stats() if node.loop is not None else {}
        if current:
            for name, seen in node.controller.counters()["inputs"].items():
                counts = current["inputs"][name]
                counts["outside"] = seen.get("out_of_frame", 0)  # beside what decoders found
                if "replaced" in seen and "replaced" not in counts:  # a port that reduces numbers counts them itself
                    words = node.controller.bound.array(f"{name}.replaced").tolist()
                    counts |= {"replaced": words[REPLACED], "failed": words[FAILED], "numbers": words[NUMBERS]}
            current["outputs"] = {port.name: port.counters() for port in node.outputs}
        found = statuses(node, current, self._before, now, self._senders)
        self._before = (now, current)
        self.publish(found)
        return found

    def publish(self, found: list[DiagnosticStatus]) -> None:
        message = DiagnosticArray(status=found)
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
