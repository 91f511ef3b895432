"""Read AEDAT4, the files of iniVation cameras, with the library `aedat`."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DescriptionError, optional
from ..columns import Events
from ..recording import Recording, refused

__all__ = ["Aedat4Recording"]

MAGIC = len(b"#!AER-DAT4.0\r\n")
RISING, FALLING, PULSE = 1, 2, 3  # sources of external triggers


def _is_panic(error: BaseException) -> bool:
    """Return whether an exception is a panic of the Rust code in the library `aedat`."""
    return type(error).__name__ == "PanicException"


def _check_header(path: Path | str) -> None:
    """Check the offsets in the header (flatbuffer IOHeader) that lead to the header's XML.

    The library `aedat` does not check these offsets, so that a damaged offset would crash the process. Raise
    ValueError, ParseError or struct.error if the header is damaged.
    """
    with open(path, "rb") as file:
        file.seek(MAGIC)
        (size,) = struct.unpack("<i", file.read(4))
        header = file.read(max(size, 0))
    if len(header) < size:
        raise ValueError("the file ends within it")

    def number(kind: str, at: int) -> int:
        if at < 0:
            raise ValueError(f"an offset of {at}")
        return struct.unpack_from("<" + kind, header, at)[0]

    if header[4:8] != b"IOHE":
        raise ValueError(f"its kind is {header[4:8]!r}")
    root = number("I", 0)
    fields = root - number("i", root)
    if number("H", fields) < 10:
        raise ValueError("it has no XML")
    here = root + number("H", fields + 8)
    begin = here + number("I", here)
    text = header[begin + 4 : begin + 4 + number("I", begin)]
    ElementTree.fromstring(text.decode())


class Aedat4Recording(Recording):
    """The recording in an AEDAT4 file: one of its streams of events. Frames and inertial data are ignored.

    The topic is the number of the event stream. The triggers are the external edges in the file's trigger streams.
    """

    encoding = "aedat4"

    def __init__(self, path: Path, topic: str | None, width: int | None, height: int | None) -> None:
        streams = self._open(path).id_to_stream()
        sizes = {str(k): (v["width"], v["height"]) for k, v in streams.items() if v["type"] == "events"}
        listed = ", ".join(f"{k} ({w}x{h})" for k, (w, h) in sizes.items())
        if not sizes:
            kinds = ", ".join(sorted({v["type"] for v in streams.values()})) or "nothing"
            raise refused(path, f"has no stream of events, only {kinds}")
        if topic is None and len(sizes) > 1:
            raise refused(path, f"has streams of events {listed}", "choose one with --topic")
        self.topic = topic or next(iter(sizes))
        if self.topic not in sizes:
            raise DescriptionError("--topic", topic, f"{path} has no such stream of events; it has {listed}")
        said = sizes[self.topic]
        super().__init__(path, width or said[0] or None, height or said[1] or None)
        self.size_bytes = path.stat().st_size

    @staticmethod
    def _open(path: Path | str) -> Any:
        aedat = optional("aedat", "AEDAT4 needs aedat", "events")
        try:
            _check_header(path)
            return aedat.Decoder(str(path))
        except (RuntimeError, ValueError, ElementTree.ParseError, struct.error) as error:
            raise refused(path, f"has no whole AEDAT4 header: {error}") from None
        except BaseException as error:
            if not _is_panic(error):
                raise
            raise refused(path, "has an AEDAT4 header that cannot be read") from None

    def _pieces(self) -> Iterator[Events]:
        packets = self._open(self.path)
        while True:
            try:
                packet = next(packets, None)
            except BaseException as error:  # a cut, or damaged bytes: the rest cannot be read
                if not isinstance(error, RuntimeError) and not _is_panic(error):
                    raise
                self._counts["truncated"] = 1
                self._counts["malformed"] += "fill whole buffer" not in str(error)
                return
            if packet is None:
                return
            if "events" in packet and str(packet["stream_id"]) == self.topic:
                events = packet["events"]
                t, on = events["t"].astype(np.int64), events["on"].astype(np.uint8)
                yield self._in_frame(t, events["x"].copy(), events["y"].copy(), on)
            elif "triggers" in packet:
                rows = packet["triggers"]
                rows = rows[np.isin(rows["source"], (RISING, FALLING, PULSE))]
                t, edge = rows["t"].astype(np.int64), (rows["source"] != FALLING).astype(np.int64)
                self._seen_triggers.append(np.stack([t, np.zeros_like(t), edge], axis=1))
                self._counts["triggers"] += len(rows)
