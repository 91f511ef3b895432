"""The codecs of the packet encodings mono (events) and trigger (external triggers), as in event_camera_codecs.

Both have 64-bit words, which are read as two 32-bit halves, because a payload is only aligned to 4 bytes:

| bits | mono | trigger |
|---|---|---|
| 0..31 | time after the packet's ``time_base`` [ns] | time after the packet's ``time_base`` [ns] |
| 32..47 | x | not used |
| 48..62 | y | id of the trigger |
| 63 | polarity | edge |

These codecs store nothing from word to word.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from .. import state as words
from ..columns import Events
from .packet_loop import checked, put, put_trigger, refuse, word_codec

__all__ = ["MONO", "TRIGGER", "encode"]


@register_jitable
def _time(state, data, k):
    return (state[words.TIME_BASE] + np.int64(data[k])) * state[words.SCALE]


def _word(state, data, k, n, t, x, y, p, triggers):
    d = np.int64(data[k + 1])
    return put(state, _time(state, data, k), d & 0xFFFF, d >> 16 & 0x7FFF, d >> 31, n, t, x, y, p)


def _trigger(state, data, k, n, t, x, y, p, triggers):
    d = np.int64(data[k + 1])
    return put_trigger(state, _time(state, data, k), d >> 16 & 0x7FFF, d >> 31, triggers)


def encode(events: Events, time_base: int = 0) -> bytes:
    """Encode events as a packet in the encoding mono. The message must then have the same ``time_base`` [ns].

    Raise InputError for rows >= 32768, and for times that are not within 2^32 ns (4.3 s) after ``time_base``.
    """
    t, x, y, p = checked(events, "mono", "ns", 1 << 16, 1 << 15, ordered=False)
    after = t - time_base
    refuse((after < 0) | (after >= 1 << 32), "t", t, f"mono covers 2^32 ns from time_base = {time_base} on")
    return np.stack([after, p << 31 | y << 16 | x], axis=1).astype("<u4").tobytes()


MONO = word_codec("mono", "ns", "<u4", 8, _word, encode=encode)
TRIGGER = word_codec("trigger", "ns", "<u4", 8, _trigger)
