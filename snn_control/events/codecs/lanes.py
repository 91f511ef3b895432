"""Several words at once, for `evt3`: vector loads from arrays.

numba's bounds check does not cover vector loads, so each is accompanied by a plain access to its last item.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable
from numba.np.arrayobj import make_array

from ...engine.memory import I16, I32, I64, emitted, lowest_bit

__all__ = ["WINDOW", "quad", "run_of_common", "set_bits"]

WINDOW = 32  # words that are examined together
VECTOR = ir.VectorType(I16, WINDOW)


@emitted(types.int64, types.int64)
def set_bits(builder, mask):
    """Number of set bits of an int64."""
    return builder.ctpop(mask)


def _load(what, context, builder, array_type, array, at):
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
    """uint64 in which bit j is set if item at + j is no row, event or low time below these limits, and not ``high``."""

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
    """Items at .. at + 3 of a uint16 array as one uint64, the first lowest; ``at`` is uint64."""
    if data[at + np.uint64(3)] < 0:  # never true, but the access is bounds-checked
        return np.uint64(0)
    return _quad(data, at)


@register_jitable
def run_of_common(data, k, rows, columns, lows, high):
    """Number, up to WINDOW, of words from ``k`` on that are rows, events, low times below limits, or ``high``."""
    at = min(k, np.uint64(data.size - WINDOW))
    if data[at + np.uint64(WINDOW - 1)] < 0:
        return np.uint64(0)
    end = min(np.uint64(data.size), at + np.uint64(WINDOW))
    others = _others(data, at, rows, columns, lows, high) >> (k - at)
    return min(np.uint64(lowest_bit(others)), end - k)
