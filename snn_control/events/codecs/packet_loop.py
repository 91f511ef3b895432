"""Make codecs: the loop over the words of a packet, around a compiled function that decodes one word.

This module also has common parts of such functions and, for encoders, the check that an encoding can carry the events.
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
    """Write one event to index ``n`` of the columns. Return how many events were written, or STOP.

    The number is 1, or 0 for an event outside the frame. STOP: the event is not due yet, or there is no room.

    state : state of the decoder, see `snn_control.events.state`
    now : output time of the event
    column, row, polarity : place of the event [pixel], and 1 for ON, 0 for OFF
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
    """Write an event for each bit of ``mask``, along a row of pixels or, if ``upright``, along a column.

    The lowest bit stands for the pixel at ``column``, ``row``. Return the number of events written, or STOP if not all
    of them can be written; none is written then. Other arguments are as in `put`.
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
    """Write one external trigger. Return 0, or STOP if the trigger is not due yet or there is no room.

    now, number, edge : output time, id, and 1 for a rising edge
    triggers : (m, 2) int64 rows of t and id << 1 | edge; without rows, the trigger is only counted
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
    """Raise InputError if a value of the column ``name`` is wrong; it shows the first one and the rule."""
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"events.{name}[{at}] = {values[at]}: {rule}")


def checked(
    events: Events, encoding: str, unit: str, columns: int, rows: int, ordered: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Check events and return t [``unit``], x, y and p (0 or 1) as four contiguous int64 arrays.

    Raise InputError for columns of unequal length, for x or y that are not below ``columns`` or ``rows``, and for times
    that are negative, not a whole number of ``unit`` or, if ``ordered``, earlier than the previous time.
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
    """Do nothing at the beginning of a packet, for encodings whose state continues from packet to packet."""


def _named(function: Callable, encoding: str, module: str) -> Callable:
    """Rename ``function`` for a codec and its module, on which the name and digest of its compiled code depend."""
    function.__name__, function.__module__ = f"{function.__name__}_{encoding}", module
    return function


def _not_written(events: Events, time_base: int = 0) -> bytes:
    """Raise InputError. This is the ``encode`` of encodings whose packets this package does not write."""
    raise InputError("the encoding is read, but not written")


@dataclass(frozen=True)
class Codec:
    """An encoding of event packets.

    name : as in EventPacket.encoding
    unit : unit of the times that it carries, "us" or "ns"
    item : type of the items of ``data`` for ``decode``, "<u2" or "<u4"
    word : number of bytes of a whole word, a multiple of the number of bytes of an item
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
        """``decode``, compiled, for Python."""
        item = np.dtype(self.item).name
        columns = "int64[::1],uint16[::1],uint16[::1],uint8[::1],int64[:,::1]"
        return compile_function(self.decode, f"int64(int64[::1],Array({item},1,'C',readonly=True),{columns})")

    def address(self) -> int:
        """Return the address of ``int64 decode_at(int64 state, int64 data, int64 size, int64 columns)``."""
        return compile_callback(self.decode_at, "int64(int64,int64,int64,int64)")

    @cached_property
    def decode_at(self) -> Callable:
        """``decode`` with addresses, see `snn_control.events.codecs`; not compiled yet."""
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

    decode_word : ``(state, data, k, n, t, x, y, p, triggers)`` decodes the word that starts at item ``k``, and writes
        its events from index ``n`` of the columns on; it returns the number of events written, or STOP
    begin : ``(state)``, called before the first word of a packet
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
