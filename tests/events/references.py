"""The encodings again, in plain Python, word by word from their tables: slow, without slices of time or room."""

from __future__ import annotations

import struct
from collections import Counter

__all__ = ["REFERENCES", "Reference", "int64"]


def int64(value: int) -> int:
    """A number, wrapped to 64 bits."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


class Reference:
    """Takes packets; ``events`` are tuples (t, x, y, p), ``triggers`` (t, id, edge), ``counters`` by name."""

    size = 2

    def __init__(self, width=None, height=None, scale=1):
        self.width, self.height, self.scale = width, height, scale
        self.events, self.triggers, self.counters = [], [], Counter()
        self.time_base = 0
        self.start()

    def start(self):
        """State at the beginning of a stream."""

    def begin(self):
        """The state that restarts with a packet."""

    def packet(self, data, time_base=0):
        self.time_base = time_base
        self.begin()
        rest = len(data) % self.size
        self.counters["partial_bytes"] += rest
        for (word,) in struct.iter_unpack({2: "<H", 4: "<I", 8: "<Q"}[self.size], data[: len(data) - rest]):
            self.word(word)

    def event(self, t, x, y, p):
        if t is None:
            self.counters["before_time"] += 1
        elif (self.width and x >= self.width) or (self.height and y >= self.height):
            self.counters["out_of_frame"] += 1
        else:
            self.events.append((int64(t * self.scale), x & 0xFFFF, y & 0xFFFF, p))

    def trigger(self, t, number, edge):
        if t is None:
            self.counters["before_time"] += 1
        else:
            self.counters["triggers"] += 1
            self.triggers.append((int64(t * self.scale), number, edge))


class Evt3(Reference):
    def start(self):
        self.high = self.low = None
        self.loops = self.y = self.x = self.p = 0
        self.t = None

    def word(self, word):
        kind, d = word >> 12, word & 0xFFF
        if kind == 0x0:
            self.y = d & 0x7FF
        elif kind == 0x2:
            self.event(self.t, d & 0x7FF, self.y, d >> 11)
        elif kind == 0x3:
            self.x, self.p = d & 0x7FF, d >> 11
        elif kind in (0x4, 0x5):
            n = 12 if kind == 0x4 else 8
            for i in range(n):
                if d >> i & 1:
                    self.event(self.t, self.x + i, self.y, self.p)
            self.x = (self.x + n) & 0xFFFF
        elif kind == 0x6:
            self.low = d
            if self.high is not None:
                self.t = self.loops << 24 | self.high << 12 | d
        elif kind == 0x8:
            if self.high is not None and self.high - d > 10:
                self.loops += 1
                self.counters["wraps"] += 1
            elif self.high is not None and self.high > d:
                self.counters["glitches"] += 1
            self.high = d
            if self.t is not None:
                self.t = self.loops << 24 | d << 12 | self.low
        elif kind == 0xA:
            self.trigger(self.t, d >> 8, d & 1)
        elif kind not in (0x7, 0x9, 0xE, 0xF):
            self.counters["unknown_words"] += 1


class Evt2(Reference):
    size = 4

    def start(self):
        self.high, self.loops = None, 0

    def time(self, word):
        return None if self.high is None else self.loops << 34 | self.high << 6 | word >> 22 & 0x3F

    def word(self, word):
        self.upper(word, 1)

    def upper(self, word, mask):
        kind, t = word >> 28, self.time(word)
        if kind in (0, 1):
            for i in range(32):
                if mask >> i & 1:
                    self.event(t, (word >> 11 & 0x7FF) + i, word & 0x7FF, kind)
        elif kind == 0x8:
            high = word & 0xFFFFFFF
            if self.high is not None and self.high - high > 1 << 27:
                self.loops += 1
                self.counters["wraps"] += 1
            elif self.high is not None and self.high > high:
                self.counters["glitches"] += 1
            self.high = high
        elif kind == 0xA:
            self.trigger(t, word >> 8 & 0x1F, word & 1)
        elif kind not in (0xE, 0xF):
            self.counters["unknown_words"] += 1


class Evt21(Evt2):
    size = 8

    def word(self, word):
        self.upper(word >> 32, word & 0xFFFFFFFF)


class Evt21Legacy(Evt2):
    size = 8

    def word(self, word):
        self.upper(word & 0xFFFFFFFF, word >> 32)


class Evt4(Evt2):
    def start(self):
        super().start()
        self.vector = None

    def word(self, word):
        kind = word >> 28
        if self.vector is not None:
            self.events_of(self.vector, word)
            self.vector = None
        elif kind in (0xC, 0xD):
            self.vector = word
        elif kind in (0xA, 0xB):
            self.events_of(word, 1)
        elif kind in (0xE, 0x9):
            self.upper({0xE: 0x8, 0x9: 0xA}[kind] << 28 | word & 0xFFFFFFF, 1)
        elif kind not in (0x6, 0x7, 0xF):
            self.counters["unknown_words"] += 1

    def events_of(self, word, mask):
        self.upper((word >> 28 & 1) << 28 | word & 0xFFFFFFF, mask)


class Libcaer(Reference):
    size = 8

    def begin(self):
        self.last, self.turns = None, 0

    def word(self, word):
        d, us = word & 0xFFFFFFFF, word >> 32
        us -= us >> 31 << 32
        if self.last is not None and us < self.last:
            self.turns += 1
            self.counters["wraps"] += 1
        self.last = us
        t = self.time_base + 1000 * (us + (self.turns << 31))
        self.event(t, d >> 17 & 0x7FFF, d >> 2 & 0x7FFF, d >> 1 & 1)


class LibcaerCmp(Reference):
    def start(self):
        self.x = self.y = self.p = 0

    def begin(self):
        self.high = self.low = 0

    def word(self, word):
        kind, d = word >> 12, word & 0xFFF
        t = self.time_base + 1000 * (self.high << 12 | self.low)
        if kind == 0:
            self.counters["glitches"] += d < self.high
            self.high = d
        elif kind == 1:
            self.low = d
        elif kind == 2:
            self.x = d & 0x7FF
        elif kind == 3:
            self.event(t, self.x, d & 0x7FF, d >> 11)
        elif kind == 4:
            self.y, self.p = d & 0x7FF, d >> 11
        elif kind == 5:
            for i in range(8):
                if d >> i & 1:
                    self.event(t, self.x, self.y + i, self.p)
            self.y = (self.y + 8) & 0xFFFF
        else:
            self.counters["unknown_words"] += 1


class Mono(Reference):
    size = 8

    def word(self, word):
        t = self.time_base + (word & 0xFFFFFFFF)
        self.event(t, word >> 32 & 0xFFFF, word >> 48 & 0x7FFF, word >> 63)


class Trigger(Reference):
    size = 8

    def word(self, word):
        self.trigger(self.time_base + (word & 0xFFFFFFFF), word >> 48 & 0x7FFF, word >> 63)


#: encoding -> its reference
REFERENCES = {
    "evt3": Evt3, "evt2": Evt2, "evt21": Evt21, "evt21_legacy": Evt21Legacy, "libcaer": Libcaer,
    "libcaer_cmp": LibcaerCmp, "mono": Mono, "trigger": Trigger,
    "evt4": Evt4,
}  # fmt: skip
