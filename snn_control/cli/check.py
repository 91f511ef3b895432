"""``snn_control check``: validate a controller file, bind it, and say what it is and costs."""

from __future__ import annotations

import argparse
import importlib.util
from typing import Any

from ..advice import advice
from ..controller import Controller
from ..engine.program import Program
from ..errors import DescriptionError
from ..record.health import diagnose
from ..record.watch import watch
from ..spec import ControllerSpec, load_spec
from .common import add_command, controller_path, print_json, table
from .plot import add_stimulus, stimulus_of

# measured orders of magnitude (docs/performance.md): an operation's call, a neuron's update, a synaptic event
CALL_NS, NEURON_NS, SYNAPSE_NS, ASSUMED_HZ = 4.0, 0.4, 0.6, 20.0
#: of a rule, for each of its synapses in each step (docs/plasticity.md)
LEARNING_NS = {"STDP": 0.04, "RewardSTDP": 0.25, "PES": 0.13, "EProp": 0.4}


def add_to(commands: Any) -> None:
    parser = add_command(
        commands,
        "check",
        run,
        "validate a controller file; print populations, operations, memory and rough cost",
        "Exit code 2 and one line that names path, value, rule and fix if something is wrong. Warnings: what was seen\n"
        "of dead and saturated neurons, overflows and stuck outputs with one stimulus ('snn_control plot --help' says\n"
        "which), and weak spots of the ros section.",
    )
    parser.add_argument("file", metavar="FILE", help="controller file, or the name of a shipped one")
    add_stimulus(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def rough_cost(program: Program) -> float:
    """Microseconds a tick, from counts alone, with every neuron firing at 20 Hz."""
    facts = program.facts
    sizes = {p["name"]: p["size"] for p in facts["populations"]}
    spiking = set(facts["spiking"])
    synaptic = 0.0
    for p in facts["projections"]:
        share = ASSUMED_HZ * facts["dt"] if p["pre"] in spiking else 1.0
        synaptic += p["synapses"] * share
    learning = sum(r["synapses"] * LEARNING_NS.get(r["rule"], 0.0) for r in facts.get("learning", []))
    operations = len(program.operations) * CALL_NS + learning
    return program.steps * (operations + sum(sizes.values()) * NEURON_NS + synaptic * SYNAPSE_NS) / 1e3


def check_ros(spec: ControllerSpec) -> str:
    """What was checked of the ``ros`` section; raises DescriptionError where a node would refuse it."""
    if not spec.ros_inputs and not spec.ros_outputs:
        return "not there"
    if importlib.util.find_spec("rclpy") is None:
        return "not checked: rclpy is not installed"
    from ..ros.check import check_topics

    try:
        check_topics(spec)
    except DescriptionError as error:
        raise error.in_file(spec.path) from None
    return "ok"


def describe(path: str, options: argparse.Namespace) -> dict[str, Any]:
    """Facts about a controller file, after binding it and showing it a stimulus."""
    spec = load_spec(path)
    ros = check_ros(spec)
    controller = Controller.from_spec(spec)
    controller.step({})  # compiles what is missing, runs once
    program = controller.program
    facts = program.facts
    health = diagnose(spec, watch(program, stimulus_of(options, spec), keep=False))
    return {
        "file": str(path),
        "period": facts["period"],
        "dt": facts["dt"],
        "steps_a_tick": program.steps,
        "inputs": facts["inputs"],
        "populations": [{k: p[k] for k in ("name", "size", "spiking")} for p in facts["populations"]],
        "projections": facts["projections"],
        "learning": facts["learning"],
        "outputs": facts["outputs"],
        "neurons": sum(p["size"] for p in facts["populations"]),
        "synapses": sum(p["synapses"] for p in facts["projections"]),
        "operations": len(program.operations),
        "memory": {
            "constants": int(program.constants.size),
            "state": int(program.initial_state.size),
            "io": program.io_bytes,
        },
        "rough_us_a_tick": round(rough_cost(program), 2),
        "ros": ros,
        "health": health.numbers(),
        "warnings": advice(spec) + health.warnings(),
        "digest": program.digest,
    }


def run(options: argparse.Namespace) -> int:
    d = describe(str(controller_path(options.file)), options)
    if options.json:
        print_json(d)
        return 0
    table("inputs", ["name", "kind", "required"], [[i["name"], i["kind"], i["required"]] for i in d["inputs"]])
    rows: list[list[Any]] = []
    for p, h in zip(d["populations"], d["health"]["populations"], strict=True):
        seen = [h[key] for key in ("rate_hz", "dead", "saturated")] if p["spiking"] else ["-"] * 3
        rows.append([p["name"], p["size"], "spikes" if p["spiking"] else "graded", *seen])
    table("populations", ["name", "neurons", "output", "rate [Hz]", "dead", "saturated"], rows)
    table("projections", ["from", "to", "synapses", "delay [steps]"], [
        [p["pre"], p["post"], p["synapses"], p["delay_steps"]] for p in d["projections"]
    ])  # fmt: skip
    if d["learning"]:
        keys = ("name", "rule", "pre", "post", "synapses")
        table("learning", ["name", "rule", "from", "to", "synapses"], [[r[k] for k in keys] for r in d["learning"]])
    table("outputs", ["name", "size", "unit"], [[o["name"], o["size"], o["unit"] or "-"] for o in d["outputs"]])
    memory = d["memory"]
    print(f"{d['neurons']:,} neurons, {d['synapses']:,} synapses, {d['operations']} operations")
    print(f"tick: {d['period'] * 1e3:g} ms = {d['steps_a_tick']} x {d['dt'] * 1e3:g} ms")
    print(
        f"memory: {memory['constants']:,} B constants, {memory['state']:,} B state, "
        f"{memory['io']:,} B inputs and outputs"
    )
    share = d["rough_us_a_tick"] / (d["period"] * 1e6)
    print(f"about {d['rough_us_a_tick']:g} us a tick ({share:.2%} of the period) at {ASSUMED_HZ:g} Hz a neuron; "
          f"measure it: snn_control bench {options.file}")  # fmt: skip
    if d["ros"].startswith("not checked"):
        print(f"ros section {d['ros']}")
    print(f"rates, dead, saturated: {d['health']['seconds']:g} s of {d['health']['stimulus']}")
    for line in d["warnings"]:
        print(f"warning: {line}")
    print("ok")
    return 0
