"""When the packet receiver gives the events of a packet."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.engine import slots
from snn_control.realtime.port import LOCKSTEP
from snn_control.realtime.ports.packet_receiver import Pacing
from tests.realtime.packets import MS, Rig, evt3_words

# ---------------------------------------------------------------- pace


def test_sensor_pace_spreads_a_packet_over_the_ticks_that_it_lasts():
    t = 1_000_000 + np.arange(0, 10_000, 100)  # 10 ms, ten events a ms
    rig = Rig(4096, Pacing("sensor"))
    zeros = np.zeros(len(t), np.int64)
    rig.queue.push(evt3_words(t, zeros, zeros, zeros), "evt3", arrival=500 * MS, stamp=77)
    counts, fresh = [], []
    for k in range(12):
        _, f, _, rows = rig.take(500 * MS + k * MS)
        counts.append(len(rows))
        fresh.append(f)
        assert rig.counters["waiting"] == (k < 10)
    assert counts == [1, *[10] * 9, 9, 0]
    assert fresh == [1] * 11 + [0]
    assert rig.header[slots.STAMP] == 77
    assert rig.header[slots.ARRIVAL] == 500 * MS


def test_arrival_pace_gives_all_at_once():
    t = 1_000_000 + np.arange(0, 10_000, 100)
    rig = Rig(4096)
    rig.queue.push(evt3_words(t, t * 0, t * 0, t * 0), "evt3", arrival=500 * MS)
    assert len(rig.take(500 * MS)[3]) == 100


def test_the_mapping_follows_the_fastest_packet_and_lets_go_slowly():
    rig = Rig(4096, Pacing("sensor"))

    def first_due(t_us, arrival):
        """When an event that came with its own packet is given, ticks of 10 us."""
        rig.queue.push(evt3_words([t_us, t_us + 1000], [1, 2], [1, 1], [0, 1]), "evt3", arrival=arrival)
        for k in range(300):
            rows = rig.take(arrival + k * 10_000)[3]
            if 2 in rows[:, 1]:
                return arrival + k * 10_000
        pytest.fail("never due")

    assert first_due(10_000, 100 * MS) == 101 * MS
    # 0.5 ms late: the second event is due when the first packet's mapping says so
    assert abs(first_due(20_000, 110 * MS + MS // 2) - 111 * MS) <= 20_000
    # 0.3 ms faster: the mapping takes it at once
    assert abs(first_due(30_000, 120 * MS - 300_000) - (121 * MS - 300_000)) <= 10_000
    assert rig.counters["jumps"] == 0


def delays(rig, fast: float, seconds: int = 10) -> np.ndarray:
    """How long after its packet's arrival each event was given [ns], with a sensor's clock ``fast`` times the host's.

    Packets of 4 ms of the host's time, an event in each half millisecond of it, all delayed by 0.7 ms.
    """
    given, arrivals, now = [], [], 10**9
    for k in range(250 * seconds):
        begin, arrival = 10**9 + 4 * MS * k, 10**9 + 4 * MS * (k + 1) + 700_000
        t = np.rint(fast * (begin + np.arange(0, 4 * MS, MS // 2)) / 1000).astype(np.int64)
        while now < arrival:
            given += [now] * len(rig.take(now)[3])
            now += MS
        assert rig.queue.push(evt3_words(t, t * 0, t * 0, t * 0), "evt3", arrival=arrival)
        arrivals += [arrival] * len(t)
    while rig.queue.waiting:
        given += [now] * len(rig.take(now)[3])
        now += MS
    return np.array(given) - np.array(arrivals)


@pytest.mark.parametrize("fast", [1.01, 1.00005, 1.0, 0.99995, 0.99])
def test_a_sensors_clock_that_runs_wrong_never_makes_the_queue_long(fast):
    rig = Rig(4096, Pacing("sensor"), packets=4)
    waited = delays(rig, fast)
    assert waited.min() >= 0
    assert waited.max() < 5 * MS  # a packet and a tick
    if abs(fast - 1) < 1e-3:  # spread over the packet's length to the end
        assert np.ptp(waited[-8 * 250 :].reshape(-1, 8), axis=1).min() >= 3 * MS
    counters = rig.counters
    assert counters["jumps"] == counters["gaps"] == counters["refused"] == counters["late"] == 0


def test_a_pause_within_a_packet_is_no_reason_to_hurry_for_ever():
    """An event more than 0.1 s after its predecessor is given at once; the next packet is spread out again."""
    rig = Rig(4096, Pacing("sensor"))
    t = np.array([1_000, 2_000, 302_000, 303_000])
    rig.queue.push(evt3_words(t, np.arange(4), t * 0, t * 0), "evt3", arrival=1000 * MS)
    assert [rig.take(1000 * MS + k * MS)[3][:, 1].tolist() for k in range(4)] == [[0], [1, 2], [3], []]
    t = 310_000 + np.arange(5) * 1000
    rig.queue.push(evt3_words(t, np.arange(5), t * 0, t * 0), "evt3", arrival=1310 * MS)
    assert [rig.take(1310 * MS + k * MS)[3][:, 1].tolist() for k in range(5)] == [[0], [1], [2], [3], [4]]
    assert rig.counters["jumps"] == 1


@pytest.mark.parametrize("pace", ["arrival", "sensor"])
def test_a_jump_of_the_sensors_clock_holds_nothing_up(pace):
    rig = Rig(4096, Pacing(pace))
    for k, t in enumerate([1_000_000, 1_010_000, 9_000_000, 9_010_000, 500_000, 510_000]):
        rig.queue.push(evt3_words([t], [k], [0], [0]), "evt3", arrival=1000 * MS + 10 * k * MS)
        rows = rig.take(1000 * MS + 10 * k * MS)[3]
        assert rows[:, 1].tolist() == [k]
    counters = rig.counters
    # EVT3 knows no way back: the clock's wrap puts 16.8 s in front
    assert counters["jumps"] == 2
    assert counters["late"] == 0


def test_an_event_far_ahead_in_a_packet_is_given_at_once():
    rig = Rig(4096, Pacing("sensor"))
    rig.queue.push(evt3_words([1000, 3_000_000, 3_001_000], [0, 1, 2], [0] * 3, [0] * 3), "evt3", arrival=1000 * MS)
    assert rig.take(1000 * MS)[3][:, 1].tolist() == [0, 1]
    assert rig.take(1001 * MS)[3][:, 1].tolist() == [2]
    assert rig.counters["jumps"] == 1


def test_lockstep_takes_one_packet_whole():
    rig = Rig(4096, Pacing("sensor"))
    for k in range(3):
        t = 1_000_000 + 10_000 * k + np.arange(0, 10_000, 100)
        rig.queue.push(evt3_words(t, t * 0 + k, t * 0, t * 0), "evt3")
    for k in range(3):
        taken, fresh, _, rows = rig.take(0, LOCKSTEP)
        assert (taken, fresh, len(rows)) == (1, 1, 100)
        assert (rows[:, 1] == k).all()
    assert rig.take(0, LOCKSTEP)[0] == 0
