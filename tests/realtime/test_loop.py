"""The loop: deadlines, ages, lockstep, errors, stop. Real threads, real clocks, real processes."""

from __future__ import annotations

import ctypes
import functools
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numba import njit
from numba.core.runtime import _nrt_python, rtsys

from snn_control.engine.control import LEARNING
from snn_control.engine.kernels.outputs import GUARD_WORDS
from snn_control.engine.slots import ARRIVAL, SLOT_WORDS
from snn_control.errors import DescriptionError, RuntimeFault
from snn_control.realtime import table as words
from snn_control.realtime.loop import Loop
from snn_control.realtime.port import FINAL, MODES, WITHHELD
from snn_control.realtime.ports.memory import ReplayInput
from tests.realtime import ticks
from tests.realtime.record_output import RecordOutput
from tests.realtime.released_input import ReleasedInput

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000


class Rig:
    """A loop whose command (2 words) is the number of the tick, or what ``tick`` makes of the table."""

    loops: ClassVar[weakref.WeakSet[Loop]] = weakref.WeakSet()

    def __init__(self, inputs=(), outputs=(), tick="count_up", table=None, period=MS, capacity=4096, **options):
        self.command, self.safe = np.zeros(2), np.array([-1.5, -2.5])
        self.table = np.array([0, self.command.ctypes.data, 2], np.int64) if table is None else table
        self.record = RecordOutput(self.command.ctypes.data, 2, capacity)
        options = {"lock_memory": False} | options
        safe = [(self.command.ctypes.data, self.safe.ctypes.data, 2)]
        outputs = [*outputs, self.record]
        keep = (self.command, self.safe, self.table)
        self.loop = Loop(ticks.tick(tick), self.table.ctypes.data, period, inputs, outputs, safe, keep=keep, **options)
        Rig.loops.add(self.loop)

    def run(self, seconds: float) -> dict:
        self.loop.start()
        time.sleep(seconds)
        stats = self.loop.stats()
        assert self.loop.stop()
        return stats


@pytest.fixture(autouse=True)
def _stop_all():
    """A test that fails leaves no loop behind to disturb the next."""
    yield
    for loop in list(Rig.loops):
        loop.stop(5)


def tried_again(test):
    """A measurement that what else the machine does may spoil: one of three must be good."""

    @functools.wraps(test)
    def wrapper(*arguments, **named):
        for left in (2, 1, 0):
            try:
                return test(*arguments, **named)
            except AssertionError:
                if not left:
                    raise

    return wrapper


def value_input(fresh, stamps=None, name="input", available=None):
    slot = np.zeros(SLOT_WORDS + 1, np.int64)
    port = ReleasedInput(slot.ctypes.data, np.zeros((len(fresh), 1)), fresh=fresh, stamps=stamps, name=name)
    port.words = slot  # keeps it alive
    if available is not None:
        port.hold_back(available)
    return port


def until(condition, seconds=30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.001)


def hog(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(100))


# ---------------------------------------------------------------- realtime


@pytest.mark.timed
@pytest.mark.parametrize("hogged", [False, True], ids=["idle", "interpreter lock hogged"])
@tried_again
def test_deadlines_are_kept(hogged):
    rig, done = Rig(), threading.Event()
    thread = threading.Thread(target=hog, args=(done,), daemon=True)
    if hogged:
        thread.start()
    rights = rig.loop.start()
    try:
        if rights.priority == 0:
            pytest.skip(rights.warnings())
        time.sleep(0.6)
    finally:
        rig.loop.stop()
        done.set()
    stats = rig.loop.stats()
    assert stats["ticks"] >= 500
    assert stats["missed"] <= 0.1 * stats["ticks"]
    assert stats["wake"]["p50"] < MS / 2
    assert stats["wake"]["count"] == stats["tick"]["count"]


@pytest.mark.timed
@tried_again
def test_deadlines_stand_on_the_grid_with_its_phase():
    rig = Rig(period=5 * MS, phase_ns=2 * MS)
    stats = rig.run(0.3)
    times = rig.record.read()[1][:-1]
    late = (times - 2 * MS) % (5 * MS)  # of the publications, behind their deadlines
    assert len(times) >= 30
    assert np.median(late) < 2.5 * MS
    assert np.median(late) < stats["wake"]["p50"] + MS


