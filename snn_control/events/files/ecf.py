"""Decode chunks of HDF5 files of Metavision: Prophesee's codec ECF, filter 0x8ECF (github.com/prophesee-ai/hdf5_ecf).

A chunk begins with a uint32: number of events << 2 | flag packed << 1 | flag pairs. The section "times" follows. If the
flag packed is set, the section "packed" comes next. Otherwise, the section "rows" comes next, and then either the
section "pairs", if the flag pairs is set, or the sections "columns" and "polarity".

========  =======================================================================================================
times     uint64: time of origin [us]. Then bytes: time step << 4 | number of events at this time. If the number is
          15, a uint16 with the number follows. If the time step is 15, the low bits are the next four bits of a
          larger time step, lowest bits first
packed    groups of 4 events a, b, c, d in three uint32. Each event has 24 bits: y << 12 | x << 1 | polarity. The
          words are a << 8 | low 8 bits of b, the rest of b << 16 | low 16 bits of c, the rest of c << 24 | d
rows      uint16: y << 5 | number of events in the row. If the number is 31, a uint16 with the number follows
pairs     groups of 4 events in three uint16, divided as in "packed". Each event has 12 bits: x << 1 | polarity
columns   uint16: x << 5 | five bits, for events at the columns x + 1 (highest bit) to x + 5
polarity  bytes: polarity << 7 | number of events. If the number is 127, a uint16 with the number follows
========  =======================================================================================================
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.compile import compile_function

__all__ = ["ECF", "MOST_EVENTS", "decode_ecf"]

ECF = 0x8ECF
MOST_EVENTS = 65_535  # in a chunk
DAMAGED = -1


def decode_ecf(
    data: np.ndarray, at: np.ndarray, length: np.ndarray, counts: np.ndarray, columns: tuple[np.ndarray, ...]
) -> int:
    """Decode chunks of a file to events.

    data : bytes of the file
    at, length : (n,) int64, offset and number of bytes of each chunk
    counts : (n,) int64, number of events that each chunk must have
    columns : t, x, y, p with room for all events

    Return the number of chunks that were decoded. The next chunk, if any, is damaged.
    """
    types = "int64[::1],uint16[::1],uint16[::1],uint8[::1]"
    signature = f"int64(Array(uint8,1,'C',readonly=True),int64[::1],int64[::1],int64[::1],{types})"
    return int(compile_function(decode_chunks, signature)(data, at, length, counts, *columns))


def decode_chunks(data, at, length, counts, t, x, y, p):
    n = 0
    for c in range(at.size):
        begin, end, more = at[c], at[c] + length[c], counts[c]
        if begin < 0 or length[c] < 12 or end > data.size or n + more > t.size:
            return c
        part = slice(n, n + more)
        if decode_chunk(data[begin:end], t[part], x[part], y[part], p[part]) < 0:
            return c
        n += more
    return at.size


@register_jitable
def decode_chunk(data, t, x, y, p):
    """Decode one chunk to the columns t, x, y, p, whose length must be its number of events. Return 0, or DAMAGED."""
    head = np.int64(data[0]) | np.int64(data[1]) << 8 | np.int64(data[2]) << 16 | np.int64(data[3]) << 24
    if head >> 2 != t.size:
        return DAMAGED
    k = times(data, t)
    if k >= 0 and head & 2:
        k = packed_events(data, k, x, y, p)
    elif k >= 0:
        k = runs16(data, k, y)
        if k >= 0 and head & 1:
            k = pairs(data, k, x, p)
        elif k >= 0:
            k = polarities(data, masked(data, k, x), p)
    return min(k, 0)


@register_jitable
def u16_at(data, k):
    return np.int64(data[k]) | np.int64(data[k + 1]) << 8


@register_jitable
def times(data, t):
    """Decode the times of a chunk to ``t``. Return the offset after the times, or DAMAGED."""
    now, k, n, end = np.int64(0), 12, np.int64(0), data.size
    for j in range(8):
        now |= np.int64(data[4 + j]) << 8 * j
    shift, more = 0, np.int64(0)
    while n < t.size:
        if k >= end:
            return DAMAGED
        high, count = np.int64(data[k]) >> 4, np.int64(data[k]) & 15
        k += 1
        if high == 15:
            if shift > 60:
                return DAMAGED
            more |= count << shift
            shift += 4
            continue
        if count == 15:
            if k + 2 > end:
                return DAMAGED
            count = u16_at(data, k)
            k += 2
        now += more + high
        shift, more = 0, np.int64(0)
        if n + count > t.size:
            return DAMAGED
        for i in range(n, n + count):
            t[i] = now
        n += count
    return k


@register_jitable
def runs16(data, k, y):
    """Decode the section "rows", from offset ``k`` on, to ``y``. Return the offset after the section, or DAMAGED."""
    n, end = np.int64(0), data.size
    while n < y.size:
        if k + 2 > end:
            return DAMAGED
        row, count = u16_at(data, k) >> 5, u16_at(data, k) & 31
        k += 2
        if count == 31:
            if k + 2 > end:
                return DAMAGED
            count = u16_at(data, k)
            k += 2
        if n + count > y.size:
            return DAMAGED
        for i in range(n, n + count):
            y[i] = row
        n += count
    return k


@register_jitable
def masked(data, k, x):
    """Decode the section "columns", from offset ``k`` on, to ``x``. Return the offset after the section, or DAMAGED.

    The bits of the last mask beyond the last event are ignored.
    """
    n, end = 0, data.size
    while n < x.size:
        if k + 2 > end:
            return DAMAGED
        column, mask = u16_at(data, k) >> 5, u16_at(data, k) & 31
        k += 2
        x[n] = column
        n += 1
        for j in range(5):
            if mask >> (4 - j) & 1 and n < x.size:
                x[n] = column + j + 1
                n += 1
    return k


@register_jitable
def polarities(data, k, p):
    n, end = np.int64(0), data.size
    while n < p.size and k >= 0:
        if k >= end:
            return DAMAGED
        polarity, count = data[k] >> 7, np.int64(data[k]) & 127
        k += 1
        if count == 127:
            if k + 2 > end:
                return DAMAGED
            count = u16_at(data, k)
            k += 2
        if n + count > p.size:
            return DAMAGED
        for i in range(n, n + count):
            p[i] = polarity
        n += count
    return k


@register_jitable
def pairs(data, k, x, p):
    """Decode the section "pairs", from offset ``k`` on, to ``x`` and ``p``. Return the offset after it, or DAMAGED."""
    groups = (x.size + 3) // 4
    if k + 6 * groups > data.size:
        return DAMAGED
    for g in range(groups):
        a, b, c = u16_at(data, k + 6 * g), u16_at(data, k + 6 * g + 2), u16_at(data, k + 6 * g + 4)
        four = a >> 4, (a & 0xF) | b >> 8 << 4, (b & 0xFF) | c >> 12 << 8, c & 0xFFF
        for j in range(4):
            if 4 * g + j < x.size:
                x[4 * g + j], p[4 * g + j] = four[j] >> 1, four[j] & 1
    return k + 6 * groups


@register_jitable
def packed_events(data, k, x, y, p):
    """Decode the section "packed", from offset ``k`` on, to x, y and p. Return the offset after it, or DAMAGED."""
    groups = (x.size + 3) // 4
    if k + 12 * groups > data.size:
        return DAMAGED
    for g in range(groups):
        at = k + 12 * g
        a = u16_at(data, at) | u16_at(data, at + 2) << 16
        b = u16_at(data, at + 4) | u16_at(data, at + 6) << 16
        c = u16_at(data, at + 8) | u16_at(data, at + 10) << 16
        four = a >> 8, (a & 0xFF) | b >> 16 << 8, (b & 0xFFFF) | c >> 24 << 16, c & 0xFFFFFF
        for j in range(4):
            if 4 * g + j < x.size:
                x[4 * g + j], y[4 * g + j] = four[j] >> 1 & 0x7FF, four[j] >> 12 & 0x7FF
                p[4 * g + j] = four[j] & 1
    return k + 12 * groups
