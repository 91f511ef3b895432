"""The part of ``snn_control export`` that writes C: checks, measurements on an emulated target, and the report."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from ..controller_file import load_spec
from ..errors import NO_VALUE, DescriptionError, ProgramError
from ..files import writing
from ..resources import controller_path

__all__ = ["add_c_options", "export_c"]

UNITS = {"": 1, "k": 1024, "m": 1024**2}
#: names of `snn_control.c_export.shells.SHELLS`
SHELL_NAMES = ("plain", "crazyflie", "ros2_control")
OPTIMISE = ("-Os", "-O2", "-O3")


def n_bytes(text: str) -> int:
    """Convert a text such as 128k or 1M to a number of bytes. This is a converter for argparse."""
    found = re.fullmatch(r"(\d+)([kKmM]?)(?:i?[bB])?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number of bytes, e.g. 65536, 128k or 1M")
    return int(found[1]) * UNITS[found[2].lower()]


def add_c_options(parser: Any) -> None:
    from ..c_export.targets import TARGETS
    from .common import number

    group = parser.add_argument_group("C")
    group.add_argument("--c", metavar="FOLDER", help="folder for the C of the controller; it is created")
    group.add_argument("--name", help="name of the controller in C (default: that of the file)")
    text = "also write a program around it, complete; may be given several times"
    group.add_argument("--shell", action="append", default=[], choices=SHELL_NAMES, help=text)
    text = f"also compile it for a processor, run it there (emulated), and print sizes and time: {', '.join(TARGETS)}"
    group.add_argument("--target", choices=tuple(TARGETS), metavar="PROCESSOR", help=text)
    group.add_argument("--mhz", type=number(0.001, " MHz"), help="clock of the processor, for the time of a tick")
    group.add_argument("--flash", type=n_bytes, metavar="BYTES", help="refuse a controller that needs more, e.g. 256k")
    group.add_argument("--ram", type=n_bytes, metavar="BYTES", help="refuse a controller that needs more, e.g. 64k")
    text = "optimisation of the compiler for --target (default: -Os, the smallest code)"
    group.add_argument("--optimise", choices=[one[1:] for one in OPTIMISE], default="Os", help=text)


def export_c(options: argparse.Namespace) -> int:
    from ..c_export.export import c_name, exported, write
    from ..c_export.readme import constant_bytes
    from ..c_export.shells import SHELLS
    from ..controller import build_program

    spec = load_spec(path := controller_path(options.file, "FILE"))
    name, folder = c_name(options.name or Path(path).stem), Path(options.c)
    for option in ("mhz", "flash", "ram"):
        if getattr(options, option) is not None and not options.target:
            raise DescriptionError(f"--{option}", getattr(options, option), "needs --target")
    try:
        e = exported(build_program(spec), name, f"{name}: exported by snn_control from {Path(path).name}")
    except ProgramError as error:
        raise DescriptionError(str(path), NO_VALUE, str(error)) from None
    report = _measured(e, options) if options.target else []
    shells = {path: text for one in options.shell for path, text in SHELLS[one](e).items()}
    with writing("--c", options.c):
        write(e, folder, shells, options.force)
    files = [f"{name}.c", f"{name}_selftest.c", "snn_kernels.h", f"{name}.json", "README.md", *shells]
    print(f"{folder}/{name}.h, {', '.join(files)}")
    if spec.tunable:
        print(f"fixed in C, at the values of the file: {', '.join(sorted(spec.tunable))}")
    if not report:
        rest = "the machine code comes on top"
        report = [f"constants {constant_bytes(e):,} bytes, {name}_state {e.struct_bytes:,} bytes; {rest}"]
    print("\n".join(report))
    return 0


def _measured(e: Any, options: argparse.Namespace) -> list[str]:
    """Compile a controller for the target, and run it on the emulated processor. Return the lines of the report.

    Raise DescriptionError if the controller needs more memory than ``--flash`` or ``--ram``.
    """
    from ..c_export.measure import TICKS, check_fits, measure

    found = measure(e, options.target, f"-{options.optimise}")
    check_fits(e, found, options.flash, options.ram)
    lines = [
        f"{options.target}, -{options.optimise}:",
        f"  flash         {found.flash:>11,} bytes: code {found.code:,}, compiler's functions {found.helpers:,}, "
        f"constants {found.constants:,}",
        f"  RAM           {found.ram:>11,} bytes",
        f"  instructions  {found.mean:>11,.0f} a tick, at most {found.most:,}, in {TICKS} example ticks",
    ]
    if options.mhz:
        period, most = e.program.facts.period * 1e6, found.seconds(options.mhz) * 1e6
        lines.append(f"  time          {most:>11,.0f} us at {options.mhz:g} MHz, estimated; period {period:,.0f} us")
    same = f"{found.differing} results differ from the engine" if found.differing else "the same bits as the engine"
    return [*lines, f"  self-test     {found.differing:>11,} on the emulated processor: {same}"]
