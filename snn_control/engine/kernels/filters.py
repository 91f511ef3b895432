"""Filters of events: which events of a tick its encoder sees, as a list of their places in the columns.

The columns of an io slot stay as they came. ``kept`` (io, uint32[1 + capacity]) is how many events are left, and where
they stand, ascending. `region` starts the list, the others make it shorter in place, and each counts what it removes.

Rows begin: slot (io header), kept, capacity, x, y (io), width, height of the sensor, removed int64[1]; then
region       first (1: of all events of the slot, 0: of the list), left, top, columns, rows, counters int64[2]: events
             in the frame, events out of it (of the first)
hot_pixels   mask uint8[(width height + 7) / 8], a bit a pixel, the lowest first
refractory   t, p (io), last uint32[width height], or (.., 2) of OFF and of ON where they are apart; period [us], apart
background   t (io), last uint32[(width + 2) (height + 2)], window [us], support
one_polarity p (io), keep (1: ON, 0: OFF)
rate_limit   tokens int64[1], refill, most, all in parts of an event

Times in the state are whole microseconds modulo 2^32 (71.6 min), 0: never. Only their differences are used, so a
sensor's clock may start anywhere, and may jump: then what it knew lies out of any window, and every pixel is new.
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import i64, prefetch, u8, u16, u32
from ..slots import COUNT, FRESH, SLOT_WORDS

SLOT, KEPT, CAPACITY, X, Y, WIDTH, HEIGHT, REMOVED, OWN = range(1, 10)  # words of a row
TOKEN = 20  # a rate limit counts in 2^-20 of an event
AHEAD = np.uint64(64)  # events, of the memory that is asked for
BLOCK = np.uint64(128)  # events whose place is looked at together
U32_0, U32_1 = np.uint32(0), np.uint32(1)
# of uint64, since an index with a sign is looked at once more, for the end of an array
U64_0, U64_1 = np.uint64(0), np.uint64(1)


@register_jitable(forceinline=True)
def columns(o):
    """The list, x and y."""
    return u32(o[KEPT], o[CAPACITY] + 1), u16(o[X], o[CAPACITY]), u16(o[Y], o[CAPACITY])


@register_jitable(forceinline=True)
def end(o, kept, n):
    """``n`` is where the next would stand in the list."""
    left = np.int64(n) - 1
    i64(o[REMOVED], 1)[0] += np.int64(kept[0]) - left
    kept[0] = np.uint32(left)


@register_jitable(forceinline=True)
def microseconds(t):
    """A time [ns] as the state has it."""
    return max(np.uint32(np.uint64(t) // np.uint64(1000)), U32_1)


@register_jitable(forceinline=True)
def near(then, now, before, span):
    """1 where there was an event at ``then`` that lies in the window around ``now``."""
    return np.uint32((then != U32_0) & (np.uint32(now - then + before) <= span))


def region(row):
    """Keep what lies in a rectangle. The first filter also tells what lies out of the frame."""
    o = i64(row, OWN + 6)
    kept, x, y = columns(o)
    left, top, wide, high = np.uint32(o[OWN + 1]), np.uint32(o[OWN + 2]), np.uint32(o[OWN + 3]), np.uint32(o[OWN + 4])
    n = U64_1
    if o[OWN] != 0:
        slot, counters = i64(o[SLOT], SLOT_WORDS), i64(o[OWN + 5], 2)
        width, height = np.uint32(o[WIDTH]), np.uint32(o[HEIGHT])
        count = np.uint64(max(min(slot[COUNT], o[CAPACITY]), 0)) if slot[FRESH] > 0 else U64_0
        begin, inside = U64_0, U64_0
        while begin < count:
            end_of_block = min(begin + BLOCK, count)
            beyond = U32_0
            for k in range(begin, end_of_block):  # vector code
                beyond |= np.uint32((np.uint32(x[k]) - left >= wide) | (np.uint32(y[k]) - top >= high))
            if beyond == U32_0:  # a whole block, as most are where the region is the frame
                for k in range(begin, end_of_block):
                    kept[n + (k - begin)] = np.uint32(k)
                n += end_of_block - begin
                inside += end_of_block - begin
            else:
                for k in range(begin, end_of_block):
                    inside += np.uint64((np.uint32(x[k]) < width) & (np.uint32(y[k]) < height))
                for k in range(begin, end_of_block):
                    kept[n] = np.uint32(k)
                    n += np.uint64((np.uint32(x[k]) - left < wide) & (np.uint32(y[k]) - top < high))
            begin = end_of_block
        counters[0] += np.int64(inside)
        counters[1] += np.int64(count - inside)
        kept[0] = np.uint32(inside)
    else:
        for j in range(U64_1, np.uint64(kept[0]) + U64_1):
            k = kept[j]
            kept[n] = k
            n += np.uint64((np.uint32(x[k]) - left < wide) & (np.uint32(y[k]) - top < high))
    end(o, kept, n)


def hot_pixels(row):
    """Remove the events of masked pixels."""
    o = i64(row, OWN + 1)
    kept, x, y = columns(o)
    width, mask, n = np.uint64(o[WIDTH]), u8(o[OWN], (o[WIDTH] * o[HEIGHT] + 7) >> 3), U64_1
    for j in range(U64_1, np.uint64(kept[0]) + U64_1):
        k = kept[j]
        pixel = np.uint64(y[k]) * width + np.uint64(x[k])
        kept[n] = k
        n += U64_1 - ((np.uint64(mask[pixel >> np.uint64(3)]) >> (pixel & np.uint64(7))) & U64_1)
    end(o, kept, n)


@register_jitable(forceinline=True)
def number(o, x, y, p, k):
    """Where `refractory` keeps the last time of event ``k``."""
    pixel = np.uint32(y[k]) * np.uint32(o[WIDTH]) + np.uint32(x[k])
    return np.uint32(pixel * np.uint32(2) + np.uint32(p[k] != 0) if o[OWN + 4] != 0 else pixel)


@register_jitable(forceinline=True)
def keep_if_free(last, pixel, now, before, span):
    """Whether a pixel may fire now, and then that it did; a select, since nobody can predict a branch here."""
    then = last[pixel]
    free = (then == U32_0) | (np.uint32(now - then + before) >= span)
    last[pixel] = now if free else then
    return np.uint64(free)


@register_jitable(forceinline=True)
def free_ones(kept, t, last, at, before, span, most):
    """What `refractory` does to the first ``most`` events of a list of pixel numbers; returns where it stopped, and n.

    Many events in a row have one time. It stops at one that is so near to 0 that a pixel without an event, which has a
    last time of 0, might seem to have had one: elsewhere nobody needs to ask.
    """
    j, n, time, now = U64_1, U64_1, t[0] - 1, U32_0
    while j <= most:
        if t[j - U64_1] != time:
            time = t[j - U64_1]
            now = microseconds(time)
            if np.uint32(now + before) < span:
                break
        prefetch(at + np.int64(np.uint64(kept[j + AHEAD]) << np.uint64(2)))
        pixel = np.uint64(kept[j])
        then = last[pixel]
        free = np.uint32(now - then + before) >= span
        last[pixel] = now if free else then
        kept[n] = np.uint32(j - U64_1)
        n += np.uint64(free)
        j += U64_1
    return j, n


def refractory(row):
    """Remove what comes less than the period from the last event that was left of a pixel: no later, and no earlier.

    Where nothing was removed so far, an event stands at its own place in the list, which then holds the numbers of
    the pixels meanwhile: vector code finds these.
    """
    o = i64(row, OWN + 5)
    kept, x, y = columns(o)
    size = (o[WIDTH] * o[HEIGHT]) << (o[OWN + 4] != 0)
    t, p, at, last = i64(o[OWN], o[CAPACITY]), u8(o[OWN + 1], o[CAPACITY]), o[OWN + 2], u32(o[OWN + 2], size)
    before, span = np.uint32(o[OWN + 3] - 1), np.uint32(2 * o[OWN + 3] - 1)
    count, n = np.uint64(kept[0]), U64_1
    near_end = count - min(count, AHEAD)
    if count > U64_0 and np.uint64(kept[count]) + U64_1 == count:
        for j in range(U64_1, count + U64_1):
            kept[j] = number(o, x, y, p, j - U64_1)
        begin, n = free_ones(kept, t, last, at, before, span, near_end)
        for j in range(begin, count + U64_1):
            free = keep_if_free(last, np.uint64(kept[j]), microseconds(t[j - U64_1]), before, span)
            kept[n] = np.uint32(j - U64_1)
            n += free
        for j in range(n, count + U64_1):  # no number is left behind the list
            kept[j] = np.uint32(j - U64_1)
    else:
        for j in range(U64_1, count + U64_1):
            k = kept[j]
            prefetch(at + np.int64(np.uint64(number(o, x, y, p, kept[min(j + AHEAD, count)])) << np.uint64(2)))
            free = keep_if_free(last, np.uint64(number(o, x, y, p, k)), microseconds(t[k]), before, span)
            kept[n] = k
            n += free
    end(o, kept, n)


def background(row):
    """Keep an event if enough of its 8 neighbours had one within the window; their array has a border of one."""
    o = i64(row, OWN + 4)
    kept, x, y = columns(o)
    line, support = np.uint64(o[WIDTH] + 2), np.uint32(o[OWN + 3])
    t, last = i64(o[OWN], o[CAPACITY]), u32(o[OWN + 1], (o[WIDTH] + 2) * (o[HEIGHT] + 2))
    before, span = np.uint32(o[OWN + 2]), np.uint32(2 * o[OWN + 2])
    count, n = np.uint64(kept[0]), U64_1
    for j in range(U64_1, count + U64_1):
        soon = kept[min(j + AHEAD, count)]
        there = o[OWN + 1] + np.int64((np.uint64(y[soon]) * line + np.uint64(x[soon])) << np.uint64(2))
        for row_of_three in range(3):
            prefetch(there + 4 * row_of_three * np.int64(line))
        k = kept[j]
        corner, now = np.uint64(y[k]) * line + np.uint64(x[k]), microseconds(t[k])
        active = U32_0
        for above in (corner, corner + line + line):
            for column in range(3):
                active += near(last[above + np.uint64(column)], now, before, span)
        own = corner + line + U64_1
        active += near(last[own - U64_1], now, before, span) + near(last[own + U64_1], now, before, span)
        last[own] = now
        kept[n] = k
        n += np.uint64(active >= support)
    end(o, kept, n)


def one_polarity(row):
    """Keep ON events, or OFF events."""
    o = i64(row, OWN + 2)
    kept, p, keep, n = u32(o[KEPT], o[CAPACITY] + 1), u8(o[OWN], o[CAPACITY]), o[OWN + 1] != 0, U64_1
    for j in range(U64_1, np.uint64(kept[0]) + U64_1):
        k = kept[j]
        kept[n] = k
        n += np.uint64((p[k] != 0) == keep)
    end(o, kept, n)


def rate_limit(row):
    """Keep as many as the budget has, evenly: each event adds what may pass, and one passes where that is enough."""
    o = i64(row, OWN + 3)
    kept, tokens, n = u32(o[KEPT], o[CAPACITY] + 1), i64(o[OWN], 1), U64_1
    budget, count = min(tokens[0] + o[OWN + 1], o[OWN + 2]), np.int64(kept[0])
    allowed = min(budget >> TOKEN, count)
    tokens[0] = budget - (allowed << TOKEN)
    if allowed == count:
        return
    owed = count >> 1
    for j in range(U64_1, np.uint64(count) + U64_1):
        kept[n] = kept[j]
        owed += allowed
        passes = owed >= count
        owed -= count if passes else 0
        n += np.uint64(passes)
    end(o, kept, n)
