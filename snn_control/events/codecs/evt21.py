"""EVT2.1: 64-bit words: the upper half as in EVT2, the lower a mask of 32 pixels (Prophesee, "EVT 2.1 format").

State of its own: that of EVT2. Words are read as two 32-bit halves, since a payload lies at a multiple of 4 bytes.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import i64, u32
from .. import state as words
from . import Codec
from .common import STOP, count_rest, outputs, put_mask, without_triggers
from .evt2 import KNOWN, decode_rest, time_of
from .lanes import set_bits

__all__ = ["CODEC", "decode", "decode_halves"]


@register_jitable
def decode_halves(state, data, upper, t, x, y, p, triggers):
    """Decode words whose upper half is item ``upper`` (0 or 1) of two."""
    k, n = 0, 0
    state[words.TRIGGERS_WRITTEN], state[words.FRESH] = 0, 0
    while k + 1 < data.size:
        word, mask = np.int64(data[k + upper]), np.int64(data[k + 1 - upper])
        kind, row = word >> 28, word & 0x7FF
        if kind > 1:
            written = decode_rest(state, word, triggers)
        elif state[KNOWN]:
            now = time_of(state, word)
            written = put_mask(state, now, mask, word >> 11 & 0x7FF, row, False, kind, n, t, x, y, p)
        else:
            written = 0
            state[words.TIMELESS] += set_bits(mask)
        if written == STOP:
            break
        n += written
        k += 2
    state[words.CONSUMED] = 4 * k
    return n


@register_jitable
def decode(state, data, t, x, y, p, triggers):
    """See `snn_control.events.codecs`."""
    return decode_halves(state, data, 1, t, x, y, p, triggers)


def decode_at(state, data, size, columns):
    """The same over addresses; see `snn_control.events.codecs`."""
    s, (t, x, y, p) = i64(state, words.WORDS), outputs(columns)
    n = decode(s, u32(data, size // 8 * 2), t, x, y, p, without_triggers())
    count_rest(s, size, 8)
    return n


CODEC = Codec("evt21", "us", "<u4", 8, decode, decode_at)
