"""PyBullet, without what it prints."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

__all__ = ["pybullet", "silent"]


@contextlib.contextmanager
def silent(*descriptors: int) -> Iterator[None]:
    """Nothing comes out that C code prints: it would stand in the middle of a command line's output.

    Parameters
    ----------
    descriptors : what is silenced; standard output (1) if nothing is named
    """
    libc = ctypes.CDLL(None)
    sys.stdout.flush()
    libc.fflush(None)
    saved = {descriptor: os.dup(descriptor) for descriptor in descriptors or (1,)}
    with open(os.devnull, "wb") as sink:
        for descriptor in saved:
            os.dup2(sink.fileno(), descriptor)
    try:
        yield
    finally:
        libc.fflush(None)  # what waits in C's own buffer
        for descriptor, copy in saved.items():
            os.dup2(copy, descriptor)
            os.close(copy)


with silent(1, 2):  # it greets on standard error
    import pybullet
