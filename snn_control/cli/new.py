"""``snn_control new``: a commented controller file to start from."""

from __future__ import annotations

import argparse
import math
from importlib.resources import files
from typing import Any

from .common import add_command, add_shared, write_new

MORE = """\
Each file works as it is, and says in its first lines what it does and how well.
For numbers: ten neurons that swing a pendulum up, 'snn_control run --env Pendulum-v1 FILE'.
With --events it is for an event camera: 'snn_control events replay RECORDING --controller FILE'.

examples:
  snn_control new my.yaml
  snn_control new eye.yaml --events 640x480
"""
LEAST, MOST = 8, 65535  # pixels of a side: the template has 8 x 8 cells
SIZE, WEIGHT = (640, 480), 0.3  # as they stand in the template


def camera_size(text: str) -> tuple[int, int]:
    """A ``type=`` of argparse: ``640x480`` -> (640, 480)."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}: must be width x height in pixels, e.g. 640x480")
    if not all(LEAST <= int(side) <= MOST for side in (width, height)):
        raise argparse.ArgumentTypeError(f"{text!r}: each side must be from {LEAST} to {MOST} pixels")
    return int(width), int(height)


def add_to(commands: Any) -> None:
    parser = add_command(commands, "new", run, "write a commented controller file", MORE)
    add_shared(parser, "file", nargs="?", help="where to write it; without it, it is printed")
    text = "for an event camera of so many pixels, e.g. 640x480"
    parser.add_argument("--events", type=camera_size, default=None, metavar="WIDTHxHEIGHT", help=text)


def template(size: tuple[int, int] | None) -> str:
    """The text of a controller file: for numbers, or for the events of a camera of this size."""
    name = "controller.yaml" if size is None else "events.yaml"
    text = files("snn_control").joinpath("templates", name).read_text(encoding="utf-8")
    if size is None:
        return text
    # an edge that passes a cell gives events along its whole side
    weight = WEIGHT * math.sqrt(math.prod(SIZE) / math.prod(size))
    text = text.replace(f"size: {list(SIZE)}", f"size: {list(size)}")
    return text.replace(f"weights: {WEIGHT}}}", f"weights: {weight:.2g}}}")


def run(options: argparse.Namespace) -> int:
    if write_new(options.file, template(options.events)):
        print(f"{options.file}: written. Next: snn_control check {options.file}")
        more = f"what it does: snn_control run --env Pendulum-v1 {options.file}"
        if options.events:
            more = f"with a recording: snn_control events replay RECORDING --controller {options.file}"
        print(more)
    return 0
