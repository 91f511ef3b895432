"""The compiled part of the control loop: the layout of its table, one tick, and the three ways to wait for it.

``run`` is one nogil function over one int64 table. Python writes the configuration words before the start;
afterwards only STOP crosses from it. What the loop counts stands in the same table and is read at any time.
The rules of the modes are in ``loop``.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine.kernels.outputs import DRIVER, ELAPSED, FAULTED, LATE, STOPPED
from ..engine.memory import call3, call_kernel, load_f64, load_i64, store_i64
from .atomics import load_acquire, store_release
from .clock import now_boottime, now_monotonic, now_realtime, semaphore_drain, semaphore_wait, sleep_until
from .histogram import record
from .slots import SLOT_AGE, SLOT_ARRIVAL, SLOT_FRESH, SLOT_STAMP, nothing_came

__all__ = ["MODES", "PARTED", "WITHHELD", "run"]

#: what an output's ``publish`` gets for the time when the command is the parting one, which no slew holds back
PARTED = -1
#: and when the command must not go out, as the data behind it grew too old while it was computed; for recorders alone
WITHHELD = -2

MODES = {"realtime": 0, "lockstep": 1, "free": 2}
REALTIME, LOCKSTEP, FREE = 0, 1, 2

#: longest sleep: how long a stop may take to be seen
CHUNK_NS = 20_000_000
#: longest way of ramping outputs to their safe values at the end
RAMP_NS = 1_000_000_000
#: how long before a deadline the sleep ends: the usual delay of a wake-up passes before it instead of after it,
#: for at most this much computing time a period (a tenth of it, where periods are short)
EARLY_NS = 30_000
#: a sleep of the machine that is shorter is no sleep
SLEPT_NS = 1_000_000
#: a stamp further than this from CLOCK_REALTIME is of another clock, or its sender's clock is not set
UNRELATED_NS = 60_000_000_000

# The table, int64 words. What Python writes before the start:
(
    MODE, PERIOD, PHASE, TIMEOUT, LIMIT, PARTING, WARM, TICK, TICK_TABLE, SEMAPHORE,
    INPUTS, N_INPUTS, OUTPUTS, N_OUTPUTS, SAFES, N_SAFES, WAKE_HISTOGRAM, TICK_HISTOGRAM, LATENCY_HISTOGRAM,
    GUARD, RAMPS, BUDGET, HALT,
) = range(23)  # fmt: skip
# what crosses threads while the loop runs, and what the loop counts:
(
    STOP, RUNNING, TICKS, HEARTBEAT, LAST_TICK, TIMESPEC, TIMESPEC_2, STAMP, STARVED,
    MISSED, OVERRUNS, PUBLISHED, PUBLISH_ERRORS, LAST_PUBLISH_ERROR, LAST_TAKE_ERROR,
    TIMEOUTS, STAMP_MISMATCH, STAMP_BACKWARDS, STAMPS_UNRELATED, LATE_PUBLICATIONS, LONGEST_PUBLICATION, LAST_CELL,
    ASLEEP, WITHHELD_TICKS, TABLE_WORDS,
) = range(24, 49)  # fmt: skip

# a row of the inputs, of the outputs, of the safe values
(
    IN_FUNCTION, IN_CONTEXT, IN_SLOT, IN_OWN_AGE, IN_LIMIT, IN_GOT, IN_AGE, IN_STAMP, IN_TAKEN, IN_ERRORS, IN_TIMEOUTS,
    IN_WORDS,
) = range(12)  # fmt: skip
OUT_FUNCTION, OUT_CONTEXT, OUT_WORDS = range(3)
SAFE_COMMAND, SAFE_VALUE, SAFE_LENGTH, SAFE_WORDS = range(4)


@register_jitable
def _get(address, word):
    return load_i64(address + 8 * word)


@register_jitable
def _set(address, word, value):
    store_i64(address + 8 * word, value)


@register_jitable
def _add(address, word, value):
    store_i64(address + 8 * word, load_i64(address + 8 * word) + value)


@register_jitable
def _clock(table):
    return now_monotonic(table + 8 * TIMESPEC)


@register_jitable
def _stopping(table):
    halt = _get(table, HALT)
    return load_acquire(table + 8 * STOP) != 0 or (halt != 0 and load_acquire(halt) != 0)


@register_jitable
def _finished(table):
    limit = _get(table, LIMIT)
    return _stopping(table) or (limit > 0 and _get(table, TICKS) >= limit)


@register_jitable
def _row(table, rows, words, k):
    return _get(table, rows) + 8 * words * k


# ---------------------------------------------------------------- one tick, the same in every mode


@register_jitable
def _take(table, row, now, limit):
    """Ask one input; messages taken, 0 after an error. IN_STAMP: the stamp it brought, -1 none."""
    slot = _get(row, IN_SLOT)
    before = _get(slot, SLOT_STAMP)
    taken = call3(_get(row, IN_FUNCTION), _get(row, IN_CONTEXT), now, limit)
    if taken < 0:
        _add(row, IN_ERRORS, 1)
        _set(table, LAST_TAKE_ERROR, taken)
    if taken <= 0:  # a port that failed half way must not leave the last tick's marks
        nothing_came(slot)
        taken = 0
    _add(row, IN_TAKEN, taken)
    stamp = _get(slot, SLOT_STAMP)
    brought = stamp >= 0 and (_get(slot, SLOT_FRESH) > 0 or stamp != before)
    _set(row, IN_STAMP, stamp if brought else -1)
    return taken


@register_jitable
def _take_all(table, now, limit):
    for k in range(_get(table, N_INPUTS)):
        _take(table, _row(table, INPUTS, IN_WORDS, k), now, limit)


@register_jitable
def _count_sleep(table):
    """After the machine slept, what had arrived before is older by that: CLOCK_MONOTONIC does not know."""
    asleep = now_boottime(table + 8 * TIMESPEC) - _clock(table)
    longer = asleep - _get(table, ASLEEP)
    if longer > SLEPT_NS:
        for k in range(_get(table, N_INPUTS)):
            slot = _get(_row(table, INPUTS, IN_WORDS, k), IN_SLOT)
            if _get(slot, SLOT_ARRIVAL) >= 0:
                _set(slot, SLOT_ARRIVAL, max(_get(slot, SLOT_ARRIVAL) - longer, 0))
    if abs(longer) > SLEPT_NS:
        _set(table, ASLEEP, asleep)


@register_jitable
def _ages_by_clock(table, now):
    for k in range(_get(table, N_INPUTS)):
        row = _row(table, INPUTS, IN_WORDS, k)
        slot = _get(row, IN_SLOT)
        arrival = _get(slot, SLOT_ARRIVAL)
        if _get(row, IN_OWN_AGE) == 0:
            _set(slot, SLOT_AGE, max(now - arrival, 0) if arrival >= 0 else -1)


@register_jitable
def _ages_by_count(table, newest):
    """Ages without a clock; ``newest`` is the tick's stamp, -1: stamps do not matter."""
    for k in range(_get(table, N_INPUTS)):
        row = _row(table, INPUTS, IN_WORDS, k)
        slot = _get(row, IN_SLOT)
        age, stamp = _get(row, IN_AGE), _get(row, IN_STAMP)
        if _get(slot, SLOT_FRESH) > 0:
            age = newest - stamp if newest >= 0 and stamp >= 0 else 0
        elif age >= 0:
            age += _get(table, PERIOD)
        _set(row, IN_AGE, age)
        if _get(row, IN_OWN_AGE) == 0:
            _set(slot, SLOT_AGE, age)