@pytest.mark.timed
@tried_again
def test_a_slow_tick_skips_periods_and_keeps_the_grid():
    table = np.array([0, int(2.5 * MS), 1, 0, 0], np.int64)
    rig = Rig(tick="busy", table=table)
    begin = time.monotonic_ns()
    stats = rig.run(0.2)
    periods = (time.monotonic_ns() - begin) / MS
    assert stats["overruns"] == pytest.approx(stats["ticks"], abs=1)
    assert stats["missed"] >= 2 * (stats["ticks"] - 1)
    assert stats["ticks"] + stats["missed"] <= periods + 3
    assert stats["tick"]["p50"] >= 2.4 * MS


STOPPED = """
import json, sys, time
from tests.realtime.test_loop import Rig
rig = Rig()
print(rig.loop.start().priority, flush=True)
sys.stdin.readline()
rig.loop.stop()
stats = rig.loop.stats()
print(json.dumps([stats["ticks"], stats["missed"], stats["overruns"], rig.record.read()[1].tolist()]))
"""


@pytest.mark.timed
@tried_again
def test_a_stopped_process_skips_and_does_not_burst():
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        priority = int(process.stdout.readline())
        time.sleep(0.1)
        process.send_signal(signal.SIGSTOP)
        begin = time.monotonic_ns()
        time.sleep(0.05)
        stopped = (time.monotonic_ns() - begin) / MS
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
        text, _ = process.communicate("now\n", timeout=30)
    finally:
        process.kill()
        process.wait()
    n_ticks, missed, overruns, times = json.loads(text)
    times = np.array(times[:-1])  # the last is the final safe command
    assert overruns >= 1
    assert missed >= 0.8 * stopped
    elapsed = (times[-1] - times[0]) / MS
    assert n_ticks + missed == pytest.approx(elapsed, abs=20)
    # a burst would put more ticks into a window than it has deadlines
    for width in (3, 10, 30):
        in_window = np.searchsorted(times, times + width * MS) - np.arange(len(times))
        assert in_window.max() <= width + 1
    if priority:
        assert missed <= stopped + 20 + 0.2 * n_ticks


def test_ages_are_exact():
    port = ticks.Port("take_stamped")
    header = RecordOutput(port.slot, SLOT_WORDS, 4096, dtype=np.int64)
    rig = Rig([port], [header])
    rig.run(0.1)
    stats = rig.loop.stats()
    rows = header.read()[2][:-1]  # without the final one
    assert len(rows) > 10
    assert (rows[:, 1] == 12_345).all()
    assert stats["taken"] == stats["latency"]["count"] == len(rows)
    assert stats["latency"]["p50"] < 50 * MS
    assert stats["stamps_unrelated"] == 0


def test_ages_grow_with_the_clock_and_are_minus_one_before_the_first():
    port = value_input([0, 1, 0, 0, 0], stamps=[7] * 5)
    header = RecordOutput(port.slot, SLOT_WORDS, 64, dtype=np.int64)
    rig = Rig([port], [header])
    rig.loop.start(ticks=8)
    until(lambda: not rig.loop.running)
    assert rig.loop.stop()
    _, times, rows = header.read()
    ages, arrivals = rows[:8, 1], rows[:8, ARRIVAL]
    assert ages[:2].tolist() == [-1, 0]
    taken = arrivals[2:] + ages[2:]  # when the later ticks took
    assert (taken > times[1:7]).all()
    assert (taken <= times[2:8]).all()
    assert rig.loop.stats()["stamps_unrelated"] == 1


def test_no_allocation_in_ten_thousand_ticks():
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats()
    njit(lambda n: np.zeros(n).sum())(10)
    assert rtsys.get_allocation_stats() != before  # it would be seen
    port = value_input([1, 0] * 5000)
    for mode in ("free", "realtime"):
        rig = Rig([port], mode=mode, period=10_000 if mode == "realtime" else MS)
        rig.loop.run(10)
        before = rtsys.get_allocation_stats()
        rig.loop.run(10_000)
        assert rtsys.get_allocation_stats() == before
        assert rig.loop.ticks == 10_010


