"""Recordings cut into ticks: against a reference implementation, and what must hold for any times at all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.errors import DescriptionError
from snn_control.events import Events
from snn_control.events.slicing import BACK, FURTHEST, Slicer

P = 1_000_000


def events(t, unit="ns"):
    n = np.arange(len(t))
    return Events(
        np.asarray(t, np.int64), n.astype(np.uint16), (n * 7).astype(np.uint16), (n % 2).astype(np.uint8), unit
    )


def pieces(whole, cuts):
    cuts = [0, *sorted(min(c, len(whole)) for c in cuts), len(whole)]
    return [whole[a:b] for a, b in itertools.pairwise(cuts)]


def slow(t, period, longest):
    """(tick, offset) of each event, and what is counted: the words of the module, one by one."""
    rows, origin, newest, tick = [], None, None, 0
    counted = {"late": 0, "jumps_back": 0, "gaps": 0, "skipped_ns": 0}
    for now in t:
        if origin is None:
            origin = newest = now
        if now < newest - BACK:
            counted["jumps_back"] += 1
            origin, newest = now - (tick + 1) * period, now
        elif now > newest + longest:
            counted["gaps"] += 1
            counted["skipped_ns"] += now - newest
            origin, newest = now - (tick + 1) * period, now
        k = (now - origin) // period
        if k < tick:
            counted["late"] += 1
            rows.append((tick, 0))
        else:
            tick = k
            rows.append((tick, (now - origin) % period))
        newest = max(newest, now)
    return rows, counted


TIMES = st.lists(
    st.one_of(st.integers(-3 * P, 3 * P), st.integers(0, 40 * P), st.integers(-(10**10), 10**11)), max_size=60
)


@given(TIMES, st.lists(st.integers(0, 60), max_size=4), st.integers(1, 9), st.sampled_from([0.0, 0.02, 0.05]))
@settings(max_examples=150)
def test_any_steps_of_time_are_cut_as_the_reference_cuts_them(steps, cuts, capacity, longest):
    t = np.cumsum(np.asarray(steps, np.int64))
    slicer = Slicer(P, capacity, longest)
    ticks = list(slicer.ticks(pieces(events(t), cuts)))
    rows, counted = slow(t.tolist(), P, max(round(longest * 1e9), P))
    assert [tick.index for tick in ticks] == list(range(len(ticks)))  # every tick, once, in order
    assert len(ticks) == (rows[-1][0] + 1 if rows else 0)
    for tick in ticks:
        mine = [i for i, (k, _) in enumerate(rows) if k == tick.index]
        assert tick.x.tolist() == mine[:capacity]  # x is the event's number: in order, nothing twice
        assert tick.y.tolist() == [7 * i for i in mine[:capacity]]
        assert tick.t.tolist() == [rows[i][1] for i in mine[:capacity]]
        assert tick.dropped == max(0, len(mine) - capacity)
    given = sum(len(tick.t) for tick in ticks)
    assert slicer.counters == {"events": len(t), "dropped": len(t) - given, **counted}


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=20))
def test_no_time_is_too_far(t):
    """Differences of such times overflow; they are sliced correctly, into at most as many ticks as there are events."""
    slicer = Slicer(P, 10, 0.0)
    ticks = list(slicer.ticks([events(t)]))
    assert sum(len(tick.t) for tick in ticks) + slicer.dropped == len(t)
    assert len(ticks) <= max(1, 2 * len(t))
    assert all(((tick.t >= 0) & (tick.t < P)).all() for tick in ticks)


def test_ticks_begin_with_the_first_event_and_borders_belong_to_the_next():
    t = [5_000_000, 5_999_999, 6_000_000, 8_000_000]
    ticks = list(Slicer(P, 10).ticks([events(t)]))
    assert [tick.t.tolist() for tick in ticks] == [[0, 999_999], [0], [], [0]]


def test_microseconds_are_taken_as_such():
    ticks = list(Slicer(P, 10).ticks([events([100, 1099, 1100], "us")]))
    assert [tick.t.tolist() for tick in ticks] == [[0, 999_000], [0]]


def test_a_silence_is_kept_up_to_the_longest_gap():
    slicer = Slicer(P, 10, 0.005)
    ticks = list(slicer.ticks([events([0, 5 * P, 11 * P])]))  # 5 ms are kept, 6 ms are not
    assert [len(tick.t) for tick in ticks] == [1, 0, 0, 0, 0, 1, 1]
    assert slicer.counters["gaps"] == 1
    assert slicer.counters["skipped_ns"] == 6 * P


def test_a_clock_that_jumps_back_goes_on_with_the_next_tick():
    slicer = Slicer(P, 10)
    ticks = list(slicer.ticks([events([3 * BACK, 3 * BACK + P, 0, 200, P])]))
    assert [tick.t.tolist() for tick in ticks] == [[0], [0], [0, 200], [0]]
    assert slicer.counters["jumps_back"] == 1
    assert slicer.counters["late"] == 0


def test_the_time_of_the_run_goes_on_where_the_clock_does_not():
    t = events([3 * BACK, 3 * BACK + P + 5, 0, 200, 20 * BACK, 20 * BACK + 7])
    timed = Events.concatenate(Slicer(P, 10).timed(pieces(t, [2, 3])))
    assert timed.t.tolist() == [0, P + 5, 2 * P, 2 * P + 200, 3 * P, 3 * P + 7]
    assert timed.unit == "ns"
    assert timed.x.tolist() == list(range(6))


def test_a_flood_takes_no_memory_beyond_the_capacity():
    def chunks():
        for k in range(50):
            yield events(np.full(10_000, 7 * P + k))

    slicer = Slicer(P, 100)
    (tick,) = slicer.ticks(chunks())
    assert len(tick.t) == 100
    assert tick.dropped == slicer.dropped == 499_900
    assert tick.t.base is None or tick.t.base.size <= 100


def test_nothing_gives_no_tick():
    assert list(Slicer(P, 10).ticks([])) == []
    assert list(Slicer(P, 10).ticks([events([]), events([])])) == []


@pytest.mark.parametrize("wrong", [{"period_ns": 0, "capacity": 1}, {"period_ns": 1, "capacity": 0},
                                   {"period_ns": 1, "capacity": 1, "longest_gap": float("nan")}])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(DescriptionError):
        Slicer(**wrong)


def test_the_furthest_time_leaves_room_for_differences():
    assert 2 * FURTHEST + BACK < 1 << 63
