"""Clocks, sleeps and semaphores of the C library for compiled code. They allocate no memory.

Times are int64 nanoseconds. The argument ``scratch`` is the address of an ``int64[2]`` for the ``struct timespec`` of
the call; each thread needs its own scratch memory. Deadlines are absolute times on CLOCK_MONOTONIC. A wait therefore
ends at its deadline even if the call comes late or is repeated, and timing errors do not add up.
"""

from __future__ import annotations

import ctypes

from numba import types
from numba.extending import register_jitable

from ..engine.memory import load_i64, load_u32, store_i64
from ..errors import RuntimeFault

__all__ = [
    "check_libc", "now_boottime", "now_monotonic", "now_realtime", "semaphore_drain", "semaphore_post",
    "semaphore_wait", "sleep_until",
]  # fmt: skip

CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, TIMER_ABSTIME = 0, 1, 7, 1
EINTR, ETIMEDOUT = 4, 110
SECOND = 1_000_000_000

_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))
_clock_nanosleep = types.ExternalFunction(
    "clock_nanosleep", types.int32(types.int32, types.int32, types.intp, types.intp)
)
_sem_clockwait = types.ExternalFunction("sem_clockwait", types.int32(types.intp, types.int32, types.intp))
_sem_trywait = types.ExternalFunction("sem_trywait", types.int32(types.intp))
_sem_post = types.ExternalFunction("sem_post", types.int32(types.intp))
_errno_location = types.ExternalFunction("__errno_location", types.intp())


def check_libc() -> None:
    """Raise RuntimeFault if the C library lacks a function that this module needs.

    Without this check, compiled code would jump to address 0.
    """
    libc = ctypes.CDLL(None)
    needed = ("clock_gettime", "clock_nanosleep", "sem_clockwait", "sem_trywait", "sem_post", "__errno_location")
    missing = [name for name in needed if not hasattr(libc, name)]
    if missing:
        raise RuntimeFault(f"the C library has no {', '.join(missing)}: the loop needs Linux with glibc 2.30 or newer")


@register_jitable
def now_monotonic(scratch):
    """Return the time of CLOCK_MONOTONIC [ns]."""
    _clock_gettime(CLOCK_MONOTONIC, scratch)
    return load_i64(scratch) * SECOND + load_i64(scratch + 8)


@register_jitable
def now_boottime(scratch):
    """Return the time of CLOCK_BOOTTIME [ns]: CLOCK_MONOTONIC plus the time for which the machine was suspended."""
    _clock_gettime(CLOCK_BOOTTIME, scratch)
    return load_i64(scratch) * SECOND + load_i64(scratch + 8)


@register_jitable
def now_realtime(scratch):
    """Return the time of CLOCK_REALTIME [ns since 1970], the clock of message stamps."""
    _clock_gettime(CLOCK_REALTIME, scratch)
    return load_i64(scratch) * SECOND + load_i64(scratch + 8)


@register_jitable
def _set_timespec(scratch, time_ns):
    store_i64(scratch, time_ns // SECOND)
    store_i64(scratch + 8, time_ns % SECOND)


@register_jitable
def sleep_until(deadline, scratch):
    """Sleep until CLOCK_MONOTONIC reaches ``deadline`` [ns]; signals do not shorten the sleep."""
    _set_timespec(scratch, deadline)
    while _clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, scratch, 0) == EINTR:
        pass


@register_jitable
def semaphore_wait(semaphore, deadline, scratch):
    """Wait for a post on the ``sem_t`` at the address ``semaphore``, until ``deadline`` [ns, CLOCK_MONOTONIC].

    Return 1 after a post, 0 if there was no post before the deadline.
    """
    _set_timespec(scratch, deadline)
    while _sem_clockwait(semaphore, CLOCK_MONOTONIC, scratch) != 0:
        error = load_u32(_errno_location())
        if error == ETIMEDOUT:
            return 0
        if error != EINTR:  # broken semaphore: sleep, so that the caller's loop does not spin
            sleep_until(deadline, scratch)
            return 0
    return 1


@register_jitable
def semaphore_drain(semaphore):
    """Consume all pending posts of a semaphore. The caller must then check every source of posts once for messages."""
    while _sem_trywait(semaphore) == 0:
        pass


@register_jitable
def semaphore_post(semaphore):
    _sem_post(semaphore)