@pytest.mark.parametrize("mode", MODES)
def test_observers_are_called_after_each_tick_and_only_then(mode):
    rig = Rig()
    observer = RecordOutput(rig.command.ctypes.data, 2, 64)
    inputs = [value_input([1] * 20)]
    loop = Loop(
        ticks.tick("count_up"), rig.table.ctypes.data, MS, inputs, [rig.record],
        [(rig.command.ctypes.data, rig.safe.ctypes.data, 2)], observers=[observer], mode=mode, lock_memory=False,
    )  # fmt: skip
    Rig.loops.add(loop)
    loop.start(20)
    until(lambda: not loop.running)
    assert loop.stop()
    assert observer.read()[2][:, 0].tolist() == [*range(1, 21)]
    assert rig.record.read()[2][:, 0].tolist() == [*range(1, 21), -1.5]
    assert loop.stats()["published"] == 41


# ---------------------------------------------------------------- errors of ports


def test_errors_of_ports_are_counted_and_the_loop_goes_on():
    port, output = ticks.Port("take_failing", "bad"), ticks.Port("publish_failing")
    header = RecordOutput(port.slot, SLOT_WORDS, 64, dtype=np.int64)
    rig = Rig([port], [output, header], mode="free")
    rig.loop.run(20)
    stats = rig.loop.stats()
    assert stats["ticks"] == 20
    assert stats["take_errors"] == 10
    assert stats["last_take_error"] == -7
    assert stats["inputs"]["bad"] == {"taken": 10, "errors": 10, "timeouts": 0, "calls": 20}
    assert stats["publish_errors"] == 20
    assert stats["last_publish_error"] == 300
    assert stats["published"] == 40
    assert header.read()[2][:, 0].tolist() == [0, 1] * 10  # what failed is not fresh


def test_null_addresses_and_other_nonsense_are_refused():
    tick, table = ticks.tick("count"), np.zeros(1, np.int64)
    with pytest.raises(DescriptionError, match=r"tick\.address"):
        Loop(0, table.ctypes.data, MS)
    with pytest.raises(DescriptionError, match=r"safe\[0\]\.values"):
        Loop(tick, table.ctypes.data, MS, safe=[(8, 0, 1)])
    port = ticks.Port("take_nothing")
    port.slot = 0
    with pytest.raises(DescriptionError, match=r"inputs\[0\]\.slot"):
        Loop(tick, table.ctypes.data, MS, [port])
    with pytest.raises(DescriptionError, match="mode"):
        Loop(tick, table.ctypes.data, MS, mode="soft")
    with pytest.raises(DescriptionError, match="lockstep"):
        Loop(tick, table.ctypes.data, MS, mode="lockstep")


# ---------------------------------------------------------------- stop


@pytest.mark.timed
@pytest.mark.parametrize("mode", ["realtime", "lockstep"])
@tried_again
def test_stop_is_prompt_however_long_the_period(mode):
    port = value_input([1], available=0)
    rig = Rig([port], mode=mode, period=5_000 * MS)
    rig.loop.start()
    time.sleep(0.03)
    begin = time.monotonic()
    assert rig.loop.stop()
    assert time.monotonic() - begin < 0.05
    assert not rig.loop.running


def test_the_final_command_is_the_safe_one():
    rig = Rig()
    rig.run(0.05)
    commands = rig.record.read()[2]
    n = rig.loop.ticks
    assert commands[:, 0].tolist() == [*range(1, n + 1), -1.5]
    assert commands[-1].tolist() == [-1.5, -2.5]


