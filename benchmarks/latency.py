"""Latency from a sensor's message to the command, compared with C on rcl or a callback of rclpy, in interleaved pairs.

A measuring process (C) publishes numbered JointStates of 12 joints at 1 kHz. A controller ticks at 1 kHz, 0.3 ms after
the sensor, or with ``--event`` when a message has arrived, and sends back the number and 11 products. The measuring
process times each number's round trip. The product is the controller node as it is started for a robot. The other
controller is the same loop in C, loaded into a Python process, or with ``--rclpy`` the same controller in a callback of
an ordinary node. Product and C have their loop at SCHED_FIFO 80, DDS at 60 and their memory locked. Only messages that
were answered have a latency: a subscription that keeps fewer messages loses those that would have waited longest.

idle : nothing else runs
hog : a Python thread in the controller's process computes and makes garbage all the time
busy : two processes compute all the time
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .processes import NO_FIFO, Process, busy, exit_code, fifo_granted, hog, steal, stolen, verdict

CONDITIONS = ("idle", "hog", "busy")
BARS = {"p50": 1.15, "p99": 1.3}  # geometric mean of product / C, in every condition
BARS_OF_EVENTS = {"p50": 1.05, "p99": 1.1, "p99.9": 1.3}
BARS_OF_RCLPY = {"p50": 1 / 20}  # in condition hog
RCLPY_DEPTH = 10  # messages kept by its subscription: the default of ROS 2; ROS 2's QoS for sensors keeps 5
PAIRS, SECONDS = 6, 10.0
SENSOR, COMMAND = "joint_states", "effort_command"
JOINTS, PHASE_NS = 12, 300_000
LOOP_PRIORITY, DDS_PRIORITY = 80, 60
SETTLE, TIMEOUT = 1.0, 60.0  # s
QUANTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
LIBRARIES = ("rcl", "rcutils", "rmw", "sensor_msgs__rosidl_typesupport_c")


def controller_file() -> dict[str, Any]:
    """Return the product's controller: the joints are held for a tick, the first is passed on, the others times -20."""
    topic = {"type": "sensor_msgs/msg/JointState"}
    return {
        "version": 1,
        "period": 1e-3,
        "inputs": {"joints": {"kind": "value", "size": JOINTS, "stale": 0.1}},
        "network": {
            "populations": {"held": {"size": JOINTS, "neuron": {"type": "li", "tau_mem": 1e-6}}},
            "projections": [{"pre": "joints", "post": "held", "connection": "one_to_one"}],
        },
        "outputs": {
            "effort": {
                "size": JOINTS,
                "decoder": {
                    "type": "membrane",
                    "from": "held",
                    "weights": np.diag([1.0] + [-20.0] * (JOINTS - 1)).tolist(),
                },
            }
        },
        "ros": {
            "inputs": {"joints": {"topic": SENSOR, "field": "position[:]", **topic}},
            "outputs": {"effort": {"topic": COMMAND, "field": "effort[:]", **topic}},
        },
    }


def compile_library(name: str, folder: Path) -> Path:
    """Compile crcl/<name>.c against the ROS 2 installation that this Python uses."""
    prefixes = [Path(p) for p in [sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)] if p]
    include = [d for p in prefixes for d in sorted((p / "include").glob("*")) if d.is_dir()]
    lib = [p / "lib" for p in prefixes]
    library = folder / f"{name}.so"
    command = ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", str(library)]
    command += [str(Path(__file__).with_name("crcl") / f"{name}.c"), *(f"-I{d}" for d in include)]
    command += [f for d in lib for f in (f"-L{d}", f"-Wl,-rpath,{d}")] + ["-Wl,--allow-shlib-undefined"]
    command += [f"-l{one}" for one in LIBRARIES] + ["-lpthread"]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode != 0:
        raise RuntimeError(f"gcc cannot compile {name}.c against {sys.prefix}:\n{made.stderr[-2000:]}")
    return library


