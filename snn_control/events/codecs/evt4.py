"""The codec of the packet encoding EVT4: 32-bit words with the type in bits 28..31 (Prophesee, "EVT 4.0 format").

Words have the layout of EVT2, but other type numbers. In addition, there are vectors of two words: the position of the
first pixel, then a mask of 32 pixels in a row. The second word has no type field. The codec's state is that of EVT2
plus the first word of a vector whose second word has not been read yet.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import set_bits
from .. import state as words
from .evt2 import KNOWN, set_high, time_of
from .packet_loop import STOP, put, put_mask, put_trigger, word_codec

__all__ = ["EVT4"]

OPEN = KNOWN + 1  # first word of a vector; 0: none
OTHER, CONTINUED, TRIGGER, OFF, ON, VECTOR_OFF, VECTOR_ON, HIGH_TIME, PADDING = 6, 7, 9, 10, 11, 12, 13, 14, 15


@register_jitable
def _mask(state, vector, mask, n, t, x, y, p):
    written = 0
    if state[KNOWN]:
        polarity = vector >> 28 & 1
        written = put_mask(
            state, time_of(state, vector), mask, vector >> 11 & 0x7FF, vector & 0x7FF, False, polarity, n, t, x, y, p
        )
    else:
        state[words.TIMELESS] += set_bits(mask)
    if written != STOP:
        state[OPEN] = 0
    return written


def _word(state, data, k, n, t, x, y, p, triggers):
    word = np.int64(data[k])
    kind = word >> 28
    if state[OPEN]:
        return _mask(state, state[OPEN], word, n, t, x, y, p)
    if kind == OFF or kind == ON:
        if state[KNOWN]:
            return put(state, time_of(state, word), word >> 11 & 0x7FF, word & 0x7FF, kind & 1, n, t, x, y, p)
        state[words.TIMELESS] += 1
    elif kind == VECTOR_OFF or kind == VECTOR_ON:
        state[OPEN] = word
    elif kind == HIGH_TIME:
        set_high(state, word & 0xFFFFFFF)
    elif kind == TRIGGER:
        if state[KNOWN]:
            return put_trigger(state, time_of(state, word), word >> 8 & 0x1F, word & 1, triggers)
        state[words.TIMELESS] += 1
    elif kind != OTHER and kind != CONTINUED and kind != PADDING:
        state[words.UNKNOWN] += 1
    return 0


EVT4 = word_codec("evt4", "us", "<u4", 4, _word)
