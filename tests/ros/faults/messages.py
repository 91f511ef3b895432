"""Faults of the sensor and of what it sends, one after the other to one node that runs all the time."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.ros.faults.rig import FROZEN, SAFE, STALE, Listener, Rig, Stalls, Verdict, age_of, beyond, tell

__all__ = ["MESSAGES", "PROCESSES", "judged", "settled"]

#: fault -> mode of the sensor, and when the safe command is due: after the first bad sample, after the last good one
MESSAGES: dict[str, tuple[str, str, float]] = {
    "NaN": ("nan", "first", 0.0),
    "infinity": ("inf", "first", 0.0),
    "out of range": ("implausible", "first", 0.0),
    "stamps of the past": ("late", "last", STALE),  # older than one before: ignored
    "frozen numbers": ("frozen_", "last", FROZEN),
    "silence": ("silent", "last", STALE),
    "stamps of the future": ("early", "last", STALE),
    "oversized messages": ("oversized", "last", STALE),
    "truncated bytes": ("truncated", "last", STALE),
    "random bytes": ("bytes_", "last", STALE),
    "another layout": ("layout", "last", STALE),
    "arrays that are too short": ("empty", "last", STALE),
    "another type on the topic": ("silent_type", "last", STALE),
    "incompatible QoS": ("silent_qos", "last", STALE),
    "reordered messages": ("reordered", "", 0.0),
    "messages three times": ("duplicated", "", 0.0),
    "100 times the rate": ("flood", "", 0.0),
}


def settled(listener: Listener, begin: float, seconds: float = 20.0) -> bool:
    """Wait for a command after a moment that is not the safe one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rows = listener.since(begin)
        if (rows[:, 1] != SAFE).any():
            return True
        time.sleep(0.02)
    return False


