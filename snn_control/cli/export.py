"""``snn_control export``: write a controller as C for a microcontroller, or its network as a NIR file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..controller_file import load_spec
from ..errors import NO_VALUE, DescriptionError, ProgramError, in_file
from ..files import writing
from ..resources import controller_path
from .common import add_command, add_out, add_shared, check_out

MORE = """\
--c writes the whole controller as C99 for a microcontroller: inputs with their checks, network, learning rules,
decoders and guard. It has no dependencies and computes the same bits. FOLDER gets NAME.h, NAME.c, snn_kernels.h, a
self-test with known results, NAME.json for tools, and a README. Tunable numbers have the values of the file. A kernel
of a plug-in needs C of its own.

--out writes the network alone as a NIR file. 'snn_control import NET.nir' reads it back to the same bits, and NIR's own
checks accept it. The metadata hold what NIR cannot express: time step, integration, kind of reset, initial membranes,
int8. Models that NIR lacks (alif, adex, izhikevich), encoders and events are refused. Decoders, limits and the guard
are not part of a network.

examples:
  snn_control export my.yaml --c firmware/my
  snn_control export my.yaml --out my.nir
"""


def add_to(commands: Any) -> None:
    text = "write a controller as C for a microcontroller, or its network as a NIR file"
    parser = add_command(commands, "export", run, text, MORE)
    add_shared(parser, "file")
    add_out(parser, "NET.nir", "NIR file to write")
    parser.add_argument("--c", metavar="FOLDER", help="folder for the C of the controller; it is created")
    parser.add_argument("--name", help="name of the controller in C (default: that of the file)")


def run(options: argparse.Namespace) -> int:
    if (options.c is None) == (options.out is None):
        raise DescriptionError("--c and --out", NO_VALUE, "one of them must be given", "--c FOLDER writes C")
    return _c(options) if options.c else _nir(options)


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


def _c(options: argparse.Namespace) -> int:
    from ..c_export import c_name, constant_bytes, exported, write
    from ..controller import build_program

    spec = load_spec(path := controller_path(options.file, "FILE"))
    name, folder = c_name(options.name or Path(path).stem), Path(options.c)
    if (folder / f"{name}.h").exists() and not options.force:
        raise DescriptionError("--c", options.c, f"holds {name}.h already", "choose another folder, or give --force")
    try:
        e = exported(build_program(spec), name, f"{name}: exported by snn_control from {Path(path).name}")
    except ProgramError as error:
        raise DescriptionError(str(path), NO_VALUE, str(error)) from None
    with writing("--c", options.c):
        write(e, folder)
    print(f"{folder}/{name}.h, {name}.c, {name}_selftest.c, snn_kernels.h, {name}.json, README.md")
    print(
        f"constants {constant_bytes(e):,} bytes, {name}_state {e.struct_bytes:,} bytes; the machine code comes on top"
    )
    if spec.tunable:
        print(f"fixed in C, at the values of the file: {', '.join(sorted(spec.tunable))}")
    return 0
