"""EVT3: 16-bit words, type in bits 12..15 (Prophesee, "EVT 3.0 format").

State of its own: high and low time, loops of the 24-bit clock, row, base column, base polarity, whether there is a
time yet (1: high, 2: high and low).
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import i64, u8, u16
from .. import state as words
from . import Codec

__all__ = ["CODEC", "decode"]

HIGH, LOW, LOOPS, ROW, BASE, POLARITY, KNOWN = range(words.OWN, words.OWN + 7)
SMALL = 10  # a step back of the high time by no more is a glitch, by more a wrap


@register_jitable
def decode(state, data, t, x, y, p, triggers):
    """See `snn_control.events.codecs`."""
    scale, until = state[words.SCALE], state[words.UNTIL]
    width = state[words.WIDTH] if state[words.WIDTH] > 0 else np.int64(1 << 40)
    height = state[words.HEIGHT] if state[words.HEIGHT] > 0 else np.int64(1 << 40)
    high, low, loops = state[HIGH], state[LOW], state[LOOPS]
    row, base, polarity, known = state[ROW], state[BASE], state[POLARITY], state[KNOWN]
    now = ((loops << 24) | (high << 12) | low) * scale
    n, k, new_triggers = 0, 0, 0
    while k < data.size:
        word = np.int64(data[k])
        kind, d = word >> 12, word & 0xFFF
        if kind == 2:
            if known < 2:
                state[words.TIMELESS] += 1
            elif (d & 0x7FF) >= width or row >= height:
                state[words.OUT_OF_FRAME] += 1
            else:
                if n == t.size:
                    break
                t[n], x[n], y[n], p[n] = now, d & 0x7FF, row, d >> 11
                n += 1
        elif kind == 4 or kind == 5:
            bits, mask = (12, d) if kind == 4 else (8, d & 0xFF)
            if n + bits > t.size:
                count = 0
                for bit in range(bits):
                    count += (mask >> bit) & 1
                if n + count > t.size:
                    break
            for bit in range(bits):
                if (mask >> bit) & 1:
                    if known < 2:
                        state[words.TIMELESS] += 1
                    elif base + bit >= width or row >= height:
                        state[words.OUT_OF_FRAME] += 1
                    else:
                        t[n], x[n], y[n], p[n] = now, base + bit, row, polarity
                        n += 1
            base += bits
        elif kind == 3:
            base, polarity = d & 0x7FF, d >> 11
        elif kind == 0:
            row = d & 0x7FF
        elif kind == 6:
            if known > 0:
                after = ((loops << 24) | (high << 12) | d) * scale
                if after >= until:
                    break
                known = 2
            low = d
            now = ((loops << 24) | (high << 12) | low) * scale
        elif kind == 8:
            if known > 0 and d < high:
                if high - d > SMALL:
                    loops += 1
                    state[words.WRAPS] += 1
                else:
                    state[words.GLITCHES] += 1
            high = d
            known = max(known, 1)
            now = ((loops << 24) | (high << 12) | low) * scale
        elif kind == 10:
            state[words.TRIGGERS] += 1
            if known == 2 and new_triggers < triggers.shape[0]:
                triggers[new_triggers, 0], triggers[new_triggers, 1] = now, ((d >> 8) << 1) | (d & 1)
                new_triggers += 1
        elif kind != 7 and kind != 9 and kind < 14:
            state[words.UNKNOWN] += 1
        k += 1
    state[HIGH], state[LOW], state[LOOPS] = high, low, loops
    state[ROW], state[BASE], state[POLARITY], state[KNOWN] = row, base, polarity, known
    state[words.CONSUMED], state[words.TRIGGERS_WRITTEN] = 2 * k, new_triggers
    return n


def decode_at(state, data, size, columns):
    """The same over addresses; see `snn_control.events.codecs`."""
    c = i64(columns, 5)
    room = c[4]
    out = i64(c[0], room), u16(c[1], room), u16(c[2], room), u8(c[3], room)
    return decode(i64(state, words.WORDS), u16(data, size // 2), *out, i64(0, 0).reshape((0, 2)))


CODEC = Codec("evt3", "us", "<u2", decode, decode_at)
