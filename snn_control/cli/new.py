"""``snn_control new``: a commented controller file to start from."""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import DescriptionError
from .common import add_command


def add_to(commands: Any) -> None:
    parser = add_command(
        commands,
        "new",
        run,
        "write a commented controller file",
        "The file works as it is: 'snn_control check FILE', then 'snn_control run --env Pendulum-v1 FILE'.",
    )
    parser.add_argument("file", nargs="?", help="where to write it; without it, it is printed")


def run(options: argparse.Namespace) -> int:
    text = files("snn_control").joinpath("templates/controller.yaml").read_text(encoding="utf-8")
    if options.file is None:
        sys.stdout.write(text)
        return 0
    path = Path(options.file)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise DescriptionError("FILE", str(path), "exists already", "choose another name") from None
    except OSError as error:
        raise DescriptionError("FILE", str(path), f"cannot be written: {error.strerror}") from None
    print(f"{path}: written. Next: snn_control check {path}")
    return 0
