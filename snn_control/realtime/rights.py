"""The rights that a real-time loop requests from the operating system.

Scheduling, affinity, timer slack and the signal mask belong to the calling thread; the memory lock belongs to the
process. The system may refuse any right, for example to ordinary users or in a container. The functions therefore
return the rights that were granted, and do not raise errors.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ..findings import Finding, warning

__all__ = [
    "Rights", "ask", "block_signals", "lock_memory", "may_lock_memory", "priority_of_new_threads", "set_affinity",
    "set_fifo", "why_no_memory",
]  # fmt: skip

CAP_IPC_LOCK, CAP_SYS_NICE = 14, 23
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
PR_SET_TIMERSLACK, PR_GET_TIMERSLACK = 29, 30
#: signals of a fault in the thread itself; they are not blocked, because they must reach their handler (faulthandler)
SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP}


@dataclass(frozen=True)
class Rights:
    """The rights that the operating system has granted to a thread and its process.

    priority : SCHED_FIFO priority of the thread; 0: ordinary scheduling
    memory_locked : whether memory pages that were touched are never swapped out
    cpus : CPUs that the thread may run on
    timer_slack_ns : how much the kernel may delay the timers of an ordinary thread; -1: unknown
    signals_blocked : whether the thread blocks signals, which then go to the main thread
    missing : a finding for each right that was requested and not granted, with a command that grants this right
    """

    priority: int = 0
    memory_locked: bool = False
    cpus: tuple[int, ...] = ()
    timer_slack_ns: int = -1
    signals_blocked: bool = False
    missing: tuple[Finding, ...] = ()

    def warnings(self) -> str:
        """Return a text that names each missing right and how to get it; "" if no right is missing."""
        if not self.missing:
            return ""
        lines = "\n".join(f"  - {one}" for one in self.missing)
        return f"REAL-TIME RIGHTS MISSING: the loop runs, but it may miss deadlines.\n{lines}"


def _has_capability(bit: int) -> bool:
    with suppress(OSError), open("/proc/thread-self/status", "rb") as status:
        for line in status:
            if line.startswith(b"CapEff:"):
                return bool(int(line.split()[1], 16) >> bit & 1)
    return False


def _fifo(priority: int, flags: int = 0) -> bool:
    """Request SCHED_FIFO with this priority for the calling thread. Return whether the system granted it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | flags, os.sched_param(priority))
    except (OSError, ValueError):
        return False
    return True


def set_fifo(priority: int) -> int:
    """Request SCHED_FIFO with this priority for the calling thread. Return the priority that the system granted.

    The granted priority is lower than ``priority`` if the system limits it, and 0 if the system refuses SCHED_FIFO.
    """
    allowed = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    for one in (priority, min(priority, allowed)):
        if one > 0 and _fifo(one, os.SCHED_RESET_ON_FORK):  # threads that it starts do not inherit it
            return one
    return 0


@contextmanager
def priority_of_new_threads(priority: int) -> Iterator[int]:
    """Context in which new threads inherit SCHED_FIFO ``priority``, for example threads of a middleware.

    Yields the priority that was granted, or 0. At its end, the context restores the scheduling of the calling thread.
    """
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    granted = priority if priority > 0 and _fifo(priority) else 0
    try:
        yield granted
    finally:
        if granted:
            os.sched_setscheduler(0, before, parameters)


def may_lock_memory() -> bool:
    """Return whether the process may lock all its memory.

    A finite RLIMIT_MEMLOCK does not suffice, because later allocations of the process would fail at the limit.
    """
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    return limit == resource.RLIM_INFINITY or _has_capability(CAP_IPC_LOCK)


def lock_memory() -> bool:
    """Lock every memory page that the process touches, to prevent swapping. Return whether the system granted this.

    MCL_ONFAULT excludes untouched pages; without it, all reserved memory would become resident.
    """
    if not may_lock_memory():
        return False
    return ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0


def set_affinity(cpus: Iterable[int] | None) -> tuple[int, ...]:
    """Let the calling thread run only on ``cpus``; None: no change. Return the CPUs on which the thread may run now."""
    if cpus is not None:
        with suppress(OSError, ValueError):
            os.sched_setaffinity(0, set(cpus))
    return tuple(sorted(os.sched_getaffinity(0)))


def block_signals() -> None:
    """Block all signals in the calling thread, except those that report a fault of the thread itself."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - SYNCHRONOUS)


def _grant(limit: str, container: str) -> str:
    """Return a text with three ways to grant a right: a line for limits.conf, a capability, or a container's option."""
    return (
        f'echo "$USER - {limit}" | sudo tee -a /etc/security/limits.d/99-realtime.conf, then log in again; '
        f"or sudo setcap cap_sys_nice,cap_ipc_lock=ep {os.path.realpath(sys.executable)} "
        "(not if ROS is found through LD_LIBRARY_PATH, which is then ignored); "
        f"in a container: {container}"
    )


def _why_priority(wanted: int, granted: int) -> Finding:
    got = f"priority {granted}" if granted else "ordinary scheduling"
    highest = os.sched_get_priority_max(os.SCHED_FIFO)
    if not 0 < wanted <= highest:
        return warning("SCHED_FIFO", f"priority {wanted} does not exist (got {got})", f"choose 1 .. {highest}")
    if _has_capability(CAP_SYS_NICE):
        fix = "see cpu.rt_runtime_us of the group, or start the container with --cap-add=sys_nice --ulimit rtprio=98"
        text = f"priority {wanted} was not granted (got {got}): the control group has no real-time budget"
        return warning("SCHED_FIFO", text, fix)
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    grant = _grant("rtprio 98", "--cap-add=sys_nice --ulimit rtprio=98")
    return warning("SCHED_FIFO", f"priority {wanted} was not granted (got {got}; rtprio limit {limit})", grant)


def why_no_memory() -> Finding:
    """Return a finding that explains why the process may not lock memory, with the commands that grant this right."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    shown = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit // 1024} KiB"
    grant = _grant("memlock unlimited", "--cap-add=ipc_lock --ulimit memlock=-1")
    return warning("memory lock", f"was not granted (ulimit -l is {shown}, needed: unlimited)", grant)


def ask(priority: int = 0, cpus: Iterable[int] | None = None, memory: bool = False) -> Rights:
    """Request all rights for the calling thread and the process. Return the `Rights` that were granted.

    priority : SCHED_FIFO priority; 0: keep ordinary scheduling
    cpus : CPUs for the thread; None: no change
    memory : whether to lock the memory of the process
    """
    missing, libc = [], ctypes.CDLL(None)
    block_signals()
    libc.prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)  # 50,000 ns by default
    slack = int(libc.prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0))  # -1: unknown
    if slack != 1 and priority <= 0:
        text = f"1 ns was not granted (got {slack} ns): wake-ups are late by up to that much"
        missing.append(warning("timer slack", text))
    wanted = None if cpus is None else tuple(sorted(set(cpus)))
    on = set_affinity(wanted)
    if wanted is not None and on != wanted:
        fix = f"choose among these, or widen the set with sudo taskset -cp <cpus> {os.getpid()} or the container's "
        text = f"{list(wanted)} were not granted (runs on {list(on)})"
        missing.append(warning("CPUs", text, f"{fix}--cpuset-cpus"))
    locked = memory and lock_memory()
    if memory and not locked:
        missing.append(why_no_memory())
    granted = set_fifo(priority) if priority > 0 else 0  # last, because from here on this thread preempts others
    if priority > 0 and granted != priority:
        missing.append(_why_priority(priority, granted))
    return Rights(granted, locked, on, slack, True, tuple(missing))
