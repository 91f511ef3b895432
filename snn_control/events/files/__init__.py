"""Open recordings of event cameras: the format of a file is detected, and each format has its own module."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from ...errors import DescriptionError
from ..columns import MOST_PIXELS
from ..recording import Recording, refused
from .storage import BAGS
from .text import is_text

__all__ = ["open_recording"]

ACCEPTED = (
    "known are RAW (EVT2, EVT2.1, EVT3, EVT4), DAT, AEDAT 2, 3.1 and 4, bags of ROS 1 and 2, HDF5, Event Stream, npz, "
    "npy and text"
)

#: the first bytes of a file, the module that reads it, and its function to open it
READERS = (
    *((first, "bags", "BagRecording") for first in BAGS),
    (b"#!AER-DAT4", "aedat4", "Aedat4Recording"),
    (b"#!AER-DAT2", "aedat2", "Aedat2Recording"),
    (b"#!AER-DAT3", "aedat3", "Aedat3Recording"),
    (b"Event Stream", "event_stream", "EventStreamRecording"),
    (b"\x89HDF\r\n\x1a\n", "hdf5", "Hdf5Recording"),
    (b"%geometry", "text", "TextRecording"),
    (b"%", "prophesee", "open_prophesee"),
    (b"PK\x03\x04", "npz", "NpzRecording"),
    (b"\x93NUMPY", "npz", "NpyRecording"),
)

#: modules whose files may leave the order of columns open
COLUMNS = ("hdf5", "npz", "text")
#: the first bytes of other files that users may try -> the kind of file, and the fix
OTHERS = {
    b"#ROSBAG V": ("a bag of ROS 1 before version 2.0", "convert it: rosbag fix"),
    b"#!AER-DAT": ("AEDAT of another version than 2, 3.1 and 4", "convert it to AEDAT4 with the camera maker's tool"),
    b"\x28\xb5\x2f\xfd": ("compressed as a whole", "unpack it first: zstd -d FILE"),
    b"\x1f\x8b": ("compressed as a whole", "unpack it first: gunzip FILE"),
    b"RIFF": ("a video", "simulate its events: snn_control events simulate FILE"),
}


def _opener(path: Path) -> tuple[str, str]:
    """Return the names of the module and of the function that open the file or folder.

    Raise DescriptionError if the path is not a recording.
    """
    if path.is_dir():  # only a bag can be a folder
        head = BAGS[0]
    elif not path.is_file():
        raise refused(path, "is neither a file nor a folder", ACCEPTED)
    else:
        with open(path, "rb") as file:
            head = file.read(16)
    if not head:
        raise refused(path, "is empty", ACCEPTED)
    for first, module, name in READERS:
        if head.startswith(first):
            return module, name
    for first, (what, fix) in OTHERS.items():
        if head.startswith(first):
            raise refused(path, f"is {what}, which is not supported", fix)
    if is_text(head):
        return "text", "TextRecording"
    raise refused(path, f"begins with {head[:8]!r} and is no recording", ACCEPTED)


def open_recording(
    path: str | os.PathLike,
    topic: str | None = None,
    width: int | None = None,
    height: int | None = None,
    columns: str | None = None,
) -> Recording:
    """Open a recording. The format is detected from the contents of the file.

    Supported formats are RAW (EVT2, EVT2.1, EVT3, EVT4), DAT, AEDAT 2, 3.1 and 4, bags of ROS 2 (a folder, a .db3 or an
    .mcap file) and of ROS 1, HDF5, Event Stream, .npz, .npy and text.

    path : path of the file, or of the folder of a bag
    topic : topic of the events, needed if a bag has several topics with events. For other files, the stream: the number
        of a source in AEDAT, the path in HDF5 or a part of the path, or the name of an array
    width, height : size of the sensor [pixel]; replaces the size in the file
    columns : order of the columns and unit of the times, such as "t[us],x,y,p", for files that do not contain them

    Raise DescriptionError for a path that is not a recording or cannot be read, and for a topic that does not exist.
    """
    where = Path(path)
    try:
        if not where.exists():
            raise refused(path, "does not exist")
        module, name = _opener(where)
        if columns is not None and module not in COLUMNS:
            raise DescriptionError("--columns", columns, f"{path} states the order of its columns", "leave it out")
        more = (columns,) if module in COLUMNS else ()
        open_it = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        opened: Recording = open_it(where, topic, width, height, *more)
    except OSError as error:
        raise refused(path, f"cannot be read: {error.strerror or error}") from None
    if (opened.width or 0) * (opened.height or 0) > MOST_PIXELS:
        rule = f"says that its frame is {opened.width}x{opened.height}, more than {MOST_PIXELS:,} pixels"
        raise refused(path, rule, "give width and height")
    if topic is not None and opened.topic is None:
        raise DescriptionError("--topic", topic, f"{path} has no topics", "leave it out")
    return opened
