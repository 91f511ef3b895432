"""Read AEDAT 3.1, the files of cAER: header lines that end with ``#!END-HEADER``, then packets of events.

A packet has a header of 28 bytes: int16 type and source, then as int32: bytes per event, offset of the time in an
event, overflow of the time, capacity, number of events, number of valid events. Times are int32 [us]; the overflow
supplies their bits 31..61.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import DescriptionError
from ..columns import Events
from ..recording import Recording, refused
from .aedat2 import header_lines, size_of_camera

__all__ = ["Aedat3Recording"]

HEAD = struct.Struct("<hhiiiiii")
RECORD = np.dtype([("data", "<u4"), ("t", "<i4")])
SPECIAL, POLARITY = 0, 1  # types of packets
RISING, FALLING, PULSE = 2, 3, 4  # types of special events
BLOCK = 1 << 19  # events read at once
MOST_OVERFLOWS = 1 << 20  # 71 years


class Aedat3Recording(Recording):
    """The recording in an AEDAT 3.1 file: the polarity events of one source. The topic is the number of the source."""

    encoding = "aedat3"

    def __init__(self, path: Path, topic: str | None, width: int | None, height: int | None) -> None:
        with open(path, "rb") as file:
            lines = list(header_lines(file))
            self._begin_data = file.tell()
        if not lines or not lines[0].startswith("#!AER-DAT3.1"):
            version = lines[0][9:20] if lines else "3, with a damaged header"
            raise refused(path, f"is AEDAT of version {version!r}; versions 2, 3.1 and 4 are read")
        form = next((line.partition(":")[2].strip() for line in lines if line.startswith("#Format:")), "RAW")
        if form != "RAW":
            raise refused(path, f"is AEDAT 3.1 in the format {form!r}; RAW is read")
        if "END-HEADER" not in lines[-1]:
            raise refused(path, f"has an AEDAT 3.1 header without end, up to byte {self._begin_data}")
        found = (re.match(r"#Source (-?\d+): (.*)", line) for line in lines)
        sources = {match[1]: match[2].strip() for match in found if match}
        if topic is None and len(sources) > 1:
            listed = ", ".join(f"{number} ({name})" for number, name in sources.items())
            raise refused(path, f"has several sources: {listed}", "choose one with --stream")
        if topic is not None and topic not in sources:
            listed = ", ".join(sources) or "none"
            raise DescriptionError("--stream", topic, f"{path} has no such source; it has {listed}")
        self.topic = topic or next(iter(sources), "1")
        name = sources.get(self.topic, "")
        said = size_of_camera(name) or (None, None)
        super().__init__(path, width or said[0], height or said[1])
        self.layout = f"AEDAT 3.1, {name or 'unknown camera'}"
        self.size_bytes = path.stat().st_size

    def _pieces(self) -> Iterator[Events]:
        self.messages = 0
        with open(self.path, "rb") as file:
            file.seek(self._begin_data)
            while head := file.read(HEAD.size):
                kind, source, size, _, overflow, capacity, number, _ = (
                    HEAD.unpack(head) if len(head) == HEAD.size else (0,) * 8
                )
                end = file.tell() + size * capacity
                sound = size > 0 and 0 <= number <= capacity and 0 <= overflow < MOST_OVERFLOWS
                if not sound or (kind in (SPECIAL, POLARITY) and size != RECORD.itemsize):
                    self._counts["malformed"] += len(head) == HEAD.size  # where the next packet begins is unknown
                    self._counts["truncated"] = 1
                    return
                mine = str(source) == self.topic and kind in (SPECIAL, POLARITY)
                self.messages += mine
                for first in range(0, number, BLOCK) if mine else ():
                    block = file.read(min(BLOCK, number - first) * RECORD.itemsize)
                    yield self._decode(kind, block, overflow)
                    if len(block) < min(BLOCK, number - first) * RECORD.itemsize:
                        break
                self.bytes_read = min(end, self.size_bytes)
                if end > self.size_bytes:
                    self._counts["truncated"] = 1
                    return
                file.seek(end)

    def _decode(self, kind: int, block: bytes, overflow: int) -> Events:
        rest = len(block) % RECORD.itemsize
        self._counts["partial_bytes"] += rest
        records = np.frombuffer(block[: len(block) - rest], RECORD)
        data = records["data"]
        valid = data & 1 == 1
        t, data = records["t"][valid].astype(np.int64) + (overflow << 31), data[valid]
        if kind == SPECIAL:
            self._note_triggers(t, (data >> 1 & 0x7F).astype(np.int64))
            return self._none()
        x, y = (data >> 17).astype(np.uint16), (data >> 2 & 0x7FFF).astype(np.uint16)
        return self._in_frame(t, x, y, (data >> 1 & 1).astype(np.uint8))

    def _note_triggers(self, t: np.ndarray, kinds: np.ndarray) -> None:
        mine = np.isin(kinds, (RISING, FALLING, PULSE))
        t, edge = t[mine], (kinds[mine] != FALLING).astype(np.int64)
        self._counts["triggers"] += len(t)
        self._seen_triggers.append(np.stack([t, np.zeros_like(t), edge], axis=1))
