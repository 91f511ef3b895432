"""Memory of a controller node at 1 kHz: it must not grow.

The demo's world and controller run as processes; the resident memory of the controller is read at 10 s and at 60 s.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from snn_control.ros.launching import closed_loop, command_line, environment_of_child

GROWTH_BAR = 1024 * 1024  # bytes


def resident(pid: int) -> int:
    """Resident set of a process [bytes]."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="benchmarks soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    seconds = 20.0 if options.quick else options.seconds
    child = environment_of_child()
    child.setdefault("ROS_DOMAIN_ID", str(20 + os.getpid() % 80))
    processes = closed_loop(world_arguments=json.dumps({"duration": 1e3}), duration=0.0)
    running = [subprocess.Popen(command_line(p), env=child) for p in processes]
    begin, samples = time.monotonic(), {}
    try:
        while (now := time.monotonic() - begin) < seconds + 0.5:
            samples[round(now)] = resident(running[1].pid)
            time.sleep(1.0)
    finally:
        for process in running:
            process.terminate()
        codes = [process.wait(20) for process in running]
    first, last = samples[min(samples, key=lambda t: abs(t - 10))], samples[max(samples)]
    passed = abs(last - first) < GROWTH_BAR and not any(codes)
    print(
        f"resident at 10 s {first / 1e6:.2f} MB, at {max(samples)} s {last / 1e6:.2f} MB: "
        f"{(last - first) / 1e3:+.0f} kB (bar {GROWTH_BAR / 1e3:.0f} kB) {'PASS' if passed else 'FAIL'}"
    )
    return {"first": first, "last": last, "codes": codes, "passed": passed}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
