"""The additional cost of each way to call a tick from Python, measured with the shortest possible tick."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from snn_control.coding import EventsInput, MembraneDecoder, Output, PoolEncoder, ValueInput
from snn_control.controller import Batch, Controller
from snn_control.engine.build import build
from snn_control.engine.compile import compile_function
from snn_control.engine.program import Program
from snn_control.engine.tick import TABLES, run_tables
from snn_control.network import LI, Network, Population, Projection

from .engine import undisturbed
from .processes import exit_code

WIDTH, EVENTS, ROWS = 32, 100, 64
MOST_US = 10.0  # most that Controller.step may take more than the bound call


def program(events: bool) -> Program:
    """Build a leaky integrator that reads 32 numbers, and with ``events`` pooled events as well."""
    inputs: list[Any] = [ValueInput("x", size=WIDTH)]
    if events:
        inputs.append(EventsInput("camera", size=(128, 128), encoder=PoolEncoder((16, 16)), capacity=4096))
    network = Network((Population("slow", 1, LI()),), (Projection("x", "slow", 0.1),))
    return build(network, inputs, [Output("u", (MembraneDecoder("slow", 1.0),))], dt=1e-3, period=1e-3)


def ways() -> dict[str, tuple[Callable[[], Any], int]]:
    """Return name -> (call, number of ticks that it runs)."""
    values, camera, batch = Controller(program(False)), Controller(program(True)), Batch(program(False), ROWS)
    rng = np.random.default_rng(0)
    x = rng.normal(size=WIDTH)
    single, wide = x.astype(np.float32), rng.normal(size=(ROWS, WIDTH))
    columns = rng.integers(0, 10**6, EVENTS), *rng.integers(0, 128, (2, EVENTS)), rng.integers(0, 2, EVENTS)
    events = tuple(c.astype(dtype) for c, dtype in zip(columns, ("i8", "u2", "u2", "u1"), strict=True))
    rows = np.stack([columns[0] * 1e-9, *columns[1:]], axis=1)
    step, data = values.bound.stepper("x"), values.bound.array("x.data")
    run, table = compile_function(run_tables, TABLES), values.bound.table
    values.step({"x": x})
    camera.step({"x": x, "camera": events})

    def copy_and_tick() -> None:
        data[:] = single
        values.bound.tick()

    return {
        "1,000 ticks in a loop": (lambda: run(table, 0, 1000), 1000),
        "bound.tick()": (values.bound.tick, 1),
        "copy, then bound.tick()": (copy_and_tick, 1),
        "stepper(float32)": (lambda: step(single), 1),
        "stepper(float64)": (lambda: step(x), 1),
        "Controller.step, 32 numbers": (lambda: values.step({"x": x}), 1),
        f"Batch.step, {ROWS} rows": (lambda: batch.step({"x": wide}), ROWS),
        f"bound.tick() with {EVENTS} events": (camera.bound.tick, 1),
        f"Controller.step, {EVENTS} events, four arrays": (lambda: camera.step({"x": x, "camera": events}), 1),
        f"Controller.step, {EVENTS} events, (n, 4)": (lambda: camera.step({"x": x, "camera": rows}), 1),
    }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="benchmarks calls", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    found: dict[str, list[float]] = {}
    every = ways()
    for _ in range(5 if options.quick else 15):
        with undisturbed():
            for name, (call, ticks) in every.items():
                n = max(10, 2000 // ticks)
                begin = time.perf_counter_ns()
                for _ in range(n):
                    call()
                found.setdefault(name, []).append((time.perf_counter_ns() - begin) / n / ticks)
        time.sleep(0.01)  # below the kernel's limit for real-time threads
    ns = {name: float(np.median(values)) for name, values in found.items()}
    for name, value in ns.items():
        print(f"  {name:45s} {value:8.0f} ns per tick")
    names = list(ns)
    over = {name: (ns[name] - ns[names[1]]) / 1e3 for name in names if name.startswith("Controller.step, 32")}
    over |= {name: (ns[name] - ns[names[7]]) / 1e3 for name in names[8:]}
    worst = max(over.values())
    print(f"  Controller.step over the bound call: at most {worst:.1f} us (bar {MOST_US:g})")
    return {"ns": ns, "over_us": over, "passed": worst <= MOST_US}


if __name__ == "__main__":
    sys.exit(exit_code(main()))
