"""EVT2.1 with the halves of its words swapped, as older firmware writes it ("endianness=legacy" in RAW headers)."""

from __future__ import annotations

from numba.extending import register_jitable

from ...engine.memory import i64, u32
from .. import state as words
from . import Codec
from .common import count_rest, outputs, without_triggers
from .evt21 import decode_halves

__all__ = ["CODEC", "decode"]


@register_jitable
def decode(state, data, t, x, y, p, triggers):
    """See `snn_control.events.codecs`."""
    return decode_halves(state, data, 0, t, x, y, p, triggers)


def decode_at(state, data, size, columns):
    """The same over addresses; see `snn_control.events.codecs`."""
    s, (t, x, y, p) = i64(state, words.WORDS), outputs(columns)
    n = decode(s, u32(data, size // 8 * 2), t, x, y, p, without_triggers())
    count_rest(s, size, 8)
    return n


CODEC = Codec("evt21_legacy", "us", "<u4", 8, decode, decode_at)
