"""The counts of a survey against reference implementations, and that a figure can be drawn of any recording."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from snn_control.events import Events
from snn_control.report.event_plots import BINS, INTERVALS, POINTS, Survey, draw_rate, draw_recording
from snn_control.report.table import count
from tests.report.moving_bar import bar


def survey_of(events, piece=997, begins=0.0):
    survey = Survey(begins)
    for k in range(0, len(events), piece):
        survey.add(events[k : k + piece])
    return survey


def random_events(n=20_000, seconds=2.0, seed=0):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, int(seconds * 1e6), n)) + 77
    x, y = rng.integers(0, 40, n).astype(np.uint16), rng.integers(0, 30, n).astype(np.uint16)
    return Events(t, x, y, rng.integers(0, 2, n).astype(np.uint8), "us", 40, 30)


def test_rate_and_activity_are_those_of_the_events():
    events = random_events()
    survey = survey_of(events)
    assert (survey.on, survey.off) == (int(events.p.sum()), int((events.p == 0).sum()))
    assert survey.seconds == pytest.approx((events.t[-1] - events.t[0]) * 1e-6)
    edges = np.arange(len(survey.rate) + 1) * survey.bin_ns
    for k, p in enumerate((1, 0)):
        assert (survey.rate[:, k] == np.histogram(events.ns[events.p == p] - survey.first, edges)[0]).all()
    assert BINS <= len(survey.rate) <= 2 * BINS
    pixels = np.zeros((30, 40), int)
    np.add.at(pixels, (events.y, events.x), 1)
    assert (survey.pixels == pixels).all()


def test_intervals_are_those_of_every_fourth_pixel():
    events = random_events(5000)
    found = []
    for y in range(0, 30, 4):
        for x in range(0, 40, 4):
            found.append(np.diff(events.ns[(events.x == x) & (events.y == y)]) * 1e-9)
    assert (survey_of(events, 13).intervals == np.histogram(np.concatenate(found), INTERVALS)[0]).all()


def test_a_first_piece_in_the_first_pixel_alone():
    t, corner = np.arange(0, 4000, 1000), np.zeros(4, np.uint16)
    events = Events(t, corner, corner, np.ones(4, np.uint8), "us", 40, 30)
    assert (survey_of(events, 2).intervals == np.histogram(np.full(3, 1e-3), INTERVALS)[0]).all()


def test_pieces_make_no_difference():
    events = random_events(3000)
    one, many = survey_of(events, 10**6), survey_of(events, 7)
    assert (one.rate == many.rate).all()
    assert (one.intervals == many.intervals).all()
    assert (one.points == many.points).all()


def test_points_are_bounded_and_spread_over_all():
    events = random_events(200_000)
    points = survey_of(events, 5000).points
    assert POINTS / 2 < len(points) <= POINTS
    assert np.diff(points[:, 0]).min() >= 0
    assert points[-1, 0] > 1.99
    rows = np.searchsorted(events.t, np.round(points[:, 0] * 1e6).astype(int) + events.t[0])
    assert (events.t[rows] - events.t[0] == np.round(points[:, 0] * 1e6)).all()


def test_memory_does_not_grow_with_a_mistaken_place():
    events = random_events(500)
    far = Events(events.t, events.x, events.y, events.p)
    far.x[7] = far.y[9] = 65535
    survey = survey_of(far, 250)
    assert survey.pixels.shape == (30, 40)
    assert (survey.on + survey.off, survey.pixels.sum()) == (500, 498)
    survey.add(far[7:8])
    assert survey.on + survey.off == 501


def test_gaps_and_steps_back_are_found():
    events = random_events(4000, 1.0)
    keep = (events.t < 300_000) | (events.t > 500_000)
    events = Events(events.t[keep], events.x[keep], events.y[keep], events.p[keep])
    survey = survey_of(events)
    begin, end = max(survey.silences, key=lambda s: s[1] - s[0])
    assert (begin, end) == (pytest.approx(0.3, abs=0.01), pytest.approx(0.5, abs=0.01))
    assert survey.jumps == []
    back = Events.concatenate([events, events])
    assert survey_of(back).jumps == [int(events.ns[-1] - events.ns[0])]
    figure = Figure()
    axes = figure.add_subplot()
    draw_rate(axes, survey_of(back))
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["ON", "OFF", "no event", "clock steps back"]


def test_a_part_begins_where_it_does():
    survey = survey_of(random_events(100), begins=3.0)
    axes = Figure().add_subplot()
    draw_rate(axes, survey)
    assert axes.get_xlim()[0] == 3.0


@pytest.mark.parametrize("events", [random_events(0), random_events(1), random_events(2), bar(), random_events(90_000)],
                         ids=["none", "one", "two", "bar", "many"])  # fmt: skip
def test_the_figure_can_be_drawn_of_anything(events):
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    moments = [(0.5 * k, np.zeros((30, 40, 3), np.uint8)) for k in range(3)]
    caption, alt = draw_recording(figure, survey_of(events), moments, "a title")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    for axes in figure.axes:
        box = axes.get_tightbbox(figure.canvas.get_renderer())
        assert box.x0 > -2, axes.get_title(loc="left")
        assert box.y0 > -2, axes.get_title(loc="left")
        assert box.x1 < figure.bbox.x1 + 2, axes.get_title(loc="left")
    cloud = next(axes for axes in figure.axes if hasattr(axes, "get_zlim"))
    assert cloud.get_position().height * figure.get_figheight() > 3.0  # inch
    assert caption.startswith(f"{count(len(events), 'event')} (")
    assert caption in alt
    assert len(figure.axes) >= 3 + 4
