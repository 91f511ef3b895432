"""Between sensor and command runs no Python: a hogged interpreter costs neither commands nor time.

The controller node runs in a process with a thread that constantly computes in Python and creates garbage. Its
network counts its own ticks, and passes on the newest sensor number. Another process, whose threads are compiled
as well, sends the numbers and records when each command arrived.

A virtual machine sometimes stalls, often many times in a row for a part of a millisecond, each of which may cost
a command. A thread on each CPU, in the receiving process, wakes every millisecond at a priority above all others:
where one of them was late it was not the controller, and the time around it is excluded, and reported.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from snn_control.engine.memory import load_f64, store_f64
from snn_control.realtime.rights import set_fifo

SECONDS = 2.0
PERIOD_NS = 1_000_000
STALL_NS, MARGIN_NS = 1_400_000, 5_000_000  # between two wake-ups of a watcher; after the later one
LOOP, RECEIVER, WATCH = 80, 85, 90  # SCHED_FIFO priorities
JOINTS = {"topic": "numbers", "type": "std_msgs/msg/Float64MultiArray", "field": "data[:]"}
COMMAND = {"topic": "commands", "type": "std_msgs/msg/Float64MultiArray"}
CONTROLLER = {
    "version": 1,
    "period": 0.001,
    "inputs": {"number": {"kind": "value", "size": 1, "stale": 0.2}},
    "network": {
        # tau much shorter than dt: v is the current of this step, so count = 1 + count of the step before
        "populations": {
            "count": {"size": 1, "bias": 1.0, "neuron": {"type": "li", "tau_mem": 1e-6}},
            "held": {"size": 1, "neuron": {"type": "li", "tau_mem": 1e-6}},
        },
        "projections": [
            {"pre": "count", "post": "count", "delay": 0.001},
            {"pre": "number", "post": "held"},
        ],
    },
    "outputs": {
        "tick": {"decoder": {"type": "membrane", "from": "count", "weights": 1.0}},
        "echo": {"decoder": {"type": "membrane", "from": "held", "weights": 1.0}},
    },
    "ros": {
        "inputs": {"number": JOINTS},
        "outputs": {"tick": {**COMMAND, "field": "data[0]"}, "echo": {**COMMAND, "field": "data[1]"}},
    },
}


# ---------------------------------------------------------------- the two processes


def add_one(table):
    """A tick that counts, in the float64 at ``table``."""
    store_f64(table, load_f64(table) + 1.0)


def run_controller(file: str) -> None:
    """The node as the launch files start it, beside a thread that computes; prints how far that thread came."""
    from snn_control.ros.nodes.controller_node import ControllerNode
    from snn_control.ros.nodes.launching import command_line, controller
    from snn_control.ros.nodes.process import run_node

    rounds = [0]

    def hog() -> None:
        while True:
            garbage: list = [{} for _ in range(100)]
            garbage.append(garbage)
            for k in range(1000):
                rounds[0] += k & 1

    threading.Thread(target=hog, daemon=True).start()
    process = controller(controller_file=file, phase=0.0005, priority=LOOP)
    code = run_node(ControllerNode, command_line(process)[3:])
    print(json.dumps({"hog": rounds[0]}))
    sys.stdout.flush()
    os._exit(code)  # the hog would continue while the interpreter ends


def run_receiver(file: str) -> None:
    """Send numbers, record the commands: (n, 2) values and (n,) times, and the watchers' times."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from rclpy.signals import SignalHandlerOptions
    from std_msgs.msg import Float64MultiArray

    from snn_control.engine.compile import compile_callback
    from snn_control.realtime.loop import Loop
    from snn_control.realtime.rights import priority_of_new_threads
    from snn_control.ros.messages.path_program import compile_path
    from snn_control.ros.ports.numeric import CommandOutput, NumericInput
    from tests.realtime.record_output import RecordOutput

    tick = compile_callback(add_one, "void(int64)")
    capacity = round((SECONDS + 60.0) * 1000)
    counts = np.zeros(64)
    address = counts.ctypes.data
    with priority_of_new_threads(70):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node("receiver", enable_rosout=False, start_parameter_services=False)
        reliable, sensor = QoSProfile(depth=100), QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        subscription = node.create_subscription(Float64MultiArray, COMMAND["topic"], lambda message: None, reliable)
        publisher = node.create_publisher(Float64MultiArray, JOINTS["topic"], sensor)
    slot = np.array([0, -1, 0, 0, -1, -1, 0, 0, 0, 0], np.int64)  # header, then two float64
    data = slot.ctypes.data + 64
    port = NumericInput(subscription, compile_path(Float64MultiArray, "data[:]"), slot.ctypes.data, data, 2)
    numbers = CommandOutput(publisher, Float64MultiArray, [("data[:]", address, 1)])
    record = RecordOutput(data, 2, capacity)
    receiving = Loop(tick, address + 8, PERIOD_NS, [port], [record], mode="lockstep", hold=[port])
    sending = Loop(tick, address, PERIOD_NS, (), [numbers], priority=RECEIVER, hold=[numbers], name="sending")
    watches, watching = [], []
    for k, cpu in enumerate(sorted(os.sched_getaffinity(0))[:32]):
        watches.append(RecordOutput(address + 16 + 8 * k, 1, capacity))
        watching.append(
            Loop(
                tick, address + 16 + 8 * k, PERIOD_NS, (), watches[-1:], priority=WATCH, cpus=[cpu], name=f"watch {cpu}"
            )
        )
    port.attach_semaphore(receiving.semaphore)
    with priority_of_new_threads(RECEIVER):  # lockstep does not ask for a priority of its own
        receiving.start()
    loops = [sending, *watching]
    for loop in loops:
        loop.start()
    until = time.monotonic() + 100.0
    while record.total < 300:
        if time.monotonic() > until:
            sys.exit(f"no commands: {port.matched()} controllers matched")
        time.sleep(0.02)
    begin = time.monotonic_ns()
    time.sleep(SECONDS)
    end = time.monotonic_ns()
    for loop in loops:
        loop.stop()
    receiving.stop()
    port.detach()
    _, times, values = record.read()
    watched = {f"watch_{k}": watch.read()[1] for k, watch in enumerate(watches)}
    np.savez(file, begin=begin, end=end, times=times, values=values, **watched)
    node.destroy_node()
    rclpy.try_shutdown()


