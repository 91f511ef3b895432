"""A histogram of latencies that a compiled loop fills without allocating memory.

A histogram is one int64 array: a header (count, largest value, sum, overflow), then the counts of the buckets, which
begin at index `HEADER`. Each value below 32 ns has its own bucket. For larger values, every octave is divided into 32
buckets of equal width; a bucket is therefore never wider than 1/32 of its lower edge (3.1 %). Counting leading zeros
finds the octave. Values of 2**40 ns (18 minutes) or more are counted as overflow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import leading_zeros
from .clock import now_realtime
from .table import add, get, put

__all__ = ["HEADER", "LIMIT_NS", "WORDS", "above", "edges", "new", "percentile", "record", "record_since", "summary"]

COUNT, MAX, SUM, OVERFLOW = 0, 1, 2, 3
HEADER = 8  # words before the buckets
SUB_BITS = 5  # 32 buckets an octave
SUB = 1 << SUB_BITS
MAX_BITS = 40
LIMIT_NS = 1 << MAX_BITS
BUCKETS = (MAX_BITS - SUB_BITS + 1) * SUB
WORDS = HEADER + BUCKETS
#: a stamp older than this, or in the future, comes from another clock, or the sender's clock is not set
UNRELATED_NS = 60_000_000_000


@register_jitable
def record(address, ns):
    """Count the value ``ns`` in the histogram at ``address``. A negative value is counted as 0."""
    if ns < 0:
        ns = 0
    add(address, COUNT, 1)
    add(address, SUM, ns)
    put(address, MAX, max(ns, get(address, MAX)))
    if ns >= LIMIT_NS:
        word = OVERFLOW
    elif ns < SUB:
        word = HEADER + ns
    else:
        shift = 63 - leading_zeros(ns) - SUB_BITS
        # (ns >> shift) is in 32 .. 63: its leading one is the +1 of the octave
        word = HEADER + shift * SUB + (ns >> shift)
    add(address, word, 1)


@register_jitable
def record_since(address, stamp, scratch):
    """Count the time from ``stamp`` [ns, CLOCK_REALTIME] until now in a histogram, and return True.

    A stamp in the future or more than 60 s ago must be from another clock: count nothing and return False.

    address : address of the histogram
    scratch : address of an ``int64[2]``, scratch memory of the module `clock`
    """
    since = now_realtime(scratch) - stamp
    related = 0 <= since < UNRELATED_NS
    if related:
        record(address, since)
    return related


def new() -> np.ndarray:
    """Return an empty histogram as a (WORDS,) int64 array.

    The function touches all memory pages of the array, so that the loop causes no page faults.
    """
    array = np.empty(WORDS, np.int64)
    array[:] = 0
    return array


def edges() -> np.ndarray:
    """Return the edges of the buckets [ns] as a (BUCKETS + 1,) int64 array.

    Bucket k counts the values for which ``edges[k] <= value < edges[k + 1]``.
    """
    k = np.arange(BUCKETS + 1, dtype=np.int64)
    shift = np.maximum(k // SUB - 1, 0)
    return np.where(k < SUB, k, (k - shift * SUB) << shift)


def percentile(array: np.ndarray, q: float | Sequence[float]) -> np.ndarray | float:
    """Return percentiles of a histogram [ns]: a number or an array, as ``q`` (0 .. 100); NaN for an empty histogram.

    Percentiles are defined as in numpy's ``method="inverted_cdf"``. The result is the middle of a bucket, or the
    largest value if this is smaller; its error is at most 3.1 %. In the overflow it is the largest value.
    """
    snapshot, low = array.copy(), edges()  # the loop may continue to count
    cumulative = np.cumsum(np.append(snapshot[HEADER:], snapshot[OVERFLOW]))
    total, largest = int(cumulative[-1]), int(snapshot[MAX])
    if total == 0:
        return np.full(np.shape(q), np.nan)[()]
    rank = np.clip(np.ceil(np.asarray(q) / 100.0 * total), 1, total)
    middles = np.append((low[:-1] + low[1:] - 1) / 2, largest)
    return np.minimum(middles[np.searchsorted(cumulative, rank)], largest)


def above(array: np.ndarray, ns: float) -> int:
    """Return the number of values in the overflow and in the buckets whose lower edge is at least ``ns``."""
    return int(array[HEADER:][edges()[:-1] >= ns].sum() + array[OVERFLOW])


def summary(array: np.ndarray) -> dict[str, float]:
    """Return a dictionary with count, mean, p50, p99, p99.9, max and overflow of a histogram.

    Mean, percentiles and maximum are in ns; they are NaN for an empty histogram.
    """
    n = int(array[COUNT])
    mean, largest = (int(array[SUM]) / n, float(array[MAX])) if n else (math.nan, math.nan)
    p50, p99, p999 = percentile(array, (50.0, 99.0, 99.9)).tolist()  # type: ignore[union-attr]
    overflow = int(array[OVERFLOW])
    return {"count": n, "mean": mean, "p50": p50, "p99": p99, "p99.9": p999, "max": largest, "overflow": overflow}
