"""Whole vectors: copy, add, clear, and the delay line of a graded signal.

Rows: copy and add: n, y, x. clear: n, y. remember: n, ring, stride, slots, clock, x.
"""

from ..memory import f32, i64
from . import ZERO, bounded
from .spikes import slot_address


def copy(row):
    """y = x."""
    o = i64(row, 4)
    y, x = f32(o[2], o[1]), f32(o[3], o[1])
    for i in range(y.size):
        y[i] = x[i]


def add(row):
    """y += x."""
    o = i64(row, 4)
    y, x = f32(o[2], o[1]), f32(o[3], o[1])
    for i in range(y.size):
        y[i] += x[i]


def clear(row):
    """y = 0."""
    o = i64(row, 3)
    y = f32(o[2], o[1])
    for i in range(y.size):
        y[i] = ZERO


def remember(row):
    """Write x into this step's slot of its delay line; an overflow is not remembered, or it would come back."""
    o = i64(row, 7)
    y, x = f32(slot_address(o[2], o[3], o[4], o[5], 0), o[1]), f32(o[6], o[1])
    for i in range(y.size):
        y[i] = bounded(x[i])