@pytest.mark.timed
@pytest.mark.parametrize("step", [2, 0])
@tried_again
def test_ramping_outputs_reach_the_safe_values_at_their_slew_or_in_a_second(step):
    command, safe, period = np.zeros(1), np.zeros(1), 10 * MS
    control = np.full(LEARNING, 7, np.int64)
    table = np.array([control.ctypes.data, 0, command.ctypes.data, step, safe.ctypes.data, 0], np.int64)
    record = RecordOutput(command.ctypes.data, 1, 4096)
    address = table.ctypes.data
    loop = Loop(
        ticks.tick("count_up_or_ramp"), address, period, [], [record], [(command.ctypes.data, safe.ctypes.data, 1)],
        lock_memory=False, control=control.ctypes.data, ramps=True, keep=(command, safe, table, control),
    )  # fmt: skip
    assert control.tolist() == [0, 0, 7, 7]  # what a driver tells is cleared for the start
    Rig.loops.add(loop)
    loop.start(ticks=21)
    until(lambda: not loop.running)
    assert loop.stop()
    _, times, rows = record.read()
    commands = rows[:, 0].tolist()
    assert commands[:21] == [*range(1, 22)]
    assert commands[-1] == 0
    if step:
        assert commands[21:] == [*range(19, 0, -2), 0, 0]  # and the final safe command
        assert loop.ticks == 32
    else:  # it cannot be reached: the final safe command jumps
        assert set(commands[21:-1]) == {21}
        assert 0.8e9 < times[-2] - times[21] < 1.2e9
        assert times[-1] == FINAL


def guarded(outputs=(), **options) -> tuple[Rig, np.ndarray, np.ndarray]:
    """A loop with control words: up by 1, down by 100 while the driver reports a fault; rig, control, table."""
    control, command, safe = np.zeros(LEARNING, np.int64), np.zeros(2), np.array([-1e9])
    table = np.array([control.ctypes.data, 0, command.ctypes.data, 100, safe.ctypes.data, 0], np.int64)
    rig = Rig([], outputs, "count_up_or_ramp", table, control=control.ctypes.data, **options)
    rig.keep = control, command, safe
    return rig, control, table


@pytest.mark.parametrize(("budget", "slow"), [(0.02, 1), (10.0, 0), (0.0, 0)])
def test_a_publication_beyond_its_budget_is_counted_and_a_fault_of_the_next_tick(budget, slow):
    port = ticks.Port("publish_slowly")
    port.words[:3] = 0, 5, 60 * MS
    rig, _, _ = guarded([port], publish_budget_s=budget)
    rig.loop.start(ticks=8)
    until(lambda: not rig.loop.running)
    assert rig.loop.stop()
    stats = rig.loop.stats()
    assert stats["late_publications"] == slow
    assert stats["longest_publication_ns"] >= 60 * MS
    assert rig.keep[1][0] == (7 - 100 if slow else 8)


@pytest.mark.parametrize(("limit_ms", "withheld"), [(20, 1), (500, 0), (0, 0)])
def test_a_command_whose_data_grew_too_old_meanwhile_is_withheld(limit_ms, withheld):
    """The thread is held up within a tick: outputs are told that the command must not go out; an observer sees a tick
    as any other."""
    port = ticks.Port("take_stamped")
    port.limit_ns = limit_ms * MS
    guard, command = np.zeros(GUARD_WORDS, np.int64), np.zeros(2)
    table = np.array([0, 60 * MS, 5, 0, 0], np.int64)  # busy for 60 ms in every fifth tick
    observer = RecordOutput(command.ctypes.data, 1, 64)
    rig = Rig([port], [], "busy", table, period=5 * MS, guard=guard.ctypes.data, observers=[observer])
    rig.keep = guard, command
    rig.loop.start(ticks=6)
    until(lambda: not rig.loop.running)
    assert rig.loop.stop()
    assert rig.loop.stats()["withheld"] == withheld
    stamps, times, _ = rig.record.read()
    assert (times == WITHHELD).sum() == withheld
    assert times[-1] == FINAL
    seen_stamps, seen_times, _ = observer.read()
    assert seen_stamps.tolist() == stamps[:6].tolist()
    assert (np.diff(seen_times) > 0).all()
    assert (seen_times[times[:6] > 0] == times[times > 0]).all()


