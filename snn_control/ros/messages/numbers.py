"""Access to one number of a message, at an address."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine import memory
from .element_types import BOOL, FLOAT32, FLOAT64, KIND_SIZES, LEAST, MOST, UINT64
from .rounding import FUNCTIONS, nearest_whole

__all__ = ["get_number", "put_number"]

LARGEST32 = float(np.finfo(np.float32).max)

for _function in FUNCTIONS:
    register_jitable(_function)


@register_jitable
def get_number(address, kind, big, swap):
    """The number of ``kind`` at ``address`` as float64; ``swap`` is a word of scratch memory."""
    size, whole = KIND_SIZES[kind], np.int64(0)
    for k in range(size):
        whole = (whole << 8) | memory.load_u8(address + (k if big else size - 1 - k))
    if kind == FLOAT64 or kind == FLOAT32:
        memory.store_i64(swap, whole)
        return memory.load_f64(swap) if kind == FLOAT64 else np.float64(memory.load_f32(swap))
    if kind == BOOL:
        return 1.0 if whole != 0 else 0.0
    if kind == UINT64:
        return np.float64(np.uint64(whole))
    unused = 64 - 8 * size
    return np.float64(whole << unused >> unused if LEAST[kind] < 0 else whole)


@register_jitable
def put_number(address, kind, value):
    """Write float64 ``value`` as a little-endian ``kind``: rounded, ties to even, and saturated to its range; NaN
    becomes an integer 0."""
    if kind == FLOAT64:
        memory.store_f64(address, value)
    elif kind == FLOAT32:
        value = LARGEST32 if value > LARGEST32 else -LARGEST32 if value < -LARGEST32 else value
        memory.store_f32(address, np.float32(value))
    else:
        whole = np.int64(0)
        if kind == UINT64 and value >= 2.0**63:  # the upper half, as the two's complement with the same bits
            whole = np.int64(-1) if value >= 2.0**64 else np.int64(value - 2.0**64)
        elif value >= np.float64(MOST[kind]):
            whole = MOST[kind]
        elif value <= np.float64(LEAST[kind]):
            whole = LEAST[kind]
        elif value == value:
            whole = np.int64(nearest_whole(value))
        for k in range(KIND_SIZES[kind]):
            memory.store_u8(address + k, whole >> 8 * k)