# ---------------------------------------------------------------- the test


def _fifo() -> bool:
    granted: list[int] = []
    thread = threading.Thread(target=lambda: granted.append(set_fifo(WATCH)))  # of that thread alone
    thread.start()
    thread.join()
    return granted == [WATCH]


def _start(role: str, file: Path) -> subprocess.Popen:
    from snn_control.ros.nodes.launching import environment_of_child

    environment = environment_of_child()
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, __file__, role, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip


def stalls(watches: list[np.ndarray], begin: int, end: int) -> list[tuple[int, int]]:
    """Times in which a CPU ran nothing, with a margin, joined where they overlap."""
    found: list[tuple[int, int]] = []
    pairs = [(a, b) for times in watches for a, b in pairwise(times) if b - a > STALL_NS]
    for a, b in sorted(pairs):
        a, b = max(int(a), begin), min(int(b) + MARGIN_NS, end)
        if a >= b:
            continue
        if found and a <= found[-1][1]:
            a, b = found[-1][0], max(b, found.pop()[1])
        found.append((a, b))
    return found


def overlap(one: tuple[int, int], many: list[tuple[int, int]]) -> int:
    """ns of ``one`` that lie in ``many``, which do not overlap each other."""
    return sum(max(min(one[1], b) - max(one[0], a), 0) for a, b in many)


def test_stalls_are_joined_and_cut():
    ms = PERIOD_NS
    first, second = np.array([0, 1, 2, 12, 13, 50, 80]) * ms, np.array([2, 3, 4, 10, 11, 12]) * ms
    assert stalls([first, second], 5 * ms, 60 * ms) == [(5 * ms, 60 * ms)]
    assert stalls([first[:5], second], 0, 60 * ms) == [(2 * ms, 17 * ms)]
    assert stalls([second[3:], first[:4] + 30 * ms], 0, 60 * ms) == [(32 * ms, 47 * ms)]
    assert overlap((30 * ms, 50 * ms), [(0, 40 * ms), (45 * ms, 46 * ms)]) == 11 * ms


@pytest.mark.timed
@pytest.mark.skipif(not _fifo(), reason="SCHED_FIFO is not granted: there are no deadlines to keep")
def test_a_hogged_interpreter_costs_no_command(tmp_path):
    (tmp_path / "controller.yaml").write_text(yaml.safe_dump(CONTROLLER))
    controller = _start("controller", tmp_path / "controller.yaml")
    receiver = _start("receiver", tmp_path / "received.npz")
    try:
        _, errors = receiver.communicate(timeout=200.0)
        assert receiver.returncode == 0, errors
        controller.send_signal(signal.SIGINT)
        out, errors = controller.communicate(timeout=60.0)
        assert controller.returncode == 0, errors
    finally:
        for process in (controller, receiver):
            process.kill()
            process.communicate()
    assert json.loads(out.splitlines()[-1])["hog"] > 1e6, "the hog did not run"
    with np.load(tmp_path / "received.npz") as file:
        begin, end, times, values = int(file["begin"]), int(file["end"]), file["times"], file["values"]
        watches = [file[name] for name in file.files if name.startswith("watch_")]

    still = stalls(watches, begin, end)
    told = f"the machine was stalled {len(still)} times, {overlap((begin, end), still) / 1e6:.0f} ms"
    if overlap((begin, end), still) > 0.25 * (end - begin):
        pytest.skip(told)

    inside = (times >= begin) & (times < end)
    times, ticks, echoes = times[inside], values[inside, 0], values[inside, 1]
    assert (np.diff(ticks) > 0).all(), "a command came twice, or late"
    counted = ~np.any([(times >= a) & (times < b) for a, b in [(0, 0), *still]], axis=0)
    for a in range(begin, end - 999 * PERIOD_NS, 1000 * PERIOD_NS):
        window = (a, a + 1000 * PERIOD_NS)
        arrived = len(np.unique(ticks[counted & (times >= window[0]) & (times < window[1])]))
        expected = 1000 * (1.0 - overlap(window, still) / (window[1] - window[0]))
        assert arrived >= 0.995 * expected, f"{arrived} of {expected:.0f} commands in a second; {told}"
    edges = np.concatenate([[begin], times, [end]])
    gaps = [(int(a), int(b)) for a, b in pairwise(edges) if b - a > 10 * PERIOD_NS]
    unexplained = [(b - a) / 1e6 for a, b in gaps if overlap((a, b), still) == 0]
    assert not unexplained, f"gaps of {unexplained} ms; {told}"
    assert len(np.unique(echoes)) >= 0.9 * len(ticks), "commands were not computed from fresh messages"
    print(f"{len(ticks)} commands in {SECONDS} s, largest gap {np.diff(edges).max() / 1e6:.2f} ms; {told}")


if __name__ == "__main__":
    {"controller": run_controller, "receiver": run_receiver}[sys.argv[1]](sys.argv[2])
