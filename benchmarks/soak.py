"""A controller node at 1 kHz for long, with recording on (``make soak``): nothing grows, and every lost tick is
reported.

The demo's world and controller run as processes. Each second the controller's resident memory, descriptors and threads
are read; after a tenth of the time, at most a minute, they must stay constant. cyclictest runs meanwhile on the loop's
CPU at a higher priority and wakes at the same instants: if it loses a period, the machine lost it. At the end the
record must have a tick for each period, or report it as missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from snn_control.engine.control_words import ELAPSED, WHOLE
from snn_control.record.input_log import InputLog
from snn_control.record.run_folder import companion, read_record
from snn_control.ros.nodes.launching import ARGUMENTS, closed_loop, command_line, environment_of_child

GROWTH_BAR = 2 << 20  # bytes
SECONDS, PERIOD_NS = 900.0, 1_000_000
PRIORITY = 90  # priority of cyclictest; the loop has 80


def seen(pid: int) -> tuple[int, int, int]:
    """Return resident set [bytes], open descriptors and threads of a process."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return resident, len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))


def cyclictest(seconds: float, cpu: int) -> subprocess.Popen | None:
    """Start cyclictest on a CPU; returns None if it is not installed."""
    if shutil.which("cyclictest") is None:
        return None
    line = ["cyclictest", "-q", "-m", f"-p{PRIORITY}", "-i1000", "-t1", "-h100000", f"-a{cpu}", f"-D{round(seconds)}"]
    line.append(f"--secaligned={round(ARGUMENTS['phase'][0] * 1e6)}")
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def lost(text: str) -> int:
    """Return by how many whole periods of 1 ms wake-ups of cyclictest were late in all, from its printed histogram."""
    rows = np.array([line.split()[:2] for line in text.splitlines() if re.match(r"\d+\s+\d+", line)], np.int64)
    return int((rows[:, 0] // 1000 * rows[:, 1]).sum())


def accounted(file: Path) -> dict[str, Any]:
    """Return the number of ticks in a record, and of the periods that passed by their control words, and by their
    stamps."""
    arrays, facts = read_record(file)
    log = InputLog.load(companion(file, "inputs"))
    stamps = arrays["stamp_ns"][-log.ticks :]
    return {
        "ticks": log.ticks,
        "periods": int(log.control[1:, ELAPSED].sum() // WHOLE) + 1,
        "by_stamps": round((stamps[-1] - stamps[0]) / PERIOD_NS) + 1,
        "numbered": int(log.first_tick + log.ticks),
        "counted": int(facts["stats"]["ticks"]),
    }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="benchmarks soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"length of the run (default {SECONDS:g})")
    parser.add_argument("--quick", action="store_true", help="20 s")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="of the loop")
    options = parser.parse_args(arguments)
    seconds = 20.0 if options.quick else options.seconds
    child = environment_of_child()
    child.setdefault("ROS_DOMAIN_ID", str(20 + os.getpid() % 80))
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "soak.npz"
        world, controller = closed_loop(world_arguments=json.dumps({"duration": 100.0}), duration=0.0, cpu=options.cpu)
        controller = dataclasses.replace(controller, parameters=controller.parameters | {"record": str(record)})
        running = [subprocess.Popen(command_line(p), env=child) for p in (world, controller)]
        told = Told(child["ROS_DOMAIN_ID"])
        samples, other, missed = watch(running[1].pid, seconds, options.cpu, told)
        for process in reversed(running):
            process.terminate()
        codes = [process.wait(120) for process in running]
        found: dict[str, Any] = {"seconds": seconds, "codes": codes, **accounted(record)}
    found["missed"], found["lost_by_cyclictest"] = missed, None if other is None else lost(other)
    return judge(found, np.array(samples))


class Told:
    """Receives how many periods the controller has missed, from its diagnostics."""

    def __init__(self, domain: str) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor

        context = rclpy.Context()
        rclpy.init(context=context, domain_id=int(domain))
        node = rclpy.create_node("soak", context=context, enable_rosout=False)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._hear, 10)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        threading.Thread(target=executor.spin, daemon=True).start()
        self.missed, self._heard = 0, threading.Event()

    def wait(self) -> None:
        """Wait for the next report."""
        self._heard.clear()
        self._heard.wait(10.0)

    def _hear(self, message: Any) -> None:
        for status in message.status:
            if status.name == "/controller: loop":
                self.missed = next((int(pair.value) for pair in status.values if pair.key == "missed"), self.missed)
                self._heard.set()


def watch(pid: int, seconds: float, cpu: int, told: Told) -> tuple[list[tuple[int, int, int]], str | None, int]:
    """Return samples of a process, one a second; the output of cyclictest meanwhile, if it is installed; and how many
    periods the controller has missed meanwhile."""
    time.sleep(8.0)  # it starts
    time.sleep(1.2 - time.monotonic() % 1.0)
    test, samples = cyclictest(seconds, cpu), []
    time.sleep(1.0 - time.monotonic() % 1.0)  # cyclictest begins at a full second
    begin = shown = time.monotonic()
    told.wait()  # wait for a report after its begin, and after its end, so that both count over the same time
    before, end = told.missed, begin + seconds - 2.0
    while time.monotonic() < end:
        samples.append(seen(pid))
        if time.monotonic() > shown + 60:
            shown = time.monotonic()
            print(f"{end - shown:.0f} s left: resident {samples[-1][0] / 1e6:.2f} MB, {told.missed} missed", flush=True)
        time.sleep(1.0)
    printed = None if test is None else test.communicate(timeout=60)[0]
    told.wait()
    return samples, printed, told.missed - before


def judge(found: dict[str, Any], samples: np.ndarray) -> dict[str, Any]:
    """Print the results and whether they are within their bars."""
    settled = samples[min(60, len(samples) // 10) :]
    grown = int(settled[-1, 0] - settled[0, 0])
    missed, other = found["missed"], found["lost_by_cyclictest"]
    checks = {
        f"resident memory {grown / 1e3:+.0f} kB after warm-up (bar {GROWTH_BAR / 1e3:.0f} kB)": grown < GROWTH_BAR,
        f"descriptors {settled[0, 1]} to {settled[:, 1].max()}": np.ptp(settled[:, 1]) == 0,
        f"threads {settled[0, 2]} to {settled[:, 2].max()}": np.ptp(settled[:, 2]) == 0,
        f"{found['counted']:,} ticks, {found['numbered']:,} numbered": found["counted"] == found["numbered"],
        f"of {found['ticks']:,} recorded ticks {found['periods']:,} periods by their control words, "
        f"{found['by_stamps']:,} by their stamps": abs(found["periods"] - found["by_stamps"]) <= 1,
        f"{missed} missed, cyclictest lost {'(not installed)' if other is None else other}": (
            other is None or missed <= other
        ),
        f"exit codes {found['codes']}": not any(found["codes"]),
    }
    for text, good in checks.items():
        print(f"  {text}: {'PASS' if good else 'FAIL'}")
    return found | {"grown": grown, "passed": all(checks.values())}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