def test_the_guard_is_told_how_many_periods_passed_since_the_last_tick():
    port = ticks.Port("publish_slowly")
    port.words[:3] = 0, 5, 60 * MS
    rig, _, table = guarded([port], period=5 * MS)
    rig.loop.start(ticks=40)
    until(lambda: not rig.loop.running)
    assert rig.loop.stop()
    missed = rig.loop.stats()["missed"]
    assert missed >= 11
    assert table[5] == 40 + missed


def test_a_word_of_the_process_stops_the_loop_before_and_after_its_start():
    halt = np.zeros(1, np.int64)
    rig = Rig(halt=halt.ctypes.data)
    rig.loop.start()
    until(lambda: rig.loop.ticks > 3)
    halt[0] = 1
    until(lambda: not rig.loop.running)
    assert rig.record.read()[2][-1].tolist() == [-1.5, -2.5]
    assert rig.loop.stop()
    rig.record.clear()
    rig.loop.start()
    until(lambda: not rig.loop.running)
    assert rig.loop.stop()
    assert rig.loop.ticks == 0
    assert rig.record.read()[2].tolist() == [[-1.5, -2.5]]  # the safe command is the only one


def test_after_the_machine_slept_what_had_arrived_is_older_by_that():
    port = ticks.Port("take_nothing")
    rig = Rig([port])
    rig.loop.start()
    until(lambda: rig.loop.ticks > 3)
    port.words[4 + ARRIVAL] = time.monotonic_ns()
    rig.loop._table[words.ASLEEP] -= 20_000 * MS  # as if CLOCK_BOOTTIME had gone on for 20 s
    begun = rig.loop.ticks
    until(lambda: rig.loop.ticks > begun + 2)
    assert 20_000 * MS <= port.words[4 + 1] < 60_000 * MS
    assert rig.loop.stop()


def test_the_final_safe_command_needs_no_join():
    rig = Rig()
    rig.loop.start()
    time.sleep(0.02)
    rig.loop.stop(timeout=0)  # may not wait for it
    until(lambda: not rig.loop.running)
    assert rig.record.read()[2][-1].tolist() == [-1.5, -2.5]
    assert rig.loop.stop()


