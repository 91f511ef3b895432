"""Report the state of a node on /diagnostics: its loop, inputs, outputs, guard, learning and supervisor."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.duration import Infinite
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from ...engine.kernels import guard as guard_words
from ...engine.kernels import input_checks as input_words
from ...engine.kernels.input_checks import FAILED, NUMBERS, REPLACED
from ...engine.slots import AGE
from ...realtime.fault_causes import causes_now, describe_causes
from ...realtime.fault_log import Fault
from ...realtime.histogram import COUNT, above
from ..ports.topics import qos_of

__all__ = ["Reporter", "describe_mismatch", "guard_reason", "learning_switches", "status"]

HISTOGRAMS = ("wake", "tick", "latency")  # of `Loop.stats`
MOST_FAULTS = 10  # number of faults in a report
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def status(node: Any, part: str, level: bytes, message: str, values: dict[str, Any]) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=f"{v:.6g}" if isinstance(v, float) else str(v)) for key, v in values.items()]
    name = f"{node.get_fully_qualified_name()}: {part}"
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id="", values=pairs)


def _flat(stats: dict[str, Any]) -> dict[str, Any]:
    """Flatten a loop's nested statistics: ``wake.p50_ns`` is the key of the median wake-up latency [ns]."""
    flat = {key: value for key, value in stats.items() if key not in HISTOGRAMS}
    for name in HISTOGRAMS:
        flat |= {f"{name}.{key}" + "_ns" * (key != "count"): value for key, value in stats[name].items()}
    return flat


def _full_name(end: Any) -> str:
    return f"{end.node_namespace.rstrip('/')}/{end.node_name}"


def describe_mismatch(node: Any, topic: str, expected_type: str, qos: Any, *, publishing: bool = False) -> str | None:
    """Explain why our endpoint of ``topic`` is not matched, and name the type or QoS of both endpoints.

    An endpoint is a publisher or a subscription. Return None if another node has a compatible endpoint.

    topic : name as passed to the subscription or publisher, before remapping
    expected_type : type of our endpoint, e.g. ``sensor_msgs/msg/Imu``
    qos : QoSProfile of our endpoint
    publishing : whether our endpoint is a publisher, so that the others are subscriptions
    """
    # a limit that is not set becomes infinite, as in the profiles that the graph reports
    qos = QoSProfile(
        depth=qos.depth, reliability=qos.reliability, durability=qos.durability,
        deadline=qos.deadline if qos.deadline.nanoseconds else Infinite,
        liveliness_lease_duration=Infinite,
    )  # fmt: skip
    full = node.resolve_topic_name(topic)
    ours = f"{node.get_fully_qualified_name()} {'publishes' if publishing else 'expects'} {expected_type}"
    # the query expands and remaps the name itself, so it must not be remapped before
    others = (node.get_subscriptions_info_by_topic if publishing else node.get_publishers_info_by_topic)(topic)
    if not others:
        return f"{full}: {ours}, nobody {'subscribes' if publishing else 'publishes'}"
    faults = []
    for other in others:
        theirs = _full_name(other)
        if other.topic_type != expected_type:
            faults.append(f"{theirs} {'expects' if publishing else 'publishes'} {other.topic_type}")
            continue
        pair = (qos, other.qos_profile) if publishing else (other.qos_profile, qos)
        verdict, reason = qos_check_compatible(*pair)
        if verdict != QoSCompatibility.ERROR:
            return None
        reason = reason.replace("ERROR: ", "").strip(" ;")
        faults.append(f"the QoS of {theirs} is incompatible ({reason})")
    return f"{full}: {ours}, but {'; '.join(faults)}"


