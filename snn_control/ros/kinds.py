"""Element types of messages by number, and one number of such a type at an address."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import (
    load_f32,
    load_f64,
    load_i8,
    load_i16,
    load_i32,
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    store_f32,
    store_f64,
    store_i64,
    store_u8,
    store_u16,
    store_u32,
)

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "KINDS",
    "KIND_SIZES",
    "get_number",
    "kind_size",
    "nearest_whole",
    "put_number",
]

#: element types by number; the number is what stands in a program
KINDS = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
KIND_SIZES = (1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8)
FLOAT32, FLOAT64 = 9, 10  # those before them are whole numbers
#: the smallest and the largest number of the kinds up to int32
LEAST = np.array([0, *(np.iinfo(kind).min for kind in KINDS[1:7])], np.float64)
MOST = np.array([1, *(np.iinfo(kind).max for kind in KINDS[1:7])], np.float64)


@register_jitable
def kind_size(kind):
    """Bytes of one element of a kind."""
    if kind <= 2:
        return 1
    if kind <= 4:
        return 2
    if kind <= 6 or kind == 9:
        return 4
    return 8


@register_jitable
def get_number(address, kind, big, swap):
    """The number of ``kind`` at ``address`` as float64; ``swap`` is a word of scratch memory."""
    if big:
        v = 0
        for k in range(kind_size(kind)):
            v = (v << 8) | load_u8(address + k)
        store_i64(swap, v)
        address = swap
    if kind == 10:
        return load_f64(address)
    if kind == 9:
        return np.float64(load_f32(address))
    if kind == 0:
        return 1.0 if load_u8(address) != 0 else 0.0
    if kind == 1:
        return np.float64(load_u8(address))
    if kind == 2:
        return np.float64(load_i8(address))
    if kind == 3:
        return np.float64(load_u16(address))
    if kind == 4:
        return np.float64(load_i16(address))
    if kind == 5:
        return np.float64(load_u32(address))
    if kind == 6:
        return np.float64(load_i32(address))
    if kind == 7:
        return np.float64(np.uint64(load_i64(address)))
    return np.float64(load_i64(address))


@register_jitable
def nearest_whole(value):
    """``value`` rounded to a whole number, ties to even."""
    whole = np.floor(value)
    rest = value - whole
    if rest > 0.5 or (rest == 0.5 and whole != 2.0 * np.floor(whole / 2.0)):
        whole += 1.0
    return whole


@register_jitable
def _to_integer(value, low, high):
    """``value`` rounded to the nearest integer, ties to even, within [low, high]; NaN becomes 0."""
    if value != value:
        value = 0.0
    if value <= low:
        return np.int64(low)
    if value >= high:
        return np.int64(high)
    return np.int64(nearest_whole(value))


@register_jitable
def put_number(address, kind, value):
    """Write float64 ``value`` as a little-endian ``kind``: rounded and saturated to its range."""
    if kind == 10:
        store_f64(address, value)
    elif kind == 9:
        if value > 3.4028234663852886e38:
            value = 3.4028234663852886e38
        if value < -3.4028234663852886e38:
            value = -3.4028234663852886e38
        store_f32(address, np.float32(value))
    elif kind < 7:
        whole = _to_integer(value, LEAST[kind], MOST[kind])
        if kind_size(kind) == 1:
            store_u8(address, whole)
        elif kind_size(kind) == 2:
            store_u16(address, whole)
        else:
            store_u32(address, whole)
    elif kind == 7:
        if value >= 18446744073709551616.0:
            store_i64(address, -1)
        elif value >= 9223372036854775808.0:  # the upper half, as the two's complement that it shares its bits with
            store_i64(address, np.int64(value - 18446744073709551616.0))
        else:
            store_i64(address, _to_integer(value, 0.0, 9223372036854774784.0))  # largest float64 below 2**63
    elif value >= 9223372036854775808.0:
        store_i64(address, 0x7FFFFFFFFFFFFFFF)
    elif value <= -9223372036854775808.0:
        store_i64(address, -0x7FFFFFFFFFFFFFFF - 1)
    else:
        store_i64(address, _to_integer(value, -9223372036854775808.0, 9223372036854774784.0))
