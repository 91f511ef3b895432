"""Check how well a computer suits a real-time loop: kernel, rights, other real-time threads, clock and caches.

If a command can fix a problem, the finding names the command. The checks change nothing. The only right that they
request is SCHED_FIFO, and only for a thread that is created for this check. In tests, ``root`` is a folder in place of
the root of the file system.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ..errors import RuntimeFault, counted, how_to_install
from ..findings import ERROR, NOTE, OK, WARNING, Finding
from .clock import check_libc
from .rights import Rights, ask, may_lock_memory, why_no_memory

__all__ = ["findings"]

LOOP_PRIORITY = 80  # default of a controller node
MANAGER, MANAGER_PRIORITY = "ros2_control_no", 50  # controller_manager's process name (15 letters) and default
BURSTS = 4 << 20  # bytes of net.core.rmem_max, enough for bursts of camera packets
UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)
KEEP = "export SNN_CONTROL_CACHE=/a/folder/that/is/kept"
KERNEL_THREADS = 2  # process number of the parent of all kernel threads


def findings(
    root: Path = Path("/"), rights: Callable[[], Rights] | None = None, ros2_control: bool = False
) -> list[Finding]:
    """Return all findings on this computer. A `WARNING` means missed deadlines, an `ERROR` that no loop can run.

    ros2_control : whether to describe how the loops of a node and of controller_manager share a CPU even if no
        controller_manager runs now
    """
    threads = list(_real_time_threads())
    return [
        _libc(), _kernel(root), *_share(root), *_rights(rights or _asked), _governor(root), _isolated(root),
        _others(threads), *_manager(threads, ros2_control), _clock(), *_middleware(root), _cache(),
    ]  # fmt: skip


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip()
    return ""


def _libc() -> Finding:
    try:
        check_libc()
    except RuntimeFault as error:
        return Finding("C library", ERROR, str(error))
    return Finding("C library", OK, " ".join(platform.libc_ver()).strip() or "has all functions that the loop calls")


def _kernel(root: Path) -> Finding:
    version = platform.version()
    name = f"{platform.system()} {platform.release()}"
    if "PREEMPT_RT" in version or _text(root / "sys/kernel/realtime") == "1":
        return Finding("kernel", OK, f"{name}, PREEMPT_RT")
    kind = "PREEMPT_DYNAMIC" if "PREEMPT_DYNAMIC" in version else "PREEMPT" if "PREEMPT" in version else "no preemption"
    mend = "sudo pro enable realtime-kernel (Ubuntu), or apt install linux-image-rt-amd64 (Debian)"
    return Finding(
        "kernel", NOTE, f"{name}, {kind}: most deadlines of 1 ms are met, but the worst wake-up is not bounded", mend
    )


def _share(root: Path) -> Iterator[Finding]:
    """Yield a finding on the fraction of CPU time that real-time threads may use, if the kernel reports it."""
    text = _text(root / "proc/sys/kernel/sched_rt_runtime_us")
    if text == "-1":
        yield Finding("real-time share", OK, "not limited")
    elif text:
        share = int(text) / int(_text(root / "proc/sys/kernel/sched_rt_period_us") or "1000000")
        verdict = (OK, "") if share >= 0.9 else (WARNING, "sudo sysctl -w kernel.sched_rt_runtime_us=950000")
        yield Finding("real-time share", verdict[0], f"SCHED_FIFO may use {share:.0%} of each CPU", verdict[1])


def _asked() -> Rights:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask, LOOP_PRIORITY).result()


def _rights(rights: Callable[[], Rights]) -> Iterator[Finding]:
    granted = rights()
    if granted.priority == LOOP_PRIORITY:
        yield Finding("SCHED_FIFO", OK, f"priority {granted.priority} is granted")
    yield from granted.missing
    yield Finding("memory lock", OK, "is granted") if may_lock_memory() else why_no_memory()


def _governor(root: Path) -> Finding:
    files = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    kinds = {_text(file) for file in files}
    if not kinds:
        return Finding("CPU frequency", OK, "not controlled from here, as in a virtual machine")
    if kinds == {"performance"}:
        return Finding("CPU frequency", OK, "governor performance")
    found = f"governor {', '.join(sorted(kinds))}: a CPU is slow for a while after it was idle"
    return Finding("CPU frequency", WARNING, found, "sudo cpupower frequency-set -g performance")


def _isolated(root: Path) -> Finding:
    cpus = len(os.sched_getaffinity(0))
    if isolated := _text(root / "sys/devices/system/cpu/isolated"):
        return Finding("isolated CPUs", OK, f"{isolated}: start the node with -p cpu:={isolated.partition('-')[0]}")
    if cpus == 1:
        return Finding("isolated CPUs", WARNING, "one CPU for everything: DDS, Python and the loop share it")
    mend = f"isolcpus={cpus - 1} on the kernel's command line, and -p cpu:={cpus - 1}"
    return Finding("isolated CPUs", NOTE, f"none of {cpus}: other work may run on the loop's CPU", mend)


def _real_time_threads() -> Iterator[tuple[str, int, int]]:
    """Yield (process name, process id, priority) of each real-time thread on this computer.

    Threads of this process and of the kernel are left out.
    """
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid() or _parent(process) in (0, KERNEL_THREADS):
            continue
        for task in process.glob("task/[0-9]*"):
            with suppress(OSError):
                if os.sched_getscheduler(int(task.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                    priority = os.sched_getparam(int(task.name)).sched_priority
                    yield _text(process / "comm"), int(process.name), priority


def _others(threads: list[tuple[str, int, int]]) -> Finding:
    names = {f"{name} ({number})" for name, number, priority in threads if priority >= LOOP_PRIORITY}
    if not names:
        return Finding("other real-time threads", OK, f"none at SCHED_FIFO {LOOP_PRIORITY} or above")
    found = f"at SCHED_FIFO {LOOP_PRIORITY} or above: {', '.join(sorted(names)[:5])}{', ...' * (len(names) > 5)}"
    return Finding(
        "other real-time threads", WARNING, found, "raise the loop's priority (-p priority:=90) or lower these (chrt)"
    )


def _manager(threads: list[tuple[str, int, int]], asked: bool) -> Iterator[Finding]:
    running = {number: priority for name, number, priority in sorted(threads) if name == MANAGER}
    if running or asked:
        where = ", ".join(f"({number}) at SCHED_FIFO {priority}" for number, priority in running.items())
        highest = max(running.values(), default=MANAGER_PRIORITY)
        order = "preempts it" if highest < LOOP_PRIORITY else "waits for it"
        found = f"controller_manager {where or f'at SCHED_FIFO {MANAGER_PRIORITY}, its default'}: "
        found += f"a node's loop, at {LOOP_PRIORITY}, {order} on the same CPU"
        mend = f"two CPUs: -p cpu:=N, and its cpu_affinity; or the manager first: -p priority:={max(highest - 5, 1)}"
        yield Finding("ros2_control", NOTE, found, mend)


def _parent(process: Path) -> int:
    """Return the id of a process's parent process; 0 if the process has ended.

    process : folder of the process in /proc
    """
    after_name = _text(process / "stat").rpartition(")")[2].split()
    return int(after_name[1]) if after_name else 0


def _clock() -> Finding:
    """Ask the kernel (adjtimex) whether the computer's clock is synchronised. Return a finding on the answer."""
    status = (ctypes.c_int64 * 26)()  # struct timex; modes 0: only read
    state = ctypes.CDLL(None).adjtimex(status)
    if state < 0:
        return Finding("clock", NOTE, "its state cannot be read here")
    flags = ctypes.cast(ctypes.addressof(status) + 40, ctypes.POINTER(ctypes.c_int32))[0]
    if not flags & UNSYNCHRONISED:
        return Finding("clock", OK, "synchronised: stamps from other computers can be used")
    found = "not synchronised: ages by `stamp` from other computers would be wrong"
    return Finding("clock", NOTE, found, "sudo timedatectl set-ntp true, or chrony")


