"""libcaer_cmp: 16-bit words, type in bits 12..15, events along columns of pixels (event_camera_codecs, libcaer_cmp).

Its own state: high and low time, which start at 0 with each packet, relative to its ``time_base``; column, base row and
base polarity, which are kept from packet to packet. Masks extend in y. (event_camera_codecs has a name for type 6, a
mask of 12, but its decoder ignores it; here it counts as unknown, like all types from 6 on.)
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from .. import state as words
from .common import STOP, put, put_mask
from .packet_loop import word_codec

__all__ = ["LIBCAER_CMP"]

HIGH, LOW, COLUMN, BASE, POLARITY = range(words.OWN, words.OWN + 5)


@register_jitable
def _time(state, low):
    return (state[words.TIME_BASE] + 1000 * (state[HIGH] << 12 | low)) * state[words.SCALE]


def _word(state, data, k, n, t, x, y, p, triggers):
    word = np.int64(data[k])
    kind, d = word >> 12, word & 0xFFF
    now, column = _time(state, state[LOW]), state[COLUMN]
    if kind == 0:
        state[words.GLITCHES] += np.int64(d < state[HIGH])
        state[HIGH] = d
    elif kind == 1:
        if _time(state, d) >= state[words.UNTIL]:
            return STOP
        state[LOW] = d
    elif kind == 2:
        state[COLUMN] = d & 0x7FF
    elif kind == 3:
        return put(state, now, column, d & 0x7FF, d >> 11, n, t, x, y, p)
    elif kind == 4:
        state[BASE], state[POLARITY] = d & 0x7FF, d >> 11
    elif kind == 5:
        written = put_mask(state, now, d & 0xFF, column, state[BASE], True, state[POLARITY], n, t, x, y, p)
        if written != STOP:
            state[BASE] = (state[BASE] + 8) & 0xFFFF
        return written
    else:
        state[words.UNKNOWN] += 1
    return 0


@register_jitable
def _begin(state):
    state[HIGH], state[LOW] = 0, 0


LIBCAER_CMP = word_codec("libcaer_cmp", "ns", "<u2", 2, _word, _begin)
