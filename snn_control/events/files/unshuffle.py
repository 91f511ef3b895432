"""Compiled functions for columns of numbers: add an offset, and undo the shuffling of bytes or bits.

Compressors shuffle bytes or bits, because columns of numbers then compress better.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

__all__ = ["add_offset", "bits_to_bytes", "bytes_to_items"]

EVEN = tuple(np.uint64(mask * 0x0101_0101_0101_0101) for mask in (0x55, 0x33, 0x0F))
LOW = np.uint64(0x00FF_00FF_00FF_00FF), np.uint64(0x0000_FFFF_0000_FFFF), np.uint64(0x0000_0000_FFFF_FFFF)


@register_jitable
def _swapped(a, b, step, mask):
    """Exchange ``a``'s bits ``mask << step`` with ``b``'s bits ``mask``, and return both words."""
    changed = ((a >> step) ^ b) & mask
    return a ^ (changed << step), b ^ changed


@register_jitable
def _transposed(a0, a1, a2, a3, a4, a5, a6, a7, step, masks):
    """Transpose squares of 8 x 8 fields, each ``step`` bits wide, in eight words. Return the eight words."""
    a0, a1 = _swapped(a0, a1, step, masks[0])
    a2, a3 = _swapped(a2, a3, step, masks[0])
    a4, a5 = _swapped(a4, a5, step, masks[0])
    a6, a7 = _swapped(a6, a7, step, masks[0])
    two = step + step
    a0, a2 = _swapped(a0, a2, two, masks[1])
    a1, a3 = _swapped(a1, a3, two, masks[1])
    a4, a6 = _swapped(a4, a6, two, masks[1])
    a5, a7 = _swapped(a5, a7, two, masks[1])
    four = two + two
    a0, a4 = _swapped(a0, a4, four, masks[2])
    a1, a5 = _swapped(a1, a5, four, masks[2])
    a2, a6 = _swapped(a2, a6, four, masks[2])
    a3, a7 = _swapped(a3, a7, four, masks[2])
    return a0, a1, a2, a3, a4, a5, a6, a7


@register_jitable
def bits_to_bytes(data, item, n, rows, planes):
    """Transpose the bits of ``n`` items, a multiple of 8, to planes of bytes, one plane for each byte of an item.

    data : 8 * ``item`` rows of n / 8 bytes; each row contains one bit of all items
    item : size of an item [bytes]
    rows : uint64, memory for 8 rows in whole words
    planes : uint64, memory for the planes

    Return the number of bytes from one plane to the next.
    """
    m = n // 8
    words = (m + 7) // 8
    bytes8 = rows.view(np.uint8)
    for k in range(item):
        for b in range(8):
            row, to = data[(8 * k + b) * m : (8 * k + b + 1) * m], bytes8[8 * words * b : 8 * words * b + m]
            for i in range(m):
                to[i] = row[i]
        for i in range(words):
            a0, a1, a2, a3 = rows[i], rows[words + i], rows[2 * words + i], rows[3 * words + i]
            a4, a5, a6, a7 = rows[4 * words + i], rows[5 * words + i], rows[6 * words + i], rows[7 * words + i]
            a0, a1, a2, a3, a4, a5, a6, a7 = _transposed(a0, a1, a2, a3, a4, a5, a6, a7, np.uint64(1), EVEN)
            a0, a1, a2, a3, a4, a5, a6, a7 = _transposed(a0, a1, a2, a3, a4, a5, a6, a7, np.uint64(8), LOW)
            at = 8 * (words * k + i)
            planes[at], planes[at + 1], planes[at + 2], planes[at + 3] = a0, a1, a2, a3
            planes[at + 4], planes[at + 5], planes[at + 6], planes[at + 7] = a4, a5, a6, a7
    return 64 * words


def add_offset(t, offset, out):
    """Write ``t`` (uint32) plus ``offset`` to ``out`` (int64)."""
    for k in range(t.size):
        out[k] = np.int64(t[k]) + offset


@register_jitable
def bytes_to_items(planes, stride, item, n, out):
    """Write ``n`` items to ``out``, each from one byte per plane: byte k of item i is ``planes[k * stride + i]``."""
    if item == 1:
        out[:n] = planes[:n]
    elif item == 2:
        pairs, low, high = out[: 2 * n].view(np.uint16), planes[:n], planes[stride : stride + n]
        for i in range(n):
            pairs[i] = np.uint16(low[i]) | np.uint16(high[i]) << np.uint16(8)
    elif item == 4:
        fours, a, b = out[: 4 * n].view(np.uint32), planes[:n], planes[stride : stride + n]
        c, d = planes[2 * stride : 2 * stride + n], planes[3 * stride : 3 * stride + n]
        for i in range(n):
            low = np.uint32(a[i]) | np.uint32(b[i]) << np.uint32(8)
            fours[i] = low | np.uint32(c[i]) << np.uint32(16) | np.uint32(d[i]) << np.uint32(24)
    else:
        for k in range(item):
            plane, one = planes[k * stride : k * stride + n], out[k : n * item : item]
            for i in range(n):
                one[i] = plane[i]
