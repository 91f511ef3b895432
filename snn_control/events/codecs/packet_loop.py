"""Make codecs from compiled functions that decode one word: this module adds the loop over the words of a packet.

It also contains functions that these decoders share, and a check whether an encoding can represent given events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba.extending import register_jitable

from ...engine.compile import compile_callback, compile_function
from ...engine.memory import i64, lowest_bit, set_bits, u8, u16, u32
from ...errors import InputError
from .. import state as words
from ..columns import NANOSECONDS, Events

__all__ = ["STOP", "Codec", "checked", "put", "put_mask", "put_trigger", "refuse", "uncounted", "word_codec"]

STOP = -1  # the word is left for the next call

#: for functions that are called for each word: their array arguments get no reference counts, which would take
#: most of the time
uncounted = register_jitable(_nrt=False)


@register_jitable
def put(state, now, column, row, polarity, n, t, x, y, p):
    """Write one event to index ``n`` of the columns.

    state : state of the decoder, see `snn_control.events.state`
    now : output time of the event
    column : column of the event [pixel]
    row : row of the event [pixel]
    polarity : 1 for ON, 0 for OFF

    Return the number of events written: 1, or 0 for an event outside the frame. Return STOP if the event is not due yet
    or the columns are full.
    """
    if now >= state[words.UNTIL] or n == t.size:
        return STOP
    if 0 < state[words.WIDTH] <= column or 0 < state[words.HEIGHT] <= row:
        state[words.OUT_OF_FRAME] += 1
        return 0
    t[n], x[n], y[n], p[n] = now, column, row, polarity
    return 1


@register_jitable
def put_mask(state, now, mask, column, row, upright, polarity, n, t, x, y, p):
    """Write an event for each set bit of ``mask``. The lowest bit stands for the pixel at ``column``, ``row``.

    upright : whether the bits stand for pixels along a column of the sensor; otherwise along a row

    Other arguments are as in `put`. Return the number of events written. If not all of them can be written, write none
    and return STOP.
    """
    if now >= state[words.UNTIL] or n + set_bits(mask) > t.size:
        return STOP
    written, left = 0, np.uint64(mask)
    while left:
        place = lowest_bit(left)
        left &= left - np.uint64(1)
        dx, dy = (0, place) if upright else (place, 0)
        written += put(state, now, column + dx, row + dy, polarity, n + written, t, x, y, p)
    return written


@register_jitable
def put_trigger(state, now, number, edge, triggers):
    """Write one external trigger. Return 0, or STOP if the trigger is not due yet or ``triggers`` is full.

    now : output time of the trigger
    number : id of the trigger's input
    edge : 1 for a rising edge, 0 for a falling edge
    triggers : (m, 2) int64, the columns are time and id << 1 | edge; if m is 0, the trigger is counted but not stored
    """
    written = state[words.TRIGGERS_WRITTEN]
    if now >= state[words.UNTIL] or written == triggers.shape[0] > 0:
        return STOP
    state[words.TRIGGERS] += 1
    if triggers.shape[0] > 0:
        triggers[written, 0], triggers[written, 1] = now, number << 1 | edge
        state[words.TRIGGERS_WRITTEN] = written + 1
    return 0


def refuse(wrong: np.ndarray, name: str, values: np.ndarray, rule: str) -> None:
    """Raise InputError if any value of a column violates a rule. The error shows the first such value and the rule.

    wrong : (n,) bool, true for values that violate the rule
    name : name of the column
    values : the values of the column
    """
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"events.{name}[{at}] = {values[at]}: {rule}")


def checked(
    events: Events, encoding: str, unit: str, columns: int, rows: int, ordered: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Check that an encoding can represent events, and return t, x, y and p as four contiguous int64 arrays.

    The times are returned in ``unit``, the polarities as 0 or 1.

    columns : x must be below this number
    rows : y must be below this number
    ordered : whether the times must not decrease

    Raise InputError for arrays of unequal length, for x or y that are too large, and for times that are negative, not a
    whole number of ``unit``, or not in order.
    """
    t, x, y, p = (np.ascontiguousarray(getattr(events, name), np.int64) for name in "txyp")
    if not len(t) == len(x) == len(y) == len(p):
        sizes = f"{len(t)}, {len(x)}, {len(y)}, {len(p)}"
        raise InputError(f"events: columns of {sizes} numbers; they must be equally long")
    refuse((x < 0) | (x >= columns), "x", x, f"{encoding} carries columns under {columns}")
    refuse((y < 0) | (y >= rows), "y", y, f"{encoding} carries rows under {rows}")
    refuse((p < 0) | (p > 1), "p", p, "must be 0 (OFF) or 1 (ON)")
    refuse(t < 0, "t", t, "must not be negative")
    if ordered:
        refuse(np.diff(t, prepend=t[:1]) < 0, "t", t, f"{encoding} needs times in order; sort the events first")
    many, one = NANOSECONDS[events.unit], NANOSECONDS[unit]
    refuse(t * many % one != 0, "t", t, f"{encoding} carries whole {unit}; round the times, which are in {events.unit}")
    return t * many // one, x, y, p


