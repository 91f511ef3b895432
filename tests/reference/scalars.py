"""Numbers that all references share, and random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snn_control.testing import exponential

f32 = np.float32
TINY, HUGE, ZERO, ONE, HALF = f32(1e-20), f32(1e30), f32(0), f32(1), f32(0.5)
HEADER = 64  # bytes in front of a spike list
Operands = list[Any]


def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """Philox4x32-10 in Python's integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b % 2**32, a >> 32 ^ c[3] ^ k[1], a % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def uniforms(seed: int, number: int, step: int, n: int) -> list[np.float32]:
    """n random numbers in [0, 1) of one operation and step."""
    key = seed % 2**32, seed >> 32
    words = [w for k in range(-(-n // 4)) for w in philox([k, step % 2**32, step >> 32, number], key)]
    return [f32((w >> 8) / 2**24) for w in words[:n]]


def cut(x: np.float32, most: np.float32) -> np.float32:
    return ZERO if not x > ZERO else min(x, most)


def poisson_count(u: np.float32, mean: np.float32) -> int:
    """The least k with u < P(0) + .. + P(k), or at which that sum stops growing."""
    k, p = 0, exponential(-mean)
    total = p
    while u >= total:
        k += 1
        p = p * (mean / f32(k))
        if total + p == total:
            break
        total = total + p
    return k
