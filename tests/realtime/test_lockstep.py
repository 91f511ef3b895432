"""The loop in lockstep: a tick runs when every input has arrived."""

from __future__ import annotations

import ctypes
import time

import numpy as np
import pytest

from snn_control.engine.slots import SLOT_WORDS
from snn_control.realtime.loop import Loop
from snn_control.realtime.ports.memory import ReplayInput
from tests.realtime import ticks
from tests.realtime.record_output import RecordOutput
from tests.realtime.released_input import ReleasedInput
from tests.realtime.rig import MS, Rig, tried_again, until, value_input

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
    assert a.position == 1  # one per tick, whatever waits
    send(rig, b)
    until(lambda: a.position == 2)
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
    a, b = value_input([1] * 9999, name="a", available=1), value_input([1] * 9999, name="b", available=0)
    rig = lockstep(a, b, timeout_s=0.06)
    rig.loop.start()
    until(lambda: rig.loop.stats()["timeouts"] >= 2)
    stats = rig.loop.stats()
    assert stats["starved"]
    assert stats["waiting"] == ("b",)
    assert stats["inputs"]["b"]["timeouts"] >= 2
    assert stats["inputs"]["a"]["timeouts"] == 0
    assert rig.loop.alive(0.2)  # waiting is not hanging

    def fed():
        send(rig, a)
        send(rig, b)
        return not rig.loop.stats()["starved"]

    until(fed)
    assert rig.loop.ticks >= 1
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
