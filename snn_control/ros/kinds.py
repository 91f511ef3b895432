"""Element types of messages by number, and access to one number of such a type at an address."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine import memory

__all__ = ["FLOAT32", "FLOAT64", "KINDS", "KIND_SIZES", "get_number", "nearest_whole", "put_number"]

#: element types by number, as programs use it
KINDS = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
KIND_SIZES = np.array([np.dtype(kind).itemsize for kind in KINDS])  # bytes of an element
UINT64, FLOAT32, FLOAT64 = 7, 9, 10  # the first nine are whole numbers
#: the smallest and the largest value of the integer types; for uint64 the largest that fits int64
LEAST = np.array([0, *(np.iinfo(kind).min for kind in KINDS[1:9])], np.int64)
MOST = np.array([1, *(min(np.iinfo(kind).max, 2**63 - 1) for kind in KINDS[1:9])], np.int64)


@register_jitable
def get_number(address, kind, big, swap):
    """The number of ``kind`` at ``address`` as float64; ``swap`` is a word of scratch memory."""
    if big:
        v = 0
        for k in range(KIND_SIZES[kind]):
            v = (v << 8) | memory.load_u8(address + k)
        memory.store_i64(swap, v)
        address = swap
    if kind == 10:
        return memory.load_f64(address)
    if kind == 9:
        return np.float64(memory.load_f32(address))
    if kind == 0:
        return 1.0 if memory.load_u8(address) != 0 else 0.0
    if kind == 1:
        return np.float64(memory.load_u8(address))
    if kind == 2:
        return np.float64(memory.load_i8(address))
    if kind == 3:
        return np.float64(memory.load_u16(address))
    if kind == 4:
        return np.float64(memory.load_i16(address))
    if kind == 5:
        return np.float64(memory.load_u32(address))
    if kind == 6:
        return np.float64(memory.load_i32(address))
    if kind == 7:
        return np.float64(np.uint64(memory.load_i64(address)))
    return np.float64(memory.load_i64(address))


@register_jitable
def nearest_whole(value):
    """``value`` rounded to a whole number, ties to even."""
    whole = np.floor(value)
    rest = value - whole
    if rest > 0.5 or (rest == 0.5 and whole != 2.0 * np.floor(whole / 2.0)):
        whole += 1.0
    return whole


@register_jitable
def put_number(address, kind, value):
    """Write float64 ``value`` as a little-endian ``kind``: rounded, ties to even, and saturated to its range; NaN
    becomes an integer 0."""
    if kind == FLOAT64:
        memory.store_f64(address, value)
    elif kind == FLOAT32:
        if value > 3.4028234663852886e38:
            value = 3.4028234663852886e38
        if value < -3.4028234663852886e38:
            value = -3.4028234663852886e38
        memory.store_f32(address, np.float32(value))
    elif kind == UINT64 and value >= 9223372036854775808.0:
        # the upper half, as the two's complement with the same bits
        top = value >= 18446744073709551616.0
        memory.store_i64(address, np.int64(-1) if top else np.int64(value - 18446744073709551616.0))
    else:
        whole = np.int64(0)
        if value >= np.float64(MOST[kind]):
            whole = MOST[kind]
        elif value <= np.float64(LEAST[kind]):
            whole = LEAST[kind]
        elif value == value:
            whole = np.int64(nearest_whole(value))
        size = KIND_SIZES[kind]
        if size == 1:
            memory.store_u8(address, whole)
        elif size == 2:
            memory.store_u16(address, whole)
        elif size == 4:
            memory.store_u32(address, whole)
        else:
            memory.store_i64(address, whole)
