"""Speed of a tick compared with the same networks in C, interleaved in one process.

Workloads A to D (see ``workloads``), dt 1 ms, one thread, a new input vector in each step. They are called from Python
(both through ctypes, ours by `Bound.stepper`), and in a loop of compiled code. The engine's tick does more than the C
step: it checks the input, decodes the spikes and guards a command. Only the ratios within one run are meaningful.

The floor is the least cost of any step, measured in the same run: the shortest loops over the neurons and over the
synaptic events of a step.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from snn_control.coding import Output, SpikeDecoder, ValueInput
from snn_control.engine.bound import Bound
from snn_control.engine.build import build
from snn_control.engine.compile import compile_function
from snn_control.engine.memory import call_kernel, f64
from snn_control.engine.program import Program
from snn_control.engine.slots import FRESH
from snn_control.engine.tick import tick_address
from snn_control.network import CubaLIF, Network, Population, Projection
from snn_control.realtime.rights import set_fifo

from .c_reference import Floor, Reference
from .processes import NO_FIFO, exit_code
from .workloads import DT, INPUTS, SIZES, TAU_MEM, TAU_SYN, inputs, recurrent, synaptic_layers

#: most time that (a call, a step in the loop) may take, relative to C
BARS = {"A": (0.60, 1.15), "B": (0.70, 0.90), "C": (0.80, 0.80), "D": (0.75, 0.75)}
#: number of calls, and of steps in the loop, in one round
LENGTHS = {"A": (2000, 20_000), "B": (2000, 10_000), "C": (500, 1000), "D": (60, 80)}


def program(workload: str) -> Program:
    """Build the workload as a controller whose outputs are the rates of the last layer, or the rate of the whole
    network."""
    neuron = CubaLIF(tau_mem=TAU_MEM, tau_syn=TAU_SYN, integration="exponential_euler")
    if workload == "A":
        names = ("x", "first", "second", "last")
        populations = tuple(Population(name, n, neuron) for name, n in zip(names[1:], SIZES[1:], strict=True))
        projections = tuple(
            Projection(pre, post, w, bias=bias)
            for pre, post, (w, bias) in zip(names, names[1:], synaptic_layers(), strict=False)
        )
        output = Output("rate", (SpikeDecoder("last", np.eye(SIZES[-1]), 0.02),), SIZES[-1], limits=(0, 1000))
    else:
        r = recurrent(workload)
        populations = (Population("last", r.n, neuron, bias=r.bias, v_init=r.v_init),)
        channels, pre = np.arange(r.n) % INPUTS, np.repeat(np.arange(r.n), r.targets.shape[1])
        projections = (
            Projection("x", "last", 1.0, "sparse", channels, np.arange(r.n), receptor="current"),
            Projection("last", "last", r.weights.reshape(-1), "sparse", pre, r.targets.reshape(-1), delay=DT),
        )
        output = Output("rate", (SpikeDecoder("last", 1 / r.n, 0.02),), limits=(0, 1000))
    return build(Network(populations, projections), [ValueInput("x", size=INPUTS)], [output], dt=DT, period=DT)


def run_ticks(tick, table, data, width, inputs_at, rows, steps):
    """Run ``steps`` ticks in one call, with a row of inputs (float64) for each."""
    x = f64(data, width)
    for k in range(steps):
        row = f64(inputs_at + 8 * width * (k % rows), width)
        for i in range(width):
            x[i] = row[i]
        call_kernel(tick, table)


class Engine:
    """A workload as a bound Program."""

    def __init__(self, workload: str) -> None:
        self.bound = Bound(program(workload))
        self.bound.array("x.slot")[FRESH] = 1
        self._run = compile_function(run_ticks, "void(int64,int64,int64,int64,int64,int64,int64)")

    def stepper(self) -> Callable[[np.ndarray], None]:
        return self.bound.stepper("x")

    def run(self, table: np.ndarray, steps: int) -> None:
        """Run ``steps`` ticks; ``table`` is (rows, 32) float64, the type of the io block."""
        data, rows = self.bound.address("x.data"), len(table)
        self._run(tick_address(), self.bound.table, data, INPUTS, int(table.ctypes.data), rows, steps)


@contextmanager
def undisturbed() -> Iterator[bool]:
    """Return a context on one CPU, with SCHED_FIFO if it is granted; yields whether it is."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cpus)})
    granted = set_fifo(10) == 10
    try:
        yield granted
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, cpus)


