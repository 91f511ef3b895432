"""``snn_control check``: validate a controller file, run the controller, and report its problems, size and cost."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import asdict
from typing import Any

import numpy as np

from ..analysis.diagnosis import diagnose
from ..analysis.lint import lint
from ..analysis.precision import variants
from ..analysis.probe import probe
from ..coding import MOTION_LIMITS, FieldsEncoder, Output, PopulationEncoder
from ..controller import Controller
from ..controller_file import ControllerSpec, load_spec
from ..engine.program import Program
from ..engine.workload import workload
from ..errors import counted, in_file
from ..findings import Finding
from ..resources import controller_path
from .common import add_command, add_shared, print_json, table
from .stimulus import STIMULUS, add_stimulus, stimulus_of

# orders of magnitude (docs/explanation/performance.md): call of an operation, update of a neuron, synaptic event
CALL_NS, NEURON_NS, SYNAPSE_NS, ASSUMED_HZ = 4.0, 0.4, 0.6, 20.0
FIELD_NS = 10.0  # cost of a Gaussian field of an encoder, once a tick
#: cost of a learning rule for each synapse in each step (docs/explanation/plasticity.md)
LEARNING_NS = {"STDP": 0.04, "RewardSTDP": 0.25, "PES": 0.13, "EProp": 0.4}
MOST_OUTPUTS = 24  # rows of the table of outputs

MORE = f"""\
If the file is wrong, the exit code is 2, and one line names path, value, rule and fix. Otherwise it is 0, or with
--strict 1 if there are warnings. --json prints all figures, including those of the warnings.

warnings that need no stimulus:
  neurons that never or always fire, by a bound from ranges and weights; neurons that are identical or always fire
  together; commands that are constant or have only one sign; numbers that are not finite; rejected samples; inputs
  that nothing reads or that have no topic; times that look like ms; message types that are not installed, weaknesses
  of the ros section
further warnings with --env or --input:
  saturated neurons; commands that swing fast, or are at a limit or a slew limit most of the time; inputs that are
  beyond their range most of the time; a controller that does nothing. A neuron whose input was too small is no
  problem: the tables count it as silent

{STIMULUS}
examples:
  snn_control check my_robot.yaml
  snn_control check cartpole --env CartPole-v1
  snn_control check my_robot.yaml --env Pendulum-v1 --arg g=9.81 --seconds 30 --strict
  snn_control check my_robot.yaml --input runs/mine/shown.npz --json
