"""Read CDR, the encoding of serialized ROS messages, in compiled code: error codes, a cursor, numbers and stamps.

A message in CDR (OMG CDR as DDS uses it, "XCDR1") begins with a header of 4 bytes, the encapsulation. The fields of the
message follow. The second byte of the header is 0 for big-endian numbers and 1 for little-endian numbers. Each number
is aligned to its own size, counted from byte 4 of the message.

A *cursor* is the offset of the next field in a message, counted from byte 4. `begin`, `offset_after` and
`offset_after_text` return the next cursor or a negative error code. If the cursor passed to a function is an error
code, the function returns this code unchanged.
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
    """Read the uint32 at ``address`` as int64.

    big : whether the bytes are big-endian
    """
    v = load_u32(address)
    if big:
        v = ((v & 0xFF) << 24) | ((v & 0xFF00) << 8) | ((v >> 8) & 0xFF00) | (v >> 24)
    return v


@register_jitable
def get_u16(address, big):
    """Read the uint16 at ``address`` as int64.

    big : whether the bytes are big-endian
    """
    v = load_u16(address)
    return (v & 0xFF) << 8 | v >> 8 if big else v


@register_jitable
def get_i64(address, big):
    """Read the 8 bytes at ``address`` as int64. A uint64 from 2^63 on becomes negative."""
    first, second = get_u32(address, big), get_u32(address + 4, big)
    return first << 32 | second if big else second << 32 | first


@register_jitable
def get_time(address, big):
    """Read the builtin_interfaces/Time at ``address`` [ns]. The result is negative for times before 0."""
    seconds = get_u32(address, big)
    return (seconds - (seconds >> 31 << 32)) * 1000000000 + get_u32(address + 4, big)


@register_jitable
def get_stamp(address, big):
    """Read the builtin_interfaces/Time at ``address`` [ns]. The result is -1 for all times before 0."""
    return get_time(address, big) if get_u32(address, big) < 0x80000000 else np.int64(-1)


@register_jitable
def is_big(address):
    """Return whether the message at ``address`` is big-endian."""
    return load_u8(address + 1) == 0


@register_jitable
def begin(address, length):
    """Return the cursor of a CDR message's first field, 0, after checking the message's header.

    Return ENCAPSULATION if the ``length`` bytes at ``address`` do not begin with a valid header.
    """
    if length < 4 or load_u8(address) != 0 or load_u8(address + 1) > 1:
        return np.int64(ENCAPSULATION)
    return np.int64(0)


@register_jitable(forceinline=True)
def offset_after(o, align, size, end):
    """Align the cursor ``o``, and move it by ``size`` bytes.

    Return the new cursor, or TRUNCATED if it is beyond the cursor ``end`` at the end of the message.
    """
    if o < 0:
        return o
    o = (o + align - 1) & -align
    return o + size if size <= end - o else np.int64(TRUNCATED)


@register_jitable
def offset_after_text(base, o, end, big):
    """Return the cursor after the string at the cursor ``o``, or TRUNCATED if the message ends within the string.

    base : address of the message's byte 4, from which cursors count
    end : cursor at the end of the message
    """
    o = offset_after(o, 4, 4, end)
    return o if o < 0 else offset_after(o, 1, get_u32(base + o - 4, big), end)


@register_jitable
def word_number(words, address, size):
    """Return the index of a text in a list of texts; -1 if the list does not contain the text.

    words : (n, width) uint8, the list of texts, each closed by a NUL
    address : address of the text to find
    size : number of bytes of the text, with the closing NUL
    """
    for k in range(words.shape[0]):
        same = 0 < size <= words.shape[1]
        for i in range(min(size, words.shape[1])):
            same = same and load_u8(address + i) == words[k, i]
        if same and words[k, size - 1] == 0:
            return k
    return -1
