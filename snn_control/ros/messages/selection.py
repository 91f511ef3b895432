"""Find the elements of a sequence that a path selects by a slice, by names, or by angles of a scan; compiled code.

A *record* is an array of int64 words that describes a selection. Its address is the argument ``record`` of the
functions here.

Names are compared as bytes. A robot usually sends the same names in the same order. Therefore the bytes of the whole
list of names are stored, and the indices of the names are reused as long as these bytes do not change.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import load_f64, load_i64, load_u8, store_i64, store_u8
from ...events.cdr import MISSING, TRUNCATED, get_u32, offset_after, offset_after_text
from .paths import MOST_NAMES, Angles, Elements, Named

__all__ = [
    "ANGLE", "BEFORE", "BEGIN", "COUNT_OF_NAMES", "DETAIL", "EXTRA", "INDEX", "KEY_WORDS", "LOOP_REGISTERS", "NAMED",
    "NAMED_NEXT", "NONE", "NO_BEAM", "NO_NAME", "OWN", "REGISTERS", "REPEATED", "SCRATCH_WORDS", "UNEVEN", "all_named",
    "by_name", "choose", "chosen", "detail", "find_names", "lacking", "numbers_of", "place_of", "record_of", "slice_of",
    "which",
]  # fmt: skip

#: codes that `read_fields` returns in place of a number of values, besides those of `events.cdr`; -5 is BAD_LAYOUT
EXTRA, NO_NAME, REPEATED, UNEVEN, NO_BEAM = -4, -6, -7, -8, -9

# Words of a record, which describes a selection. A slice: SLICE, start, stop, step (NONE: not given). Names: NAMED (in
# the message's list of names) or OWN (a field of each element), number of names, values of each element; then for each
# name its length, the closing NUL included, and its offset in the program [bytes]. Angles: ANGLES, low, high (float64)
SLICE, NAMED, OWN, ANGLES = range(4)
NONE = 1 << 62
KEY_WORDS = 3  # words before the names in a record

# Scratch memory of `read_fields`, in words: 0 the stamp; 1 a byte-swapped number, and finally the end; registers; then
REGISTERS = 96
DETAIL = 2 + REGISTERS  # two words on what was wrong
ANGLE = DETAIL + 2  # float64: a scan's first angle, and the increment from one beam to the next
BLOCK_LENGTH = ANGLE + 2  # 2 x bytes of the stored list of names, + 1 for a big-endian message; 0: none is stored
COUNT_OF_NAMES = BLOCK_LENGTH + 1  # number of names in the newest list
INDEX = COUNT_OF_NAMES + 1  # index of each wanted name in the list
BLOCK = INDEX + MOST_NAMES
BLOCK_WORDS = 512
SCRATCH_WORDS = BLOCK + BLOCK_WORDS

# Registers of a loop, from its first one on: elements left, index of the element, next selected index or number of the
# element's name, elements left to select, number of values before the loop, offset of an element
LEFT, ELEMENT, NAMED_NEXT, NAMED_LEFT, BEFORE, BEGIN, LOOP_REGISTERS = range(7)

TURN = 2 * math.pi
TOLERANCE = 1e-3  # fraction of an increment, because angles are float32


def record_of(pick: Elements | Named | Angles, how: int) -> tuple[list[int], list[tuple[int, bytes]]]:
    """Return the record of a selection as a list of words, and a list with one pair for each selected name.

    The first value of a pair is the index of the word for the name's offset in the program, which is not known yet. The
    second value is the name's bytes with the closing NUL.

    how : for a selection by name: NAMED (the message has a list of names) or OWN (each element contains its name)
    """
    if isinstance(pick, Angles):
        return [ANGLES, *np.array([pick.low, pick.high]).view(np.int64).tolist()], []
    if isinstance(pick, Elements):
        return [SLICE, *(NONE if n is None else n for n in (pick.start, pick.stop)), pick.step], []
    names = [name.encode() + b"\0" for name in pick.names]
    words = [how, len(names), 1, *(word for name in names for word in (len(name), 0))]
    return words, [(KEY_WORDS + 2 * k + 1, name) for k, name in enumerate(names)]


@register_jitable
def detail(scratch, a, b):
    store_i64(scratch + 8 * DETAIL, a)
    store_i64(scratch + 8 * (DETAIL + 1), b)


@register_jitable
def slice_of(n, start, stop, step):
    """Return the index of the first element that ``[start:stop:step]`` selects from ``n``, and the number of elements.

    The number is 0 if any element of the slice does not exist.
    """
    if step > 0:
        first, end = 0 if start == NONE else start, n if stop == NONE else stop
    else:
        first, end = n - 1 if start == NONE else start, -1 if stop == NONE else stop
    if first < 0:
        first += n
    if end < 0 and stop != NONE:
        end += n
    count = (end - first + step - 1) // step if step > 0 else (first - end - step - 1) // -step
    last = first + (count - 1) * step
    if count <= 0 or first < 0 or first >= n or last < 0 or last >= n:
        return 0, 0
    return first, count


@register_jitable
def _same(a, b, n):
    """Return whether the ``n`` bytes at the address ``a`` equal those at the address ``b``."""
    k = 0
    while k + 8 <= n:
        if load_i64(a + k) != load_i64(b + k):
            return False
        k += 8
    while k < n:
        if load_u8(a + k) != load_u8(b + k):
            return False
        k += 1
    return True


@register_jitable
def which(program, record, address, length):
    """Return the index of the name at ``address`` among the names of a record; -1 if the record has no such name.

    length : number of bytes of the name, with its closing NUL
    """
    row = record + 8 * KEY_WORDS
    for k in range(load_i64(record + 8)):
        if load_i64(row) == length and _same(program + load_i64(row + 8), address, length):
            return k
        row += 16
    return -1


@register_jitable
def find_names(program, record, base, o, end, big, scratch):
    """Find each name of a record in the message's list of names, and store the name's index in the scratch memory.

    base : address of the message
    o : offset of the list in the message [bytes]
    end : length of the message [bytes]

    Return the offset after the list [bytes], or a negative error code.
    """
    block, known = scratch + 8 * BLOCK, load_i64(scratch + 8 * BLOCK_LENGTH)
    length, order = known >> 1, 1 if big else 0
    if length > 0 and known & 1 == order and length <= end - o and _same(block, base + o, length):
        return o + length
    store_i64(scratch + 8 * BLOCK_LENGTH, 0)
    wanted, index, begin = load_i64(record + 8), scratch + 8 * INDEX, o
    o = offset_after(o, 4, 4, end)
    if o < 0:
        return o
    n = get_u32(base + o - 4, big)
    if n * 4 > end - o:
        return np.int64(TRUNCATED)
    store_i64(scratch + 8 * COUNT_OF_NAMES, n)
    for k in range(wanted):
        store_i64(index + 8 * k, -1)
    for i in range(n):
        name = ((o + 3) & -4) + 4
        o = offset_after_text(base, o, end, big)
        if o < 0:
            return o
        k = which(program, record, base + name, o - name)
        if k >= 0:
            if load_i64(index + 8 * k) >= 0:
                detail(scratch, k, i)
                return REPEATED
            store_i64(index + 8 * k, i)
    if n > 0:
        for k in range(wanted):
            if load_i64(index + 8 * k) < 0:
                detail(scratch, k, n)
                return NO_NAME
        if o - begin <= 8 * BLOCK_WORDS:
            for k in range(o - begin):
                store_u8(block + k, load_u8(base + begin + k))
            store_i64(scratch + 8 * BLOCK_LENGTH, 2 * (o - begin) + order)
    return o


@register_jitable
def _whole(value, low, high):
    """Return a float as a whole number, clipped to [low, high]."""
    return np.int64(min(max(value, np.float64(low)), np.float64(high)))


@register_jitable
def _beams_of(record, n, scratch, turn):
    """Find one contiguous run of beams within the angles of a record. A selection may consist of several runs.

    n : number of beams of the scan
    turn : index of the run, from 0

    Return four values: the index of the first beam, the number of beams, the direction (1 or -1), and whether more runs
    follow.

    A beam is selected if its angle plus any number of whole turns is within the angles. Selected beams are ordered from
    the low to the high angle, also if the scan's angles decrease. The selected angles may contain both ends of a scan:
    the first run then has the beams at the scan's end, and the second run those at its start.
    """
    start, step = load_f64(scratch + 8 * ANGLE), load_f64(scratch + 8 * (ANGLE + 1))
    low, high = load_f64(record + 8), load_f64(record + 16)
    if not (abs(start) <= 1000.0 and 0.0 < abs(step) <= TURN):
        return 0, 0, 1, False
    direction = 1 if step > 0.0 else -1
    if direction < 0:  # start at the other end
        start, step = start + (n - 1) * step, -step
    lowest = np.ceil((low - start - (n - 1) * step) / TURN - TOLERANCE)
    shift = lowest + turn
    first = _whole(np.ceil((low - start - TURN * shift) / step - TOLERANCE), 0, n)
    last = _whole(np.floor((high - start - TURN * shift) / step + TOLERANCE), -1, n - 1)
    more = start + TURN * (shift + 1.0) <= high + TOLERANCE * step
    if direction < 0:
        return n - 1 - first, max(last - first + 1, 0), direction, more
    return first, max(last - first + 1, 0), direction, more


@register_jitable
def _covered(record, count, scratch):
    """Return whether ``count`` beams cover all angles of a record. A scan over 360 degrees covers any angles."""
    width = min(load_f64(record + 16) - load_f64(record + 8), TURN)
    return (count + 1.0 + TOLERANCE) * abs(load_f64(scratch + 8 * (ANGLE + 1))) >= width


@register_jitable
def choose(record, r, filled, capacity, scratch):
    """Prepare a loop over the elements of a sequence, from which a record selects elements.

    r : address of the loop's registers
    filled : number of values that were read before the loop
    capacity : number of values for which the output has room

    Return 0 or a negative error code.
    """
    n, how = load_i64(r), load_i64(record)
    store_i64(r + 8 * ELEMENT, -1)
    store_i64(r + 8 * BEFORE, filled)
    if how == SLICE:
        first, count = slice_of(n, load_i64(record + 8), load_i64(record + 16), load_i64(record + 24))
        store_i64(r + 8 * NAMED_NEXT, first)
        store_i64(r + 8 * NAMED_LEFT, count)
        if count == 0:
            detail(scratch, n, 0)
            return MISSING
        return 0
    if how == ANGLES:
        return 0
    wanted = load_i64(record + 8)
    if how == NAMED and load_i64(scratch + 8 * COUNT_OF_NAMES) != n:
        detail(scratch, n, load_i64(scratch + 8 * COUNT_OF_NAMES))
        return UNEVEN
    if how == OWN:
        for k in range(wanted):
            store_i64(scratch + 8 * (INDEX + k), -1)
    if filled + wanted * load_i64(record + 16) > capacity:
        detail(scratch, filled + wanted * load_i64(record + 16), 0)
        return EXTRA
    return 0


@register_jitable
def numbers_of(record, r, n, scratch, turn):
    """Find one contiguous run of the numbers that a record selects from a sequence of numbers.

    n : length of the sequence
    turn : index of the run, from 0

    Return four values: the run's first index, its length, its step, and whether more runs follow.
    """
    how = load_i64(record)
    if how == SLICE:
        return load_i64(r + 8 * NAMED_NEXT), load_i64(r + 8 * NAMED_LEFT), load_i64(record + 24), False
    if how == ANGLES:
        return _beams_of(record, n, scratch, turn)
    return load_i64(scratch + 8 * (INDEX + turn)), 1, 1, turn + 1 < load_i64(record + 8)


@register_jitable
def lacking(record, count, scratch):
    """Check that a scan contains beams for all selected angles. Return 0, or NO_BEAM if beams are missing.

    count : number of beams that were selected
    """
    if load_i64(record) == ANGLES and not (count > 0 and _covered(record, count, scratch)):
        detail(scratch, count, 0)
        return NO_BEAM
    return 0


@register_jitable
def by_name(record):
    """Return whether a record selects elements by name. The values are then in the order of the record's names."""
    return load_i64(record) == NAMED or load_i64(record) == OWN


