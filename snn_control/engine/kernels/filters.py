"""Filters of events: they select the events of a tick that the encoder receives.

The operand ``kept``, (1 + capacity,) uint32 in the io block, is the list of the remaining events: their number, then
their indices in the columns, ascending. The first filter, `region`, creates the list, and the other filters shorten the
list in place. Each filter counts the events that it removes. The columns are not changed.

The state contains times as whole microseconds modulo 2^32 (71.6 min); 0 means that a pixel had no event yet. The
filters use only differences of times, so the sensor's clock may start at any time. After a jump of the clock, every
pixel counts as one without an event.
"""

import numpy as np
from numba.extending import register_jitable

from ...errors import ProgramError
from ..memory import prefetch, u32
from ..operand_arrays import BEGUN
from ..rows import Number, address, count, flag, kernel, number, read, written
from ..slots import COUNT, FRESH
from .events import Events

TOKEN = 20  # a rate limit counts in units of 2^-20 of an event
AHEAD = np.uint64(64)  # prefetch distance in events
BLOCK = np.uint64(128)  # number of events that are compared with the region at a time
MICROSECONDS, BUDGET = Number(1, (1 << 31) - 1), Number(1, (1 << 61) - 1)
U32_0, U32_1 = np.uint32(0), np.uint32(1)
# indices are uint64: for a signed index compiled code would check at each use whether it counts from the end
U64_0, U64_1 = np.uint64(0), np.uint64(1)


@register_jitable(forceinline=True)
def end(events, n):
    """Store the new length of the list of remaining events, and count the events that this filter removed.

    n : index in ``kept`` after the last remaining event
    """
    left = np.int64(n) - 1
    events.removed[0] += np.int64(events.kept[0]) - left
    events.kept[0] = np.uint32(left)