@register_jitable
def _keep(state):
    """Do nothing at the beginning of a packet: the default ``begin`` of `word_codec`, for a state that continues."""


def _named(function: Callable, encoding: str, module: str) -> Callable:
    """Rename ``function`` and its module after its codec, because these names identify cached compiled code."""
    function.__name__, function.__module__ = f"{function.__name__}_{encoding}", module
    return function


def _not_written(events: Events, time_base: int = 0) -> bytes:
    """Raise InputError: the function ``encode`` of encodings that this package only reads."""
    raise InputError("the encoding is read, but not written")


@dataclass(frozen=True)
class Codec:
    """An encoding of event packets.

    name : name of the encoding, as in EventPacket.encoding
    unit : unit of the times in this encoding, "us" or "ns"
    item : dtype of the argument ``data`` of ``decode``, "<u2" or "<u4"
    word : size of a word [bytes], a multiple of the size of an item
    decode : see `snn_control.events.codecs`
    encode : Events -> bytes of a packet; raises InputError if this package does not write the encoding
    """

    name: str
    unit: str
    item: str
    word: int
    decode: Callable
    encode: Callable[..., bytes] = _not_written

    def compiled(self) -> Callable:
        """The function ``decode``, compiled for calls from Python."""
        item = np.dtype(self.item).name
        columns = "int64[::1],uint16[::1],uint16[::1],uint8[::1],int64[:,::1]"
        return compile_function(self.decode, f"int64(int64[::1],Array({item},1,'C',readonly=True),{columns})")

    def address(self) -> int:
        """Return the address of the compiled `decode_at`.

        Its signature is ``int64 decode_at(int64 state, int64 data, int64 size, int64 columns)``.
        """
        return compile_callback(self.decode_at, "int64(int64,int64,int64,int64)")

    @cached_property
    def decode_at(self) -> Callable:
        """The function `decode_at`, not compiled: ``decode`` with addresses as arguments, see `events.codecs`."""
        decode, word = self.decode, self.word
        view = {"<u2": u16, "<u4": u32}[self.item]
        items = word // np.dtype(self.item).itemsize

        def decode_at(state, data, size, columns):
            s, c, rest = i64(state, words.WORDS), i64(columns, 5), size % word
            t, x, y, p = i64(c[0], c[4]), u16(c[1], c[4]), u16(c[2], c[4]), u8(c[3], c[4])
            n = decode(s, view(data, size // word * items), t, x, y, p, i64(0, 0).reshape((0, 2)))
            if s[words.CONSUMED] == size - rest:  # all whole words: the rest is dropped
                s[words.PARTIAL] += rest
                s[words.CONSUMED] = size
            return n

        return _named(decode_at, self.name, decode.__module__)


def word_codec(
    name: str, unit: str, item: str, word: int, decode_word: Callable, begin: Callable = _keep,
    encode: Callable[..., bytes] = _not_written,
) -> Codec:  # fmt: skip
    """Make the codec of an encoding whose words are decoded one after another. See `Codec` for the other arguments.

    decode_word : function ``(state, data, k, n, t, x, y, p, triggers)`` that decodes the word at item ``k``. It writes
        the word's events from index ``n`` of the columns on, and returns the number of events written, or STOP
    begin : function ``(state)`` that is called before the first word of a packet
    """
    item_bytes = np.dtype(item).itemsize
    items = word // item_bytes
    decode_word = uncounted(decode_word)

    def decode(state, data, t, x, y, p, triggers):
        """Decode a packet word by word, as `snn_control.events.codecs` specifies."""
        k, n = 0, 0
        # so that no time computed from it overflows int64 or reaches NEVER
        state[words.TIME_BASE] = min(max(state[words.TIME_BASE], -(1 << 61)), 1 << 62)
        if state[words.FRESH]:
            begin(state)
        state[words.FRESH], state[words.TRIGGERS_WRITTEN] = 0, 0
        while k + items <= data.size:
            written = decode_word(state, data, k, n, t, x, y, p, triggers)
            if written == STOP:
                break
            n += written
            k += items
        state[words.CONSUMED] = item_bytes * k
        return n

    return Codec(name, unit, item, word, register_jitable(_named(decode, name, decode_word.__module__)), encode)
