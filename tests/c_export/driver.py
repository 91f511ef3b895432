"""Random ticks: samples with NaN, infinities and denormals, stale inputs, bursts of events, requests of all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from snn_control.c_export.export import exported, write
from snn_control.c_export.layout import Layout, read_layout
from snn_control.c_export.mirror import Machine, Mirror
from snn_control.engine.bound import Bound
from snn_control.engine.control_words import ELAPSED, HELD, LEARNING, RELEASE, RESTART
from snn_control.engine.facts import InputFacts
from snn_control.engine.kernels.guard import STOPPED
from snn_control.engine.program import Program
from snn_control.engine.slots import AGE, COUNT, DROPPED, FRESH

SPECIAL = np.array([np.nan, np.inf, -np.inf, 1e-40, -1e-42, 1e-45, 1e-20, 3e38, -3e38, 4.9, -0.0, 100.0], np.float32)
ELAPSED_TIMES = (0, 0, 0, 1000, 300, 1400, 2600, 12_000)


def export(program: Program, folder: Path, name: str = "controller") -> Layout:
    write(exported(program, name), folder)
    return read_layout(folder)


class Driver:
    """Gives random inputs to a bound Program."""

    def __init__(self, bound: Bound, seed: int = 1) -> None:
        self.bound, self.rng = bound, np.random.default_rng(seed)
        facts = bound.program.facts
        self._inputs, self._period = facts.inputs, facts.period_ns
        self._values = {one.name: np.zeros(one.size) for one in facts.inputs if one.kind == "value"}
        self._ages = dict.fromkeys((one.name for one in facts.inputs), -1)
        self._asked = np.zeros(2, np.int64)  # releases, restarts

    def give(self, t: int) -> None:
        self.bound.io[:] = 0
        self._requests(t)
        for one in self._inputs:
            slot, rng = self.bound.array(f"{one.name}.slot"), self.rng
            fresh = rng.random() < 0.95 and not (t % 1000 > 960 and rng.random() < 0.9)
            before = self._ages[one.name]
            age = int(rng.integers(0, 1000)) if fresh else before + self._period * (before >= 0)
            self._ages[one.name] = slot[AGE] = age
            slot[FRESH] = fresh
            if one.kind == "value":
                self._sample(one.name)
            elif fresh:
                self._events(one, slot, t)

    def _requests(self, t: int) -> None:
        rng, control = self.rng, self.bound.array("control")
        self._asked += rng.random() < 0.01, (rng.random() < 0.005) + (int(rng.random() < 0.002) << 32)
        control[0] = STOPPED if rng.random() < 0.004 else 0
        control[ELAPSED] = rng.choice(ELAPSED_TIMES)
        control[RELEASE] = self._asked[0] | (HELD if t % 700 > 690 else 0)
        control[RESTART] = self._asked[1]
        control[LEARNING:] = rng.random(control.size - LEARNING) < 0.95 if t % 50 else 1

    def _sample(self, name: str) -> None:
        x, rng = self._values[name], self.rng
        x *= 0.97
        x += rng.normal(0, 0.3, x.size)
        given = x.astype(np.float32)
        if rng.random() < 0.03:
            given[rng.integers(x.size)] = rng.choice(SPECIAL)
        self.bound.array(f"{name}.data").reshape(-1)[:] = given

    def _events(self, one: InputFacts, slot: np.ndarray, t: int) -> None:
        (width, height), rng, array = one.size, self.rng, self.bound.array
        n = int(rng.integers(0, 150) if rng.random() < 0.95 else rng.integers(0, 2 * one.capacity))
        n = min(n, one.capacity)
        slot[COUNT], slot[DROPPED] = n, rng.integers(0, 3)
        x = width / 2 * (1 + 0.8 * np.sin(t / 50)), height / 2 * (1 + 0.6 * np.cos(t / 37))
        array(f"{one.name}.x")[:n] = np.clip(rng.normal(x[0], width / 10, n), 0, width + 3)
        array(f"{one.name}.y")[:n] = np.clip(rng.normal(x[1], height / 10, n), 0, height + 3)
        array(f"{one.name}.p")[:n] = rng.integers(0, 2, n)
        array(f"{one.name}.t")[:n] = np.sort(rng.integers(0, self._period, n)) + t * self._period


def compare(program: Program, layout: Layout, machine: Machine, ticks: int, seed: int = 1) -> Iterator[str]:
    """Run engine and C side by side; yields the first difference, and then ends."""
    bound = Bound(program)
    mirror, driver = Mirror(bound, layout, machine), Driver(bound, seed)
    for t in range(ticks):
        driver.give(t)
        mirror.give()
        bound.tick()
        mirror.step()
        if found := mirror.difference():
            yield f"tick {t}: {found}"
            return


def agree(program: Program, layout: Layout, machine: Machine, ticks: int, seed: int = 1) -> None:
    assert not (found := next(compare(program, layout, machine, ticks, seed), "")), found
