"""Measure the speed of a controller on the present computer: tick duration, wake-up delay, and largest rate.

Each tick is timed individually. The stimulus is repeated, and the controller is reset before each repetition.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from ..controller import Controller
from ..engine.program import Program
from ..engine.tick import tick_address
from ..realtime.loop import Loop
from ..realtime.rights import Rights
from .stimulus import Stimulus

__all__ = ["call_times", "largest_rate", "loop_times", "step_times", "wake_up"]

SECONDS = 1.0  # s for which ticks of one kind are timed, for at least one pass of the stimulus
ENOUGH = 20_000  # ticks after which timing stops
LATE = 1e-3  # share of the ticks that may take longer than the period
HOPELESS = 0.02  # share of late ticks above which a rate is not tried again
CHANCES = 4
SLOWER = 1.25  # factor from one period that is tried to the next
LONGEST_US = 1e5  # longest period that is tried

Summary = dict[str, float]  # mean, p50, p99, p99.9, max


def summary(times_ns: Iterable[float]) -> Summary:
    """Return mean, percentiles p50, p99 and p99.9, and maximum [us] of durations in ns."""
    ns = np.asarray(times_ns, np.float64)
    p50, p99, p999 = np.quantile(ns, (0.5, 0.99, 0.999), method="inverted_cdf")
    found = {"mean": ns.mean(), "p50": p50, "p99": p99, "p99.9": p999, "max": ns.max()}
    return {key: round(float(value) / 1e3, 4) for key, value in found.items()}


def passes(stimulus: Stimulus) -> Iterator[None]:
    """Yield once before each repetition of a stimulus, until enough ticks have been timed."""
    begin, ticks = time.perf_counter(), 0
    while ticks < ENOUGH and (not ticks or time.perf_counter() - begin < SECONDS):
        yield
        ticks += stimulus.ticks


class _TimedTicks(Controller):
    """A controller that times each call of `Bound.tick` from Python."""

    def __init__(self, program: Program) -> None:
        self.times: list[int] = []
        super().__init__(program)

    def _run(self) -> None:
        tick, clock = self.bound.tick, time.perf_counter_ns
        begin = clock()
        tick()
        self.times.append(clock() - begin)


def call_times(program: Program, stimulus: Stimulus) -> Summary:
    """Measure the duration of a tick called from Python [us], without the time for writing the inputs."""
    one = _TimedTicks(program)
    step_times(one, stimulus)
    return summary(one.times)


def step_times(controller: Controller, stimulus: Stimulus) -> Summary:
    """Measure the duration of `Controller.step` with a dictionary of inputs [us].

    A step sets the inputs, runs ``repeat`` ticks and reads the outputs.
    """
    times: list[int] = []
    clock = time.perf_counter_ns
    for _ in passes(stimulus):
        controller.reset()
        for observation in stimulus.log.observations():
            begin = clock()
            controller.step(observation)
            times.append(clock() - begin)
    return summary(times)


def loop_times(program: Program, stimulus: Stimulus) -> Summary:
    """Measure the duration of a tick in the compiled real-time loop [us], without the time for ports."""
    one = Controller(program)
    ports = stimulus.log.ports(one.bound)
    loop = Loop(tick_address(), one.bound.table, one.period_ns, ports, mode="free", keep=one)
    for _ in passes(stimulus):
        one.reset()
        for port in ports:
            port.rewind()
        loop.run(stimulus.ticks)
    found = loop.stats()["tick"]
    return {key: round(found[key] / 1e3, 4) for key in ("mean", "p50", "p99", "p99.9", "max")}


def wake_up(controller: Controller, seconds: float, hog: bool = False) -> dict[str, Any]:
    """Measure the wake-up delay of the real-time loop at the controller's rate [us].

    hog : whether to run another thread that never releases Python's global interpreter lock
    """
    quit_hog = threading.Event()

    def waste() -> None:
        while not quit_hog.is_set():
            sum(range(1000))

    thread = threading.Thread(target=waste, daemon=True)
    if hog:
        thread.start()
    stats, rights = _run_loop(controller, controller.period_ns, seconds)
    quit_hog.set()
    micro = {key: round(stats["wake"][key] / 1e3, 1) for key in ("p50", "p99", "p99.9", "max")}
    return {
        "ticks": stats["ticks"], "missed": stats["missed"], **micro,
        "priority": rights.priority, "missing": [asdict(one) for one in rights.missing],
    }  # fmt: skip


def largest_rate(controller: Controller, period_us: float, seconds: float) -> dict[str, Any]:
    """Find the largest rate [Hz] at which at most one tick in a thousand is unfinished when the next tick is due.

    Each trial runs a loop for ``seconds`` [s]. The first trial has the period ``period_us`` [us]; later trials have
    longer periods. Other processes can only delay a loop. So a rate that the loop nearly sustains is tried up to
    `CHANCES` times.
    """
    return search(lambda period: _at_rate(controller, period, seconds), period_us)


def search(at_rate: Callable[[int], dict[str, Any]], period_us: float) -> dict[str, Any]:
    """Increase the period until the loop sustains it. Return the result of the last trial.

    at_rate : function (period [ns]) -> result of a trial
    period_us : first period to try [us]
    """
    found: dict[str, Any] = {}
    while not found or period_us <= LONGEST_US:
        for _ in range(CHANCES):
            found = at_rate(max(1000, round(period_us * 1e3)))
            if found["kept"]:
                return found
            if found["late_share"] > HOPELESS:
                break
        period_us *= SLOWER
    return found


def _at_rate(controller: Controller, period: int, seconds: float) -> dict[str, Any]:
    """Run a loop with a period [ns]. Return its rate, its fraction of late ticks, and whether it sustained the rate."""
    stats, _ = _run_loop(controller, period, max(seconds, min(2000 * period * 1e-9, 2.0)))
    late = stats["overruns"] / max(1, stats["ticks"])
    return {"hz": round(1e9 / period, 1), "late_share": round(late, 5), "kept": late <= LATE}


def _run_loop(controller: Controller, period: int, seconds: float) -> tuple[dict[str, Any], Rights]:
    """Run a loop with a period [ns] for ``seconds``. Return the loop's statistics and its scheduling rights."""
    loop = Loop(tick_address(), controller.bound.table, period, name="bench", keep=controller)
    rights = loop.start()
    time.sleep(seconds)
    loop.stop()
    return loop.stats(), rights
