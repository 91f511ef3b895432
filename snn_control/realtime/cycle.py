"""The compiled control loop: the wait for each tick, and the work before and after the tick.

`run` is one compiled function, which runs without Python's interpreter lock. Its settings, state and counters are in
one int64 table (`snn_control.realtime.table`), whose address is the argument ``table`` of all functions here. Python
writes the settings before the start. While the loop runs, Python may read the counters, and writes only STOP. The
module `loop` describes the modes, the module `port` the ports.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ..engine.atomics import store_release
from ..engine.control_words import DRIVER, ELAPSED, WHOLE
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
    """Sleep until shortly before ``deadline`` [ns], then poll the clock. Return the time after the wait [ns].

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
    """Return the time of a tick: the number of its period, or ``now`` [ns] if messages wake the loop."""
    return now if get(table, words.TRIGGER) != 0 else (now - get(table, words.PHASE)) // get(table, words.PERIOD)


@register_jitable
def _since(table, moment, last):
    """Return the time between two ticks in thousandths of a period. ``last``, ``moment``: results of `_moment`."""
    return (moment - last) * WHOLE // (get(table, words.PERIOD) if get(table, words.TRIGGER) != 0 else 1)


@register_jitable
def _tell_elapsed(table, moment, commanded):
    """Write the time since the last command into the control words, so that the guard can apply slew limits per second.

    This time is a whole number of periods if the clock wakes the loop, and exact if messages wake the loop. If too many
    periods passed without a tick, this tick is a fault.

    moment : time of this tick, a result of `_moment`
    commanded : time of the supervisor's last command, in the same unit; 0: the supervisor has sent no command
    """
    last, most = get(table, words.LAST_PERIOD), get(table, words.MOST_MISSED)
    put(table, words.LAST_PERIOD, moment)
    passed = _since(table, moment, max(last, commanded))
    put(get(table, words.CONTROL), ELAPSED, max(passed, 1) if last > 0 else WHOLE)
    if last > 0 and most > 0 and _since(table, moment, last) > (most + 1) * WHOLE:
        put(get(table, words.CONTROL), DRIVER, get(get(table, words.CONTROL), DRIVER) | OVERLOADED)


@register_jitable
def _too_late(table, took):
    """Return whether an input became too old while the tick was computed. The command must then not be published.

    An input is too old if its age exceeds its limit by more than a period. This happens if a thread of higher priority
    preempts the loop. The next tick then starts the ramp to the safe value, because a ramp must not begin with a jump.

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
    """Make the next tick a fault if the commands of this tick were not published or were published too slowly.

    took : duration of the publication [ns]. It is too slow if this exceeds the loop's budget
    withheld : whether the commands were not published
    """
    late = took > get(table, words.BUDGET) > 0 or withheld
    if late:
        add(table, words.LATE_PUBLICATIONS, 1)
    if took > get(table, words.LONGEST_PUBLICATION):
        put(table, words.LONGEST_PUBLICATION, took)
    put(get(table, words.CONTROL), DRIVER, LATE if late else 0)


@register_jitable
def next_deadline(table, deadline, begin, end):
    """Return the deadline of the next tick [ns], and count overruns and skipped periods in the table.

    deadline : deadline of this tick [ns]
    begin, end : times at which this tick began and ended [ns]
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
    """Take messages, run the tick with the deadline ``deadline``, publish commands. Return the next deadline [ns]."""
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
    """Run ticks in the state of a fault until every command has reached its safe value, for at most `RAMP_NS`.

    The loop calls this function before it stops, so that outputs ramp to their safe values within their slew limits.
    """
    last = stages.clock(table) + RAMP_NS
    while deadline <= last and not _all_safe(table):
        now = _wait_deadline(table, deadline, False)
        put(get(table, words.CONTROL), DRIVER, STOPPED)
        deadline = _realtime_tick(table, now, deadline)


@register_jitable
def _wait_message(table, last):
    """Wait for a message of the trigger, the input that wakes the loop, and take this message from its port.

    Return the time of the next tick [ns], or -1 if the loop has to stop.

    last : time at which the last tick began [ns]. The next tick begins at least half a period later. Without a message,
        it begins one and a half periods later
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
    """In the mode lockstep, wait for a message of every awaited input. Return False if the loop has to stop."""
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
    """Run the loop in the mode lockstep or free, in which ages and stamps come from messages and ticks, not a clock."""
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
    """Run the loop until it is stopped or has reached its maximum number of ticks. ``table`` is the table's address."""
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
