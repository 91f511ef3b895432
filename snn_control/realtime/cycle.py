"""The compiled control loop: how it waits for each tick, and what it does before and after the tick.

`run` is one function without the interpreter lock. It works on one int64 table (`snn_control.realtime.table`), the
argument ``table`` of all functions here. Python writes the settings into the table before the start. While the loop
runs, Python may read the counters and writes only STOP. `loop` describes the modes, and `port` the ports.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine.atomics import store_release
from ..engine.control import DRIVER, ELAPSED, WHOLE
from ..engine.kernels.guard import FAULTED, LATE, OVERLOADED, STOPPED
from ..engine.memory import load_f64
from ..engine.slots import AGE
from . import table as words
from . import tick_stages as stages
from .clock import now_realtime, semaphore_drain, semaphore_wait, sleep_until
from .handover import commit, take_over
from .histogram import record, record_since
from .port import LOCKSTEP, REALTIME, WITHHELD
from .table import add, get, input_row, put, row_of, slot_of

__all__ = ["next_deadline", "run"]

#: longest sleep, and therefore the longest delay until a stop is noticed
CHUNK_NS = 20_000_000
#: longest time in which outputs ramp to their safe values at the end
RAMP_NS = 1_000_000_000
#: The sleep ends this long before a deadline, because a thread usually wakes late. Polling the clock then costs at most
#: this much computing time in each period (a tenth of the period, if that is shorter).
EARLY_NS = 30_000


# ---------------------------------------------------------------- realtime


@register_jitable
def _wait_deadline(table, deadline, stops):
    """Wait until ``deadline``: sleep until shortly before it, then poll the clock. Return the time after the wait [ns].

    stops : whether to return -1 as soon as the loop has to stop
    """
    wake = deadline - min(EARLY_NS, get(table, words.PERIOD) // 10)
    while not (stops and stages.stopping(table)):
        now = stages.clock(table)
        if now >= deadline:
            return now
        store_release(table + 8 * words.HEARTBEAT, now)
        if now < wake:
            sleep_until(min(wake, now + CHUNK_NS), table + 8 * words.TIMESPEC)
    return -1


@register_jitable
def _moment(table, now):
    """Return when a tick happens: the number of its period, or the time ``now`` [ns] if messages wake the loop."""
    return now if get(table, words.TRIGGER) != 0 else (now - get(table, words.PHASE)) // get(table, words.PERIOD)


@register_jitable
def _since(table, moment, last):
    """Return the time between two results of `_moment`, ``last`` and ``moment``, in thousandths of a period."""
    return (moment - last) * WHOLE // (get(table, words.PERIOD) if get(table, words.TRIGGER) != 0 else 1)


@register_jitable
def _tell_elapsed(table, moment, commanded):
    """Tell the guard how much time has passed since the last command, so that slew limits hold per second.

    The time goes into the control words. If the clock wakes the loop, it is a whole number of periods; if messages wake
    the loop, it is exact. If too many periods passed without a tick, this tick is a fault.

    commanded : time of a supervisor's last command; 0: the supervisor gave none
    """
    last, most = get(table, words.LAST_PERIOD), get(table, words.MOST_MISSED)
    put(table, words.LAST_PERIOD, moment)
    passed = _since(table, moment, max(last, commanded))
    put(get(table, words.CONTROL), ELAPSED, max(passed, 1) if last > 0 else WHOLE)
    if last > 0 and most > 0 and _since(table, moment, last) > (most + 1) * WHOLE:
        put(get(table, words.CONTROL), DRIVER, get(get(table, words.CONTROL), DRIVER) | OVERLOADED)


@register_jitable
def _too_late(table, took):
    """Return whether an input became too old while the tick was computed. The command must then be withheld.

    An input is too old if its age exceeds its limit by more than a period. This happens if a thread of higher priority
    preempts the loop. A ramp to the safe value must not begin with a jump, so the next tick starts the ramp.

    took : duration of the computation [ns]
    """
    if took <= get(table, words.PERIOD) or get(get(table, words.GUARD), FAULTED) != 0:
        return False
    for k in range(get(table, words.N_INPUTS)):
        row = input_row(table, k)
        limit = get(row, words.IN_LIMIT)
        if limit > 0 and slot_of(row)[AGE] + took > limit + get(table, words.PERIOD):
            return True
    return False


@register_jitable
def _judge_publication(table, took, withheld):
    """Make the next tick a fault if the commands of this tick were withheld or published too slowly.

    took : duration of the publication [ns]; the loop's budget limits it
    """
    late = took > get(table, words.BUDGET) > 0 or withheld
    if late:
        add(table, words.LATE_PUBLICATIONS, 1)
    if took > get(table, words.LONGEST_PUBLICATION):
        put(table, words.LONGEST_PUBLICATION, took)
    put(get(table, words.CONTROL), DRIVER, LATE if late else 0)


@register_jitable
def next_deadline(table, deadline, begin, end):
    """Return the next deadline [ns] after a tick, and count the periods that are skipped.

    begin, end : times at which the tick began and ended [ns]
    """
    period = get(table, words.PERIOD)
    if end > deadline + period:
        add(table, words.OVERRUNS, 1)
    skipped = (begin - deadline) // period  # periods that ended before the tick began
    deadline += (skipped + 1) * period
    late = end - deadline
    if late > 0:
        # the tick of a period that has begun follows at once, unless the last tick was both late and slow
        at_once = begin - (deadline - period) <= period // 4 or end - begin <= period // 2
        over = late // period if at_once else (late + period - 1) // period
        deadline += over * period
        skipped += over
    add(table, words.MISSED, skipped)
    return deadline


@register_jitable
def _realtime_tick(table, now, deadline):
    """Take messages, run the tick that is due at ``deadline``, and publish commands. Return the next deadline [ns]."""
    handover, moment = get(table, words.HANDOVER), _moment(table, now)
    commanded = np.int64(0)
    if handover != 0:
        store_release(table + 8 * words.HEARTBEAT, now)
        commanded = take_over(handover)
        if commanded >= moment:  # the supervisor gave this period's command
            return next_deadline(table, deadline, now, now)
    if get(table, words.TRIGGER) == 0:  # a message has no time at which it should have woken the loop
        record(get(table, words.WAKE_HISTOGRAM), now - deadline)
    _tell_elapsed(table, moment, commanded)
    stages.count_sleep(table)
    stages.take_all(table, now)
    stages.update_ages_by_clock(table, now)
    end = stages.tick(table)
    withheld = _too_late(table, end - now)
    put(table, words.PUBLISHING, 1)
    if handover != 0:
        store_release(table + 8 * words.HEARTBEAT, end)
        withheld |= not commit(handover, moment)
    add(table, words.WITHHELD_TICKS, withheld)
    stamp = now_realtime(table + 8 * words.TIMESPEC)
    stages.call_all(table, words.OUTPUTS, stamp, np.int64(WITHHELD) if withheld else end)
    put(table, words.PUBLISHING, 0)
    stages.call_all(table, words.OBSERVERS, stamp, end)
    newest = stages.newest_stamp(table)
    if newest >= 0 and not record_since(get(table, words.LATENCY_HISTOGRAM), newest, table + 8 * words.TIMESPEC):
        add(table, words.STAMPS_UNRELATED, 1)
    stages.ticked(table)
    _judge_publication(table, get(table, words.LAST_TICK) - end, withheld)
    return next_deadline(table, deadline, now, get(table, words.LAST_TICK))


@register_jitable
def _all_safe(table):
    for k in range(get(table, words.N_SAFES)):
        row = row_of(table, words.SAFES, words.SAFE_WORDS, k)
        command, safe = get(row, words.SAFE_COMMAND), get(row, words.SAFE_VALUE)
        for i in range(get(row, words.SAFE_LENGTH)):
            if load_f64(command + 8 * i) != load_f64(safe + 8 * i):
                return False
    return True


@register_jitable
def _go_safe(table, deadline):
    """Continue to tick, in fault, until every command has reached its safe value, for at most `RAMP_NS`.

    Outputs that ramp to their safe value then keep their slew limits.
    """
    last = stages.clock(table) + RAMP_NS
    while deadline <= last and not _all_safe(table):
        now = _wait_deadline(table, deadline, False)
        put(get(table, words.CONTROL), DRIVER, STOPPED)
        deadline = _realtime_tick(table, now, deadline)


@register_jitable
def _wait_message(table, last):
    """Wait for a message of the trigger, the input that wakes the loop. Return the time at which to tick [ns].

    The message is taken from its port. Return -1 if the loop has to stop.

    last : time at which the last tick began [ns]. The next tick comes at least half a period later. Without a message,
        it comes one and a half periods later
    """
    row, period = get(table, words.TRIGGER), get(table, words.PERIOD)
    latest = last + period + period // 2
    while not stages.stopping(table):
        semaphore_drain(get(table, words.SEMAPHORE))  # a post from here on ends the wait below
        now = stages.clock(table)
        if stages.take(table, row, now) > 0:
            put(row, words.IN_GOT, 1)
            return _wait_deadline(table, last + period // 2, True) if now < last + period // 2 else now
        if now >= latest:
            put(row, words.IN_GOT, 1)
            add(row, words.IN_TIMEOUTS, 1)
            add(table, words.TIMEOUTS, 1)
            return now
        store_release(table + 8 * words.HEARTBEAT, now)
        semaphore_wait(get(table, words.SEMAPHORE), min(latest, now + CHUNK_NS), table + 8 * words.TIMESPEC)
    return -1


@register_jitable
def _run_realtime(table):
    period, phase, by_messages = get(table, words.PERIOD), get(table, words.PHASE), get(table, words.TRIGGER) != 0
    now = stages.clock(table)
    deadline = ((now - phase) // period + 1) * period + phase
    while not stages.finished(table):
        now = _wait_message(table, now) if by_messages else _wait_deadline(table, deadline, True)
        if now < 0:
            break
        deadline = _realtime_tick(table, now, now if by_messages else deadline)
    if get(table, words.FINAL_COMMAND) != 0 and get(table, words.RAMPS) != 0 and get(table, words.TICKS) > 0:
        _go_safe(table, get(table, words.LAST_TICK) + period if by_messages else deadline)


# ---------------------------------------------------------------- lockstep and free


@register_jitable
def _gather(table):
    """Wait, in lockstep, until every awaited input has returned a message. Return False if the loop has to stop."""
    since = stages.clock(table)
    while not stages.stopping(table):
        # drain first: a post from here on ends the wait below
        semaphore_drain(get(table, words.SEMAPHORE))
        now = stages.clock(table)
        missing = 0
        for k in range(get(table, words.N_INPUTS)):
            row = input_row(table, k)
            if get(row, words.IN_GOT) == 0:
                if stages.take(table, row, now) > 0:
                    put(row, words.IN_GOT, 1)
                    since = now
                else:
                    missing += get(row, words.IN_UNAWAITED) == 0
        if missing == 0:
            put(table, words.STARVED, 0)
            return True
        store_release(table + 8 * words.HEARTBEAT, now)
        if now - since >= get(table, words.TIMEOUT):
            since = now
            add(table, words.TIMEOUTS, 1)
            put(table, words.STARVED, 1)
            for k in range(get(table, words.N_INPUTS)):
                row = input_row(table, k)
                add(row, words.IN_TIMEOUTS, get(row, words.IN_GOT) == 0 and get(row, words.IN_UNAWAITED) == 0)
        semaphore_wait(get(table, words.SEMAPHORE), now + CHUNK_NS, table + 8 * words.TIMESPEC)
    return False


@register_jitable
def _run_without_clock(table):
    """Run the loop in the mode lockstep or free: ages and stamps come from messages and ticks, not from a clock."""
    lockstep = get(table, words.MODE) == LOCKSTEP
    while not stages.finished(table):
        now = get(table, words.TICKS) * get(table, words.PERIOD)
        if not lockstep:
            stages.take_all(table, now)
        elif not _gather(table):
            break
        newest = stages.newest_stamp(table)
        if lockstep:
            stages.check_stamps(table, newest)
        stages.update_ages_by_count(table, newest if lockstep else -1)
        stamp = newest if newest >= 0 else get(table, words.TICK_STAMP) + get(table, words.PERIOD)
        put(table, words.TICK_STAMP, stamp)
        end = stages.tick(table)
        if lockstep:
            now = end
        for k in range(get(table, words.N_INPUTS)):  # before publishing: the next message may answer a command
            put(input_row(table, k), words.IN_GOT, 0)
        stages.call_all(table, words.OUTPUTS, stamp, now)
        stages.call_all(table, words.OBSERVERS, stamp, now)
        stages.ticked(table)


def run(table):
    """Run the loop until it is stopped or has reached its limit of ticks. ``table`` is the address of its table."""
    if get(table, words.WARM) != 0:  # the first call touches the memory that the loop uses, and calls no port
        store_release(table + 8 * words.HEARTBEAT, stages.clock(table))
        sleep_until(0, table + 8 * words.TIMESPEC)
        return
    store_release(table + 8 * words.RUNNING, 1)
    if get(table, words.MODE) == REALTIME:
        _run_realtime(table)
    else:
        _run_without_clock(table)
    if get(table, words.FINAL_COMMAND) != 0:
        stages.publish_final(table)
    store_release(table + 8 * words.RUNNING, 0)
