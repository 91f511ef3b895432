"""`Recording`: the base class of all file formats of events; a recording is read in chunks of bounded size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import NO_VALUE, DescriptionError
from .columns import Events, empty_columns
from .decoder import Decoder
from .state import COUNTERS

__all__ = ["PIECE", "Recording", "refused"]

PIECE = 1_000_000  # approximate number of events in a chunk

#: counters in addition to those of a decoder
OWN_COUNTERS = ("gaps", "reordered", "jumps", "malformed", "encoding_changes", "truncated", "rounded")


def refused(path: str | os.PathLike, rule: str, fix: str = "") -> DescriptionError:
    """Return the exception to raise for a file that is not a recording, or is too damaged to be read."""
    return DescriptionError(str(path), NO_VALUE, rule, fix)


class Recording:
    """An open recording; one subclass for each file format.

    path : path of the file
    encoding : encoding of the events
    layout : description of the layout that was detected, for formats with several layouts; "" for other formats
    unit : unit of the times, "us" or "ns"
    topic : topic of the events; None if the file has no topics
    width, height : size of the sensor [pixel], from the caller or from the file; None: not known, so that no event
        counts as outside the frame
    messages : number of messages of the topic that were read; None if the file has no messages
    size_bytes : size of the file [bytes]
    bytes_read : number of bytes of the file read so far, for a progress bar
    most : upper limit of the number of events, if the limit is known before reading
    mask : (height, width) bool, pixels whose events `chunks` leaves out, for example hot ones; None: none

    `chunks` may be called several times, and starts from the beginning each time. ``counters`` and ``triggers`` are
    complete when all events have been read.
    """

    encoding: str = ""
    layout: str = ""
    unit: str = "us"
    topic: str | None = None
    messages: int | None = None
    most: int | None = None
    mask: np.ndarray | None = None

    def __init__(self, path: Path, width: int | None, height: int | None) -> None:
        self.path = str(path)
        self.width, self.height = width, height
        self.size_bytes, self.bytes_read = 0, 0
        self._begin()

    def _begin(self) -> None:
        self.bytes_read = 0
        self._counts = dict.fromkeys((*COUNTERS, *OWN_COUNTERS), 0)
        self._decoders: dict[str, Decoder] = {}  # by encoding
        self._seen_triggers: list[np.ndarray] = []
        self._room: tuple[np.ndarray, ...] | None = None  # columns into which the next events may be decoded

    def _pieces(self) -> Iterator[Events]:
        """Yield the events in pieces, each with at most some millions of events; subclasses implement this method."""
        raise NotImplementedError

    def chunks(self) -> Iterator[Events]:
        """Yield the events in chunks of at most about a million events. Memory does not grow with the file."""
        self._begin()
        waiting, count = list[Events](), 0
        for piece in filter(len, map(self._unmasked, self._pieces())):
            if waiting and count + len(piece) > PIECE:
                yield Events.concatenate(waiting)
                waiting, count = [], 0
            waiting.append(piece)
            count += len(piece)
        if waiting:
            yield Events.concatenate(waiting)

    def _unmasked(self, piece: Events) -> Events:
        """Return a piece without the events of masked pixels. Raises DescriptionError for pixels beyond the mask."""
        if self.mask is None or not len(piece):
            return piece
        x, y, (height, width) = int(piece.x.max()), int(piece.y.max()), self.mask.shape
        if x >= width or y >= height:
            rule = f"has an event at ({x}, {y}), beyond the mask of {width} x {height} pixels"
            raise refused(self.path, rule, "take the mask of this camera")
        return piece[~self.mask[piece.y, piece.x]]

    def read(self) -> Events:
        """Return all events of the recording."""
        self._begin()
        if self.most is None:
            return Events.concatenate([self._none(), *self._pieces()])
        columns, n = empty_columns(self.most), 0
        self._room = columns
        for piece in self._pieces():
            for name, column in zip("txyp", self._room):
                if (part := getattr(piece, name)).ctypes.data != column.ctypes.data:
                    column[: len(piece)] = part
            n += len(piece)
            self._room = tuple(column[n:] for column in columns)
        self._room = None
        t, x, y, p = (column[:n] for column in columns)
        return Events(t, x, y, p, self.unit, self.width, self.height)

    @property
    def counters(self) -> dict[str, int]:
        """All counters, name -> count: the counters of a `Decoder`, and `OWN_COUNTERS`."""
        total = dict(self._counts)
        for decoder in self._decoders.values():
            for name, n in decoder.counters.items():
                total[name] = total.get(name, 0) + n
        return total

    @property
    def triggers(self) -> np.ndarray:
        """The external triggers, (n, 3) int64. The columns are time in ``unit``, id and edge (1: rising)."""
        parts = [*self._seen_triggers, *(decoder.triggers for decoder in self._decoders.values())]
        return np.concatenate(parts) if parts else np.empty((0, 3), np.int64)

    def _decoder(self) -> Decoder:
        """Return a new decoder for this recording's encoding.

        The decoder's counters and triggers are added to those of the recording.
        """
        self._decoders[self.encoding] = Decoder(self.encoding, self.width, self.height)
        return self._decoders[self.encoding]

    def _none(self) -> Events:
        return Events(unit=self.unit, width=self.width, height=self.height)

    def _in_frame(self, t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> Events:
        """Return the columns as `Events`. Events outside the frame, if the frame is known, are counted and left out."""
        if self.width is not None or self.height is not None:
            inside = (x < (self.width or 1 << 16)) & (y < (self.height or 1 << 16))
            if outside := len(inside) - int(np.count_nonzero(inside)):
                self._counts["out_of_frame"] += outside
                t, x, y, p = t[inside], x[inside], y[inside], p[inside]
        return Events(t, x, y, p, self.unit, self.width, self.height)
