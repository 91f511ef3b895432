"""libcaer: the polarity events of that library: uint32 data, int32 time [us] (event_camera_codecs, libcaer).

State of its own: the last time within the packet, its turns of 2^31 us. Both begin anew with each packet, whose
``time_base`` holds what went before.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import i64, u32
from .. import state as words
from . import Codec
from .common import STOP, bound_time_base, count_rest, outputs, put, without_triggers

__all__ = ["CODEC", "decode"]

LAST, TURNS = words.OWN, words.OWN + 1
MOST_TURNS = 1 << 20  # 71 years


@register_jitable
def decode(state, data, t, x, y, p, triggers):
    """See `snn_control.events.codecs`."""
    k, n = 0, 0
    bound_time_base(state)
    if state[words.FRESH]:
        state[LAST], state[TURNS], state[words.FRESH] = -(1 << 31), 0, 0
    while k + 1 < data.size:
        d, time = np.int64(data[k]), np.int64(np.int32(data[k + 1]))
        turn = np.int64(time < state[LAST] and state[TURNS] < MOST_TURNS)
        us = time + ((state[TURNS] + turn) << 31)
        now = (state[words.TIME_BASE] + 1000 * us) * state[words.SCALE]
        written = put(state, now, d >> 17, d >> 2 & 0x7FFF, d >> 1 & 1, n, t, x, y, p)
        if written == STOP:
            break
        state[LAST] = time
        state[TURNS] += turn
        state[words.WRAPS] += turn
        n += written
        k += 2
    state[words.CONSUMED], state[words.TRIGGERS_WRITTEN] = 4 * k, 0
    return n


def decode_at(state, data, size, columns):
    """The same over addresses; see `snn_control.events.codecs`."""
    s, (t, x, y, p) = i64(state, words.WORDS), outputs(columns)
    n = decode(s, u32(data, size // 8 * 2), t, x, y, p, without_triggers())
    count_rest(s, size, 8)
    return n


CODEC = Codec("libcaer", "ns", "<u4", 8, decode, decode_at)
