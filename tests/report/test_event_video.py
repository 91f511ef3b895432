"""Videos of events, read back with PyAV and Pillow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError, InputError
from snn_control.events import Events
from snn_control.events.frames import BACK, OFF, ON
from snn_control.report.event_video import (
    event_moments,
    part_of,
    speed_for,
    style_for,
    write_event_video,
)  # fmt: skip
from snn_control.report.replay_video import ReplayVideo, command_ranges
from snn_control.report.video_file import VideoWriter
from snn_control.report.video_panels import COMMAND, LINES
from snn_control.resources import shipped
from tests.report.moving_bar import Pieces, bar

av = pytest.importorskip("av")
Image = pytest.importorskip("PIL.Image")


def frames_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return frames, float(stream.average_rate), stream.codec_context.pix_fmt


def like(image, colour):
    """(rows, columns) bool: where it has about this colour."""
    return np.abs(image.astype(int) - np.array(colour)).max(axis=2) < 70


def test_a_video_has_as_many_pictures_as_its_time_and_speed_say(tmp_path):
    events = bar(seconds=1.0)
    n = write_event_video(tmp_path / "bar.mp4", events, fps=25, speed=0.5)
    frames, rate, pix_fmt = frames_of(tmp_path / "bar.mp4")
    assert n == len(frames) == 50
    assert (rate, pix_fmt) == (25.0, "yuv420p")
    assert frames[0].shape == (48 * 20 + 26, 64 * 20, 3)


def test_the_bar_is_where_the_events_say(tmp_path):
    events = bar(seconds=0.62, steps=62)
    write_event_video(tmp_path / "bar.mp4", Pieces(events, 77), fps=100, speed=1.0, most=(512, 384))
    frames, _, _ = frames_of(tmp_path / "bar.mp4")
    assert len(frames) == 62
    for k in (0, 20, 61):
        image = frames[k][: 48 * 8]
        on, off = (np.flatnonzero(like(image, np.array(c) * 0.7).mean(axis=0) > 0.5) // 8 for c in (ON, OFF))
        assert (set(on), set(off)) == ({k + 1}, {k})


@pytest.mark.parametrize(("size", "shrink", "times"), [((640, 480), 1, 2), ((1280, 720), 2, 2), ((346, 260), 1, 2)])
def test_single_events_keep_their_colours_in_a_video(tmp_path, size, shrink, times):
    x, y, p = np.array([100, 201, 303]), np.array([50, 121, 200]), np.array([1, 0, 1])
    events = Events(np.array([0, 1, 2]), x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8), "us", *size)
    write_event_video(tmp_path / "dots.mp4", events, fps=10)
    image = frames_of(tmp_path / "dots.mp4")[0][0]
    for column, row, polarity in zip(x // shrink * times, y // shrink * times, p):
        dot = image[row : row + times, column : column + times]
        assert like(dot, np.array(ON if polarity else OFF) * 0.7).all()


def test_a_part_a_gap_and_steps_back_of_the_clock(tmp_path):
    events = bar(seconds=1.0)
    assert write_event_video(tmp_path / "a.gif", events, fps=20, start=0.25, stop=0.75, most=(128, 96)) == 10
    assert sum(map(len, part_of(events, 0.25, 0.75))) == np.count_nonzero(
        (events.t >= 5_250_000) & (events.t < 5_750_000)
    )
    late = Events(events.t + 3_600_000_000, events.x, events.y, events.p, "us", 64, 48)
    n = write_event_video(tmp_path / "gap.gif", Events.concatenate([events, late]), fps=10, most=(128, 96))
    assert n == 10 + 20 + 10, "of an hour without an event two seconds are shown"
    back = Events(events.t - 2_000_000, events.x, events.y, events.p, "us", 64, 48)
    n = write_event_video(tmp_path / "back.gif", Events.concatenate([events, back]), fps=10, most=(128, 96))
    assert n == 10, "a clock that steps back stands still"


@pytest.mark.parametrize("size", [(7, 5), (346, 260), (1281, 721)])
def test_odd_sizes_are_padded_for_the_video(tmp_path, size):
    images = [np.full((size[1], size[0], 3), k * 40, np.uint8) for k in range(3)]
    with VideoWriter(tmp_path / "odd.mp4", 10) as writer:
        for image in images:
            writer.add(image)
    frames, _, _ = frames_of(tmp_path / "odd.mp4")
    assert len(frames) == 3
    assert frames[0].shape == (size[1] + size[1] % 2, size[0] + size[0] % 2, 3)
    assert abs(int(frames[2][0, 0, 0]) - 80) < 8


def test_a_gif_and_a_contact_sheet(tmp_path):
    events = bar(seconds=1.0)
    n = write_event_video(tmp_path / "bar.gif", events, fps=20, style="surface", most=(320, 240))
    with Image.open(tmp_path / "bar.gif") as image:
        assert (image.n_frames, image.size, image.info["duration"]) == (n, (320, 240 + 26), 50)
    n = write_event_video(tmp_path / "bar.gif", events, fps=30, most=(320, 240))
    with Image.open(tmp_path / "bar.gif") as image:  # whole hundredths of a second, and all of them right
        durations = [image.seek(k) or image.info["duration"] for k in range(image.n_frames)]
    assert set(durations) == {30, 40}
    assert sum(durations) == 1000 * n // 30
    write_event_video(tmp_path / "bar.png", events, fps=50, most=(320, 240))
    with Image.open(tmp_path / "bar.png") as image:
        assert image.size == (4 * 320 + 3 * 6, 3 * 266 + 2 * 6)
        sheet = np.asarray(image)
    places = []
    for k in range(12):
        part = sheet[(k // 4) * 272 :, (k % 4) * 326 :][:240, :320]
        places.append(float(np.flatnonzero(like(part, np.array(ON) * 0.7).any(axis=0)).mean()))
    assert np.all(np.diff(places) > 0), "the bar advances from picture to picture"


def test_a_small_number_of_pictures_makes_a_small_sheet(tmp_path):
    with VideoWriter(tmp_path / "two.png") as writer:
        for k in range(2):
            writer.add(np.full((4, 6, 3), 100 * k, np.uint8))
    with Image.open(tmp_path / "two.png") as image:
        assert image.size == (2 * 6 + 6, 4)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    image = np.zeros((16, 16, 3), np.uint8)
    (tmp_path / "old.mp4").write_bytes(b"old")
    with pytest.raises(InputError, match="as the first one"), VideoWriter(tmp_path / "old.mp4") as writer:
        [writer.add(picture) for picture in (image, image[:4])]
    assert (tmp_path / "old.mp4").read_bytes() == b"old"
    writer = VideoWriter(tmp_path / "none.mp4")
    assert os.listdir(tmp_path) == ["old.mp4"], "nothing is seen of it before it is closed"
    writer.close()
    writer.close()
    assert write_event_video(tmp_path / "empty.mp4", Events()) == 0
    assert os.listdir(tmp_path) == ["old.mp4"], "no pictures, no file"
    with pytest.raises(DescriptionError, match=r"must end in \.mp4, \.gif, \.png"):
        VideoWriter(tmp_path / "x.avi")
    with pytest.raises(DescriptionError, match="cannot be written: No such file"):
        VideoWriter(tmp_path / "no" / "x.mp4")
    with VideoWriter(tmp_path / "x.gif") as writer:
        writer.add(image)
        with pytest.raises(InputError, match=r"must be \(16, 16, 3\) as the first"):
            writer.add(image[:8])
        with pytest.raises(InputError, match=r"must be \(rows, columns, 3\) uint8"):
            writer.add(image.astype(float))


def test_a_gif_holds_a_bounded_number_of_pictures(tmp_path):
    with pytest.raises(DescriptionError, match=r"a \.gif takes 600; write \.mp4"):
        write_event_video(tmp_path / "long.gif", bar(8, 6, seconds=30.0, steps=900), fps=30, most=(8, 6))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"fps": 0.0}, {"speed": -1.0}, {"speed": float("nan")}, {"style": "colour"}])
def test_a_wrong_number_or_style_is_refused(tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        write_event_video(tmp_path / "x.gif", bar(), **wrong)


def test_what_is_missing_is_said_with_the_command_that_brings_it(tmp_path):
    code = f"""