def calls(step: Callable, rows: list[np.ndarray], n: int) -> float:
    """Return the median time of ``n`` calls [us]."""
    clock = time.perf_counter_ns
    spent = np.empty(n)
    for k in range(n):
        x = rows[k % len(rows)]
        begin = clock()
        step(x)
        spent[k] = clock() - begin
    return float(np.median(spent)) / 1e3


def loop(run: Callable, table: np.ndarray, n: int) -> float:
    """Return the time per step of ``n`` steps in one call [us]."""
    begin = time.perf_counter_ns()
    run(table, n)
    return (time.perf_counter_ns() - begin) / n / 1e3


def measure(workload: str, rounds: int) -> dict[str, Any]:
    """Return medians of interleaved rounds [us per step], and the medians of the rounds' ratios to C."""
    reference, engine, floor = Reference(workload), Engine(workload), Floor(workload)
    table = inputs()
    wide = table.astype(np.float64)
    rows = [np.ascontiguousarray(row) for row in table]
    c_step, step = reference.stepper(), engine.stepper()
    counts, before = engine.bound.array("spike_counts"), 400
    fired = [c_step(rows[k % 1024]) for k in range(before)]
    for k in range(before):
        step(rows[k % 1024])
    spikes = counts[: 3 if workload == "A" else 1].tolist()
    found: dict[str, list[float]] = {key: [] for key in ("c_call", "call", "c_loop", "loop", "update", "event")}
    n_calls, n_loop = LENGTHS[workload]
    for _ in range(rounds):
        with undisturbed():
            found["c_call"].append(calls(c_step, rows, n_calls))
            found["call"].append(calls(step, rows, n_calls))
            found["c_loop"].append(loop(reference.run, table, n_loop))
            found["loop"].append(loop(engine.run, wide, n_loop))
            for key, value in zip(("update", "event"), floor.measure(), strict=True):
                found[key].append(value)
        time.sleep(0.02)  # below the kernel's limit for real-time threads
    us = {key: float(np.median(values)) for key, values in found.items()}
    ratio = {way: float(np.median(np.divide(found[way], found[f"c_{way}"]))) for way in ("call", "loop")}
    us["floor"] = (us["update"] * floor.n + us["event"] * events(workload, spikes, before)) / 1e3
    return {"us": us, "ratio": ratio, "spikes": spikes[-1], "spikes_c": int(np.sum(fired))}


def events(workload: str, spikes: list[int], steps: int) -> float:
    """Return the synaptic events per step; for A including the products of the input."""
    if workload == "A":
        fan_out = SIZES[2:]
        return SIZES[0] * SIZES[1] + sum(n * k for n, k in zip(spikes, fan_out, strict=False)) / steps
    return spikes[-1] * recurrent(workload).targets.shape[1] / steps


def verdict(workload: str, found: dict[str, Any]) -> bool:
    """Whether the engine fired about as often as the C code, and met the bars of its workload."""
    same = abs(found["spikes"] - found["spikes_c"]) <= max(20, 0.05 * found["spikes_c"])
    return same and all(found["ratio"][way] <= bar for way, bar in zip(("call", "loop"), BARS[workload], strict=True))


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="benchmarks engine", description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="?", default="ABCD", help="letters, default ABCD")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    rounds = 5 if options.quick else options.rounds
    with undisturbed() as granted:
        if not granted:
            print(NO_FIFO)
    print(
        f"us per step, medians of {rounds} interleaved rounds; ratio to C, its bar; floor: loops over neurons, events"
    )
    print("     call: C  engine  ratio   bar     loop: C  engine  ratio   bar     floor  loop / floor")
    found: dict[str, Any] = {}
    for workload in options.workloads:
        one = found[workload] = measure(workload, rounds)
        one["passed"] = verdict(workload, one)
        us, line = one["us"], f"{workload} "
        for way, bar in zip(("call", "loop"), BARS[workload], strict=True):
            line += f" {us[f'c_{way}']:9.2f} {us[way]:7.2f} {one['ratio'][way]:6.3f} {bar:5.2f}    "
        print(line + f" {us['floor']:7.2f} {us['loop'] / us['floor']:9.2f}   {'PASS' if one['passed'] else 'FAIL'}")
        print(f"   spikes: engine {one['spikes']}, C {one['spikes_c']}; floor: {us['update']:.2f} ns per neuron, "
              f"{us['event']:.3f} ns per event", flush=True)  # fmt: skip
    return {"workloads": found, "passed": all(one["passed"] for one in found.values())}


if __name__ == "__main__":
    sys.exit(exit_code(main()))