@register_jitable
def _newest_stamp(table):
    newest = -1
    for k in range(_get(table, N_INPUTS)):
        newest = max(newest, _get(_row(table, INPUTS, IN_WORDS, k), IN_STAMP))
    return newest


@register_jitable
def _check_stamps(table, newest):
    """Count a tick whose messages carry different stamps, and one older than the tick before."""
    for k in range(_get(table, N_INPUTS)):
        stamp = _get(_row(table, INPUTS, IN_WORDS, k), IN_STAMP)
        if 0 <= stamp < newest:
            _add(table, STAMP_MISMATCH, 1)
            break
    if 0 <= newest < _get(table, STAMP):
        _add(table, STAMP_BACKWARDS, 1)


@register_jitable
def _publish_all(table, stamp, now):
    for k in range(_get(table, N_OUTPUTS)):
        row = _row(table, OUTPUTS, OUT_WORDS, k)
        code = call3(_get(row, OUT_FUNCTION), _get(row, OUT_CONTEXT), stamp, now)
        if code != 0:
            _add(table, PUBLISH_ERRORS, 1)
            _set(table, LAST_PUBLISH_ERROR, code)
        else:
            _add(table, PUBLISHED, 1)


@register_jitable
def _measure_latency(table):
    """From the newest stamp of this tick's fresh inputs to now, after publishing."""
    newest = -1
    for k in range(_get(table, N_INPUTS)):
        row = _row(table, INPUTS, IN_WORDS, k)
        if _get(_get(row, IN_SLOT), SLOT_FRESH) > 0:
            newest = max(newest, _get(row, IN_STAMP))
    if newest >= 0:
        latency = now_realtime(table + 8 * TIMESPEC) - newest
        if 0 <= latency < UNRELATED_NS:
            record(_get(table, LATENCY_HISTOGRAM), latency)
        else:
            _add(table, STAMPS_UNRELATED, 1)


