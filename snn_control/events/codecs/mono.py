"""mono: 64-bit words: ns after ``time_base`` 0..31, x 32..47, y 48..62, polarity 63 (event_camera_codecs, mono).

No state of its own. Words are read as two 32-bit halves, since a payload lies at a multiple of 4 bytes.
"""

from __future__ import annotations

import numpy as np

from .. import state as words
from ..columns import Events
from .common import put
from .encoding import checked, packed
from .packet_loop import word_codec

__all__ = ["CODEC", "encode"]


def _word(state, data, k, n, t, x, y, p, triggers):
    now = (state[words.TIME_BASE] + np.int64(data[k])) * state[words.SCALE]
    d = np.int64(data[k + 1])
    return put(state, now, d & 0xFFFF, d >> 16 & 0x7FFF, d >> 31, n, t, x, y, p)


def encode(events: Events, time_base: int = 0) -> bytes:
    """A packet of mono, to be sent with the same ``time_base`` [ns].

    Raises InputError for rows of 32768 and more, and times that are not within 2^32 ns (4.3 s) from ``time_base`` on.
    """
    t, x, y, p = checked(events, "mono", "ns", 1 << 16, 1 << 15, ordered=False)
    return packed("mono", t, time_base, p << 31 | y << 16 | x)


CODEC = word_codec("mono", "ns", "<u4", 8, _word, encode=encode)
