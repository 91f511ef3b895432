"""Reading numbers from a serialized message by the compiled reader of the loop's inputs: the time more than that of a
single number, so without the call from Python.

    python -m benchmarks.walks
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .engine import undisturbed
from .processes import exit_code

MOST_US = 1.0  # limit for 12 joints by name
ROOM = 2048  # numbers


def reading(message_class: type, path: str, messages: Sequence[Any]) -> Callable[[int], None]:
    """Return a function that reads a given number of messages, one after another."""
    from rclpy.serialization import serialize_message

    from snn_control.ros.messages.message_values import compiled_reader
    from snn_control.ros.messages.path_program import compile_path
    from snn_control.ros.messages.selection import SCRATCH_WORDS

    program, run = compile_path(message_class, path), compiled_reader()
    scratch, out = np.zeros(SCRATCH_WORDS, np.int64), np.zeros(ROOM)
    data = [np.frombuffer(serialize_message(one), np.uint8).copy() for one in messages]
    room = out.ctypes.data, ROOM, scratch.ctypes.data
    calls = [(program.address, one.ctypes.data, one.size, *room, 0) for one in data]
    for call in calls:
        assert run(*call) > 0, path

    def times(count: int, kept: object = (program, data, out, scratch)) -> None:
        for call in itertools.islice(itertools.cycle(calls), count):
            run(*call)

    return times


def ways() -> dict[str, Callable[[int], None]]:
    from sensor_msgs.msg import JointState, LaserScan
    from std_msgs.msg import Float64

    rng = np.random.default_rng(0)
    joints = [f"leg_{k}_{part}_joint" for k in range(4) for part in ("hip", "thigh", "calf")]
    wanted = ",".join(rng.permutation(joints))

    def state(names: list[str]) -> JointState:
        numbers = (rng.normal(size=len(names)).tolist() for _ in range(3))
        return JointState(name=names, **dict(zip(("position", "velocity", "effort"), numbers, strict=True)))

    scan = LaserScan(angle_min=-3.14, angle_increment=6.28 / 719, ranges=rng.uniform(1, 9, 720).tolist())
    return {
        "one number": reading(Float64, "data", [Float64(data=1.0)]),
        "12 joints, position[:]": reading(JointState, "position[:]", [state(joints)]),
        "12 joints by name": reading(JointState, f"position[name={wanted}]", [state(joints)]),
        "12 joints by name, another order each time": reading(
            JointState, f"position[name={wanted}]", [state(joints), state(joints[::-1])]
        ),
        "121 of 720 beams, ranges[-30deg:30deg]": reading(LaserScan, "ranges[-30deg:30deg]", [scan]),
    }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="benchmarks walks", description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    every, found = ways(), {}
    for _ in range(5 if options.quick else 25):
        with undisturbed():
            for name, times in every.items():
                begin = time.perf_counter_ns()
                times(2000)
                found.setdefault(name, []).append((time.perf_counter_ns() - begin) / 2000)
        time.sleep(0.01)  # below the kernel's limit for real-time threads
    medians = {name: float(np.median(values)) for name, values in found.items()}
    ns = {name: value - medians["one number"] for name, value in medians.items() if name != "one number"}
    for name, value in ns.items():
        print(f"  {name:45s} {value:6.0f} ns")
    worst = max(value for name, value in ns.items() if "by name" in name) / 1e3
    print(f"  12 joints by name: at most {worst:.2f} us (bar {MOST_US:g}): {'PASS' if worst <= MOST_US else 'FAIL'}")
    return {"ns": ns, "passed": worst <= MOST_US}


if __name__ == "__main__":
    sys.exit(exit_code(main()))
