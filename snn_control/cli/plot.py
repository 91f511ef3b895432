"""``snn_control plot``: draw figures of a controller, and write a page with these figures and its run on a stimulus."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..analysis.synapses import with_learned
from ..controller_file import load_spec
from ..errors import DescriptionError
from ..resources import controller_path
from .common import add_command, add_shared, need_extra, print_json
from .stimulus import STIMULUS, add_stimulus, stimulus_of

MORE = f"""\
figures (--only accepts these names, or names of single files):
  f_i        rate against constant current of every neuron model, measured with the engine, beside the closed form
  tuning     response of each encoder neuron over the input's range; receptive fields of an events input
  weights    histograms of weights, delays and degrees
  decoders   what each neuron adds to an output
  raster     inputs, spikes of all populations and commands in the reaction to the stimulus

The page also plays the reaction to the stimulus: spikes, membranes, weights, inputs, outputs, and the network's graph.

{STIMULUS}
examples:
  snn_control plot cartpole
  snn_control plot cartpole --env CartPole-v1
  snn_control plot my_robot.yaml --only f_i weights --seconds 5 --format svg
  snn_control plot cartpole --env CartPole-v1 --only raster --format pdf           for a paper
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "plot", run, "draw a controller: neurons, encoders, weights, activity", MORE)
    add_shared(parser, "file")
    parser.add_argument("--out", metavar="FOLDER", help="folder to write (default runs/plot-NAME)")
    add_stimulus(parser)
    parser.add_argument("--format", choices=("png", "svg", "pdf"), default="png", help="kind of file (default png)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="draw only these figures")
    text = "draw it with learned weights: a file of Controller.save_state"
    parser.add_argument("--state", metavar="NPZ", help=text)
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    for module in ("matplotlib", "jinja2"):
        need_extra(module, "report")
    from ..report.controller_page import write_controller_page

    path = controller_path(options.file, "FILE")
    spec = load_spec(path)
    folder = Path(options.out or f"runs/plot-{path.stem}")
    if folder.exists() and not folder.is_dir():
        raise DescriptionError("--out", str(folder), "must be a folder", "choose another name")
    stimulus, title = stimulus_of(options, spec), path.name
    if options.state is not None:
        spec, title = with_learned(spec, options.state), f"{title} with the weights of {Path(options.state).name}"
    done = write_controller_page(spec, stimulus, folder, suffix=options.format, only=options.only, title=title)
    if options.json:
        print_json({
            "file": str(path),
            "page": str(done.page),
            "figures": [{"name": v.name, "file": str(file), "shows": v.line} for v, file in done.files],
            "health": done.health.numbers(),
            "warnings": [asdict(one) for one in done.health.warnings()],
        })  # fmt: skip
        return 0
    width = max((len(file.name) for _, file in done.files), default=0)
    for view, file in done.files:
        print(f"{file.name:{width}}  {view.line}")
    for one in done.health.warnings():
        print(f"warning: {one}")
    print(f"page: {done.page}")
    return 0
