"""Kernels for whole vectors: copy, add, clear, and write graded signals into their delay line."""

from ..rows import count, kernel, read, written
from . import ZERO, bounded
from .spikes import Line


@kernel()
def copy(n: count, y: written("f32", "n"), x: read("f32", "n")):
    """Copy a vector: y = x."""
    for i in range(n):
        y[i] = x[i]


@kernel()
def add(n: count, y: written("f32", "n"), x: read("f32", "n")):
    """Add a vector: y += x."""
    for i in range(n):
        y[i] += x[i]


@kernel()
def clear(n: count, y: written("f32", "n")):
    """Clear a vector: y = 0."""
    for i in range(n):
        y[i] = ZERO


@kernel()
def remember(n: count, line: Line("n"), x: read("f32", "n")):
    """Write the graded signals x of this step into their delay line.

    Numbers that are huge or not finite become 0, so that an overflow is not delivered in later steps.
    """
    for i in range(n):
        line[i] = bounded(x[i])
