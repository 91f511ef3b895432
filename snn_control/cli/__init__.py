"""The command line ``snn_control COMMAND``. Each command has a module, which imports other packages when it runs."""

from __future__ import annotations

import argparse
import errno
import importlib
import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, NoReturn

from .. import __version__
from ..errors import RuntimeFault, SnnControlError, close_match
from .common import each_alone

__all__ = ["main"]

COMMANDS = (
    "new", "check", "schema", "plot", "run", "watch", "train", "quantize", "identify", "import", "score", "export",
    "worlds", "demo", "bench", "replay", "doctor", "deploy", "events", "ros",
)  # fmt: skip

EPILOG = """\
first steps:
  snn_control new my_robot.yaml        a commented controller file to start from
  snn_control check my_robot.yaml      its size, its cost, its dead neurons and other problems
  snn_control plot my_robot.yaml       figures of its neurons, encoders, weights and activity
  snn_control run --env CartPole-v1 cartpole
  snn_control worlds                   the simulated robots that ship, each with a controller
  snn_control demo                     a robot, a camera and a controller over ROS 2, with a report
  snn_control events info FILE         the contents of an event camera's recording

FILE is a controller file (.yaml), or the name of one that ships with the package.
"""


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` with one-line errors.

    Subcommands also use this class, so that an error in a subcommand refers to the --help of this subcommand.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        found, unknown = super().parse_known_args(None if args is None else each_alone(args), namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice and (near := close_match(choice[1], re.findall(r"[^\s',]+", choice[2]))):
            message += f"; {near}"
        raise SnnControlError(f"{message}; see {self.prog} --help")


def parser(names: Sequence[str] = COMMANDS) -> Parser:
    """Return the command-line parser with these commands."""
    made = Parser(
        prog="snn_control",
        description="Spiking neural networks that control robots: one compiled controller for Gymnasium and ROS 2.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"snn_control {__version__}")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        importlib.import_module(f"{__name__}.{name}").add_to(commands)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code.

    arguments : command-line arguments; None: those of this process

    The exit codes are:

    - 0: success
    - 1: a run failed, for example because a loop crashed, hung or was not closed
    - 2: the input is wrong, a file cannot be written, or something is not installed
    - 130: the command was interrupted
    """
    try:
        given = sys.argv[1:] if arguments is None else arguments  # inside the try, because the user may interrupt it
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a terminal that cannot show a character shows '?'
                stream.reconfigure(errors="replace")
        if not given:
            parser().print_help()
            return 2
        wanted = [name for name in COMMANDS if name in given[:1]]  # the others would take longer to import
        options = parser(wanted or COMMANDS).parse_args(given)
        return options.execute(options)
    except SnnControlError as error:
        print(f"snn_control: {error}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeFault) else 2
    except OSError as error:  # a file or folder cannot be written, or has an invalid name
        if isinstance(error, BrokenPipeError):  # the reader of the output has closed it, as `head` does
            sys.stderr.close()
            return 0
        # files that are written have names in their errors
        name = error.filename or ("standard output" if error.errno == errno.ENOSPC else "")
        said = [str(name)[:250], error.strerror or str(error)]
        print(f"snn_control: {': '.join(filter(None, said))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("snn_control: interrupted", file=sys.stderr)
        return 130