def _loop(report: Reporter) -> DiagnosticStatus:
    node, now, before = report.node, report.now, report.before
    values = {k: v for k, v in now.items() if k not in ("inputs", "outputs", "mode")}
    level, message = OK, "runs"
    if before:
        ticks, missed = (now[key] - before[key] for key in ("ticks", "missed"))
        values["rate_hz"] = ticks / report.seconds
        message = f"{values['rate_hz']:.1f} Hz, {missed} missed since the last report, {now['missed']} in total"
        if missed > 0.01 * max(1, ticks):
            level = WARN
    if not now["running"]:
        level, message = WARN, node.held_up or "does not run"
    elif not node.loop.alive(max(0.5, 10e-9 * node.loop.period_ns)):
        level, message = ERROR, f"no heartbeat for {now['heartbeat_age_ns'] * 1e-9:.2f} s: a tick or a port hangs"
    elif now["starved"]:
        level, message = ERROR, f"lockstep waits for: {', '.join(now['waiting'])}"
    if (late := _over_budget(report)) and level == OK:
        level, message = WARN, f"{message}; {late}"
    rights = node.loop.rights
    if now["mode"] == "realtime" and rights.missing:
        values["rights_missing"] = "; ".join(map(str, rights.missing))
        level = max(level, WARN)
    values["priority"] = rights.priority
    return status(node, "loop", level, message, _flat(values))


def _over_budget(report: Reporter) -> str:
    """Return a warning if more than 1 % of the commands since the last report exceeded the latency budget.

    Otherwise, return "".
    """
    budget, latency = getattr(report.node.spec, "guard", None), report.node.loop.latency
    if budget is None or not math.isfinite(budget.latency):
        return ""
    over, count = above(latency, budget.latency * 1e9), int(latency[COUNT])
    before, report.budget = report.budget, (over, count)
    late, commands = over - before[0], count - before[1]
    if late <= 0.01 * commands:
        return ""
    return f"{late} of {commands} commands later than {budget.latency * 1e3:g} ms after their data"


def _since(port: Any, more: dict[str, int], valid: bool) -> list[str]:
    """Describe the problems with an input's messages since the last report, one text for each problem.

    port : the input's port
    more : increase of each counter of the port since the last report
    valid : whether the input is valid now
    """
    problems = []
    for key, what in port.problems.items():
        if more.get(key, 0) and not (valid and key == "empty"):  # no sample was due, so none is missing
            why = port.why_malformed() if key == "malformed" else ""
            problems.append(f"{more[key]} {what}" + (f": {why}" if why else ""))
    if more.get("outside", 0):
        problems.append(f"{more['outside']} events out of the frame of {port.frame}")
    if more.get("failed", 0) > more.get("numbers", 0) / 2:
        problems.append(f"{more['failed']} of {more['numbers']} numbers were not finite and replaced")
    return problems


def _moved(report: Reporter, name: str) -> str:
    """Return a text about samples rejected since the last report because their values changed too fast or not at all.

    Return "" if there were none.
    """
    bound, before = report.node.controller.bound, report.motion.get(name, (0, 0))
    if f"{name}.motion" not in bound.program.names:
        return ""
    now = report.motion[name] = tuple(bound.array(f"{name}.motion").tolist())
    words = ("moved too fast", "stood still for too long")
    more = [f"{n - old} {word}" for n, old, word in zip(now, before, words, strict=True) if n > old]
    return f" ({', '.join(more)})" if more else ""


def _why_invalid(node: Any, name: str, age: int, sample_good: bool, moved: str) -> str:
    if age < 0:
        return "no message yet"
    if not sample_good:
        return "the newest sample is not finite or not plausible" + moved
    limit = next(i.stale for i in node.spec.inputs if i.name == name)
    return f"stale: {age * 1e-9:.3g} s old, limit {limit:g} s"


def _input(report: Reporter, k: int, port: Any) -> DiagnosticStatus:
    node, name = report.node, port.name
    bound, topic = node.controller.bound, node.spec.ros_inputs[name]
    age, validity = int(bound.array(f"{name}.slot")[AGE]), bound.array("validity")[k]
    valid, problems, moved = bool(validity[input_words.VALID]), [], _moved(report, name)
    if not valid:
        problems.append(_why_invalid(node, name, age, bool(validity[input_words.SAMPLE_GOOD]), moved))
    counts, earlier = report.counts("inputs", name)
    values: dict[str, Any] = {**node.controller.counters()["inputs"][name], **counts}
    values["age_s"] = age * 1e-9 if age >= 0 else "never"
    if earlier:
        values["rate_hz"] = (counts["taken"] - earlier["taken"]) / report.seconds
        if "events" in counts:
            values["events_hz"] = (counts["events"] - earlier["events"]) / report.seconds
        problems += _since(port, {key: n - earlier.get(key, 0) for key, n in counts.items()}, valid)
    failed = [text for text in (port.fault(), *_rcl_errors(counts, earlier)) if text]
    mismatch = describe_mismatch(node, topic.topic, topic.type, qos_of(topic, node.mode == "lockstep"))
    others = report.senders[name].beside(port, node.get_publishers_info_by_topic(topic.topic))
    problems += failed + [text for text in (mismatch, others) if text]
    required = node.controller.program.facts.inputs[k].required
    level = OK if not problems else ERROR if failed or (required and (mismatch or others or not valid)) else WARN
    return status(node, f"input {name}", level, "; ".join(problems) or "valid", values)