def test_the_exit_of_the_interpreter_ends_safely_too():
    script = """
from tests.realtime.test_loop import Rig
import time, atexit
rig = Rig()
atexit.register(lambda: print(rig.record.read()[2][-1].tolist(), rig.loop.running))
rig.loop.start()
time.sleep(0.05)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[-1.5, -2.5] False\n", done.stderr
    assert done.returncode == 0


def test_start_again_and_never_twice():
    rig = Rig()
    rig.run(0.02)
    rig.loop.start()
    with pytest.raises(RuntimeFault, match="stop it first"):
        rig.loop.start()
    with pytest.raises(RuntimeFault, match="stop it first"):
        rig.loop.reset()
    assert rig.loop.alive(1.0)
    assert rig.loop.stop()
    assert rig.loop.stop()
    assert not rig.loop.alive(1.0)


@pytest.mark.timed
def test_a_hanging_tick_is_not_alive():
    table = np.array([0, 400 * MS, 5, 0, 0], np.int64)  # the fifth tick hangs for 0.4 s
    rig = Rig(tick="busy", table=table, priority=0)
    rig.loop.start()
    until(lambda: rig.loop.ticks >= 4)
    until(lambda: not rig.loop.alive(0.1))
    assert rig.loop.running
    until(lambda: rig.loop.alive(0.1))  # it came back
    assert rig.loop.stop()


class Held:
    """A context manager that tells in which thread it was entered and left."""

    def __init__(self) -> None:
        self.entered = self.left = 0

    def __enter__(self) -> None:
        self.entered = threading.get_ident()

    def __exit__(self, *exc: object) -> None:
        self.left = threading.get_ident()


def test_what_the_ports_use_is_held_by_the_thread():
    held = Held()
    rig = Rig(hold=[held])
    rig.loop.start()
    assert held.entered not in (0, threading.get_ident())
    assert held.left == 0
    assert rig.loop.stop()
    assert held.left == held.entered


def test_a_thread_that_cannot_begin_says_so():
    class Broken(Held):
        def __enter__(self) -> None:
            raise OSError("the handle is gone")

    rig = Rig(hold=[Broken()])
    with pytest.raises(RuntimeFault, match="the handle is gone"):
        rig.loop.start()
    assert not rig.loop.running


# ---------------------------------------------------------------- lockstep


def lockstep(*ports, **options) -> Rig:
    return Rig(ports, mode="lockstep", **options)


def send(rig: Rig, port: ReleasedInput, n: int = 1) -> None:
    port.release(n)
    ctypes.CDLL(None).sem_post(ctypes.c_void_p(rig.loop.semaphore))


def test_lockstep_ticks_when_every_input_has_come():
    a, b = value_input([1] * 9, name="a", available=0), value_input([1] * 9, name="b", available=0)
    rig = lockstep(a, b)
    assert rig.loop.start().priority == 0
    send(rig, a, 3)
    until(lambda: rig.loop.waiting() == ("b",))
    time.sleep(0.03)
    assert rig.loop.ticks == 0
    assert a.position == 1  # one a tick, whatever waits
    send(rig, b)
    until(lambda: rig.loop.ticks == 1)
    time.sleep(0.03)
    assert rig.loop.ticks == 1
    assert a.position == 2
    send(rig, b, 2)
    until(lambda: rig.loop.ticks == 3)
    assert rig.loop.stop()
    assert rig.record.read()[2][:, 0].tolist() == [1, 2, 3, -1.5]


@pytest.mark.timed
@tried_again
def test_lockstep_is_as_fast_as_its_messages_and_free_running_to_the_bit():
    fresh = np.random.default_rng(3).integers(0, 3, 2000)
    commands = {}
    for mode in ("lockstep", "free"):
        slot, command = np.zeros(SLOT_WORDS + 1, np.int64), np.zeros(2)
        values = np.random.default_rng(4).normal(size=(len(fresh), 1))
        port = ReplayInput(slot.ctypes.data, values, fresh=fresh, stamps=np.arange(len(fresh)) * MS)
        recorder = RecordOutput(command.ctypes.data, 2, 4096)
        table = np.array([slot.ctypes.data, command.ctypes.data, 2, 0], np.int64)
        loop = Loop(ticks.tick("follow"), table.ctypes.data, MS, [port], [recorder], mode=mode)
        begin = time.monotonic()
        loop.run(len(fresh))
        assert time.monotonic() - begin < 1
        commands[mode] = [part.tobytes() for part in recorder.read()[::2]]
    assert commands["lockstep"] == commands["free"]


@pytest.mark.timed
def test_lockstep_names_the_missing_input_and_goes_on():
    a, b = value_input([1] * 4, name="a", available=0), value_input([1] * 4, name="b", available=0)
    rig = lockstep(a, b, timeout_s=0.06)
    rig.loop.start()
    send(rig, a)
    until(lambda: rig.loop.stats()["timeouts"] >= 2)
    stats = rig.loop.stats()
    assert stats["starved"]
    assert stats["waiting"] == ("b",)
    assert stats["inputs"]["b"]["timeouts"] >= 2
    assert stats["inputs"]["a"]["timeouts"] == 0
    assert rig.loop.alive(0.2)  # waiting is not hanging
    send(rig, b)
    until(lambda: rig.loop.ticks == 1)
    assert not rig.loop.stats()["starved"]
    assert rig.loop.stop()


def test_lockstep_ages_count_periods():
    a = value_input([0, 1, 0, 0, 2], stamps=[-1, 10, -1, -1, 40])
    header = RecordOutput(a.slot, SLOT_WORDS, 16, dtype=np.int64)
    Rig([a], [header], mode="lockstep", period=10).loop.run(5)
    stamps, _, rows = header.read()
    assert rows[:, 1].tolist() == [-1, 0, 10, 20, 0]
    assert stamps.tolist() == [0, 10, 20, 30, 40]  # of a tick without a stamp: a period after the last


def test_lockstep_with_different_stamps_takes_the_newest_and_makes_the_other_old():
    a = value_input([1] * 5, stamps=[0, 10, 20, 30, 0], name="a")
    b = value_input([1] * 5, stamps=[0, 0, 20, 37, 0], name="b")
    ages = [RecordOutput(port.slot, SLOT_WORDS, 16, dtype=np.int64) for port in (a, b)]
    rig = Rig([a, b], ages, mode="lockstep", period=10)
    rig.loop.run(5)
    stats = rig.loop.stats()
    assert stats["ticks"] == 5
    assert stats["stamp_mismatch"] == 2
    assert stats["stamp_backwards"] == 1  # the last: the sender began again
    assert [record.read()[2][:, 1].tolist() for record in ages] == [[0, 0, 0, 7, 0], [0, 10, 0, 0, 0]]
    assert rig.record.read()[0].tolist() == [0, 10, 20, 37, 0]


def test_lockstep_does_not_wait_for_a_message_that_failed():
    port = ticks.Port("take_failing")
    rig = lockstep(port)
    rig.loop.run(3)  # every other call fails: nothing came, asked again
    assert rig.loop.stats()["take_errors"] == 3
    assert rig.loop.stats()["inputs"]["port"]["taken"] == 3


@pytest.mark.timed
@tried_again
def test_old_posts_do_not_keep_the_loop_busy():
    port = ticks.Port("take_nothing", "silent")
    rig = lockstep(port)
    for _ in range(50_000):
        ctypes.CDLL(None).sem_post(ctypes.c_void_p(rig.loop.semaphore))
    rig.loop.start()
    time.sleep(0.1)
    assert rig.loop.stop()
    assert 2 <= port.words[1] <= 50  # one look for all posts, then one every 20 ms


@pytest.mark.parametrize("mode", MODES)
def test_an_input_is_told_the_mode(mode):
    port = ticks.Port("take_nothing", "silent")
    port.words[2] = -1
    rig = Rig([port], mode=mode)
    rig.loop.start()
    until(lambda: port.words[1] > 0)
    assert rig.loop.stop()
    assert port.words[2] == MODES[mode]


def test_a_loop_that_everybody_forgot_lives_until_it_is_stopped():
    rig = Rig()
    rig.loop.start()
    loop, table = weakref.ref(rig.loop), weakref.ref(rig.table)
    del rig
    gc.collect()
    assert table() is not None
    assert loop().stop()
    gc.collect()
    assert loop() is None
    assert table() is None


def test_of_two_threads_that_start_it_one_does():
    rig = Rig()
    for _ in range(20):
        gate, ends = threading.Barrier(2), []

        def start(gate=gate, ends=ends):
            gate.wait()
            try:
                rig.loop.start()
                ends.append("runs")
            except RuntimeFault as error:
                ends.append(str(error))

        threads = [threading.Thread(target=start) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ends)[1] == "runs"
        assert ends.count("runs") == 1
        assert "control loop: start while" in sorted(ends)[0]
        assert sum(thread.name == "control loop" for thread in threading.enumerate()) == 1
        assert rig.loop.stop()


def test_a_loop_that_ended_by_itself_is_forgotten():
    alive = []
    for _ in range(3):
        rig = Rig()
        rig.loop.start(3)
        until(lambda rig=rig: rig.loop._thread is not None and not rig.loop._thread.is_alive())
        alive.append(weakref.ref(rig.loop))
        del rig
    gc.collect()
    assert [loop() for loop in alive] == [None] * 3


def test_a_fork_does_not_say_that_it_runs():
    rig = Rig()
    rig.loop.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it has threads: that is what is tested
        child = os.fork()
    if child == 0:
        os._exit(rig.loop.running or rig.loop.alive(10.0) or rig.loop.stats()["running"])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert rig.loop.running
    assert rig.loop.stop()


def test_a_stop_before_the_thread_is_there_stops_it(monkeypatch):
    rig, begin = Rig(), threading.Thread.start

    def start(thread):
        if thread.name == "control loop":
            assert rig.loop.stop() is False  # as a signal's handler may
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    rig.loop.start()
    until(lambda: not rig.loop.running)
    assert rig.loop.stop()
    assert rig.command.tolist() == rig.safe.tolist()
