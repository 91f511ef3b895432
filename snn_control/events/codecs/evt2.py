"""The codecs of the packet encodings EVT2 and EVT2.1 (Prophesee, "EVT 2.0 format", "EVT 2.1 format").

EVT2 has 32-bit words with the type in bits 28..31. EVT2.1 has 64-bit words: the upper half is like a word of EVT2, the
lower half is a mask of 32 pixels. Words of EVT2.1 are read as two 32-bit halves, because a payload is only aligned to 4
bytes. Older firmware swaps the halves ("endianness=legacy" in RAW headers); this encoding is evt21_legacy.

The state of these codecs consists of the upper part of the time (the high time), the number of wraps of the 34-bit
clock, and whether a time is known. A fall of the high time by more than half of its range counts as a wrap of the
clock. A smaller step back counts as a glitch, and the output times go back too. OpenEB 5, in contrast, detects a wrap
only in a step of nearly the whole range.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import set_bits
from .. import state as words
from ..columns import Events
from .packet_loop import checked, put, put_mask, put_trigger, refuse, word_codec

__all__ = ["EVT2", "EVT21", "EVT21_LEGACY", "encode"]

HIGH, LOOPS, KNOWN = range(words.OWN, words.OWN + 3)
HALF = 1 << 27  # half of the range of the high time
MOST_LOOPS = (1 << 18) - 1  # 142 years: times in ns stay within int64


@register_jitable
def time_of(state, word):
    """Return the output time of a word with the low time in bits 22..27: the encoding's time, multiplied by SCALE."""
    return (state[LOOPS] << 34 | state[HIGH] << 6 | word >> 22 & 0x3F) * state[words.SCALE]


@register_jitable
def set_high(state, high):
    """Store the high time of a time word. If the time has stepped back, count a wrap or a glitch of the clock."""
    back = state[HIGH] - high if state[KNOWN] else 0
    if back > HALF:
        state[LOOPS] = min(state[LOOPS] + 1, MOST_LOOPS)
        state[words.WRAPS] += 1
    elif back > 0:
        state[words.GLITCHES] += 1
    state[HIGH], state[KNOWN] = high, 1


@register_jitable
def decode_rest(state, word, triggers):
    """Decode a word that is not an event: a time, a trigger or another type.

    Return 0, or STOP if the word must wait for the next call.
    """
    kind = word >> 28
    if kind == 8:
        set_high(state, word & 0xFFFFFFF)
    elif kind == 10:
        if state[KNOWN]:
            return put_trigger(state, time_of(state, word), word >> 8 & 0x1F, word & 1, triggers)
        state[words.TIMELESS] += 1
    elif kind != 14 and kind != 15:  # others, continued
        state[words.UNKNOWN] += 1
    return 0


def _word(state, data, k, n, t, x, y, p, triggers):
    word = np.int64(data[k])
    kind = word >> 28
    if kind > 1:
        return decode_rest(state, word, triggers)
    if state[KNOWN]:
        return put(state, time_of(state, word), word >> 11 & 0x7FF, word & 0x7FF, kind, n, t, x, y, p)
    state[words.TIMELESS] += 1
    return 0


def encode(events: Events) -> bytes:
    """Encode events as a packet of EVT2 that does not depend on earlier packets.

    The format stores times modulo 2^34 us (4.8 h). For later times, a decoder needs all earlier packets.

    Raise InputError for coordinates >= 2048, and for times that are negative, not in order, not whole microseconds, or
    at least 2^33 us after the previous time.
    """
    t, x, y, p = checked(events, "evt2", "us", 2048, 2048)
    step = np.diff(t, prepend=t[:1])
    refuse(step >= 1 << 33, "t", t, "2^33 us or more after the previous time; evt2 would lose count")
    high = t >> 6
    new = np.flatnonzero(np.diff(high, prepend=-1))
    packed = p << 28 | (t & 0x3F) << 22 | x << 11 | y
    return np.insert(packed, new, 8 << 28 | high[new] & 0xFFFFFFF).astype("<u4").tobytes()


@register_jitable
def _decode_halves(state, word, mask, n, t, x, y, p, triggers):
    kind, row = word >> 28, word & 0x7FF
    if kind > 1:
        return decode_rest(state, word, triggers)
    if state[KNOWN]:
        return put_mask(state, time_of(state, word), mask, word >> 11 & 0x7FF, row, False, kind, n, t, x, y, p)
    state[words.TIMELESS] += set_bits(mask)
    return 0


def _evt21_word(state, data, k, n, t, x, y, p, triggers):
    return _decode_halves(state, np.int64(data[k + 1]), np.int64(data[k]), n, t, x, y, p, triggers)


def _swapped_word(state, data, k, n, t, x, y, p, triggers):
    return _decode_halves(state, np.int64(data[k]), np.int64(data[k + 1]), n, t, x, y, p, triggers)


EVT2 = word_codec("evt2", "us", "<u4", 4, _word, encode=encode)
EVT21 = word_codec("evt21", "us", "<u4", 8, _evt21_word)
EVT21_LEGACY = word_codec("evt21_legacy", "us", "<u4", 8, _swapped_word)
