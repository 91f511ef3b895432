"""EVT2.1: 64-bit words: the upper half as in EVT2, the lower a mask of 32 pixels (Prophesee, "EVT 2.1 format").

It has the state of EVT2. Words are read as two 32-bit halves, because the alignment of a payload is 4 bytes. Older
firmware swaps the halves ("endianness=legacy" in RAW headers): evt21_legacy.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from .. import state as words
from .common import put_mask
from .evt2 import KNOWN, decode_rest, time_of
from .lanes import set_bits
from .packet_loop import word_codec

__all__ = ["EVT21", "EVT21_LEGACY"]


@register_jitable
def _decode_halves(state, word, mask, n, t, x, y, p, triggers):
    """Decode a word given as its upper half and its mask; returns the number of events written, or STOP."""
    kind, row = word >> 28, word & 0x7FF
    if kind > 1:
        return decode_rest(state, word, triggers)
    if state[KNOWN]:
        return put_mask(state, time_of(state, word), mask, word >> 11 & 0x7FF, row, False, kind, n, t, x, y, p)
    state[words.TIMELESS] += set_bits(mask)
    return 0


def _word(state, data, k, n, t, x, y, p, triggers):
    return _decode_halves(state, np.int64(data[k + 1]), np.int64(data[k]), n, t, x, y, p, triggers)


def _swapped_word(state, data, k, n, t, x, y, p, triggers):
    return _decode_halves(state, np.int64(data[k]), np.int64(data[k + 1]), n, t, x, y, p, triggers)


EVT21 = word_codec("evt21", "us", "<u4", 8, _word)
EVT21_LEGACY = word_codec("evt21_legacy", "us", "<u4", 8, _swapped_word)
