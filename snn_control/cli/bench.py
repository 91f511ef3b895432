"""``snn_control bench``: measure the cost of a controller, and its fastest control rate on this computer."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from ..analysis import energy, speed
from ..analysis.profile import Profiled
from ..controller import Controller
from ..controller_file import load_spec
from ..engine.compile import compilations
from ..engine.workload import workload
from ..errors import counted
from ..findings import Finding
from ..resources import DEFAULT_CONTROLLER, controller_path
from .common import add_command, add_shared, number, print_json, table
from .stimulus import STIMULUS, add_stimulus, stimulus_of

MORE = f"""\
what is measured (details: docs/howto/measuring.md):
  time       time of each tick of the stimulus: in the compiled loop, called from Python, and as Controller.step with a
             dictionary; and the share of each operation
  workload   NeuroBench's metrics for the stimulus: memory, sparsity, synaptic operations. "dense" counts the operations
             of a machine that skips nothing. An accumulate adds a weight for a spike, a multiply-accumulate adds a
             weight times a number; both are counted only if neither factor is 0
  energy     an estimate from these counts with published figures of 45 nm circuits. It is not measured, does not apply
             to this computer, and omits memory, which costs most in many machines
  wake-up    how late the real-time loop wakes, idle and beside a Python thread that holds the interpreter lock
  speed      the largest rate tried at which 999 of 1,000 ticks finish before the next is due; network time divided by
             computing time; and the number of controllers that one core could run in parallel

{STIMULUS}
Times depend on the load of the machine, so compare them within one run. Counts are the same on every machine.

examples:
  snn_control bench cartpole
  snn_control bench my_robot.yaml --input recorded.npz --json > before.json
