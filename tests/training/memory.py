"""How much memory a call needs at most, on Linux."""

from __future__ import annotations

import ctypes
import tracemalloc
from pathlib import Path

LIBC = ctypes.CDLL(None)
MOST_MEMORY = 64 << 20  # bytes, beyond the file


def resident(field):
    """A size of this process in bytes: VmRSS now, VmHWM at most since the last reset."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(field))
    return int(line.split()[1]) << 10


def traced(call):
    """Bytes that Python and NumPy hold at most during ``call()``. Other libraries, and pages of code, do not count."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def peak(call, trim=True):
    """Bytes that ``call()`` needs at most beyond those before it. ``trim``: and beyond those that were freed before."""
    if trim:
        LIBC.malloc_trim(0)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    call()
    return resident("VmHWM") - before
