"""``snn_control events simulate``, on a video that the test makes."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.cli import main
from snn_control.errors import InputError
from snn_control.events import open_recording

av = pytest.importorskip("av")

from sim_worlds.sensors.patterns import Bar  # noqa: E402
from snn_control.events.video import Video  # noqa: E402

SIZE, RATE, SPEED = (96, 64), 100, 200.0
BAR = Bar(SIZE, 1.4, 16.0, SPEED, 6.0)


def encode(path, pictures, times=None, rate=RATE, codec="mpeg4") -> None:
    """Grey pictures as a video; times [1/1000 s], or one a period."""
    from fractions import Fraction

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *pictures[0].shape[::-1], "yuv420p", 8_000_000
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="gray")
            if times is not None:
                frame.pts, frame.time_base = times[k], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def grey(t: float) -> np.ndarray:
    return np.rint(255 * (0.2 * np.exp(BAR.picture(t))) ** (1 / 2.2)).astype(np.uint8)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "bar.mp4"
    encode(path, [grey(k / RATE) for k in range(30)])
    return path


def test_a_video_gives_its_frames_and_times(film):
    video = Video(film)
    frames = list(video)
    assert (video.size, len(frames), video.duration) == (SIZE, 30, pytest.approx(0.29))
    np.testing.assert_allclose([t for t, _ in frames], np.arange(30) / RATE, atol=1e-6)
    for k, (_, picture) in enumerate(frames):
        assert picture.dtype == np.uint8
        assert np.abs(picture.astype(int) - grey(k / RATE)).mean() < 2.0  # what compression leaves
    part = list(Video(film, (48, 32), begin=0.05, end=0.15))
    np.testing.assert_allclose([t for t, _ in part], np.arange(5, 15) / RATE, atol=1e-6)
    assert part[0][1].shape == (32, 48)
    slow = [t for t, _ in Video(film, fps=10.0)]
    np.testing.assert_allclose(slow, np.arange(30) / 10)


def test_frames_that_come_as_they_like_keep_their_times(tmp_path):
    times = [0, 10, 50, 60, 200]
    encode(tmp_path / "some.mkv", [grey(0.001 * t) for t in times], times, rate=1000)
    found = [t for t, _ in Video(tmp_path / "some.mkv")]
    np.testing.assert_allclose(found, np.array(times) * 1e-3, atol=1e-3)


@pytest.mark.parametrize("suffix", ["raw", "npz", "mcap"])
def test_the_events_of_a_moving_bar_run_along_with_it(film, tmp_path, capsys, suffix):
    if suffix == "mcap":
        pytest.importorskip("mcap")
    out = tmp_path / f"events.{suffix}"
    assert main(["events", "simulate", str(film), "--out", str(out), "--preset", "clean", "--threshold", "0.3"]) == 0
    printed = capsys.readouterr().out
    recording = open_recording(out)
    events = recording.read()
    assert (recording.width, recording.height) == SIZE
    assert f"{len(events):,} events, {int(events.p.sum()):,} on" in printed
    assert "30 frames of 96x64, 0.290 s" in printed
    seconds = events.ns * 1e-9
    assert np.all(np.diff(events.t) >= 0)
    assert 0 <= seconds[0] < seconds[-1] < 0.29 + 1e-9
    for p, side in ((1, 1), (0, -1)):  # brighter before it, darker behind
        mine = events.p == p
        ahead = (events.x[mine] - SPEED * seconds[mine] + 48) % 96 - 48
        assert np.median(ahead) == pytest.approx(side * 8.0, abs=2.0)
    # 1.4 / 0.3 crossings of each edge of 6 pixels at 200 pixels a second
    per_pixel = len(events) / (96 * 64) / 0.29 * 96 / SPEED
    assert per_pixel == pytest.approx(2 * int(1.4 / 0.3), rel=0.15)


def test_a_part_without_frames_is_refused_and_writes_nothing(film, tmp_path, capsys):
    for part in (("--from", "1", "--to", "0.5"), ("--from", "100")):
        for suffix in ("raw", "mcap", "npz"):
            out = tmp_path / f"none.{suffix}"
            assert main(["events", "simulate", str(film), "--out", str(out), *part]) == 2
            assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.glob("none*"))


def test_a_seed_gives_the_same_recording_again_and_nothing_is_overwritten(film, tmp_path, capsys):
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / f"{name}.npz"
        arguments = ["events", "simulate", str(film), "--out", str(out), "--seed", str(seed), "--size", "48x32"]
        assert main([*arguments, "--from", "0.1", "--to", "0.2"]) == 0
        events = open_recording(out).read()
        assert (events.width, events.height) == (48, 32)
        digests.append(events.digest())
    assert digests[0] == digests[1] != digests[2]
    capsys.readouterr()
    assert main(arguments) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0


def test_frames_that_change_their_size_need_a_size_to_be_scaled_to(tmp_path, capsys):
    mixed, out = tmp_path / "mixed.ts", tmp_path / "o.npz"
    for name, size in (("a.ts", (64, 96)), ("b.ts", (48, 64))):
        encode(tmp_path / name, [np.full(size, 20 * k, np.uint8) for k in range(5)], rate=25, codec="mpeg2video")
    mixed.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    assert main(["events", "simulate", str(mixed), "--out", str(out)]) == 2
    assert "its frames change from 96x64 to 64x48; give a size (--size)" in capsys.readouterr().err
    assert not out.exists()
    assert main(["events", "simulate", str(mixed), "--out", str(out), "--size", "64x48"]) == 0


def test_what_is_no_video_is_said_in_one_line(tmp_path, capsys):
    text = tmp_path / "text.mp4"
    text.write_text("not a film")
    for path, reason in ((text, "is not a video that ffmpeg can read"), (tmp_path / "none.mp4", "no such file")):
        with pytest.raises(InputError, match=reason):
            Video(path)
        assert main(["events", "simulate", str(path), "--out", str(tmp_path / "o.raw")]) == 2
        error = capsys.readouterr().err
        assert reason in error
        assert error.count("\n") == 1
    assert main(["events", "simulate", str(text), "--out", str(tmp_path / "o.dat")]) == 2
    assert ".txt or .csv" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [text]


def test_a_cut_video_is_said_to_be_one_and_one_frame_is_no_video(film, tmp_path, capsys):
    still, out = tmp_path / "still.avi", tmp_path / "o.npz"
    encode(still, [grey(0.0)])
    assert main(["events", "simulate", str(still), "--out", str(out)]) == 2
    assert "has 1 frame in this part" in capsys.readouterr().err
    assert main(["events", "simulate", str(film), "--out", str(out), "--from", "9"]) == 2
    assert "has 0 frames in this part" in capsys.readouterr().err
    assert not out.exists()
    encode(tmp_path / "whole.avi", [grey(k / RATE) for k in range(30)])
    data = (tmp_path / "whole.avi").read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(data[: (data.index(b"movi") + data.rindex(b"idx1")) // 2])
    assert main(["events", "simulate", str(cut), "--out", str(out)]) == 0
    assert "cut short: the file should have 30 frames" in capsys.readouterr().out