class Senders:
    """The publishers from which an input has received messages, to detect two publishers on one topic.

    A killed publisher stays in the ROS graph for a while, with Fast DDS for 20 s. Therefore a publisher that has sent
    messages and is silent now does not count as a second publisher beside its successor.
    """

    def __init__(self) -> None:
        self._heard: set[bytes] = set()
        self._switches = 0

    def beside(self, port: Any, publishers: Sequence[Any]) -> str:
        """Return a text that names the publishers of an input's topic; "" if fewer than two of them are in use.

        port : the input's port
        publishers : endpoints of the topic's publishers in the ROS graph
        """
        newest, switches = port.sender()
        turns, self._switches = switches - self._switches, switches
        self._heard.add(newest)
        silent = set() if turns > 1 else self._heard - {newest}
        found = sorted(_full_name(one) for one in publishers if bytes(one.endpoint_gid[: len(newest)]) not in silent)
        return f"{len(found)} publishers on one input (or until recently): {', '.join(found)}" if len(found) > 1 else ""


def _other_publishers(node: Any, topic: str) -> str:
    found = sorted(_full_name(one) for one in node.get_publishers_info_by_topic(topic))
    for own in ("io", "supervisor"):
        if (name := f"{node.get_fully_qualified_name()}_{own}") in found:
            found.remove(name)
    found = [name.removesuffix("_io") for name in found]
    return f"commanded by {', '.join(found)} too (or until recently)" if found else ""


def _rcl_errors(now: dict, before: dict) -> list[str]:
    more = now["errors"] - before.get("errors", 0)
    return [f"{more} errors of rcl, the last with code {now['last_error']}"] if more > 0 else []


def guard_reason(node: Any) -> str:
    """Explain why a node's guard publishes the safe command instead of the controller's command."""
    return causes_now(node.controller.bound, node.spec.guard.release)


def _history(faults: Sequence[Fault]) -> dict[str, str]:
    told = {}
    for k, fault in enumerate(faults[:MOST_FAULTS]):
        begin = datetime.fromtimestamp(fault.begin * 1e-9, timezone.utc).isoformat(timespec="milliseconds")
        lasted = f"{(fault.end - fault.begin) * 1e-9:.3g} s" if fault.end >= 0 else "lasts"
        told[f"fault.{k}"] = f"{begin}, {lasted}: {describe_causes(fault.causes, fault.invalid, fault.stopped)}"
    return told


def _guard(report: Reporter) -> DiagnosticStatus:
    node, counted = report.node, report.node.controller.counters()
    values: dict[str, Any] = {**counted["guard"], "synaptic_operations": counted["synaptic_operations"]}
    values |= {f"spikes.{name}": n for name, n in counted["spikes"].items()}
    values |= _history(node.faults.faults())
    if not report.now["running"]:
        return status(node, "guard", WARN, "not active", values)
    if not node.controller.bound.array("guard")[guard_words.FAULTED]:
        return status(node, "guard", OK, "commands", values)
    return status(node, "guard", ERROR, f"safe command: {guard_reason(node)}", values)


def learning_switches(controller: Any) -> str:
    """Describe the learning rules that are switched on and off, by projection: ``on: x->a, a->b; off: b->c``."""
    rules = controller.counters()["learning"]
    sides = (("on", [t for t, r in rules.items() if r["on"]]), ("off", [t for t, r in rules.items() if not r["on"]]))
    return "; ".join(f"{side}: {', '.join(titles)}" for side, titles in sides if titles)


def _learning(node: Any) -> list[DiagnosticStatus]:
    rules = node.controller.counters()["learning"]
    values = {f"updates.{title}": rule["updates"] for title, rule in rules.items()}
    return [status(node, "learning", OK, learning_switches(node.controller), values)] if rules else []


