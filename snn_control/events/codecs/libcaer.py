"""The codecs of the packet encodings libcaer and libcaer_cmp, as event_camera_codecs defines them.

The encoding libcaer consists of the polarity events of the library libcaer: uint32 data, int32 time [us]. Times count
from the packet's ``time_base``. The codec's state consists of the last time in the packet, and the number of overflows
of 2^31 us in the packet. Each packet resets these two numbers.

The encoding libcaer_cmp has 16-bit words with the type in bits 12..15. The pixels of a mask lie along a column of the
sensor. The codec's state has two parts:

- The high and low time are relative to the packet's ``time_base``, and start at 0 in each packet.
- The column, base row and base polarity continue from packet to packet.

The decoder of event_camera_codecs ignores type 6, which it defines as a mask of 12 pixels. Here type 6 counts as
unknown, like all higher types.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from .. import state as words
from .packet_loop import STOP, put, put_mask, word_codec

__all__ = ["LIBCAER", "LIBCAER_CMP"]

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


HIGH, LOW, COLUMN, BASE, POLARITY = range(words.OWN, words.OWN + 5)


@register_jitable
def _time(state, low):
    return (state[words.TIME_BASE] + 1000 * (state[HIGH] << 12 | low)) * state[words.SCALE]


def _cmp_word(state, data, k, n, t, x, y, p, triggers):
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
def _cmp_begin(state):
    state[HIGH], state[LOW] = 0, 0


LIBCAER_CMP = word_codec("libcaer_cmp", "ns", "<u2", 2, _cmp_word, _cmp_begin)