@register_jitable(forceinline=True)
def microseconds(t):
    """Convert a time [ns] to the unit of times in the state: whole microseconds modulo 2^32, at least 1."""
    return max(np.uint32(np.uint64(t) // np.uint64(1000)), U32_1)


@register_jitable(forceinline=True)
def near(then, now, before, span):
    """Return 1 if a pixel had its last event in a window around ``now``, otherwise 0.

    then : time of the pixel's last event; 0 if it had none
    before, span : the window reaches from ``now - before`` to ``now - before + span``

    All times are in us modulo 2^32.
    """
    return np.uint32((then != U32_0) & (np.uint32(now - then + before) <= span))


def _in_frame(w):
    w.kept.made = BEGUN if w.first else w.kept.made
    if min(w.left, w.top) < 0 or w.left + w.columns > w.width or w.top + w.rows > w.height:
        sensor = f"the sensor has {w.width} x {w.height}"
        raise ProgramError(f"a region of {w.columns} x {w.rows} at ({w.left}, {w.top}): {sensor}")


@kernel(must=_in_frame)
def region(
    events: Events(), first: flag, left: number, top: number, columns: count, rows: count, counters: written("i64", 2)
):
    """Keep the events inside a rectangle of pixels.

    first : 1 for the first filter of an input: it reads all events of the tick, and counts the events inside and
        outside the frame. 0 for a later filter: it reads the list of remaining events
    counters : numbers of events inside and outside the frame
    """
    kept, x, y = events.kept, events.x, events.y
    left, top, wide, high = np.uint32(left), np.uint32(top), np.uint32(columns), np.uint32(rows)
    n = U64_1
    if first != 0:
        width, height, slot = np.uint32(events.width), np.uint32(events.height), events.slot
        given = np.uint64(max(min(slot[COUNT], events.capacity), 0)) if slot[FRESH] > 0 else U64_0
        begin, inside = U64_0, U64_0
        while begin < given:
            end_of_block = min(begin + BLOCK, given)
            beyond = U32_0
            for k in range(begin, end_of_block):  # vector code
                beyond |= np.uint32((np.uint32(x[k]) - left >= wide) | (np.uint32(y[k]) - top >= high))
            if beyond == U32_0:  # a whole block, the usual case if the region is the frame
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
        counters[1] += np.int64(given - inside)
        kept[0] = np.uint32(inside)
    else:
        for j in range(U64_1, np.uint64(kept[0]) + U64_1):
            k = kept[j]
            kept[n] = k
            n += np.uint64((np.uint32(x[k]) - left < wide) & (np.uint32(y[k]) - top < high))
    end(events, n)


@kernel()
def hot_pixels(events: Events(), mask: read("u8", "(width * height + 7) >> 3")):
    """Remove the events of masked pixels.

    mask : one bit for each pixel, 1 for a masked pixel. A byte contains 8 pixels; the first is its lowest bit
    """
    kept, x, y, width, n = events.kept, events.x, events.y, np.uint64(events.width), U64_1
    for j in range(U64_1, np.uint64(kept[0]) + U64_1):
        k = kept[j]
        pixel = np.uint64(y[k]) * width + np.uint64(x[k])
        kept[n] = k
        n += U64_1 - ((np.uint64(mask[pixel >> np.uint64(3)]) >> (pixel & np.uint64(7))) & U64_1)
    end(events, n)


@register_jitable(forceinline=True)
def cell_of(events, p, apart, k):
    """Return the index at which `refractory` stores the last time of an event's pixel, or of pixel and polarity.

    p : polarities of the events
    apart : true if ON events and OFF events of a pixel have separate last times
    k : index of the event
    """
    pixel = np.uint32(events.y[k]) * np.uint32(events.width) + np.uint32(events.x[k])
    return np.uint32(pixel * np.uint32(2) + np.uint32(p[k] != 0) if apart != 0 else pixel)


@register_jitable(forceinline=True)
def keep_if_free(last, pixel, now, before, span):
    """Return 1 and store the event's time if its pixel is not refractory, otherwise 0. The code avoids branches.

    last : time of the last event of each pixel [us]
    now : time of the event [us]
    before, span : as in `free_ones`
    """
    then = last[pixel]
    free = (then == U32_0) | (np.uint32(now - then + before) >= span)
    last[pixel] = now if free else then
    return np.uint64(free)


@register_jitable(forceinline=True)
def free_ones(kept, t, last, at, before, span, most):
    """Select the events whose pixel had its last event at least a period ago: the fast part of `refractory`.

    kept : on entry, the pixel index of each event; on return, the indices of the selected events; both start at index 1
    t : times of the events [ns]
    last : time of the last event of each pixel [us]
    at : address of ``last``, for prefetching
    before, span : period - 1 and 2 period - 1 [us]: a pixel is not refractory if ``now - last + before >= span``
        (modulo 2^32)
    most : index in ``kept`` of the last event to process

    Return two indices in ``kept``: that of the first event that was not processed, and the one after the last selected
    event. Processing stops at an event whose time is within a period of 0, modulo 2^32. A pixel without any event
    (last = 0) would then seem to be refractory.
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


@kernel()
def refractory(
    events: Events(), t: read("i64", "capacity"), p: read("u8", "capacity"),
    last: address("u32", "width * height * (apart + 1)", written=True), period: MICROSECONDS, apart: flag,
):  # fmt: skip
    """Remove an event if its time is within a refractory period of the last event of its pixel that was not removed.

    If ``apart`` is true, OFF events and ON events of a pixel have separate refractory periods.

    Fast case: if earlier filters removed no event, the list of kept events contains the indices of all events in order,
    and can be rebuilt. The kernel then first writes the pixel index of each event into this memory, because the
    compiler can vectorise this part.
    """
    kept, at, times = events.kept, last, u32(last, (events.width * events.height) << (apart != 0))
    before, span = np.uint32(period - 1), np.uint32(2 * period - 1)
    given, n = np.uint64(kept[0]), U64_1
    near_end = given - min(given, AHEAD)
    if given > U64_0 and np.uint64(kept[given]) + U64_1 == given:
        for j in range(U64_1, given + U64_1):
            kept[j] = cell_of(events, p, apart, j - U64_1)
        begin, n = free_ones(kept, t, times, at, before, span, near_end)
        for j in range(begin, given + U64_1):
            free = keep_if_free(times, np.uint64(kept[j]), microseconds(t[j - U64_1]), before, span)
            kept[n] = np.uint32(j - U64_1)
            n += free
        for j in range(n, given + U64_1):  # no number is left after the list
            kept[j] = np.uint32(j - U64_1)
    else:
        for j in range(U64_1, given + U64_1):
            k, soon = kept[j], kept[min(j + AHEAD, given)]
            prefetch(at + np.int64(np.uint64(cell_of(events, p, apart, soon)) << np.uint64(2)))
            free = keep_if_free(times, np.uint64(cell_of(events, p, apart, k)), microseconds(t[k]), before, span)
            kept[n] = k
            n += free
    end(events, n)


@kernel()
def background(
    events: Events(), t: read("i64", "capacity"), last: address("u32", "(width + 2) * (height + 2)", written=True),
    window: MICROSECONDS, support: count,
):  # fmt: skip
    """Remove background activity: events for which too few of the 8 neighbouring pixels had an event close in time.

    last : time of the last event of each pixel [us], with a border of one pixel
    window : largest time between the event and the last event of a neighbouring pixel [us]
    support : number of neighbouring pixels that must have had an event in the window
    """
    kept, x, y, at = events.kept, events.x, events.y, last
    line, needed = np.uint64(events.width + 2), np.uint32(support)
    times = u32(last, (events.width + 2) * (events.height + 2))
    before, span = np.uint32(window), np.uint32(2 * window)
    given, n = np.uint64(kept[0]), U64_1
    for j in range(U64_1, given + U64_1):
        soon = kept[min(j + AHEAD, given)]
        there = at + np.int64((np.uint64(y[soon]) * line + np.uint64(x[soon])) << np.uint64(2))
        for row_of_three in range(3):
            prefetch(there + 4 * row_of_three * np.int64(line))
        k = kept[j]
        corner, now = np.uint64(y[k]) * line + np.uint64(x[k]), microseconds(t[k])
        active = U32_0
        for above in (corner, corner + line + line):
            for column in range(3):
                active += near(times[above + np.uint64(column)], now, before, span)
        own = corner + line + U64_1
        active += near(times[own - U64_1], now, before, span) + near(times[own + U64_1], now, before, span)
        times[own] = now
        kept[n] = k
        n += np.uint64(active >= needed)
    end(events, n)


@kernel()
def one_polarity(events: Events(), p: read("u8", "capacity"), keep: flag):
    """Remove the events of one polarity: OFF events if ``keep`` is 1, ON events if ``keep`` is 0."""
    kept, n = events.kept, U64_1
    for j in range(U64_1, np.uint64(kept[0]) + U64_1):
        k = kept[j]
        kept[n] = k
        n += np.uint64((p[k] != 0) == (keep != 0))
    end(events, n)


def _saved_up(w):
    if not 0 <= int(w.tokens.data[:8].view(np.int64)[0]) <= w.most:
        raise ProgramError("tokens: must be from 0 to the most")


@kernel(must=_saved_up)
def rate_limit(events: Events(), tokens: written("i64", 1), refill: BUDGET, most: BUDGET):
    """Limit the rate of events by a token bucket. The remaining events are evenly spaced over the events of the tick.

    An event costs 2^20 tokens, so that a tick can also add the tokens for a fraction of an event.

    tokens : tokens that earlier ticks have left
    refill : tokens that each tick adds
    most : largest number of tokens
    """
    kept, n = events.kept, U64_1
    budget, given = min(tokens[0] + refill, most), np.int64(kept[0])
    allowed = min(budget >> TOKEN, given)
    tokens[0] = budget - (allowed << TOKEN)
    if allowed == given:
        return
    owed = given >> 1
    for j in range(U64_1, np.uint64(given) + U64_1):
        kept[n] = kept[j]
        owed += allowed
        passes = owed >= given
        owed -= given if passes else 0
        n += np.uint64(passes)
    end(events, n)