@register_jitable
def _tick(table):
    """Compute; CLOCK_MONOTONIC at the end."""
    begin = _clock(table)
    call_kernel(_get(table, TICK), _get(table, TICK_TABLE))
    end = _clock(table)
    record(_get(table, TICK_HISTOGRAM), end - begin)
    return end


@register_jitable
def _beat(table, now):
    store_release(table + 8 * HEARTBEAT, now)


@register_jitable
def _ticked(table):
    now = _clock(table)
    _set(table, LAST_TICK, now)
    store_release(table + 8 * TICKS, _get(table, TICKS) + 1)
    _beat(table, now)


@register_jitable
def _part(table):
    """The parting command: safe values, published once."""
    for k in range(_get(table, N_SAFES)):
        row = _row(table, SAFES, SAFE_WORDS, k)
        for i in range(_get(row, SAFE_LENGTH)):
            _set(_get(row, SAFE_COMMAND), i, _get(_get(row, SAFE_VALUE), i))
    stamp = now_realtime(table + 8 * TIMESPEC) if _get(table, MODE) == REALTIME else max(_get(table, STAMP), 0)
    _publish_all(table, stamp, np.int64(PARTED))


# ---------------------------------------------------------------- realtime


@register_jitable
def _wait_deadline(table, deadline):
    """Sleep until shortly before ``deadline``, then watch the clock; the time of leaving, -1 when it is to stop."""
    wake = deadline - min(EARLY_NS, _get(table, PERIOD) // 10)
    while not _stopping(table):
        now = _clock(table)
        if now >= deadline:
            return now
        _beat(table, now)
        if now < wake:
            sleep_until(min(wake, now + CHUNK_NS), table + 8 * TIMESPEC)
    return -1


@register_jitable
def _tell_elapsed(table, now):
    """Tell the guard how many periods have passed since the last tick, so that a slew is a second's."""
    cell = (now - _get(table, PHASE)) // _get(table, PERIOD)
    last = _get(table, LAST_CELL)
    if _get(table, GUARD) != 0:
        _set(_get(table, GUARD), ELAPSED, cell - last if last > 0 else 1)
    _set(table, LAST_CELL, cell)


@register_jitable
def _too_late(table, took):
    """Whether the data behind a live command grew older than its limit and a period while the tick was computed.

    The thread may have been held up in between, by one of a higher priority. A ramp to the safe value must not jump,
    so such a command is withheld, and the next tick begins the ramp.
    """
    if took <= _get(table, PERIOD) or (_get(table, GUARD) != 0 and _get(_get(table, GUARD), FAULTED) != 0):
        return False
    for k in range(_get(table, N_INPUTS)):
        row = _row(table, INPUTS, IN_WORDS, k)
        age, limit = _get(_get(row, IN_SLOT), SLOT_AGE), _get(row, IN_LIMIT)
        if limit > 0 and age + took > limit + _get(table, PERIOD):
            return True
    return False


@register_jitable
def _judge_publication(table, took, withheld):
    """One that took longer than its budget, or was withheld, is a fault of the coming tick."""
    late = took > _get(table, BUDGET) > 0 or withheld
    if late:
        _add(table, LATE_PUBLICATIONS, 1)
    if took > _get(table, LONGEST_PUBLICATION):
        _set(table, LONGEST_PUBLICATION, took)
    if _get(table, GUARD) != 0:
        _set(_get(table, GUARD), DRIVER, LATE if late else 0)


@register_jitable
def _realtime_tick(table, now, deadline):
    """From taking to publishing; the next deadline."""
    period = _get(table, PERIOD)
    record(_get(table, WAKE_HISTOGRAM), now - deadline)
    _tell_elapsed(table, now)
    _count_sleep(table)
    _take_all(table, now, 0)
    _ages_by_clock(table, now)
    end = _tick(table)
    withheld = _too_late(table, end - now)
    _add(table, WITHHELD_TICKS, withheld)
    _publish_all(table, now_realtime(table + 8 * TIMESPEC), np.int64(WITHHELD) if withheld else end)
    _measure_latency(table)
    _ticked(table)
    _judge_publication(table, _get(table, LAST_TICK) - end, withheld)
    deadline += period
    late = _get(table, LAST_TICK) - deadline
    if late > 0:
        skipped = (late + period - 1) // period
        deadline += skipped * period
        _add(table, MISSED, skipped)
        _add(table, OVERRUNS, 1)
    return deadline


@register_jitable
def _all_safe(table):
    for k in range(_get(table, N_SAFES)):
        row = _row(table, SAFES, SAFE_WORDS, k)
        command, safe = _get(row, SAFE_COMMAND), _get(row, SAFE_VALUE)
        for i in range(_get(row, SAFE_LENGTH)):
            if load_f64(command + 8 * i) != load_f64(safe + 8 * i):
                return False
    return True


@register_jitable
def _go_safe(table, deadline):
    """Tick on in fault until every command is the safe one, so that ramping outputs keep their slew."""
    last = _clock(table) + RAMP_NS
    while deadline <= last and not _all_safe(table):
        now = _clock(table)
        while now < deadline:
            _beat(table, now)
            sleep_until(min(deadline, now + CHUNK_NS), table + 8 * TIMESPEC)
            now = _clock(table)
        _set(_get(table, GUARD), DRIVER, STOPPED)
        deadline = _realtime_tick(table, now, deadline)


@register_jitable
def _run_realtime(table):
    period, phase = _get(table, PERIOD), _get(table, PHASE)
    deadline = ((_clock(table) - phase) // period + 1) * period + phase
    while not _finished(table):
        now = _wait_deadline(table, deadline)
        if now < 0:
            break
        deadline = _realtime_tick(table, now, deadline)
    if _get(table, PARTING) != 0 and _get(table, RAMPS) != 0 and _get(table, TICKS) > 0:
        _go_safe(table, deadline)


# ---------------------------------------------------------------- lockstep


@register_jitable
def _gather(table):
    """Wait until every input has returned one message; False when the loop is to stop."""
    scratch = table + 8 * TIMESPEC
    since = _clock(table)
    while not _stopping(table):
        # drain first: what is posted from here on ends the wait below
        semaphore_drain(_get(table, SEMAPHORE))
        now = _clock(table)
        missing = 0
        for k in range(_get(table, N_INPUTS)):
            row = _row(table, INPUTS, IN_WORDS, k)
            if _get(row, IN_GOT) == 0:
                if _take(table, row, now, 1) > 0:
                    _set(row, IN_GOT, 1)
                    since = now
                else:
                    missing += 1
        if missing == 0:
            _set(table, STARVED, 0)
            return True
        _beat(table, now)
        if now - since >= _get(table, TIMEOUT):
            since = now
            _add(table, TIMEOUTS, 1)
            _set(table, STARVED, 1)
            for k in range(_get(table, N_INPUTS)):
                row = _row(table, INPUTS, IN_WORDS, k)
                if _get(row, IN_GOT) == 0:
                    _add(row, IN_TIMEOUTS, 1)
        semaphore_wait(_get(table, SEMAPHORE), now + CHUNK_NS, scratch)
    return False


@register_jitable
def _advance_stamp(table, newest):
    """Stamp of the tick: its messages', else one period after the last tick's."""
    stamp = newest if newest >= 0 else _get(table, STAMP) + _get(table, PERIOD)
    _set(table, STAMP, stamp)
    return stamp


@register_jitable
def _run_lockstep(table):
    while not _finished(table):
        if not _gather(table):
            break
        newest = _newest_stamp(table)
        _check_stamps(table, newest)
        _ages_by_count(table, newest)
        stamp = _advance_stamp(table, newest)
        end = _tick(table)
        for k in range(_get(table, N_INPUTS)):  # before publishing: the answer may already be the next message
            _set(_row(table, INPUTS, IN_WORDS, k), IN_GOT, 0)
        _publish_all(table, stamp, end)
        _ticked(table)


# ---------------------------------------------------------------- free


@register_jitable
def _run_free(table):
    while not _finished(table):
        now = _get(table, TICKS) * _get(table, PERIOD)
        _take_all(table, now, 0)
        _ages_by_count(table, -1)
        stamp = _advance_stamp(table, _newest_stamp(table))
        _tick(table)
        _publish_all(table, stamp, now)
        _ticked(table)


def run(table):
    """Run the loop of ``table`` (address) until it is stopped or its limit of ticks is reached."""
    if _get(table, WARM) != 0:  # the first call: touches what the loop uses, calls no port
        _beat(table, _clock(table))
        sleep_until(0, table + 8 * TIMESPEC)
        return
    store_release(table + 8 * RUNNING, 1)
    if _get(table, MODE) == REALTIME:
        _run_realtime(table)
    elif _get(table, MODE) == LOCKSTEP:
        _run_lockstep(table)
    else:
        _run_free(table)
    if _get(table, PARTING) != 0:
        _part(table)
    store_release(table + 8 * RUNNING, 0)