# ---------------------------------------------------------------- what the child processes do


def _load(folder: str, name: str) -> ctypes.CDLL:
    import rclpy  # noqa: F401 - loads rcl and what it needs

    return ctypes.CDLL(str(Path(folder) / f"{name}.so"))


def run_c(folder: str, event: bool) -> None:
    """Run the C loop until SIGTERM."""
    function = _load(folder, "controller").controller_run
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    counts = np.zeros(3, np.int64)
    topics = f"/{SENSOR}".encode(), f"/{COMMAND}".encode()
    if function(*topics, -1 if event else PHASE_NS, DDS_PRIORITY, LOOP_PRIORITY, counts.ctypes.data) != 0:
        sys.exit(1)
    print(json.dumps(dict(zip(("ticks", "missed", "malformed"), counts.tolist(), strict=True))))


def run_product(folder: str, event: bool) -> None:
    """Run the controller node, with the arguments that the launch files give it, until SIGTERM."""
    from snn_control.ros.nodes.controller_node import ControllerNode
    from snn_control.ros.nodes.launching import command_line, controller
    from snn_control.ros.nodes.process import run_node

    process = controller(
        controller_file=Path(folder) / "controller.yaml", phase=PHASE_NS * 1e-9, priority=LOOP_PRIORITY,
        event=event,
    )  # fmt: skip
    code = run_node(ControllerNode, command_line(process)[3:])
    if code != 0:
        sys.exit(code)
    print("{}")


def run_rclpy(folder: str, depth: int) -> None:
    """Run a node as it is often written, until SIGTERM: the controller's step is in the callback of the sensor's
    messages."""
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import JointState

    from snn_control import Controller

    controller = Controller.load(Path(folder) / "controller.yaml")
    rclpy.init()
    node = rclpy.create_node("controller")
    publisher = node.create_publisher(JointState, COMMAND, 1)

    def answer(message: JointState) -> None:
        publisher.publish(JointState(effort=controller.step({"joints": message.position})["effort"].tolist()))

    qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)  # as the sensor's
    node.create_subscription(JointState, SENSOR, answer, qos)
    with suppress(ExternalShutdownException):
        rclpy.spin(node)
    print("{}")


def run_measure(folder: str, seconds: float) -> None:
    """Run the measuring program, and print its results."""
    function = _load(folder, "measure").measure_run
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, *[ctypes.c_double] * 3, ctypes.c_void_p, ctypes.c_int64]
    function.argtypes = [*function.argtypes, ctypes.c_void_p]
    latency = np.ones(int(seconds * 1000) + 1000, np.int64)
    found = np.zeros(7, np.int64)
    topics = f"/{SENSOR}".encode(), f"/{COMMAND}".encode()
    code = function(*topics, SETTLE, seconds, TIMEOUT, latency.ctypes.data, latency.size, found.ctypes.data)
    if code != 0:
        sys.exit({2: "no controller matched", 3: "no command came"}.get(code, f"code {code}"))
    fresh, commands, wrong, gap, gaps, sent, late = found.tolist()
    if fresh == 0 or wrong:
        sys.exit(f"{fresh} fresh commands, {wrong} with wrong numbers")
    values = np.percentile(latency[:fresh] / 1e3, list(QUANTILES.values()), method="inverted_cdf")
    print(
        json.dumps(
            {
                **dict(zip(QUANTILES, values.tolist(), strict=True)),
                "fresh_hz": fresh / seconds,
                "commands_hz": commands / seconds,
                "gap_ms": gap / 1e6,
                "gaps_over_10_ms": gaps,
                "sent_hz": sent / seconds,
                "sent_late": late,
            }
        )
    )


# ---------------------------------------------------------------- the comparison