def _middleware(root: Path) -> Iterator[Finding]:
    if importlib.util.find_spec("rclpy") is None:
        fix = f"source /opt/ros/DISTRIBUTION/setup.bash, or take the wheels: {how_to_install('ros')}"
        yield Finding("ROS 2", ERROR, "rclpy is missing: no node starts", fix)
    else:
        name = os.environ.get("RMW_IMPLEMENTATION", "the default")
        yield Finding("ROS 2", OK, f"{os.environ.get('ROS_DISTRO') or 'rclpy is installed'}, middleware {name}")
    if text := _text(root / "proc/sys/net/core/rmem_max"):
        found = f"net.core.rmem_max is {int(text) >> 10} KiB"
        if int(text) >= BURSTS:
            yield Finding("socket buffers", OK, found)
        else:
            mend = f"sudo sysctl -w net.core.rmem_max={BURSTS}"
            yield Finding("socket buffers", NOTE, f"{found}: bursts of camera packets are lost", mend)


def _cache() -> Finding:
    from ..engine.code_cache import cache_folder, usable_folder

    folder = usable_folder()
    if folder is None:
        found = "there is no folder for them: each start compiles for half a minute"
        return Finding("compiled kernels", WARNING, found, KEEP)
    with suppress(RuntimeError):
        if folder == cache_folder():
            count = sum(1 for file in folder.rglob("*") if file.is_file())
            mend = "" if count else "snn_control check FILE compiles what FILE needs"
            return Finding("compiled kernels", OK if count else NOTE, f"{counted(count, 'file')} in {folder}", mend)
    return Finding("compiled kernels", WARNING, f"kept in {folder}, which a restart may empty", KEEP)
