"""What all compiled readers of CDR messages share: codes of failure, numbers and stamps at an address.

CDR (OMG CDR as DDS uses it, "XCDR1"): 4 bytes of encapsulation, of which the second says big (0) or little (1) endian;
then the fields, each aligned to its own size, counted from byte 4.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import load_u32

__all__ = ["ENCAPSULATION", "MISSING", "TRUNCATED", "get_stamp", "get_u32"]

#: what a reader returns for a message that is none, that ends too early, that lacks a field
ENCAPSULATION, TRUNCATED, MISSING = -1, -2, -3


@register_jitable
def get_u32(address, big):
    """uint32 at ``address`` as int64."""
    v = load_u32(address)
    if big:
        v = ((v & 0xFF) << 24) | ((v & 0xFF00) << 8) | ((v >> 8) & 0xFF00) | (v >> 24)
    return v


@register_jitable
def get_stamp(address, big):
    """builtin_interfaces/Time at ``address`` in ns; -1 if it lies before 0."""
    seconds = get_u32(address, big)
    if seconds >= 0x80000000:
        return np.int64(-1)
    return seconds * 1000000000 + get_u32(address + 4, big)
