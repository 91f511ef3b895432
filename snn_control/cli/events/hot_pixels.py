"""``snn_control events hot-pixels``: find pixels of an event camera that fire without a cause."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ...errors import NO_VALUE, DescriptionError, counted
from ..common import add_command, add_out, check_out, number
from . import add_recording, open_from, size_of, tracked, warn

MORE = """\
A pixel is hot if it has more events than the median of the active pixels plus --deviations robust deviations, and more
than --rate a second. Record a still scene, or with the lens covered, for some seconds: a moving edge makes any pixel
busy.

The mask is an array (height, width). Copy the printed lines into the controller file, which finds the .npz relative to
itself.

examples:
  snn_control events hot-pixels dark.raw --out mask.npz
  snn_control events hot-pixels bag_folder --topic /event_camera/events --deviations 20
"""
SHOWN = 10


def add_to(commands: Any) -> None:
    summary = "find pixels that fire without a cause, and write a mask for the filter hot_pixels"
    parser = add_command(commands, "hot-pixels", run, summary, MORE)
    add_recording(parser)
    text = "robust deviations above the median (default 10)"
    parser.add_argument("--deviations", type=number(0), metavar="K", default=10.0, help=text)
    text = "rate above which a pixel is hot [events/s] (default 10)"
    parser.add_argument("--rate", type=number(0), metavar="R", default=10.0, help=text)
    add_out(parser, "MASK.npz", "file for the mask")


def run(options: argparse.Namespace) -> int:
    from ...events.hot_pixels import learn_hot_pixels, save_mask

    if options.out and Path(options.out).suffix != ".npz":
        raise DescriptionError("--out", options.out, "must end with .npz")
    check_out(options)
    recording = open_from(options)
    size = size_of(recording)
    if size is None:
        rule = "does not state the size of its sensor, which the mask must have"
        raise DescriptionError(options.file, NO_VALUE, rule, "give --width and --height")
    found = learn_hot_pixels(tracked(recording, "counting"), *size, options.deviations, options.rate)
    _print(found)
    for line in found.warnings:
        print(f"warning: {line}", file=sys.stderr)
    warn(recording)
    if not options.out:
        print("nothing was written: give --out MASK.npz")
        return 0
    save_mask(options.out, found)
    print(f"\n{options.out}: the mask; in the controller file:\n")
    print("inputs:\n  CAMERA:\n    filters:")
    print(f"      - {{type: hot_pixels, mask: {Path(options.out).name}#mask}}")
    return 0


def _print(found: Any) -> None:
    hot, events = int(found.mask.sum()), int(found.counts.sum())
    share = found.counts[found.mask].sum() / events
    active = int((found.counts > 0).sum())
    print(f"{counted(events, 'event')} of {counted(active, 'active pixel')} in {found.duration:.3g} s")
    each = f"more than {found.threshold:.4g} events each"
    print(f"{counted(hot, 'hot pixel')}: {each}, {100 * share:.1f} % of all events")
    for x, y in found.pixels[:SHOWN].tolist():
        print(f"  x {x:4d}  y {y:4d}  {found.counts[y, x] / max(found.duration, 1e-9):10.1f} events/s")
    if hot > SHOWN:
        print(f"  and {hot - SHOWN:,} more")