"""
PHASES = 8
BUSY = 0.2  # if the largest rate is below this share of what the percentiles allow, other processes disturbed it
MOST_OPERATIONS = 10  # rows of the table of operations


def add_to(commands: Any) -> None:
    parser = add_command(
        commands, "bench", run, "measure a controller's cost: time, memory, operations, estimated energy", MORE
    )
    text = f"controller file, or the name of a shipped one (default {DEFAULT_CONTROLLER})"
    add_shared(parser, "file", nargs="?", default=DEFAULT_CONTROLLER, help=text)
    add_stimulus(parser)
    parser.add_argument("--wake-up", type=number(0.1, " s"), default=3.0, metavar="SECONDS",
                        help="how long each wake-up measurement takes (default 3)")  # fmt: skip
    add_shared(parser, "--json")


def measure(options: argparse.Namespace, phase: Any) -> dict[str, Any]:
    """Measure all results of ``snn_control bench``, and return them as plain data that JSON can represent.

    phase : function that is called with a text before each part of the measurement, to show progress
    """
    phase("compiling")
    start = time.perf_counter()
    spec = load_spec(controller_path(options.file, "FILE"))
    stimulus = stimulus_of(options, spec)
    controller = Controller.from_spec(spec)
    controller.step({})
    result: dict[str, Any] = {
        "file": options.file,
        "period_us": controller.period_ns / 1e3,
        "start_s": round(time.perf_counter() - start, 3),
        "compiled": sum(how == "compiled" for how in compilations.values()),
        "stimulus": {"shows": stimulus.text, "ticks": stimulus.ticks},
    }
    program = controller.program
    phase("counting operations")
    profiled = Profiled(program)
    for observation in stimulus.log.observations():
        profiled.step(observation)
    result |= counts(profiled)
    phase("ticks in the loop")
    times = {"loop": speed.loop_times(program, stimulus)}
    phase("ticks called from Python")
    times["call"] = speed.call_times(program, stimulus)
    phase("Controller.step")
    times["step"] = speed.step_times(controller, stimulus)
    result |= {"operations": profiled.shares(times["loop"]["p50"]), "time_us": times}
    result |= limits(controller, times["loop"], options.wake_up, phase)
    result["advice"] = advice(result)
    return result


def counts(controller: Controller) -> dict[str, Any]:
    """Return the operations and the estimated energy of the run that a controller has made, as plain data."""
    found, ticks = workload(controller.bound), controller.counters()["ticks"]
    steps_a_second = 1 / controller.program.facts.dt
    estimate = energy.estimate(controller.bound)
    return {
        "workload": found,
        "synaptic_operations": {
            key: {"a_tick": n * controller.program.steps, "a_second": n * steps_a_second}
            for key, n in found["synaptic_operations"].items()
        },
        "spikes_a_second": sum(controller.counters()["spikes"].values()) / (ticks * controller.program.facts.period),
        "energy": {
            "pj_a_tick": {"synapses": estimate.synapses, "neurons": estimate.neurons, "all": estimate.tick},
            "microwatt": estimate.microwatt,
            "label": energy.LABEL,
        },
    }


def limits(controller: Controller, tick: dict[str, float], seconds: float, phase: Any) -> dict[str, Any]:
    """Measure the wake-up latency of this computer and the fastest control rate of a controller, as plain data.

    tick : percentiles and mean of the duration of a tick in the loop [us]
    seconds : duration of each measurement of the wake-up latency [s]
    """
    wakes = {}
    for name, hog in (("idle", False), ("busy interpreter", True)):
        phase(f"wake-up, {name}")
        wakes[name] = speed.wake_up(controller, seconds, hog)
    phase("largest rate")
    period = controller.period_ns / 1e3
    shortest, usual = (tick[key] + wakes["idle"][key] for key in ("p50", "p99"))
    return {
        "wake_up": wakes,
        "speed": {
            "undisturbed_hz": round(1e6 / usual, 1),
            "largest_rate": speed.largest_rate(controller, shortest, min(seconds, 0.3)),
            "times_real_time": round(period / tick["mean"], 1),
            "controllers_a_core": int(period / max(tick["mean"], tick["p99"])),
        },
    }


def advice(result: dict[str, Any]) -> list[str]:
    """Return advice based on the results of `measure`, one text for each line."""
    period, tick = result["period_us"], result["time_us"]["loop"]
    found = [f"missing: {Finding(**one)}" for one in result["wake_up"]["idle"]["missing"]]
    if tick["p99"] > 0.5 * period:
        share = tick["p99"] / period
        found.append(f"a tick takes {share:.0%} of the period: a smaller network, a longer period or a faster CPU")
    worst = max(w["p99.9"] for w in result["wake_up"].values())
    if worst + tick["p99.9"] > period:
        found.append("one tick in a thousand is later than the period: a real-time kernel, an isolated CPU")
    return found or ["fine: ticks and wake-up fit into the period"]


def run(options: argparse.Namespace) -> int:
    from rich.progress import Progress

    with Progress(disable=options.json or not sys.stdout.isatty(), transient=True) as progress:
        task = progress.add_task("", total=PHASES)

        def phase(text: str) -> None:
            progress.update(task, description=text, advance=1)

        result = measure(options, phase)
    if options.json:
        print_json(result)
    else:
        show(result)
    return 0


def show(result: dict[str, Any]) -> None:
    """Print the results of `measure` as tables and lines."""
    seen = result["stimulus"]
    print(f"ready to tick after {result['start_s']:.2f} s, {counted(result['compiled'], 'function')} compiled; "
          f"{counted(seen['ticks'], 'tick')} of {result['period_us']:g} us, {seen['shows']}")  # fmt: skip
    labels = {"loop": "in the loop", "call": "called from Python", "step": "Controller.step, a dictionary"}
    keys = ["p50", "p99", "p99.9", "max"]
    rows = [[labels[k], *(t[key] for key in keys)] for k, t in result["time_us"].items()]
    table("time of a tick, us", ["tick", *keys], rows)
    shown = result["operations"][:MOST_OPERATIONS]
    rows = [[o["label"], o["kernel"], o["us"], f"{o['share']:.0%}"] for o in shown]
    title = f"time of each operation: {len(shown)} of {len(result['operations'])}"
    table(title, ["operation", "kernel", "us a tick", "share"], rows)
    names = {"dense": "dense", "accumulates": "accumulates (AC)", "multiply_accumulates": "multiply-accumulates (MAC)"}
    rows = [[names[k], n["a_tick"], n["a_second"]] for k, n in result["synaptic_operations"].items()]
    table("synaptic operations", ["kind", "a tick", "a second"], rows)
    show_workload(result)
    keys = ["ticks", "missed", "p50", "p99", "p99.9", "max", "priority"]
    rows = [[name, *(w[k] for k in keys)] for name, w in result["wake_up"].items()]
    table("wake-up latency, us", ["machine", *keys], rows)
    fast, rate = result["speed"], result["speed"]["largest_rate"]
    late = f"{rate['late_share']:.2%} of the ticks late"
    print(f"largest rate: {rate['hz']:,.0f} Hz, {late}" + ("" if rate["kept"] else ": not even that is kept"))
    if rate["hz"] < BUSY * fast["undisturbed_hz"]:
        print(f"  the machine was too busy to measure it: the 99th percentiles of tick and wake-up would "
              f"allow {fast['undisturbed_hz']:,.0f} Hz")  # fmt: skip
    print(f"{fast['times_real_time']:,.0f} times real time; {fast['controllers_a_core']:,} such controllers a core")
    for line in result["advice"]:
        print(line)


def show_workload(result: dict[str, Any]) -> None:
    load, estimate = result["workload"], result["energy"]
    memory = load["footprint"]
    print(f"memory: {sum(memory.values()):,} B ({memory['constants']:,} constants, {memory['state']:,} state, "
          f"{memory['io']:,} inputs and outputs)")  # fmt: skip
    silent = load["activation_sparsity"]
    activation = "nothing fires" if silent is None else f"{silent:.2%} of the neurons silent in a step"
    print(f"sparsity: {load['connection_sparsity']:.1%} of the weights are 0; {activation}; "
          f"{result['spikes_a_second']:,.0f} spikes a second")  # fmt: skip
    pj = estimate["pj_a_tick"]
    print(f"energy: {pj['all'] / 1e3:.4g} nJ a tick (synapses {pj['synapses'] / 1e3:.4g}, neurons "
          f"{pj['neurons'] / 1e3:.4g}), {estimate['microwatt']:.4g} uW at its rate\n  {estimate['label']}")  # fmt: skip
