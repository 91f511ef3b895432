"""Events that pass the filters, what the event encoders compute from them, and the input of a convolution."""

import numpy as np
import pytest

from snn_control.coding import (
    BackgroundActivity,
    EventsInput,
    HotPixels,
    MembraneDecoder,
    Output,
    Polarity,
    PoolEncoder,
    RateLimit,
    Refractory,
    Region,
)
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.network import LI, Network, Population, Projection

SIZE = (16, 12)
MS = 1_000_000  # ns


def camera(filters=(), encoder=None, size=SIZE, **values):
    encoder = PoolEncoder(size, "merge") if encoder is None else encoder
    spec = EventsInput("camera", size=size, encoder=encoder, filters=tuple(filters), **values)
    network = Network((Population("out", 1, LI()),), (Projection("camera", "out", 0.1),))
    output = Output("u", (MembraneDecoder("out", 1.0),))
    return Controller(build(network, [spec], [output], dt=1e-3, period=1e-3))


def left(one, t, x, y, p=None):
    """Feed events (t in ns); returns those that the encoder saw."""
    t, x, y = (np.asarray(column, np.int64) for column in (t, x, y))
    one.step({"camera": (t, x, y, np.ones(len(t), int) if p is None else np.asarray(p))})
    kept = one.bound.array("camera.kept")
    return kept[1 : 1 + kept[0]].tolist()


def filtered(one):
    return one.counters()["inputs"]["camera"]["filtered"]


def test_a_region_keeps_its_rectangle_and_tells_the_frame_apart():
    one = camera([Region(2, 3, 4, 2)])
    x, y = np.meshgrid(np.arange(18), np.arange(13))
    kept = left(one, np.zeros(x.size), x.ravel(), y.ravel())
    inside = (x.ravel() >= 2) & (x.ravel() < 6) & (y.ravel() >= 3) & (y.ravel() < 5)
    assert kept == np.flatnonzero(inside).tolist()
    counters = one.counters()["inputs"]["camera"]
    assert (counters["events"], counters["out_of_frame"]) == (16 * 12, 18 * 13 - 16 * 12)
    assert counters["filtered"] == {"region": 16 * 12 - 8}
    assert one.bound.array("camera.pooled").sum() == 8


def test_what_is_out_of_the_frame_is_out_without_a_region_too():
    one = camera([Refractory(1e-3)])
    assert left(one, [0, 0, 0], [15, 16, 3], [11, 0, 12]) == [0]
    counters = one.counters()["inputs"]["camera"]
    assert (counters["events"], counters["out_of_frame"], counters["filtered"]) == (1, 2, {"refractory": 0})


@pytest.mark.parametrize("as_mask", [True, False])
def test_hot_pixels_are_silent(as_mask):
    mask = np.zeros((12, 16), bool)
    mask[2, 5] = mask[11, 15] = True
    one = camera([HotPixels(mask) if as_mask else HotPixels(pixels=[[5, 2], [15, 11]])])
    assert left(one, [0] * 4, [5, 2, 15, 15], [2, 5, 11, 10]) == [1, 3]
    assert filtered(one) == {"hot_pixels": 2}


def test_a_refractory_period_ends_to_the_microsecond_and_counts_from_what_was_kept():
    one = camera([Refractory(1e-3)])
    t = np.array([0, 999, 1000, 1500, 1999, 2000]) * 1000 + 5 * MS
    assert left(one, t, [3] * 6, [4] * 6) == [0, 2, 5]
    assert left(one, [7 * MS + 999_000, 8 * MS], [3, 3], [4, 4]) == [1]
    assert left(one, [8 * MS, 8 * MS], [3, 4], [5, 4]) == [0, 1]  # other pixels


@pytest.mark.parametrize(("each", "kept"), [(False, [0]), (True, [0, 1])])
def test_polarities_wait_together_or_apart(each, kept):
    one = camera([Refractory(1e-3, each)])
    assert left(one, [0, 10, 20, 30], [1] * 4, [1] * 4, [1, 0, 1, 0]) == kept