def numbers_of(pid: int) -> tuple[int, int, int]:
    """Resident memory [bytes], file descriptors and threads of a process."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return resident, len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))


@contextmanager
def judged(verdict: Verdict, listener: Listener, stalls: Stalls, rig: Rig, node: subprocess.Popen) -> Iterator[None]:
    """A context in which faults are injected; what was commanded meanwhile is judged at its end."""
    begin, before = time.time(), numbers_of(node.pid)
    yield
    if node.poll() is not None:
        verdict.wrong.append(f"the node ended with {node.poll()}: {rig.log.read_text()[-500:]}")
        return
    if not settled(listener, time.time()):
        verdict.wrong.append("no command after the fault")
    after = numbers_of(node.pid)
    rows = listener.since(begin)
    verdict.commands += len(rows)
    verdict.broken += beyond(rows, stalls)
    verdict.oldest = max(verdict.oldest, age_of(rows, rig.zero, stalls))
    for name, a, b in (("descriptors", before[1], after[1]), ("threads", before[2], after[2])):
        if b > a:
            verdict.wrong.append(f"{b - a} {name} more")
    verdict.grown = after[0] - before[0]


def last_live(rows: np.ndarray, due: float, stalls: Stalls) -> float:
    """From a moment to the last command after it that is not the safe one [s], without stalls of the machine."""
    live = rows[(rows[:, 1] != SAFE) & (rows[:, 0] > due)]
    if not len(live):
        return 0.0
    return float(live[-1, 0] - due - stalls.within(due - 0.002, live[-1, 0]))


def message(mode: str, since: str, limit: float) -> Callable[..., Verdict]:
    """The injection of a fault of messages."""

    def inject(rig: Rig, listener: Listener, stalls: Stalls, node: subprocess.Popen, sensor: subprocess.Popen,
               times: int, random_: random.Random) -> Verdict:  # fmt: skip
        verdict = Verdict(times)
        with judged(verdict, listener, stalls, rig, node):
            for _ in range(times):
                time.sleep(random_.uniform(0.1, 0.3))
                begun = tell(sensor, mode)
                time.sleep(limit + random_.uniform(0.06, 0.3))
                back = tell(sensor, "good")
                if since:
                    due = begun[since] + limit
                    verdict.note(last_live(listener.since(due, back["first"]), due, stalls))
                if not settled(listener, back["first"]):
                    verdict.wrong.append(f"no command after {mode}")
        return verdict

    return inject


def sensor_killed(rig, listener, stalls, node, sensor, times, random_):
    """SIGKILL to the sensor, and another one in its place."""
    verdict = Verdict(times)
    with judged(verdict, listener, stalls, rig, node):
        for k in range(times):
            time.sleep(random_.uniform(0.1, 0.3))
            sensor.kill()
            killed = time.time()
            time.sleep(STALE + random_.uniform(0.06, 0.3))
            verdict.note(last_live(listener.since(killed + STALE), killed + STALE, stalls))
            back, sensor = time.time(), rig.sensor(("", "UDPv4")[k % 2])
            tell(sensor, "good")
            if not settled(listener, back):
                verdict.wrong.append("no command of a new sensor")
    rig.current = sensor
    return verdict


def sensor_paused(rig, listener, stalls, node, sensor, times, random_):
    """SIGSTOP to the sensor, and SIGCONT."""
    verdict = Verdict(times)
    with judged(verdict, listener, stalls, rig, node):
        for _ in range(times):
            time.sleep(random_.uniform(0.1, 0.3))
            sensor.send_signal(signal.SIGSTOP)
            stopped = time.time()
            time.sleep(STALE + random_.uniform(0.06, 0.5))
            back = time.time()
            verdict.note(last_live(listener.since(stopped + STALE, back), stopped + STALE, stalls))
            sensor.send_signal(signal.SIGCONT)
            if not settled(listener, back):
                verdict.wrong.append("no command after a pause")
    return verdict


def node_paused(rig, listener, stalls, node, sensor, times, random_):
    """SIGSTOP to the node while the sensor goes on, is silent, or stops too; data that waited must not be used."""
    verdict = Verdict(times)
    with judged(verdict, listener, stalls, rig, node):
        for k in range(times):
            time.sleep(random_.uniform(0.1, 0.3))
            node.send_signal(signal.SIGSTOP)
            time.sleep(random_.uniform(0.005, 0.08))
            if k % 3 == 1:
                tell(sensor, "silent")
            elif k % 3 == 2:
                sensor.send_signal(signal.SIGSTOP)
            time.sleep(random_.choice((0.06, 0.3, 1.0)))
            node.send_signal(signal.SIGCONT)
            time.sleep(0.2)
            if k % 3 == 2:
                sensor.send_signal(signal.SIGCONT)
            back = tell(sensor, "good")["first"]
            if not settled(listener, back):
                verdict.wrong.append("no command after a pause")
    return verdict


HOG = """
import os, sys, time
os.sched_setaffinity(0, [int(sys.argv[1])])
if int(sys.argv[3]):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(int(sys.argv[3])))
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    pass
"""


def load(priority: int, count: int, seconds: float) -> Callable[..., Verdict]:
    """Busy processes on all cores, at a SCHED_FIFO priority or at ordinary priority."""

    def inject(rig, listener, stalls, node, sensor, times, random_):
        verdict, cores = Verdict(times), sorted(os.sched_getaffinity(0))
        with judged(verdict, listener, stalls, rig, node):
            for _ in range(times):
                time.sleep(random_.uniform(0.1, 0.3))
                hogs = [rig.python(HOG, cores[k % len(cores)], seconds, priority) for k in range(count)]
                for hog in hogs:
                    hog.wait()
            time.sleep(0.2)
        return verdict

    return inject


def ten_publishers(rig, listener, stalls, node, sensor, times, random_):
    """Nine more sensors on the topic that say NaN, in turns with the good one, then are killed."""
    verdict = Verdict(times)
    others = [rig.sensor() for _ in range(9)]
    for one in others:
        tell(one, "silent")
    with judged(verdict, listener, stalls, rig, node):
        for _ in range(times):
            for one in others:
                tell(one, "nan")
            time.sleep(random_.uniform(0.1, 0.3))
            for one in others:
                back = tell(one, "silent")["first"]
            if not settled(listener, back):
                verdict.wrong.append("no command after ten publishers")
    for one in others:
        one.kill()
    return verdict


READER = """
import os, sys, rclpy
from geometry_msgs.msg import TwistStamped
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        rclpy.init()
        node = rclpy.create_node("reader")
        got = node.create_subscription(TwistStamped, "drive", lambda m: None, 10)
        rclpy.spin(node)
    print(child, flush=True)
    while os.waitpid(-1, os.WNOHANG)[0] if child else 0:
        pass
"""


def readers(rig, listener, stalls, node, sensor, times, random_):
    """Readers of the commands killed, some of them stopped first, over the default transport."""
    verdict = Verdict(times)
    server = rig.python(READER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    begin = time.time()
    with judged(verdict, listener, stalls, rig, node):
        for _ in range(-(-times // 6)):
            pids = []
            for _ in range(6):
                server.stdin.write("\n")
                server.stdin.flush()
                pids.append(int(server.stdout.readline()))
            time.sleep(0.8)
            for pid in pids:
                time.sleep(random_.uniform(0.0, 0.05))
                if random_.random() < 0.25:
                    os.kill(pid, signal.SIGSTOP)
                    time.sleep(random_.uniform(0.0, 0.2))
                os.kill(pid, signal.SIGKILL)
    pairs = itertools.pairwise(listener.since(begin)[:, (0, 3)])  # where none was lost between them
    gaps = [b - a - stalls.within(a, b) for (a, k), (b, after) in pairs if after - k == 1]
    if max(gaps) > 0.02:
        verdict.wrong.append(f"a gap of {max(gaps) * 1e3:.1f} ms")
    return verdict


#: fault -> its injection
PROCESSES = {
    "sensor killed (SIGKILL)": sensor_killed,
    "sensor paused (SIGSTOP)": sensor_paused,
    "node paused (SIGSTOP)": node_paused,
    "four busy processes": load(0, 4, 0.3),
    "SCHED_FIFO 90 on all cores for 0.1 s": load(90, len(os.sched_getaffinity(0)), 0.1),
    "ten publishers, nine say NaN": ten_publishers,
    "readers of the commands killed": readers,
}
