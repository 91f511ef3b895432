"""Build of a big network: 100,000 neurons, 10 million synapses, from a description to a controller that ticks.

The synapses are given in three ways: drawn for each presynaptic neuron, drawn for each postsynaptic one, and as
unsorted int64 index arrays with float32 weights. Each network is built in a process of its own. The peak of its
resident memory includes Python, NumPy, numba and the given arrays. The first process also compiles the kernels and is
not counted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from snn_control.coding import Output, SpikeDecoder
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.network import (
    LIF,
    Connector,
    FixedIndegree,
    FixedOutdegree,
    FromArrays,
    Network,
    Normal,
    Population,
    Projection,
    Uniform,
)

from .processes import Process, exit_code, verdict

NEURONS, DEGREE, DT = 100_000, 100, 1e-3
WAYS = ("fixed_outdegree", "fixed_indegree", "arrays")
SECONDS_BAR, BYTES_BAR = 5.0, 500e6


def synapses(way: str, n: int) -> tuple[Connector, Any]:
    """Return the connector and its weights."""
    if way != "arrays":
        connector = FixedOutdegree if way == "fixed_outdegree" else FixedIndegree
        return connector(DEGREE, seed=1), Normal(0.0, 0.02, seed=2)
    rng = np.random.default_rng(1)
    pre, post = (rng.integers(0, n, n * DEGREE) for _ in range(2))
    weights = rng.standard_normal(n * DEGREE, np.float32)
    weights *= np.float32(0.02)
    return FromArrays(pre, post), weights


def peak() -> int:
    """Return the peak of this program's resident memory [bytes]; ru_maxrss would include the parent before the exec."""
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def measure(way: str, n: int = NEURONS) -> dict[str, Any]:
    """Build in this process; return the seconds from the description to the first tick, and the memory."""
    connector, weights = synapses(way, n)
    before, begin = peak(), time.perf_counter()
    network = Network(
        (Population("a", n, LIF(), bias=1.1, v_init=Uniform(0.0, 1.0, seed=3)),),
        (Projection("a", "a", weights, connector, delay=DT),),
    )
    controller = Controller(build(network, [], [Output("u", (SpikeDecoder("a", 1e-3, 0.01),))], dt=DT, period=DT))
    controller.step({})
    seconds = time.perf_counter() - begin
    for _ in range(20):
        controller.step({})
    return {
        "seconds": seconds,
        "peak": peak(),
        "given": before,
        "synapses": controller.program.facts.projections[0].synapses,
        "operations": controller.counters()["synaptic_operations"],
    }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="benchmarks build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one run of each way instead of three")
    options = parser.parse_args(arguments)
    Process("build", WAYS[-1]).result(300)  # compiles
    found: dict[str, Any] = {}
    print(f"{'':16}  seconds  peak MB, of which before the build")
    for way in WAYS:
        runs = [Process("build", way).result(300) for _ in range(1 if options.quick else 3)]
        found[way] = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
        print(
            f"{way:16}  {found[way]['seconds']:7.2f}  {found[way]['peak'] / 1e6:7.0f} {found[way]['given'] / 1e6:7.0f}"
        )
    passed = all(run["seconds"] < SECONDS_BAR and run["peak"] < BYTES_BAR for run in found.values())
    print(verdict(passed, f"bars: {SECONDS_BAR:.0f} s, {BYTES_BAR / 1e6:.0f} MB"))
    return found | {"passed": passed}


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in WAYS:
        print(json.dumps(measure(sys.argv[1])))
    else:
        sys.exit(exit_code(main()))
