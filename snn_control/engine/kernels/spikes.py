"""Spike lists. A population keeps its last `slots` lists in a ring, one slot a step.

A slot is 64 bytes of header (the count, int64), the ascending uint32 indices and, ``many`` bytes behind the slot's
start, their uint16 multiplicities, where a model can fire several times in a step (``many`` = 0: each fired once).
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import flags64, i64, lowest_bit

HEADER = 64  # bytes


@register_jitable(forceinline=True)
def slot_address(base, stride, slots, clock, delay):
    """Address of the slot that step ``now - delay`` wrote (``clock``: int64 [tick, step])."""
    if slots == 1:
        return base
    return slot_of_step(base, stride, slots, i64(clock, 2)[1] - delay)


@register_jitable(forceinline=True)
def slot_of_step(base, stride, slots, step):
    """Address of the slot that ``step`` wrote, for who reads a ring from outside of the tick."""
    return base + stride * (step % slots)


@register_jitable(forceinline=True)
def flags_to_indices(flags, n, out):
    """Ascending indices of the set bytes; ``flags`` is the address of n bytes, padded to 64.

    The number behind the last index, where ``out`` (n numbers) has room for it, is 0.
    """
    count, none, one = 0, np.uint64(0), np.uint64(1)
    for k in range(0, n, 64):
        mask = flags64(flags + k)
        if k + 64 <= n:
            for _ in range(2):  # more than two are rare: these cost no branch that nobody can predict
                out[count] = k + lowest_bit(mask)
                count += np.int64(mask != none)
                mask &= mask - one
        else:
            mask &= (one << np.uint64(n - k)) - one
        while mask != none:
            out[count] = k + lowest_bit(mask)
            count += 1
            mask &= mask - one
    if count < n:
        out[count] = 0
    return count
