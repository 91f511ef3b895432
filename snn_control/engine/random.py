"""Counter-based random numbers: a number depends on seed, neuron, step and operation, not on earlier random numbers.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", SC11) computes four
random 32-bit words from a key and a counter, by ten rounds of multiplications. The key is the controller's seed. The
counter is (block of four neurons, step, operation). The generator therefore has no state to save. The random numbers
are the same after a reset, in a replay, and for other numbers of steps per tick.
"""

from __future__ import annotations

import zlib

import numpy as np
from numba.extending import register_jitable

__all__ = ["operation_number", "philox", "uniform4"]

MULTIPLY_0, MULTIPLY_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
WORD, HALF_WORD, EIGHT = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(8)
UNIT = np.float32(2.0**-24)


def operation_number(name: str) -> int:
    """Return a 32-bit hash of an operation's name, so that each operation draws different random numbers."""
    return zlib.crc32(name.encode())


@register_jitable(forceinline=True)
def philox(c0, c1, c2, c3, k0, k1):
    """Return four random words from a counter of four words and a key of two words, all uint64 below 2^32."""
    for _ in range(10):
        p0, p1 = MULTIPLY_0 * c0, MULTIPLY_1 * c2
        c0, c1, c2, c3 = (p1 >> HALF_WORD) ^ c1 ^ k0, p1 & WORD, (p0 >> HALF_WORD) ^ c3 ^ k1, p0 & WORD
        k0, k1 = (k0 + WEYL_0) & WORD, (k1 + WEYL_1) & WORD
    return c0, c1, c2, c3


@register_jitable(forceinline=True)
def uniform(word):
    """Convert the upper 24 bits of a random 32-bit word to a uniform float32 in [0, 1)."""
    return np.float32(np.int64(word >> EIGHT)) * UNIT


@register_jitable(forceinline=True)
def uniform4(seed, number, step, block):
    """Return four uniform float32 in [0, 1), for the neurons 4 block to 4 block + 3.

    seed, number, step : seed of the controller, number of the operation, number of the network step; all are int64
    """
    s, t = np.uint64(seed), np.uint64(step)
    w = philox(np.uint64(block), t & WORD, t >> HALF_WORD, np.uint64(number), s & WORD, s >> HALF_WORD)
    return uniform(w[0]), uniform(w[1]), uniform(w[2]), uniform(w[3])
