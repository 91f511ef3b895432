"""Write recordings: RAW files (EVT3 or EVT2), MCAP bags of EventPackets, HDF5, .npz and text files.

Each file is written atomically.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import IO

import numpy as np

from ..engine.slots import EVENT_COLUMNS
from ..errors import InputError, optional
from ..files import replace_file
from .codecs import codec
from .columns import NANOSECONDS, Events, Spool
from .packets import PACKET_TYPES, packet_cdr
from .writing_hdf5 import write_hdf5
from .writing_text import write_text

__all__ = ["SUFFIXES", "write_mcap", "write_npz", "write_raw", "write_recording"]

Chunks = Callable[[], Iterable[Events]]

#: of the files that `write_recording` writes
SUFFIXES = (".raw", ".mcap", ".h5", ".hdf5", ".npz", ".txt", ".csv")

PERIODS = {"evt3": 1 << 24, "evt2": 1 << 34}  # us, after which the clock of an encoding wraps
STEP = 1 << 22  # us: longest pause without a word of EVT3's clock, well below a period
LATEST = 2**31 * 10**9  # ns: times from here on do not fit builtin_interfaces/Time
TOPIC = "/event_camera/events"
PACKET = 1_000_000  # ns, longest duration of a packet

SCHEMA = """\
std_msgs/Header header
uint32 height
uint32 width
uint64 seq
uint64 time_base
string encoding
bool is_bigendian
uint8[] events
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""


def write_recording(
    path: str | PathLike, chunks: Chunks, unit: str, width: int | None, height: int | None, encoding: str = "evt3"
) -> tuple[int, str, int]:
    """Write events to a file. The suffix of ``path``, one of SUFFIXES, selects the format.

    chunks : function that returns the events, in chunks
    unit : unit of the events' times, "us" or "ns"
    encoding : encoding of a .raw file, "evt3" or "evt2"; not used for other formats

    Return three values: the number of events, the name of the encoding ("" if it has no name), and the time that was
    subtracted from every event [us], see `write_raw`.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        return write_npz(path, chunks, unit, width, height), "", 0
    if suffix in (".h5", ".hdf5"):
        return write_hdf5(path, chunks, width, height), "layout of DSEC", 0
    if suffix in (".txt", ".csv"):
        return write_text(path, chunks, unit, width, height), "", 0
    if suffix == ".mcap":
        return *write_mcap(path, chunks, width, height), 0
    count, shift = write_raw(path, chunks, width, height, encoding)
    return count, encoding, shift


def write_npz(path: str | PathLike, chunks: Chunks, unit: str, width: int | None, height: int | None) -> int:
    """Write an .npz file in the format of `snn_control.events.files.npz`. Return the number of events."""
    numbers = {"width": width or 0, "height": height or 0, "unit": unit}
    with Spool() as spool:
        for events in chunks():
            spool.add(events)

        def write(file: IO[bytes]) -> None:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for name, dtype in EVENT_COLUMNS.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        header = {"descr": dtype, "fortran_order": False, "shape": (spool.count,)}
                        np.lib.format.write_array_header_1_0(member, header)
                        for block in spool.blocks(name):
                            member.write(block)
                for name, value in numbers.items():
                    with archive.open(f"{name}.npy", "w") as member:
                        np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)

        replace_file(path, write)
        return spool.count


def write_raw(
    path: str | PathLike, chunks: Chunks, width: int | None, height: int | None, encoding: str = "evt3"
) -> tuple[int, int]:
    """Write a RAW file in the encoding "evt3" or "evt2".

    Return the number of events, and the time that was subtracted from every event [us].

    The clock of these encodings wraps after 16.8 s (EVT3) or 4.8 hours (EVT2), so the file cannot represent a later
    first time. If the first time is later, a whole number of wraps is subtracted from all times.

    Raise InputError for events that the encoding cannot represent: times that are not in order or not whole
    microseconds, and coordinates >= 2048.
    """
    count = shift = 0

    def write(file: IO[bytes]) -> None:
        nonlocal count, shift
        file.write(_raw_header(encoding, width, height))
        last = -1
        for events in chunks():
            if (odd := events.ns % 1000 != 0).any():
                time = f"events.t = {events.t[odd.argmax()]} {events.unit}"
                raise InputError(f"{time}: RAW carries whole us; round the times")
            t = events.ns // 1000
            if last < 0:
                shift = int(t[0]) // PERIODS[encoding] * PERIODS[encoding]
            file.write(_bridge(encoding, last, int(t[0]) - shift))
            earlier = replace(events, t=events.t - shift * 1000 // NANOSECONDS[events.unit])
            file.write(codec(encoding).encode(earlier))
            last, count = int(t[-1]) - shift, count + len(events)

    replace_file(path, write)
    return count, shift


def _raw_header(encoding: str, width: int | None, height: int | None) -> bytes:
    """Return a RAW header as Metavision writes it. Metavision's readers check the fields for plugin and integrator."""
    known = width and height
    size, geometry = (f";height={height};width={width}", f"% geometry {width}x{height}\n") if known else ("", "")
    return (
        f"% camera_integrator_name Prophesee\n% evt {encoding[3:]}.0\n% format {encoding.upper()}{size}\n{geometry}"
        "% integrator_name Prophesee\n% plugin_integrator_name Prophesee\n% plugin_name hal_plugin_prophesee\n% end\n"
    ).encode()


