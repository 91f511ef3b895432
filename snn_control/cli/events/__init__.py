"""``snn_control events SUBCOMMAND``: work with recordings of event cameras. Each subcommand has its own module."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import DescriptionError
from ..common import add_command, number, whole

SUBCOMMANDS = ("info", "view", "replay", "convert", "simulate", "hot_pixels")

#: counter -> unit and explanation of its count; without a unit, the explanation is the whole text
WRONG = {
    "truncated": ("", "the file ends in the middle: it was read up to the cut"),
    "gaps": ("packet", "missing, according to their sequence numbers"),
    "reordered": ("packet", "repeated, or out of order"),
    "jumps": ("jump", "of the sensor's clock, against the clock of the bag"),
    "malformed": ("message or chunk", "not valid, and skipped"),
    "encoding_changes": ("change", "of the encoding"),
    "unknown_words": ("word", "not defined in the encoding"),
    "glitches": ("small step", "of the sensor's clock, backwards"),
    "out_of_frame": ("event", "outside the frame, and left out"),
    "before_time": ("event", "before the first time, and left out"),
    "partial_bytes": ("byte", "after the last whole word"),
    "rounded": ("time", "rounded to the unit"),
}
NO_FAULT = ("wraps", "triggers")
MANY = {"message or chunk": "messages or chunks"}

MORE = """\
examples:
  snn_control events info recording.raw            its contents and its problems
  snn_control events info bag_folder --json
  snn_control events view recording.raw --out seen.mp4
  snn_control events replay recording.raw --controller motion
  snn_control events convert recording.raw recording.mcap
  snn_control events view sequence.hdf5 --stream left --out seen.mp4

a recording is one of these, recognised by its contents: RAW (EVT2, EVT2.1, EVT3, EVT4), DAT, AEDAT (2, 3.1, 4), a bag
of ROS 2 (a folder, or its single .db3 or .mcap file) or of ROS 1, HDF5 (DSEC, MVSEC, M3ED, v2e, ESIM, Metavision, ...),
Event Stream (.es), .npz, .npy, or text.
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "events", None, "recordings of event cameras: contents, pictures, replay", MORE)
    parts = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", required=True)
    for name in SUBCOMMANDS:
        importlib.import_module(f"{__name__}.{name}").add_to(parts)


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that select a recording: FILE, ``--topic``, ``--columns``, ``--width``, ``--height``."""
    text = "recording: RAW, DAT, AEDAT, a bag of ROS 2 (folder, .db3 or .mcap) or ROS 1, HDF5, .es, .npz, .npy or text"
    parser.add_argument("file", metavar="FILE", help=text)
    text = "topic of the events in a bag, or stream in another file: in HDF5 a path, or a part of it such as left"
    parser.add_argument("--topic", "--stream", metavar="T", default=None, help=text)
    text = "order of the columns and unit of the times, such as t[us],x,y,p, if neither the file nor its values show it"
    parser.add_argument("--columns", metavar="C", default=None, help=text)
    text = "size of the sensor [pixel], if the file does not state it"
    parser.add_argument("--width", type=whole(1, 65535), metavar="W", default=None, help=text)
    parser.add_argument("--height", type=whole(1, 65535), metavar="H", default=None, help=text)


def open_from(options: argparse.Namespace) -> Any:
    """Open the recording that the options of `add_recording` select.

    Raises DescriptionError if the recording cannot be opened, or if only one of ``--width`` and ``--height`` is given.
    """
    from ...events import open_recording

    sides = {"--width": options.width, "--height": options.height}
    for side, other in (("--width", "--height"), ("--height", "--width")):
        if sides[side] is not None and sides[other] is None:
            raise DescriptionError(side, sides[side], f"says nothing without {other}", "give both")
    return open_recording(options.file, options.topic, options.width, options.height, options.columns)


def size_of(recording: Any) -> tuple[int, int] | None:
    """Return the sensor's (width, height) [pixel], from the user or from the file; None if it is not known.

    Some files contain the size only beside the first events. Therefore this function reads the first events.
    """
    if not (recording.width and recording.height):
        next(recording.chunks(), None)
    return (recording.width, recording.height) if recording.width and recording.height else None


def add_part(parser: argparse.ArgumentParser, first: str = "event") -> None:
    """Add the options ``--from S`` and ``--to S``, which select a part of a recording; see `check_part`.

    first : origin of the times S [s], for the help: "event" for the first event, "frame" for the first frame
    """
    text = f"start S seconds after the first {first}"
    parser.add_argument("--from", dest="begin", type=number(0, " s"), default=None, metavar="S", help=text)
    text = f"end S seconds after the first {first}"
    parser.add_argument("--to", dest="end", type=number(0, " s"), default=None, metavar="S", help=text)


def check_part(options: argparse.Namespace) -> None:
    """Raise DescriptionError if the interval between ``--from`` and ``--to`` is empty."""
    begin = options.begin or 0.0
    if options.end is not None and options.end <= begin:
        raise DescriptionError("--to", options.end, f"must be after --from = {begin:g}")


@contextmanager
def progress(what: str, total: float | None, unit: str = "", quiet: bool = False) -> Iterator[Callable[..., None]]:
    """Context manager that shows a progress bar if standard error is a terminal.

    It yields a function ``move(done, count)``. This function moves the bar to ``done``, a number up to ``total``, and
    shows the number ``count``.

    what : text beside the bar
    unit : unit of ``count``, as text beside the number
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(what, total=total or None, count="")
        yield lambda done, count=0: bar.update(task, completed=done, count=f"{count:,} {unit}" if unit else "")


def tracked(recording: Any, what: str) -> Iterator[Any]:
    """Yield the chunks of a recording, and show a progress bar if standard error is a terminal."""
    events = 0
    with progress(what, recording.size_bytes, "events") as move:
        for chunk in recording.chunks():
            events += len(chunk)
            yield chunk
            move(recording.bytes_read, events)


def check_suffix(option: str, out: str) -> None:
    """Raise DescriptionError if the suffix of the path ``out`` is not that of a format that can be written.

    option : name of the option, for the error
    """
    from ...events.writing import SUFFIXES

    if Path(out).suffix.lower() not in SUFFIXES:
        raise DescriptionError(option, out, f"must end with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")


def faults(counters: Mapping[str, int]) -> list[str]:
    """Return one line of text for each counter of a recording that indicates a problem."""
    found = []
    for name in [*WRONG, *(other for other in counters if other not in WRONG and other not in NO_FAULT)]:
        if n := counters.get(name, 0):
            noun, rest = WRONG.get(name, (name, ""))
            if noun and n != 1 and name in WRONG:
                noun = MANY.get(noun, f"{noun}s")
            found.append(f"{n:,} {noun} {rest}".rstrip() if noun else rest)
    return found


def warn(recording: Any) -> None:
    """Print to standard error the problems in the part of the recording that was read."""
    for line in faults(recording.counters):
        print(f"warning: {recording.path}: {line}", file=sys.stderr)
