"""Faults injected from outside, each in a random moment, again and again: a table of what happened.

A 500 Hz controller echoes the time of the sensor's sample as one command, so the age of the data behind each command is
known; its other command follows a target that jumps, within limits of position, velocity, acceleration and jerk. Other
processes kill, stop, flood and mislead it, and hear every command. Exit code 1 if a rule was broken.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from snn_control.ros import STOP_SIGNALS
from tests.ros.faults.messages import MESSAGES, PROCESSES, message, settled
from tests.ros.faults.nodes import NODES
from tests.ros.faults.rig import (
    Listener,
    Rig,
    Stalls,
    Verdict,
    tell,
)

HEAD = "| fault | times | safe command later than it was due [ms] | oldest data [ms] | commands | beyond limits | |"


def row(name: str, verdict: Verdict) -> str:
    late = "" if verdict.late == -float("inf") else f"{verdict.late * 1e3:.2f}"
    oldest = f"{verdict.oldest * 1e3:.1f}" if verdict.oldest else ""
    told = "kept" if verdict.good else "; ".join(sorted(set(verdict.wrong))[:3])
    told = told or ("beyond limits" if verdict.broken else "too late")
    return f"| {name} | {verdict.times} | {late} | {oldest} | {verdict.commands:,} | {verdict.broken} | {told} |"


def run_with_one_node(
    names: list[str], times: int, listener: Listener, stalls: Stalls, seed: int
) -> dict[str, Verdict]:
    """The faults that one node takes, one after the other."""
    found: dict[str, Verdict] = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            rig = Rig(Path(folder))
            rig.current = rig.sensor()
            tell(rig.current, "good")
            node = rig.node()
            try:
                rig.active()
                settled(listener, rig.zero)
                time.sleep(0.5)
                inject = message(*MESSAGES[name]) if name in MESSAGES else PROCESSES[name]
                found[name] = inject(rig, listener, stalls, node, rig.current, times, random.Random(f"{seed} {name}"))
                node.send_signal(signal.SIGINT)
                if (code := node.wait(30)) != 0:
                    found[name].wrong.append(f"exit code {code} at the end")
            finally:
                rig.close()
        print(row(name, found[name]), flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=20, help="how often each fault is injected (default 20)")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", default="", metavar="FILE", help="write the table there (Markdown)")
    options = parser.parse_args()
    for number in STOP_SIGNALS:  # a shell's background jobs ignore some of them, and so would the nodes
        signal.signal(number, signal.SIG_DFL)
    os.environ.setdefault("ROS_DOMAIN_ID", "91")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    listener, stalls, begin = Listener(), Stalls(), time.time()
    print(HEAD + "\n|---|---|---|---|---|---|---|", flush=True)
    wanted = [name for name in (*MESSAGES, *PROCESSES) if options.only in name]
    found = run_with_one_node(wanted, options.times, listener, stalls, options.seed)
    for name, (inject, more) in NODES.items():
        if options.only in name:
            with tempfile.TemporaryDirectory() as folder:
                random_ = random.Random(f"{options.seed} {name}")
                found[name] = inject(Path(folder), listener, stalls, options.times * more, random_)
            print(row(name, found[name]), flush=True)
    kept = sum(one.good for one in found.values())
    stalled = stalls.within(begin, time.time())
    seconds, machine = time.time() - begin, f"{platform.platform()}, {os.cpu_count()} cores"
    told = f"{kept} of {len(found)} kept their rules, in {seconds:.0f} s. {machine}; the machine itself was stalled "
    told += f"for {stalled:.2f} s, which times are without."
    print(told)
    if options.write:
        text = "\n".join([HEAD, "|---|---|---|---|---|---|---|", *(row(*one) for one in found.items()), "", told, ""])
        Path(options.write).write_text(text, encoding="utf-8")
    return 0 if kept == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
