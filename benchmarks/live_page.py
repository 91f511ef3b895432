"""What the live page costs a controller node at 1 kHz with 10,000 neurons and 100,000 spikes a second, in interleaved
pairs without and with two pages.

The measuring process of `latency` publishes a sensor at 1 kHz and times each command. The pages are two clients that
read every frame, served by `snn_control watch --node`. Their cost is the processor time of the node's threads other
than the loop, and of the server.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import yaml

from .latency import PHASE_NS, SETTLE, TIMEOUT, compile_library, controller_file
from .processes import NO_FIFO, Process, exit_code, fifo_granted, verdict

BARS = {"p99": 1.05, "cpu": 0.15, "lag_ms": 100.0}
PAIRS, SECONDS = 6, 10.0
BIAS = 1.007  # fires 10,000 neurons about 10 times a second each
TICK = os.sysconf("SC_CLK_TCK")


def network() -> dict[str, Any]:
    """Return the controller of `latency` with 10,000 more neurons."""
    file = controller_file()
    file["network"]["populations"]["busy"] = {
        "size": 10_000, "neuron": {"type": "lif", "tau_mem": 0.02}, "bias": BIAS,
        "v_init": {"type": "uniform", "low": 0.0, "high": 1.0, "seed": 1},
    }  # fmt: skip
    return file


def run_pages(seconds: float) -> None:
    """Serve the node and read all frames with two clients; print what they got, and what it cost."""
    from snn_control.ros.watched_node import WatchedNode
    from snn_control.watch import Client
    from snn_control.watch.server import Server

    node = WatchedNode("controller")
    server = Server(node)
    began, used = time.monotonic(), time.process_time()
    found: list[dict[str, float]] = []

    def look() -> None:
        frames, spikes, lags = 0, 0, []
        with Client(server.url) as client:
            while time.monotonic() < began + seconds:
                header, arrays = client.frame()
                frames, spikes = frames + 1, spikes + len(arrays["spike_step"])
                lags.append((time.time() - header["sent"]) * 1e3)
        found.append({"frames": frames / seconds, "spikes": spikes / seconds, "lag_ms": max(lags),
                      "dropped": header["dropped"], "left_out": header["left_out"]})  # fmt: skip

    clients = [threading.Thread(target=look) for _ in range(2)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    cpu = (time.process_time() - used) / seconds  # with the two clients, which are in this process
    server.close()
    node.close()
    print(json.dumps({"clients": found, "cpu": cpu}))


def cpu_of(process: Process) -> float:
    """Return the processor time of a process's threads of ordinary priority [s]."""
    total = 0
    for task in Path(f"/proc/{process.process.pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) * (int(fields[37]) == 0)
    return total / TICK


def one_run(pages: bool, folder: str, seconds: float) -> dict[str, Any]:
    node = Process("latency", "role", "product", folder, 0)
    looking = None
    try:
        measuring = Process("latency", "role", "measure", folder, 0, "--seconds", seconds)
        try:
            time.sleep(SETTLE + 2.0)
            if pages:
                looking = Process("live_page", "role", seconds - 2.0)
            before, began = cpu_of(node), time.monotonic()
            time.sleep(seconds - 3.0)
            cpu = (cpu_of(node) - before) / (time.monotonic() - began)
            found = measuring.result(TIMEOUT + seconds + 30.0, node)
            found["node_cpu"] = cpu
            if looking is not None:
                found["pages"] = looking.result(TIMEOUT)
        finally:
            measuring.end()
    finally:
        if looking is not None:
            looking.end()
        node.end()
    return found


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="benchmarks live_page", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one pair of 6 s, no verdict")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each measurement")
    options = parser.parse_args(arguments)
    pairs, seconds = (1, 6.0) if options.quick else (options.pairs, options.seconds)
    if shutil.which("gcc") is None:
        return {"passed": None, "why": "gcc is not installed, so the sensor cannot be made"}
    fifo = fifo_granted(80)
    if not fifo:
        print(NO_FIFO)
    done = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "controller.yaml").write_text(yaml.safe_dump(network()))
        compile_library("measure", Path(folder))
        for k in range(pairs):
            order = (False, True) if k % 2 == 0 else (True, False)
            pair = {one: one_run(one, folder, seconds) for one in order}
            done.append(pair)
            for one in (False, True):
                m = pair[one]
                print(f"  {'two pages' if one else 'no page':9s} p50 {m['p50']:7.0f} us  p99 {m['p99']:7.0f}  p99.9 "
                      f"{m['p99.9']:7.0f}  node's other threads {100 * m['node_cpu']:5.1f} %", end="")  # fmt: skip
                print(f"  pages {m['pages']}" if one else "")
    wait = PHASE_NS / 1e3  # of the sensor's message for its tick, in both
    ratio = {
        key: statistics.geometric_mean(pair[True][key] / pair[False][key] for pair in done) for key in ("p50", "p99")
    }
    cpu = statistics.median(p[True]["node_cpu"] - p[False]["node_cpu"] + p[True]["pages"]["cpu"] for p in done)
    lag = statistics.median(max(c["lag_ms"] for c in p[True]["pages"]["clients"]) for p in done)
    print(
        f"  ratio with / without: p50 {ratio['p50']:.3f}, p99 {ratio['p99']:.3f} (of which {wait:.0f} us are the wait)"
    )
    print(f"  the pages use {100 * cpu:.1f} % of a core, and are at most {lag:.0f} ms behind")
    found = {"pairs": done, "ratio": ratio, "cpu": cpu, "lag_ms": lag, "fifo": fifo}
    over = [k for k, one in {"p99": ratio["p99"], "cpu": cpu, "lag_ms": lag}.items() if one > BARS[k]]
    found["passed"] = None if not fifo or pairs < PAIRS else not over
    print(f"  {verdict(found['passed'], ', '.join(over))}")
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["role"]:
        run_pages(float(sys.argv[2]))
    else:
        sys.exit(exit_code(main()))