@pytest.mark.parametrize("start", [0, 1700 * 1_000_000 * MS, (1 << 32) * 1000 - 500_000])
def test_a_clock_may_start_anywhere_jump_back_and_wrap(start):
    one = camera([Refractory(1e-3)])
    assert left(one, [start, start + 900_000, start + 1_100_000], [2] * 3, [2] * 3) == [0, 2]
    assert left(one, [start + 1_100_000 - 400_000], [2], [2]) == []  # a little late: near the last
    assert left(one, [start, start + 500_000], [2, 2], [2, 2]) == [0]  # the recording begins again
    assert left(one, [start + 10**16], [2], [2]) == [0]


def test_background_activity_needs_neighbours_in_time():
    one = camera([BackgroundActivity(5e-3)])
    assert left(one, [0], [4], [4]) == []
    assert left(one, [1 * MS, 6 * MS], [5, 4], [5, 4]) == [0, 1]
    assert left(one, [11 * MS, 12 * MS], [3, 6], [3, 6]) == [0]  # at the window's end, and out of it
    corners = camera([BackgroundActivity(5e-3)])
    assert left(corners, [0, 1, 2, 3], [0, 1, 15, 14], [0, 1, 11, 10]) == [1, 3]
    assert left(corners, [20 * MS, 20 * MS], [15, 0], [3, 4]) == []  # the other end of a row is no neighbour


def test_background_activity_with_more_support():
    one = camera([BackgroundActivity(5e-3, support=2)])
    assert left(one, [0, 1, 2, 3], [4, 5, 5, 4], [4, 4, 5, 5]) == [2, 3]


def test_one_polarity_is_kept():
    for keep, kept in (("on", [0, 2]), ("off", [1])):
        assert left(camera([Polarity(keep)]), [0] * 3, [1] * 3, [1] * 3, [1, 0, 1]) == kept


def test_a_rate_is_a_hard_cap_and_thins_evenly():
    one = camera([RateLimit(5000.0)])  # 5 in a tick of 1 ms
    for _ in range(20):
        kept = left(one, np.zeros(50), [1] * 50, [1] * 50)
        assert len(kept) == 5
        assert set(np.diff(kept)) == {10}
    assert filtered(one) == {"rate_limit": 20 * 45}
    assert len(left(one, [0] * 4, [1] * 4, [1] * 4)) == 4


def test_a_burst_is_what_was_saved_up():
    one = camera([RateLimit(2000.0, burst=12)])
    assert len(left(one, np.zeros(40), [1] * 40, [1] * 40)) == 12
    assert len(left(one, np.zeros(40), [1] * 40, [1] * 40)) == 2
    for _ in range(3):
        one.step({"camera": None})
    assert len(left(one, np.zeros(40), [1] * 40, [1] * 40)) == 8


def test_a_slow_rate_lets_one_through_now_and_then():
    one = camera([RateLimit(250.0)])
    counts = [len(left(one, [0, 0], [1, 1], [1, 1])) for _ in range(40)]
    assert sum(counts) == 10
    assert max(counts) == 1


def test_filters_run_in_their_order_and_names_do_not_clash():
    one = camera([Polarity("on"), Region(0, 0, 8, 12), Refractory(1e-3), Region(0, 0, 16, 4)])
    assert left(one, [0, 1, 2, 3, 4], [1, 1, 9, 1, 2], [1, 1, 1, 6, 2], [0, 1, 1, 1, 1]) == [1, 4]
    assert filtered(one) == {"polarity": 1, "region": 1, "refractory": 0, "region_2": 1}


def test_a_tick_without_events_sees_none():
    one = camera([Region(0, 0, 16, 12)], required=False)
    assert left(one, [0], [1], [1]) == [0]
    one.step({"camera": None})
    assert one.bound.array("camera.kept")[0] == 0
    assert one.bound.array("camera.pooled").sum() == 0


def test_what_filters_remember_is_saved_restored_and_reset():
    one, other = (camera([Refractory(1e-2), RateLimit(3000.0, burst=9)]) for _ in range(2))
    rng = np.random.default_rng(2)
    ticks = [
        (MS * k + np.sort(rng.integers(0, MS, 30)), rng.integers(0, 16, 30), rng.integers(0, 12, 30)) for k in range(20)
    ]
    want = [left(one, *tick) for tick in ticks[:10]]
    other.restore(one.state())
    rest = [left(one, *tick) for tick in ticks[10:]]
    assert [left(other, *tick) for tick in ticks[10:]] == rest
    other.reset()
    assert [left(other, *tick) for tick in ticks] == want + rest
