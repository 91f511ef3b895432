"""Events of a bar that moves over a small sensor: to the right of it brighter, to the left darker."""

from __future__ import annotations

import numpy as np

from snn_control.events import Events, Recording


def bar(width=64, height=48, seconds=1.0, steps=None, unit="us", start=5_000_000) -> Events:
    """One column of ON events and one of OFF events each step of the bar, ``height`` events each."""
    steps = steps or width - 2
    tick = {"us": 1e6, "ns": 1e9}[unit]
    t = np.repeat(start + np.round(np.arange(steps) / steps * seconds * tick).astype(np.int64), 2 * height)
    place = np.repeat(np.arange(steps) * (width - 2) // steps, 2 * height)
    p = np.tile(np.repeat([1, 0], height), steps)
    y = np.tile(np.arange(height), 2 * steps)
    return Events(t, (place + p).astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8), unit, width, height)


class Pieces(Recording):
    """A recording in memory, in pieces of some events."""

    def __init__(self, events: Events, piece: int = 1000) -> None:
        self.events, self.piece = events, piece
        self.path, self.encoding, self.unit = "memory", "none", events.unit
        self.width, self.height = events.width, events.height

    def chunks(self):
        for k in range(0, len(self.events), self.piece):
            yield self.events[k : k + self.piece]
