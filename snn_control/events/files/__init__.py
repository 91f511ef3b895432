"""Open recordings of event cameras: the format of a file is detected, and each format has its own module."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

from ...errors import DescriptionError
from ..columns import MOST_PIXELS
from ..recording import Recording, refused
from .storage import BAGS

__all__ = ["open_recording"]

ACCEPTED = "known are RAW (EVT2, EVT2.1, EVT3), DAT, AEDAT4, a rosbag2 folder, .db3 or .mcap, and .npz of events"

#: the first bytes of a file, its suffix if that decides, the module that reads it, and its function to open it
READERS = (
    *((first, "", "bags", "BagRecording") for first in BAGS),
    (b"#!AER-DAT4", "", "aedat4", "Aedat4Recording"),
    (b"%", "", "prophesee", "open_prophesee"),
    (b"PK", ".npz", "npz", "NpzRecording"),
)

#: the first bytes of other files that users may try -> the kind of file, and the fix
OTHERS = {
    b"#ROSBAG V": ("a bag of ROS 1", "convert it: rosbags-convert --src FILE --dst FOLDER"),
    b"#!AER-DAT": ("AEDAT before version 4", "convert it to AEDAT4 with the camera maker's tool"),
    b"\x89HDF\r\n": ("HDF5", "convert it to RAW or DAT"),
    b"\x28\xb5\x2f\xfd": ("compressed as a whole", "unpack it first: zstd -d FILE"),
    b"\x1f\x8b": ("compressed as a whole", "unpack it first: gunzip FILE"),
    b"PK\x03\x04": ("a ZIP archive", "unpack it first"),
    b"RIFF": ("a video", "simulate its events: snn_control events simulate FILE"),
}


def _opener(path: Path) -> Callable[..., Recording]:
    """Return the function that opens the file or folder. Raise DescriptionError if this is not a recording."""
    if path.is_dir():  # only a bag can be a folder
        head = BAGS[0]
    elif not path.is_file():
        raise refused(path, "is neither a file nor a folder", ACCEPTED)
    else:
        with open(path, "rb") as file:
            head = file.read(16)
    if not head:
        raise refused(path, "is empty", ACCEPTED)
    for first, suffix, module, name in READERS:
        if head.startswith(first) and path.name.endswith(suffix):
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    for first, (what, fix) in OTHERS.items():
        if head.startswith(first):
            raise refused(path, f"is {what}, which is not supported", fix)
    raise refused(path, f"begins with {head[:8]!r} and is no recording", ACCEPTED)


def open_recording(
    path: str | os.PathLike, topic: str | None = None, width: int | None = None, height: int | None = None
) -> Recording:
    """Open a recording. Its format is detected by its header or, if that does not decide, by its suffix.

    Supported are RAW (EVT2, EVT2.1, EVT3), DAT, AEDAT4, rosbag2 (a folder, a .db3 or an .mcap file) and .npz of events.

    path : path of the file, or of the folder of a bag
    topic : topic of the events, needed if a bag has several topics with events. For AEDAT4, the number of the event
        stream
    width, height : size of the sensor [pixel]; replaces the size in the file

    Raise DescriptionError for a path that is not a recording or cannot be read, and for a topic that does not exist.
    """
    where = Path(path)
    try:
        if not where.exists():
            raise refused(path, "does not exist")
        opened = _opener(where)(where, topic, width, height)
    except OSError as error:
        raise refused(path, f"cannot be read: {error.strerror or error}") from None
    if (opened.width or 0) * (opened.height or 0) > MOST_PIXELS:
        rule = f"says that its frame is {opened.width}x{opened.height}, more than {MOST_PIXELS:,} pixels"
        raise refused(path, rule, "give width and height")
    if topic is not None and opened.topic is None:
        raise DescriptionError("--topic", topic, f"{path} has no topics", "leave it out")
    return opened
