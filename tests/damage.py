"""Damaged copies of a file's bytes, the same ones in each run: cut, inverted, with numbers that are too large."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

HUGE = (b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\xff" * 7 + b"\x7f", b"\0" * 8)


def damaged(raw: bytes, copies: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Pairs of (kind of damage, bytes): a third each is cut, has one byte inverted, or has eight bytes replaced."""
    rng = np.random.default_rng(seed)
    for k in range(copies):
        at = int(rng.integers(0, len(raw)))
        if k % 3 == 0:
            yield f"cut at {at}", raw[:at]
        elif k % 3 == 1:
            yield f"byte {at} inverted", raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]
        else:
            yield f"8 bytes at {at} replaced", (raw[:at] + HUGE[k % 4] + raw[at + 8 :])[: len(raw)]
