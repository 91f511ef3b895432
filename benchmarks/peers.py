"""The engine compared with other installed simulators, workloads A to C; each in its own process, in turn.

``--python`` names interpreters of other environments in which to look as well.
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

import numpy as np

from .peer_networks import PEERS
from .workloads import inputs

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}


def installed(python: str) -> list[str]:
    """Return the simulators that an interpreter finds."""
    code = f"import importlib.util as u; print(*[n for n in {list(PEERS)} if u.find_spec(n)])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return done.stdout.split()


class Worker:
    """A simulator's process."""

    def __init__(self, python: str, name: str, workload: str) -> None:
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.peer_networks", name, workload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().strip() or "failed: it ended"

    def run(self, seconds: float) -> dict[str, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(seconds, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate(timeout=30)


def measure(workload: str, found: dict[str, str], rounds: int, seconds: float) -> dict[str, Any]:
    """Return medians of interleaved rounds, and of the rounds' ratios to the engine; ``found``: simulator ->
    interpreter."""
    from .engine import Engine, calls, undisturbed

    engine = Engine(workload)
    step, rows = engine.stepper(), [np.ascontiguousarray(row) for row in inputs()]
    workers = {name: Worker(python, name, workload) for name, python in found.items()}
    for name in [name for name, worker in workers.items() if worker.ready != "ready"]:
        print(f"{workload} {name:14s} {workers.pop(name).ready}")
    us: dict[str, list[float]] = {name: [] for name in ("engine", *workers)}
    spikes: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        with undisturbed():
            us["engine"].append(calls(step, rows, 500))
        for name, worker in workers.items():
            answer = worker.run(seconds)
            us[name].append(answer["us"])
            spikes[name].append(answer["spikes"])
        time.sleep(0.02)  # below the kernel's limit for real-time threads
    for worker in workers.values():
        worker.end()
    ticks = engine.bound.array("clock")[0]
    rate = engine.bound.array("spike_counts")[2 if workload == "A" else 0] / ticks
    result = {"engine": {"us": float(np.median(us["engine"])), "spikes": float(rate)}}
    for name in workers:
        ratio = float(np.median(np.divide(us[name], us["engine"])))
        result[name] = {"us": float(np.median(us[name])), "spikes": float(np.mean(spikes[name])), "ratio": ratio}
    return result


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="benchmarks peers", description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="?", default="ABC", help="letters, default ABC")
    parser.add_argument("--python", action="append", default=[], metavar="PATH", help="another interpreter to look in")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    found: dict[str, str] = {}
    for python in (sys.executable, *options.python):
        found = dict.fromkeys(installed(python), python) | found
    figures: dict[str, Any] = {}
    print(f"other simulators here: {', '.join(found) or 'none'}")
    for workload in options.workloads if found else "":
        figures[workload] = measure(workload, found, 5 if options.quick else 9, 0.2)
        for name, one in figures[workload].items():
            times = f"{one['ratio']:8.1f} times the engine" if "ratio" in one else ""
            print(f"{workload} {name:14s} {one['us']:9.2f} us per step {one['spikes']:8.2f} spikes {times}", flush=True)
    return {"us": figures, "passed": None}


if __name__ == "__main__":
    main()
