"""libcaer: the polarity events of that library: uint32 data, int32 time [us] (event_camera_codecs, libcaer).

Its own state: the last time within the packet, and its overflows of 2^31 us. Both are reset with each packet, whose
``time_base`` holds the time before.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from .. import state as words
from .common import STOP, put
from .packet_loop import word_codec

__all__ = ["LIBCAER"]

LAST, TURNS = words.OWN, words.OWN + 1
MOST_TURNS = 1 << 20  # 71 years


@register_jitable
def _begin(state):
    state[LAST], state[TURNS] = -(1 << 31), 0


def _word(state, data, k, n, t, x, y, p, triggers):
    d, time = np.int64(data[k]), np.int64(np.int32(data[k + 1]))
    turn = np.int64(time < state[LAST] and state[TURNS] < MOST_TURNS)
    us = time + ((state[TURNS] + turn) << 31)
    now = (state[words.TIME_BASE] + 1000 * us) * state[words.SCALE]
    written = put(state, now, d >> 17, d >> 2 & 0x7FFF, d >> 1 & 1, n, t, x, y, p)
    if written != STOP:
        state[LAST] = time
        state[TURNS] += turn
        state[words.WRAPS] += turn
    return written


LIBCAER = word_codec("libcaer", "ns", "<u4", 8, _word, _begin)
