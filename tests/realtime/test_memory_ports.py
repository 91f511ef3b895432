"""Replay and recording ports, driven by the loop in its free mode."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.engine.slots import SLOT_WORDS
from snn_control.errors import DescriptionError
from snn_control.realtime.loop import Loop
from snn_control.realtime.ports.memory import ReplayInput
from tests.realtime import ticks
from tests.realtime.record_output import RecordOutput
from tests.realtime.rig import Rig

PERIOD = 1_000_000
TICKS = 300_000


def make_loop(inputs, outputs, mode="free", **options):
    table = np.zeros(5, np.int64)
    return Loop(ticks.tick("count"), table.ctypes.data, PERIOD, inputs, outputs, mode=mode, keep=table, **options)


def test_values_fresh_ages_and_stamps():
    slot = np.zeros(SLOT_WORDS + 2, np.int64)
    values = np.arange(10.0).reshape(5, 2)
    replay = ReplayInput(slot.ctypes.data, values, fresh=[0, 2, 0, 0, 1], stamps=[5, 6, 7, 8, 9], name="joints")
    headers = RecordOutput(slot.ctypes.data, SLOT_WORDS, 8, dtype=np.int64)
    data = RecordOutput(slot[SLOT_WORDS:].ctypes.data, 2, 8)
    make_loop([replay], [headers, data]).run(6)
    stamps, times, rows = headers.read()
    fresh, age, _, _, stamp, arrival = rows.T[:6]
    assert fresh.tolist() == [0, 2, 0, 0, 1, 0]
    assert age.tolist() == [-1, 0, PERIOD, 2 * PERIOD, 0, PERIOD]
    assert stamp.tolist() == [-1, 6, 6, 6, 9, 9]
    assert arrival.tolist() == [-1, PERIOD, PERIOD, PERIOD, 4 * PERIOD, 4 * PERIOD]
    assert times.tolist() == [k * PERIOD for k in range(6)]
    assert stamps[1] == 6
    np.testing.assert_array_equal(data.read()[2][1:], values[[1, 1, 1, 4, 4]])
    assert replay.counters() == {"delivered": 5, "dropped": 0}


def test_recorded_ages_are_replayed_as_they_were():
    slot = np.zeros(SLOT_WORDS + 1, np.int64)
    ages = [-1, 17, 1_000_017, 3]
    replay = ReplayInput(slot.ctypes.data, np.zeros((4, 1)), fresh=[0, 1, 0, 1], ages=ages)
    headers = RecordOutput(slot.ctypes.data, SLOT_WORDS, 8, dtype=np.int64)
    make_loop([replay], [headers]).run(4)
    assert headers.read()[2][:, 1].tolist() == ages


def test_events_are_cut_at_the_capacity_and_counted():
    capacity = 4
    slot, t = np.zeros(SLOT_WORDS, np.int64), np.zeros(capacity, np.int64)
    x, y, p = np.zeros(capacity, np.uint16), np.zeros(capacity, np.uint16), np.zeros(capacity, np.uint8)
    addresses = (t.ctypes.data, x.ctypes.data, y.ctypes.data, p.ctypes.data)
    offsets = [0, 2, 2, 8]
    source = np.arange(8)
    replay = ReplayInput(
        slot.ctypes.data, [offsets, source * 10, source, source + 60_000, source % 2], addresses, capacity
    )
    headers = RecordOutput(slot.ctypes.data, SLOT_WORDS, 8, dtype=np.int64)
    times = RecordOutput(t.ctypes.data, capacity, 8, dtype=np.int64)
    make_loop([replay], [headers, times]).run(4)
    fresh, age, count, dropped = headers.read()[2].T[:4]
    assert fresh.tolist() == [1, 0, 1, 0]
    assert count.tolist() == [2, 0, 4, 0]
    assert dropped.tolist() == [0, 0, 2, 0]
    assert age.tolist() == [0, PERIOD, 0, PERIOD]
    assert times.read()[2][2].tolist() == [20, 30, 40, 50]
    assert x.tolist() == [2, 3, 4, 5]
    assert y.tolist() == [60_002, 60_003, 60_004, 60_005]
    assert p.tolist() == [0, 1, 0, 1]
    assert replay.counters()["dropped"] == 2


def test_a_replay_can_be_repeated_to_the_bit():
    slot, command = np.zeros(SLOT_WORDS + 1, np.int64), np.zeros(3)
    values = np.random.default_rng(0).normal(size=(50, 1))
    replay = ReplayInput(slot.ctypes.data, values, fresh=np.arange(50) % 3 == 0)
    recorder = RecordOutput(command.ctypes.data, 3, 100)
    table = np.array([slot.ctypes.data, command.ctypes.data, 3, 0], np.int64)
    loop = Loop(ticks.tick("follow"), table.ctypes.data, PERIOD, [replay], [recorder], mode="free")
    loop.run(20)
    loop.run(30)  # continues where it ended
    first = recorder.read()[2]
    loop.reset()
    replay.rewind()
    recorder.clear()
    loop.run(50)
    assert len(first) == 50
    assert first.tobytes() == recorder.read()[2].tobytes()


def test_the_ring_is_bounded_and_counts():
    command = np.zeros(2)
    table = np.array([0, command.ctypes.data, 2], np.int64)
    recorder = RecordOutput(command.ctypes.data, 2, 16)
    Loop(ticks.tick("count_up"), table.ctypes.data, PERIOD, [], [recorder], mode="free").run(100)
    assert recorder.read()[2][:, 0].tolist() == list(range(85, 101))
    assert recorder.counters() == {"published": 100, "dropped": 84}


def test_the_ring_is_never_torn_while_the_loop_writes():
    n = 64
    command = np.zeros(n)
    table = np.array([0, command.ctypes.data, n], np.int64)
    recorder = RecordOutput(command.ctypes.data, n, 4096)
    loop = Loop(ticks.tick("count_up"), table.ctypes.data, PERIOD, [], [recorder], mode="free")
    Rig.loops.add(loop)
    loop.start()
    seen = 0
    while seen < 20_000:
        rows = recorder.read()[2]
        assert (rows == rows[:, :1]).all()
        assert (np.diff(rows[:, 0]) == 1).all()
        seen += len(rows)
    assert loop.stop()
    last = recorder.read()[2][-2:, 0]
    assert last[0] == last[1]  # published once more as the final one


def test_wrong_shapes_are_refused():
    slot = np.zeros(SLOT_WORDS + 1, np.int64)
    address = slot.ctypes.data
    with pytest.raises(DescriptionError, match=r"joints\.values"):
        ReplayInput(address, np.zeros(3), name="joints")
    with pytest.raises(DescriptionError, match="stamps"):
        ReplayInput(address, np.zeros((3, 1)), stamps=[1])
    with pytest.raises(DescriptionError, match="offsets"):
        ReplayInput(address, [[0, 9], [1], [1], [1], [1]], (1, 1, 1, 1), 4)
    with pytest.raises(DescriptionError, match="capacity"):
        ReplayInput(address, [[0, 1], [1], [1], [1], [1]], (1, 1, 1, 1), -1)


def test_no_record_beyond_the_last_is_ever_there():
    slot = np.zeros(SLOT_WORDS + 1, np.int64)
    replay = ReplayInput(slot.ctypes.data, np.zeros((3, 1)))
    for _ in range(2):
        make_loop([replay], []).run(9)
        assert replay.counters()["delivered"] == 3
        replay.rewind()
    assert replay.counters()["delivered"] == 0
