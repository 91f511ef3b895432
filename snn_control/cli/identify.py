"""``snn_control identify``: estimate delay, gains and noise of a robot, from a recorded run and a simulation."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..controller import Controller
from ..controller_file import load_spec
from ..controller_file.names import output_names
from ..errors import DescriptionError
from ..gym_adapter.spaces import as_action
from ..record.input_log import InputLog
from ..record.recorded_run import read_run_record
from ..record.run_folder import companion
from ..resources import controller_path
from . import common

if TYPE_CHECKING:
    from ..controller_file import ControllerSpec
    from ..training.identification.identify import Identified, Simulation
    from ..training.identification.linear_response import Episode

MORE = """\
The delay between command and effect, the gain of each number of the action, and the noise of each observed number are
found by comparison with the environment, which is the simulation of the robot. They are relative to it: no delay, gains
of 1 and no noise mean that the robot responds as the simulation does. Intervals contain the true value with a
probability of about 95 %. The last line is the option with which 'run' and 'train' perturb the simulation like this.
RECORD is a record of controller_node (RUN.npz or RUN.mcap), or a file of 'run --record'. docs/howto/robustness.md says
what can be found.

examples:
  snn_control identify runs/a.npz --env my_robot:Arm-v0
  snn_control run --env Pendulum-v1 --episodes 1 --perturb action_delay=2 --record seen.npz my.yaml
  snn_control identify seen.npz --env Pendulum-v1
"""


def add_to(commands: Any) -> None:
    summary = "find out how a recorded robot differs from its simulation"
    parser = common.add_command(commands, "identify", run, summary, MORE)
    parser.add_argument("record", metavar="RECORD", help="record of controller_node, or of 'run --record'")
    common.add_shared(parser, "--env", type=common.environment, required=True, help="simulation of the robot")
    common.add_shared(parser, "--arg")
    text = "controller file (default: the one that the record names)"
    parser.add_argument("--controller", metavar="FILE", help=text)
    common.add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from ..training.identification.identify import MOST_STEPS, Simulation, identify

    log, spec = _read(options)
    controller, arguments = Controller.from_spec(spec), common.keywords(options.arg)
    console = Console(stderr=True)
    with (
        common.our_output(),
        Progress(console=console, transient=True, disable=options.json or not console.is_terminal) as bars,
    ):
        env = common.make_environment(options.env, arguments)
        common.check_fit(controller, env, options.record)
        steps = min(MOST_STEPS, log.ticks // controller.repeat - 1)
        simulation = Simulation(lambda: common.make_environment(options.env, arguments), controller, steps)
        episode, names = _episode(log, controller, simulation)
        task = bars.add_task("simulating", total=1.0)
        found = identify(simulation, [episode], names, lambda share: bars.update(task, completed=share))
        env.close()
    _tell(options, spec, found)
    return 0


def _read(options: argparse.Namespace) -> tuple[InputLog, ControllerSpec]:
    """Read the recorded inputs of a run, and the controller that acted in the run."""
    file = Path(options.record)
    if file.suffix == ".mcap" or companion(file, "inputs").is_file():
        _, log, spec, _ = read_run_record(file, controller=not options.controller)
        return log, spec or load_spec(controller_path(options.controller, "--controller"))
    if not file.is_file():
        raise DescriptionError("RECORD", options.record, "is not a file", "name a record, e.g. of 'run --record'")
    log = InputLog.load(file)
    if options.controller:
        return log, load_spec(controller_path(options.controller, "--controller"))
    name = str(log.origin.get("controller") or "")
    if not name:
        raise DescriptionError("--controller", None, "is needed: the record does not name its controller")
    if Path(name).suffix not in ("", ".yaml", ".yml"):  # the record may come from anybody
        rule = f"is needed: the record names {name!r:.80}, which is not a controller file"
        raise DescriptionError("--controller", None, rule)
    return log, load_spec(controller_path(name, "--controller"))


def _episode(log: InputLog, controller: Controller, simulation: Simulation) -> tuple[Episode, list[str]]:
    """Return the controller's observations and commands, step by step, and the names of the observed numbers.

    A step is a step of the environment, which is ``repeat`` ticks. The controller computes the commands again from the
    recorded inputs.
    """
    from ..training.identification.linear_response import Episode

    repeat, steps = controller.repeat, simulation.steps
    controller.reset()
    commands = log.up_to((steps + 1) * repeat).replay(controller)
    whole = [np.concatenate([np.ravel(one) for one in tick.values()]) for tick in commands]
    done = [simulation.actions_of(as_action(one, simulation.space)) for one in whole[repeat - 1 :: repeat]]
    values = {name: one["values"] for name, one in log.inputs.items() if "values" in one}
    seen = [one[: (steps + 1) * repeat : repeat] for one in values.values()]
    names = [f"{name}[{k}]" if one.shape[1] > 1 else name for name, one in values.items() for k in range(one.shape[1])]
    if not names:
        fix = "let it observe what it moves, e.g. its joints"
        raise DescriptionError("RECORD", list(log.inputs), "has no inputs that are numbers", fix)
    return Episode(np.hstack(seen), np.array(done)[:steps]), names


def _tell(options: argparse.Namespace, spec: ControllerSpec, found: Identified) -> None:
    names, perturb = output_names(spec), found.perturbations
    if options.json:
        gains = {
            name: {"gain": gain, "interval": list(pair)}
            for name, gain, pair in zip(names, found.gains, found.gain_intervals, strict=False)
        }
        told = {**dataclasses.asdict(found), "gains": gains, "perturb": perturb.plain}
        del told["gain_intervals"]
        common.print_json({"record": options.record, "environment": options.env, "arguments": options.arg} | told)
        return
    low, high = found.delay_interval
    rows = [["delay [steps]", found.delay, f"{low:.2f} to {high:.2f}"]]
    for name, gain, (low, high) in zip(names, found.gains, found.gain_intervals, strict=False):
        rows.append([f"gain of {name}", gain, f"{low:.3f} to {high:.3f}"])
    rows += [[f"noise of {name} [of the range]", share, ""] for name, share in found.noise.items() if share]
    common.table(f"{options.record} beside {options.env}, {found.steps:,} steps", ["", "found", "95 %"], rows)
    if found.unused:
        print(f"not used, because they never change in the record: {', '.join(found.unused)}", file=sys.stderr)
    if found.delay_interval[1] - found.delay_interval[0] > 2:
        print(
            "the intervals are wide: record a longer run, or one in which the commands change faster", file=sys.stderr
        )
    print(f"--perturb {' '.join(perturb.texts)}")
