"""Wake-up latency of the loop at 1 kHz compared with cyclictest (Debian's rt-tests), in interleaved pairs.

Both have one thread at SCHED_FIFO 80, absolute deadlines of 1 ms on CLOCK_MONOTONIC and locked memory, in a process of
their own. Both are pinned to one CPU, by default the last. A thread at SCHED_FIFO hardly ever moves, and one CPU
(mostly the first) serves the machine's interrupts and housekeeping, so chance would decide otherwise. The CPUs' latency
target is held at 0 for both, as cyclictest does. The loop's sleep ends 30 us before its deadline, and then it watches
the clock. This is part of the loop and so of the comparison, which measures how late a tick begins. cyclictest counts
whole us, cut off: a count of n us is read as n + 0.5 us. The bins of the loop's histogram are 3 % wide.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from snn_control.engine.compile import compile_callback
from snn_control.realtime import histogram
from snn_control.realtime.loop import Loop

from .processes import NO_FIFO, Process, exit_code, fifo_granted, steal, stolen, verdict

BARS = {"p99": 1.2, "p99.9": 1.5}  # median of loop / cyclictest
PAIRS, SECONDS = 7, 30.0
PRIORITY, PERIOD_NS = 80, 1_000_000
HISTOGRAM_US = 50_000
QUANTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}


def nothing(table):
    """A tick that does nothing."""


def run_loop(seconds: float, cpu: int) -> None:
    """Run the child process: the product's loop without ports; prints its wake-ups [us]."""
    loop = Loop(compile_callback(nothing, "void(int64)"), 0, PERIOD_NS, priority=PRIORITY, cpus=[cpu])
    rights = loop.start(round(seconds * 1e9 / PERIOD_NS))
    time.sleep(seconds)
    while loop.running:
        time.sleep(0.05)
    loop.stop()
    stats, values = loop.stats(), histogram.percentile(loop.wake, list(QUANTILES.values())) / 1e3
    print(
        json.dumps(
            {
                **dict(zip(QUANTILES, values.tolist(), strict=True)),
                "max": stats["wake"]["max"] / 1e3,
                "count": stats["wake"]["count"],
                "missed": stats["missed"],
                "priority": rights.priority,
                "memory_locked": rights.memory_locked,
            }
        )
    )


def cyclictest(seconds: float, cpu: int) -> dict[str, float]:
    """Return the wake-ups of cyclictest [us]."""
    command = ["cyclictest", "-q", "-m", f"-p{PRIORITY}", f"-i{PERIOD_NS // 1000}", "-t1", f"-h{HISTOGRAM_US}"]
    command += [f"-a{cpu}", f"-l{round(seconds * 1e9 / PERIOD_NS)}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60.0)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr or done.stdout}")
    return read_histogram(done.stdout)


def read_histogram(text: str) -> dict[str, float]:
    """Return percentiles [us] from the output of ``cyclictest -h``: lines of us and count, then ``# Max Latencies:
    n``."""
    rows = np.array([line.split()[:2] for line in text.splitlines() if re.match(r"\d+\s+\d+", line)], np.int64)
    largest = float(re.search(r"# Max Latencies:\s*(\d+)", text).group(1))  # type: ignore[union-attr]
    over = int(re.search(r"# Histogram Overflows:\s*(\d+)", text).group(1))  # type: ignore[union-attr]
    cumulative = np.cumsum(np.append(rows[:, 1], over))
    edges = np.append(rows[:, 0] + 0.5, largest)
    ranks = np.ceil(np.array(list(QUANTILES.values())) / 100.0 * cumulative[-1])
    values = edges[np.searchsorted(cumulative, ranks)]
    return {**dict(zip(QUANTILES, values.tolist(), strict=True)), "max": largest, "count": int(cumulative[-1])}


@contextmanager
def awake_cpus() -> Iterator[bool]:
    """Hold the CPUs' latency target at 0, which cyclictest does for itself; yields whether that was granted."""
    try:
        target = open("/dev/cpu_dma_latency", "wb", buffering=0)
        target.write(b"\0\0\0\0")
    except OSError:
        yield False
        return
    with target:
        yield True


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="benchmarks wakeup", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one pair of 3 s, no verdict")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each measurement")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="CPU of both")
    options = parser.parse_args(arguments)
    pairs, seconds = (1, 3.0) if options.quick else (options.pairs, options.seconds)
    if shutil.which("cyclictest") is None:
        why = "cyclictest is not installed, so there is nothing to compare with: apt-get install rt-tests"
        print(why)
        return {"passed": None, "why": why}
    if not fifo_granted(PRIORITY):
        print(NO_FIFO)  # cyclictest does not run without it either
        return {"passed": None, "why": "SCHED_FIFO is not granted"}
    before, done = steal(), []
    run = {
        "cyclictest": lambda: cyclictest(seconds, options.cpu),
        "loop": lambda: Process("wakeup", "role", seconds, options.cpu).result(seconds + 60.0),
    }
    with awake_cpus():
        for k in range(pairs):
            order = ("cyclictest", "loop") if k % 2 == 0 else ("loop", "cyclictest")
            done.append({one: run[one]() for one in order})
    found: dict[str, Any] = {
        "runs": pairs,
        "seconds": seconds,
        "cpu": options.cpu,
        "pairs": done,
        "stolen_percent": stolen(before),
    }
    print(f"wake-up latency at 1 kHz, us; medians of {pairs} interleaved pairs of {seconds:g} s on CPU {options.cpu}")
    print("              " + "".join(f"{key:>9s}" for key in (*QUANTILES, "max")))
    for name in run:
        found[name] = {key: statistics.median(pair[name][key] for pair in done) for key in (*QUANTILES, "max")}
        print(f"  {name:12s}" + "".join(f"{value:9.1f}" for value in found[name].values()))
    ratios = {key: [pair["loop"][key] / pair["cyclictest"][key] for pair in done] for key in QUANTILES}
    found["ratio"] = {key: statistics.median(values) for key, values in ratios.items()}
    print("  ratio       " + "".join(f"{value:9.3f}" for value in found["ratio"].values()))
    for key in BARS:
        print(f"        pairs: {key} {[round(value, 3) for value in ratios[key]]}")
    missed = sum(pair["loop"]["missed"] for pair in done)
    print(f"  the loop missed {missed} of {round(pairs * seconds * 1e9 / PERIOD_NS)} periods; ", end="")
    print(f"the hypervisor took {found['stolen_percent']:.1f} % of the time")
    found["passed"], why = judge(found)
    bars = ", ".join(f"{bar} at {key}" for key, bar in BARS.items())
    print(f"  {verdict(found['passed'], why)} (bars, median of the pairs: {bars})")
    return found


def judge(found: dict[str, Any]) -> tuple[bool | None, str]:
    """Return whether the bars are met (None without a verdict), and why not."""
    if any(pair["loop"]["priority"] != PRIORITY for pair in found["pairs"]):
        return False, f"the loop did not get SCHED_FIFO {PRIORITY}, which is granted here"
    if found["runs"] < PAIRS or found["seconds"] < SECONDS:
        return None, f"that takes {PAIRS} pairs of {SECONDS:g} s"
    late = [f"{key} {found['ratio'][key]:.3f}" for key, bar in BARS.items() if found["ratio"][key] > bar]
    return not late, ", ".join(late)


if __name__ == "__main__":
    if sys.argv[1:2] == ["role"]:
        run_loop(float(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(exit_code(main()))
