"""``snn_control events view`` as a user calls it."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.cli import main
from snn_control.cli.events import view
from snn_control.events.frames import STYLES
from snn_control.report.event_video import speed_for
from tests.fixtures import fixture

av = pytest.importorskip("av")
Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def recording(here):
    """0.2 s of EVT3 RAW: a bar that moves over 32 x 24 pixels, an event every 0.1 ms."""
    words = []
    for k in range(2000):
        t = k * 100
        x, y, p = k * 31 // 2000, k % 24, k % 2
        words += [0x8000 | t >> 12, 0x6000 | t & 0xFFF, y, 0x2000 | p << 11 | x]
    path = here / "bar.raw"
    path.write_bytes(b"% evt 3.0\n% geometry 32x24\n% end\n" + np.array(words, "<u2").tobytes())
    return path


def test_styles_and_help_are_those_of_the_painters(capsys):
    assert set(view.STYLES) == set(STYLES)
    with pytest.raises(SystemExit):
        main(["events", "view", "--help"])
    said = capsys.readouterr().out
    assert all(style in said for style in STYLES)
    assert "examples:" in said


@pytest.mark.parametrize(
    ("seconds", "speed"), [(10.0, 1.0), (4.0, 1.0), (2.0, 0.5), (0.59, 0.1), (0.05, 0.01), (0.0, 1.0)]
)
def test_a_short_recording_is_shown_slowly(seconds, speed):
    assert speed_for(seconds) == speed


def test_a_video_of_a_recording(recording, here, capsys):
    assert main(["events", "view", "bar.raw"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("bar.mp4: ")
    assert "(surface)" in said, "pictures of a few events would be all but empty"
    assert "0.05 x real time" in said
    assert "sensor 32 x 24" in said
    with av.open("bar.mp4") as container:
        assert len(list(container.decode(video=0))) == 120
    assert main(["events", "view", "bar.raw"]) == 2
    assert "exists already; choose another name, or give --force" in capsys.readouterr().err
    assert main(["events", "view", "bar.raw", "--force", "--from", "0.1", "--speed", "1", "--fps", "50"]) == 0
    assert "(polarity)" in capsys.readouterr().out
    with av.open("bar.mp4") as container:
        assert len(list(container.decode(video=0))) == 5


@pytest.mark.parametrize("style", STYLES)
def test_a_figure_and_a_gif(recording, style, capsys):
    assert main(["events", "view", "bar.raw", "--out", "look.png", "--style", style]) == 0
    assert "events (50% ON) in 0.2 s, sensor 32 x 24" in capsys.readouterr().out
    with Image.open("look.png") as image:
        assert image.width == 1650
    assert main(["events", "view", "bar.raw", "--out", "look.gif", "--style", style, "--speed", "0.2"]) == 0
    with Image.open("look.gif") as image:
        assert image.n_frames == 30


def test_a_page_of_a_part(recording, capsys):
    assert main(["events", "view", "bar.raw", "--out", "look.html", "--from", "0.1", "--speed", "0.02"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("look.html: 0.1 MB, all events, 0.0999 s, sensor 32 x 24")
    text = (recording.parent / "look.html").read_text(encoding="utf-8")
    assert '"speed":0.02' in text
    assert '"from":0.1,' in text
    assert "evt3 · a part of the recording" in text


def test_mistakes_are_said_in_one_line(recording, capsys):
    for arguments, said in (
        (["none.raw"], "does not exist"),
        (["bar.raw", "--out", "x.avi"], "must end in .mp4, .gif, .png, .html"),
        (["bar.raw", "--from", "0.2", "--to", "0.1"], "must be after --from = 0.2"),
        (["bar.raw", "--from", "9"], "holds no events in this part"),
        (["bar.raw", "--style", "film"], "invalid choice"),
        (["bar.raw", "--out", "none/x.mp4"], "--out = 'none/x.mp4': cannot be written: its folder is not there"),
        (["bar.raw", "--fps", "5000"], "fps = 5000.0: must be above 0 and at most 1000"),
    ):
        assert main(["events", "view", *arguments]) == 2, arguments
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1, error


def test_a_real_recording(here, capsys):
    pytest.importorskip("aedat")
    file = fixture("recordings/tonic_sample.aedat4")
    assert main(["events", "view", str(file), "--out", "x.mp4", "--to", "0.1"]) == 0
    assert "sensor 320 x 240" in capsys.readouterr().out
    with av.open("x.mp4") as container:
        assert len(list(container.decode(video=0))) == 150


def test_hot_pixels_are_left_out(recording, here, capsys):
    from snn_control.events import open_recording

    mask = np.zeros((24, 32), bool)
    events = open_recording(recording).read()
    mask[events.y[5], events.x[5]] = True
    left = int((~mask[events.y, events.x]).sum())
    assert left < len(events)
    np.savez(here / "hot.npz", mask=mask)
    assert main(["events", "view", "bar.raw", "--mask", "hot.npz", "--out", "clean.mp4"]) == 0
    assert f"{left:,} events" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        (None, "--mask = 'hot.npz': cannot be read: "),
        ({"pixels": np.zeros(3)}, "--mask = 'hot.npz': cannot be read: "),
        (
            {"mask": np.zeros(3, bool)},
            "--mask = 'hot.npz': has a mask of shape (3,) bool: must be (height, width) bool",
        ),
        ({"mask": np.zeros((8, 8), bool)}, "bar.raw: has an event at (30, 23), beyond the mask of 8 x 8 pixels"),
    ],
)
def test_a_mask_that_does_not_fit_is_an_error(recording, here, capsys, arrays, says):
    if arrays is not None:
        np.savez(here / "hot.npz", **arrays)
    assert main(["events", "view", "bar.raw", "--mask", "hot.npz"]) == 2
    assert says in capsys.readouterr().err
    assert not (here / "bar.mp4").exists()
