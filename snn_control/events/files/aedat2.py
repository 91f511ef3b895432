"""Read AEDAT 2, the files of jAER: header lines that start with '#', then pairs of big-endian uint32: address, time.

The line ``# AEChip: ...`` names the camera, which determines the bits of an address:

=======  ======================================================================================================
DVS128   bit 0: polarity (0: ON), bits 1..7: x, bits 8..14: y, bit 15: external trigger
DAVIS    bit 11: polarity (1: ON), bits 12..21: x, bits 22..30: y; bit 31: sample of a picture, bit 10: others
=======  ======================================================================================================

In the file, x counts from the right and y from the bottom. Both jAER and v2e write such files. The events returned here
have their origin at the top left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..columns import Events
from ..recording import Recording, refused
from .clock import Clock32

__all__ = ["Aedat2Recording", "header_lines", "size_of_camera"]

LONGEST_LINE, MOST_LINES = 4096, 1 << 16
BLOCK = 1 << 22  # bytes
RECORD = np.dtype([("address", ">u4"), ("t", ">u4")])
#: part of a camera's name, in lower case -> width, height
SIZES = {
    "dvs128": (128, 128), "davis128": (128, 128), "davis208": (208, 192), "davis240": (240, 180),
    "davis346": (346, 260), "davis640": (640, 480),
}  # fmt: skip
NO_SIZE = "does not name a camera whose size is known"
GIVE = "give --width and --height"


def header_lines(file: BinaryIO) -> Iterator[str]:
    """Yield the header lines of an AEDAT file before version 4. The file is then at its first byte of data."""
    for _ in range(MOST_LINES):
        at = file.tell()
        line = file.readline(LONGEST_LINE)
        text = line.decode("latin-1").rstrip("\r\n")
        if not text.startswith("#") or not text.replace("\t", " ").isprintable():
            file.seek(at)
            return
        yield text
        if text.strip("#! ").lower() in ("end of ascii header", "end-header"):
            return


def size_of_camera(name: str) -> tuple[int, int] | None:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((size for part, size in SIZES.items() if part in plain), None)


class Aedat2Recording(Recording):
    """The recording in an AEDAT 2 file. Pictures and inertial data are ignored."""

    encoding = "aedat2"

    def __init__(self, path: Path, topic: str | None, width: int | None, height: int | None) -> None:
        with open(path, "rb") as file:
            chips = [line.partition(":")[2] for line in header_lines(file) if "AEChip:" in line]
            self._begin_data = file.tell()
            first = np.frombuffer(file.read(BLOCK), np.uint8)
        chip = chips[-1].strip() if chips else ""
        whole = first[: len(first) // 8 * 8].view(RECORD)
        self._dvs128 = "dvs128" in chip.lower() or (not chip and not (whole["address"] >> 16).any())
        said = (128, 128) if self._dvs128 else size_of_camera(chip)
        if said is None and not (width and height):
            raise refused(path, f"{NO_SIZE} (AEChip: {chip!r})" if chip else NO_SIZE, GIVE)
        self._flip = said or (width or 0, height or 0)
        super().__init__(path, width or self._flip[0], height or self._flip[1])
        self.layout = f"AEDAT 2, {'DVS128' if self._dvs128 else 'DAVIS'} addresses"
        self.size_bytes = path.stat().st_size

    def _pieces(self) -> Iterator[Events]:
        self._clock = Clock32(self._counts)
        with open(self.path, "rb") as file:
            file.seek(self._begin_data)
            while block := file.read(BLOCK):
                rest = len(block) % RECORD.itemsize
                yield self._decode(np.frombuffer(block[: len(block) - rest], RECORD))
                self.bytes_read += len(block)
                self._counts["partial_bytes"] += rest
                self._counts["truncated"] = int(rest > 0)

    def _decode(self, records: np.ndarray) -> Events:
        a, t = records["address"].astype(np.uint32), self._clock.unwrapped(records["t"].astype(np.int64))
        if self._dvs128:
            events, others = a >> 15 == 0, a >> 15 & 1 == 1
            x, y, p = a >> 1 & 0x7F, a >> 8 & 0x7F, ~a & 1
        else:
            events, others = a & 0x8000_0400 == 0, a & 0x8000_0400 == 0x400
            x, y, p = a >> 12 & 0x3FF, a >> 22 & 0x1FF, a >> 11 & 1
        self._note_triggers(t[others])
        width, height = self._flip
        columns = (width - 1 - x[events].astype(np.int64), height - 1 - y[events].astype(np.int64))
        inside = (columns[0] >= 0) & (columns[1] >= 0)
        self._counts["out_of_frame"] += int(np.count_nonzero(~inside))
        x, y = (column[inside].astype(np.uint16) for column in columns)
        return self._in_frame(t[events][inside], x, y, p[events][inside].astype(np.uint8))

    def _note_triggers(self, t: np.ndarray) -> None:
        """Store external triggers with the times ``t``. The format does not contain their edge."""
        self._counts["triggers"] += len(t)
        self._seen_triggers.append(np.stack([t, np.zeros_like(t), np.ones_like(t)], axis=1))