def _output(report: Reporter, port: Any) -> DiagnosticStatus:
    node = report.node
    topic = node.spec.ros_outputs[port.name.split(",")[0]]
    qos = qos_of(topic, node.mode == "lockstep")
    mismatch = describe_mismatch(node, topic.topic, topic.type, qos, publishing=True)
    counts, earlier = report.counts("outputs", port.name)
    failed = _rcl_errors(counts, earlier)
    others = _other_publishers(node, topic.topic) if node.guarded else ""
    level = OK if not mismatch else WARN if mismatch.endswith("nobody subscribes") else ERROR
    if failed or others:
        level = ERROR
    problems = failed + [text for text in (mismatch, others) if text]
    return status(node, f"output {port.name}", level, "; ".join(problems) or "matched", counts)


def _supervisor(node: Any) -> list[DiagnosticStatus]:
    if node.supervisor is None or not node.supervisor.beside:
        return []
    if not node.supervisor.alive:
        return [status(node, "supervisor", ERROR, "is gone", {})]
    if not node.supervisor.matched:
        return [status(node, "supervisor", WARN, "has no subscriber yet", {})]
    said = f"publishes the safe command after {node.supervisor.limit:g} s without a heartbeat"
    return [status(node, "supervisor", OK, said, {})]


class Reporter:
    """Publishes the status of a node on /diagnostics, including the changes since the last report.

    now : statistics of the loop and counters of its ports in this report; empty if there is no loop
    before : statistics and counters in the last report; empty in the first report
    seconds : time between the two reports [s]

    The node must have the attributes ``loop``, ``controller``, ``spec``, ``mode``, ``inputs``, ``outputs`` and
    ``guarded``, and ``held_up``, the reason why its loop does not run yet.
    """

    def __init__(self, node: Any) -> None:
        self.node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", QoSProfile(depth=1))
        self.senders: defaultdict[str, Senders] = defaultdict(Senders)
        self.motion: dict[str, tuple[int, ...]] = {}
        self.forget()

    def forget(self) -> None:
        """Forget the last report; call this after the loop's counters were reset to 0."""
        self.now: dict[str, Any] = {}
        self.before: dict[str, Any] = {}
        self._at, self.seconds, self.budget = 0.0, 0.0, (0, 0)
        self.senders.clear()
        self.motion.clear()

    def counts(self, side: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the counters of one input or output in this report, and those in the last report.

        The second dictionary is empty in the first report.

        side : "inputs" or "outputs"
        name : name of the input or output
        """
        return self.now[side][name], self.before[side][name] if self.before else {}

    def _statistics(self) -> dict[str, Any]:
        node = self.node
        if node.loop is None:
            return {}
        found = node.loop.stats()
        for name, counted in node.controller.counters()["inputs"].items():
            counts = found["inputs"][name]
            counts["outside"] = counted.get("out_of_frame", 0)  # in addition to the events that decoders found outside
            if "replaced" in counted and "replaced" not in counts:  # a port that reduces numbers counts them itself
                words = node.controller.bound.array(f"{name}.replaced").tolist()
                counts |= {"replaced": words[REPLACED], "failed": words[FAILED], "numbers": words[NUMBERS]}
        found["outputs"] = {port.name: port.counters() for port in node.outputs}
        return found

    def report(self) -> list[DiagnosticStatus]:
        """Publish a status for the loop, each input, each output etc. of the node. Return the statuses."""
        node, at = self.node, time.monotonic()
        self.before, self.now, self.seconds, self._at = self.now, self._statistics(), at - self._at, at
        if self.now:
            inputs = [_input(self, k, port) for k, port in enumerate(node.inputs)]
            guard = [_guard(self), *_supervisor(node), *_learning(node)] if node.guarded else []
            found = [_loop(self), *guard, *inputs, *(_output(self, port) for port in node.outputs)]
        else:
            found = [status(node, "loop", WARN, "not configured", {})]
        self.publish(found)
        return found

    def publish(self, found: list[DiagnosticStatus]) -> None:
        """Publish the statuses in one DiagnosticArray, stamped with the present time."""
        message = DiagnosticArray(status=found)
        message.header.stamp = self.node.get_clock().now().to_msg()
        self._publisher.publish(message)
