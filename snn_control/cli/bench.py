"""``snn_control bench``: what a controller costs on this machine, and how well the machine keeps time."""

from __future__ import annotations

import argparse
import threading
import time
from typing import Any

import numpy as np

from ..controller import Controller
from ..engine.compile import compilations
from ..engine.tick import tick_address
from ..realtime.loop import Loop
from .common import add_command, controller_path, number, print_json, table

MORE = """\
step time: one tick called from Python, and one inside the compiled loop, medians over short runs.
wake-up: how late the real-time loop wakes, idle and beside a Python thread that never lets go of the interpreter.
Figures move with what else the machine does; compare them within one run.
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "bench", run, "step time of a controller and wake-up jitter of this machine", MORE)
    parser.add_argument("file", nargs="?", default="pan_tilt", metavar="FILE", help="controller (default pan_tilt)")
    parser.add_argument("--seconds", type=number(0.1, " s"), default=3.0, help="of a wake-up measurement (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def random_observation(controller: Controller, rng: np.random.Generator) -> dict[str, Any]:
    """Something for every input: values of order one, twenty events."""
    found: dict[str, Any] = {}
    for name, spec in controller.inputs.items():
        if spec["kind"] == "value":
            found[name] = rng.uniform(-1, 1, spec["size"])
        else:
            width, height = spec["size"]
            n = min(20, spec["capacity"])
            columns = rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n)
            found[name] = (np.zeros(n, np.int64), *columns)
    return found


def step_times(controller: Controller) -> dict[str, float]:
    """Median microseconds of a step with a dictionary, of a bound call, and of a tick inside the loop."""
    rng = np.random.default_rng(1)
    observations = [random_observation(controller, rng) for _ in range(64)]
    loop = Loop(tick_address(), controller.bound.table, controller.period_ns, mode="free")
    spent: dict[str, list[float]] = {"step": [], "call": [], "loop": []}
    n, clock = 200, time.perf_counter_ns
    for _ in range(30):
        begin = clock()
        for k in range(n):
            controller.step(observations[k % 64])
        spent["step"].append((clock() - begin) / n / 1e3)
        tick = controller.bound.tick
        begin = clock()
        for _ in range(n):
            tick()
        spent["call"].append((clock() - begin) / n / 1e3)
        begin = clock()
        loop.run(n)
        spent["loop"].append((clock() - begin) / n / 1e3)
    controller.reset()
    return {key: round(float(np.median(values)), 3) for key, values in spent.items()}


def wake_up(controller: Controller, seconds: float, hog: bool) -> dict[str, Any]:
    """The real-time loop alone, without ports, for some seconds."""
    loop = Loop(tick_address(), controller.bound.table, controller.period_ns, name="bench")
    quit_hog = threading.Event()

    def waste() -> None:
        while not quit_hog.is_set():
            sum(range(1000))

    thread = threading.Thread(target=waste, daemon=True)
    if hog:
        thread.start()
    rights = loop.start()
    time.sleep(seconds)
    loop.stop()
    quit_hog.set()
    stats = loop.stats()
    micro = {key: round(stats["wake"][key] / 1e3, 1) for key in ("p50", "p99", "p99.9", "max")}
    missing = list(rights.missing)
    return {
        "ticks": stats["ticks"],
        "missed": stats["missed"],
        **micro,
        "priority": rights.priority,
        "missing": missing,
    }


def advice(result: dict[str, Any], period_us: float) -> list[str]:
    """What to do about what was measured."""
    found = []
    for text in result["wake_up"]["idle"]["missing"]:
        found.append(f"missing: {text}")
    share = result["step_us"]["loop"] / period_us
    if share > 0.5:
        found.append(f"a tick takes {share:.0%} of the period: a smaller network, a longer period or a faster CPU")
    worst = max(w["p99.9"] for w in result["wake_up"].values())
    if worst + result["step_us"]["loop"] > period_us:
        found.append("one wake-up in a thousand is later than the period: a real-time kernel, an isolated CPU")
    return found or [f"fine: {period_us / max(result['step_us']['loop'], 1e-3):,.0f} ticks would fit into a period"]


def run(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    controller = Controller.load(controller_path(options.file))
    controller.step({})
    ready = time.perf_counter() - start
    result: dict[str, Any] = {
        "file": options.file,
        "period_us": controller.period_ns / 1e3,
        "start_s": round(ready, 3),
        "compiled": sum(how == "compiled" for how in compilations.values()),
        "step_us": step_times(controller),
        "wake_up": {
            "idle": wake_up(controller, options.seconds, hog=False),
            "busy interpreter": wake_up(controller, options.seconds, hog=True),
        },
    }
    result["advice"] = advice(result, result["period_us"])
    if options.json:
        print_json(result)
        return 0
    print(f"ready to tick after {ready:.2f} s, {result['compiled']} functions compiled")
    labels = {
        "step": "Controller.step, dictionary of inputs",
        "call": "bound tick, from Python",
        "loop": "tick in the loop",
    }
    table("step time", ["what", "us, median"], [[labels[k], v] for k, v in result["step_us"].items()])
    keys = ("ticks", "missed", "p50", "p99", "p99.9", "max", "priority")
    rows = [[name, *(w[k] for k in keys)] for name, w in result["wake_up"].items()]
    table("wake-up latency, us", ["machine", *keys], rows)
    for line in result["advice"]:
        print(line)
    return 0