def one_run(implementation: str, condition: str, folder: str, seconds: float, more: tuple[Any, ...]) -> dict[str, Any]:
    """Run one controller, with ``more`` arguments, under one condition; returns times [us]."""
    controller = Process("latency", "role", implementation, folder, int(condition == "hog"), *more)
    try:
        with busy(2 if condition == "busy" else 0):
            measuring = Process("latency", "role", "measure", folder, 0, "--seconds", seconds)
            try:
                found = measuring.result(TIMEOUT + SETTLE + seconds + 30.0, controller)
                found["priorities"] = {str(k): n for k, n in sorted(controller.priorities().items())}
            except RuntimeError as error:
                raise RuntimeError(f"{error}\n{controller.name}, {condition}:\n{controller.errors()}") from None
            finally:
                measuring.end()
    finally:
        controller.end()
    return found


def other_of(pair: dict[str, Any]) -> str:
    return next(name for name in pair if name != "product")


def ratio(pairs: list[dict[str, Any]], key: str) -> float:
    """Return the geometric mean of product / other."""
    return statistics.geometric_mean(pair["product"][key] / pair[other_of(pair)][key] for pair in pairs)


def wrong_priorities(found: dict[str, Any]) -> str:
    """Describe what is wrong with the priorities of a controller's threads; empty if nothing is."""
    at = found["priorities"]
    if at.get(str(LOOP_PRIORITY), 0) != 1:
        return f"no loop at SCHED_FIFO {LOOP_PRIORITY}"
    return "" if at.get(str(DDS_PRIORITY), 0) >= 3 else f"DDS is not at SCHED_FIFO {DDS_PRIORITY}"


def report(condition: str, pairs: list[dict[str, Any]], event: bool) -> dict[str, Any]:
    """Print one condition's table; returns its figures."""
    keys = (*QUANTILES, "fresh_hz", "gap_ms")
    found: dict[str, Any] = {}
    other = other_of(pairs[0])
    for name in (other, "product"):
        found[name] = {key: statistics.median(pair[name][key] for pair in pairs) for key in keys}
        found[name]["gap_ms"] = max(pair[name]["gap_ms"] for pair in pairs)
        m = found[name]
        print(
            f"  {condition:5s} {name:8s}"
            + "".join(f"{m[key]:9.0f}" for key in QUANTILES)
            + f"{m['fresh_hz']:10.1f}{m['gap_ms']:10.2f}   "
            + ", ".join(f"{n} at {p}" for p, n in pairs[-1][name]["priorities"].items())
        )
    found["ratio"] = {key: ratio(pairs, key) for key in ("p50", "p99", "p99.9")}
    single = {key: [round(p["product"][key] / p[other][key], 3) for p in pairs] for key in ("p50", "p99")}
    print(f"  {condition:5s} ratio   " + "".join(f"{found['ratio'][key]:9.3f}" for key in ("p50", "p99", "p99.9")))
    print(f"        pairs: p50 {single['p50']}, p99 {single['p99']}")
    if not event:
        phase = PHASE_NS / 1e3  # time that the sensor's message waits for the tick, in both
        found["beyond_phase"] = statistics.geometric_mean(
            max(p["product"]["p50"] - phase, 1.0) / max(p[other]["p50"] - phase, 1.0) for p in pairs
        )
        print(f"        without the {phase:.0f} us from sensor to tick: p50 ratio {found['beyond_phase']:.3f} (no bar)")
    found["pairs"] = pairs
    return found


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="benchmarks latency", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one pair of 2 s, no verdict")
    parser.add_argument("--event", action="store_true", help="the sensor's messages wake both")
    parser.add_argument(
        "--rclpy",
        nargs="?",
        const=RCLPY_DEPTH,
        type=int,
        metavar="DEPTH",
        help=f"with --event and condition hog, against a callback of rclpy that keeps DEPTH messages ({RCLPY_DEPTH})",
    )
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each measurement")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS)
    options = parser.parse_args(arguments)
    if options.rclpy is not None and options.rclpy < 1:
        parser.error(f"--rclpy {options.rclpy}: a subscription keeps at least one message")
    other, event = ("rclpy", True) if options.rclpy else ("c", options.event)
    more = ("--event",) * event + (("--depth", options.rclpy) if options.rclpy else ())
    wanted = ("hog",) if options.rclpy else CONDITIONS
    pairs, seconds = (1, 2.0) if options.quick else (options.pairs, options.seconds)
    if shutil.which("gcc") is None:
        why = "gcc is not installed, so there is no loop in C to compare with: apt-get install gcc"
        print(why)
        return {"passed": None, "why": why}
    fifo = fifo_granted(LOOP_PRIORITY)
    if not fifo:
        print(NO_FIFO)
    before = steal()
    found: dict[str, Any] = {"pairs": pairs, "seconds": seconds, "fifo": fifo, "conditions": {}}
    print(f"latency sensor to command, us; medians of {pairs} interleaved pairs of {seconds:g} s; 1 kHz")
    heads = "".join(f"{key:>9s}" for key in QUANTILES)
    print(f"{'':17s}{heads}   fresh/s  gap max/ms   threads at SCHED_FIFO priority")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "controller.yaml").write_text(yaml.safe_dump(controller_file()))
        for name in ("controller", "measure"):
            compile_library(name, Path(folder))
        for condition in options.conditions or wanted:
            done = []
            for k in range(pairs):
                order = (other, "product") if k % 2 == 0 else ("product", other)
                done.append({one: one_run(one, condition, folder, seconds, more) for one in order})
            found["conditions"][condition] = report(condition, done, event)
    found["stolen_percent"] = stolen(before)
    print(f"  the hypervisor took {found['stolen_percent']:.1f} % of the time")
    bars = BARS_OF_RCLPY if options.rclpy else BARS_OF_EVENTS if event else BARS
    found["passed"], why = judge(found, wanted, bars)
    print(f"  {verdict(found['passed'], why)} (bars: {', '.join(f'{bar} at {key}' for key, bar in bars.items())})")
    return found


