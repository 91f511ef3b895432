"""``snn_control import``: read a NIR file in the dialect of a framework, compare the results, and make a controller."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DescriptionError, SnnControlError, in_file
from ..files import writing
from . import import_policy
from .common import add_command, add_out, add_shared, check_out, number, print_json, table, whole

if TYPE_CHECKING:
    from ..controller_file import ControllerSpec
    from ..nir import Imported

MORE = """\
A NIR file states neither its time step nor how its framework integrates, fires and resets, so it must be read in a
dialect: snntorch, norse, sinabs, spikingjelly, nir-euler, nir-exact, or snn_control for files of 'snn_control export'.

options, named as in each framework (defaults in brackets):
  snntorch      reset_mechanism=subtract|zero|none (subtract; none: for a last layer whose membranes are the output)
                reset_delay=true|false (true)
  sinabs        norm_input=true|false (must be given for LIF and LI)   min_v_mem=VALUE|none (IF -1, LIF and LI none)
  spikingjelly  decay_input=true|false (by default as in the file)
  nir-euler, nir-exact   reset_mechanism=zero|subtract (zero: to v_reset)
  LIF.norm_input=true applies to one type of node, 1.reset_mechanism=zero to the node '1'.

--verify compares with the framework's own activity: an .npz of input, and of hidden (the first layer of neurons),
output, or both, each (steps, n). Spikes must agree exactly, graded values within 1e-6. Arrays of the network's own
shape, (steps, channels, rows, columns), are accepted too, and a batch of one, (steps, 1, ...). If the activity differs,
other dialects and options are tried, and identical ones are named (not with --json).

A controller (--out) runs one step of the network in each tick, or more with --period or --steps-per-tick: a network
that was trained with T steps for each sample runs T steps in a tick, with a constant input. Its state continues from
tick to tick, except with --reset-each-tick, for networks that were trained on independent samples.
--readout selects how the steps of a tick become a command:
  rate         rate of spikes, filtered over 20 steps [Hz] (default for spikes)
  last         spikes or graded values of the tick's last step (default for graded values)
  mean, sum    mean or sum over the tick's steps; count is the sum, for spikes
