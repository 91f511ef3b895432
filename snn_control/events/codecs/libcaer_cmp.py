"""libcaer_cmp: 16-bit words, type in bits 12..15, events along columns of pixels (event_camera_codecs, libcaer_cmp).

State of its own: high and low time, which begin at 0 with each packet, relative to its ``time_base``; column, base row
and base polarity, which run on. Masks are in y. (The decoder of event_camera_codecs ignores type 6, a mask of 12 that
its header names; here it counts as unknown, as all types from 6 on.)
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import i64, u16
from .. import state as words
from . import Codec
from .common import STOP, bound_time_base, count_rest, outputs, put, put_mask, without_triggers

__all__ = ["CODEC", "decode"]

HIGH, LOW, COLUMN, BASE, POLARITY = range(words.OWN, words.OWN + 5)


@register_jitable
def _time(state, low):
    return (state[words.TIME_BASE] + 1000 * (state[HIGH] << 12 | low)) * state[words.SCALE]


@register_jitable
def _word(state, word, n, t, x, y, p):
    """Decode one word; returns how many events were written, or STOP."""
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
def decode(state, data, t, x, y, p, triggers):
    """See `snn_control.events.codecs`."""
    k, n = 0, 0
    bound_time_base(state)
    if state[words.FRESH]:
        state[HIGH], state[LOW], state[words.FRESH] = 0, 0, 0
    while k < data.size:
        written = _word(state, np.int64(data[k]), n, t, x, y, p)
        if written == STOP:
            break
        n += written
        k += 1
    state[words.CONSUMED], state[words.TRIGGERS_WRITTEN] = 2 * k, 0
    return n


def decode_at(state, data, size, columns):
    """The same over addresses; see `snn_control.events.codecs`."""
    s, (t, x, y, p) = i64(state, words.WORDS), outputs(columns)
    n = decode(s, u16(data, size // 2), t, x, y, p, without_triggers())
    count_rest(s, size, 2)
    return n


CODEC = Codec("libcaer_cmp", "ns", "<u2", 2, decode, decode_at)
