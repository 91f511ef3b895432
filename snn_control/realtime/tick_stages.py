"""The stages of a tick that several modes of the loop share: inputs, ages, the program, outputs, counters.

All stages read and write the loop's table, whose address is the argument ``table``. They are compiled into `cycle.run`.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine.atomics import load_acquire, store_release
from ..engine.memory import call3, call_kernel
from ..engine.slots import AGE, ARRIVAL, FRESH, STAMP, clear_marks, count_age
from . import table as words
from .clock import now_boottime, now_monotonic, now_realtime
from .histogram import record
from .port import FINAL, REALTIME
from .table import add, get, input_row, put, row_of, slot_of

__all__ = [
    "call_all", "check_stamps", "clock", "count_sleep", "finished", "newest_stamp", "publish_final", "stopping", "take",
    "take_all", "tick", "ticked", "update_ages_by_clock", "update_ages_by_count",
]  # fmt: skip

#: shorter suspensions of the machine are ignored
SLEPT_NS = 1_000_000


@register_jitable
def clock(table):
    return now_monotonic(table + 8 * words.TIMESPEC)


@register_jitable
def stopping(table):
    halt = get(table, words.HALT)
    return load_acquire(table + 8 * words.STOP) != 0 or (halt != 0 and load_acquire(halt) != 0)


@register_jitable
def finished(table):
    limit = get(table, words.TICK_LIMIT)
    return stopping(table) or (limit > 0 and get(table, words.TICKS) >= limit)


@register_jitable
def take(table, row, now):
    """Take the waiting messages of one input from its port. Return the number of messages; 0 after an error.

    row : address of the input's row in the table of inputs
    now : time of the tick [ns]
    """
    taken = call3(get(row, words.IN_FUNCTION), get(row, words.IN_CONTEXT), now, get(table, words.MODE))
    if taken < 0:
        add(row, words.IN_ERRORS, 1)
        put(table, words.LAST_TAKE_ERROR, taken)
    if taken <= 0:  # the marks of the last tick must not remain after an error
        clear_marks(slot_of(row))
        taken = 0
    add(row, words.IN_TAKEN, taken)
    return taken


@register_jitable
def take_all(table, now):
    """Take the waiting messages of all inputs.

    An input whose message for this tick was already taken, in lockstep or as the trigger, is left out.
    """
    for k in range(get(table, words.N_INPUTS)):
        row = input_row(table, k)
        if get(row, words.IN_GOT) == 0:
            take(table, row, now)
        put(row, words.IN_GOT, 0)


@register_jitable
def count_sleep(table):
    """After a suspension of the computer, move all arrival times back by its duration, so that the inputs' ages grow.

    Ages are measured with CLOCK_MONOTONIC, which stands still during a suspension.
    """
    asleep = now_boottime(table + 8 * words.TIMESPEC) - clock(table)
    longer = asleep - get(table, words.ASLEEP)
    if longer > SLEPT_NS:
        for k in range(get(table, words.N_INPUTS)):
            slot = slot_of(input_row(table, k))
            if slot[ARRIVAL] >= 0:
                slot[ARRIVAL] = max(slot[ARRIVAL] - longer, 0)
    if abs(longer) > SLEPT_NS:
        put(table, words.ASLEEP, asleep)


@register_jitable
def update_ages_by_clock(table, now):
    for k in range(get(table, words.N_INPUTS)):
        row = input_row(table, k)
        if get(row, words.IN_OWN_AGE) == 0:
            slot = slot_of(row)
            slot[AGE] = max(now - slot[ARRIVAL], 0) if slot[ARRIVAL] >= 0 else -1


@register_jitable
def update_ages_by_count(table, newest):
    """Set the ages of the inputs in the modes without a clock, by counting ticks and comparing stamps.

    newest : newest stamp of the tick's messages [ns]; -1: stamps are ignored
    """
    for k in range(get(table, words.N_INPUTS)):
        row = input_row(table, k)
        if get(row, words.IN_OWN_AGE) == 0:
            slot = slot_of(row)
            count_age(slot, get(table, words.PERIOD), newest - slot[STAMP] if newest >= 0 and slot[STAMP] >= 0 else 0)


@register_jitable
def newest_stamp(table):
    """Return the newest stamp of the samples that arrived in this tick [ns]; -1 if none has a stamp."""
    newest = -1
    for k in range(get(table, words.N_INPUTS)):
        slot = slot_of(input_row(table, k))
        if slot[FRESH] > 0:
            newest = max(newest, slot[STAMP])
    return newest


@register_jitable
def check_stamps(table, newest):
    """Check the stamps of a tick's messages. Count differing stamps, and stamps older than the last tick's.

    newest : newest stamp of this tick's messages [ns]
    """
    for k in range(get(table, words.N_INPUTS)):
        slot = slot_of(input_row(table, k))
        if slot[FRESH] > 0 and 0 <= slot[STAMP] < newest:
            add(table, words.STAMP_MISMATCH, 1)
            break
    if 0 <= newest < get(table, words.TICK_STAMP):
        add(table, words.STAMP_BACKWARDS, 1)


@register_jitable
def call_all(table, rows, stamp, now):
    """Call the port functions of all outputs, or of all observers. Count the errors that they return.

    rows : `words.OUTPUTS` or `words.OBSERVERS`
    stamp, now : arguments of the port functions [ns], see `snn_control.realtime.port`
    """
    for k in range(get(table, rows + 1)):
        row = row_of(table, rows, words.OUT_WORDS, k)
        code = call3(get(row, words.OUT_FUNCTION), get(row, words.OUT_CONTEXT), stamp, now)
        if code != 0:
            add(table, words.PUBLISH_ERRORS, 1)
            put(table, words.LAST_PUBLISH_ERROR, code)
        else:
            add(table, words.PUBLISHED, 1)


@register_jitable
def tick(table):
    """Run one tick and record its duration. Return the time at its end [ns, CLOCK_MONOTONIC]."""
    begin = clock(table)
    call_kernel(get(table, words.TICK), get(table, words.TICK_TABLE))
    end = clock(table)
    record(get(table, words.TICK_HISTOGRAM), end - begin)
    return end


@register_jitable
def ticked(table):
    now = clock(table)
    put(table, words.LAST_TICK, now)
    store_release(table + 8 * words.TICKS, get(table, words.TICKS) + 1)
    store_release(table + 8 * words.HEARTBEAT, now)


@register_jitable
def publish_final(table):
    """Publish the final safe command: set all commands to their safe values and publish them once."""
    for k in range(get(table, words.N_SAFES)):
        row = row_of(table, words.SAFES, words.SAFE_WORDS, k)
        for i in range(get(row, words.SAFE_LENGTH)):
            put(get(row, words.SAFE_COMMAND), i, get(get(row, words.SAFE_VALUE), i))
    stamp = max(get(table, words.TICK_STAMP), 0)
    if get(table, words.MODE) == REALTIME:
        stamp = now_realtime(table + 8 * words.TIMESPEC)
    put(table, words.PUBLISHING, 1)
    call_all(table, words.OUTPUTS, stamp, np.int64(FINAL))
    put(table, words.PUBLISHING, 0)
