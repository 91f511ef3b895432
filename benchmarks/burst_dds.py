"""A burst of an event camera over DDS: 50 events a microsecond for 2 s, sent by another process at full speed.

A controller ticks at 1 kHz behind the ports of the controller node. A second process publishes EVT3 packets of 1 ms
(50,000 events, 134 kB), each as soon as the last one is sent. There are three rounds, each with 2 s without and 2 s
with the burst. Required: every event sent is given to a tick, dropped beyond the capacity, out of the frame, or in a
packet whose number is missing; the loop misses no more ticks than without the burst, plus 1 %; the first tick after it
is on time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .burst import CAPACITY, EVENTS, HEIGHT, PACKET_US, PRIORITY, WIDTH, Packet
from .processes import DOMAIN, NO_FIFO, ROOT, exit_code, fifo_granted, steal, stolen, verdict

PERIOD = 1e-3
ROUNDS, SECONDS = 3, 2.0
TOPIC, KIND = "camera/events", "event_camera_msgs/msg/EventPacket"
WARM_UP = 20  # packets, so that DDS allocates memory for messages of this size before the burst


def controller_file() -> dict[str, Any]:
    """Return a controller file: a camera pooled to 32x32x2, and a readout of its sum."""
    encoder = {"type": "pool", "grid": [32, 32], "on_weight": 0.01, "off_weight": 0.01}
    return {
        "version": 1,
        "period": PERIOD,
        "inputs": {"camera": {"kind": "events", "size": [WIDTH, HEIGHT], "capacity": CAPACITY, "encoder": encoder}},
        "network": {
            "populations": {"sum": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.01}}},
            "projections": [{"pre": "camera", "post": "sum", "weights": 0.001}],
        },
        "outputs": {"drive": {"decoder": {"type": "membrane", "from": "sum", "weights": [[1.0]]}}},
        "ros": {
            "inputs": {"camera": {"topic": TOPIC, "type": KIND}},
            "outputs": {"drive": {"topic": "drive", "type": "std_msgs/msg/Float64", "field": "data"}},
        },
    }


class Packets:
    """Serialized packets, one after the other, on one clock."""

    def __init__(self) -> None:
        self._packets = [Packet(seed) for seed in range(4)]
        self.sent = 0

    def next(self, events: bool = True) -> bytes:
        from snn_control.events.packets import packet_cdr

        words = self._packets[self.sent % len(self._packets)].at(PACKET_US * self.sent)
        self.sent += 1
        return packet_cdr(words.tobytes() if events else b"", "evt3", WIDTH, HEIGHT, self.sent, time.time_ns())


def use_interfaces() -> str:
    """Make event_camera_msgs importable if it is not installed; returns why that is impossible, or ""."""
    try:
        import event_camera_msgs.msg  # noqa: F401
    except ImportError:
        from tests.ros import interfaces

        try:
            interfaces.use(interfaces.prefix())
        except interfaces.Unavailable as error:
            return str(error)
    return ""


def send() -> None:
    """For each line on stdin, warm up or send a burst of the given seconds; print what was sent."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    use_interfaces()
    from event_camera_msgs.msg import EventPacket

    rclpy.init()
    node = rclpy.create_node("camera", enable_rosout=False, start_parameter_services=False)
    best_effort = QoSProfile(depth=64, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(EventPacket, TOPIC, best_effort)
    packets = Packets()
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, full = float(line), 0
        end = time.monotonic() + seconds
        while time.monotonic() < end if seconds else full < WARM_UP:
            publisher.publish(packets.next())
            full += 1
        last = time.monotonic_ns()
        time.sleep(0.1)
        for _ in range(3):  # their numbers show which packets were lost at the end
            publisher.publish(packets.next(events=False))
            time.sleep(0.02)
        print(json.dumps({"full": full, "last": last, "seq": packets.sent}), flush=True)


class Controlled:
    """The loop of a controller node around its ports, which records the header of the input's slot in each tick."""

    def __init__(self, folder: str) -> None:
        from snn_control.controller import Controller
        from snn_control.controller_file import load_spec
        from snn_control.engine.slots import SLOT_WORDS
        from snn_control.engine.tick import tick_address
        from snn_control.realtime.loop import Loop
        from snn_control.ros.nodes.process import dds_threads, io_node, start_rclpy
        from snn_control.ros.ports.topics import command_ports, input_ports
        from tests.realtime.record_output import RecordOutput

        start_rclpy([], ["controller"], PRIORITY)
        import rclpy

        with dds_threads():
            self.node = rclpy.create_node("controller", enable_rosout=False, start_parameter_services=False)
        spec = load_spec(Path(folder) / "controller.yaml")
        controller = Controller.from_spec(spec)
        controller.step({})
        controller.reset()
        bound, io = controller.bound, io_node(self.node)
        with dds_threads():
            inputs = input_ports(self.node, io, spec, bound, lockstep=False)
            outputs = command_ports(self.node, io, spec, bound, lockstep=False)
        self.port, self.period = inputs[0], controller.period_ns
        self.slots = RecordOutput(bound.address("camera.slot"), SLOT_WORDS, 20_000, dtype=np.int64)
        self.loop = Loop(
            tick_address(), bound.table, controller.period_ns, inputs, [*outputs, self.slots], priority=PRIORITY,
            hold=[*inputs, *outputs], keep=(controller, io),
        )  # fmt: skip

    def counts(self) -> dict[str, int]:
        stats = self.loop.stats()
        return self.port.counters() | {"ticks": stats["ticks"], "missed": stats["missed"]}

    def during(self, wait: Callable[[], Any]) -> tuple[dict[str, int], Any]:
        """Return the counts while ``wait()`` ran, and its result."""
        before, answer = self.counts(), wait()
        return {key: value - before[key] for key, value in self.counts().items() if key in before}, answer


def first_tick_after(controlled: Controlled, last: int) -> float:
    """Return the delay with which the first tick that was due after ``last`` [ns] was done [us]."""
    _, times, _ = controlled.slots.read()
    period = controlled.period
    deadline = (last // period + 1) * period  # the loop's grid is that of the clock
    return float(times[np.searchsorted(times, deadline)] - deadline) / 1e3


def run(folder: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Run quiet and burst in turns, around one loop."""
    controlled = Controlled(folder)
    controlled.loop.start()
    sender = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.burst_dds", "send"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sender.stdin is not None
    assert sender.stdout is not None

    def ask(line: float) -> dict[str, Any]:
        print(line, file=sender.stdin, flush=True)
        return json.loads(sender.stdout.readline())

    found: list[dict[str, Any]] = []
    try:
        sender.stdout.readline()
        ask(0)
        for _ in range(rounds):
            quiet, _ = controlled.during(lambda: time.sleep(seconds))
            burst, answer = controlled.during(lambda: ask(seconds))
            latencies = {k: v for k, v in controlled.port.counters().items() if k.startswith("latency")}
            after = first_tick_after(controlled, answer["last"])
            found.append({"quiet": quiet, "burst": burst, "after_us": after, **answer, **latencies})
        durations = controlled.loop.stats()["tick"]
    finally:
        controlled.loop.stop()
        sender.kill()
        sender.wait()
    return {"rounds": found, "tick_ns": durations, "priority": controlled.loop.rights.priority}


def judge(found: dict[str, Any]) -> tuple[bool | None, str]:
    """Return whether the bars are met (None without a verdict), and why not."""
    wrong = []
    for k, one in enumerate(found["rounds"]):
        burst, quiet = one["burst"], one["quiet"]
        missed, allowed = burst["missed"] / max(burst["ticks"] + burst["missed"], 1), quiet["missed"] / quiet["ticks"]
        if missed > allowed + 0.01:
            wrong.append(f"round {k}: {100 * missed:.2f} % of the ticks missed, {100 * allowed:.2f} % without")
        if one["lost_events"] != 0:
            wrong.append(f"round {k}: {one['lost_events']} events neither given nor dropped nor in lost packets")
        if one["after_us"] > PERIOD * 1e6:
            wrong.append(f"round {k}: the first tick after the burst published {one['after_us']:.0f} us after its time")
    if not found["fifo"]:
        return None, "SCHED_FIFO is not granted"
    return not wrong, "; ".join(wrong)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="benchmarks burst_dds", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each burst")
    options = parser.parse_args(arguments)
    if why := use_interfaces():
        print(f"no event_camera_msgs: {why}")
        return {"passed": None, "why": why}
    fifo = fifo_granted(PRIORITY)
    if not fifo:
        print(NO_FIFO)
    before = steal()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "controller.yaml").write_text(yaml.safe_dump(controller_file()))
        line = [sys.executable, "-m", "benchmarks.burst_dds", "run", folder]
        line += [str(1 if options.quick else options.rounds), str(options.seconds)]
        done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=_environment())
    found = json.loads(done.stdout.splitlines()[-1]) | {"fifo": fifo}
    print("1 kHz loop, EVT3 packets of 50,000 events, 134 kB, over DDS from another process as fast as it goes")
    print(
        "  sent/s   MB/s  lost %   given/tick  dropped  budget spent   missed %  without   next tick  latency p50, p99"
    )
    for one in found["rounds"]:
        burst, quiet, seconds = one["burst"], one["quiet"], options.seconds
        counted = sum(burst[key] for key in ("events", "dropped", "out_of_frame", "before_time"))
        one["lost_events"] = EVENTS * (one["full"] - burst["gaps"]) - counted
        print(
            f"  {one['full'] / seconds:6.0f} {one['full'] * 0.134 / seconds:6.0f} "
            f"{100 * burst['gaps'] / one['full']:7.1f} {burst['events'] / burst['ticks']:12.0f} "
            f"{burst['dropped']:8d} {burst['budget_exhausted']:13d} "
            f"{100 * burst['missed'] / (burst['ticks'] + burst['missed']):10.3f} "
            f"{100 * quiet['missed'] / quiet['ticks']:8.3f} {one['after_us']:8.0f} us "
            f"{one.get('latency_p50_us', 0) / 1e3:8.1f} ms {one.get('latency_p99_us', 0) / 1e3:.1f} ms"
        )
    found["stolen_percent"] = stolen(before)
    found["passed"], why = judge(found)
    print(f"  {verdict(found['passed'], why)}")
    return found


def _environment() -> dict[str, str]:
    from snn_control.ros.nodes.launching import environment_of_child

    environment = environment_of_child() | {"ROS_DOMAIN_ID": DOMAIN}
    try:
        import event_camera_msgs

        if "interfaces" in str(event_camera_msgs.__file__):
            from tests.ros import interfaces

            environment |= interfaces.environment(interfaces.prefix())
    except ImportError:
        pass
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    return environment


if __name__ == "__main__":
    if sys.argv[1:2] == ["send"]:
        send()
    elif sys.argv[1:2] == ["run"]:
        use_interfaces()
        print(json.dumps(run(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
    else:
        sys.exit(exit_code(main()))
