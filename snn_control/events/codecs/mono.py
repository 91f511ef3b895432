"""The codecs of mono (64-bit words of events) and trigger (of external triggers), as event_camera_codecs defines them.

A word of mono has the time after ``time_base`` [ns] in bits 0..31, x in 32..47, y in 48..62, and the polarity in 63. A
word of trigger has the same time in bits 0..31, the id in 48..62, and the edge in 63. These codecs have no state of
their own. Words are read as two 32-bit halves, because the alignment of a payload is 4 bytes.
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
    """Encode events as a packet of mono, to be sent with the same ``time_base`` [ns].

    Raise InputError for rows >= 32768, and for times that are not within 2^32 ns (4.3 s) after ``time_base``.
    """
    t, x, y, p = checked(events, "mono", "ns", 1 << 16, 1 << 15, ordered=False)
    after = t - time_base
    refuse((after < 0) | (after >= 1 << 32), "t", t, f"mono covers 2^32 ns from time_base = {time_base} on")
    return np.stack([after, p << 31 | y << 16 | x], axis=1).astype("<u4").tobytes()


MONO = word_codec("mono", "ns", "<u4", 8, _word, encode=encode)
TRIGGER = word_codec("trigger", "ns", "<u4", 8, _trigger)
