"""Read or write one number of a serialized message at a memory address."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine import memory
from .element_types import FLOAT32, FLOAT64, KIND_SIZES, MAX_OF_KIND, MIN_OF_KIND, UINT64
from .rounding import FUNCTIONS, nearest_whole

__all__ = ["get_number", "put_number"]

LARGEST32 = float(np.finfo(np.float32).max)

for _function in FUNCTIONS:
    register_jitable(_function)


@register_jitable
def get_number(address, kind, big, swap):
    """Read the number at ``address`` as float64.

    kind : element type of the number, an index of `KINDS`
    big : whether the number's bytes are big-endian
    swap : address of 8 bytes of scratch memory, in which the bytes are reversed
    """
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
def put_number(address, kind, value):
    """Write the float64 ``value`` at ``address`` as a little-endian number of the element type ``kind``.

    For an integer type, the value is rounded (ties to even) and clipped to the range of the type; NaN becomes 0.
    """
    if kind == FLOAT64:
        memory.store_f64(address, value)
    elif kind == FLOAT32:
        value = LARGEST32 if value > LARGEST32 else -LARGEST32 if value < -LARGEST32 else value
        memory.store_f32(address, np.float32(value))
    else:
        whole = np.int64(0)
        if kind == UINT64 and value >= 2.0**63:  # the upper half, as the two's complement with the same bits
            whole = np.int64(-1) if value >= 2.0**64 else np.int64(value - 2.0**64)
        elif value >= np.float64(MAX_OF_KIND[kind]):
            whole = MAX_OF_KIND[kind]
        elif value <= np.float64(MIN_OF_KIND[kind]):
            whole = MIN_OF_KIND[kind]
        elif value == value:
            whole = np.int64(nearest_whole(value))
        for k in range(KIND_SIZES[kind]):
            memory.store_u8(address + k, whole >> 8 * k)
