"""Small compiled ticks and ports for the tests of the loop: real callbacks, called through addresses."""

from __future__ import annotations

import numpy as np

from snn_control.engine.atomics import fence, load_acquire, store_release
from snn_control.engine.compile import compile_callback, compile_function
from snn_control.engine.control_words import DRIVER, ELAPSED, LEARNING
from snn_control.engine.memory import call_kernel, f64, i64, load_f64, load_i64, store_f64, store_i64
from snn_control.engine.slots import SLOT_WORDS
from snn_control.realtime.clock import now_monotonic, now_realtime, semaphore_wait, sleep_until
from snn_control.realtime.histogram import record
from snn_control.realtime.port import SIGNATURE

BUFFER_SLOTS, BUFFER_WORDS = 8, 16


def _count(table):
    store_i64(table, load_i64(table) + 1)


def _busy(table):
    """Words: ticks, ns to be busy, every how many ticks, scratch of two words."""
    words = i64(table, 5)
    words[0] += 1
    if words[0] % words[2] == 0:
        until = now_monotonic(table + 24) + words[1]
        while now_monotonic(table + 24) < until:
            pass


def _follow(table):
    """Words: slot of one value, its address of the command, n, ticks. Command: all n are value + age in s."""
    words = i64(table, 4)
    words[3] += 1
    value = load_f64(words[0] + 64) + 1e-9 * load_i64(words[0] + 8)
    for i in range(words[2]):
        store_f64(words[1] + 8 * i, value)


def _count_up(table):
    """Words: ticks, address of the command, n: every word of the command is the number of the tick."""
    words = i64(table, 3)
    words[0] += 1
    command = f64(words[1], words[2])
    for i in range(len(command)):
        command[i] = words[0]


def _count_up_or_ramp(table):
    """Words: address of the control words, ticks, address of one command, step, address of its safe value.

    Up by 1 or, while the driver reports a fault, down by a step; word 5: the elapsed time it was told, summed.
    """
    words = i64(table, 6)
    words[1] += 1
    command, safe, control = f64(words[2], 1), f64(words[4], 1), i64(words[0], LEARNING)
    words[5] += control[ELAPSED]
    if control[DRIVER] == 0:
        command[0] += 1
    else:
        command[0] = max(command[0] - words[3], safe[0])


def _stalling(table):
    """Words: address of a tick and of its table, ticks, every how many it stalls, how long before it and after it [ns],
    scratch of two words."""
    words = i64(table, 8)
    words[2] += 1
    stalls = words[2] % words[3] == 0
    if stalls:
        sleep_until(now_monotonic(table + 48) + words[4], table + 48)
    call_kernel(words[0], words[1])
    if stalls:
        sleep_until(now_monotonic(table + 48) + words[5], table + 48)


def _take_failing(ctx, now, mode):
    """Words: slot, calls. Fails at every second call, after marking the slot as fresh."""
    words = i64(ctx, 2)
    words[1] += 1
    store_i64(words[0], 1)
    return -7 if words[1] % 2 else 1


def _take_nothing(ctx, now, mode):
    """Words: slot, calls, the mode it was told."""
    store_i64(ctx + 8, load_i64(ctx + 8) + 1)
    store_i64(ctx + 16, mode)
    return 0


def _take_stamped(ctx, now, mode):
    """Words: slot, scratch of two words: a message stamped now that arrived 12,345 ns ago."""
    slot = load_i64(ctx)
    store_i64(slot, 1)
    store_i64(slot + 32, now_realtime(ctx + 8))
    store_i64(slot + 40, now - 12_345)
    return 1


def _publish_failing(ctx, stamp, now):
    store_i64(ctx, load_i64(ctx) + 1)
    return 300


def _publish_slowly(ctx, stamp, now):
    """Words: calls, at which one it takes long, how long [ns], scratch of two words."""
    words = i64(ctx, 5)
    words[0] += 1
    if words[0] == words[1]:
        sleep_until(now_monotonic(ctx + 24) + words[2], ctx + 24)
    return 0


def tick(name: str) -> int:
    """Address of a tick."""
    return compile_callback(globals()[f"_{name}"], "void(int64)")


class Port:
    """A port of this module over a few words of its own, with the header of a slot behind them."""

    def __init__(self, function: str, name: str = "port") -> None:
        self.words = np.zeros(4 + SLOT_WORDS, np.int64)
        self.name, self.context = name, int(self.words.ctypes.data)
        self.slot = self.context + 32
        self.words[0] = self.slot
        self.function = compile_callback(globals()[f"_{function}"], SIGNATURE)

    def counters(self) -> dict[str, int]:
        return {"calls": int(self.words[1])}


def _write_many(buffer, n):
    """Latest-value buffer: the sequence number, then the slots; all words of a message are equal."""
    for k in range(1, n + 1):
        slot = buffer + 64 + 8 * BUFFER_WORDS * (k % BUFFER_SLOTS)
        fence()
        for i in range(BUFFER_WORDS):
            store_i64(slot + 8 * i, k)
        store_release(buffer, k)


def _read_many(buffer, n, copy):
    """Read until the writer's n-th message: torn messages that were accepted, reads in the upper half."""
    torn, reads, k = 0, 0, 0
    while k < n:
        k = load_acquire(buffer)
        slot = buffer + 64 + 8 * BUFFER_WORDS * (k % BUFFER_SLOTS)
        for i in range(BUFFER_WORDS):
            store_i64(copy + 8 * i, load_i64(slot + 8 * i))
        fence()
        if load_acquire(buffer) - k < BUFFER_SLOTS - 1:
            reads += 1
            for i in range(BUFFER_WORDS):
                if load_i64(copy + 8 * i) != k:
                    torn += 1
                    break
    return torn + (reads << 32)


def _wait_for_flag(address):
    spins = 0
    while load_acquire(address) == 0:
        spins += 1
    return spins


def _record_all(histogram, values, n):
    for k in range(n):
        record(histogram, load_i64(values + 8 * k))


def _clocks(out, scratch):
    store_i64(out, now_monotonic(scratch))
    store_i64(out + 8, now_realtime(scratch))


def _sleep(deadline, scratch):
    sleep_until(deadline, scratch)


def _wait(semaphore, deadline, scratch):
    return semaphore_wait(semaphore, deadline, scratch)


write_many = compile_function(_write_many, "void(int64,int64)")
read_many = compile_function(_read_many, "int64(int64,int64,int64)")
wait_for_flag = compile_function(_wait_for_flag, "int64(int64)")
record_all = compile_function(_record_all, "void(int64,int64,int64)")
clocks = compile_function(_clocks, "void(int64,int64)")
sleep = compile_function(_sleep, "void(int64,int64)")
wait = compile_function(_wait, "int64(int64,int64,int64)")
