"""Encode events as EVT3 words like a sensor: write times and rows only when they change, and dense rows as masks.

The masks cover 12, 12 and 8 pixels.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.compile import compile_function
from ...errors import InputError
from ..columns import Events
from .packet_loop import checked

__all__ = ["encode"]

GROUP = 32  # pixels of three masks
STEP = 1 << 10  # largest step of the high time that cannot be mistaken for a step back
MAX_DURATION_US = 1 << 42  # us from the first event to the last


@register_jitable
def _group(t, x, y, p, i, first):
    """Return how many events from index ``i`` on fit into one group of masks.

    Events of a group have the same time, row and polarity, and ascending columns within the group's pixels.

    first : column of the group's first pixel
    """
    j = i + 1
    while j < t.size and t[j] == t[i] and y[j] == y[i] and p[j] == p[i] and x[j - 1] < x[j] < first + GROUP:
        j += 1
    return j - i


def write_words(t, x, y, p, out):
    """Write the EVT3 words of events to ``out``. Return the number of words.

    t : (n,) int64, times [us]
    x, y, p : (n,) int64, columns, rows and polarities
    out : uint16, with room for the words
    """
    i, k = 0, 0
    now, high, row, base, polarity = np.int64(-1), t[0] >> 12, np.int64(-1), np.int64(-GROUP), np.int64(0)
    while i < t.size:
        fresh = k == 0
        while fresh or high < t[i] >> 12:
            high = min(t[i] >> 12, high + STEP)
            out[k], k, fresh = 8 << 12 | (high & 0xFFF), k + 1, False
        if t[i] != now:
            now = t[i]
            out[k], k = 6 << 12 | (now & 0xFFF), k + 1
        if y[i] != row:
            row = y[i]
            out[k], k = row, k + 1
        goes_on = base <= x[i] < base + GROUP and p[i] == polarity
        first = base if goes_on else x[i]
        count = _group(t, x, y, p, i, first)
        if count > (3 if goes_on else 4):
            if not goes_on:
                base, polarity = first, p[i]
                out[k], k = 3 << 12 | polarity << 11 | base, k + 1
            mask = np.int64(0)
            for j in range(i, i + count):
                mask |= np.int64(1) << (x[j] - base)
            out[k], out[k + 1] = 4 << 12 | (mask & 0xFFF), 4 << 12 | (mask >> 12 & 0xFFF)
            out[k + 2], k = 5 << 12 | mask >> 24, k + 3
            base, i = base + GROUP, i + count
        else:
            out[k], k, i = 2 << 12 | p[i] << 11 | x[i], k + 1, i + 1
            base = np.int64(-GROUP)  # some decoders lose the base here
    return k


def encode(events: Events) -> bytes:
    """Encode events as a packet of EVT3 that does not depend on earlier packets: it starts with the whole time.

    The format stores times modulo 2^24 us (16.8 s). For later times, a decoder needs all earlier packets, with pauses
    of less than 16.7 s between packets. For a longer pause within a packet, additional time words are written.

    Raise InputError for coordinates >= 2048, and for times that are negative, not in order, not whole us, or more than
    2^42 us apart.
    """
    t, x, y, p = checked(events, "evt3", "us", 2048, 2048)
    if not len(t):
        return b""
    if t[-1] - t[0] > MAX_DURATION_US:
        rule = f"more than {MAX_DURATION_US} us after the first; encode in several packets"
        raise InputError(f"events.t[-1] = {t[-1]}: {rule}")
    out = np.empty(4 * len(t) + int(t[-1] - t[0]) // (STEP << 12) + 1, np.uint16)
    columns = ",".join(["int64[::1]"] * 4)
    n = compile_function(write_words, f"int64({columns},uint16[::1])")(t, x, y, p, out)
    return out[:n].astype("<u2", copy=False).tobytes()
