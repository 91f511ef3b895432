"""``snn_control export``: write a controller as C for a microcontroller, or its network as a NIR file."""

from __future__ import annotations

import argparse
from typing import Any

from ..controller_file import load_spec
from ..errors import NO_VALUE, DescriptionError, in_file
from ..files import writing
from ..resources import controller_path
from .common import add_command, add_out, add_shared, check_out
from .export_c import add_c_options, export_c

MORE = """\
--c writes the whole controller as C99 for a microcontroller: inputs with their checks, network, learning rules,
decoders and guard. It has no dependencies and computes the same bits. FOLDER gets NAME.h, NAME.c, snn_kernels.h, a
self-test with known results, NAME.json for tools, and a README. Tunable numbers have the values of the file. A kernel
of a plug-in needs C of its own. --target needs the extra 'c'; its times are estimates without wait states of the
flash.

--out writes the network alone as a NIR file. 'snn_control import NET.nir' reads it back to the same bits, and NIR's own
checks accept it. The metadata hold what NIR cannot express: time step, integration, kind of reset, initial membranes,
int8. Models that NIR lacks (alif, adex, izhikevich), encoders and events are refused. Decoders, limits and the guard
are not part of a network.

examples:
  snn_control export my.yaml --c firmware/my
  snn_control export my.yaml --c firmware/my --target cortex-m4f --mhz 168 --flash 1M --ram 128k
  snn_control export my.yaml --out my.nir
"""


def add_to(commands: Any) -> None:
    text = "write a controller as C for a microcontroller, or its network as a NIR file"
    parser = add_command(commands, "export", run, text, MORE)
    add_shared(parser, "file")
    add_out(parser, "NET.nir", "NIR file to write")
    add_c_options(parser)


def run(options: argparse.Namespace) -> int:
    if (options.c is None) == (options.out is None):
        raise DescriptionError("--c and --out", NO_VALUE, "one of them must be given", "--c FOLDER writes C")
    return export_c(options) if options.c else _nir(options)


def _nir(options: argparse.Namespace) -> int:
    from ..nir import export_nir

    if not options.out.endswith(".nir"):
        raise DescriptionError("--out", options.out, "must end with .nir", "--c FOLDER writes C")
    check_out(options)
    spec = load_spec(controller_path(options.file, "FILE"))
    with writing("--out", options.out), in_file(spec.path):
        graph = export_nir(options.out, spec.network, spec.inputs, spec.outputs, spec.dt)
    print(f"{options.out}: {len(graph.nodes)} nodes, {len(graph.edges)} edges, written with a step of {spec.dt:g} s")
    print("not in it: decoders, limits, safe values, ROS topics")
    print(f"next: snn_control import {options.out}")
    return 0
