"""Speed of a tick against the same network by hand in C, workload A, interleaved in one process.

A: 32 -> 128 -> 128 -> 8 neurons, dense, CubaLIF, dt 1 ms; a new input vector each step, the output's spikes are
read each step. The engine's tick does more than the C step: it checks the input, decodes and guards a command.

The C reference is a good one: gcc vectorises its neuron loop. Where it does not (a decay read through a pointer inside
that loop is enough), the same step takes 1.4 times as long from Python and twice as long in a loop, and the ratios
are lower by as much.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from snn_control.coding import Output, SpikeDecoder, ValueInput
from snn_control.engine.build import build
from snn_control.engine.compile import compile_function
from snn_control.engine.kernels import encoders
from snn_control.engine.memory import call_kernel, f64
from snn_control.engine.program import Bound
from snn_control.engine.tick import tick_address
from snn_control.network import CubaLIF, Network, Population, Projection
from snn_control.realtime.rights import set_fifo

from .processes import exit_code

SIZES = (32, 128, 128, 8)
TAU_MEM, TAU_SYN, DT = 0.02, 0.005, 1e-3
FLAGS = ["-O3", "-march=native", "-mprefer-vector-width=256", "-fno-math-errno", "-shared", "-fPIC"]


def inputs(n: int = 1024) -> np.ndarray:
    """(n, 32) float32."""
    r = np.random.default_rng(7)
    phase = r.uniform(0, 2 * np.pi, SIZES[0])
    t = np.arange(n)[:, None] * 1e-3
    f = r.integers(1, 6, SIZES[0])
    return (0.05 * np.sin(2 * np.pi * f * t + phase) + 0.05 * r.standard_normal((n, SIZES[0]))).astype(np.float32)


def layers() -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights (inputs, neurons) and biases of each layer, as they act on the synaptic current."""
    r = np.random.default_rng(5)
    jump = np.float32(1 - math.exp(-DT / TAU_SYN))
    found = []
    for k, (a, b) in enumerate(pairwise(SIZES)):
        w = r.standard_normal((b, a)).astype(np.float32) * np.float32((10.0, 0.6, 0.6)[k] / np.sqrt(a))
        bias = np.full(b, (2.5, 2.0, 1.2)[k], np.float32) * jump
        found.append((np.ascontiguousarray(w.T) * (jump if k == 0 else np.float32(1)), bias))
    return found


class _Net(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_int32 * 4), ("decay", ctypes.c_float), ("decay_syn", ctypes.c_float),
        ("weights", ctypes.c_void_p * 3), ("bias", ctypes.c_void_p * 3),
        ("v", ctypes.c_void_p * 3), ("isyn", ctypes.c_void_p * 3), ("drive", ctypes.c_void_p * 3),
        ("spikes", ctypes.c_void_p * 3),
    ]  # fmt: skip


