"""mono: 64-bit words: ns after ``time_base`` 0..31, x 32..47, y 48..62, polarity 63 (event_camera_codecs, mono).

No state of its own. Words are read as two 32-bit halves, since a payload lies at a multiple of 4 bytes.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import i64, u32
from .. import state as words
from ..columns import Events
from . import Codec
from .common import STOP, bound_time_base, count_rest, outputs, put, without_triggers
from .encoding import checked, packed

__all__ = ["CODEC", "decode", "encode"]


@register_jitable
def decode(state, data, t, x, y, p, triggers):
    """See `snn_control.events.codecs`."""
    k, n = 0, 0
    state[words.TRIGGERS_WRITTEN], state[words.FRESH] = 0, 0
    bound_time_base(state)
    while k + 1 < data.size:
        now = (state[words.TIME_BASE] + np.int64(data[k])) * state[words.SCALE]
        d = np.int64(data[k + 1])
        written = put(state, now, d & 0xFFFF, d >> 16 & 0x7FFF, d >> 31, n, t, x, y, p)
        if written == STOP:
            break
        n += written
        k += 2
    state[words.CONSUMED] = 4 * k
    return n


def encode(events: Events, time_base: int = 0) -> bytes:
    """A packet of mono, to be sent with the same ``time_base`` [ns].

    Raises InputError for rows of 32768 and more, and times that are not within 2^32 ns (4.3 s) from ``time_base`` on.
    """
    t, x, y, p = checked(events, "mono", "ns", 1 << 16, 1 << 15, ordered=False)
    return packed("mono", t, time_base, p << 31 | y << 16 | x)


def decode_at(state, data, size, columns):
    """The same over addresses; see `snn_control.events.codecs`."""
    s, (t, x, y, p) = i64(state, words.WORDS), outputs(columns)
    n = decode(s, u32(data, size // 8 * 2), t, x, y, p, without_triggers())
    count_rest(s, size, 8)
    return n


CODEC = Codec("mono", "ns", "<u4", 8, decode, decode_at, encode)
