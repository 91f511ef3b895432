"""Read Event Stream files (.es) of DVS and ATIS events, version 2 of the format.

After the header, each event consists of a byte with the time since the previous event [us] and the polarity, then
uint16 x and uint16 y. Between two events, further bytes may add to the time or have no effect. For an ATIS, the lowest
bit marks measurements of brightness, which are left out. In the file, y counts from the bottom; in the events returned
here, row 0 is at the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...engine.compile import compile_function
from ..columns import Events, empty_columns
from ..recording import Recording, refused

__all__ = ["EventStreamRecording"]

MAGIC = b"Event Stream"
KINDS = {0: "generic", 1: "dvs", 2: "atis", 3: "modular display", 4: "colour"}
BLOCK = 1 << 22  # bytes read at once: at most 0.8 million events
EVENT = 5  # bytes


def decode(data, atis, height, start, t, x, y, p):
    """Decode the whole events in a block of bytes.

    atis : whether the events are ATIS events
    height : height of the sensor [pixel]; a row outside the sensor becomes a row number that is too large
    start : time reached at the end of the previous block [us]
    t, x, y, p : columns with room for one event per 5 bytes

    Return the time after the last event [us], the number of events written, and the number of bytes that were read.
    """
    now, n, k = start, 0, 0
    while k < data.size:
        first = np.int64(data[k])
        if atis and first >= 0xFC:
            now += 63 * (first & 3)
            k += 1
        elif not atis and first >= 0xFE:
            now += 127 * (first & 1)
            k += 1
        elif k + EVENT > data.size:
            break
        else:
            now += first >> 2 if atis else first >> 1
            t[n], p[n] = now, first >> 1 & 1 if atis else first & 1
            x[n] = np.int64(data[k + 1]) | np.int64(data[k + 2]) << 8
            y[n] = height - 1 - (np.int64(data[k + 3]) | np.int64(data[k + 4]) << 8)
            n += 0 if atis and first & 1 else 1
            k += EVENT
    return now, n, k


COLUMNS = "int64[::1],uint16[::1],uint16[::1],uint8[::1]"
SIGNATURE = f"UniTuple(int64,3)(Array(uint8,1,'C',readonly=True),boolean,int64,int64,{COLUMNS})"


class EventStreamRecording(Recording):
    """The recording in an Event Stream file, with times since the start of the recording."""

    encoding = "es"

    def __init__(self, path: Path, topic: str | None, width: int | None, height: int | None) -> None:
        with open(path, "rb") as file:
            header = file.read(len(MAGIC) + 8)
        if len(header) < len(MAGIC) + 4:
            raise refused(path, f"ends at byte {len(header)}, within the header of an Event Stream")
        version, kind = header[12:15], header[15]
        if version[0] != 2:
            rule = f"is an Event Stream of version {'.'.join(map(str, version))}; version 2 is read"
            raise refused(path, rule)
        if KINDS.get(kind) not in ("dvs", "atis"):
            rule = f"is an Event Stream of {KINDS.get(kind, f'unknown (type {kind})')} events; DVS and ATIS are read"
            raise refused(path, rule)
        if len(header) < len(MAGIC) + 8:
            raise refused(path, f"ends at byte {len(header)}, within the header of an Event Stream")
        said = np.frombuffer(header, "<u2", 2, 16).tolist()
        self._height = said[1] or height or 0
        if not self._height:
            raise refused(
                path, "states a height of 0 pixels, but its rows count from below", "give --width and --height"
            )
        super().__init__(path, width or said[0] or None, height or said[1])
        self.layout = f"Event Stream, {KINDS[kind].upper()} events"
        self._atis, self._begin_data, self.size_bytes = kind == 2, len(header), path.stat().st_size

    def _pieces(self) -> Iterator[Events]:
        run, now, rest = compile_function(decode, SIGNATURE), 0, b""
        with open(self.path, "rb") as file:
            file.seek(self._begin_data)
            while block := file.read(BLOCK):
                data = np.frombuffer(rest + block, np.uint8)
                columns = empty_columns(len(data) // EVENT + 1)
                now, n, used = run(data, self._atis, self._height, now, *columns)
                rest = data[used:].tobytes()
                self.bytes_read += len(block)
                yield self._in_frame(*(column[:n] for column in columns))
        self._counts["partial_bytes"] = len(rest)
        self._counts["truncated"] = int(len(rest) > 0)
