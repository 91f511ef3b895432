"""The watchdog, in separate processes: it handles signals while the interpreter is busy, and ends a loop that hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BEGIN = """
import ctypes, signal, sys, time
import numpy as np
from snn_control.realtime.loop import Loop
from snn_control.realtime.watchdog import Watchdog
from tests.realtime import ticks
from tests.realtime.rig import MS, Rig
dog = Watchdog([signal.SIGTERM, signal.SIGINT])
"""
BLOCKED = """
rigs = [Rig(halt=dog.halt), Rig(halt=dog.halt)]
for rig in rigs:
    rig.loop.start()
print("runs", flush=True)
ctypes.PyDLL(None).usleep(1_500_000)  # holds the interpreter's lock: no handler of Python's runs
print([(rig.loop.running, rig.record.read()[2][-1].tolist()) for rig in rigs], flush=True)
for rig in rigs:
    rig.loop.stop()
dog.close()
"""
HANGING = """
port = ticks.Port("publish_slowly")
port.words[:3] = 0, 50, 100_000 * MS
rig = Rig([], [port])
rig.loop.start()
other = Rig()
other.loop.start()
for one, limit, name, text in ((rig, 0.3, "a", "from outside"), (other, 60.0, "b", "also")):
    dog.guard(one.loop.table, limit, [sys.executable, "-c", f"import os; os.write(1, b'{text};')"], name)
print("runs", flush=True)
while True:
    ctypes.PyDLL(None).usleep(20_000_000)
"""
RUNNING = """
rig = Rig(halt=dog.halt)
rig.loop.start()
other = Rig(halt=dog.halt)
other.loop.start()
for one in (rig, other):
    dog.guard(one.loop.table, 0.1)
print("runs", flush=True)
time.sleep(0.5)
dog.release(other.loop.table)
other.loop.stop()
time.sleep(0.3)
dog.release(rig.loop.table)
rig.loop.stop()
dog.close()
print("done", flush=True)
"""
STUBBORN = """
dog.allow(1.0)
print("runs", flush=True)
while True:
    time.sleep(1)
"""


@pytest.fixture
def start():
    begun = []

    def make(text: str) -> subprocess.Popen:
        begun.append(
            subprocess.Popen(
                [sys.executable, "-c", BEGIN + text],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        assert begun[-1].stdout.readline() == "runs\n"
        return begun[-1]

    yield make
    for process in begun:
        process.kill()
        process.communicate()


def test_a_signal_stops_the_loop_while_the_interpreter_is_blocked(start):
    process = start(BLOCKED)
    process.send_signal(signal.SIGTERM)
    parted = (False, [-1.5, -2.5])  # before Python went on
    assert process.stdout.readline() == f"{[parted, parted]}\n"
    assert process.wait(30) == 0


@pytest.mark.parametrize("signals", [0, 2000])
def test_a_hanging_loop_is_ended_and_the_programs_of_all_are_started(start, signals):
    """Even a continuous series of signals does not prevent that."""
    process = start(HANGING)
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.003)
        if process.poll() is not None:
            break
    assert process.poll() is not None or not signals
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert sorted(out.split(";")) == ["", "also", "from outside"]
    assert err == "snn_control: a: the loop's heartbeat stopped for 0.3 s: ended\n"


def test_a_loop_that_runs_is_left_alone_and_so_is_a_process_that_was_paused(start):
    process = start(RUNNING)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.4)
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "done\n", "")


def test_a_process_that_does_not_obey_a_signal_is_ended(start):
    process = start(STUBBORN)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert time.monotonic() - begin > 0.9
    assert "did not end after a signal: ended by the watchdog" in err
