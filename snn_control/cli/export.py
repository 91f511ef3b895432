"""``snn_control export``: write a controller's network as a NIR file."""

from __future__ import annotations

import argparse
from typing import Any

from ..controller_file import load_spec
from ..errors import DescriptionError, in_file
from ..files import writing
from ..resources import controller_path
from .common import add_command, add_out, add_shared, check_out

MORE = """\
'snn_control import NET.nir' reads the file back to the same bits, and NIR's own checks accept it. The metadata hold
what NIR cannot express: time step, integration, kind of reset, initial membranes, int8. Models that NIR lacks (alif,
adex, izhikevich), encoders and events are refused. Decoders, limits and the guard are not part of a network.
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "export", run, "write a controller's network as a NIR file", MORE)
    add_shared(parser, "file")
    add_out(parser, "NET.nir", "file to write", required=True)


def run(options: argparse.Namespace) -> int:
    from ..nir import export_nir

    if not options.out.endswith(".nir"):
        raise DescriptionError("--out", options.out, "must end with .nir", "only NIR files are written")
    check_out(options)
    spec = load_spec(controller_path(options.file, "FILE"))
    with writing("--out", options.out), in_file(spec.path):
        graph = export_nir(options.out, spec.network, spec.inputs, spec.outputs, spec.dt)
    print(f"{options.out}: {len(graph.nodes)} nodes, {len(graph.edges)} edges, written with a step of {spec.dt:g} s")
    print("not in it: decoders, limits, safe values, ROS topics")
    print(f"next: snn_control import {options.out}")
    return 0
