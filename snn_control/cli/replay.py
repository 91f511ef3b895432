"""``snn_control replay``: compute a recorded run again, and compare every bit with the recording."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from ..errors import DescriptionError, InputError, counted
from .common import add_command, add_shared, print_json
from .replay_c import replay_c

MORE = """\
The parameter 'record' of controller_node, or its service ~/snapshot, wrote RUN.npz: it has commands and spikes.
RUN_shown.npz beside it has the inputs, the control words (faults, releases, learning switched on and off) and the state
before them; RUN_controller.yaml is the controller. A RUN.mcap has all of it in one file; if it was cut, by a loss of
power, it is replayed up to the cut. The same ticks are run again, in this process and without a clock, and each command
and each spike is compared. The exit code is 1 if a bit differs: the first tick and number, or neuron, are named. It is
also 1 if a RUN.mcap is damaged: its checksums are compared, and it is replayed up to the damage.

examples:
  snn_control replay runs/a.npz
  snn_control replay runs/a.npz --controller other.yaml       where does another controller act differently?
  snn_control replay runs/a.npz --c firmware/my               does the microcontroller's C act alike?
  NUMBA_CPU_NAME=generic snn_control replay runs/a.npz        with code for any processor
"""
#: condition of a file -> message about it
NOT_WHOLE = {
    "cut": "the file has no end: ticks after these are not in it",
    "damaged": "the file is damaged, or ticks are missing in it: the ticks after these are not compared",
}


def add_to(commands: Any) -> None:
    parser = add_command(commands, "replay", run, "repeat a recorded run and compare every bit", MORE)
    parser.add_argument("run", metavar="RUN.npz", help="record of commands and spikes")
    text = "controller file (default: RUN_controller.yaml beside the record)"
    parser.add_argument("--controller", default=None, metavar="FILE", help=text)
    text = "also through the C that 'export --c' wrote: all bits of all ticks are compared"
    parser.add_argument("--c", default=None, metavar="FOLDER", help=text)
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from ..controller import Controller
    from ..controller_file import load_spec
    from ..record.recorded_run import read_run_record
    from ..record.replay import replay_log
    from ..resources import controller_path

    file = Path(options.run)
    arrays, log, own, condition = read_run_record(file, controller=not options.controller)
    spec = own or load_spec(controller_path(options.controller, "--controller"))
    controller = Controller.from_spec(spec)
    if options.controller and log.first_tick == 0:  # another controller begins with its own state
        log = dataclasses.replace(log, state=log.state[:0])
    try:
        found = replay_log(controller, log, arrays)
    except InputError as error:
        raise DescriptionError("RUN", str(file), str(error)) from None
    ticks, c_differs = replay_c(Controller.from_spec(spec), log, options.c) if options.c else (0, "")
    period = controller.period_ns * 1e-9
    if options.json:
        print_json({
            "run": str(file), "whole": condition == "whole", "damaged": condition == "damaged",
            "identical": found.identical, "seconds": found.ticks * period, **vars(found),
            **({"c_ticks": ticks, "c_differs": c_differs} if options.c else {}),
        })  # fmt: skip
    else:
        print(_told(found, spec, period))
        if options.c:
            same = f"identical to the bit, in the whole state of {counted(ticks, 'tick')}"
            print(f"C of {options.c}: {f'differs in {c_differs}' if c_differs else same}")
        if condition != "whole":
            print(NOT_WHOLE[condition])
    return 0 if found.identical and not c_differs and condition != "damaged" else 1


def _told(found: Any, spec: Any, period: float) -> str:
    from ..controller_file.names import output_names

    what = f"{counted(found.ticks, 'tick')} ({found.ticks * period:.6g} s) from tick {found.first_tick:,} on"
    if found.identical:
        return f"identical to the bit: {what}, {counted(found.spikes, 'spike')}"
    lines = [f"differs: {what}"]
    if found.tick is not None:
        name = output_names(spec)[found.word]
        at = f"tick {found.tick:,} ({found.tick * period:.6g} s)"
        lines.append(f"  first command: {at}, {name}: {found.recorded!r} recorded, {found.replayed!r} replayed")
    if found.step is not None:
        lines.append(f"  first spike: step {found.step:,}, neuron {found.neuron[1]} of {found.neuron[0]}")
    return "\n".join(lines)
