"""trigger: 64-bit words of external triggers: ns after ``time_base`` 0..31, id 48..62, edge 63 (event_camera_codecs).

No events, and no state of its own.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import i64, u32
from .. import state as words
from . import Codec
from .common import STOP, bound_time_base, count_rest, outputs, put_trigger, without_triggers

__all__ = ["CODEC", "decode"]


@register_jitable
def decode(state, data, t, x, y, p, triggers):
    """See `snn_control.events.codecs`."""
    k = 0
    state[words.TRIGGERS_WRITTEN], state[words.FRESH] = 0, 0
    bound_time_base(state)
    while k + 1 < data.size:
        now = (state[words.TIME_BASE] + np.int64(data[k])) * state[words.SCALE]
        d = np.int64(data[k + 1])
        if put_trigger(state, now, d >> 16 & 0x7FFF, d >> 31, triggers) == STOP:
            break
        k += 2
    state[words.CONSUMED] = 4 * k
    return 0


def decode_at(state, data, size, columns):
    """The same over addresses; see `snn_control.events.codecs`."""
    s, (t, x, y, p) = i64(state, words.WORDS), outputs(columns)
    n = decode(s, u32(data, size // 8 * 2), t, x, y, p, without_triggers())
    count_rest(s, size, 8)
    return n


CODEC = Codec("trigger", "ns", "<u4", 8, decode, decode_at)
