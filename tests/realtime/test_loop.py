"""The loop: deadlines, ages, errors of ports, observers. Real threads, real clocks, real processes."""

from __future__ import annotations

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

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit
from numba.core.runtime import _nrt_python, rtsys

from snn_control.engine.slots import ARRIVAL, SLOT_WORDS
from snn_control.errors import DescriptionError, RuntimeFault
from snn_control.realtime.cycle import next_deadline
from snn_control.realtime.loop import Loop
from snn_control.realtime.port import MODES
from snn_control.realtime.table import MISSED, OVERRUNS, PERIOD, TABLE_WORDS
from tests.realtime import ticks
from tests.realtime.record_output import RecordOutput
from tests.realtime.rig import MS, ROOT, Rig, tried_again, until, value_input

compiled_next_deadline = njit(next_deadline)


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
    assert stats["missed"] >= 1.5 * (stats["ticks"] - 2)
    assert stats["ticks"] + stats["missed"] <= periods + 3
    assert stats["tick"]["p50"] >= 2.4 * MS


@pytest.mark.timed
@tried_again
def test_after_a_tick_that_ends_late_the_next_begins_at_once_but_not_time_after_time():
    table = np.array([0, int(1.3 * MS), 1, 0, 0], np.int64)
    rig = Rig(tick="busy", table=table)
    rig.run(0.2)
    between = np.diff(rig.record.read()[1][:-1]) / MS  # ends at 1.3, 2.6 (begun late), 4.3 (on the grid again), 5.6
    assert np.median(between[between < 1.5]) == pytest.approx(1.3, abs=0.1)
    assert np.median(between[between > 1.5]) == pytest.approx(1.7, abs=0.1)
    assert abs(np.sum(between < 1.5) - np.sum(between > 1.5)) <= 0.2 * len(between)


@given(late=st.integers(0, 6 * MS), took=st.integers(0, 4 * MS))
@example(late=7 * MS // 2, took=MS // 10)  # a stall, within a period
@example(late=79 * MS // 20, took=MS // 10)  # the tick after it ends in the next
@example(late=0, took=7 * MS // 2)  # a stall in a publication
def test_each_period_has_one_tick_or_was_missed_and_none_is_made_up_for(late, took):
    deadline, table = 30 * MS, np.zeros(TABLE_WORDS, np.int64)
    table[PERIOD] = MS
    after = compiled_next_deadline(table.ctypes.data, deadline, deadline + late, deadline + late + took)
    ticked, end, chosen = late // MS, late + took, (after - deadline) // MS  # periods after that of `deadline`
    assert after == deadline + chosen * MS
    assert chosen > ticked
    assert table[MISSED] == chosen - 1
    assert table[OVERRUNS] == (end > MS)
    begun = max(end // MS, ticked + 1)  # the period that the end lies in, if it is another one
    if late % MS <= MS // 4 or took <= MS // 2:
        assert chosen == begun
    else:
        assert chosen == max(-(-end // MS), ticked + 1)


STOPPED = """
import json, sys, time
from tests.realtime.rig import Rig
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
