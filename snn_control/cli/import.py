"""``snn_control import``: read a NIR file in a framework's dialect, compare it, make a controller of it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DescriptionError, SnnControlError
from ..files import writing
from .common import add_command, add_out, add_shared, check_out, number, print_json, table, whole

MORE = """\
A NIR file says neither its time step nor how its framework integrates, fires and resets, so it must be read in a
dialect: snntorch, norse, sinabs, spikingjelly, nir-euler, nir-exact, or snn_control for files of 'snn_control export'.

options, in the words of each framework:
  snntorch      reset_mechanism=subtract|zero|none (subtract; none: of a last layer whose membranes are the output)
                reset_delay=true|false (true)
  sinabs        norm_input=true|false (must be given for LIF and LI)   min_v_mem=VALUE|none (IF -1, LIF and LI none)
  spikingjelly  decay_input=true|false (the file says it)
  nir-euler, nir-exact   reset_mechanism=zero|subtract (zero: to v_reset)
  LIF.norm_input=true says it for one type of node, 1.reset_mechanism=zero for the node '1'.

--verify takes the framework's own activity, an .npz of input, hidden and output, each (steps, n), hidden (the first
layer of neurons) and output optional: spikes must agree exactly, graded values within 1e-6. Arrays of the network's own
shape, (steps, channels, rows, columns), do as well, and a batch of one, (steps, 1, ...). Where it is different, other
dialects and options are tried for a few seconds, and those that are identical are named (not with --json).

a controller (--out) runs one step of the network a tick, unless --period or --steps-per-tick says more: a network that
was trained with T steps on each sample runs T steps a tick on the input that holds meanwhile. Its state goes on from
tick to tick, but with --reset-each-tick, for what was trained on independent samples.
--readout says how the steps of a tick become a command:
  rate         of spikes, filtered over 20 steps [Hz] (default of spikes)
  last         spikes, or graded values, of the tick's last step (default of graded values)
  mean, sum    of the tick's steps; count is the sum, of spikes
Exit code: 0 done, or identical; 1 different; 2 bad input.
"""
#: options of `controller_of` and their defaults
SURROUNDINGS = {
    "period": None, "steps_per_tick": None, "reset_each_tick": False, "readout": "", "input_scale": 1.0,
    "input_offset": 0.0, "output_scale": 1.0, "output_limits": (-math.inf, math.inf),
}  # fmt: skip


def add_to(commands: Any) -> None:
    parser = add_command(
        commands, "import", run, "read a NIR file in a framework's dialect; compare it spike by spike", MORE
    )
    parser.add_argument("file", metavar="FILE", help="a NIR file (.nir)")
    parser.add_argument("--dialect", metavar="D", default="", help="whose numbers the file has")
    parser.add_argument("--dt", type=number(1e-9, " s"), metavar="DT", help="step of the original simulation [s]")
    parser.add_argument("--option", action="append", default=[], metavar="K=V", help="what the file leaves open")
    parser.add_argument("--verify", metavar="NPZ", help="compare with the activity of the original")
    add_out(parser, "CONTROLLER", "write a controller file (.yaml)")
    more = parser.add_argument_group("the controller of --out")
    more.add_argument("--period", type=number(1e-9, " s"), metavar="SECONDS", help="control period [s]: whole steps")
    more.add_argument("--steps-per-tick", type=whole(1), metavar="T", help="network steps a tick: period = T dt")
    more.add_argument(
        "--reset-each-tick", action="store_true", help="each tick begins with the state of a reset network"
    )
    more.add_argument("--readout", metavar="R", help="how the steps of a tick become a command, see below")
    finite, each = number(-1e30), "a number, or one for each of its numbers"
    more.add_argument("--input-scale", type=finite, nargs="+", metavar="X", help=f"multiplies an input: {each}")
    more.add_argument("--input-offset", type=finite, nargs="+", metavar="X", help="is added to it then, likewise")
    more.add_argument("--output-scale", type=finite, nargs="+", metavar="X", help="multiplies what is read, likewise")
    more.add_argument(
        "--output-limits", type=finite, nargs=2, metavar=("LOW", "HIGH"), help="limits of every command; safe is 0"
    )
    add_shared(parser, "--json")
    parser.set_defaults(**SURROUNDINGS)


def given_options(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark or not key or not value:
            raise DescriptionError("--option", pair, "must look like reset_delay=true")
        found[key] = value
    return found


def describe(imported: Any) -> dict[str, Any]:
    """The imported network as plain data."""
    network = imported.network
    sizes = {p.name: p.size for p in network.populations} | dict(imported.inputs)

    def way(p: Any) -> str:
        return p.connection if isinstance(p.connection, str) else "convolution"

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
                "connection": way(p),
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
    table("populations", ["name", "neurons", "model"], [list(p.values()) for p in facts["populations"]])
    table(
        "projections", ["from", "to", "connection", "delay [steps]"], [list(p.values()) for p in facts["projections"]]
    )
    for name, output in facts["outputs"].items():
        print(f"output {name}: {output['population']} ({output['size']})")
    hints(facts)


def hints(facts: dict[str, Any]) -> None:
    for name, value in facts["defaults"].items():
        shown = str(value).lower() if isinstance(value, bool) or value is None else value
        print(f"default taken: {name}={shown}")
    for line in facts["warnings"]:
        print(f"warning: {line}")


def compare(imported: Any, options: argparse.Namespace, facts: dict[str, Any]) -> bool:
    """Print whether the network does what the original did; returns whether it does."""
    from ..nir.verification import load_activity, verify

    arrays = load_activity(options.verify)
    try:
        verdict = verify(imported, arrays)
    except DescriptionError as error:
        raise error.in_file(options.verify) from None
    if options.json:
        first = vars(verdict.first) if verdict.first else None
        print_json({"identical": verdict.identical, "steps": verdict.steps, "first_difference": first})
        return verdict.identical
    hints(facts)
    if verdict.identical:
        print(f"identical, {verdict.steps} of {verdict.steps} steps")
    else:
        d = verdict.first
        where = f"step {d.step}, population {d.population}, neuron {d.neuron} (counted from 0)"
        print(f"different: {where}: expected {d.expected:.9g}, got {d.got:.9g}")
        print(f"{verdict.wrong} of {verdict.compared} numbers in {verdict.steps} steps differ")
        show_others(imported, options, arrays)
    return verdict.identical


def show_others(imported: Any, options: argparse.Namespace, arrays: Any) -> None:
    """Print the other dialects and options that are identical, if a short trial finds any."""
    from ..nir.trial import try_others

    found = try_others(options.file, arrays, imported.dialect, options.dt, given_options(options.option))
    for trial in found:
        print(f"identical instead: {trial}")
    if not found:
        print("no other dialect or option that was tried is identical")


def open_points(imported: Any, options: argparse.Namespace) -> list[str]:
    """Notes on a controller file: the origin of its period, and what is missing."""
    from ..nir.importing import DIALECTS

    points = []
    if not options.dt and not options.period and (why := DIALECTS[imported.dialect].step):
        period = imported.dt * (options.steps_per_tick or 1)
        points.append(f"period {period * 1e3:.6g} ms ({rate(1 / period)}) {why}")
    names = ", ".join(imported.outputs)
    limited = options.output_limits != SURROUNDINGS["output_limits"]
    bounds = "safe value of {} (now: 0)" if limited else "limits and safe value of {} (now: no limits, 0)"
    inputs = f"range and stale of {', '.join(imported.inputs)} (now: any, never)"
    return [*points, f"still open: {bounds.format(names)}, {inputs}, and the ros section"]


def rate(hertz: float) -> str:
    return f"{hertz / 1e3:.4g} kHz" if hertz >= 1e3 else f"{hertz:.4g} Hz"


def controller_of(imported: Any, options: argparse.Namespace) -> Any:
    """A ControllerSpec: the input's values drive the network, the outputs are decoded."""
    from ..controller_file import ControllerSpec
    from ..nir.surroundings import outputs_of, steps_of, value_inputs

    try:
        steps = steps_of(imported, options.period, options.steps_per_tick)
        inputs = value_inputs(imported, options.input_scale, options.input_offset)
        limits = tuple(options.output_limits)
        outputs = outputs_of(imported, steps, options.readout, options.output_scale, limits)
    except DescriptionError as error:  # the library's arguments are named as the options
        raise DescriptionError("--" + error.path.replace("_", "-"), error.value, error.rule, error.fix) from None
    period, reset = options.period or steps * imported.dt, options.reset_each_tick
    return ControllerSpec(period, imported.dt, inputs, imported.network, outputs, reset_each_tick=reset)


