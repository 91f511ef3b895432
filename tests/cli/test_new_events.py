"""``snn_control new --events``: what it writes is checked, plotted and replayed as a user does it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from snn_control.controller_file import load_spec
from snn_control.record.run_folder import read_run
from tests.cli.common import call
from tests.events.moving import bar, save
from tests.fixtures import fixture


def made(capsys, folder, size="640x480"):
    path = folder / "eye.yaml"
    code, out, _ = call(capsys, "new", path, "--events", size)
    assert code == 0
    assert f"snn_control events replay RECORDING --controller {path}" in out
    return path


def replayed(capsys, recording, controller, folder):
    options = ("--controller", controller, "--out", folder, "--json", "--no-report")
    code, out, err = call(capsys, "events", "replay", recording, *options)
    assert code == 0, err
    return json.loads(out), read_run(folder)[1]


@pytest.mark.parametrize("size", ["128x128", "346x260", "640x480", "1280x720"])
def test_no_neuron_is_dead_and_no_output_stuck_for_any_common_camera(tmp_path, capsys, size):
    path = made(capsys, tmp_path, size)
    assert "x".join(map(str, load_spec(path).inputs[0].size)) == size
    code, out, err = call(capsys, "check", path, "--json")
    assert code == 0, err
    facts = json.loads(out)
    # of the packages of a driver's messages there is no wheel: that they are missing may be told
    assert [one for one in facts["warnings"] if "EventPacket is not installed here" not in one["text"]] == []
    assert facts["health"]["populations"][0]["dead"] == 0
    assert facts["health"]["populations"][0]["rate_hz"] > 2


def test_it_can_be_plotted(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    code, _, err = call(capsys, "plot", made(capsys, tmp_path), "--out", tmp_path / "plots")
    assert code == 0, err
    assert {"decoders.png", "index.html"} <= {file.name for file in (tmp_path / "plots").iterdir()}


@pytest.mark.parametrize(("axis", "corner"), [(0, "left"), (0, "right"), (1, "up"), (1, "down")])
def test_it_turns_to_where_something_moves(tmp_path, capsys, axis, corner):
    """Half of the bar's path: recent events are on one side of the picture only."""
    events = bar(-300.0 if corner in ("left", "up") else 300.0, axis)
    recording = save(tmp_path / "bar.npz", events)
    _, arrays = replayed(capsys, recording, made(capsys, tmp_path, "128x128"), tmp_path / "run")
    command = arrays["command"]  # yaw > 0: left, pitch > 0: down
    k, sign = {"left": (0, 1), "right": (0, -1), "up": (1, -1), "down": (1, 1)}[corner]
    late = sign * command[len(command) * 3 // 4 :, k]
    early = sign * command[: len(command) // 4, k]
    assert late.mean() > 0.05
    assert early.mean() < -0.05  # it came from the other side
    assert abs(command[:, 1 - k]).mean() < 0.3 * abs(command[:, k]).mean()


@pytest.mark.parametrize("name", ["ecpy_test_events_1.db3", "ecpy_test_events_2_0.mcap"])
def test_recordings_make_it_move(tmp_path, capsys, name):
    recording = fixture(f"recordings/{name}")
    summary, arrays = replayed(capsys, recording, made(capsys, tmp_path), tmp_path / "run")
    assert summary["guard"]["safe_ticks"] == 0
    assert len(np.unique(arrays["spike_neuron"])) > 20
    assert 100 < summary["spikes"]["cells"] / summary["duration_s"] < 20_000
    assert (arrays["command"].std(axis=0) > 0.05).all()
    assert (abs(arrays["command"]) >= 2.0).mean() < 0.2


def test_noise_alone_does_not(tmp_path, capsys):
    recording = fixture("recordings/libcaer_rollover_0.db3")
    summary, _ = replayed(capsys, recording, made(capsys, tmp_path), tmp_path / "run")
    assert summary["events"]["camera"]["events"] == 334_331
    assert summary["spikes"] == {"cells": 0}


def test_without_a_file_it_is_printed(capsys):
    code, out, _ = call(capsys, "new", "--events", "320X240")
    assert code == 0
    assert "size: [320, 240]" in out
    assert "weights: 0.6}" in out  # twice that of 640 x 480: half the pixels along an edge


@pytest.mark.parametrize(
    ("size", "says"), [("640", "'640': must be width x height"), ("7x480", "from 8 to 65535"), ("ax3", "e.g. 640x480")]
)
def test_a_size_that_is_none_is_refused(capsys, size, says):
    code, _, err = call(capsys, "new", "--events", size)
    assert (code, err.count("\n")) == (2, 1)
    assert says in err