@register_jitable
def chosen(record, r, scratch):
    """Advance a loop to the next element. Return 1 if the element is selected, 0 if not, or a negative error code."""
    i, how = load_i64(r + 8 * ELEMENT) + 1, load_i64(record)
    store_i64(r + 8 * ELEMENT, i)
    if how == SLICE:
        if load_i64(r + 8 * NAMED_LEFT) == 0 or load_i64(r + 8 * NAMED_NEXT) != i:
            return 0
        store_i64(r + 8 * NAMED_LEFT, load_i64(r + 8 * NAMED_LEFT) - 1)
        store_i64(r + 8 * NAMED_NEXT, i + load_i64(record + 24))
        return 1
    if how == OWN:
        k = load_i64(r + 8 * NAMED_NEXT)
        if k < 0:
            return 0
        if load_i64(scratch + 8 * (INDEX + k)) >= 0:
            detail(scratch, k, 0)
            return REPEATED
        store_i64(scratch + 8 * (INDEX + k), i)
        return 1
    for k in range(load_i64(record + 8)):
        if load_i64(scratch + 8 * (INDEX + k)) == i:
            store_i64(r + 8 * NAMED_NEXT, k)
            return 1
    return 0


@register_jitable
def place_of(record, r):
    """Return the index in the output at which the values of the loop's present element begin."""
    return load_i64(r + 8 * BEFORE) + load_i64(r + 8 * NAMED_NEXT) * load_i64(record + 16)


@register_jitable
def all_named(record, scratch):
    """Check that each name of a record was found in the message. Return 0, or NO_NAME if a name is missing."""
    for k in range(load_i64(record + 8)):
        if load_i64(scratch + 8 * (INDEX + k)) < 0:
            detail(scratch, k, 0)
            return NO_NAME
    return 0