def judge(found: dict[str, Any], wanted: Sequence[str], bars: dict[str, float]) -> tuple[bool | None, str]:
    """Return whether the bars are met (None without a verdict), and why not."""
    if not found["fifo"]:
        return None, "SCHED_FIFO is not granted"
    for condition, values in found["conditions"].items():
        for pair in values["pairs"]:
            for name in pair.keys() - {"rclpy"}:
                if wrong_priorities(pair[name]):
                    return False, f"{name}, {condition}: {wrong_priorities(pair[name])}"
    if found["pairs"] < PAIRS or found["seconds"] < SECONDS or not found["conditions"].keys() >= set(wanted):
        return None, f"that takes {PAIRS} pairs of {SECONDS:g} s with {', '.join(wanted)}"
    late = [
        f"{condition} {key} {values['ratio'][key]:.3f}"
        for condition in wanted
        for values in [found["conditions"][condition]]
        for key, bar in bars.items()
        if values["ratio"][key] > bar
    ]
    return not late, ", ".join(late)


def child(arguments: list[str]) -> None:
    """Run a child process: ``role {c,rclpy,product,measure} FOLDER HOG [--event] [--depth N] [--seconds S]``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("implementation", choices=("c", "rclpy", "product", "measure"))
    parser.add_argument("folder")
    parser.add_argument("hog", type=int)
    parser.add_argument("--event", action="store_true")
    parser.add_argument("--depth", type=int, default=RCLPY_DEPTH)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)
    if options.hog:
        hog()
    if options.implementation == "measure":
        run_measure(options.folder, options.seconds)
    elif options.implementation == "rclpy":
        run_rclpy(options.folder, options.depth)
    else:
        {"c": run_c, "product": run_product}[options.implementation](options.folder, options.event)


if __name__ == "__main__":
    if sys.argv[1:2] == ["role"]:
        child(sys.argv[2:])
    else:
        sys.exit(exit_code(main()))
