"""The codec of the packet encoding EVT3: 16-bit words, type in bits 12..15 (Prophesee, "EVT 3.0 format").

The codec's state consists of:

- the upper and the lower part of the time (high and low time), and which part is known (1: high, 2: high and low)
- the number of wraps of the 24-bit clock
- the present row, base column and base polarity

`_word` decodes every type of word, one word at a time. `_run` decodes common words faster, while there is room. It
first packs each event into one element of column t, as four fields of 12 bits (lanes). From the lowest lane on, these
are: column and polarity, row, low time, high time.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

from ...engine.memory import I16, I32, I64, lowest_bit, set_bits
from .. import state as words
from .evt3_encoder import encode
from .packet_loop import STOP, Codec, put, put_mask, put_trigger, uncounted

__all__ = ["EVT3"]

WINDOW = 32  # words that are examined together
VECTOR = ir.VectorType(I16, WINDOW)
HIGH, LOW, LOOPS, ROW, BASE, POLARITY, KNOWN = range(words.OWN, words.OWN + 7)
MOST_LOOPS = (1 << 28) - 1  # 142 years: times in ns stay within int64
SMALL = 10  # a step back of the high time by at most this is a glitch, a larger one a wrap
IGNORED = 1 << 7 | 1 << 9 | 1 << 14 | 1 << 15  # continued, padding, others
MASKS, MASK_TYPES = np.uint64(0x5000_4000_4000), np.uint64(0xF000_F000_F000)  # 12 + 12 + 8 pixels
TOGETHER = np.uint64(1024)  # events packed before they become columns; they stay in the first-level cache
ONE, PIXEL, FIELD = np.uint64(1), np.uint64(0x7FF), np.uint64(0xFFF)
EACH_LANE = np.uint64(0x1_001_001_001)
#: type of a word -> the lanes that it is written to; the lane of events is always written, but kept only for an event
LANES_OF = np.full(16, 0xFFF, np.uint64)
LANES_OF[[0, 6]] |= np.array([0xFFF << 12, 0xFFF << 24], np.uint64)


# several words at once, by vector loads; numba's bounds check does not cover these, so each is accompanied by a plain
# access to its last item ---------------------------------------------------------------------------------------
def _load(what, context, builder, array_type, array, at):
    from numba.np.arrayobj import make_array  # slow to import, and only compiling needs it

    item = builder.gep(make_array(array_type)(context, builder, array).data, [at])
    value = builder.load(builder.bitcast(item, what.as_pointer()), typ=what)
    value.align = 2
    return value


@intrinsic
def _quad(typingctx, data, at):
    def gen(context, builder, sig, args):
        return _load(I64, context, builder, sig.args[0], *args)

    return types.uint64(data, types.uint64), gen


def _each(builder, value):
    nothing = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, builder.trunc(value, I16), I32(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(I32, WINDOW), None))


@intrinsic
def _others(typingctx, data, at, rows, columns, lows, high):
    """Return a uint64 whose bit j is set if item ``at + j`` of ``data`` is not a common word, see `run_of_common`."""

    def gen(context, builder, sig, args):
        word = _load(VECTOR, context, builder, sig.args[0], *args[:2])
        pixel = builder.and_(word, ir.Constant(VECTOR, [0xF7FF] * WINDOW))
        rows, columns, lows, high = (_each(builder, limit) for limit in args[2:])
        common = builder.icmp_unsigned("==", word, high)
        for field, kind, limit in ((pixel, 0, rows), (pixel, 2, columns), (word, 6, lows)):
            above = builder.sub(field, ir.Constant(VECTOR, [kind << 12] * WINDOW))
            common = builder.or_(common, builder.icmp_unsigned("<", above, limit))
        return builder.zext(builder.bitcast(builder.not_(common), ir.IntType(WINDOW)), I64)

    return types.uint64(data, types.uint64, *([types.int64] * 4)), gen


@register_jitable
def quad(data, at):
    """Return four consecutive items of a uint16 array as one uint64, the first item in the lowest bits.

    at : uint64, index of the first item
    """
    if data[at + np.uint64(3)] < 0:  # never true, but the access is bounds-checked
        return np.uint64(0)
    return _quad(data, at)


@register_jitable
def run_of_common(data, k, rows, columns, lows, high):
    """Return how many words from item ``k`` of ``data`` on are common words without a gap, at most WINDOW.

    Common words are: a row below ``rows``, an event in a column below ``columns``, a low time below ``lows``, and the
    word ``high``, which repeats the present high time.
    """
    at = min(k, np.uint64(data.size - WINDOW))
    if data[at + np.uint64(WINDOW - 1)] < 0:
        return np.uint64(0)
    end = min(np.uint64(data.size), at + np.uint64(WINDOW))
    others = _others(data, at, rows, columns, lows, high) >> (k - at)
    return min(np.uint64(lowest_bit(others)), end - k)


# one word --------------------------------------------------------------------------------------------------------
@register_jitable
def _time(state):
    return state[LOOPS] << 24 | state[HIGH] << 12 | state[LOW]


@register_jitable
def _low(state, low):
    """Store the low time. If the resulting time is not before ``until``, store nothing and return STOP."""
    after = state[LOOPS] << 24 | state[HIGH] << 12 | low
    if state[KNOWN] > 0:
        if after * state[words.SCALE] >= state[words.UNTIL]:
            return STOP
        state[KNOWN] = 2
    state[LOW] = low
    return 0


@register_jitable
def _high(state, high):
    back = state[HIGH] - high if state[KNOWN] > 0 else 0
    if back > SMALL:
        state[LOOPS] = min(state[LOOPS] + 1, MOST_LOOPS)
        state[words.WRAPS] += 1
    elif back > 0:
        state[words.GLITCHES] += 1
    state[HIGH], state[KNOWN] = high, max(state[KNOWN], 1)


@uncounted
def _word(state, word, n, t, x, y, p, triggers):
    """Decode one word, and write its events from index ``n`` of the columns on.

    `snn_control.events.codecs` describes the arguments.

    Return the number of events written, or STOP if the word must wait for the next call.
    """
    kind, d = word >> 12, word & 0xFFF
    now, known = _time(state) * state[words.SCALE], state[KNOWN] == 2
    if kind == 2:
        if known:
            return put(state, now, d & 0x7FF, state[ROW], d >> 11, n, t, x, y, p)
        state[words.TIMELESS] += 1
    elif kind == 4 or kind == 5:
        written, mask = 0, d if kind == 4 else d & 0xFF
        if known:
            written = put_mask(state, now, mask, state[BASE], state[ROW], False, state[POLARITY], n, t, x, y, p)
        else:
            state[words.TIMELESS] += set_bits(mask)
        if written != STOP:
            state[BASE] = (state[BASE] + (12 if kind == 4 else 8)) & 0xFFFF
        return written
    elif kind == 3:
        state[BASE], state[POLARITY] = d & 0x7FF, d >> 11
    elif kind == 0:
        state[ROW] = d & 0x7FF
    elif kind == 6:
        return _low(state, d)
    elif kind == 8:
        _high(state, d)
    elif kind == 10:
        if known:
            return put_trigger(state, now, d >> 8, d & 1, triggers)
        state[words.TIMELESS] += 1
    elif not IGNORED >> kind & 1:
        state[words.UNKNOWN] += 1
    return 0


@register_jitable(forceinline=True)
def _write_mask(event, mask, n, t):
    """Write a packed event to ``t`` for each set bit of ``mask``, from index ``n`` on. Return the next index.

    The function writes in groups of eight, so elements after the last event may be overwritten.

    event : the packed event of the mask's lowest bit
    """
    left, at = mask, n
    while True:
        for lane in range(8):
            t[at + np.uint64(lane)] = event + lowest_bit(left)
            left &= left - ONE
        if left == 0:
            return n + np.uint64(set_bits(np.int64(mask)))
        at += np.uint64(8)


@register_jitable(forceinline=True)
def _write_words(data, k, end, packed, n, t):
    """Write the packed events of common words to column ``t``, from index ``n`` on.

    data : items of the packet; the words are the items ``k`` to ``end - 1``
    packed : the four lanes before the first word, see the module's docstring

    Return the lanes after the last word, and the next index of the column.

    The loop does not branch on the type of a word, because the CPU cannot predict the type. It writes each word to its
    lane, and then all lanes to index ``n``. Only an event advances ``n``.
    """
    while k < end:
        word = np.uint64(data[k])
        own = LANES_OF[word >> np.uint64(12)]
        packed = packed & ~own | (word & FIELD) * EACH_LANE & own
        t[n] = np.int64(packed)
        n += np.uint64(word >> np.uint64(12) == np.uint64(2))
        k += ONE
    return packed, n


@register_jitable
def _unpack(begin, end, epoch, scale, t, x, y, p):
    """Convert the packed events ``begin`` to ``end - 1`` in column ``t`` to the columns t, x, y and p.

    epoch : time of all wraps of the clock so far, in the encoding's unit
    scale : factor from the encoding's unit to the output's unit

    The compiler vectorises this loop.
    """
    for n in range(begin, end):
        packed = np.uint64(t[n])
        x[n], p[n], y[n] = packed & PIXEL, packed >> np.uint64(11) & ONE, packed >> np.uint64(12) & PIXEL
        t[n] = (epoch + np.int64(packed >> np.uint64(24))) * scale


@uncounted
def _run(state, data, k, n, t, x, y, p):
    """Decode common words from item ``k`` of ``data`` on, while a time is known and the events are before ``until``.

    Return the index of the next item and the next index of the columns, from which `_word` must continue.
    """
    width = min(state[words.WIDTH], 2048) if state[words.WIDTH] > 0 else 2048
    height = min(state[words.HEIGHT], 2048) if state[words.HEIGHT] > 0 else 2048
    if data.size < WINDOW or t.size < WINDOW or state[ROW] >= height:
        return k, n
    size, k, begin, n = np.uint64(data.size), np.uint64(k), np.uint64(n), np.uint64(n)
    full = min(np.uint64(t.size - WINDOW + 1), n + TOGETHER)
    epoch, high = state[LOOPS] << 24, state[HIGH]
    lows = min(max(-(-state[words.UNTIL] // state[words.SCALE]) - (epoch | high << 12), 0), 4096)
    base, polarity = state[BASE], state[POLARITY]
    packed = np.uint64(high << 36 | state[LOW] << 24 | state[ROW] << 12)
    while k + np.uint64(4) < size and n < full:
        four = quad(data, k)
        if four >> np.uint64(12) & np.uint64(15) == np.uint64(3):
            base, polarity = np.int64(four & PIXEL), np.int64(four >> np.uint64(11) & ONE)
            k += ONE
            four = quad(data, k)
        kind, event = four >> np.uint64(12) & np.uint64(15), np.int64(packed & ~FIELD) | polarity << 11
        if four & MASK_TYPES == MASKS and base + 32 <= width:
            mask = four & FIELD | four >> np.uint64(4) & FIELD << np.uint64(12)
            n = _write_mask(event + base, mask | four >> np.uint64(8) & np.uint64(0xFF00_0000), n, t)
            base, k = base + 32, k + np.uint64(3)
        elif (kind == np.uint64(4) or kind == np.uint64(5)) and base + 12 <= width:
            mask, step = (four & FIELD, 12) if kind == np.uint64(4) else (four & np.uint64(0xFF), 8)
            n = _write_mask(event + base, mask, n, t)
            base, k = base + step, k + ONE
        else:
            common = run_of_common(data, k, height, width, lows, 8 << 12 | high)
            if common == 0:
                break
            packed, n = _write_words(data, k, k + common, packed, n, t)
            k += common
    state[BASE], state[POLARITY] = base, polarity
    state[ROW], state[LOW] = np.int64(packed >> np.uint64(12) & PIXEL), np.int64(packed >> np.uint64(24) & FIELD)
    _unpack(begin, n, epoch, state[words.SCALE], t, x, y, p)
    return np.int64(k), np.int64(n)


@register_jitable
def decode(state, data, t, x, y, p, triggers):
    """Decode a packet of EVT3, as `snn_control.events.codecs` specifies."""
    k, n = 0, 0
    state[words.TRIGGERS_WRITTEN], state[words.FRESH] = 0, 0
    while k < data.size:
        if state[KNOWN] == 2 and _time(state) * state[words.SCALE] < state[words.UNTIL]:
            k, n = _run(state, data, k, n, t, x, y, p)
            if k == data.size:
                break
        written = _word(state, np.int64(data[k]), n, t, x, y, p, triggers)
        if written == STOP:
            break
        n += written
        k += 1
    state[words.CONSUMED] = 2 * k
    return n


EVT3 = Codec("evt3", "us", "<u2", 2, decode, encode)
