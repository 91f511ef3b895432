"""Parse lines of decimal numbers to events, in compiled code.

A number is parsed as a sign, up to 19 significant digits and a decimal exponent, not as a float. Therefore the
conversion of times to whole us or ns loses no digit.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

__all__ = ["read_lines"]

NEWLINE, RETURN, TAB, SPACE, COMMA, SEMICOLON, HASH, PERCENT = 10, 13, 9, 32, 44, 59, 35, 37
PLUS, MINUS, POINT, ZERO, NINE, E_LARGE, E_SMALL = 43, 45, 46, 48, 57, 69, 101
TRUE, FALSE = (84, 116), (70, 102)  # first letters
MOST = 9 * 10**17  # of a number with more digits, the rest is dropped
LARGEST = 1 << 62
POWERS = np.array([10**k for k in range(19)], np.int64)


@register_jitable
def _separates(byte):
    return byte == COMMA or byte == SPACE or byte == TAB or byte == SEMICOLON


@register_jitable
def _number(data, k, end):
    """Parse the number at offset ``k``. Return its digits as an integer, its decimal exponent, and the offset after it.

    The offset is -1 if there is no number at ``k``.
    """
    negative = data[k] == MINUS
    if negative or data[k] == PLUS:
        k += 1
    value, exponent, digits, point = np.int64(0), np.int64(0), 0, False
    if k < end and (data[k] == TRUE[0] or data[k] == TRUE[1] or data[k] == FALSE[0] or data[k] == FALSE[1]):
        value = np.int64(data[k] == TRUE[0] or data[k] == TRUE[1])
        while k < end and not _separates(data[k]):
            k += 1
        return value, 0, k
    while k < end:
        byte = np.int64(data[k])
        if ZERO <= byte <= NINE:
            if value < MOST:
                value = 10 * value + byte - ZERO
                exponent -= 1 if point else 0
            elif not point:
                exponent += 1
            digits += 1
        elif byte == POINT and not point:
            point = True
        else:
            break
        k += 1
    if digits == 0:
        return value, 0, -1
    if k < end and (data[k] == E_LARGE or data[k] == E_SMALL):
        k += 1
        down = k < end and data[k] == MINUS
        if k < end and (data[k] == MINUS or data[k] == PLUS):
            k += 1
        power, digits = np.int64(0), 0
        while k < end and ZERO <= data[k] <= NINE:
            power = min(10 * power + np.int64(data[k]) - ZERO, np.int64(1000))
            digits += 1
            k += 1
        if digits == 0:
            return value, 0, -1
        exponent += -power if down else power
    if k < end and not _separates(data[k]):
        return value, 0, -1
    return -value if negative else value, exponent, k


@register_jitable
def _scaled(value, exponent):
    """Return value * 10^exponent, rounded to an integer, and whether the rounding changed it by less than 0.0005.

    Positive exponents limit the result to LARGEST.
    """
    if value == 0 or exponent == 0:
        return value, True
    size = abs(value)
    if exponent > 0:
        if exponent > 18 or size > LARGEST // POWERS[exponent]:
            return np.int64(LARGEST), True
        size *= POWERS[exponent]
        exact = True
    elif exponent < -18:
        size, exact = np.int64(0), False
    else:
        power = POWERS[-exponent]
        rest = size % power
        size, exact = size // power + np.int64(2 * rest >= power), not 0.0005 < rest / power < 0.9995
    return size if value > 0 else -size, exact


def read_lines(data, places, columns, scale, most, t, x, y, p):
    """Parse whole lines, each of which ends with a newline.

    places : (4,) indices of t, x, y and p in a line
    columns : number of columns of a line
    scale : exponent of the unit conversion: the output's time unit is 10^-scale of the file's time unit
    most : largest time, in the output's unit
    t, x, y, p : arrays for the events, with room for one event per 8 bytes

    Return three counts: events, malformed lines, and times that were rounded.
    """
    n = malformed = rounded = k = 0
    found = np.zeros(4, np.int64)
    while k < data.size:
        end = k
        while end < data.size and data[end] != NEWLINE:
            end += 1
        after, last = end + 1, end
        while last > k and (data[last - 1] == RETURN or _separates(data[last - 1])):
            last -= 1
        while k < last and _separates(data[k]):
            k += 1
        if k == last or data[k] == HASH or data[k] == PERCENT:
            k = after
            continue
        number, exact = 0, True
        while k < last:
            value, exponent, k = _number(data, k, last)
            if k < 0:
                break
            for j in range(4):
                if places[j] == number:
                    whole, same = _scaled(value, exponent + (scale if j == 0 else 0))
                    found[j] = whole
                    if j == 0:
                        exact = same
            number += 1
            while k < last and _separates(data[k]):
                k += 1
        sides = 0 <= found[1] < 1 << 16 and 0 <= found[2] < 1 << 16
        if k < 0 or number != columns or not sides or abs(found[0]) > most:
            malformed += 1
        else:
            t[n], x[n], y[n], p[n] = found[0], found[1], found[2], found[3] > 0
            n += 1
            rounded += 0 if exact else 1
        k = after
    return n, malformed, rounded