class Reference:
    """The C step, called with pointers that were made before."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "step.so"
            source = Path(__file__).with_name("step.c")
            subprocess.run(["gcc", *FLAGS, "-o", str(library), str(source)], check=True)
            self.library = ctypes.CDLL(str(library))
        self.keep: list[np.ndarray] = []
        net = self.net = _Net()
        net.size[:] = SIZES
        net.decay, net.decay_syn = math.exp(-DT / TAU_MEM), math.exp(-DT / TAU_SYN)
        for k, (w, bias) in enumerate(layers()):
            net.weights[k], net.bias[k] = self._at(w), self._at(bias)
            net.spikes[k] = self._at(np.zeros(bias.size, np.int32))
            for state in (net.v, net.isyn, net.drive):
                state[k] = self._at(np.zeros(bias.size, np.float32))
        self.x = np.zeros(SIZES[0], np.float32)
        self._step = self.library.workload_step
        self._step.argtypes, self._step.restype = [ctypes.c_void_p, ctypes.c_void_p], ctypes.c_int
        self._run = self.library.workload_run
        self._run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_long]
        self._run.restype = ctypes.c_long
        self._net_at, self._x_at = ctypes.c_void_p(ctypes.addressof(net)), ctypes.c_void_p(self.x.ctypes.data)

    def _at(self, array: np.ndarray) -> int:
        self.keep.append(np.ascontiguousarray(array))
        return int(self.keep[-1].ctypes.data)

    def stepper(self) -> Any:
        """``step(x)``, x (32,) float32 -> spikes of the last layer."""
        function, net, x_at, own = self._step, self._net_at, self._x_at, self.x

        def step(x: np.ndarray) -> int:
            own[:] = x
            return function(net, x_at)

        return step

    def run(self, table: np.ndarray, steps: int) -> int:
        return self._run(self._net_at, ctypes.c_void_p(table.ctypes.data), len(table), steps)


def run_ticks(tick, table, data, width, inputs_at, rows, steps):
    """``steps`` ticks in one call, a row of inputs (float64) each."""
    x = f64(data, width)
    for k in range(steps):
        row = f64(inputs_at + 8 * width * (k % rows), width)
        for i in range(width):
            x[i] = row[i]
        call_kernel(tick, table)


class Engine:
    """The same network as a Program."""

    def __init__(self) -> None:
        neuron = CubaLIF(tau_mem=TAU_MEM, tau_syn=TAU_SYN, integration="exponential_euler")
        names = ("x", "first", "second", "third")
        network = Network(
            tuple(Population(name, n, neuron) for name, n in zip(names[1:], SIZES[1:], strict=True)),
            tuple(
                Projection(pre, post, w, bias=bias)
                for pre, post, (w, bias) in zip(names, names[1:], layers(), strict=False)
            ),
        )
        output = Output("rate", (SpikeDecoder("third", np.eye(SIZES[-1]), 0.02),), size=SIZES[-1], limits=(0, 1000))
        program = build(network, [ValueInput("x", size=SIZES[0])], [output], dt=DT, period=DT)
        self.bound = Bound(program)
        self.x = self.bound.array("x.data")
        self.bound.array("x.slot")[encoders.FRESH] = 1
        self._tick, self._table = self.bound._tick, self.bound.table
        self._run = compile_function(run_ticks, "void(int64,int64,int64,int64,int64,int64,int64)")

    def stepper(self) -> Any:
        """``step(x)``, x (32,) float64, the type of the io block."""
        tick, table, own = self._tick, self._table, self.x

        def step(x: np.ndarray) -> None:
            own[:] = x
            tick(table)

        return step

    def run(self, table: np.ndarray, steps: int) -> None:
        data = self.bound.address("x.data")
        self._run(tick_address(), self._table, data, SIZES[0], int(table.ctypes.data), len(table), steps)


@contextmanager
def undisturbed() -> Iterator[None]:
    """One CPU, and SCHED_FIFO where it is granted."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cpus)})
    set_fifo(10)
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, cpus)


def _calls(step: Any, rows: list[np.ndarray], n: int) -> float:
    clock = time.perf_counter_ns
    spent = np.empty(n)
    for k in range(n):
        begin = clock()
        step(rows[k % len(rows)])
        spent[k] = clock() - begin
    return float(np.median(spent)) / 1e3


def _loop(run: Any, table: np.ndarray, n: int) -> float:
    begin = time.perf_counter_ns()
    run(table, n)
    return (time.perf_counter_ns() - begin) / n / 1e3


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="benchmarks engine", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    rounds = 5 if options.quick else options.rounds
    reference, engine = Reference(), Engine()
    table = inputs()
    wide = table.astype(np.float64)
    rows, wide_rows = ([np.ascontiguousarray(row) for row in t] for t in (table, wide))
    c_step, step = reference.stepper(), engine.stepper()
    last = 0
    for k in range(2000):  # the same network: its spikes are counted before anything is timed
        last += c_step(rows[k % 1024])
        step(wide_rows[k % 1024])
    spikes = engine.bound.array("spike_counts")[:3].tolist()
    same = abs(spikes[2] - last) <= max(20, 0.05 * last)
    figures: dict[str, list[float]] = {key: [] for key in ("c_call", "call", "c_loop", "loop")}
    with undisturbed():
        for _ in range(rounds):
            figures["c_call"].append(_calls(c_step, rows, 2000))
            figures["call"].append(_calls(step, wide_rows, 2000))
            figures["c_loop"].append(_loop(reference.run, table, 20000))
            figures["loop"].append(_loop(engine.run, wide, 20000))
            time.sleep(0.01)  # below the kernel's limit for real-time threads
    median = {key: float(np.median(values)) for key, values in figures.items()}
    ratio = {
        "call": float(np.median(np.divide(figures["call"], figures["c_call"]))),
        "loop": float(np.median(np.divide(figures["loop"], figures["c_loop"]))),
    }
    print(
        f"workload A, {rounds} interleaved rounds, us a step, medians; spikes of the last layer {spikes[2]}, C {last}"
    )
    print(f"  call from Python   C {median['c_call']:.3f}   engine {median['call']:.3f}   ratio {ratio['call']:.3f}")
    print(f"  in the loop        C {median['c_loop']:.3f}   engine {median['loop']:.3f}   ratio {ratio['loop']:.3f}")
    if not same:
        print("  FAIL: the two do not compute the same network")
    return {"us": median, "ratio": ratio, "spikes": spikes, "spikes_c": last, "passed": same}


if __name__ == "__main__":
    sys.exit(exit_code(main()))
