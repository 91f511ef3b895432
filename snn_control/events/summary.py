"""Compute statistics of events, such as rates and the pixels with the most events, in one pass and bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from ..engine.slots import EVENT_COLUMNS
from .columns import MOST_PIXELS, NANOSECONDS, Events, Spool

__all__ = ["Summary", "summarize"]

WINDOW = 10_000_000  # ns, of the peak rate


class Summary:
    """Statistics of a recording's events, to which the events are added in chunks.

    events : number of events
    on : number of ON events
    off : number of OFF events
    first_t : time of the first event in ``unit``; None if there are no events
    last_t : time of the last event in ``unit``; None if there are no events
    digest : see `Events.digest`; set by `summarize`
    duration : time from the earliest to the latest event [s]
    mean_rate : events per second over the duration
    peak_rate : events per second in the window of 10 ms with the most events; windows start at multiples of 10 ms. At
        least ``mean_rate``, which can be higher in a short recording that only partly covers its windows
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.events = self.on = 0
        self.first_t: int | None = None
        self.last_t: int | None = None
        self.digest = ""
        self._least, self._most = 0, 0
        self._window, self._in_window, self._peak = -1, 0, 0
        self._pixels: np.ndarray | None = np.zeros((1, 1), np.int64)

    def add(self, events: Events) -> None:
        """Add the next events to the statistics; ``events`` must not be empty."""
        least, most = int(events.t.min()), int(events.t.max())
        if self.first_t is None:
            self.first_t, self._least, self._most = int(events.t[0]), least, most
        self.last_t = int(events.t[-1])
        self._least, self._most = min(self._least, least), max(self._most, most)
        self.events += len(events)
        self.on += int(np.count_nonzero(events.p))
        # events are almost in order, so only the newest window is kept open
        numbers, counts = np.unique(events.ns // WINDOW, return_counts=True)
        if int(numbers[0]) == self._window:
            counts[0] += self._in_window
        self._peak = max(self._peak, self._in_window, int(counts.max()))
        self._window, self._in_window = int(numbers[-1]), int(counts[-1])
        self._count_pixels(events)

    @property
    def off(self) -> int:
        return self.events - self.on

    @property
    def duration(self) -> float:
        return (self._most - self._least) * NANOSECONDS[self.unit] * 1e-9

    @property
    def mean_rate(self) -> float:
        return self.events / self.duration if self.duration > 0 else 0.0

    @property
    def peak_rate(self) -> float:
        return max(max(self._peak, self._in_window) / (WINDOW * 1e-9), self.mean_rate)

    def hottest(self, n: int) -> list[tuple[int, int, int]]:
        """Return the ``n`` pixels with the most events as (x, y, number of events) each.

        The list is empty if the frame has too many pixels to count.
        """
        if self._pixels is None or not self.events:
            return []
        flat = self._pixels.ravel()
        best = np.argsort(flat, kind="stable")[::-1][:n]
        width = self._pixels.shape[1]
        return [(int(k % width), int(k // width), int(flat[k])) for k in best if flat[k]]

    def _count_pixels(self, events: Events) -> None:
        if self._pixels is None:
            return
        old = self._pixels.shape
        shape = (max(old[0], int(events.y.max()) + 1), max(old[1], int(events.x.max()) + 1))
        if shape[0] * shape[1] > MOST_PIXELS:
            self._pixels = None
            return
        if shape != old:
            self._pixels = np.pad(self._pixels, [(0, new - now) for new, now in zip(shape, old)])
        places = events.y.astype(np.int64) * shape[1] + events.x
        self._pixels += np.bincount(places, minlength=self._pixels.size).reshape(shape)


def summarize(chunks: Iterable[Events], unit: str) -> Summary:
    """Return the `Summary` of all chunks, including the digest of all events.

    The digest covers one column after another. Therefore the times are hashed immediately, and the other columns are
    first stored in temporary files.
    """
    summary, digest = Summary(unit), hashlib.sha256()
    with Spool("xyp") as rest:
        for events in chunks:
            if len(events):
                summary.add(events)
                digest.update(np.ascontiguousarray(events.t, EVENT_COLUMNS["t"]).data)
                rest.add(events)
        for name in "xyp":
            for block in rest.blocks(name):
                digest.update(block)
    summary.digest = digest.hexdigest()[:16]
    return summary
