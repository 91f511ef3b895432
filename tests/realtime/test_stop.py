"""How the loop ends: promptly, once, and with the safe command."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from snn_control.engine.control_words import LEARNING, WHOLE
from snn_control.engine.kernels.guard import GUARD_WORDS
from snn_control.engine.slots import ARRIVAL
from snn_control.errors import RuntimeFault
from snn_control.realtime import table as words
from snn_control.realtime.loop import Loop
from snn_control.realtime.port import FINAL, WITHHELD
from tests.realtime import ticks
from tests.realtime.record_output import RecordOutput
from tests.realtime.rig import MS, ROOT, Rig, tried_again, until, value_input

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


@pytest.mark.parametrize(("most", "faulty"), [(20, 1), (500, 0), (0, 0)])
def test_more_missed_ticks_than_the_limit_are_a_fault_of_the_next_tick(most, faulty):
    port = ticks.Port("publish_slowly")
    port.words[:3] = 0, 5, 60 * MS
    rig, _, _ = guarded([port], most_missed=most)
    rig.loop.start(ticks=8)
    until(lambda: not rig.loop.running)
    assert rig.loop.stop()
    assert rig.loop.stats()["missed"] >= 59
    assert rig.keep[1][0] == (7 - 100 if faulty else 8)


@pytest.mark.parametrize(("limit_ms", "withheld"), [(20, 1), (500, 0), (0, 0)])
def test_a_command_whose_data_grew_too_old_meanwhile_is_withheld(limit_ms, withheld):
    """The thread is delayed within a tick: outputs are told not to publish the command; an observer sees a tick
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
    memory = np.zeros(words.TABLE_WORDS, np.int64)
    cells = RecordOutput(memory.ctypes.data + 8 * words.LAST_PERIOD, 1, 64, dtype=np.int64)
    rig, _, table = guarded([port, cells], period=5 * MS, memory=memory)
    rig.loop.start(ticks=40)
    until(lambda: not rig.loop.running)
    assert rig.loop.stop()
    periods = cells.read()[2][:40, 0]
    passed = periods[-1] - periods[0]
    assert passed >= 39 + 11
    assert table[5] == (passed + 1) * WHOLE


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
from tests.realtime.rig import Rig
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
    """A context manager that records the thread in which it was entered and left."""

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
