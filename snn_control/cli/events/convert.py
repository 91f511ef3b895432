"""``snn_control events convert``: convert a recording, or a part of it, to another file format."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import NO_VALUE, DescriptionError, InputError, counted
from ..common import add_command, check_free
from . import add_part, add_recording, check_part, check_suffix, open_from, size_of, tracked, warn

if TYPE_CHECKING:
    from ...events import Events

Chunks = Callable[[], "Iterator[Events]"]

MORE = """\
The suffix of OUT selects the kind of file:
  .raw    EVT3 words after a header with the geometry (--encoding evt2: EVT2)
  .mcap   a bag of event_camera_msgs/msg/EventPacket of 1 ms each, evt3 if it can carry every event unchanged,
          otherwise mono
  .h5     HDF5 in the layout of the data set DSEC, compressed with Blosc (also .hdf5)
  .npz    arrays t, x, y, p, width, height (0: not known), unit
  .txt    a line "t x y p" for each event, with the time in seconds
  .csv    a line "t,x,y,p" for each event, with the time in us or ns

The file is written atomically. External triggers are not written. RAW and HDF5 need times in order and in whole
microseconds: --round rounds and sorts the times, for all kinds of files.

examples:
  snn_control events convert recording.raw recording.mcap
  snn_control events convert bag_folder piece.npz --from 1.5 --to 2
  snn_control events convert libcaer.mcap davis.raw --round
  snn_control events convert sequence.bag sequence.h5 --topic /dvs/events --round
"""
PIECE = 1_000_000  # events


def add_to(commands: Any) -> None:
    parser = add_command(commands, "convert", run, "write a recording, or a part of it, as another kind of file", MORE)
    add_recording(parser)
    parser.add_argument("out", metavar="OUT", help="file to write: .raw, .mcap, .h5, .npz, .txt or .csv")
    add_part(parser)
    parser.add_argument("--encoding", choices=("evt3", "evt2"), default="evt3", help="of a .raw file (default evt3)")
    parser.add_argument("--round", action="store_true", help="round times to whole microseconds, and sort them")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists already")


def run(options: argparse.Namespace) -> int:
    out = Path(options.out)
    check_suffix("OUT", options.out)
    check_free("OUT", options.out, options.force)
    check_part(options)
    recording = open_from(options)
    size = size_of(recording) or (None, None)
    chunks: Chunks = partial(_part, recording, options.begin, options.end)
    count, more = _write(options, out, chunks, "us" if options.round else recording.unit, size)
    print(f"{out}: {counted(count, 'event')}{more}")
    if triggers := recording.counters["triggers"]:
        print(f"not in it: {triggers:,} external triggers")
    if size[0] is None:
        print("not in it: the size of the sensor, which is not known; give --width and --height")
    print(f"next: snn_control events info {out}")
    warn(recording)
    return 0


def _write(
    options: argparse.Namespace, out: Path, chunks: Chunks, unit: str, size: tuple[int | None, int | None]
) -> tuple[int, str]:
    """Write events to the file ``out``. Return the number of events, and remarks about the file for the user."""
    from ...events.writing import write_recording

    more = ""
    if options.round:
        chunks, more = _rounded(chunks)
    try:
        count, encoding, shift = write_recording(out, chunks, unit, *size, options.encoding)
    except InputError as error:
        if out.suffix.lower() not in (".raw", ".h5", ".hdf5"):
            raise
        fix = "" if options.round else "; give --round, or write"
        raise InputError(f"{error}{fix or ';'} .mcap or .npz, which carry every recording") from None
    more = (f", {encoding}" if encoding else "") + more
    return count, more + (f", {shift:,} us" if shift else "")


def _part(recording: Any, begin: float | None, end: float | None) -> Iterator[Events]:
    """Yield the events of a recording from ``begin`` to ``end`` [s], in chunks.

    Raises DescriptionError if the user selected a part, and this part contains no events.
    """
    from ...events.slicing import part

    nothing = True
    for events in part(tracked(recording, "converting"), begin, end):
        nothing = False
        yield events
    if nothing and not (begin is None and end is None):
        raise DescriptionError(recording.path, NO_VALUE, "holds no events in this part", "see: snn_control events info")


def _rounded(chunks: Chunks) -> tuple[Chunks, str]:
    """Return the events with times rounded to whole us and sorted, and remarks about these changes for the user.

    The whole recording is stored in memory only if its times are not in order.
    """
    from ...events import Events

    def whole() -> Iterator[Events]:
        for events in chunks():
            yield replace(events, t=(events.ns + 500) // 1000, unit="us")

    newest, ordered = None, True
    for events in whole():
        ordered &= bool((np.diff(events.t) >= 0).all()) and (newest is None or events.t[0] >= newest)
        newest = events.t[-1]
    if ordered:
        return whole, ", times in whole us"

    def in_order() -> Iterator[Events]:
        events = Events.concatenate(whole())
        order = np.argsort(events.t, kind="stable")
        for first in range(0, len(order), PIECE):
            yield events[order[first : first + PIECE]]

    return in_order, ", times in whole us, put in order"
