"""Hot pixels are found among pixels that see something, saved, and silenced by the filter."""

import subprocess
import sys

import numpy as np
import pytest
import yaml

from snn_control.cli import main
from snn_control.coding import HotPixels
from snn_control.controller_file.reader import Loader, Reader
from snn_control.errors import DescriptionError
from snn_control.events import Events
from snn_control.events.hot_pixels import learn_hot_pixels, save_mask

WIDTH, HEIGHT = 40, 30
HOT = [(3, 4), (39, 29), (20, 0)]


def recording(seconds=2.0, seed=0, rate=5.0):
    """Background of ``rate`` Hz per pixel and three pixels of 200 Hz, in us."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rate * seconds, (HEIGHT, WIDTH))
    for x, y in HOT:
        counts[y, x] = 200 * seconds
    pixel = rng.permutation(np.repeat(np.arange(counts.size), counts.ravel()))
    t = np.linspace(0, seconds * 1e6, len(pixel)).astype(np.int64)
    y, x = np.divmod(pixel, WIDTH)
    events = Events(t, x.astype(np.uint16), y.astype(np.uint16), rng.integers(0, 2, len(t)).astype(np.uint8))
    return [events[first : first + 1000] for first in range(0, len(t), 1000)], counts


def test_the_hot_ones_are_found_and_no_others():
    chunks, counts = recording()
    found = learn_hot_pixels(chunks, WIDTH, HEIGHT)
    assert (found.counts == counts).all()
    assert sorted(map(tuple, found.pixels.tolist())) == sorted(HOT)
    assert found.duration == pytest.approx(2.0)
    assert [found.mask[y, x] for x, y in HOT] == [True] * 3


def test_both_rules_must_hold():
    chunks, _ = recording()
    assert not learn_hot_pixels(chunks, WIDTH, HEIGHT, rate=250.0).mask.any()
    assert not learn_hot_pixels(chunks, WIDTH, HEIGHT, deviations=500.0).mask.any()
    assert learn_hot_pixels(chunks, WIDTH, HEIGHT, deviations=0.0, rate=0.0).mask.sum() > 400


def test_a_jump_of_the_clock_makes_no_rate_small():
    chunks, _ = recording()
    last = chunks[-2]
    t = last.t.copy()
    t[500:] += 10**13
    jumped = [*chunks[:-2], Events(t, last.x, last.y, last.p)]
    assert learn_hot_pixels(jumped, WIDTH, HEIGHT).duration == pytest.approx(3.0, abs=0.1)
    again = learn_hot_pixels([*chunks, *chunks], WIDTH, HEIGHT)
    assert again.duration == pytest.approx(4.0, abs=0.1)


def test_nothing_to_learn_from_is_said():
    with pytest.raises(DescriptionError, match="there is nothing to learn from"):
        learn_hot_pixels([Events()], WIDTH, HEIGHT)


def test_the_mask_goes_into_a_controller_file(tmp_path):
    found = learn_hot_pixels(recording()[0], WIDTH, HEIGHT)
    save_mask(tmp_path / "mask.npz", found)
    mask = Reader({"mask": "mask.npz#mask"}, "", tmp_path).array("mask")
    assert (HotPixels(mask).hot(WIDTH, HEIGHT) == found.mask).all()


def test_the_command_prints_what_to_paste(tmp_path):
    events = Events.concatenate(recording()[0])
    np.savez(
        tmp_path / "dark.npz", t=events.t, x=events.x, y=events.y, p=events.p, width=WIDTH, height=HEIGHT, unit="us"
    )

    def run(*more):
        words = [sys.executable, "-m", "snn_control", "events", "hot-pixels", "dark.npz", *more]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    done = run("--out", "mask.npz")
    assert done.returncode == 0, done.stderr
    assert "3 hot pixels" in done.stdout
    assert "x   39  y   29       200.0 events/s" in done.stdout
    pasted = yaml.load(done.stdout.partition("inputs:")[2].join(["inputs:", ""]), Loader)
    assert pasted["inputs"]["CAMERA"]["filters"] == [{"type": "hot_pixels", "mask": "mask.npz#mask"}]
    assert np.load(tmp_path / "mask.npz")["mask"].sum() == 3
    assert done.stderr == ""
    again = run("--out", "mask.npz")
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_warnings_are_said():
    assert learn_hot_pixels(recording()[0], WIDTH, HEIGHT).warnings == []
    short = learn_hot_pixels(recording(seconds=0.5)[0], WIDTH, HEIGHT).warnings
    assert len(short) == 1
    assert "0.5 s is short" in short[0]
    many = learn_hot_pixels(recording()[0], WIDTH, HEIGHT, deviations=0.0, rate=0.0).warnings
    assert len(many) == 1
    assert "active pixels are masked" in many[0]


def test_a_sensor_of_unknown_size_is_asked_for(tmp_path, capsys):
    events = Events.concatenate(recording()[0])
    np.savez(tmp_path / "dark.npz", t=events.t, x=events.x, y=events.y, p=events.p, unit="us")
    assert main(["events", "hot-pixels", str(tmp_path / "dark.npz")]) == 2
    assert "give --width and --height" in capsys.readouterr().err
