"""Read CDR, the form of serialized ROS messages, in compiled code: error codes, a cursor, numbers and stamps.

CDR (OMG CDR as DDS uses it, "XCDR1") is a header of 4 bytes, the encapsulation, followed by the fields. The second byte
says whether numbers are big endian (0) or little endian (1). Each field is aligned to its own size, from byte 4 on.

A cursor is an offset that counts from byte 4. `begin`, `offset_after` and `offset_after_text` return the next cursor or
an error code. An error code is negative, and is returned unchanged if it is passed as a cursor.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import load_u8, load_u16, load_u32

__all__ = [
    "ENCAPSULATION", "MISSING", "TRUNCATED", "begin", "get_i64", "get_stamp", "get_time", "get_u16", "get_u32",
    "is_big", "offset_after", "offset_after_text", "word_number",
]  # fmt: skip

#: returned by a reader for a message that is not CDR, ends too early, or lacks a field
ENCAPSULATION, TRUNCATED, MISSING = -1, -2, -3


@register_jitable
def get_u32(address, big):
    """Read the uint32 at ``address`` as int64; ``big``: its bytes are big endian."""
    v = load_u32(address)
    if big:
        v = ((v & 0xFF) << 24) | ((v & 0xFF00) << 8) | ((v >> 8) & 0xFF00) | (v >> 24)
    return v


@register_jitable
def get_u16(address, big):
    """Read the uint16 at ``address`` as int64; ``big``: its bytes are big endian."""
    v = load_u16(address)
    return (v & 0xFF) << 8 | v >> 8 if big else v


@register_jitable
def get_i64(address, big):
    """Read the 8 bytes at ``address`` as int64. A uint64 from 2^63 on becomes negative."""
    first, second = get_u32(address, big), get_u32(address + 4, big)
    return first << 32 | second if big else second << 32 | first


@register_jitable
def get_time(address, big):
    """Read the builtin_interfaces/Time at ``address`` in ns. The seconds of such a time are signed."""
    seconds = get_u32(address, big)
    return (seconds - (seconds >> 31 << 32)) * 1000000000 + get_u32(address + 4, big)


@register_jitable
def get_stamp(address, big):
    """Read the builtin_interfaces/Time at ``address`` in ns. Return -1 for times before 0."""
    return get_time(address, big) if get_u32(address, big) < 0x80000000 else np.int64(-1)


@register_jitable
def is_big(address):
    """Return whether the message at ``address`` is big endian."""
    return load_u8(address + 1) == 0


@register_jitable
def begin(address, length):
    """Return 0, the cursor at the first field of a message of ``length`` bytes at ``address``.

    Return ENCAPSULATION if this is not the beginning of such a message.
    """
    if length < 4 or load_u8(address) != 0 or load_u8(address + 1) > 1:
        return np.int64(ENCAPSULATION)
    return np.int64(0)


@register_jitable(forceinline=True)
def offset_after(o, align, size, end):
    """Align the cursor and move it by ``size`` bytes. Return TRUNCATED if it then is beyond the offset ``end``."""
    if o < 0:
        return o
    o = (o + align - 1) & -align
    return o + size if size <= end - o else np.int64(TRUNCATED)


@register_jitable
def offset_after_text(base, o, end, big):
    """Return the cursor after the string at the cursor; TRUNCATED if the message ends before the end of the string.

    Offsets count from the address ``base``.
    """
    o = offset_after(o, 4, 4, end)
    return o if o < 0 else offset_after(o, 1, get_u32(base + o - 4, big), end)


@register_jitable
def word_number(words, address, size):
    """Return the index of a text among ``words``, (n, width) uint8; -1 if it is not there.

    address, size : of the text's bytes, with the closing NUL
    """
    for k in range(words.shape[0]):
        same = 0 < size <= words.shape[1]
        for i in range(min(size, words.shape[1])):
            same = same and load_u8(address + i) == words[k, i]
        if same and words[k, size - 1] == 0:
            return k
    return -1
