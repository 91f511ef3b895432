"""The events of a run in its folder and on its page."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.events import Events
from snn_control.record import write_run
from snn_control.record.episode_recorder import EpisodeRecorder
from snn_control.record.run_folder import read_record
from snn_control.report import write_report
from snn_control.report.event_plots import Survey, event_arrays, event_counters, events_of_episode
from snn_control.report.run_pictures import Missing, draw
from snn_control.report.table import sections
from tests.report.moving_bar import bar


def test_a_survey_comes_back_from_its_arrays():
    survey = Survey(2.5)
    survey.add(bar(seconds=0.7))
    again = Survey.of(survey.arrays())
    assert (again.on, again.off, again.seconds, again.begins) == (survey.on, survey.off, survey.seconds, 2.5)
    assert again.silences == survey.silences
    for name in ("rate", "pixels", "intervals"):
        assert (getattr(again, name) == getattr(survey, name)).all()
    assert np.abs(again.points - survey.points).max() < 1e-3


def test_events_of_an_episode_have_the_time_of_the_run(tmp_path):
    recorder = EpisodeRecorder(["camera"])
    rows = np.array([[0.0002, 3, 4, 1], [0.0009, 5, 6, 0]], np.float32)
    for step in (1, 2, 3):
        observation = {"camera": rows, "camera_count": np.array([2 if step != 2 else 0])}
        recorder.add(step, np.zeros(1), 0.0, observation, {})
    recorder.save(tmp_path / "world.npz", {})
    events = events_of_episode(read_record(tmp_path / "world.npz")[0], "camera", 1e-3, 8, 8)
    assert events.ns == pytest.approx([200_000, 900_000, 2_200_000, 2_900_000], abs=10)
    assert (events.x.tolist(), events.y.tolist(), events.p.tolist()) == ([3, 5] * 2, [4, 6] * 2, [1, 0] * 2)
    assert len(events_of_episode({}, "camera", 1e-3, 8, 8)) == 0


def test_what_a_run_keeps_does_not_grow_with_its_events():
    sizes = []
    for steps in (2000, 20_000):
        arrays = event_arrays(bar(64, 48, seconds=5.0, steps=steps))
        sizes.append(sum(a.nbytes for a in arrays.values()))
    assert sizes[1] < 1.5 * sizes[0]
    assert event_arrays(bar()[:0]) == {}
    corner = bar(64, 48, seconds=0.1)
    seen = event_arrays(Events(corner.t, corner.x // 8, corner.y // 8, corner.p, "us", 64, 48))
    assert seen["events_pixels"].shape == (48, 64), "all of the sensor"


def test_the_page_shows_the_events_and_their_counters(tmp_path):
    counters = event_counters({"events": 7, "filters": {"hot_pixels": 3, "on": True}}, {"dropped": 2, "cut": 0})
    assert counters == {"events": 7, "filters hot_pixels": 3, "dropped": 2, "cut": 0}
    summary = {"title": "run", "events": {"camera": counters}}
    write_run(tmp_path, summary, event_arrays(bar(seconds=0.4)))
    html = write_report(tmp_path).read_text("utf-8")
    assert "Events of the camera" in html
    assert "Events of camera" in html
    assert "filters hot pixels" in html
    table = next(s for s in sections(summary) if s.title == "Events of camera")
    assert table.rows == (("events", "7"), ("filters hot pixels", "3"), ("dropped", "2"), ("none of", "cut"))


def test_arrays_that_do_not_fit_are_said():
    with pytest.raises(Missing, match="the arrays of the events do not fit"):
        draw("events", {}, event_arrays(bar(seconds=0.4)) | {"events_times": np.zeros(1)})
    with pytest.raises(Missing, match="events_rate"):
        draw("events", {}, {})