Exit code: 0 done, or identical; 1 different; 2 bad input.
"""
UNBOUNDED = (-math.inf, math.inf)
EACH = "one number, or one for each number of the input"
#: options for the controller that `--out` writes
CONTROLLER_OPTIONS: dict[str, dict[str, Any]] = {
    "--period": {"type": number(1e-9, " s"), "metavar": "SECONDS", "help": "control period [s]: whole steps"},
    "--steps-per-tick": {"type": whole(1), "metavar": "T", "help": "network steps per tick: period = T dt"},
    "--reset-each-tick": {"action": "store_true", "help": "reset the network's state at the start of each tick"},
    "--readout": {"metavar": "R", "default": "", "help": "how the steps of a tick become a command, see below"},
    "--input-scale": {"default": 1.0, "help": f"factor of an input: {EACH}"},
    "--input-offset": {"default": 0.0, "help": "offset, added after the factor, likewise"},
    "--output-scale": {"default": 1.0, "help": "factor of the readout, likewise"},
    "--output-limits": {
        "nargs": 2, "metavar": ("LOW", "HIGH"), "default": UNBOUNDED, "help": "limits of every command; safe is 0",
    },
}  # fmt: skip


def add_to(commands: Any) -> None:
    text = "convert a trained policy to spikes, or read a NIR file in a framework's dialect"
    parser = add_command(commands, "import", run, text, f"{import_policy.MORE}\n{MORE}")
    parser.add_argument("file", metavar="FILE", help="a policy, with --env; or a NIR file (.nir)")
    parser.add_argument("--dialect", metavar="D", default="", help="framework that wrote the file, see below")
    parser.add_argument("--dt", type=number(1e-9, " s"), metavar="DT", help="step of the original simulation [s]")
    text = "option that the file leaves open, see below; may be repeated"
    parser.add_argument("--option", type=pair, action="append", default=[], metavar="K=V", help=text)
    parser.add_argument("--verify", metavar="NPZ", help="compare with the activity of the original")
    add_out(parser, "CONTROLLER", "write a controller file (.yaml)")
    more = parser.add_argument_group("the controller of --out")
    numbers: dict[str, Any] = {"type": number(-1e30), "nargs": "+", "metavar": "X"}
    for name, arguments in CONTROLLER_OPTIONS.items():
        more.add_argument(name, **(numbers if name.startswith(("--input", "--output")) else {}) | arguments)
    import_policy.add_options(parser)
    add_shared(parser, "--json")


def pair(text: str) -> tuple[str, str]:
    """Convert a text such as ``reset_delay=true`` to a pair (key, value). This is a converter for argparse."""
    key, _, value = text.partition("=")
    if not key or not value:
        raise argparse.ArgumentTypeError(f"{text!r}: must look like reset_delay=true")
    return key, value


def describe(imported: Imported) -> dict[str, Any]:
    """Return a description of the imported network as plain data."""
    network = imported.network
    sizes = {p.name: p.size for p in network.populations} | dict(imported.inputs)
    return {
        "dialect": imported.dialect,
        "dt": imported.dt,
        "inputs": dict(imported.inputs),
        "populations": [
            {"name": p.name, "size": p.size, "neuron": type(p.neuron).__name__} for p in network.populations
        ],
        "projections": [
            {
                "pre": p.pre,
                "post": p.post,
                "connection": p.connection if isinstance(p.connection, str) else "convolution",
                "delay_steps": int(np.max(np.rint(np.asarray(p.delay) / imported.dt), initial=0)),
            }
            for p in network.projections
        ],
        "outputs": {name: {"population": p, "size": sizes[p]} for name, p in imported.outputs.items()},
        "defaults": dict(imported.defaults),
        "warnings": list(imported.notes),
    }


def show(facts: dict[str, Any]) -> None:
    inputs = ", ".join(f"{name} ({size})" for name, size in facts["inputs"].items())
    print(f"dialect {facts['dialect']}, a step of {facts['dt']:g} s, input {inputs}")
    columns = ["from", "to", "connection", "delay [steps]"]
    table("populations", ["name", "neurons", "model"], [list(p.values()) for p in facts["populations"]])
    table("projections", columns, [list(p.values()) for p in facts["projections"]])
    for name, output in facts["outputs"].items():
        print(f"output {name}: {output['population']} ({output['size']})")


def hints(imported: Imported) -> None:
    for name, value in imported.defaults.items():
        shown = str(value).lower() if isinstance(value, bool) or value is None else value
        print(f"default taken: {name}={shown}")
    for line in imported.notes:
        print(f"warning: {line}")


def compare(imported: Imported, options: argparse.Namespace) -> bool:
    """Compare the activity of the imported network with that of the original, and print the result.

    If the activities differ, also print the dialects and options with which they would be identical. Return whether
    they are identical.
    """
    from ..nir.verification import load_activity, search_dialects, verify

    arrays = load_activity(options.verify)
    with in_file(options.verify):
        verdict = verify(imported, arrays)
    first = verdict.first
    if options.json:
        difference = vars(first) if first else None
        print_json({"identical": first is None, "steps": verdict.steps, "first_difference": difference})
        return first is None
    hints(imported)
    if first is None:
        print(f"identical, {verdict.steps} of {verdict.steps} steps")
        return True
    where = f"step {first.step}, population {first.population}, neuron {first.neuron} (counted from 0)"
    print(f"different: {where}: expected {first.expected:.9g}, got {first.got:.9g}")
    print(f"{verdict.wrong} of {verdict.compared} numbers in {verdict.steps} steps differ")
    found, tried = search_dialects(options.file, arrays, imported.dialect, options.dt, dict(options.option))
    for trial in found:
        print(f"identical instead: {trial}")
    if not found:
        print(f"no other dialect or option is identical: {tried} readings tried")
    return False


def open_points(imported: Imported, options: argparse.Namespace) -> list[str]:
    """Return remarks for the controller file: the source of its period, and values that the user must still fill in."""
    from ..nir.importing import DIALECTS

    points = []
    if not options.dt and not options.period and (why := DIALECTS[imported.dialect].step):
        period = imported.dt * (options.steps_per_tick or 1)
        rate = f"{1 / period:.4g} Hz" if period > 1e-3 else f"{1e-3 / period:.4g} kHz"
        points.append(f"period {period * 1e3:.6g} ms ({rate}) {why}")
    names = ", ".join(imported.outputs)
    limited = options.output_limits != UNBOUNDED
    bounds = "safe value of {} (now: 0)" if limited else "limits and safe value of {} (now: no limits, 0)"
    inputs = f"range and stale of {', '.join(imported.inputs)} (now: any, never)"
    return [*points, f"still open: {bounds.format(names)}, {inputs}, and the ros section"]


def controller_of(imported: Imported, options: argparse.Namespace) -> ControllerSpec:
    """Return a controller that contains an imported network, with inputs that drive it and outputs decoded from it."""
    from ..controller_file import ControllerSpec
    from ..nir.wrapping import outputs_of, steps_of, value_inputs

    try:
        steps = steps_of(imported, options.period, options.steps_per_tick)
        inputs = value_inputs(imported, options.input_scale, options.input_offset)
        limits = tuple(options.output_limits)
        outputs = outputs_of(imported, steps, options.readout, options.output_scale, limits)
    except DescriptionError as error:  # the library's arguments have the names of the options
        raise DescriptionError("--" + error.path.replace("_", "-"), error.value, error.rule, error.fix) from None
    period, reset = options.period or steps * imported.dt, options.reset_each_tick
    return ControllerSpec(period, imported.dt, inputs, imported.network, outputs, reset_each_tick=reset)


def read(options: argparse.Namespace) -> Imported:
    """Import the network that the options select.

    Raises DescriptionError if the network cannot be imported. If the user must choose a dialect, raises
    SnnControlError, which names the possible dialects.
    """
    from ..nir import import_nir
    from ..nir.importing import DIALECTS
    from ..nir.verification import fitting_dialects

    dt, table = options.dt, DIALECTS.get(options.dialect)
    if not dt and options.period and options.steps_per_tick and table and table.counts:
        dt = options.period / options.steps_per_tick  # neurons that count steps accept any length of the step
    try:
        return import_nir(options.file, options.dialect, dt, dict(options.option))
    except DescriptionError as error:
        if error.path == "dialect" and not options.dialect:
            fits = ", ".join(fitting_dialects(options.file)) or "none of them"
            raise SnnControlError(f"--dialect {error.rule}; {error.fix}; its numbers fit {fits}") from None
        raise


def command(options: argparse.Namespace, file: str) -> str:
    """Return the ``snn_control import`` command that reads the file with these options."""
    said = ["snn_control import", file, *([f"--dialect {options.dialect}"] if options.dialect else [])]
    said += [f"--option {key}={value}" for key, value in options.option]
    for name, arguments in {"--dt": {}, **CONTROLLER_OPTIONS}.items():
        value = getattr(options, name[2:].replace("-", "_"))
        if value and value != arguments.get("default"):
            words = value if isinstance(value, list) else [] if value is True else [value]
            said += [name, *(f"{w:.12g}" if isinstance(w, float) else str(w) for w in words)]
    return " ".join(said)


def run(options: argparse.Namespace) -> int:
    if options.env is not None:
        return import_policy.convert(options)
    check_out(options)
    if options.file.endswith(import_policy.KINDS):
        raise DescriptionError("--env", None, "is needed to convert a policy", "give --env ID")
    imported = read(options)
    spec = controller_of(imported, options)
    if options.verify and not compare(imported, options):
        if options.out and not options.json:
            print(f"{options.out}: not written")
        return 1
    if not options.verify and options.json:
        print_json(describe(imported))
    elif not options.verify:
        show(describe(imported))
        hints(imported)
    if options.out:
        path, points = Path(options.out), open_points(imported, options)
        made = f"Made by: {command(options, Path(options.file).name)} --out {path.name}"
        with writing("--out", path):
            spec.save(path, "\n".join([made, *points]))
        following = [f"note: {point}" for point in points]
        following.append(f"{options.out}: written. Next: snn_control check {options.out}")
    else:
        what = "--out controller.yaml" if options.verify else "--verify ACTIVITY.npz, or --out controller.yaml"
        following = [f"next: {command(options, options.file)} {what}"]
    if not options.json:
        print("\n".join(following))
    return 0