def _bridge(encoding: str, last: int, first: int) -> bytes:
    """Return additional EVT3 time words for a pause from ``last`` to ``first`` [us] in which the clock could wrap.

    Without them, a decoder would not notice the wrap.
    """
    if encoding != "evt3" or last < 0:
        return b""
    highs = np.arange(last + STEP, first, STEP) >> 12 & 0xFFF
    return (8 << 12 | highs).astype("<u2").tobytes()


def write_mcap(path: str | PathLike, chunks: Chunks, width: int | None, height: int | None) -> tuple[int, str]:
    """Write an .mcap bag of event_camera_msgs/msg/EventPacket. Return the number of events and the encoding.

    The encoding is evt3 if times are in us and evt3 can represent every event exactly. Otherwise, the encoding is mono
    (8 bytes per event, times in ns). Stamps and log times are the sensor's times.

    chunks : function that returns the events, in chunks; it may be called twice
    """
    try:
        return _write_mcap(path, chunks, width, height, "evt3"), "evt3"
    except InputError:
        return _write_mcap(path, chunks, width, height, "mono"), "mono"


def _write_mcap(path: str | PathLike, chunks: Chunks, width: int | None, height: int | None, encoding: str) -> int:
    mcap = optional("mcap.writer", "MCAP needs mcap", "events")
    count = 0

    def write(file: IO[bytes]) -> None:
        nonlocal count
        bag = mcap.Writer(file)
        bag.start(profile="ros2")
        schema = bag.register_schema(name=PACKET_TYPES[0], encoding="ros2msg", data=SCHEMA.encode())
        channel = bag.register_channel(topic=TOPIC, message_encoding="cdr", schema_id=schema)
        last = -1
        for seq, events in enumerate(packets_of(chunks(), PACKET)):
            times = events.ns
            first, newest = int(times.min()), int(times.max())
            late = last < 0 and first // 1000 >= PERIODS["evt3"]
            if encoding == "evt3" and (late or events.unit == "ns"):
                raise InputError(f"events.t[0] = {events.t[0]} {events.unit}: EVT3 cannot represent it")
            if first < 0 or newest >= LATEST:
                span = f"events.t = {events.t.min()} .. {events.t.max()} {events.unit}"
                raise InputError(f"{span}: out of the range of stamps")
            base = (first,) if encoding == "mono" else ()
            data = _bridge(encoding, last, first // 1000) + codec(encoding).encode(events, *base)
            message = packet_cdr(data, encoding, width or 0, height or 0, seq, first, *base)
            bag.add_message(channel, log_time=newest, data=message, publish_time=newest, sequence=seq)
            last, count = newest // 1000, count + len(events)
        bag.finish()

    replace_file(path, write)
    return count


def packets_of(chunks: Iterable[Events], longest: int) -> Iterator[Events]:
    """Divide chunks of events into the events of successive packets, each of which spans at most ``longest`` [ns]."""
    for events in chunks:
        windows = (events.ns - events.ns[0]) // longest
        cuts = [0, *(np.flatnonzero(np.diff(windows)) + 1), len(events)]
        for begin, end in pairwise(cuts):
            yield events[begin:end]
