"""What the nodes say about themselves on /diagnostics."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.qos import QoSProfile

from ..engine.kernels import encoders, outputs
from .graph import describe_mismatch
from .topics import qos_of

__all__ = ["Reporter", "guard_reason", "learning_switches", "status", "statuses"]

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
    return status(node, "loop", level, message, _flat(values))


def _input(node: Any, k: int, name: str, port: Any, loop: dict, before: Any, time: float) -> DiagnosticStatus:
    bound = node.controller.bound
    slot, validity = bound.array(f"{name}.slot"), bound.array("validity")[k]
    counted = node.controller.counters()["inputs"][name]
    values: dict[str, Any] = {**loop["inputs"][name], **counted}
    age = int(slot[encoders.AGE])
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
        for key, what in port.problems.items():
            if more := counts.get(key, 0) - earlier.get(key, 0):
                why = port.why_malformed() if key == "malformed" else ""
                problems.append(f"{more} {what}" + (f": {why}" if why else ""))
        if "events" in counts:
            values["events_hz"] = (counts["events"] - earlier["events"]) / (time - before[0])
    faults = [fault] if (fault := port.fault()) else []
    failed = faults + _rcl_errors(counts, before[1]["inputs"][name] if before and before[1] else {})
    problems += failed
    mismatch = describe_mismatch(node, topic.topic, topic.type, qos_of(topic, node.mode == "lockstep"))
    if mismatch:
        problems.append(mismatch)
    required = node.controller.program.facts["inputs"][k]["required"]
    level = OK if not problems else ERROR if failed or (required and (mismatch or not valid)) else WARN
    return status(node, f"input {name}", level, "; ".join(problems) or "valid", values)


def _rcl_errors(now: dict, before: dict) -> list[str]:
    """What rcl refused since the last report."""
    more = now["errors"] - before.get("errors", 0)
    return [f"{more} errors of rcl, the last with code {now['last_error']}"] if more > 0 else []


def guard_reason(node: Any) -> str:
    """Why the command is the safe one: the faults of the last tick, or what its end waits for."""
    words, reasons = node.controller.bound.array("guard"), []
    if words[outputs.REASON] & outputs.INPUT_INVALID:
        valid = node.controller.bound.array("validity")[:, encoders.VALID]
        facts = node.controller.program.facts["inputs"]
        bad = [i["name"] for i, good in zip(facts, valid, strict=False) if i["required"] and not good]
        reasons.append(f"invalid input: {', '.join(bad)}")
    if words[outputs.REASON] & outputs.OUTPUT_NOT_FINITE:
        reasons.append("an output is not finite")
    if words[outputs.REASON] & outputs.STOPPED:
        reasons.append("the loop ends")
    waits = "waits for an operator's release" if node.spec.guard.release == 0 else "waits for valid ticks"
    return ", ".join(reasons) or waits


def _guard(node: Any, loop: dict) -> DiagnosticStatus:
    words = node.controller.bound.array("guard")
    counted = node.controller.counters()
    values = {**counted["guard"], "synaptic_operations": counted["synaptic_operations"]}
    values |= {f"spikes.{name}": n for name, n in counted["spikes"].items()}
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
        problems += [mismatch] if mismatch else []
        found.append(status(node, f"output {port.name}", level, "; ".join(problems) or "matched", counted))
    return found


def statuses(node: Any, loop: dict, before: tuple[float, dict] | None, time: float) -> list[DiagnosticStatus]:
    """Loop, guard and learning (if there are any), each input and each output; levels OK, WARN, ERROR."""
    if node.loop is None or not loop:
        return [status(node, "loop", WARN, "not configured", {})]
    found = [_loop(node, loop, before, time), *([_guard(node, loop), *_learning(node)] if node.guarded else [])]
    found += [_input(node, k, port.name, port, loop, before, time) for k, port in enumerate(node.inputs)]
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

    def forget(self) -> None:
        """Begin again, as the loop's counts do."""
        self._before = None

    def report(self) -> list[DiagnosticStatus]:
        """Publish the statuses of a node with a loop; what was published."""
        node, now = self._node, time.monotonic()
        current = node.loop.stats() if node.loop is not None else {}
        if current:
            current["outputs"] = {port.name: port.counters() for port in node.outputs}
        found = statuses(node, current, self._before, now)
        self._before = (now, current)
        self.publish(found)
        return found

    def publish(self, found: list[DiagnosticStatus]) -> None:
        message = DiagnosticArray(status=found)
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