def save(spec: Any, imported: Any, options: argparse.Namespace) -> None:
    path = Path(options.out)
    said = command(options).replace(str(options.file), Path(options.file).name, 1)
    with writing("--out", path):
        spec.save(path, "\n".join([f"Made by: {said} --out {path.name}", *open_points(imported, options)]))


def read(options: argparse.Namespace) -> Any:
    """The network; raises DescriptionError, which names the dialects that can be meant where none was given."""
    from ..nir import import_nir
    from ..nir.surroundings import step_of
    from ..nir.trial import fitting

    dt = step_of(options.dialect, options.dt, options.period, options.steps_per_tick)
    try:
        return import_nir(options.file, options.dialect, dt, given_options(options.option))
    except DescriptionError as error:
        if error.path == "dialect" and not options.dialect:
            fits = ", ".join(fitting(options.file)) or "none of them"
            raise SnnControlError(f"--dialect {error.rule}; {error.fix}; its numbers fit {fits}") from None
        raise


def run(options: argparse.Namespace) -> int:
    check_out(options)
    imported = read(options)
    spec = controller_of(imported, options)
    facts = describe(imported)
    if options.verify and not compare(imported, options, facts):
        if options.out and not options.json:
            print(f"{options.out}: not written")
        return 1
    if not options.verify and options.json:
        print_json(facts)
    elif not options.verify:
        show(facts)
    if options.out:
        save(spec, imported, options)
    if not options.json:
        for point in open_points(imported, options) if options.out else ():
            print(f"note: {point}")
        print(next_step(options))
    return 0


def next_step(options: argparse.Namespace) -> str:
    if options.out:
        return f"{options.out}: written. Next: snn_control check {options.out}"
    what = "--out controller.yaml" if options.verify else "--verify ACTIVITY.npz, or --out controller.yaml"
    return f"next: {command(options)} {what}"


def command(options: argparse.Namespace) -> str:
    """The command that reads the file in this way."""
    said = f"snn_control import {options.file}" + (f" --dialect {options.dialect}" if options.dialect else "")
    said += "".join(f" --option {pair}" for pair in options.option)
    for key, default in {"dt": None, **SURROUNDINGS}.items():
        value = getattr(options, key)
        if value == default:
            continue
        words = value if isinstance(value, list) else [] if value is True else [value]
        numbers = (f"{w:.12g}" if isinstance(w, float) else str(w) for w in words)
        said += " ".join([f" --{key.replace('_', '-')}", *numbers])
    return said