"""


def add_to(commands: Any) -> None:
    summary = "validate a controller file, run it, and report its problems, size and cost"
    parser = add_command(commands, "check", run, summary, MORE)
    add_shared(parser, "file")
    add_stimulus(parser)
    parser.add_argument("--strict", action="store_true", help="exit code 1 if there are warnings")
    add_shared(parser, "--json")


def rough_cost(spec: ControllerSpec, program: Program) -> float:
    """Return a rough estimate of the duration of a tick [us], from the numbers of neurons and synapses only.

    The estimate assumes that all neurons fire at 20 Hz.
    """
    facts, spiking = program.facts, set(program.facts.spiking)
    neurons = sum(p.size for p in facts.populations)
    delivered = sum(p.synapses * (ASSUMED_HZ * facts.dt if p.pre in spiking else 1.0) for p in facts.projections)
    learning = sum(r.synapses * LEARNING_NS.get(r.rule, 0.0) for r in facts.learning)
    step = len(program.operations) * CALL_NS + neurons * NEURON_NS + delivered * SYNAPSE_NS + learning
    fields = sum(
        program.names[f"{one.name}.drive"].shape[0]
        for one in spec.inputs
        if isinstance(getattr(one, "encoder", None), FieldsEncoder | PopulationEncoder)
    )
    return (program.steps * step + fields * FIELD_NS) / 1e3


def check_ros(spec: ControllerSpec) -> tuple[str, list[Finding]]:
    """Check the section ``ros`` of a controller file.

    Return a text that states how much of the section could be checked, and the warnings. Raises DescriptionError for a
    fault because of which every node would refuse the file.
    """
    if not spec.ros_inputs and not spec.ros_outputs:
        return "not there", []
    if importlib.util.find_spec("rclpy") is None:
        return "not checked: rclpy is not installed", []
    from ..ros.check import check_topics

    with in_file(spec.path):
        missing = check_topics(spec)
    return "message types are missing" if missing else "ok", missing


def check_training(spec: ControllerSpec) -> None:
    """Raise DescriptionError if ``snn_control train`` would refuse a name or a limit in ``training.trainable``."""
    if spec.training.trainable:
        from ..training.gradients.parameters import Parameters

        with in_file(spec.path):
            Parameters(spec, spec.training.trainable, np.random.default_rng(0))


def describe(path: str, options: argparse.Namespace) -> dict[str, Any]:
    """Build a file's controller, run the controller on a stimulus, and return the check's results as plain data."""
    spec = load_spec(path)
    check_training(spec)
    ros, missing = check_ros(spec)
    controller = Controller.from_spec(spec)
    controller.step({})  # compiles what is missing, runs one tick
    program, facts = controller.program, controller.program.facts
    plain = asdict(facts)
    stimulus = stimulus_of(options, spec)
    health = diagnose(spec, probe(program, stimulus))
    return {
        "file": str(path), "period": facts.period, "dt": facts.dt, "steps_a_tick": program.steps,
        "inputs": plain["inputs"],
        "populations": [{k: p[k] for k in ("name", "size", "spiking")} for p in plain["populations"]],
        "projections": [
            {**f, "learning": type(p.learning).__name__ if p.learning else None}
            for f, p in zip(plain["projections"], spec.network.projections, strict=True)
        ],
        "learning": plain["learning"], "outputs": plain["outputs"],
        "limits": {one.name: _limits_of(one) for one in spec.outputs},
        "tunable": {
            path: {"now": now, "range": [spec.tunable[path].low, spec.tunable[path].high]}
            for path, now in controller.tuned.items()
        },
        "neurons": sum(p.size for p in facts.populations), "synapses": sum(p.synapses for p in facts.projections),
        "operations": len(program.operations), "memory": workload(controller.bound)["footprint"],
        "variants": [asdict(one) for one in variants(spec, program, stimulus)],
        "rough_us_a_tick": round(rough_cost(spec, program), 2), "ros": ros, "health": health.numbers(),
        "warnings": [asdict(one) for one in (*missing, *_once(lint(spec), health.warnings()))],
        "digest": program.digest,
    }  # fmt: skip


def _limits_of(one: Output) -> dict[str, Any]:
    """Return the finite limits of an output: name of the limit -> number, or a list with one number per component."""
    sides = {key: side for key, side in zip(("low", "high"), one.limits, strict=True) if np.isfinite(side).any()}
    sides |= {key: getattr(one, key) for key in MOTION_LIMITS if one.given(key).any()}
    found = {key: np.broadcast_to(np.asarray(side, np.float64), one.size).tolist() for key, side in sides.items()}
    return {key: side[0] if one.size == 1 else side for key, side in found.items()}


def _once(weak: list[Finding], seen: list[Finding]) -> list[Finding]:
    """Combine the warnings about the file and those about the run, without repetitions.

    A population without a connection is silent in every run. Only the warning about the file is then kept.

    weak : warnings about the file
    seen : warnings about the run
    """
    alone = {one.path for one in weak if one.path.startswith("network.populations.")}
    return weak + [one for one in seen if one.path not in alone]


def run(options: argparse.Namespace) -> int:
    found = describe(str(controller_path(options.file, "FILE")), options)
    if options.json:
        print_json(found)
    else:
        show(found, options.file)
    return 1 if options.strict and found["warnings"] else 0


def show(d: dict[str, Any], file: str) -> None:
    """Print the results of `describe` as tables and lines, then the warnings."""
    table("inputs", ["name", "kind", "required"], [
        [i["name"], i["kind"], "stops the commands" if i["stop_when"] else i["required"]] for i in d["inputs"]
    ])  # fmt: skip
    keys = ["rate_hz", "slowest_hz", "fastest_hz", "silent", "dead", "saturated"]
    table("populations", ["name", "neurons", "Hz", "least", "most", "silent", "dead", "saturated"], [
        [p["name"], p["size"], *([h[key] for key in keys] if p["spiking"] else ["graded", *["-"] * 5])]
        for p, h in zip(d["populations"], d["health"]["populations"], strict=True)
    ])  # fmt: skip
    table("projections", ["from", "to", "synapses", "places", "delay [steps]", "learning"], [
        [p["pre"], p["post"], p["used"], p["synapses"], p["delay_steps"], p["learning"] or "-"]
        for p in d["projections"]
    ])  # fmt: skip
    if d["learning"]:
        keys = ["name", "rule", "pre", "post", "synapses"]
        table("learning", ["name", "rule", "from", "to", "synapses"], [[r[k] for k in keys] for r in d["learning"]])
    keys = ["name", "unit", "least", "most", "never", "at a limit", "slewed", "swings/s", "swing"]
    table("outputs", keys, [
        [o["where"].removeprefix("outputs."), o["unit"] or "-", *("-" if x is None else x for x in o["span"]),
         o["never"] or "-", *(f"{share:.0%}" for share in (o["at_low"] + o["at_high"], o["slewed"])),
         o["swings_hz"], o["swing"]]
        for o in d["health"]["outputs"][:MOST_OUTPUTS]
    ])  # fmt: skip
    for name, limits in d["limits"].items():
        print(f"outputs.{name}: " + (", ".join(f"{key} {side}" for key, side in limits.items()) or "no limits"))
    for path, one in d["tunable"].items():
        print(f"tunable: {path} = {one['now']:g} in {one['range']}")
    memory = d["memory"]
    used, places = sum(p["used"] for p in d["projections"]), d["synapses"]
    zeros = f" (in {counted(places, 'place')}: a weight of 0 is no synapse)" if used < places else ""
    neurons, operations = counted(d["neurons"], "neuron"), counted(d["operations"], "operation")
    print(f"{neurons}, {counted(used, 'synapse')}{zeros}, {operations}")
    print(f"tick: {d['period'] * 1e3:g} ms = {d['steps_a_tick']} x {d['dt'] * 1e3:g} ms")
    sizes = f"{memory['constants']:,} B constants, {memory['state']:,} B state, {memory['io']:,} B inputs and outputs"
    print(f"memory: {sizes}")
    table("weights", ["", "flash [B]", "RAM [B]", "operations a tick", "nJ a tick"], [
        [v["name"], v["flash"], "-" if v["ram"] is None else v["ram"], v["operations"], v["nanojoule"]]
        for v in d["variants"]
    ])  # fmt: skip
    share = d["rough_us_a_tick"] / (d["period"] * 1e6)
    print(f"about {d['rough_us_a_tick']:g} us per tick ({share:.2%} of the period) at {ASSUMED_HZ:g} Hz per neuron; "
          f"measure it: snn_control bench {file}")  # fmt: skip
    if d["ros"].startswith("not checked"):
        print(f"ros section {d['ros']}")
    health = d["health"]
    print(f"rates, silent, saturated, commands: {health['seconds']:g} s of {health['stimulus']}")
    if health["synthetic"]:
        print("  synthetic: only problems that any stimulus would show; --env ID or --input FILE shows the others")
    if not health["weighed"]:
        print("  too many synapses to check one by one: dead and identical neurons are not reported")
    for one in d["warnings"]:
        print(f"warning: {Finding(**one)}")
    print(f"ok, {counted(len(d['warnings']), 'warning')}" if d["warnings"] else "ok")