import sys; sys.modules["av"] = None
from snn_control.report.video_file import VideoWriter
VideoWriter({str(tmp_path / "x.mp4")!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "a video needs av (PyAV): pip install '.[events]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_moments_show_the_events_just_before_them():
    events = bar(seconds=1.0, steps=62)
    moments = event_moments(Pieces(events, 500), [0.25, 0.5], 1 / 62)
    assert [t for t, _ in moments] == [0.25, 0.5]
    for t, image in moments:
        places = np.flatnonzero((image[:, :, 0] > 100).any(axis=0))
        assert abs(places.mean() - t * 62) <= 1.5
    assert event_moments([], [0.1], 0.1) == []


# --- replay ---------------------------------------------------------------------------------------


def recorded(path, ticks=200, period=1e-3, **options):
    events = bar(64, 48, seconds=ticks * period, unit="ns")
    origin = int(events.t[0])
    with ReplayVideo(
        path, (64, 48), ["pan [rad/s]", "tilt [rad/s]"], {"camera": 128, "image": 400}, period, **options
    ) as video:
        for k in range(ticks):
            low, high = np.searchsorted(events.t - origin, [k * period * 1e9, (k + 1) * period * 1e9])
            now = events[low:high]
            pooled = np.zeros((2, 6, 8))
            np.add.at(pooled, (1 - now.p.astype(int), now.y // 8, now.x // 8), 1)
            spikes = {"camera": np.flatnonzero(pooled), "image": np.array([k % 400])}
            video.add(k + 17, now, pooled, spikes, np.array([np.sin(k / 30), -2.0]))
    return video.pictures


def test_a_replay_shows_events_input_spikes_and_commands(tmp_path):
    n = recorded(tmp_path / "r.mp4", fps=20, speed=0.5, title="bar -> controller")
    frames, _, _ = frames_of(tmp_path / "r.mp4")
    assert n == len(frames) == 8
    assert frames[0].shape == (720, 1280, 3)
    first, last = frames[1], frames[7]
    for area in (np.s_[62:458, 12:804], np.s_[62:458, 816:1268]):  # events, pooled: the bar moves right
        places = [float(np.flatnonzero((f[area] > 120).any(axis=(0, 2))).mean()) for f in (first, last)]
        assert places[1] > places[0] + 100
    spikes = [np.count_nonzero(like(f[490:700, 150:728], LINES[0])) for f in (first, last)]
    assert spikes[1] > spikes[0] > 20, "there is more in the last half second than in the first picture"
    line = [np.count_nonzero(like(f[512:595, 800:1268], COMMAND)) for f in (first, last)]
    assert line[1] > line[0] > 0


def line_of(image, box=np.s_[510:690, 800:1262]):
    """Rows of the command's line, where it is drawn."""
    return np.flatnonzero(like(image[box], COMMAND).any(axis=1))


def test_a_sheet_of_wide_pictures_stays_readable(tmp_path):
    with VideoWriter(tmp_path / "wide.png") as video:
        for k in range(30):
            video.add(np.full((720, 1280, 3), 8 * k, np.uint8))
    with Image.open(tmp_path / "wide.png") as image:
        assert image.size == (2 * 1280 + 6, 3 * 720 + 12)  # 2 x 3 of them, evenly spread
        assert (image.getpixel((0, 0))[0], image.getpixel((2565, 2171))[0]) == (0, 8 * 28)


@pytest.mark.parametrize(
    ("seconds", "events", "expected"),
    [(0.05, 100, (0.01, "surface")), (9.0, 100, (1.0, "polarity")), (0.05, 10**8, (0.01, "polarity"))],
)
def test_a_short_recording_is_slow_motion(seconds, events, expected):
    speed = speed_for(seconds)
    assert (speed, style_for(events, seconds, speed)) == expected


def test_in_slow_motion_the_panels_show_less_time(tmp_path):
    with ReplayVideo(tmp_path / "slow.png", (8, 6), ["yaw"], {}, 1e-3, speed=0.01) as video:
        for k in range(50):
            video.add(k, None, None, {}, np.array([np.sin(k / 5)]))
    with Image.open(tmp_path / "slow.png") as image:
        last = np.asarray(image)[-720:, -1280:]
    columns = np.flatnonzero(like(last, COMMAND).any(axis=0) & (np.arange(1280) > 800))
    assert np.ptp(columns) > 200, "50 ms are half of the panel, not a fortieth of it"


def test_a_population_has_its_place_in_the_colours(tmp_path):
    with ReplayVideo(tmp_path / "c.png", (8, 6), [], {"image": 9}, 1e-2, colours={"camera": 0, "image": 2}) as video:
        for k in range(40):
            video.add(k, None, None, {"image": np.arange(9)}, np.zeros(0))
    with Image.open(tmp_path / "c.png") as image:
        shown = np.asarray(image)
    assert like(shown, LINES[2]).any()
    assert not like(shown, LINES[0]).any()


def test_the_scale_of_a_command_is_its_limits(tmp_path):
    heights = {}
    for name, limits in (("limits", [(-2.0, 2.0)]), ("open", [(-np.inf, np.inf)]), ("none", [])):
        with ReplayVideo(tmp_path / f"{name}.mp4", (8, 6), ["yaw"], {}, 1e-2, fps=10, limits=limits) as video:
            for k in range(200):
                video.add(k, None, None, {}, np.array([0.02 * (-1.0) ** (k // 9)]))
        heights[name] = np.ptp(line_of(frames_of(tmp_path / f"{name}.mp4")[0][-1]))
    assert heights["limits"] <= 6, "noise is a flat line"
    assert heights["open"] == heights["none"] > 100, "without limits it is as high as what was seen"


def test_a_replays_scale_is_that_of_the_whole_run_where_limits_are_wide_or_none():
    spec = load_spec(shipped("motion"))
    command = np.array([[0.1, -3.0], [-0.2, 5.0]])
    assert command_ranges(spec, 10 * command) == [(-2.0, 2.0), (-2.0, 2.0)]
    assert command_ranges(spec, np.array([[0.6, 0.01], [-0.1, 0.0]])) == [(-0.2, 0.6), (-0.2, 0.2)]
    free = replace(spec, outputs=tuple(replace(o, limits=(-np.inf, 1.5)) for o in spec.outputs))
    assert command_ranges(free, command) == [(-0.2, 1.5), (-3.0, 1.5)]
    assert command_ranges(free, command[:0]) == [(0.0, 1.5), (0.0, 1.5)]


def test_the_networks_input_stays_dark_after_what_was_brighter(tmp_path):
    with ReplayVideo(tmp_path / "r.mp4", (8, 6), [], {}, 1e-2, fps=10) as video:
        for k in range(600):
            video.add(k, None, np.full((6, 8), 100.0 if k < 10 else 1.0), {}, np.zeros(0))
    first, *_, last = [f[200, 1040].astype(int) for f in frames_of(tmp_path / "r.mp4")[0]]
    assert np.abs(first - ON).max() < 20
    assert last.max() < 45, "0.1 of the brightness, not brighter with every picture"


def test_a_tick_longer_than_a_picture_gives_several(tmp_path):
    assert recorded(tmp_path / "slow.gif", ticks=5, period=0.02, fps=30, speed=0.1) == 30


def test_what_a_replay_is_given_is_checked(tmp_path):
    video = ReplayVideo(tmp_path / "x.gif", (8, 6), ["a"], {"camera": 4}, 1e-3)
    video.add(3, None, None, {}, np.zeros(1))
    with pytest.raises(InputError, match="tick = 3: must be after the last one, 3"):
        video.add(3, None, None, {}, np.zeros(1))
    with pytest.raises(InputError, match=r"spikes = \['image'\]: must be of camera"):
        video.add(4, None, None, {"image": np.zeros(1, int)}, np.zeros(1))
    video.add(5, None, np.zeros((2, 3)), {}, np.zeros(1))
    with pytest.raises(InputError, match=r"pooled = \(2, 2\): must be \(2, 3\)"):
        video.add(6, None, np.zeros((2, 2)), {}, np.zeros(1))
    video.close()
    with pytest.raises(InputError, match="period = 0"):
        ReplayVideo(tmp_path / "y.gif", (8, 6), ["a"], {"camera": 4}, 0)


def test_a_replay_of_nothing_writes_nothing_and_one_without_panels_something(tmp_path):
    ReplayVideo(tmp_path / "x.gif", (8, 6), [], {}, 1e-3).close()
    assert not list(tmp_path.iterdir())
    with ReplayVideo(tmp_path / "y.png", (8, 6), [], {}, 1e-3) as video:
        video.add(0, None, None, {}, np.zeros(0))
    assert (tmp_path / "y.png").exists()


def test_thirty_composed_pictures_a_second(tmp_path):
    rng = np.random.default_rng(0)
    names = {"camera": 2048, "image": 1024}
    video = ReplayVideo(tmp_path / "x.png", (640, 480), ["pan", "tilt"], names, 1e-3)
    events = Events(*(rng.integers(0, 480, 300) for _ in range(3)), rng.integers(0, 2, 300).astype(np.uint8))
    pooled = rng.random((2, 32, 32))

    def seconds(begin):
        start = time.process_time()
        for k in range(33):
            spikes = {name: rng.integers(0, size, 30) for name, size in names.items()}
            video.add(begin + k, events, pooled, spikes, np.array([np.sin(begin / 99), 1.0]))
        return time.process_time() - start

    times = [seconds(34 * k) for k in range(25)]
    assert video.pictures >= 24
    assert min(times[15:]) < 1 / 30
    video.close()


def test_the_background_of_a_picture_is_dark(tmp_path):
    write_event_video(tmp_path / "x.png", bar(steps=3), fps=2, most=(64, 48))
    with Image.open(tmp_path / "x.png") as image:
        assert np.abs(np.asarray(image)[0, 130].astype(int) - BACK).max() < 4
