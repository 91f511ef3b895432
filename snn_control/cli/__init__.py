"""The command line: ``snn_control COMMAND``. One file a command; each imports what it needs when it runs."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import SnnControlError

__all__ = ["main"]

COMMANDS = ("new", "check", "run", "train", "demo", "bench")

EPILOG = """\
first steps:
  snn_control new my_robot.yaml        a commented controller file to start from
  snn_control check my_robot.yaml      what it is, what it costs
  snn_control run --env CartPole-v1 cartpole
  snn_control demo                     a robot, a camera and a controller over ROS 2, with a report

FILE is a controller file (.yaml), or the name of one that ships with the package.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Exit codes: 0 done, 1 the run did not do what it should, 2 bad input, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="snn_control",
        description="Spiking neural networks that control robots: one compiled controller for Gymnasium and ROS 2.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"snn_control {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"{__name__}.{name}").add_to(commands)
    options = parser.parse_args(arguments)
    try:
        return options.execute(options)
    except SnnControlError as error:
        print(f"snn_control: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("snn_control: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stderr.close()
        return 0
