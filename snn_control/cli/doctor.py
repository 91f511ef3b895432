"""``snn_control doctor``: check whether this computer is suitable for a real-time controller."""

from __future__ import annotations

import argparse
from typing import Any

from .common import add_command, add_shared, print_json

MORE = """\
Checks the kernel, the rights of a loop's thread, CPU frequency, isolated CPUs, other real-time threads, the priority
of a controller_manager that runs here (ros2_control), the clock, ROS 2 with its socket buffers, and the folder of
compiled kernels. Each line reports a finding and, if possible, the command that repairs it. Nothing is changed. The
exit code is 1 if a node could not run here; with --strict also if deadlines would be missed.

examples:
  snn_control doctor
  snn_control doctor --ros2-control
  snn_control doctor --json
"""
MARKS = {"ok": "ok", "note": "-", "warning": "!", "error": "X"}


def add_to(commands: Any) -> None:
    parser = add_command(commands, "doctor", run, "check whether this computer is fit for a real-time controller", MORE)
    parser.add_argument("--strict", action="store_true", help="exit code 1 also for warnings")
    parser.add_argument(
        "--ros2-control",
        action="store_true",
        help="also check the priority for a controller_manager that does not run yet",
    )
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from ..findings import ERROR, WARNING
    from ..realtime.machine import findings

    found = findings(ros2_control=options.ros2_control)
    if options.json:
        print_json([vars(one) for one in found])
    else:
        wide = max(len(one.path) for one in found)
        for one in found:
            print(f"{MARKS[one.level]:>2}  {one.path:{wide}}  {one.text}")
            if one.fix:
                print(f"{'':{wide + 6}}-> {one.fix}")
    bad = (ERROR, WARNING) if options.strict else (ERROR,)
    return int(any(one.level in bad for one in found))
