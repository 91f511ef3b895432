"""The workloads by hand in C (``step.c``), called through ctypes with pointers made in advance; and the floor."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from snn_control.engine.program import aligned

from .workloads import DECAY, DECAY_SYN, FAN_OUT, INPUTS, SIZES, recurrent, synaptic_layers

__all__ = ["Floor", "Reference"]

FLAGS = ["-O3", "-march=native", "-mprefer-vector-width=256", "-fno-math-errno", "-shared", "-fPIC"]


@cache
def library() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.so"
        subprocess.run(["gcc", *FLAGS, "-o", str(path), str(Path(__file__).with_name("step.c"))], check=True)
        return ctypes.CDLL(str(path))


class _Layered(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_int32 * 4), ("decay", ctypes.c_float), ("decay_syn", ctypes.c_float),
        *((name, ctypes.c_void_p * 3) for name in ("weights", "bias", "v", "isyn", "drive", "spikes")),
    ]  # fmt: skip


class _Recurrent(ctypes.Structure):
    _fields_ = [
        ("n", ctypes.c_int32), ("decay", ctypes.c_float), ("decay_syn", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in
          ("v", "isyn", "bias", "channel", "flag", "spikes", "first", "target", "weight")),
    ]  # fmt: skip


class _Arrays:
    """Arrays for C, at multiples of 64 bytes, because random addresses would change the layered step by 30 %."""

    def __init__(self) -> None:
        self.keep: list[np.ndarray] = []

    def at(self, array: np.ndarray) -> int:
        block = aligned(array.nbytes)
        block[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self.keep.append(block)
        return int(block.ctypes.data)


class Reference(_Arrays):
    """One workload in C."""

    def __init__(self, workload: str) -> None:
        super().__init__()
        self.net = self._layered() if workload == "A" else self._recurrent(workload)
        kind = "layered" if workload == "A" else "recurrent"
        self.net.decay, self.net.decay_syn = DECAY, DECAY_SYN
        self.x = np.zeros(INPUTS, np.float32)
        self._step, self._run = getattr(library(), f"{kind}_step"), getattr(library(), f"{kind}_run")
        self._step.argtypes, self._step.restype = [ctypes.c_void_p, ctypes.c_void_p], ctypes.c_int
        self._run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_long]
        self._run.restype = ctypes.c_long
        self._net_at, self._x_at = ctypes.c_void_p(ctypes.addressof(self.net)), ctypes.c_void_p(self.x.ctypes.data)

    def _layered(self) -> _Layered:
        net = _Layered()
        net.size[:] = SIZES
        for k, (w, bias) in enumerate(synaptic_layers()):
            net.weights[k], net.bias[k] = self.at(w), self.at(bias)
            net.spikes[k] = self.at(np.zeros(bias.size, np.int32))
            for state in (net.v, net.isyn, net.drive):
                state[k] = self.at(np.zeros(bias.size, np.float32))
        return net

    def _recurrent(self, workload: str) -> _Recurrent:
        r, net = recurrent(workload), _Recurrent()
        n = net.n = r.n
        net.v, net.isyn, net.bias = self.at(r.v_init), self.at(np.zeros(n, np.float32)), self.at(r.bias)
        net.channel, net.flag = self.at((np.arange(n) % INPUTS).astype(np.int32)), self.at(np.zeros(n, np.uint8))
        net.spikes, net.first = self.at(np.zeros(n, np.int32)), self.at(FAN_OUT * np.arange(n + 1, dtype=np.int32))
        net.target, net.weight = self.at(r.targets), self.at(r.weights)
        return net

    def stepper(self) -> Callable[[np.ndarray], int]:
        """Return ``step(x)``, x (32,) float32, which returns how many neurons fired (A: in the last layer)."""
        function, net, x_at, own = self._step, self._net_at, self._x_at, self.x

        def step(x: np.ndarray) -> int:
            own[:] = x
            return function(net, x_at)

        return step

    def run(self, table: np.ndarray, steps: int) -> int:
        """Run steps over the rows of a float32 table in one call; returns the number of all spikes."""
        return self._run(self._net_at, ctypes.c_void_p(table.ctypes.data), len(table), steps)


class Floor(_Arrays):
    """The least cost of any step of a workload: ns per neuron, and ns per synaptic event (A: a multiply-add)."""

    def __init__(self, workload: str) -> None:
        super().__init__()
        self.dense = workload == "A"
        r = None if self.dense else recurrent(workload)
        self.n = sum(SIZES[1:]) if r is None else r.n
        self._update = self._call(
            "floor_update", self.n, np.zeros(self.n, np.float32), np.zeros(self.n, np.float32),
            np.full(self.n, 0.9, np.float32), np.zeros(self.n, np.uint8), DECAY, DECAY_SYN,
        )  # fmt: skip
        if r is None:
            self.count = 128 * INPUTS
            x, w = np.zeros(INPUTS, np.float32), np.ones((INPUTS, 128), np.float32)
            self._events = self._call("floor_dense", INPUTS, x, w, np.zeros(128, np.float32))
        else:
            self.count = 20_000  # synapses of the network, few enough to stay in the cache
            targets = r.targets.reshape(-1)[: self.count].astype(np.uint32)
            weights = r.weights.reshape(-1)[: self.count]
            self._events = self._call("floor_scatter", self.count, targets, weights, np.zeros(self.n, np.float32))

    def _call(self, name: str, *operands: Any) -> Callable[[int], None]:
        """Return ``call(times)`` of a C function whose last parameter is the number of repetitions."""
        function, arguments = getattr(library(), name), []
        for o in operands:
            kind = ctypes.c_float if isinstance(o, float) else ctypes.c_long
            arguments.append(ctypes.c_void_p(self.at(o)) if isinstance(o, np.ndarray) else kind(o))
        return lambda times: function(*arguments, ctypes.c_long(times))

    def measure(self) -> tuple[float, float]:
        """Return ns per neuron and ns per event, from a short run."""
        found = []
        for call, count in ((self._update, self.n), (self._events, self.count)):
            times = max(3, 200_000 // count)
            call(1)
            begin = time.perf_counter_ns()
            call(times)
            found.append((time.perf_counter_ns() - begin) / times / count)
        return found[0], found[1]
