"""Pictures of events against reference implementations, and what they look like."""

from __future__ import annotations

import time

import numpy as np
import pytest

from snn_control.errors import InputError
from snn_control.events import Events
from snn_control.events.frames import BACK, OFF, ON, STYLES, Surface, enlarge, fitting, likely_size, mixed, painter


def random_events(n, width, height, seed=0, span_us=100_000):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, span_us, n))
    x, y = rng.integers(0, width, n).astype(np.uint16), rng.integers(0, height, n).astype(np.uint16)
    return Events(t, x, y, rng.integers(0, 2, n).astype(np.uint8), "us", width, height)


def colour(on, off):
    """The colour of a share of ON and OFF events, 0 to 1, from the definition."""
    return [int(np.clip(np.rint(b + on * (p - b) + off * (n - b)), 0, 255)) for b, p, n in zip(BACK, ON, OFF)]


@pytest.mark.parametrize("n", [0, 40, 3000])  # few are counted in another way than many
def test_a_polarity_picture_counts_the_events_of_each_pixel(n):
    drawn, events = painter("polarity", 20, 10), random_events(n, 20, 10)
    drawn.add(events[: n // 3])
    drawn.add(events[n // 3 :])
    picture = drawn.image(0)
    for y in range(10):
        for x in range(20):
            here = events.p[(events.x == x) & (events.y == y)]
            on, off = min(int((here == 1).sum()), 7), min(int((here == 0).sum()), 7)
            expected = colour(1 - np.float32(0.3) ** on, 1 - np.float32(0.3) ** off)
            assert np.abs(picture[y, x].astype(int) - expected).max() <= 1
    assert (drawn.image(0) == BACK).all(), "the next picture begins with nothing"


def test_an_event_is_orange_when_on_blue_when_off_and_many_are_brighter():
    drawn = painter("polarity", 3, 1)
    drawn.add(Events(*(np.array(c) for c in ([0] * 7, [0, 1, 2, 2, 2, 2, 2], [0] * 7, [1, 0, 1, 1, 1, 1, 1]))))
    one, other, many = drawn.image(0)[0].astype(int)
    assert one[0] > one[1] > one[2]
    assert other[2] > other[1] > other[0]
    assert many[0] > one[0]
    assert np.abs(many - ON).max() <= 2


def test_a_time_surface_shows_the_last_event_of_a_pixel_as_it_fades():
    tau = Surface.tau
    drawn, events = painter("surface", 16, 8), random_events(400, 16, 8)
    for k in range(0, 400, 37):
        drawn.add(events[k : k + 37])
    now = 120_000_000
    picture = drawn.image(now)
    for y in range(8):
        for x in range(16):
            here = np.flatnonzero((events.x == x) & (events.y == y))
            age = (now - events.ns[here[-1]]) * 1e-9 if len(here) else np.inf
            light = np.exp(-age / tau)
            expected = colour(light, 0) if len(here) and events.p[here[-1]] else colour(0, light)
            # steps of 5 tau / 64 in age
            assert np.abs(picture[y, x].astype(int) - expected).max() <= 25, (x, y)
    assert (drawn.image(now + 10**9) == BACK).all(), "after a second nothing is left"


def test_a_grey_picture_is_a_leaky_sum():
    drawn = painter("grey", 2, 1)
    one = np.ones(1, np.uint8)
    for t in (0, 100_000):
        drawn.add(Events(np.array([t]), np.zeros(1, np.uint16), np.zeros(1, np.uint16), one))
    picture = drawn.image(200_000_000)
    expected = 128 + 24 * (np.exp(-1) + np.exp(-2))
    assert abs(int(picture[0, 0, 0]) - expected) <= 1
    assert picture[0, 1].tolist() == [128] * 3


@pytest.mark.parametrize("style", ["surface", "grey"])
def test_a_clock_that_begins_anew_leaves_nothing_of_before(style):
    drawn, fresh = painter(style, 4, 3), painter(style, 4, 3)
    for k in range(3):
        drawn.add(Events(np.array([60_000_000 + k]), *(np.full(1, k) for _ in range(3))))
    drawn.image(61 * 10**9)
    for one in (drawn, fresh):
        one.add(Events(np.array([5]), np.array([3]), np.array([1]), np.array([1])))
    assert (drawn.image(10_000) == fresh.image(10_000)).all()


@pytest.mark.parametrize("style", STYLES)
def test_events_outside_are_left_out_and_many_pixels_can_be_one(style):
    events = random_events(500, 30, 30)
    drawn, plain = painter(style, 20, 15), painter(style, 20, 15)
    inside = (events.x < 20) & (events.y < 15)
    drawn.add(events)
    plain.add(Events(events.t[inside], events.x[inside], events.y[inside], events.p[inside]))
    assert (drawn.image(10**8) == plain.image(10**8)).all()
    small = painter(style, 21, 15, 4)
    small.add(events)
    assert small.image(10**8).shape == (4, 6, 3)


def test_a_sensor_fits_into_its_room_in_whole_numbers():
    assert fitting(128, 128, (1280, 720)) == (1, 5)
    assert fitting(1280, 720, (1280, 720)) == (1, 1)
    assert fitting(1280, 720, (640, 480)) == (2, 1)
    assert fitting(346, 260, (100, 100)) == (4, 1)
    assert enlarge(np.arange(6, dtype=np.uint8).reshape(1, 2, 3), 3).shape == (3, 6, 3)
    assert mixed(np.zeros(1), np.zeros(1)).tolist() == [list(BACK)]


def test_the_likely_size_of_a_sensor():
    assert likely_size(100, 100) == (128, 128)
    assert likely_size(346, 200) == (346, 260)
    assert likely_size(641, 480) == (1280, 720)
    assert likely_size(2000, 1000) == (2000, 1000)


def test_mistakes_are_said_in_one_line():
    with pytest.raises(InputError, match=r"style = 'polarty': is not known; did you mean 'polarity'\?"):
        painter("polarty", 4, 4)
    with pytest.raises(InputError, match="must be at least 1"):
        painter("polarity", 0, 4)


@pytest.mark.parametrize("style", STYLES)
def test_a_large_sensor_is_drawn_thirty_times_a_second(style):
    """Half of a picture's time is left for other work, on a machine that is busy otherwise."""
    drawn, events = painter(style, 1280, 720), random_events(100_000, 1280, 720)

    def seconds():
        start = time.process_time()
        drawn.add(events)
        drawn.image(10**8)
        return time.process_time() - start

    assert min(seconds() for _ in range(7)) < 0.5 / 30
