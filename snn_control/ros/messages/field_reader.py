"""Find the numbers of a field in a serialized message (CDR), by running a small program compiled by `path_program`.

`snn_control.events.cdr` describes the encoding CDR. These types have a variable or special size:

| type | bytes |
|---|---|
| string | uint32 length that includes the closing NUL, then the characters |
| wide string | uint32 number of characters, then 4 bytes for each character |
| sequence | uint32 number of elements, then the elements |
| structure without fields | 1 byte |

`read_fields` does not allocate memory and does not call Python. It checks every length in the message before use. Its
run time is bounded by the length of the message, because each pass of a loop consumes at least one byte. The program's
registers are int64 words of the scratch memory.

Common arguments of the functions:

o : offset in the message [bytes]
pc : address of the program's next operation
filled : number of values that are already in the output
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import load_f32, load_f64, load_i64, store_f64, store_i64
from ...events.cdr import MISSING, TRUNCATED, begin, get_stamp, get_u32, is_big, offset_after
from . import selection
from .element_types import FLOAT32, FLOAT64, KIND_SIZES
from .numbers import get_number
from .selection import detail

__all__ = ["read_fields"]

# Operations of a program: five words each, (operation, a, b, c, target). Offsets in the message count from its byte 4.
# A record (see `selection`) is identified by its first word in the table that follows the operations.
SKIP = 0  # align to a, skip b bytes
READ = 1  # b values of kind a
NUMBERS = 2  # from a sequence of kind b, whose length is in register a: the values that record c selects
SET = 3  # register a = b
IF_ZERO = 4  # if register a is 0 go to target
NEXT = 5  # register a -= 1; if it is not 0 go to target
MARK = 6  # register a = the offset
BACK = 7  # the offset = register a
CHOOSE = 8  # before a loop over elements, of which record c selects some; register a: how many; if 0 go to target
CHOSEN = 9  # at each element of that loop: if it is not selected go to target
TAKEN = 10  # after the values of a selected element: go to target
ALL = 11  # after the loop: check that each name was found
KEEP = 12  # word a of the scratch memory = the float of kind b at the offset
STRING = 13  # uint32 n, then n * a bytes
SEQUENCE = 14  # uint32 n, then, if n > 0: align to a, skip (n - 1) * c + b bytes
COUNT = 15  # register a = uint32 count of elements that take at least b bytes each
LIST = 16  # a list of names: find the indices of the names in record c
NAME = 17  # a name: register a = its number in record c, -1 if the record does not have it
END = 18
WORDS = 5  # words of an operation
HEAD = 3  # words before the operations: 1 if the message begins with a stamp; kind of the values; word of the table


@register_jitable
def _append(base, at, kind, n, stride, out, filled, capacity, big, scratch, offsets):
    """Append ``n`` numbers of the message to ``out`` or, if ``offsets`` is 1, the byte offsets of these numbers.

    at : offset of the first number [bytes]
    stride : distance from one number to the next [bytes]
    filled : number of values that are already in ``out``
    capacity : number of values for which ``out`` has room

    Return the new number of values in ``out``, or EXTRA if the numbers do not fit.
    """
    if filled + n > capacity:
        detail(scratch, filled + n, 0)
        return np.int64(selection.EXTRA)
    address, to = base + at, out + 8 * filled
    if offsets:
        for k in range(n):
            store_i64(to + 8 * k, at + 4 + k * stride)
    elif kind == FLOAT64 and not big and stride == 8:
        for k in range(n):
            store_f64(to + 8 * k, load_f64(address + 8 * k))
    elif kind == FLOAT32 and not big and stride == 4:
        for k in range(n):
            store_f64(to + 8 * k, np.float64(load_f32(address + 4 * k)))
    else:
        for k in range(n):
            store_f64(to + 8 * k, get_number(address + k * stride, kind, big, scratch + 8))
    return filled + n


@register_jitable
def _select(record, r, base, o, kind, out, filled, capacity, big, scratch, offsets):
    """Append to ``out`` the numbers that a selection, such as ``[2:10]``, chooses from a sequence of numbers.

    record : address of the int64 words that describe the selection, see `selection`
    r : address of the register with the length of the sequence
    o : offset of the sequence's first number [bytes]

    Return the new number of values in ``out``, or a negative error code.
    """
    n, size, before = load_i64(r), KIND_SIZES[kind], filled
    code = selection.choose(record, r, filled, capacity, scratch)
    if code < 0:
        return np.int64(code)
    turn, more = 0, True
    while more and filled < before + n:
        first, count, step, more = selection.numbers_of(record, r, n, scratch, turn)
        turn += 1
        count = min(count, before + n - filled)  # after a whole turn the first beam is not repeated
        if count > 0:
            at, stride = o + size * first, step * size
            filled = _append(base, at, kind, count, stride, out, filled, capacity, big, scratch, offsets)
            if filled < 0:
                return filled
    code = selection.lacking(record, filled - before, scratch)
    return np.int64(code) if code < 0 else filled


@register_jitable
def read_fields(program, address, length, out, capacity, scratch, offsets):
    """Read the numbers of a field from a serialized message, by running the field's program. All arguments are int64.

    Parameters
    ----------
    program : address of `PathProgram.code`
    address : address of the message
    length : number of bytes of the message, encapsulation included
    out : address of float64[capacity] for the values or, if ``offsets`` is 1, of int64[capacity] for their byte offsets
    capacity : number of values for which ``out`` has room
    scratch : address of int64[SCRATCH_WORDS], used by this program only. Word 0 receives the message's stamp [ns], or
        -1 if the message type has no stamp. Word 1 receives the end of the last field [bytes from the start of the
        message]. The two words at DETAIL describe an error
    offsets : 0 for values, 1 for byte offsets from the start of the message

    Returns
    -------
    The number of values read, or a negative error code. An empty sequence results in 0, which means that no sample is
    due. The error codes are ENCAPSULATION, TRUNCATED (a length exceeds the message), MISSING (the message lacks an
    element that the path selects), EXTRA (more than ``capacity`` values), NO_NAME, REPEATED, UNEVEN, NO_BEAM. After an
    error, ``out`` may be partly written. Bytes after the last field are accepted, because serializers reserve more
    bytes than they fill.
    """
    o = begin(address, length)
    if o < 0:
        return o
    big, base, end = is_big(address), address + 4, length - 4
    stamped = load_i64(program) != 0
    if stamped and end < 8:
        return np.int64(TRUNCATED)
    store_i64(scratch, get_stamp(base, big) if stamped else np.int64(-1))
    return _steps(program, base, end, big, out, capacity, scratch, offsets)


@register_jitable
def _steps(program, base, end, big, out, capacity, scratch, offsets):
    """Run the operations of a program over the message at address ``base``.

    The result and the other arguments are those of `read_fields`.
    """
    o = filled = np.int64(0)
    first = program + 8 * HEAD
    table = program + 8 * load_i64(program + 16)
    pc = first
    operation = load_i64(pc)
    while operation != END:
        a, b, c = load_i64(pc + 8), load_i64(pc + 16), load_i64(pc + 24)
        target = first + 8 * WORDS * load_i64(pc + 32)
        r, record = scratch + 8 * (2 + a), table + 8 * c
        pc += 8 * WORDS
        code = np.int64(0)
        if operation == SKIP:
            code = o = offset_after(o, a, b, end)
        elif operation == READ:
            size = KIND_SIZES[a]
            code = o = offset_after(o, size, b * size, end)
            if code >= 0:
                code = filled = _append(base, o - b * size, a, b, size, out, filled, capacity, big, scratch, offsets)
        elif operation == NUMBERS:
            size = load_i64(r) * KIND_SIZES[b]
            if size > 0:
                code = o = offset_after(o, KIND_SIZES[b], size, end)
            if size > 0 and code >= 0:
                code = filled = _select(record, r, base, o - size, b, out, filled, capacity, big, scratch, offsets)
        elif operation == SET or operation == IF_ZERO or operation == NEXT or operation == MARK or operation == BACK:
            o, pc = _count(operation, r, b, o, pc, target)
        elif operation == CHOOSE or operation == CHOSEN or operation == TAKEN or operation == ALL:
            code, filled, pc = _choose(operation, record, r, filled, capacity, scratch, pc, target)
        elif operation == KEEP:
            code = o = offset_after(o, KIND_SIZES[b], KIND_SIZES[b], end)
            if code >= 0:
                store_f64(scratch + 8 * a, get_number(base + o - KIND_SIZES[b], b, big, scratch + 8))
        else:
            code = o = _pass(operation, a, b, c, program, record, r, base, o, end, big, scratch)
        if code < 0:
            return code
        operation = load_i64(pc)
    store_i64(scratch + 8, o + 4)
    return filled


@register_jitable(forceinline=True)
def _count(operation, r, b, o, pc, target):
    """Run one operation on a register: set it, store an offset in it, return to a stored offset, or jump on its value.

    r : address of the register
    b : new value of the register
    target : address of the operation to jump to

    Return the offset in the message [bytes] and the address of the next operation.
    """
    if operation == SET:
        store_i64(r, b)
    elif operation == MARK:
        store_i64(r, o)
    elif operation == BACK:
        o = load_i64(r)
    elif operation == IF_ZERO:
        if load_i64(r) == 0:
            pc = target
    else:  # NEXT
        left = load_i64(r) - 1
        store_i64(r, left)
        if left != 0:
            pc = target
    return o, pc


@register_jitable(forceinline=True)
def _choose(operation, record, r, filled, capacity, scratch, pc, target):
    """Run one operation of a program's loop over the selected elements of a sequence.

    record : address of the words that describe the selection, see `selection`
    r : address of the loop's registers
    target : address of the operation to jump to

    Return three values: an error code or 0, the number of values in the output, and the address of the next operation.
    """
    code = np.int64(0)
    if operation == CHOOSE:
        if load_i64(r) == 0:
            pc = target
        else:
            code = selection.choose(record, r, filled, capacity, scratch)
    elif operation == CHOSEN:
        code = selection.chosen(record, r, scratch)
        if code == 0:
            pc = target
        elif selection.by_name(record):
            filled = selection.place_of(record, r)
    elif operation == TAKEN:
        if selection.by_name(record) and filled != selection.place_of(record, r) + load_i64(record + 16):
            detail(scratch, 0, 0)
            code = np.int64(MISSING)
        pc = target
    else:  # ALL
        code = selection.all_named(record, scratch)
        filled = load_i64(r + 8 * selection.BEFORE) + load_i64(record + 8) * load_i64(record + 16)
    return code, filled, pc


@register_jitable(forceinline=True)
def _pass(operation, a, b, c, program, record, r, base, o, end, big, scratch):
    """Run one operation that skips a string, a sequence or a list of names, or counts the elements of a sequence.

    a, b, c : arguments of the operation
    record : address of the words that describe a selection, see `selection`
    r : address of the operation's register
    base : address of the message
    end : length of the message [bytes]

    Return the offset after the skipped part [bytes], or a negative error code.
    """
    if operation == LIST:
        return selection.find_names(program, record, base, (o + 3) & -4, end, big, scratch)
    o = ((o + 3) & -4) + 4
    if o > end:
        return np.int64(TRUNCATED)
    n = get_u32(base + o - 4, big)
    if operation == STRING:
        return offset_after(o, 1, n * a, end)
    if operation == NAME:
        behind_name = offset_after(o, 1, n, end)
        if behind_name >= 0:
            store_i64(r, selection.which(program, record, base + o, n))
        return behind_name
    if operation == COUNT:
        if n * b > end - o:
            return np.int64(TRUNCATED)
        store_i64(r, n)
        return o
    return offset_after(o, a, (n - 1) * c + b, end) if n > 0 else o  # SEQUENCE
