"""``snn_control plot``: pictures of a controller, and one page that holds them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import DescriptionError
from ..record.learned import with_learned
from ..record.stimulus import Stimulus, default_stimulus, load_stimulus
from ..resources import controller_path
from ..spec import ControllerSpec, load_spec
from .common import add_command, need_extra, number, print_json, whole

MORE = """\
figures (--only takes these names, or those of single files):
  graph      populations, projections and outputs as boxes and arrows
  f_i        rate against constant current of every neuron model, measured with the engine, beside the closed form
  tuning     response of each encoder neuron over the input's range; receptive fields of an events input
  weights    weights as images, histograms of weights, delays and degrees
  decoders   what each neuron adds to an output
  activity   inputs, spikes, membranes and commands for one stimulus

stimulus: without --input, a sinusoid over each number's range and a bright disc that wanders over an event camera's
frame, at random by --seed. --input takes an .npz file with an array for each input: (ticks, size) for
values, a row a tick; (n, 4) rows of t [s], x, y, p for events. It also takes what a node or a replay was given
(shown.npz), a rosbag2 (folder, .db3, .mcap) with the topics of the file's ros.inputs, and a recording of an event
camera for a controller with one (its other inputs are 0).

examples:
  snn_control plot cartpole
  snn_control plot my_robot.yaml --only f_i activity --seconds 5 --format svg
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "plot", run, "draw a controller: neurons, encoders, weights, activity", MORE)
    parser.add_argument("file", metavar="FILE", help="controller file, or the name of a shipped one")
    parser.add_argument("--out", default=None, metavar="FOLDER", help="where to write (default runs/plot-NAME)")
    add_stimulus(parser)
    parser.add_argument("--format", choices=("png", "svg", "pdf"), default="png", help="of the files (default png)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="draw these alone")
    text = "draw it with what it has learned: a file of Controller.save_state"
    parser.add_argument("--state", default=None, metavar="NPZ", help=text)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_stimulus(parser: argparse.ArgumentParser) -> None:
    """Options that say what the controller is shown."""
    text = "network time to run [s] (default 1, or all of --input)"
    parser.add_argument("--seconds", type=number(1e-6, " s"), default=None, help=text)
    parser.add_argument(
        "--input", default=None, metavar="FILE", help="what to show it, instead of the default stimulus"
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="seed of the default stimulus (default 0)")


def stimulus_of(options: argparse.Namespace, spec: ControllerSpec) -> Stimulus:
    """The stimulus that the options of `add_stimulus` ask for."""
    if options.input is not None:
        from ..ros.bags import bag_inputs, has_numbers

        if has_numbers(options.input, spec):
            return bag_inputs(options.input, spec, options.seconds)
        return load_stimulus(options.input, spec, options.seconds)
    return default_stimulus(spec, 1.0 if options.seconds is None else options.seconds, options.seed)


def run(options: argparse.Namespace) -> int:
    for module in ("matplotlib", "jinja2"):
        need_extra(module, "report")
    from ..report.look import look

    path = controller_path(options.file, "FILE")
    spec = load_spec(path)
    folder = Path(options.out or f"runs/plot-{path.stem}")
    if folder.exists() and not folder.is_dir():
        raise DescriptionError("--out", str(folder), "must be a folder", "choose another name")
    stimulus, title = stimulus_of(options, spec), path.name
    if options.state is not None:
        spec, title = with_learned(spec, options.state), f"{title} with the weights of {Path(options.state).name}"
    done = look(spec, stimulus, folder, suffix=options.format, only=options.only, title=title)
    if options.json:
        print_json({
            "file": str(path),
            "page": str(done.page),
            "figures": [{"name": v.name, "file": str(file), "shows": v.line} for v, file in done.files],
            "health": done.health.numbers(),
            "warnings": done.health.warnings(),
        })  # fmt: skip
        return 0
    width = max((len(file.name) for _, file in done.files), default=0)
    for view, file in done.files:
        print(f"{file.name:{width}}  {view.line}")
    for line in done.health.warnings():
        print(f"warning: {line}")
    print(f"page: {done.page}")
    return 0
