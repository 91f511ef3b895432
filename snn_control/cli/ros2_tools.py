"""The command ``ros2 snn ...``, and a check for ``ros2 doctor``.

The classes here are entry points for ros2cli and ros2doctor. These packages find the classes by name and call their
methods. This module does not import the packages.
"""

from __future__ import annotations

import argparse
from typing import Any

from . import main

__all__ = ["MachineCheck", "SnnCommand"]


class SnnCommand:
    """Spiking neural networks that control robots: the commands of snn_control."""

    NAME = "snn"

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str) -> None:
        parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND ...", help="as of snn_control")

    def main(self, *, parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
        """Run ``snn_control`` with these arguments, and return its exit code."""
        return main(args.arguments or ["--help"])


class MachineCheck:
    """Check whether this computer is fit for a real-time controller: the findings of ``snn_control doctor``."""

    def category(self) -> str:
        return "snn_control"

    def check(self) -> Any:
        from ros2doctor.api import Result
        from ros2doctor.api.format import doctor_error, doctor_warn

        from ..findings import ERROR, WARNING
        from ..realtime.machine import findings

        result = Result()
        for one in findings():
            if one.level == ERROR:
                doctor_error(str(one))
                result.add_error()
            elif one.level == WARNING:
                doctor_warn(str(one))
                result.add_warning()
        return result
