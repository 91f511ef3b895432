"""The bytes of a CDR message: a small program that finds numbers in them, run by compiled code.

CDR (OMG CDR as DDS uses it, "XCDR1"): 4 bytes of encapsulation, of which the second says big (0) or
little (1) endian; then the fields, each aligned to its own size, counted from byte 4. A string is a
uint32 length that counts the closing NUL, and the bytes; a wide string is a uint32 number of characters
of 4 bytes; a sequence is a uint32 count and the elements. A structure without fields takes 1 byte.

`walk` neither allocates nor calls Python, checks every length before it uses it, and its work is bounded
by the length of the message, since each turn of a loop takes at least a byte of it. `wire` writes the
programs.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine.memory import (
    load_f32,
    load_f64,
    load_i8,
    load_i16,
    load_i32,
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    store_f32,
    store_f64,
    store_i64,
    store_u8,
    store_u16,
    store_u32,
)
from ..events.cdr import ENCAPSULATION, MISSING, TRUNCATED, get_stamp, get_u32
from .pick import (
    BEFORE,
    COUNT_OF_NAMES,
    EXTRA,
    INDEX,
    NAMED,
    NO_BEAM,
    SLICE,
    UNEVEN,
    all_named,
    beams_of,
    choose,
    chosen,
    detail,
    find_names,
    place_of,
    slice_of,
    which,
)

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "KINDS",
    "KIND_SIZES",
    "get_number",
    "kind_size",
    "nearest_whole",
    "put_number",
    "walk",
    "walk_message",
]

#: element types by number; the number is what stands in a program
KINDS = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
KIND_SIZES = (1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8)
FLOAT32, FLOAT64 = 9, 10  # those before them are whole numbers

# Operations of a program: five words each, (operation, a, b, c, target). Offsets count from byte 4; a record, see
# `pick`, is named by its word in the table behind the operations.
SKIP = 0  # align to a, pass b bytes
STRING = 1  # uint32 n, then n * a bytes
SEQUENCE = 2  # uint32 n, then, if n > 0: align to a, pass (n - 1) * c + b bytes
READ = 3  # b values of kind a
COUNT = 4  # register a = uint32 count of elements that take at least b bytes each
NUMBERS = 5  # register b elements of kind a: the values that record c names
SET = 6  # register a = b
IF_ZERO = 7  # if register a is 0 go to target
NEXT = 8  # register a -= 1; if it is not 0 go to target
MARK = 9  # register a = where it stands
BACK = 10  # stand where register a says
KEEP = 11  # word a of the scratch = the float of kind b that stands here
LIST = 12  # a list of names: where those of record c stand in it
NAME = 13  # a name: register a = its number in record c, -1 if it is none of them
CHOOSE = 14  # before a loop over register a elements, of which record c names some; if there are none go to target
CHOSEN = 15  # at each of them: if it is not named go to target
TAKEN = 16  # behind the values of one that is: go to target
ALL = 17  # behind the loop
END = 18
WORDS = 5  # words of an operation
HEAD = 3  # words before the first: 1 if the message begins with a stamp; kind of the elements; word of the table


@register_jitable
def kind_size(kind):
    """Bytes of one element of a kind."""
    if kind <= 2:
        return 1
    if kind <= 4:
        return 2
    if kind <= 6 or kind == 9:
        return 4
    return 8


@register_jitable
def get_number(address, kind, big, swap):
    """The number of ``kind`` at ``address`` as float64; ``swap`` is a word of scratch memory."""
    if big:
        v = 0
        for k in range(kind_size(kind)):
            v = (v << 8) | load_u8(address + k)
        store_i64(swap, v)
        address = swap
    if kind == 10:
        return load_f64(address)
    if kind == 9:
        return np.float64(load_f32(address))
    if kind == 0:
        return 1.0 if load_u8(address) != 0 else 0.0
    if kind == 1:
        return np.float64(load_u8(address))
    if kind == 2:
        return np.float64(load_i8(address))
    if kind == 3:
        return np.float64(load_u16(address))
    if kind == 4:
        return np.float64(load_i16(address))
    if kind == 5:
        return np.float64(load_u32(address))
    if kind == 6:
        return np.float64(load_i32(address))
    if kind == 7:
        return np.float64(np.uint64(load_i64(address)))
    return np.float64(load_i64(address))


@register_jitable
def nearest_whole(value):
    """``value`` rounded to a whole number, ties to even."""
    whole = np.floor(value)
    rest = value - whole
    if rest > 0.5 or (rest == 0.5 and whole != 2.0 * np.floor(whole / 2.0)):
        whole += 1.0
    return whole


@register_jitable
def _to_integer(value, low, high):
    """``value`` rounded to the nearest integer, ties to even, within [low, high]; NaN becomes 0."""
    if value != value:
        value = 0.0
    if value <= low:
        return np.int64(low)
    if value >= high:
        return np.int64(high)
    return np.int64(nearest_whole(value))


@register_jitable
def put_number(address, kind, value):
    """Write float64 ``value`` as a little-endian ``kind``: rounded and saturated to its range."""
    if kind == 10:
        store_f64(address, value)
    elif kind == 9:
        if value > 3.4028234663852886e38:
            value = 3.4028234663852886e38
        if value < -3.4028234663852886e38:
            value = -3.4028234663852886e38
        store_f32(address, np.float32(value))
    elif kind == 0:
        store_u8(address, _to_integer(value, 0.0, 1.0))
    elif kind == 1:
        store_u8(address, _to_integer(value, 0.0, 255.0))
    elif kind == 2:
        store_u8(address, _to_integer(value, -128.0, 127.0))
    elif kind == 3:
        store_u16(address, _to_integer(value, 0.0, 65535.0))
    elif kind == 4:
        store_u16(address, _to_integer(value, -32768.0, 32767.0))
    elif kind == 5:
        store_u32(address, _to_integer(value, 0.0, 4294967295.0))
    elif kind == 6:
        store_u32(address, _to_integer(value, -2147483648.0, 2147483647.0))
    elif kind == 7:
        if value >= 18446744073709551616.0:
            store_i64(address, -1)
        elif value >= 9223372036854775808.0:  # the upper half, as the two's complement that it shares its bits with
            store_i64(address, np.int64(value - 18446744073709551616.0))
        else:
            store_i64(address, _to_integer(value, 0.0, 9223372036854774784.0))  # largest float64 below 2**63
    elif value >= 9223372036854775808.0:
        store_i64(address, 0x7FFFFFFFFFFFFFFF)
    elif value <= -9223372036854775808.0:
        store_i64(address, -0x7FFFFFFFFFFFFFFF - 1)
    else:
        store_i64(address, _to_integer(value, -9223372036854775808.0, 9223372036854774784.0))


@register_jitable
def _emit(position, offset, kind, n, stride, out, filled, big, swap, offsets):
    """Append the ``n`` numbers from ``position`` on, ``stride`` bytes apart (or, if asked, where they stand)."""
    if offsets:
        for k in range(n):
            store_i64(out + 8 * (filled + k), offset + 4 + k * stride)
    elif kind == FLOAT64 and not big and stride == 8:
        for k in range(n):
            store_f64(out + 8 * (filled + k), load_f64(position + 8 * k))
    elif kind == FLOAT32 and not big and stride == 4:
        for k in range(n):
            store_f64(out + 8 * (filled + k), np.float64(load_f32(position + 4 * k)))
    else:
        for k in range(n):
            store_f64(out + 8 * (filled + k), get_number(position + k * stride, kind, big, swap))


@register_jitable
def _numbers(record, base, o, kind, n, out, filled, capacity, big, scratch, offsets):
    """Append what a record names of ``n`` numbers at offset ``o`` -> how many values there are, or negative."""
    size, how, swap = kind_size(kind), load_i64(record), scratch + 8
    if how == NAMED:
        wanted, index = load_i64(record + 8), scratch + 8 * INDEX
        if load_i64(scratch + 8 * COUNT_OF_NAMES) != n:
            detail(scratch, n, load_i64(scratch + 8 * COUNT_OF_NAMES))
            return UNEVEN
        if filled + wanted > capacity:
            detail(scratch, filled + wanted, 0)
            return EXTRA
        for k in range(wanted):
            at = o + size * load_i64(index + 8 * k)
            _emit(base + at, at, kind, 1, size, out, filled + k, big, swap, offsets)
        return filled + wanted
    if how == SLICE:
        step = load_i64(record + 24)
        first, count = slice_of(n, load_i64(record + 8), load_i64(record + 16), step)
        if count == 0:
            detail(scratch, n, 0)
            return MISSING
        if filled + count > capacity:
            detail(scratch, filled + count, 0)
            return EXTRA
        at = o + size * first
        _emit(base + at, at, kind, count, step * size, out, filled, big, swap, offsets)
        return filled + count
    before, turn, more = filled, 0, True
    while more and filled < before + n:
        first, count, direction, more = beams_of(record, n, scratch, turn)
        turn += 1
        count = min(count, before + n - filled)  # a whole turn names its first beam once
        if count > 0:
            if filled + count > capacity:
                detail(scratch, filled + count, 0)
                return EXTRA
            at = o + size * first
            _emit(base + at, at, kind, count, direction * size, out, filled, big, swap, offsets)
            filled += count
    return filled if filled > before else NO_BEAM


@register_jitable
def walk(program, address, length, out, capacity, scratch, offsets):
    """Run a program over a message; all arguments are int64, the first three and ``scratch`` addresses or sizes.

    Parameters
    ----------
    program : address of `PathProgram.code`
    address, length : the message, encapsulation included [bytes]
    out, capacity : float64[capacity] that receives the values; int64[capacity] of byte offsets if ``offsets``
    scratch : int64[SCRATCH_WORDS], of this program alone; word 0 receives the message's stamp [ns], -1 if its type has
        none; word 1 where its last field ends, from its start [bytes]; the words DETAIL what was wrong
    offsets : 0 values, 1 byte offsets from the start of the message

    Returns
    -------
    The number of values found; 0 means that the bound sequence is empty: nothing is due. Negative:
    ENCAPSULATION, TRUNCATED (a length passes the end), MISSING (an element that the path names is not
    there), EXTRA (more than ``capacity``), NO_NAME, REPEATED, UNEVEN, NO_BEAM. ``out`` may be partly written then.
    Bytes after the last field are no fault: serializers reserve more than they fill.
    """
    if length < 4 or load_u8(address) != 0 or load_u8(address + 1) > 1:
        return ENCAPSULATION
    big = load_u8(address + 1) == 0
    base = address + 4
    end = length - 4
    swap = scratch + 8
    registers = scratch + 16
    stamp = np.int64(-1)
    if load_i64(program) != 0:
        if end < 8:
            return TRUNCATED
        stamp = get_stamp(base, big)
    store_i64(scratch, stamp)

    filled = 0
    o = 0
    pc = program + 8 * HEAD
    first = pc
    table = program + 8 * load_i64(program + 16)
    while True:
        operation = load_i64(pc)
        a = load_i64(pc + 8)
        b = load_i64(pc + 16)
        c = load_i64(pc + 24)
        target = first + 8 * WORDS * load_i64(pc + 32)
        r = registers + 8 * a
        record = table + 8 * c
        pc += 8 * WORDS
        code = 0
        if operation == SKIP:
            o = ((o + a - 1) & -a) + b
            if o > end:
                return TRUNCATED
        elif operation == READ:
            size = kind_size(a)
            o = (o + size - 1) & -size
            if o + b * size > end:
                return TRUNCATED
            if filled + b > capacity:
                detail(scratch, filled + b, 0)
                return EXTRA
            _emit(base + o, o, a, b, size, out, filled, big, swap, offsets)
            filled += b
            o += b * size
        elif operation == NUMBERS:
            size, n = kind_size(a), load_i64(registers + 8 * b)
            if n > 0:
                o = (o + size - 1) & -size
                if n * size > end - o:
                    return TRUNCATED
                code = filled = _numbers(record, base, o, a, n, out, filled, capacity, big, scratch, offsets)
                o += n * size
        elif operation == SET:
            store_i64(r, b)
        elif operation == IF_ZERO:
            if load_i64(r) == 0:
                pc = target
        elif operation == NEXT:
            left = load_i64(r) - 1
            store_i64(r, left)
            if left != 0:
                pc = target
        elif operation == MARK:
            store_i64(r, o)
        elif operation == BACK:
            o = load_i64(r)
        elif operation == KEEP:
            size = kind_size(b)
            o = (o + size - 1) & -size
            if o + size > end:
                return TRUNCATED
            store_f64(scratch + 8 * a, get_number(base + o, b, big, swap))
            o += size
        elif operation == CHOOSE:
            if load_i64(r) == 0:
                pc = target
            else:
                code = choose(record, r, filled, capacity, scratch)
        elif operation == CHOSEN:
            code = chosen(record, r, scratch)
            if code == 0:
                pc = target
            elif load_i64(record) != SLICE:
                filled = place_of(record, r)
        elif operation == TAKEN:
            if load_i64(record) != SLICE and filled != place_of(record, r) + load_i64(record + 16):
                detail(scratch, 0, 0)
                return MISSING
            pc = target
        elif operation == ALL:
            code = all_named(record, scratch)
            filled = load_i64(r + 8 * BEFORE) + load_i64(record + 8) * load_i64(record + 16)
        elif operation == END:
            break
        else:  # what begins with a length
            o = (o + 3) & -4
            if operation == LIST:
                code = o = find_names(program, record, base, o, end, big, scratch)
            elif o + 4 > end:
                return TRUNCATED
            else:
                n = get_u32(base + o, big)
                o += 4
                if operation == STRING:
                    if n * a > end - o:
                        return TRUNCATED
                    o += n * a
                elif operation == NAME:
                    if n > end - o:
                        return TRUNCATED
                    store_i64(r, which(program, record, base + o, n))
                    o += n
                elif operation == COUNT:
                    if n * b > end - o:
                        return TRUNCATED
                    store_i64(r, n)
                elif n > 0:  # SEQUENCE
                    o = (o + a - 1) & -a
                    total = (n - 1) * c + b
                    if total > end - o:
                        return TRUNCATED
                    o += total
        if code < 0:
            return code
    store_i64(swap, o + 4)
    return filled


def walk_message(program, address, length, out, capacity, scratch, offsets):
    """`walk` as a function of its own."""
    return walk(program, address, length, out, capacity, scratch, offsets)
