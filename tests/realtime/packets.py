"""Packets for tests of the receiver: plain EVT3 words, a slot to fill, and the receiver's policy in slow Python."""

from __future__ import annotations

from collections import deque

import numpy as np

from snn_control.engine.slots import COUNT, DROPPED, FRESH, SLOT_WORDS
from snn_control.events import Decoder
from snn_control.realtime.port import REALTIME
from snn_control.realtime.ports.packet_receiver import Pacing, PacketReceiver
from tests.realtime.packet_queue import PacketQueue

MS = 1_000_000


def evt3_words(t, x, y, p) -> np.ndarray:
    """EVT3 words of events, t in us: the time and the row only where they change, an event a word."""
    words: list[int] = []
    high = low = row = -1
    for time, column, line, on in zip(*(np.asarray(c).tolist() for c in (t, x, y, p)), strict=True):
        if (time >> 12) & 0xFFF != high:
            high, low = (time >> 12) & 0xFFF, -1
            words.append(0x8000 | high)
        if time & 0xFFF != low:
            low = time & 0xFFF
            words.append(0x6000 | low)
        if line != row:
            row = line
            words.append(row)
        words.append(0x2000 | on << 11 | column)
    return np.array(words, np.uint16)


class Rig:
    """A slot, a queue that fills it, and the events that it gave in each tick."""

    def __init__(self, capacity: int, pacing: Pacing | None = None, size=(0, 0), period_ns: int = 0, **options) -> None:
        self.header = np.zeros(SLOT_WORDS, np.int64)
        self.columns = [np.zeros(capacity, dtype) for dtype in (np.int64, np.uint16, np.uint16, np.uint8)]
        addresses = tuple(column.ctypes.data for column in self.columns)
        self.receiver = PacketReceiver(self.header.ctypes.data, addresses, capacity, size, pacing, period_ns)  # type: ignore[arg-type]
        self.queue = PacketQueue(self.receiver, "camera", **options)

    def take(self, now: int, mode: int = REALTIME):
        """One tick: what the port returned, fresh, dropped, and rows of t [ns], x, y, p."""
        taken = self.queue(now, mode)
        n = int(self.header[COUNT])
        rows = np.stack([column[:n].astype(np.int64) for column in self.columns], axis=1)
        return taken, int(self.header[FRESH]), int(self.header[DROPPED]), rows

    @property
    def counters(self) -> dict[str, int]:
        return self.queue.counters()


class Reference:
    """The receiver, event by event."""

    AHEAD, BACK, FAR, DRIFT, MOST = 100 * MS, 100 * MS, 1000 * MS, 10_000, 64

    def __init__(self, capacity: int, pacing: Pacing, size=(None, None)) -> None:
        self.capacity, self.sensor, self.late_ns = capacity, pacing.pace == "sensor", round(pacing.late * 1e9)
        self.decoder = Decoder("evt3", *size)
        self.waiting: deque = deque()
        self.hand: deque | None = None
        self.newest = self.offset = self.last_arrival = None
        self.known = False  # how the clocks lie to each other
        self.jumps = self.late = 0

    def push(self, words: np.ndarray, arrival: int) -> None:
        self.waiting.append((words, arrival))

    def _look(self, t: int) -> None:
        """The first event of a packet is known."""
        if not self.known:
            self.known, self.newest, self.offset = True, t, self.arrival - t
        elif (
            t < self.newest - max(self.BACK, self.late_ns)
            or t - self.newest - (self.arrival - self.last_arrival) > self.FAR
        ):
            self.jumps += 1
            self.newest, self.offset = t, self.arrival - t
        else:
            self.offset += max(self.arrival - self.last_arrival, 0) // self.DRIFT
            self.offset = min(self.offset, self.arrival - t)
        self.last_arrival = self.arrival

    def _due(self, t: int, now: int) -> bool:
        ahead = t + self.offset - now
        if ahead > self.AHEAD:
            self.jumps += 1
            self.offset, self.known = now - t, False
        return not 0 < ahead <= self.AHEAD

    def take(self, now: int):
        """fresh, dropped and rows of one tick."""
        rows, dropped, fresh, taken, counted = [], 0, 0, 0, False
        while True:
            while self.hand:
                t = self.hand[0][0]
                if self.first:
                    self._look(t)
                    self.first = False
                if self.sensor and not self._due(t, now):
                    return fresh, dropped, rows
                self.late += t < self.newest - self.late_ns
                self.newest = max(self.newest, t)
                if not counted:
                    fresh, counted = fresh + 1, True
                event = self.hand.popleft()
                if len(rows) < self.capacity:
                    rows.append(event)
                else:
                    dropped += 1
            if not self.waiting or taken == self.MOST:
                return fresh, dropped, rows
            words, self.arrival = self.waiting.popleft()
            events = self.decoder.decode(words.tobytes())
            self.hand = deque(zip(*(c.tolist() for c in (events.ns, events.x, events.y, events.p)), strict=True))
            self.first, fresh, taken, counted = True, fresh + 1, taken + 1, True
